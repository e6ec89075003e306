//! Mail to who owns an account when a way into it has changed, so that he hears of what somebody
//! else did. What is to be told is kept as a fact until it is: a crash forgets nothing.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Webmail;
use super::accounts::{Account, AccountError, blocking};
use super::error::WebError;
use super::guard::Visitor;
use super::notify::{IfDown, Note, Noted, for_owner};
use super::texts::{Texts, fill};
use crate::base::{Shutdown, Timestamp};
use crate::smtp::Mailbox;

/// What is to be told, by the key of the account.
const CHANGES: &str = "login-change";
/// Two mails about one account are never nearer; what happens between is in the second one.
const PAUSE: Duration = Duration::from_secs(10 * 60);
/// From one look to the next when nobody wakes us.
const LOOK: Duration = Duration::from_secs(30);
/// Lines of a mail; it says how many there were beyond.
const LINES: usize = 20;

/// What happened to a way in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Change {
    /// He, or somebody who knew the old one, has another password.
    Password,
    /// A password was set by an invitation.
    Invited,
    PasskeyAdded,
    PasskeyRemoved,
    /// With a new password, all of them.
    PasskeysRemoved,
    SecondOn,
    SecondOff,
    /// There are new recovery codes.
    Codes,
    /// Somebody came in by a recovery code.
    Recovered,
    /// Somebody came in by the login provider for the first time.
    Provider,
    /// The help desk has begun it anew.
    Reset,
}

impl Change {
    const fn text(self, texts: &Texts) -> &'static str {
        match self {
            Self::Password => texts.change_of_password,
            Self::Invited => texts.change_by_invitation,
            Self::PasskeyAdded => texts.change_passkey_added,
            Self::PasskeyRemoved => texts.change_passkey_removed,
            Self::PasskeysRemoved => texts.change_passkeys_removed,
            Self::SecondOn => texts.change_second_on,
            Self::SecondOff => texts.change_second_off,
            Self::Codes => texts.change_codes,
            Self::Recovered => texts.change_recovered,
            Self::Provider => texts.change_provider,
            Self::Reset => texts.change_reset,
        }
    }
}

/// One line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Line {
    what: Change,
    at: Timestamp,
    /// Device and address; empty: it was no visitor.
    #[serde(default)]
    place: String,
}

/// What an account's owner is to hear.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
struct Untold {
    lines: Vec<Line>,
    /// Lines beyond these.
    more: usize,
    /// When the last mail went out.
    told: Option<Timestamp>,
}

impl Untold {
    fn add(&mut self, line: Line) {
        if self.lines.len() < LINES {
            self.lines.push(line);
        } else {
            self.more = self.more.saturating_add(1);
        }
    }

    fn is_pausing(&self, now: Timestamp) -> bool {
        self.told.is_some_and(|told| now.since(told) < PAUSE)
    }
}

/// Held while what is to be told is changed; woken when there is more.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    changing: tokio::sync::Mutex<()>,
    more: tokio::sync::Notify,
}

impl Webmail {
    /// A visitor has changed a way into an account: its owner will be told. That this fails does
    /// not undo what was done.
    pub(crate) async fn note_change(&self, account: &Account, what: Change, visitor: &Visitor) {
        let address = visitor.address.to_canonical().to_string();
        let place = [visitor.device(), address];
        let place = place.into_iter().filter(|word| !word.is_empty());
        let place = place.collect::<Vec<_>>().join(", ");
        self.note_line(&account.key(), what, place).await;
    }

    /// The help desk has reset an account: its owner will be told.
    pub async fn note_reset(&self, account: &Mailbox) {
        self.note_line(&account.key(), Change::Reset, String::new())
            .await;
    }

    async fn note_line(&self, key: &str, what: Change, place: String) {
        let line = Line {
            what,
            at: self.0.world.clock.now(),
            place,
        };
        let _changing = self.0.changes.changing.lock().await;
        let accounts = &self.0.world.accounts;
        let untold = accounts.load::<Untold>(CHANGES, key).await;
        let mut untold = untold.unwrap_or_default().unwrap_or_default();
        untold.add(line);
        if let Err(error) = accounts.store(CHANGES, key, &untold).await {
            tracing::error!(account = key, %error, ?what, "an owner is not told of a change");
        }
        self.0.changes.more.notify_one();
    }

