//! A device that somebody wants, and what is wrong with it: pure.

use std::sync::Arc;
use std::time::Duration;

use super::{AddressRule, Device, Way};
use crate::base::Timestamp;
use crate::limits;
use crate::net::Network;

/// Characters of a name.
const NAME: usize = 64;
/// The shortest prefixes of a network that is a device: beyond it is a part of the Internet.
const SHORTEST: (u8, u8) = (16, 48);
const DAY: Duration = Duration::from_secs(86_400);
/// A device that may send to strangers by nothing but its address is looked at again after a year.
const LONGEST: Duration = Duration::from_secs(366 * 86_400);

/// What somebody wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceWish {
    /// What it is to be called.
    pub name: String,
    /// How it is to hand its mail in.
    pub way: Way,
    /// Who it may write as.
    pub senders: Vec<AddressRule>,
    /// Where it comes from.
    pub networks: Vec<String>,
    /// The strangers to whom it may send.
    pub recipients: Vec<AddressRule>,
    /// Until when, and how much a day.
    pub renewal: Renewal,
    /// What for.
    pub reason: String,
}

/// Until when a device may send, and how much.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Renewal {
    /// From then on nothing of it is taken.
    pub expires: Option<Timestamp>,
    /// Recipients of a day.
    pub daily_recipients: Option<u32>,
}

/// Why it cannot be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what}")]
pub struct Refused {
    /// What is wrong with it.
    pub what: String,
    /// What would be right.
    pub hint: &'static str,
}

fn refused(what: impl Into<String>, hint: &'static str) -> Refused {
    Refused {
        what: what.into(),
        hint,
    }
}

impl DeviceWish {
    /// The device, when it can be one beside `others`; `is_ours` knows the domains of ours by
    /// their keys.
    pub(super) fn check(
        self,
        (by, now): (&str, Timestamp),
        others: &[Arc<Device>],
        is_ours: &dyn Fn(&str) -> bool,
    ) -> Result<Device, Refused> {
        let name = plain_name(&self.name)?;
        if others.iter().any(|one| one.name == name) {
            let hint = "`tideover device show` tells what it may; end it, or take another name";
            return Err(refused(format!("there is a device {name} already"), hint));
        }
        if others.len() >= limits::DEVICES {
            let hint = "end those that nobody uses: `tideover device list` says when each was seen";
            let what = format!("there are {} devices already", others.len());
            return Err(refused(what, hint));
        }
        check_senders(&self.senders, is_ours)?;
        check_networks((self.way, &self.networks), others)?;
        check_recipients((self.way, &self.recipients), is_ours)?;
        self.renewal.check(self.way, now)?;
        Ok(Device {
            name,
            way: self.way,
            senders: sorted(self.senders),
            networks: self.networks,
            recipients: sorted(self.recipients),
            expires: self.renewal.expires,
            daily_recipients: self
                .renewal
                .daily_recipients
                .or_else(|| usual_daily(self.way)),
            password: None,
            made: now,
            by: by.to_owned(),
            reason: self.reason,
        })
    }
}

/// Whoever has a password of a device can send to everybody; who is known by its address has a
/// list, or can harm nobody but us.
fn usual_daily(way: Way) -> Option<u32> {
    match way {
        Way::Login => Some(limits::DEVICE_DAILY),
        Way::Internal | Way::Listed => None,
    }
}

impl Renewal {
    pub(super) fn check(self, way: Way, now: Timestamp) -> Result<(), Refused> {
        if self.expires.is_some_and(|end| end <= now) {
            return Err(refused(
                "that day is over already",
                "give a later one with --expires",
            ));
        }
        if self.daily_recipients == Some(0) {
            let hint = "give how many recipients it may have on one day, or end the device";
            return Err(refused("with 0 recipients a day it can send nothing", hint));
        }
        if way != Way::Listed {
            return Ok(());
        }
        let hint = "whoever takes its address over sends what it may send: --expires 90d \
                    --daily 100, for example";
        let Some(end) = self.expires else {
            let what = "who sends to strangers by its address has a day on which that ends";
            return Err(refused(what, hint));
        };
        if end > now.after(LONGEST + DAY) {
            let what = "who sends to strangers by its address is looked at again after a year";
            return Err(refused(what, hint));
        }
        if self.daily_recipients.is_none() {
            let what = "who sends to strangers by its address has a number of recipients a day";
            return Err(refused(what, hint));
        }
        Ok(())
    }
}

