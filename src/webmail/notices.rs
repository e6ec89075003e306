//! Notices to second addresses: the webmail is open for you, and it is over.

use std::time::Duration;

use super::Webmail;
use super::accounts::{Account, AccountError};
use super::announce::{News, Told, is_told, news};
use super::error::WebError;
use super::notify::{IfDown, Note, Noted, for_owner};
use super::texts::{Texts, fill};
use crate::base::Shutdown;
use crate::directory::Lookup;
use crate::limits;
use crate::smtp::Mailbox;

/// What was told, by the key of the account.
pub(super) const NOTICES: &str = "webmail-notice";
/// Which text of a language.
type Words = fn(&Texts) -> &'static str;
/// From one look to the next.
const LOOK: Duration = Duration::from_secs(30);

impl Webmail {
    /// Tells people what is news, until the stop. Nothing without `web.notices`.
    pub async fn notices_task(self, shutdown: Shutdown) {
        let Some(pause) = self.0.options.notices else {
            return;
        };
        loop {
            match self.tell_news(pause).await {
                Ok(_) | Err(WebError::Busy) => {}
                Err(error) => tracing::error!(?error, "notices wait"),
            }
            tokio::select! {
                () = shutdown.stopping() => return,
                () = tokio::time::sleep(LOOK) => {}
            }
        }
    }

    /// Tells everybody who can log in and has a second address what is news for him; how many.
    pub(crate) async fn tell_news(&self, pause: Duration) -> Result<usize, WebError> {
        let accounts = self.0.world.accounts.list().await?;
        let mut told = 0;
        for account in accounts {
            if !account.is_open() || !account.is_enrolled() {
                continue;
            }
            let Some(person) = self.person_of(&account) else {
                continue;
            };
            let Some(second) = self.second_address(&person) else {
                continue;
            };
            if self.tell_one((&account, &person), &second, pause).await? {
                told += 1;
            }
            if told >= limits::NOTICES_AT_ONCE {
                tracing::info!(told, "more notices follow");
                break;
            }
        }
        Ok(told)
    }

    async fn tell_one(
        &self,
        (account, person): (&Account, &Mailbox),
        second: &Mailbox,
        pause: Duration,
    ) -> Result<bool, WebError> {
        let (mailbox, home) = self.mailbox_of(person);
        let activation = self.0.world.activation.clone();
        let moment = super::accounts::blocking(move || activation.moment()).await??;
        let ruling = moment.ruling(&mailbox, home.as_ref());
        let outage = home.as_ref().and_then(|it| moment.outage(it));
        let is_open = is_told(&ruling, moment.options().base, outage);
        let accounts = &self.0.world.accounts;
        let key = account.key();
        let known: Option<Told> = match accounts.load(NOTICES, &key).await {
            // What cannot be read is as if never told.
            Err(AccountError::Damaged(_)) => None,
            other => other?,
        };
        let now = self.0.world.clock.now();
        let truth = if is_open { News::Begins } else { News::Ends };
        let Some(what) = news(known.as_ref(), truth, (now, pause)) else {
            return Ok(false);
        };
        let count = known.map_or(1, |known| known.count + 1);
        // The same name until it is written down that it was told: once, also after a crash.
        let name = format!("notice {count} to {key}");
        let (subject, text) = self.words((account, person), what);
        let note = Note {
            to: second,
            name: &name,
            subject: &subject,
            text: &text,
            if_down: IfDown::Leave,
        };
        match self.note(&note).await? {
            Noted::Sent => {}
            Noted::Down(backend) => {
                tracing::debug!(account = key, %backend, "a notice would wait with the rest");
                return Ok(false);
            }
            Noted::Refused(why) => {
                tracing::warn!(account = key, why, "a second address gets no mail");
            }
        }
        let told = Told {
            is_open,
            at: now,
            count,
        };
        accounts.store(NOTICES, &key, &told).await?;
        Ok(true)
    }

    /// Where notices reach the owner of an account; never his mailbox itself.
    pub(super) fn second_address(&self, person: &Mailbox) -> Option<Mailbox> {
        let directory = self.0.world.directory.current();
        let Lookup::Known { entry, .. } = directory.lookup(person) else {
            return None;
        };
        let own = |second: &Mailbox| entry.addresses().any(|one| one.key() == second.key());
        entry.second_address.clone().filter(|second| !own(second))
    }

    /// In the language in which he logged in last.
    fn words(&self, (account, person): (&Account, &Mailbox), what: News) -> (String, String) {
        let address = person.to_string();
        let base = self.0.options.base_url.as_str();
        let values = [("address", address.as_str()), ("base", base)];
        let all = |text: Words, between: &str| {
            for_owner(account, between, |texts| fill(text(texts), &values))
        };
        let (subject, text): (Words, Words) = match what {
            News::Begins => (|it| it.begins_subject, |it| it.begins),
            News::Ends => (|it| it.ends_subject, |it| it.ends),
        };
        (all(subject, " / "), all(text, "\n\n* * *\n\n"))
    }
}
