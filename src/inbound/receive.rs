//! A message comes in: behind DATA in one go, by BDAT in parts. What is refused is read to its end
//! all the same, for a bounded time.

use metrics::histogram;
use tokio::time::Instant;

use super::connection::{Connection, End, NOT_STORED, spool_reply};
use super::content::Content;
use super::header_filter::Mending;
use super::load::{CROWDED, Hold};
use super::patience::Lag;
use super::session::{Chunk, Hello, Rules as _, Session};
use super::transaction::Transaction;
use super::wire::{Wire, WireError};
use crate::auth::Checker;
use crate::limits;
use crate::mail::SpoolId;
use crate::route::Origin;
use crate::smtp::Reply;
use crate::spool::Draft;
use crate::telemetry::names;

/// A message on its way in.
pub(super) struct Incoming {
    hello: Hello,
    transaction: Box<Transaction>,
    content: Content,
    /// What goes into the spool; nothing of what is refused.
    draft: Option<Draft>,
    /// What of it is in memory, beside the draft.
    hold: Hold,
    /// When what is refused is no longer read.
    give_up: Option<Instant>,
    /// How far the client is behind.
    pub(super) lag: Lag,
}

impl Connection {
    /// From 354 to the reply to the final dot.
    pub(super) async fn content(
        &mut self,
        wire: &mut Wire,
        session: Session,
        (hello, transaction): (Hello, Box<Transaction>),
    ) -> Result<Session, End> {
        wire.say(&Reply::plain(354, "End data with <CR><LF>.<CR><LF>"));
        let mut message = self.begin(hello, transaction).await;
        loop {
            let decoded = message.content.push(wire.input());
            wire.consume(decoded.consumed);
            message.lag.came(decoded.consumed);
            message.keep().await;
            if decoded.ended {
                break;
            }
            self.more_of(wire, &mut message).await?;
        }
        self.finish(wire, session, message).await
    }

    /// What has come whole is taken or refused, and the client hears it.
    async fn finish(
        &mut self,
        wire: &mut Wire,
        session: Session,
        message: Incoming,
    ) -> Result<Session, End> {
        self.dawdling.was_behind(message.lag.behind());
        let replies = self.replies_to(&message);
        let reply = self.complete(message).await;
        self.conclude(wire, session, (&reply, replies)).await
    }

    /// Says what becomes of a message; whose are refused again and again waits for it.
    async fn conclude(
        &mut self,
        wire: &mut Wire,
        session: Session,
        (reply, replies): (&Reply, usize),
    ) -> Result<Session, End> {
        let mut session = session.message_ended(reply, &*self);
        let wait = session.take_penalty(&*self);
        let waited = self.keep_waiting(wire, wait).await;
        // Who has to go meanwhile hears it, too: he would send the same again.
        self.say_often(wire, reply, replies).await?;
        waited.map(|()| session)
    }

    /// RFC 2033 §4.2: by LMTP one reply for each RCPT that was taken, also when one is named twice.
    pub(super) fn replies_to(&self, message: &Incoming) -> usize {
        if self.server.options.role.is_lmtp() {
            message.transaction.accepted()
        } else {
            1
        }
    }

    pub(super) async fn say_often(
        &self,
        wire: &mut Wire,
        reply: &Reply,
        replies: usize,
    ) -> Result<(), End> {
        self.say(wire, reply);
        for _ in 1..replies {
            wire.say(reply);
            if wire.is_full() {
                wire.flush(self.patience()).await?;
            }
        }
        Ok(())
    }

    /// From BDAT to the reply to its last byte, RFC 3030 §2.
    pub(super) async fn chunk(
        &mut self,
        wire: &mut Wire,
        session: Session,
        chunk: Chunk,
        incoming: &mut Option<Incoming>,
    ) -> Result<Session, End> {
        let begun = match chunk.begins {
            Some((hello, transaction)) => Some(self.begin(hello, transaction).await),
            None => incoming.take(),
        };
        let Some(mut message) = begun else {
            // The session goes on only with what it has begun.
            self.pass_over(wire, chunk.size, &NOT_STORED, None).await?;
            self.say(wire, &NOT_STORED);
            return Ok(session.chunk_refused(NOT_STORED));
        };
        message.content.announce(chunk.size);
        // It may be long since MAIL was answered.
        if chunk.size > 0
            && let Err(reply) = self.room()
        {
            message.content.refuse(reply);
        }
        let mut left = chunk.size;
        while left > 0 {
            let part = front(wire, left);
            message.content.push_chunk(part);
            let read = part.len();
            wire.consume(read);
            left -= read as u64;
            message.lag.came(read);
            message.keep().await;
            if left > 0 {
                self.more_of(wire, &mut message).await?;
            }
        }
        if let Some(refusal) = message.content.refusal().cloned() {
            let replies = if chunk.last {
                self.replies_to(&message)
            } else {
                1
            };
            self.dawdling.was_behind(message.lag.behind());
            *incoming = Some(message).filter(|_| !chunk.last);
            let concluded = self.conclude(wire, session, (&refusal, replies));
            return Ok(concluded.await?.chunk_refused(refusal));
        }
        if chunk.last {
            message.content.end_chunks();
            message.keep().await;
            return self.finish(wire, session, message).await;
        }
        let text = format!("{} octets received", chunk.size);
        self.say(wire, &Reply::with_text(250, (2, 0, 0), text));
        *incoming = Some(message);
        Ok(session)
    }

