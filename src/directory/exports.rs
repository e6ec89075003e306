//! Exports of platforms as they are: `Get-Mailbox`, `Get-Recipient` and their like of Exchange as
//! `Export-Csv` writes them, and the list of users of Google's Admin console. They are known by
//! their headers; columns that say nothing about mail are left alone.

use super::import::{Row, Telling};
use super::reading::Taker;
use super::{EntryKind, Record};
use crate::smtp::Mailbox;

/// What a column is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Column {
    /// The address: `PrimarySmtpAddress`, `Email Address`.
    Own,
    /// `EmailAddresses`: all of them, with what each is in front.
    Proxies,
    /// `RecipientTypeDetails`.
    Details,
    /// `RecipientType`: says less.
    Kind,
    /// `ExternalEmailAddress`, `RemoteRoutingAddress`.
    Elsewhere,
    /// `LegacyExchangeDN`.
    LegacyDn,
    /// `DisplayName`; the first and the last name.
    Name,
    /// `Name`, for who has no other.
    OtherName,
    /// `HiddenFromAddressListsEnabled`.
    Hidden,
    /// `RequireSenderAuthenticationEnabled`, of groups.
    InternalOnly,
    /// `Recovery Email`, and the secondary ones.
    Second,
    /// `Email Aliases`.
    Aliases,
}

/// The columns of an export; `None` where one says nothing about mail.
pub(super) struct Layout(Vec<(String, Option<Column>)>);

impl Layout {
    /// `None`: the header is not that of an export.
    pub(super) fn of(header: &csv::ByteRecord) -> Option<Self> {
        let names = header.iter().map(|field| {
            let name = std::str::from_utf8(field).unwrap_or_default();
            name.trim_start_matches('\u{feff}').trim().to_owned()
        });
        let names: Vec<String> = names.collect();
        let known: fn(&str) -> Option<Column> = if has(&names, "PrimarySmtpAddress") {
            of_exchange
        } else if has(&names, "Email Address [Required]")
            || (has(&names, "Email Address") && has(&names, "First Name"))
        {
            of_google
        } else {
            return None;
        };
        let columns = names.into_iter().map(|name| {
            let column = known(&name);
            (name, column)
        });
        Some(Self(columns.collect()))
    }

    /// A row of the export.
    pub(super) fn row(
        &self,
        line: u64,
        fields: &csv::ByteRecord,
        (taker, errors): Telling<'_, '_>,
    ) -> Row {
        if fields.len() != self.0.len() {
            let (is, expected) = (fields.len(), self.0.len());
            let what = format!("{is} fields, expected {expected} as in the header");
            errors.push(line, None, what);
            return Row::Bad(None);
        }
        let mut draft = Draft::default();
        let mut good = true;
        for ((name, column), field) in self.0.iter().zip(fields) {
            let Some(column) = column else { continue };
            let text = std::str::from_utf8(field)
                .map_err(|_| "is not UTF-8, expected an export with -Encoding UTF8".to_owned());
            let set = text.and_then(|text| draft.set((name, *column), text.trim(), taker));
            if let Err(what) = set {
                errors.push(line, Some(name), what);
                good = false;
            }
        }
        let Some(own) = draft.own.clone() else {
            let own = self
                .0
                .iter()
                .find(|(_, column)| *column == Some(Column::Own));
            if good {
                let what = "is empty, expected an address such as ann@example.org";
                errors.push(line, own.map(|(name, _)| name.as_str()), what);
            }
            return Row::Bad(None);
        };
        if good {
            Row::Good(Box::new(draft.record(own)))
        } else {
            Row::Bad(Some(own))
        }
    }
}

fn has(names: &[String], wanted: &str) -> bool {
    names.iter().any(|name| name.eq_ignore_ascii_case(wanted))
}

fn of_exchange(name: &str) -> Option<Column> {
    Some(match name.to_ascii_lowercase().as_str() {
        "primarysmtpaddress" => Column::Own,
        "emailaddresses" => Column::Proxies,
        "recipienttypedetails" => Column::Details,
        "recipienttype" => Column::Kind,
        "externalemailaddress" | "remoteroutingaddress" => Column::Elsewhere,
        "legacyexchangedn" => Column::LegacyDn,
        "displayname" => Column::Name,
        "name" => Column::OtherName,
        "hiddenfromaddresslistsenabled" => Column::Hidden,
        "requiresenderauthenticationenabled" => Column::InternalOnly,
        _ => return None,
    })
}

fn of_google(name: &str) -> Option<Column> {
    // `[Required]`, `[READ ONLY]` and so on come and go.
    let name = name.split('[').next().unwrap_or_default().trim();
    Some(match name.to_ascii_lowercase().as_str() {
        "email address" => Column::Own,
        "first name" | "last name" => Column::Name,
        "recovery email" | "home secondary email" | "work secondary email" => Column::Second,
        "email aliases" | "aliases" => Column::Aliases,
        _ => return None,
    })
}

/// What a row has said so far.
#[derive(Default)]
struct Draft {
    own: Option<Mailbox>,
    further: Vec<Mailbox>,
    x500: Vec<String>,
    details: Option<EntryKind>,
    kind: Option<EntryKind>,
    elsewhere: Option<Mailbox>,
    names: Vec<String>,
    other_name: String,
    hidden: Option<bool>,
    internal_only: Option<bool>,
    second: Option<Mailbox>,
}

