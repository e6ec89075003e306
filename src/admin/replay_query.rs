//! Which mail is meant, and whose: as it is asked for, and as a selection.

use axum::body::Bytes;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Admin, AdminError};
use crate::base::Timestamp;
use crate::directory::WaveFile;
use crate::limits;
use crate::mail::BackendId;
use crate::queue::replay::{By, Order, People, Selection, Which};
use crate::route::Pattern;
use crate::smtp::Mailbox;

/// Which mail; the people, an address a line, are the body of the request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct ReplayQuery {
    /// Where to.
    pub(crate) to: BackendId,
    /// From then on; the beginning when it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) since: Option<Timestamp>,
    /// Up to then; now when it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) until: Option<Timestamp>,
    /// By which time.
    #[serde(default)]
    pub(crate) by: By,
    /// The sender: an address, `@domain` or `<>`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) sender: Option<String>,
    /// The Message-ID.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) message_id: Option<String>,
    /// The domain of the recipients.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) domain: Option<String>,
    /// A wave whose people are meant, by its name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) wave: Option<String>,
    /// Who got it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) from_backend: Option<BackendId>,
    /// Only what another backend got instead.
    #[serde(default)]
    pub(crate) diverted: bool,
    /// Mail that waits, instead of what was delivered.
    #[serde(default)]
    pub(crate) unfinished: bool,
    /// Also what a replay has brought before.
    #[serde(default)]
    pub(crate) again: bool,
    /// Only what the mailboxes do not have.
    #[serde(default)]
    pub(crate) missing_only: bool,
    /// With it: also to mailboxes that cannot be asked.
    #[serde(default)]
    pub(crate) unasked: bool,
    /// The newest first.
    #[serde(default)]
    pub(crate) newest_first: bool,
    /// So many of the last lines of the body are recipients who were named one by one.
    #[serde(default)]
    pub(crate) recipients: usize,
    /// The file of a wave is in the body, in front of them. Without either the body may be empty,
    /// and that means everybody.
    #[serde(default)]
    pub(crate) listed: bool,
    /// Who asks.
    #[serde(default)]
    pub(crate) actor: String,
}

/// People that the audit log names; more are counted.
const TOLD: usize = 3;

/// Whom a body names.
#[derive(Debug, Default)]
struct Named {
    /// One by one.
    recipients: Vec<Mailbox>,
    /// In a file.
    list: Vec<Mailbox>,
}

impl Named {
    fn is_empty(&self) -> bool {
        self.recipients.is_empty() && self.list.is_empty()
    }

    /// The first of them, behind what else is said of a replay.
    fn told(&self) -> String {
        let all = self.recipients.iter().chain(&self.list);
        let named: Vec<String> = all.take(TOLD).map(ToString::to_string).collect();
        let count = self.recipients.len() + self.list.len();
        match count.saturating_sub(TOLD) {
            _ if named.is_empty() => String::new(),
            0 => format!("; {}", named.join(", ")),
            rest => format!("; {} and {rest} more", named.join(", ")),
        }
    }
}

fn nobody(what: &str) -> AdminError {
    AdminError::Asked {
        what: format!("{what} names nobody"),
        hint: "nobody does not mean everybody: leave it out if all people are meant",
    }
}

impl ReplayQuery {
    /// A platform takes a while from its 250 to the mailbox. Whoever says until when knows better.
    fn settled_before(&self, now: Timestamp) -> Option<Timestamp> {
        let settled = self.missing_only && self.until.is_none();
        settled.then(|| now.before(limits::REPLAY_SETTLED))
    }

    /// Whom the body names. Where people are meant, nobody must not become everybody.
    fn named(&self, body: &[u8]) -> Result<Named, AdminError> {
        if body.is_empty() && self.recipients == 0 && !self.listed {
            return Ok(Named::default());
        }
        let users = WaveFile::parse(body)?.users;
        // As `lines` counts them: the last one may have no end.
        let lines = body.split_inclusive(|byte| *byte == b'\n').count();
        let of_file = lines.saturating_sub(self.recipients);
        let mut named = Named::default();
        for (line, address) in users {
            if usize::try_from(line).is_ok_and(|line| line <= of_file) {
                named.list.push(address);
            } else {
                named.recipients.push(address);
            }
        }
        if named.recipients.len() < self.recipients {
            return Err(nobody("--recipient"));
        }
        if self.listed && named.list.is_empty() {
            return Err(nobody("the file"));
        }
        Ok(named)
    }

    /// All mail of all people that is kept is hardly ever meant.
    fn refuse_all_mail(&self, named: &Named) -> Result<(), AdminError> {
        let texts = [&self.sender, &self.message_id, &self.domain, &self.wave];
        let is_narrow = self.since.is_some()
            || self.diverted
            || self.unfinished
            || !named.is_empty()
            || texts.iter().any(|text| text.is_some());
        if is_narrow {
            return Ok(());
        }
        Err(AdminError::Asked {
            what: "that would be all mail that is kept".to_owned(),
            hint: "say from when with --since, or whose mail with --recipient, --wave or --domain",
        })
    }
}