    /// Reads a chunk for nobody. The chunks of one message that had begun have one time together.
    pub(super) async fn pass_over(
        &mut self,
        wire: &mut Wire,
        size: u64,
        refusal: &Reply,
        message: Option<&mut Incoming>,
    ) -> Result<(), End> {
        let mut own = (None, Lag::default());
        let (give_up, lag) = match message {
            Some(message) => (&mut message.give_up, &mut message.lag),
            None => (&mut own.0, &mut own.1),
        };
        let before = lag.behind();
        let mut left = size;
        loop {
            let read = front(wire, left).len();
            wire.consume(read);
            left -= read as u64;
            lag.came(read);
            if left == 0 {
                let late = lag.behind().saturating_sub(before);
                self.dawdling.was_behind(late);
                return Ok(());
            }
            self.discard(wire, refusal, (&mut *give_up, &mut *lag))
                .await?;
        }
    }

    /// A message with our trace line in front.
    async fn begin(&self, hello: Hello, transaction: Box<Transaction>) -> Incoming {
        let is_of_ours = self.submitter().is_some() || self.known.device().is_some();
        let (mut draft, mut content) = if is_of_ours {
            let draft = self.server.spool.draft_of_ours();
            let mending = self.mending(draft.id());
            // What one writes into fields of platforms is worth no more than a stranger's word.
            let content = Content::new(&self.server.options, Origin::Internet, None);
            (draft, content.mending(mending))
        } else {
            let reading = self.checker().map(Checker::reading);
            let content = Content::new(&self.server.options, self.origin, reading);
            (self.server.spool.draft(), content)
        };
        let trace = self.trace(&hello, &transaction, draft.id());
        if let Err(error) = draft.append(trace.as_bytes()).await {
            content.refuse(spool_reply(&error));
        }
        Incoming {
            hello,
            transaction,
            content,
            draft: Some(draft),
            hold: self.server.load.hold(0),
            give_up: None,
            lag: Lag::default(),
        }
    }

    /// What a message of ours must have, RFC 6409 §8.
    fn mending(&self, id: SpoolId) -> Mending {
        let hostname = &self.server.options.hostname;
        Mending {
            date: self.server.clock.now().to_rfc5322(),
            message_id: format!("{id}@{hostname}"),
            hostname: hostname.clone(),
        }
    }

    /// More input: of a message that is refused already only for a bounded time.
    async fn more_of(&self, wire: &mut Wire, message: &mut Incoming) -> Result<(), End> {
        match message.content.refusal() {
            None => {
                let begun = Instant::now();
                let limit = self.server.options.bounds.data_timeout;
                let left = message.lag.left(limit);
                if left.is_zero() {
                    return Err(WireError::Timeout.into());
                }
                let scarce = message.lag.left(limits::SCARCE_DATA);
                let filled = tokio::select! {
                    biased;
                    filled = wire.fill(left, limits::READ_DATA) => filled.map_err(End::from),
                    () = self.squeezed(message.hold.bytes()) => Err(End::Crowded),
                    () = self.outstayed(scarce) => Err(End::Slow),
                };
                message.lag.waited(begun.elapsed());
                filled
            }
            Some(refusal) => {
                let late = (&mut message.give_up, &mut message.lag);
                self.discard(wire, refusal, late).await
            }
        }
    }

