//! What the attributes of Active Directory and its like say of a recipient.

use super::reading::Taker;
use super::{EntryKind, Record, Rules};
use crate::ldap::{Object, lasting_id};
use crate::mail::BackendId;
use crate::smtp::Mailbox;

/// A recipient as a directory server has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    /// What stays when the person is renamed.
    pub(super) id: String,
    pub(super) record: Record,
    /// The names of its members.
    pub(super) members: Vec<String>,
    /// What could not be used, for people.
    pub(super) left_out: Vec<String>,
    /// What was taken though it is no address as it stands, for people.
    pub(super) mended: Vec<String>,
}

/// The recipient that an object is; `None`: it has no address, so it is none. What is wrong with it
/// as a whole is an error.
pub(super) fn recipient(
    object: &Object,
    home: Option<&BackendId>,
    rules: &Rules,
) -> Result<Option<Found>, String> {
    let mut values = Values {
        taker: Taker::new(rules),
        left_out: Vec::new(),
    };
    let mut addresses = Addresses::default();
    for value in object.texts("proxyaddresses") {
        addresses.proxy(value, &mut values);
    }
    for value in object.texts("mail") {
        addresses.mail(value, &mut values);
    }
    let Some(address) = addresses.own() else {
        // Without a word of mail it is not one of those who get any.
        return match values.left_out.first() {
            Some(why) => Err(why.clone()),
            None => Ok(None),
        };
    };
    let kind = kind(object);
    let target = object.text("targetaddress").map(bare);
    let target = target.and_then(|text| values.told(text, "targetAddress"));
    let other = object.text("othermailbox");
    let other = other.and_then(|text| values.told(text, "otherMailbox"));
    let mut x500 = addresses.x500;
    x500.extend(object.text("legacyexchangedn").map(str::to_owned));
    let elsewhere = matches!(kind, Some(EntryKind::User | EntryKind::Contact));
    let name = object.text("displayname").or_else(|| object.text("cn"));
    let members = object.texts("member").chain(object.texts("uniquemember"));
    let mut record = Record {
        home: home.filter(|_| !elsewhere).cloned(),
        delivery_address: target.filter(|target| *target != address),
        name: name.unwrap_or_default().to_owned(),
        kind,
        x500: sorted(x500),
        second_address: other.filter(|other| *other != address),
        hidden: object
            .text("msexchhidefromaddresslists")
            .map(|text| text.eq_ignore_ascii_case("true")),
        internal_only: object
            .text("msexchrequireauthtosendto")
            .map(|text| text.eq_ignore_ascii_case("true")),
        ..Record::new(address)
    };
    record.aliases = addresses.further;
    let own = record.address.key();
    record.aliases.retain(|alias| alias.key() != own);
    // A server gives values in any order: the same people must make the same records.
    record.aliases.sort_by_key(Mailbox::key);
    record.aliases.dedup_by_key(|alias| alias.key());
    Ok(Some(Found {
        id: lasting_id(object),
        record,
        members: members.map(str::to_owned).collect(),
        left_out: values.left_out,
        mended: values.taker.mended(),
    }))
}

fn sorted(mut values: Vec<String>) -> Vec<String> {
    values.sort();
    values.dedup_by_key(|value| value.to_lowercase());
    values
}

/// All that an object is called.
#[derive(Default)]
struct Addresses {
    primary: Option<Mailbox>,
    further: Vec<Mailbox>,
    mail: Option<Mailbox>,
    x500: Vec<String>,
}

impl Addresses {
    /// `SMTP:` is the primary address, `smtp:` a further one.
    fn proxy(&mut self, value: &str, values: &mut Values<'_>) {
        let Some((kind, text)) = value.split_once(':') else {
            return;
        };
        if kind.eq_ignore_ascii_case("x500") {
            self.x500.push(text.to_owned());
        } else if kind.eq_ignore_ascii_case("smtp") {
            let Some(address) = values.told(text, "proxyAddresses") else {
                return;
            };
            if kind == "SMTP" && self.primary.is_none() {
                self.primary = Some(address);
            } else {
                self.further.push(address);
            }
        }
    }

    fn mail(&mut self, value: &str, values: &mut Values<'_>) {
        // With a primary address it repeats it, or says where a contact is outside.
        if self.primary.is_some() {
            return;
        }
        match values.told(value, "mail") {
            Some(address) if self.mail.is_none() => self.mail = Some(address),
            Some(address) => self.further.push(address),
            None => {}
        }
    }