fn check_senders(senders: &[AddressRule], is_ours: &dyn Fn(&str) -> bool) -> Result<(), Refused> {
    let hint = "name the addresses that stand as the sender in the settings of the device, \
                for example --sender scanner@example.org";
    if senders.is_empty() {
        return Err(refused("it has no address to write as", hint));
    }
    if senders.len() > limits::DEVICE_RULES {
        let what = format!("{} senders are too many", senders.len());
        return Err(refused(what, "one @domain stands for all its addresses"));
    }
    match senders.iter().find(|rule| !is_ours(rule.domain())) {
        Some(rule) => Err(refused(
            format!("{rule} is of no domain of ours: others would take it for forged"),
            "the config names them as [domain.NAME]",
        )),
        None => Ok(()),
    }
}

fn check_networks(
    (way, networks): (Way, &[String]),
    others: &[Arc<Device>],
) -> Result<(), Refused> {
    if networks.is_empty() && way != Way::Login {
        return Err(refused(
            "it is known by its address, and there is none",
            "give where it comes from, for example --network 192.0.2.7",
        ));
    }
    if networks.len() > limits::DEVICE_NETWORKS {
        let what = format!("{} networks are too many", networks.len());
        return Err(refused(what, "one network can have many addresses"));
    }
    for text in networks {
        let network: Network = text.parse().map_err(|error| {
            let hint = "for example 192.0.2.7 or 192.0.2.0/24";
            refused(format!("\"{text}\": {error}"), hint)
        })?;
        let (v4, v6) = SHORTEST;
        let shortest = if network.is_ipv4() { v4 } else { v6 };
        if network.prefix() < shortest {
            return Err(refused(
                format!("{text} has so many addresses that not all of them are this device"),
                "a network has /16 or more, of IPv6 /48 or more; better is its one address",
            ));
        }
        // A login tells them apart.
        let by_address = |one: &&Arc<Device>| way != Way::Login && one.way != Way::Login;
        let same = |one: &&Arc<Device>| {
            by_address(one) && one.networks().any(|other| other.is_same(&network))
        };
        if let Some(other) = others.iter().find(same) {
            return Err(refused(
                format!("{text} is the device {} already", other.name),
                "nobody could tell the two apart: end that one first, or name a part of it",
            ));
        }
    }
    Ok(())
}

fn check_recipients(
    (way, recipients): (Way, &[AddressRule]),
    is_ours: &dyn Fn(&str) -> bool,
) -> Result<(), Refused> {
    if recipients.len() > limits::DEVICE_RULES {
        let what = format!("{} recipients are too many", recipients.len());
        return Err(refused(what, "one @domain stands for all its addresses"));
    }
    match way {
        Way::Internal if recipients.is_empty() => Ok(()),
        Way::Internal => Err(refused(
            "who sends to our own people only needs no list",
            "leave out --to, or say that it sends to others, too",
        )),
        Way::Listed if recipients.is_empty() => Err(refused(
            "it sends to strangers, and none is named",
            "name them, for example --to @partner.example",
        )),
        Way::Listed | Way::Login => match recipients.iter().find(|rule| is_ours(rule.domain())) {
            Some(rule) => Err(refused(
                format!("{rule} is one of us, to whom it may send anyway"),
                "leave it out",
            )),
            None => Ok(()),
        },
    }
}

fn sorted(mut rules: Vec<AddressRule>) -> Vec<AddressRule> {
    rules.sort();
    rules.dedup();
    rules
}

