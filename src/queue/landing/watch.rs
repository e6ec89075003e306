//! Looks for what was delivered, round by round.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;

use super::missing::is_junk;
use super::pending::{Taken, first_look, is_sampled};
use super::{Landings, MissingMail, Options};
use crate::base::{Boxed, Timestamp};
use crate::imap::{ImapError, Mailboxes, Place, Purpose, Wanted};
use crate::limits;
use crate::mail::BackendId;
use crate::queue::replay::Unasked;
use crate::smtp::Mailbox;
use crate::spool::{Recent, Spool, SpoolError};
use crate::telemetry::names;

/// Rounds in which nothing is to be done come so often.
const IDLE: Duration = Duration::from_secs(30);
/// What is missing is looked for again so often: platforms have queues of their own.
const LATE: Duration = Duration::from_secs(3600);

/// Mailboxes whose logins are refused together are asked for so long: a token may be renewed.
const REFUSED: Duration = Duration::from_secs(24 * 3600);

/// What is looked for in one mailbox.
struct Group {
    backend: BackendId,
    holder: Mailbox,
    messages: Vec<(Taken, Wanted, String)>,
    purpose: Purpose,
}

/// What came of it.
type Heard = (Group, Result<Vec<Option<Place>>, ImapError>);

impl Landings {
    pub(super) async fn watch(&self) {
        let shutdown = self.0.queue.0.parts.shutdown.clone();
        let mut late = None;
        loop {
            let options = self.state().options;
            if let Err(error) = self.round(options, &mut late).await {
                tracing::error!(%error, "proofs of landing are tried again");
            }
            let pause = if options.share == 0 {
                IDLE
            } else {
                first_look(options.within)
            };
            tokio::select! {
                biased;
                () = shutdown.stopping() => return,
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    async fn round(
        &self,
        options: Options,
        late: &mut Option<Timestamp>,
    ) -> Result<(), SpoolError> {
        if self.0.mailboxes.get().is_none() {
            return Ok(());
        }
        let now = self.0.queue.0.parts.clock.now();
        let book = self.book();
        if options.share > 0 {
            match book.cursor()? {
                Some(cursor) => self.read_log(cursor, (now, options)).await?,
                // What was delivered before anybody asked for proofs is not looked for.
                None => book.set_cursor(now).await?,
            }
            let due = self.state().pending.due(now);
            self.look(due, (now, options)).await?;
        }
        if late.is_none_or(|last| now.since(last) >= LATE) {
            *late = Some(now);
            self.look_for_late(now).await?;
        }
        if options.share > 0 {
            let before = book.cursor()?;
            let cursor = self.state().pending.cursor(now, before);
            if before != Some(cursor) {
                book.set_cursor(cursor).await?;
            }
        }
        metrics::gauge!(names::LANDING_MISSING).set(as_number(book.count()?));
        Ok(())
    }

    /// What was delivered since the cursor.
    async fn read_log(
        &self,
        cursor: Timestamp,
        (now, options): (Timestamp, Options),
    ) -> Result<(), SpoolError> {
        let spool = &self.0.queue.0.parts.spool;
        let landings = self.clone();
        let reading = move |spool: &Spool| {
            let mut fresh = Vec::new();
            let mut show = |recent: Recent| {
                let is_certain = recent.delivery_address.is_some() && recent.at <= now;
                if is_certain
                    && is_sampled(recent.id, recent.number, options.share)
                    && landings.can_ask(&recent.backend)
                {
                    fresh.push(Taken {
                        id: recent.id,
                        number: recent.number,
                        backend: recent.backend,
                        at: recent.at,
                    });
                }
            };
            spool.recent(cursor, limits::RECALLED_RECORDS, &mut show)?;
            fresh.retain(|taken| landings.state().pending.is_new(taken));
            let mut unproven = Vec::new();
            for taken in fresh {
                // Before a restart it may have come to its end.
                let last = landings
                    .book()
                    .last((taken.id, taken.number), &taken.backend);
                if last.is_ok_and(|last| last.is_none_or(|(said, _)| said < taken.at)) {
                    unproven.push(taken);
                }
            }
            Ok::<_, SpoolError>(unproven)
        };
        let mut fresh = spool.beside(reading).await?;
        fresh.sort_by_key(|taken| taken.at);
        let mut state = self.state();
        for taken in fresh {
            state.pending.add(taken, options.within);
        }
        Ok(())
    }

    fn can_ask(&self, backend: &BackendId) -> bool {
        let mailboxes = self.0.mailboxes.get();
        mailboxes.is_some_and(|mailboxes| mailboxes.at_a_time(backend) > 0)
    }

    /// Looks for deliveries, mailbox by mailbox, and writes down what was seen.
    async fn look(
        &self,
        due: Vec<Taken>,
        (now, options): (Timestamp, Options),
    ) -> Result<(), SpoolError> {
        let (groups, lost) = self.grouped(due, (now, options)).await?;
        {
            let mut state = self.state();
            for taken in lost {
                // A group or a contact: what goes there lands elsewhere. Or it is gone meanwhile.
                state.pending.end(&taken);
                state.seen.not_asked += 1;
            }
        }
        let mut of_backend: BTreeMap<BackendId, Vec<Group>> = BTreeMap::new();
        for group in groups {
            let groups = of_backend.entry(group.backend.clone()).or_default();
            groups.push(group);
        }
        for (backend, groups) in of_backend {
            self.look_at(&backend, groups, (now, options)).await?;
        }
        Ok(())
    }

    async fn look_at(
        &self,
        backend: &BackendId,
        groups: Vec<Group>,
        when: (Timestamp, Options),
    ) -> Result<(), SpoolError> {
        let Some(mailboxes) = self.0.mailboxes.get() else {
            return Ok(());
        };
        let shutdown = &self.0.queue.0.parts.shutdown;
        let mut groups = groups.into_iter();
        let mut asking = FuturesUnordered::new();
        let mut is_away = false;
        loop {
            while asking.len() < mailboxes.at_a_time(backend).max(1) && !is_away {
                let Some(group) = groups.next() else { break };
                asking.push(ask(Arc::clone(mailboxes), group));
            }
            let heard = tokio::select! {
                biased;
                // What was not heard is looked for after the start.
                () = shutdown.stopping() => return Ok(()),
                heard = asking.next() => heard,
            };
            let Some(heard) = heard else { break };
            is_away |= self.hear(heard, when).await?;
        }
        // The others are asked in the next round, when the server is there.
        let mut state = self.state();
        for (taken, ..) in groups.flat_map(|group| group.messages) {
            state.pending.again(&taken, when.0, when.1.within);
        }
        Ok(())
    }

    /// By mailbox, with what it takes to look for each; and what cannot be looked for.
    async fn grouped(
        &self,
        due: Vec<Taken>,
        (now, options): (Timestamp, Options),
    ) -> Result<(Vec<Group>, Vec<Taken>), SpoolError> {
        let router = self.0.queue.0.parts.router.clone();
        let reading = move |spool: &Spool| {
            let mut groups: BTreeMap<(BackendId, String), Group> = BTreeMap::new();
            let mut lost = Vec::new();
            for taken in due {
                let message = match spool.message(taken.id) {
                    Err(error) if error.is_damage() => None,
                    found => found?,
                };
                let recipient = message.as_ref().and_then(|message| {
                    let recipients = &message.envelope.recipients;
                    recipients.get(usize::from(taken.number)).cloned()
                });
                let holder = recipient
                    .as_ref()
                    .and_then(|recipient| router.mailbox_at(&recipient.address, &taken.backend));
                let (Some(message), Some(recipient), Some(holder)) = (message, recipient, holder)
                else {
                    lost.push(taken);
                    continue;
                };
                let key = (taken.backend.clone(), holder.key());
                let group = groups.entry(key).or_insert_with(|| Group {
                    backend: taken.backend.clone(),
                    holder,
                    messages: Vec::new(),
                    purpose: Purpose::FreshLanding,
                });
                if now.since(taken.at) >= options.within {
                    group.purpose = Purpose::Landing;
                }
                let wanted = Wanted {
                    id: taken.id,
                    message_id: message.envelope.message_id.clone(),
                };
                let told = recipient.address.to_string();
                group.messages.push((taken, wanted, told));
            }
            Ok::<_, SpoolError>((groups, lost))
        };
        let (groups, lost) = self.0.queue.0.parts.spool.beside(reading).await?;
        Ok((groups.into_values().collect(), lost))
    }

    /// Writes down what a mailbox has shown. `true`: the server is away.
    async fn hear(
        &self,
        (group, answer): Heard,
        (now, options): (Timestamp, Options),
    ) -> Result<bool, SpoolError> {
        let places = match answer {
            Ok(places) => places,
            Err(error) => {
                self.hear_nothing(&group, &error, (now, options));
                return Ok(error.is_of_server());
            }
        };
        self.state().pending.waits_for = None;
        let book = self.book();
        for ((taken, wanted, address), place) in group.messages.into_iter().zip(places) {
            let is_over = now.since(taken.at) >= options.within;
            match place {
                Some(place) => {
                    let in_junk = is_junk(place.kind);
                    book.found((taken.id, taken.number), &taken.backend, place)
                        .await?;
                    let mut state = self.state();
                    state.pending.end(&taken);
                    state.seen.found += 1;
                    state.seen.in_junk += u64::from(in_junk);
                }
                None if is_over => {
                    let mail = MissingMail {
                        id: taken.id,
                        recipient: taken.number,
                        address,
                        backend: taken.backend.clone(),
                        delivered: taken.at,
                        missed: now,
                        message_id: wanted.message_id,
                    };
                    book.missing(mail).await?;
                    let mut state = self.state();
                    state.pending.end(&taken);
                    state.seen.missing += 1;
                }
                None => self.state().pending.again(&taken, now, options.within),
            }
        }
        Ok(false)
    }

    fn hear_nothing(&self, group: &Group, error: &ImapError, (now, options): (Timestamp, Options)) {
        let mut state = self.state();
        if error.is_of_server() || error.is_of_logins() {
            state.pending.waits_for = Some(error.to_string());
        }
        let mut given_up = 0;
        for (taken, ..) in &group.messages {
            // A server that is away says nothing about its mailboxes: it is waited for.
            let time = if error.is_of_logins() {
                REFUSED.max(options.within * 3)
            } else {
                options.within * 3
            };
            let is_over = now.since(taken.at) >= time;
            if error.is_lasting() || is_over && !error.is_of_server() {
                state.pending.end(taken);
                given_up += 1;
            } else {
                state.pending.again(taken, now, options.within);
            }
        }
        if given_up > 0 {
            state.seen.not_asked += given_up;
            let (mailbox, why) = (group.holder.to_string(), error.to_string());
            Unasked::note(&mut state.seen.unasked, (&mailbox, why), given_up);
        }
    }

    /// What was missing may have come late.
    async fn look_for_late(&self, now: Timestamp) -> Result<(), SpoolError> {
        let (missing, _) = self.book().list(usize::MAX)?;
        let due = missing.into_iter().map(|mail| Taken {
            id: mail.id,
            number: mail.recipient,
            backend: mail.backend,
            at: mail.delivered,
        });
        let due: Vec<Taken> = due.filter(|taken| self.can_ask(&taken.backend)).collect();
        let always = Options {
            within: Duration::ZERO,
            ..self.state().options
        };
        let (groups, lost) = self.grouped(due, (now, always)).await?;
        for taken in lost {
            let name = format!("{}-{}", taken.id, taken.number);
            tracing::warn!(name, backend = %taken.backend,
                "missing mail leaves the list: it is kept no longer, or its mailbox is gone");
            self.book().dismiss(&name).await?;
        }
        let Some(mailboxes) = self.0.mailboxes.get() else {
            return Ok(());
        };
        let shutdown = &self.0.queue.0.parts.shutdown;
        for group in groups {
            let (group, answer) = tokio::select! {
                biased;
                () = shutdown.stopping() => return Ok(()),
                heard = ask(Arc::clone(mailboxes), group) => heard,
            };
            let Ok(places) = answer else { continue };
            for ((taken, ..), place) in group.messages.into_iter().zip(places) {
                if let Some(place) = place {
                    let place_of = (taken.id, taken.number);
                    self.book().found(place_of, &taken.backend, place).await?;
                }
            }
        }
        Ok(())
    }
}

fn ask(mailboxes: Arc<dyn Mailboxes>, group: Group) -> Boxed<'static, Heard> {
    Box::pin(async move {
        let wanted: Vec<Wanted> = group
            .messages
            .iter()
            .map(|(_, wanted, _)| wanted.clone())
            .collect();
        let question = (wanted.as_slice(), group.purpose);
        let answer = mailboxes
            .find(&group.backend, &group.holder, question)
            .await;
        let answer = answer.and_then(|places| {
            let is_whole = places.len() == wanted.len();
            is_whole.then_some(places).ok_or(ImapError::Odd)
        });
        (group, answer)
    })
}

#[expect(clippy::cast_precision_loss, reason = "a gauge, far below 2^52")]
const fn as_number(count: u64) -> f64 {
    count as f64
}