impl Admin {
    /// What a query means, if that can be; and whom its body names, for the audit log.
    pub(super) async fn meant_by(
        &self,
        query: ReplayQuery,
        body: Bytes,
    ) -> Result<((Selection, People), String), AdminError> {
        self.blocking(move |admin| {
            admin.known_home(&query.to)?;
            let named = query.named(&body)?;
            query.refuse_all_mail(&named)?;
            let told = named.told();
            Ok((admin.meant(&query, named)?, told))
        })
        .await
    }

    /// What a query means: the selection, and whose mail. Blocks.
    fn meant(&self, query: &ReplayQuery, named: Named) -> Result<(Selection, People), AdminError> {
        let people = self.people_of(query, named)?;
        let keys = self.keys_of(people.iter());
        let sender = query.sender.as_deref().map(str::parse::<Pattern>);
        let sender = sender.transpose().map_err(|error| AdminError::Asked {
            what: error.to_string(),
            hint: "--sender takes an address, @domain, or <> for reports",
        })?;
        if let Some(backend) = &query.from_backend {
            self.refuse_unknown_source(backend)?;
        }
        let domain = query.domain.as_deref().map(|name| self.known_domain(name));
        let domain = domain.transpose()?;
        let bare = |id: &String| id.trim().trim_matches(['<', '>']).to_owned();
        let message_id = query.message_id.as_ref().map(bare);
        if let Some(message_id) = &message_id {
            self.refuse_unknown_message(message_id)?;
        }
        let selection = Selection {
            since: query.since.unwrap_or(Timestamp::EPOCH),
            until: query.until.unwrap_or_else(|| self.clock.now()),
            by: query.by,
            people: people.len() as u64,
            wave: query.wave.clone(),
            sender,
            message_id,
            domain: domain.map(|domain| domain.key()),
            from_backend: query.from_backend.clone(),
            diverted: query.diverted,
            which: if query.unfinished {
                Which::Unfinished
            } else {
                Which::Finished
            },
            again: query.again,
            missing_only: query.missing_only,
            unasked: query.unasked,
            settled_before: query.settled_before(self.clock.now()),
            order: if query.newest_first {
                Order::Newest
            } else {
                Order::Oldest
            },
            ..Selection::default()
        };
        Ok((selection, keys))
    }

    /// Who is meant; nobody: everybody.
    fn people_of(&self, query: &ReplayQuery, named: Named) -> Result<Vec<Mailbox>, AdminError> {
        self.refuse_strangers(&named.recipients)?;
        self.refuse_strangers(&named.list)?;
        let mut lists = vec![named.recipients, named.list];
        lists.retain(|list| !list.is_empty());
        if let Some(name) = &query.wave {
            let wave = self.waves.find(name, None)?;
            let users = self.waves.file(&wave)?.users.into_iter();
            lists.push(users.map(|(_, address)| address).collect());
        }
        self.in_all(lists)
    }

    /// The people of the first list, each of whom has to be in the others, too.
    fn in_all(&self, lists: Vec<Vec<Mailbox>>) -> Result<Vec<Mailbox>, AdminError> {
        let mut lists = lists.into_iter();
        let Some(people) = lists.next() else {
            return Ok(Vec::new());
        };
        let directory = self.router.directory().current();
        for other in lists {
            let keys = self.keys_of(other.iter());
            let is_outside = |one: &&Mailbox| directory.keys_of(one).is_disjoint(&keys);
            if let Some(outside) = people.iter().find(is_outside) {
                return Err(AdminError::Asked {
                    what: format!("{outside} is not a user of the wave"),
                    hint: "--recipient and --wave together mean who is in both",
                });
            }
        }
        Ok(people)
    }

    /// Keys under which the mail of these people stands.
    pub(super) fn keys_of<'a>(&self, addresses: impl Iterator<Item = &'a Mailbox>) -> People {
        let directory = self.router.directory().current();
        addresses
            .flat_map(|address| directory.keys_of(address))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_audit_log_names_the_first_people_of_a_plan() {
        let people = |count: usize| {
            let names = (0..count).map(|number| format!("user{number}@example.org"));
            let all: Vec<Mailbox> = names.map(|name| name.parse().unwrap()).collect();
            let (recipients, list) = all.split_at(count.min(1));
            Named {
                recipients: recipients.to_vec(),
                list: list.to_vec(),
            }
        };
        assert_eq!(people(0).told(), "");
        assert_eq!(people(1).told(), "; user0@example.org");
        let three = "; user0@example.org, user1@example.org, user2@example.org";
        assert_eq!(people(3).told(), three);
        assert_eq!(people(5).told(), format!("{three} and 2 more"));
    }
}
