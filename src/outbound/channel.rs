//! Sends messages over a link: the driver of [`Session`].

use std::sync::Arc;

use super::commands::{Carriage, Commands, obstacle};
use super::error::{Error, Stage};
use super::link::Link;
use super::outcome::failure;
use super::session::{Session, Step};
use super::split::{self, Shares};
use super::{Outbound, Route};
use crate::backend::{Protocol, asks_to_slow_down};
use crate::base::{Boxed, Shutdown, Timestamp, TlsInfo};
use crate::limits;
use crate::mail::{BodySource, Channel, Delivery, Failure, Handover, Outcome, Unmarked};
use crate::smtp::{DataEncoder, Reply};

/// An open connection, with what is needed to open it anew.
pub(super) struct OpenChannel {
    pub(super) link: Link,
    pub(super) peer: String,
    pub(super) outbound: Outbound,
    pub(super) route: Arc<Route>,
    pub(super) opened: Timestamp,
    /// Messages that were begun on it.
    pub(super) messages: u32,
    pub(super) state: State,
}

/// Can it be used?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Usable,
    /// For nothing but QUIT: the server asked for less, and one that has a client may keep what it
    /// had at its beginning, settings and limits, until that client leaves.
    Spent,
    Broken,
}

/// What stands before the end of a message, in each of its transactions.
enum Gate<'a> {
    Waiting(Boxed<'a, Result<(), Unmarked>>),
    Known(Result<(), Unmarked>),
}

impl Gate<'_> {
    async fn pass(&mut self) -> Result<(), Unmarked> {
        let known = match self {
            Self::Waiting(waiting) => waiting.await,
            Self::Known(known) => *known,
        };
        *self = Self::Known(known);
        known
    }
}

/// How far an attempt came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reach {
    /// The server answered.
    Heard,
    /// Not a word: the connection was dead before.
    Silence,
}

impl OpenChannel {
    /// In as many transactions as the bounds ask for.
    async fn deliver_message(
        &mut self,
        delivery: &Delivery,
        before_end: Boxed<'_, Result<(), Unmarked>>,
    ) -> Vec<Outcome> {
        let mut before_end = Gate::Waiting(before_end);
        if delivery.recipients.len() <= self.most_recipients() {
            let outcomes = self.transact(delivery, &mut before_end).await;
            if !split::is_to_go_on(&outcomes) {
                return outcomes;
            }
            let mut shares = Shares::begun(delivery, outcomes);
            self.deliver_shares(delivery, &mut shares, &mut before_end)
                .await;
            return shares.into_outcomes();
        }
        let mut shares = Shares::new(delivery);
        self.deliver_shares(delivery, &mut shares, &mut before_end)
            .await;
        shares.into_outcomes()
    }

    async fn deliver_shares(
        &mut self,
        delivery: &Delivery,
        shares: &mut Shares,
        before_end: &mut Gate<'_>,
    ) {
        while let Some(share) = shares.next(delivery, self.most_recipients()) {
            let outcomes = self.transact(&share, before_end).await;
            shares.take(outcomes);
        }
    }

    /// Recipients of one transaction: ours, or what the server says (RFC 9422 §4.2).
    fn most_recipients(&self) -> usize {
        let said = self.link.extensions.limits.rcpt_max;
        let said = said.map_or(usize::MAX, |most| {
            usize::try_from(most).unwrap_or(usize::MAX)
        });
        said.min(self.route.bounds.recipients).max(1)
    }

    async fn transact(&mut self, delivery: &Delivery, before_end: &mut Gate<'_>) -> Vec<Outcome> {
        if self.state != State::Usable
            && let Err(failure) = self.reopen(&delivery.stop).await
        {
            return all(delivery, &failure);
        }
        let was_used = self.messages > 0;
        let (reach, outcomes) = self.attempt(delivery, before_end).await;
        if reach == Reach::Heard || !was_used {
            return outcomes;
        }
        // A server may close a connection that was idle (RFC 5321 §3.8). That says nothing about
        // its health, and nothing was sent: the message gets a new connection.
        if let Err(failure) = self.reopen(&delivery.stop).await {
            return all(delivery, &failure);
        }
        self.attempt(delivery, before_end).await.1
    }