impl Draft {
    fn set(
        &mut self,
        (name, column): (&str, Column),
        text: &str,
        taker: &mut Taker<'_>,
    ) -> Result<(), String> {
        if text.is_empty() {
            return Ok(());
        }
        let mut mailbox = |text: &str| taker.mailbox(name, text);
        match column {
            Column::Own => self.own = Some(mailbox(text)?),
            Column::Proxies => self.proxies(text, mailbox)?,
            Column::Details => self.details = kind(text)?,
            // It says less, and of some nothing that we know.
            Column::Kind => self.kind = kind(text).unwrap_or_default(),
            Column::Elsewhere => {
                self.elsewhere.get_or_insert(mailbox(bare(text))?);
            }
            Column::LegacyDn => self.x500.push(text.to_owned()),
            Column::Name => self.names.push(text.to_owned()),
            Column::OtherName => text.clone_into(&mut self.other_name),
            Column::Hidden => self.hidden = Some(text.eq_ignore_ascii_case("true")),
            Column::InternalOnly => {
                self.internal_only = Some(text.eq_ignore_ascii_case("true"));
            }
            Column::Second => {
                self.second.get_or_insert(mailbox(text)?);
            }
            Column::Aliases => {
                for alias in text
                    .split([';', ',', ' ', '\n'])
                    .filter(|one| !one.is_empty())
                {
                    self.further.push(mailbox(alias.trim())?);
                }
            }
        }
        Ok(())
    }

    fn proxies(
        &mut self,
        text: &str,
        mut mailbox: impl FnMut(&str) -> Result<Mailbox, String>,
    ) -> Result<(), String> {
        let values = prefixed(text);
        if values.is_empty() {
            // What PowerShell writes for a list that nobody joined.
            return Err(format!(
                "\"{text}\" are no addresses, expected an export in which they are joined: \
                 @{{n='EmailAddresses';e={{$_.EmailAddresses -join ';'}}}}"
            ));
        }
        for (kind, value) in values {
            if kind.eq_ignore_ascii_case("smtp") {
                self.further.push(mailbox(value)?);
            } else if kind.eq_ignore_ascii_case("x500") {
                self.x500.push(value.to_owned());
            }
        }
        Ok(())
    }

    fn record(self, own: Mailbox) -> Record {
        let mut record = Record::new(own);
        let own = record.address.key();
        let mut seen = vec![own.clone()];
        for alias in self.further {
            let key = alias.key();
            if !seen.contains(&key) {
                seen.push(key);
                record.aliases.push(alias);
            }
        }
        for x500 in self.x500 {
            if record
                .x500
                .iter()
                .all(|one| !one.eq_ignore_ascii_case(&x500))
            {
                record.x500.push(x500);
            }
        }
        record.kind = self.details.or(self.kind);
        record.delivery_address = self.elsewhere.filter(|one| one.key() != own);
        record.name = if self.names.is_empty() {
            self.other_name
        } else {
            self.names.join(" ")
        };
        record.hidden = self.hidden;
        record.internal_only = self.internal_only;
        record.second_address = self.second.filter(|one| one.key() != own);
        record
    }
}

/// Without `SMTP:` in front.
fn bare(text: &str) -> &str {
    match text.split_once(':') {
        Some((kind, rest)) if kind.eq_ignore_ascii_case("smtp") => rest,
        _ => text,
    }
}

/// `SMTP:a@example.org;smtp:b@example.org, X500:/o=Org/cn=Ann B`: kinds and values. They are joined
/// by whatever whoever wrote the script liked; values of X.500 have spaces and commas of their own.
fn prefixed(text: &str) -> Vec<(&str, &str)> {
    let between = |c: char| c.is_whitespace() || c == ';' || c == ',';
    let mut begins: Vec<(usize, usize)> = Vec::new();
    let mut word = 0;
    for (place, c) in text.char_indices() {
        if between(c) {
            word = place + c.len_utf8();
        } else if c == ':' {
            let kind = text.get(word..place).unwrap_or_default();
            let is_kind = !kind.is_empty() && kind.bytes().all(|byte| byte.is_ascii_alphanumeric());
            if is_kind {
                begins.push((word, place));
            }
            // A second colon belongs to the value.
            word = text.len();
        }
    }
    let ends = begins.iter().skip(1).map(|(begin, _)| *begin);
    let ends = ends.chain([text.len()]);
    let values = begins.iter().zip(ends).filter_map(|((begin, colon), end)| {
        let value = text.get(colon + 1..end)?.trim_matches(between);
        Some((text.get(*begin..*colon)?, value))
    });
    values.collect()
}

/// The names of `RecipientTypeDetails` and `RecipientType`. A remote mailbox is a mail user on this
/// side.
fn kind(text: &str) -> Result<Option<EntryKind>, String> {
    let name = text.to_ascii_lowercase();
    let remote = name.starts_with("remote");
    Ok(Some(match name.as_str() {
        "mailuser" | "guestmailuser" => EntryKind::User,
        "mailcontact" | "mailforestcontact" => EntryKind::Contact,
        "roommailbox" | "equipmentmailbox" | "schedulingmailbox" | "linkedroommailbox" => {
            EntryKind::Resource
        }
        "groupmailbox" | "roomlist" | "remotegroupmailbox" => EntryKind::Group,
        name if remote && name.ends_with("mailbox") => EntryKind::User,
        name if name.ends_with("mailbox") || name == "publicfolder" => EntryKind::Mailbox,
        name if name.ends_with("group") => EntryKind::Group,
        "user" | "disableduser" | "contact" => return Ok(None),
        _ => {
            return Err(format!(
                "\"{text}\" is no type of recipient that is known here"
            ));
        }
    }))
}

#[cfg(test)]
#[path = "exports_tests.rs"]
mod tests;