    async fn discard(
        &self,
        wire: &mut Wire,
        refusal: &Reply,
        (give_up, lag): (&mut Option<Instant>, &mut Lag),
    ) -> Result<(), End> {
        // Who has not logged in where he must has no more time than for that.
        let bounds = &self.server.options.bounds;
        let limit = bounds.discard_timeout.min(self.login_left());
        let begun = Instant::now();
        let until = *give_up.get_or_insert_with(|| begun + limit);
        let left = until.saturating_duration_since(begun);
        // No slower than what is taken.
        let left = left.min(lag.left(bounds.data_timeout));
        let scarce = self.dawdling.left_for_nobody(lag);
        let filled: Result<(), End> = if left.is_zero() {
            Err(WireError::Timeout.into())
        } else {
            tokio::select! {
                biased;
                filled = wire.fill(left, limits::READ_DATA) => filled.map_err(End::from),
                () = self.squeezed(0) => Err(End::Crowded),
                () = self.outstayed(scarce) => Err(End::Slow),
            }
        };
        lag.waited(begun.elapsed());
        match filled {
            Err(End::Wire(WireError::Timeout)) => {
                self.say(wire, refusal);
                Err(WireError::Closed.into())
            }
            Err(end @ (End::Slow | End::Crowded)) => {
                self.say(wire, refusal);
                Err(end)
            }
            filled => filled,
        }
    }

    /// The message is at its end: it is made durable, or refused.
    async fn complete(&self, message: Incoming) -> Reply {
        let ended = Instant::now();
        let reply = Box::pin(self.reply_to(message)).await;
        if reply.code == 250 {
            let listener = self.server.options.listener.clone();
            let took = ended.elapsed().as_secs_f64();
            histogram!(names::RECEIPT_SECONDS, "listener" => listener).record(took);
        }
        reply
    }

    async fn reply_to(&self, message: Incoming) -> Reply {
        let Incoming {
            hello,
            transaction,
            content,
            draft,
            ..
        } = message;
        let reads_utf8 = transaction.parameters.smtputf8;
        let reply = match (content.refusal(), draft) {
            (None, Some(draft)) => self.take_of(draft, hello, *transaction, content).await,
            (refusal, _) => refusal.cloned().unwrap_or(NOT_STORED),
        };
        // RFC 6531 §3.7.4.1: an address of the header may stand in it.
        if reads_utf8 { reply } else { reply.in_ascii() }
    }
}

impl Incoming {
    /// Bytes of it in memory, beside the draft.
    pub(super) const fn held(&self) -> u64 {
        self.hold.bytes()
    }

    /// Writes what the content has yielded; nothing of a message that is refused is kept.
    async fn keep(&mut self) {
        let said = self.transaction.held();
        let bytes = limits::READ_DATA + said + self.content.held();
        if !self.hold.resize(bytes) && self.content.refusal().is_none() {
            self.content.refuse(CROWDED);
        }
        if let Some(draft) = &mut self.draft
            && let Err(error) = draft.append(self.content.kept()).await
        {
            tracing::error!(%error, "a message could not be written");
            self.content.refuse(spool_reply(&error));
        }
        if self.content.refusal().is_some() {
            self.draft = None;
            // It may be long to its end, and others want the memory.
            self.content.forget();
            self.hold.resize(limits::READ_DATA + said);
        }
    }
}

/// What is there of the next `left` bytes.
fn front(wire: &Wire, left: u64) -> &[u8] {
    let input = wire.input();
    let most = usize::try_from(left).unwrap_or(usize::MAX);
    input.get(..most).unwrap_or(input)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::Reading;
    use crate::base::Clock;
    use crate::inbound::load::Load;
    use crate::inbound::{Bounds, Options, Role, samples};
    use crate::smtp::{MailParameters, ReversePath};
    use crate::spool::{Spool, World};

    #[tokio::test]
    async fn what_is_refused_holds_no_more_than_a_buffer() {
        let folder = tempfile::tempdir().unwrap();
        let options = crate::spool::Options::new(folder.path());
        let spool = Spool::open(options, World::system()).unwrap().spool;
        let load = Load::new(spool.clone(), Clock::system(), &Bounds::default());
        let options = Options {
            max_message_size: 1_000_000,
            ..samples::options(Role::Mx)
        };
        let transaction = Transaction::new(ReversePath::Null, MailParameters::default());
        let mut message = Incoming {
            hello: Hello {
                name: "a".to_owned(),
                extended: true,
            },
            transaction: Box::new(transaction),
            content: Content::new(&options, Origin::Internet, Some(Reading::default())),
            draft: Some(spool.draft()),
            hold: load.hold(0),
            give_up: None,
            lag: Lag::default(),
        };
        message.content.push(&b"X: y\r\n".repeat(20_000));
        message.keep().await;
        assert_eq!(message.content.refusal(), None);
        assert!(load.held() > 150_000, "{}", load.held());
        message.content.push(b"a\nb\r\n");
        message.keep().await;
        assert!(message.content.refusal().is_some());
        let most = 2 * limits::READ_DATA as u64;
        assert!(load.held() < most, "{}", load.held());
    }
}