    async fn reopen(&mut self, stop: &Shutdown) -> Result<(), Failure> {
        let (link, peer) = tokio::select! {
            biased;
            () = stop.stopping() => {
                return Err(failure(&Error::Stopped(Stage::Banner), &self.peer));
            }
            connected = self.outbound.connect(&self.route) => connected?,
        };
        self.link = link;
        self.peer = peer;
        self.opened = self.outbound.now();
        self.messages = 0;
        self.state = State::Usable;
        Ok(())
    }

    async fn attempt(
        &mut self,
        delivery: &Delivery,
        before_end: &mut Gate<'_>,
    ) -> (Reach, Vec<Outcome>) {
        if let Some(failure) = obstacle(delivery, &self.link, &self.peer) {
            return (Reach::Heard, all(delivery, &failure));
        }
        self.messages = self.messages.saturating_add(1);
        self.link.obey(&delivery.stop);
        // Until the end is reached: who drops this future leaves a conversation in its middle.
        self.state = State::Broken;
        let commands = Commands::new(delivery, &self.link.extensions);
        let (mut session, mut step) = Session::start(
            &commands,
            &self.peer,
            self.route.protocol,
            &self.link.extensions,
        );
        let mut reach = Reach::Silence;
        loop {
            let reply;
            (session, reply) = self
                .act(session, &step, &commands, (delivery, &mut *before_end))
                .await;
            match reply {
                Ok(reply) => {
                    if reply.code != 421 {
                        reach = Reach::Heard;
                    }
                    (session, step) = session.handle(reply);
                }
                Err(error) => {
                    session = session.lost(&error);
                    step = Step::Close;
                }
            }
            if matches!(step, Step::Done | Step::Close) {
                break;
            }
        }
        if step == Step::Done && self.link.is_in_step() {
            self.state = State::Usable;
        }
        (reach, session.into_outcomes())
    }