    /// Tells owners, until the stop.
    pub async fn changes_task(self, shutdown: Shutdown) {
        loop {
            match self.tell_changes().await {
                Ok(()) | Err(WebError::Busy) => {}
                Err(error) => tracing::error!(?error, "mails about changed logins wait"),
            }
            tokio::select! {
                () = shutdown.stopping() => return,
                () = self.0.changes.more.notified() => {}
                () = tokio::time::sleep(LOOK) => {}
            }
        }
    }

    /// Tells what is to be told now.
    pub(crate) async fn tell_changes(&self) -> Result<(), WebError> {
        let spool = self.0.world.spool.clone();
        let facts = blocking(move || spool.facts(CHANGES, "")).await??;
        for (key, _) in facts {
            self.tell_owner(&key).await?;
        }
        Ok(())
    }

    async fn tell_owner(&self, key: &str) -> Result<(), WebError> {
        let _changing = self.0.changes.changing.lock().await;
        let accounts = &self.0.world.accounts;
        let untold = match accounts.load::<Untold>(CHANGES, key).await {
            Err(AccountError::Damaged(_)) => None,
            other => other?,
        };
        let now = self.0.world.clock.now();
        let untold = untold.unwrap_or_default();
        if untold.is_pausing(now) {
            return Ok(());
        }
        if untold.lines.is_empty() {
            return Ok(self.0.world.spool.put_fact(CHANGES, key, None).await?);
        }
        if let Some(account) = accounts.find(key).await?
            && let Some(person) = self.person_of(&account)
        {
            self.mail_changes((&account, &person), &untold).await?;
        }
        let told = Untold {
            told: Some(now),
            ..Untold::default()
        };
        Ok(accounts.store(CHANGES, key, &told).await?)
    }

    /// To his mailbox, where the webmail shows it at once whatever his platform does, and to his
    /// second address.
    async fn mail_changes(
        &self,
        (account, person): (&Account, &Mailbox),
        untold: &Untold,
    ) -> Result<(), WebError> {
        let (key, address) = (account.key(), person.to_string());
        let subject = for_owner(account, " / ", |texts| texts.changes_subject.to_owned());
        let text = for_owner(account, "\n\n* * *\n\n", |texts| {
            let lines = self.list_of(untold, texts);
            fill(texts.changes, &[("address", &address), ("lines", &lines)])
        });
        // The same name until it is written down that it was told: once, also after a crash.
        let first = untold.lines.first().map_or(0, |line| line.at.as_millis());
        let second = self.second_address(person).map(|it| (it, IfDown::Leave));
        let own = (person.clone(), IfDown::Wait);
        for (to, if_down) in std::iter::once(own).chain(second) {
            let name = format!("changes of {first} in {key} to {}", to.key());
            let note = Note {
                to: &to,
                name: &name,
                subject: &subject,
                text: &text,
                if_down,
            };
            match self.note(&note).await? {
                Noted::Sent => {}
                Noted::Down(backend) => {
                    tracing::info!(account = key, %backend, "a second address is not told");
                }
                Noted::Refused(why) => {
                    tracing::warn!(account = key, why, "an owner gets no mail about his login");
                }
            }
        }
        Ok(())
    }

    fn list_of(&self, untold: &Untold, texts: &'static Texts) -> String {
        let moments = self.moments(texts);
        let provider = self.0.world.provider.as_ref();
        let name = provider.map_or("", |provider| provider.name.as_str());
        let line = |line: &Line| {
            let time = moments.full(line.at);
            let what = fill(line.what.text(texts), &[("name", name)]);
            let place = match line.place.as_str() {
                "" => String::new(),
                place => format!(" ({place})"),
            };
            format!("    {time}: {what}{place}")
        };
        let mut lines: Vec<String> = untold.lines.iter().map(line).collect();
        if untold.more > 0 {
            let more = untold.more.to_string();
            lines.push(format!(
                "    {}",
                fill(texts.change_more, &[("count", &more)])
            ));
        }
        lines.join("\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_of_changes_is_one_short_mail() {
        let mut untold = Untold::default();
        for number in 0..100 {
            untold.add(Line {
                what: Change::Codes,
                at: Timestamp::from_millis(number),
                place: String::new(),
            });
        }
        assert_eq!((untold.lines.len(), untold.more), (LINES, 80));
        assert!(!untold.is_pausing(Timestamp::from_millis(5)));
        untold.told = Some(Timestamp::from_millis(5));
        assert!(untold.is_pausing(Timestamp::from_millis(599_000)));
        assert!(!untold.is_pausing(Timestamp::from_millis(600_005)));
    }
}