    fn own(&mut self) -> Option<Mailbox> {
        self.primary.take().or_else(|| self.mail.take())
    }
}

/// Without `SMTP:` in front.
fn bare(text: &str) -> &str {
    match text.split_once(':') {
        Some((kind, rest)) if kind.eq_ignore_ascii_case("smtp") => rest,
        _ => text,
    }
}

/// The values of an object that are addresses.
struct Values<'a> {
    taker: Taker<'a>,
    left_out: Vec<String>,
}

impl Values<'_> {
    fn told(&mut self, text: &str, attribute: &str) -> Option<Mailbox> {
        match self.taker.mailbox(attribute, text) {
            Ok(address) => Some(address),
            Err(what) => {
                self.left_out.push(format!("{attribute} {what}"));
                None
            }
        }
    }
}

/// `msExchRecipientTypeDetails`, else the class of the object.
fn kind(object: &Object) -> Option<EntryKind> {
    let details = object.text("msexchrecipienttypedetails");
    let details = details.and_then(|text| text.parse::<u64>().ok());
    if let Some(kind) = details.and_then(exchange_kind) {
        return Some(kind);
    }
    let is = |class: &str| {
        let mut classes = object.texts("objectclass");
        classes.any(|one| one.eq_ignore_ascii_case(class))
    };
    let groups = [
        "group",
        "groupOfNames",
        "groupOfUniqueNames",
        "msExchDynamicDistributionList",
    ];
    if groups.into_iter().any(is) {
        return Some(EntryKind::Group);
    }
    if is("contact") {
        return Some(EntryKind::Contact);
    }
    let mailbox = ["homemdb", "msexchhomeservername"];
    if mailbox.iter().any(|name| object.text(name).is_some()) {
        return Some(EntryKind::Mailbox);
    }
    object
        .text("targetaddress")
        .is_some()
        .then_some(EntryKind::User)
}