    /// Does what the session asks for and reads the reply.
    async fn act(
        &mut self,
        session: Session,
        step: &Step,
        commands: &Commands,
        (delivery, before_end): (&Delivery, &mut Gate<'_>),
    ) -> (Session, Result<Reply, Error>) {
        let stage = session.stage();
        let line = match step {
            Step::SendBody => {
                return self
                    .send_message(session, delivery, (commands.carriage, before_end))
                    .await;
            }
            Step::Send(part) => commands.bytes.get(part.clone()).unwrap_or_default(),
            Step::SendDot => b".\r\n",
            Step::SendReset => b"RSET\r\n",
            Step::Read | Step::Done | Step::Close => b"",
        };
        if !line.is_empty()
            && let Err(error) = self.link.send(line, stage).await
        {
            // The server may have said why, with a 421, before it closed.
            let last_word = self.link.last_word(stage).await;
            return (session, last_word.ok_or(error));
        }
        let reply = self.link.reply(stage).await;
        (session, reply)
    }

    /// Sends the body and its end; a small message goes out in one write.
    async fn send_message(
        &mut self,
        session: Session,
        delivery: &Delivery,
        (carriage, before_end): (Carriage, &mut Gate<'_>),
    ) -> (Session, Result<Reply, Error>) {
        let tail = match carriage {
            Carriage::Data => self.send_body(&delivery.body).await,
            Carriage::Chunk => self.send_chunk(&delivery.body).await,
        };
        let tail = match tail {
            Ok(tail) => tail,
            Err(error) => {
                let last_word = if matches!(error, Error::Cut(_)) {
                    self.link.last_word(Stage::Body).await
                } else {
                    None
                };
                return (session, last_word.ok_or(error));
            }
        };
        // What was said before the message is whole is no reply to it.
        if !self.link.is_in_step() {
            let early = self.link.reply(Stage::Body).await;
            return (session, early);
        }
        if let Err(unmarked) = before_end.pass().await {
            return (session, Err(Error::Unmarked(unmarked)));
        }
        // The mark may have been waited for.
        if self.link.is_stopped() {
            return (session, Err(Error::Stopped(Stage::Body)));
        }
        let session = session.ending();
        let sent = self.link.send(&tail, Stage::End).await;
        let reply = match sent {
            Ok(()) => self.link.reply(Stage::End).await,
            Err(error) => self.link.last_word(Stage::End).await.ok_or(error),
        };
        (session, reply)
    }

    /// Sends all pieces but the last one, which is returned with the final dot behind it.
    async fn send_body(&mut self, body: &Arc<dyn BodySource>) -> Result<Vec<u8>, Error> {
        let length = body.len();
        let mut encoder = DataEncoder::new();
        let mut wire = Vec::new();
        let mut offset = 0;
        while offset < length {
            let piece = read_piece(body, offset, length).await?;
            wire.reserve(piece.len() + 64);
            encoder.encode(&piece, &mut wire);
            offset += piece.len() as u64;
            if offset < length {
                self.link.send(&wire, Stage::Body).await?;
                wire.clear();
            }
        }
        encoder.finish(&mut wire);
        Ok(wire)
    }
}

/// Sends a body as one chunk, RFC 3030 §2.
impl OpenChannel {
    /// Sends all pieces but the last one, which is returned.
    async fn send_chunk(&mut self, body: &Arc<dyn BodySource>) -> Result<Vec<u8>, Error> {
        let length = body.len();
        let mut wire = format!("BDAT {length} LAST\r\n").into_bytes();
        let mut offset = 0;
        while offset < length {
            let piece = read_piece(body, offset, length).await?;
            wire.extend_from_slice(&piece);
            offset += piece.len() as u64;
            if offset < length {
                self.link.send(&wire, Stage::Body).await?;
                wire.clear();
            }
        }
        Ok(wire)
    }
}

async fn read_piece(
    body: &Arc<dyn BodySource>,
    offset: u64,
    length: u64,
) -> Result<bytes::Bytes, Error> {
    let piece = if length <= limits::BODY_PIECE as u64 {
        body.read_at(offset, limits::BODY_PIECE)
    } else {
        // A large body comes from the disk, and the disk may be slow.
        let body = Arc::clone(body);
        tokio::task::spawn_blocking(move || body.read_at(offset, limits::BODY_PIECE))
            .await
            .unwrap_or_else(|panic| Err(std::io::Error::other(panic)))
    };
    let piece = piece.map_err(Error::Body)?;
    if piece.is_empty() {
        return Err(Error::Body(std::io::ErrorKind::UnexpectedEof.into()));
    }
    Ok(piece)
}

fn asks_for_less(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Failed(failure) if asks_to_slow_down(failure))
}

fn all(delivery: &Delivery, failure: &Failure) -> Vec<Outcome> {
    let outcome = || Outcome::Failed(failure.clone());
    delivery.recipients.iter().map(|_| outcome()).collect()
}

impl Channel for OpenChannel {
    fn deliver<'a>(
        &'a mut self,
        delivery: &'a Delivery,
        before_end: Boxed<'a, Result<(), Unmarked>>,
    ) -> Boxed<'a, Vec<Outcome>> {
        Box::pin(async move {
            let outcomes = self.deliver_message(delivery, before_end).await;
            if self.state == State::Usable && outcomes.iter().any(asks_for_less) {
                self.state = State::Spent;
            }
            outcomes
        })
    }

    fn is_usable(&self) -> bool {
        // RFC 9422 §4.1: MAILMAX.
        let most = self.link.extensions.limits.mail_max;
        self.state == State::Usable
            && self.messages < self.route.bounds.messages
            && most.is_none_or(|most| u64::from(self.messages) < most)
            && self.outbound.now().since(self.opened) < self.route.bounds.age
    }

    fn peer(&self) -> &str {
        &self.peer
    }

    fn tls(&self) -> Option<&TlsInfo> {
        self.link.tls.as_ref()
    }

    fn handover(&self) -> Handover {
        match self.route.protocol {
            // RFC 2033 §4.2: it has said for each recipient that it is delivered.
            Protocol::Lmtp if !self.link.extensions.dsn => Handover::Delivered,
            Protocol::Smtp if !self.link.extensions.dsn => Handover::Relayed,
            Protocol::Lmtp | Protocol::Smtp => Handover::Taken,
        }
    }

    fn quit(self: Box<Self>) -> Boxed<'static, ()> {
        Box::pin(async move {
            if self.state != State::Broken {
                self.link.quit().await;
            }
        })
    }
}