/// A name can be typed again, is not mistaken for something else in a table or in an address, and
/// is never that of a person.
pub(super) fn plain_name(name: &str) -> Result<String, Refused> {
    let name = name.trim().to_ascii_lowercase();
    let plain =
        |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_' | '.');
    let begins = name.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit());
    if begins && name.len() <= NAME && name.chars().all(plain) && name != "add" {
        return Ok(name);
    }
    Err(refused(
        format!("{name:?} is no name of a device"),
        "use up to 64 small letters, digits, - _ and ., for example scanner-3",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(days: u64) -> Timestamp {
        Timestamp::from_millis(days * 86_400_000)
    }

    fn wish(way: Way) -> DeviceWish {
        let is_listed = way == Way::Listed;
        let to = is_listed.then(|| "@partner.example".parse().unwrap());
        DeviceWish {
            name: " Scanner-3 ".to_owned(),
            way,
            senders: vec!["scan@example.org".parse().unwrap()],
            networks: vec!["192.0.2.7".to_owned()],
            recipients: to.into_iter().collect(),
            renewal: Renewal {
                expires: is_listed.then(|| at(90)),
                daily_recipients: is_listed.then_some(100),
            },
            reason: "the third floor scans".to_owned(),
        }
    }

    fn made(wish: DeviceWish, others: &[Arc<Device>]) -> Result<Device, Refused> {
        wish.check(("ann", at(0)), others, &|domain| domain == "example.org")
    }

    #[test]
    fn what_is_whole_becomes_a_device() {
        let device = made(wish(Way::Internal), &[]).unwrap();
        assert_eq!((&*device.name, &*device.by), ("scanner-3", "ann"));
        assert_eq!(device.expires, None);
        let device = made(wish(Way::Listed), &[]).unwrap();
        assert_eq!(device.daily_recipients, Some(100));
        for (said, expected) in [(None, limits::DEVICE_DAILY), (Some(7), 7)] {
            let mut login = wish(Way::Login);
            login.renewal.daily_recipients = said;
            let device = made(login, &[]).unwrap();
            assert_eq!(device.daily_recipients, Some(expected));
        }
        let internal = made(wish(Way::Internal), &[]).unwrap();
        assert_eq!(internal.daily_recipients, None);
    }

    #[test]
    fn what_is_dangerous_or_means_nothing_is_refused() {
        type Change = fn(&mut DeviceWish);
        let internal: &[(Change, &str)] = &[
            (|it| it.name = "a@b".to_owned(), "no name of a device"),
            (|it| it.name = "a".repeat(65), "no name of a device"),
            (|it| it.senders.clear(), "no address to write as"),
            (
                |it| it.senders.push("@elsewhere.example".parse().unwrap()),
                "of no domain of ours",
            ),
            (|it| it.networks.clear(), "there is none"),
            (|it| it.networks.push("printer".to_owned()), "not a network"),
            (|it| it.networks = vec!["0.0.0.0/0".to_owned()], "so many"),
            (
                |it| it.networks = vec!["192.0.0.0/15".to_owned()],
                "so many",
            ),
            (
                |it| it.networks = vec!["2001:db8::/47".to_owned()],
                "so many",
            ),
            (
                |it| it.recipients.push("@x.example".parse().unwrap()),
                "needs no list",
            ),
            (|it| it.renewal.expires = Some(at(0)), "over already"),
            (|it| it.renewal.daily_recipients = Some(0), "nothing"),
        ];
        let listed: &[(Change, &str)] = &[
            (|it| it.recipients.clear(), "none is named"),
            (
                |it| it.recipients.push("ann@example.org".parse().unwrap()),
                "one of us",
            ),
            (|it| it.renewal.expires = None, "a day on which that ends"),
            (|it| it.renewal.expires = Some(at(368)), "after a year"),
            (|it| it.renewal.daily_recipients = None, "recipients a day"),
        ];
        for (way, cases) in [(Way::Internal, internal), (Way::Listed, listed)] {
            for (change, expected) in cases {
                let mut wish = wish(way);
                change(&mut wish);
                let what = made(wish, &[]).unwrap_err().what;
                assert!(what.contains(expected), "{expected}: {what}");
            }
        }
    }

    #[test]
    fn two_devices_can_be_told_apart() {
        let first = Arc::new(made(wish(Way::Internal), &[]).unwrap());
        let others = [first];
        let again = made(wish(Way::Internal), &others).unwrap_err();
        assert!(again.what.contains("scanner-3 already"), "{again}");
        let mut other = wish(Way::Internal);
        other.name = "fax".to_owned();
        other.networks = vec!["::ffff:192.0.2.7".to_owned()];
        let same = made(other.clone(), &others).unwrap_err();
        assert!(same.what.contains("is the device scanner-3"), "{same}");
        other.networks = vec!["192.0.2.0/24".to_owned()];
        made(other, &others).unwrap();
    }
}
