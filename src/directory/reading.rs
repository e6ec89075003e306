//! Addresses as sources write them, and what is to be told of them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::clean::{Mended, Reason, clean, is_plain, mend};
use super::normalise::forms;
use super::{Normalise, Record, Rules};
use crate::limits;
use crate::smtp::Mailbox;

/// What becomes of an address as a source writes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum OldForm {
    /// It still receives.
    Receives,
    /// It is the same address.
    Same,
    /// It receives nothing: SMTP cannot carry it.
    Lost,
}

/// An address of a file that platforms refuse, or that is none as it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Oddity {
    /// The line.
    pub line: u64,
    /// The column.
    pub column: String,
    /// As it is written.
    pub before: String,
    /// As platforms take it; none when nobody can say.
    pub after: Option<String>,
    /// What is wrong with it.
    pub why: Vec<Reason>,
    /// What becomes of the old form when the new one is used.
    pub old: OldForm,
}

/// Odd addresses of a source: the first of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Oddities {
    /// The first [`limits::IMPORT_ERRORS`] of them, in the order of the file.
    pub first: Vec<Oddity>,
    /// How many more there are.
    pub more: u64,
}

impl Oddities {
    fn push(&mut self, oddity: Oddity) {
        if self.first.len() < limits::IMPORT_ERRORS {
            self.first.push(oddity);
        } else {
            self.more += 1;
        }
    }
}

/// Takes addresses, by the rules of the directory.
pub(super) struct Taker<'a> {
    rules: &'a Rules,
    /// What was odd since somebody asked.
    odd: Vec<Odd>,
}

struct Odd {
    column: String,
    text: String,
    mended: Mended,
}

impl<'a> Taker<'a> {
    pub(super) const fn new(rules: &'a Rules) -> Self {
        Self {
            rules,
            odd: Vec::new(),
        }
    }

    /// The same, telling nobody.
    pub(super) const fn quiet(&self) -> Self {
        Self::new(self.rules)
    }

    /// The address that a text is.
    ///
    /// # Errors
    /// It is none, and nothing is to be done about it.
    pub(super) fn mailbox(&mut self, column: &str, text: &str) -> Result<Mailbox, String> {
        let parsed = text.parse::<Mailbox>();
        if self.rules.normalise == Normalise::Off {
            return parsed.map_err(|error| format!("\"{text}\": {error}"));
        }
        let mended = match parsed {
            Ok(address) if is_plain(&address) => return Ok(address),
            Ok(address) => Mended {
                address,
                why: Vec::new(),
                carried: true,
            },
            Err(error) => {
                let what = format!("\"{text}\": {error}");
                let Some(mended) = mend(text).filter(|mended| self.may_be(mended)) else {
                    return Err(what);
                };
                if self.rules.normalise == Normalise::Report {
                    let found = clean(&mended.address, self.rules);
                    let proper = found.and_then(|found| found.spellings.into_iter().next());
                    let proper = proper.unwrap_or(mended.address);
                    return Err(format!(
                        "{what}; with directory.normalise = \"apply\" it is {proper}"
                    ));
                }
                mended
            }
        };
        let address = mended.address.clone();
        self.odd.push(Odd {
            column: column.to_owned(),
            text: text.to_owned(),
            mended,
        });
        Ok(address)
    }

    /// What has to be quoted must become proper then: elsewhere nobody says what is meant.
    fn may_be(&self, mended: &Mended) -> bool {
        let quoted = mended.address.local().starts_with('"');
        !quoted
            || clean(&mended.address, self.rules).is_some_and(|found| !found.spellings.is_empty())
    }

    /// What was taken though it is none as it stands, for people.
    pub(super) fn mended(&mut self) -> Vec<String> {
        let odd = std::mem::take(&mut self.odd).into_iter();
        let odd = odd.filter(|odd| odd.mended.address.to_string() != odd.text);
        odd.map(|odd| {
            format!(
                "{} \"{}\": taken as {}",
                odd.column, odd.text, odd.mended.address
            )
        })
        .collect()
    }

    /// What was odd in the texts since the last row, of which `record` was made.
    pub(super) fn tell(&mut self, line: u64, record: Option<&Record>, oddities: &mut Oddities) {
        if self.odd.is_empty() {
            return;
        }
        let own = record.into_iter();
        let own = own.flat_map(|record| [&record.address].into_iter().chain(&record.aliases));
        let forms = forms(&own, self.rules);
        let mut told = Vec::new();
        for odd in std::mem::take(&mut self.odd) {
            if told.contains(&odd.mended.address) {
                continue;
            }
            told.push(odd.mended.address.clone());
            let form = forms.iter().find(|form| *form.before == odd.mended.address);
            let Mended {
                address,
                mut why,
                carried,
            } = odd.mended;
            why.extend(form.iter().flat_map(|form| &form.why));
            why.sort_unstable();
            why.dedup();
            // Of somebody else, whose name may be what it likes.
            if why.is_empty() {
                continue;
            }
            let after = form.map_or(Some(&address), |form| form.after.as_ref());
            let old = match after {
                _ if !carried => OldForm::Lost,
                Some(after) if after.key() == address.key() => OldForm::Same,
                Some(_) | None => OldForm::Receives,
            };
            oddities.push(Oddity {
                line,
                column: odd.column,
                before: odd.text,
                after: after.map(ToString::to_string),
                why,
                old,
            });
        }
    }
}