/// The values of `msExchRecipientTypeDetails`. A remote mailbox is a mail user on this side.
const fn exchange_kind(details: u64) -> Option<EntryKind> {
    Some(match details {
        // User, linked, shared, legacy and team mailboxes.
        0x1 | 0x2 | 0x4 | 0x8 | 0x20_0000_0000 => EntryKind::Mailbox,
        // Rooms and devices.
        0x10 | 0x20 => EntryKind::Resource,
        // Mail contacts, also of another forest.
        0x40 | 0x8000 => EntryKind::Contact,
        // Mail users, and remote mailboxes: user, room, device, shared.
        0x80 | 0x8000_0000 | 0x2_0000_0000 | 0x4_0000_0000 | 0x8_0000_0000 => EntryKind::User,
        // Groups: universal, non-universal, security, dynamic, list of rooms.
        0x100 | 0x200 | 0x400 | 0x800 | 0x1000_0000 => EntryKind::Group,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directory::Normalise;

    fn object(attributes: &[(&str, &[&str])]) -> Object {
        let mut object = Object {
            dn: "CN=Ann,DC=example,DC=org".to_owned(),
            ..Object::default()
        };
        for (name, values) in attributes {
            let values = values.iter().map(|value| value.as_bytes().to_vec());
            object
                .attributes
                .insert(name.to_lowercase(), values.collect());
        }
        object
    }

    fn found(attributes: &[(&str, &[&str])]) -> Found {
        let onprem = BackendId::new("onprem");
        recipient(&object(attributes), Some(&onprem), &Rules::default())
            .unwrap()
            .unwrap()
    }

    #[test]
    fn a_mailbox_of_exchange_says_all_of_itself() {
        let found = found(&[
            ("objectClass", &["top", "person", "user"]),
            ("objectGUID", &["\u{1}0"]),
            (
                "proxyAddresses",
                &[
                    "smtp:archer@example.org",
                    "SMTP:Ann@example.org",
                    "smtp:ANN@example.org",
                    "X500:/o=Old/cn=ann",
                    "SIP:ann@example.org",
                    "smtp:a@b@c",
                ],
            ),
            ("mail", &["ann@example.org"]),
            ("otherMailbox", &["ann@home.example"]),
            ("legacyExchangeDN", &["/o=New/cn=ann"]),
            ("displayName", &["Ann Archer"]),
            ("msExchRecipientTypeDetails", &["1"]),
            ("msExchHideFromAddressLists", &["TRUE"]),
        ]);
        let record = &found.record;
        assert_eq!(record.address.to_string(), "Ann@example.org");
        let aliases: Vec<_> = record.aliases.iter().map(Mailbox::to_string).collect();
        assert_eq!(aliases, ["archer@example.org"]);
        assert_eq!(record.x500, ["/o=New/cn=ann", "/o=Old/cn=ann"]);
        assert_eq!(record.kind, Some(EntryKind::Mailbox));
        assert_eq!(record.home, Some(BackendId::new("onprem")));
        assert_eq!(
            (record.name.as_str(), record.hidden),
            ("Ann Archer", Some(true))
        );
        let second = record.second_address.as_ref().map(Mailbox::to_string);
        assert_eq!(second.as_deref(), Some("ann@home.example"));
        assert_eq!(found.id, "0130");
        assert_eq!(found.left_out.len(), 1, "{:?}", found.left_out);
        assert!(found.left_out[0].starts_with("proxyAddresses \"a@b@c\""));
    }

    #[test]
    fn a_remote_mailbox_is_a_mail_user_here() {
        let found = found(&[
            ("objectClass", &["user"]),
            ("proxyAddresses", &["SMTP:bob@example.org"]),
            ("targetAddress", &["SMTP:bob@tenant.mail.onmicrosoft.com"]),
            ("msExchRecipientTypeDetails", &["2147483648"]),
        ]);
        assert_eq!(found.record.kind, Some(EntryKind::User));
        assert_eq!(found.record.home, None);
        let target = found.record.delivery_address.unwrap().to_string();
        assert_eq!(target, "bob@tenant.mail.onmicrosoft.com");
        assert_eq!(found.id, "cn=ann,dc=example,dc=org");
    }

    #[test]
    fn without_exchange_the_class_says_what_it_is() {
        for (attributes, kind) in [
            (
                &[("objectClass", &["groupOfNames"][..])][..],
                Some(EntryKind::Group),
            ),
            (
                &[("objectClass", &["contact"][..])],
                Some(EntryKind::Contact),
            ),
            (&[("objectClass", &["inetOrgPerson"][..])], None),
            (
                &[("targetAddress", &["x@y.example"][..])],
                Some(EntryKind::User),
            ),
            (&[("homeMDB", &["CN=DB1"][..])], Some(EntryKind::Mailbox)),
            (
                &[("msExchRecipientTypeDetails", &["16"][..])],
                Some(EntryKind::Resource),
            ),
            // A value of a later Exchange.
            (
                &[
                    ("msExchRecipientTypeDetails", &["9007199254740992"][..]),
                    ("objectClass", &["group"][..]),
                ],
                Some(EntryKind::Group),
            ),
        ] {
            let mut all = vec![("mail", &["it@example.org"][..])];
            all.extend_from_slice(attributes);
            assert_eq!(found(&all).record.kind, kind, "{attributes:?}");
        }
    }

    #[test]
    fn who_has_no_address_is_nobody_and_who_has_a_bad_one_is_told() {
        let nobody = object(&[("cn", &["printer"])]);
        assert_eq!(recipient(&nobody, None, &Rules::default()), Ok(None));
        let bad = object(&[("mail", &["ann at example"])]);
        assert!(
            recipient(&bad, None, &Rules::default())
                .unwrap_err()
                .contains("ann at example")
        );
        let mails = found(&[("mail", &["ann@example.org", "a@example.org"])]);
        assert_eq!(mails.record.aliases.len(), 1);
    }

    #[test]
    fn the_order_of_values_makes_no_difference() {
        let values = ["smtp:c@x.example", "SMTP:a@x.example", "smtp:b@x.example"];
        let mut turned = values;
        turned.reverse();
        assert_eq!(
            found(&[("proxyAddresses", &values)]).record,
            found(&[("proxyAddresses", &turned)]).record
        );
    }

    #[test]
    fn values_that_are_no_addresses_are_mended_when_somebody_wants_it() {
        let ann = object(&[(
            "proxyAddresses",
            &["SMTP:<ann@example.org>", "smtp:a\u{7}@x.example"],
        )]);
        let rules = Rules {
            normalise: Normalise::Apply,
            ..Rules::default()
        };
        let found = recipient(&ann, None, &rules).unwrap().unwrap();
        assert_eq!(found.record.address.to_string(), "ann@example.org");
        assert_eq!(found.record.aliases.len(), 1);
        assert_eq!(found.mended.len(), 2);
        assert_eq!(
            found.mended[0],
            "proxyAddresses \"<ann@example.org>\": taken as ann@example.org"
        );
        let refused = recipient(&ann, None, &Rules::default()).unwrap_err();
        assert!(refused.contains("it is ann@example.org"), "{refused}");
    }
}
