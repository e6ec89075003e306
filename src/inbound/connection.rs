//! Drives one session over one connection: bytes in, replies out, messages into the spool.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use tokio::time::Instant;

use super::TlsMode;
use super::certificate::Shown;
use super::device::Known;
use super::listener::LAST_WORD;
use super::load::{Hold, come_later};
use super::login::LoggedIn;
use super::notes::Named;
use super::patience::Dawdling;
use super::policy::Standing;
use super::receive::Incoming;
use super::sasl::Mechanism;
use super::server::{Permit, Server};
use super::session::{Action, BadLine, Introduces, Pipelined, Replies, Session, StartTls};
use super::wire::{Wire, WireError};
use crate::base::{Shutdown, TlsInfo};
use crate::limits;
use crate::net::BoxedStream;
use crate::route::Origin;
use crate::smtp::{Attribute, Command, ForwardPath, LineDecoder, Reply, XClient};
use crate::spool::SpoolError;

/// One connection.
pub(super) struct Connection {
    pub(super) server: Arc<Server>,
    pub(super) peer: SocketAddr,
    /// Who is at the other end, whoever he introduces.
    spokesman: SocketAddr,
    /// Is `peer` the client, or does nobody know who that is?
    pub(super) standing: Standing,
    pub(super) origin: Origin,
    /// Which device it is.
    pub(super) known: Known,
    /// The right to be here; `None` only while it is counted anew.
    permit: Option<Permit>,
    /// What it has said so far, in memory.
    pub(super) hold: Hold,
    /// May the peer say XCLIENT? Whatever it says, it remains who it is.
    pub(super) introduces: Introduces,
    pub(super) tls: Option<TlsInfo>,
    /// Who it is by its certificate.
    pub(super) shown: Shown,
    /// Who has logged in.
    pub(super) login: Option<LoggedIn>,
    /// By what somebody may.
    pub(super) mechanisms: &'static [Mechanism],
    /// Until when he must have, where he must.
    login_by: Option<Instant>,
    /// How long he has kept us waiting.
    pub(super) dawdling: Dawdling,
    pub(super) shutdown: Shutdown,
}

/// What a client said in a line.
enum Said {
    Command(Result<Command, BadLine>),
    /// To a challenge.
    Answer(Vec<u8>),
}

/// Whose a connection is.
pub(super) struct Client {
    pub(super) address: SocketAddr,
    pub(super) standing: Standing,
    pub(super) permit: Permit,
}

/// How a session goes on.
enum Next {
    Continue(Session),
    Close,
    /// The plain session ends here; an encrypted one follows.
    Handshake(Session),
    /// The session begins anew, for another client.
    Introduced(Session, XClient),
}

/// What ends a connection from our side.
#[derive(Debug, thiserror::Error)]
pub(super) enum End {
    #[error(transparent)]
    Wire(#[from] WireError),
    #[error("the program stops")]
    Stopping,
    #[error("too much is in memory")]
    Crowded,
    #[error("others need its place")]
    Unwanted,
    #[error("it is slow, and others need its place")]
    Slow,
}

impl Connection {
    pub(super) fn new(server: Arc<Server>, client: Client, shutdown: Shutdown) -> Self {
        let peer = client.address;
        let (known, origin) = server.know(peer.ip(), client.standing);
        let introduces = if server.options.spokesmen.may_introduce(peer.ip()) {
            Introduces::Others
        } else {
            Introduces::Nobody
        };
        let options = &server.options;
        let limit = options.bounds.login_time;
        let login_by = options.role.wants_login().then(|| Instant::now() + limit);
        Self {
            hold: server.load.hold(0),
            server,
            peer,
            spokesman: peer,
            standing: client.standing,
            origin,
            known,
            permit: Some(client.permit),
            introduces,
            tls: None,
            shown: Shown::default(),
            login: None,
            mechanisms: Mechanism::BY_PASSWORD,
            login_by,
            dawdling: Dawdling::default(),
            shutdown,
        }
    }

    /// From the banner to the end.
    pub(super) async fn serve(mut self, stream: BoxedStream) {
        let stream = match self.server.options.tls {
            TlsMode::None | TlsMode::StartTls => Some(stream),
            // RFC 8314 §3.3: for those who would not ask.
            TlsMode::Implicit => self.handshake(stream).await,
        };
        let Some(stream) = stream else { return };
        let mut wire = Wire::new(stream);
        wire.say(&self.banner());
        let offer = match (self.server.options.tls, &self.server.tls) {
            (TlsMode::StartTls, Some(_)) => StartTls::Offered,
            (TlsMode::StartTls, None) | (TlsMode::None | TlsMode::Implicit, _) => {
                StartTls::NotOffered
            }
        };
        let mut session = Session::new(offer);
        let last_word = loop {
            match self.converse(&mut wire, session).await {
                Ok(Next::Handshake(plain)) => {
                    let Some(stream) = self.handshake(wire.into_stream()).await else {
                        return;
                    };
                    wire = Wire::new(stream);
                    session = plain.encrypted();
                }
                Ok(Next::Introduced(before, said)) => {
                    let helo = said.get(Attribute::Helo).flatten();
                    session = before.introduced(helo);
                    if let Err(reply) = self.introduce(&said) {
                        self.say(&mut wire, &reply);
                        break self.time_to_read();
                    }
                    wire.say(&self.banner());
                }
                Ok(Next::Continue(_) | Next::Close) => break self.time_to_read(),
                // He has had his time, or it is needed elsewhere.
                Err(end) => {
                    self.part(&mut wire, &end);
                    break LAST_WORD;
                }
            }
        };
        self.leave(wire, last_word).await;
    }

    fn banner(&self) -> Reply {
        let hostname = &self.server.options.hostname;
        Reply::plain(220, format!("{hostname} ESMTP Tideover"))
    }

    /// From now on the connection is that client's; the reply says why not.
    fn introduce(&mut self, said: &XClient) -> Result<(), Reply> {
        (self.peer, self.standing) = match said.address() {
            Some(Some(address)) => (SocketAddr::new(address, said.port()), Standing::Own),
            // Nor is he the one who was introduced before him.
            Some(None) => (self.spokesman, Standing::Unknown),
            None => (self.peer, self.standing),
        };
        let (spokesman, client) = (self.spokesman, self.peer.ip());
        tracing::debug!(%spokesman, %client, standing = ?self.standing, "XCLIENT");
        if let Some(permit) = self.permit.take() {
            self.permit = Some(permit.reassign(client, self.standing)?);
        }
        self.login = None;
        self.recognise();
        Ok(())
    }

    /// Has somebody said whose mail he hands on?
    pub(super) fn is_introduced(&self) -> bool {
        self.peer != self.spokesman
    }

    /// The address of the client, if somebody knows it.
    pub(super) fn client(&self) -> Option<IpAddr> {
        match self.standing {
            Standing::Own => Some(self.peer.ip().to_canonical()),
            Standing::Unknown => None,
        }
    }

    async fn handshake(&mut self, stream: BoxedStream) -> Option<BoxedStream> {
        let tls = self.server.tls.clone()?;
        let begun = Instant::now();
        let accept = tokio::time::timeout(self.patience(), tls.accept(stream));
        let result = tokio::select! {
            biased;
            result = accept => result,
            _ = self.wanted_back(0) => return None,
        };
        self.dawdling.waited(begun.elapsed());
        self.dawdling.line_came();
        let result = result.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
        match result {
            Ok((stream, info)) => {
                self.meet(&info.client);
                self.tls = Some(info);
                Some(stream)
            }
            Err(error) => {
                self.server
                    .note_trouble(self.peer, ("TLS handshake", &error));
                None
            }
        }
    }

    fn timeout(&self) -> Duration {
        self.server.options.bounds.command_timeout
    }

    /// The same for who must log in and has not: all his commands have one time together.
    pub(super) fn patience(&self) -> Duration {
        self.timeout().min(self.login_left())
    }

    /// How long somebody has to log in where he must; who need not has for ever.
    pub(super) fn login_left(&self) -> Duration {
        match (&self.login, self.login_by) {
            (None, Some(by)) => by.saturating_duration_since(Instant::now()),
            (Some(_), _) | (None, None) => Duration::MAX,
        }
    }

    /// The last word to a client that we leave.
    fn part(&self, wire: &mut Wire, end: &End) {
        let hostname = &self.server.options.hostname;
        let reply = match end {
            End::Crowded => come_later(hostname),
            End::Unwanted => Reply::new(421, (4, 7, 0), "Too many errors, and others wait"),
            End::Slow => Reply::new(421, (4, 4, 2), "Too slow, and others wait"),
            End::Stopping => Reply::with_text(421, (4, 3, 2), format!("{hostname} is stopping")),
            // RFC 5321 §4.5.3.2.
            End::Wire(WireError::Timeout) => {
                Reply::with_text(421, (4, 4, 2), format!("{hostname} Timeout, closing"))
            }
            End::Wire(WireError::Closed | WireError::Network(_)) => {
                tracing::debug!(peer = %self.peer, %end, "connection lost");
                return;
            }
        };
        self.say(wire, &reply);
    }

    pub(super) fn say(&self, wire: &mut Wire, reply: &Reply) {
        self.answer(wire, reply, &Named::default());
    }

    /// Says it to a command that named somebody.
    fn answer(&self, wire: &mut Wire, reply: &Reply, named: &Named) {
        if reply.code >= 400 {
            self.server.note_refusal(self.peer, reply, named);
        }
        wire.say(reply);
    }

    /// Commands and replies until the session ends or changes its stream.
    async fn converse(&mut self, wire: &mut Wire, mut session: Session) -> Result<Next, End> {
        let mut lines = LineDecoder::new(limits::COMMAND_LINE);
        let mut incoming = None;
        loop {
            let found = lines.decode(wire.input());
            let consumed = found.consumed;
            let said = found.line.map(|line| match line {
                Ok(text) if session.is_answering() => Said::Answer(text.to_vec()),
                Ok(text) => Said::Command(Command::parse(text).map_err(BadLine::from)),
                Err(error) => {
                    let raw = wire.input().get(..consumed).unwrap_or_default();
                    Said::Command(Err(BadLine::of(error, raw)))
                }
            });
            wire.consume(consumed);
            let Some(said) = said else {
                self.hold.resize(session.held());
                self.more(wire, incoming.as_mut()).await?;
                continue;
            };
            self.dawdling.line_came();
            let pipelined = if wire.input().is_empty() {
                Pipelined::No
            } else {
                Pipelined::Yes
            };
            let mut named = Named::default();
            let (after, action) = match said {
                Said::Answer(line) => session.answer(&line, pipelined, &*self),
                Said::Command(line) => {
                    self.prepare(wire, (line.as_ref().ok(), &session)).await?;
                    named = Named::by(line.as_ref().ok());
                    session.take(line, pipelined, &*self)
                }
            };
            let (after, action) = self.find_out(wire, (after, action)).await?;
            let after = self.punish(wire, (after, &action)).await?;
            if !after.is_chunking() && !matches!(action, Action::Chunk(_) | Action::Discard(..)) {
                // RSET and a greeting end what has come in chunks.
                incoming = None;
            }
            let next = if let Action::Reply(reply) = &action {
                self.answer(wire, reply, &named);
                Next::Continue(after)
            } else {
                // What a message takes over from the session must not be counted twice.
                self.hold.resize(after.held());
                self.act(wire, after, action, &mut incoming).await?
            };
            session = match next {
                Next::Continue(session) => session,
                next @ (Next::Close | Next::Handshake(_) | Next::Introduced(..)) => {
                    return Ok(next);
                }
            };
            if wire.is_full() {
                self.deliver(wire).await?;
            }
        }
    }

    /// What the door has to know of a recipient is found out before it answers. If that takes a
    /// while, the client has the replies to what it said before (RFC 2920 §3.2).
    async fn prepare(
        &mut self,
        wire: &mut Wire,
        (command, session): (Option<&Command>, &Session),
    ) -> Result<(), End> {
        match command {
            Some(Command::Ehlo(_)) => self.look_for_mechanisms().await,
            // Within a transaction it is refused, and what was found out stays.
            Some(Command::Mail { .. }) if !session.is_collecting() => {
                self.learn_device();
                return self.renew(wire).await;
            }
            _ => {}
        }
        let Some(Command::Rcpt {
            to: ForwardPath::Mailbox(mailbox),
            ..
        }) = command.filter(|_| session.is_collecting())
        else {
            return Ok(());
        };
        let server = Arc::clone(&self.server);
        let mut preparing = server.admit.prepare(mailbox);
        if (&mut preparing).now_or_never().is_none() {
            self.deliver(wire).await?;
            preparing.await;
        }
        Ok(())
    }

    async fn act(
        &mut self,
        wire: &mut Wire,
        session: Session,
        action: Action,
        incoming: &mut Option<Incoming>,
    ) -> Result<Next, End> {
        match action {
            Action::Reply(reply) => {
                self.say(wire, &reply);
                Ok(Next::Continue(session))
            }
            Action::Close(reply) => {
                self.say(wire, &reply);
                Ok(Next::Close)
            }
            Action::StartTls(reply) => {
                self.say(wire, &reply);
                self.deliver(wire).await?;
                Ok(Next::Handshake(session))
            }
            Action::Introduce(said) => Ok(Next::Introduced(session, said)),
            // It was asked about right where it was said.
            Action::Recall(_) | Action::Verify(_) => Ok(Next::Close),
            Action::Content(hello, transaction) => {
                // What a message takes is taken only while one comes.
                let taken = Box::pin(self.content(wire, session, (hello, transaction)));
                let session = taken.await?;
                Ok(self.go_on(wire, session))
            }
            Action::Chunk(chunk) => {
                let taken = Box::pin(self.chunk(wire, session, chunk, incoming));
                let session = taken.await?;
                Ok(self.go_on(wire, session))
            }
            Action::Discard(size, reply, replies) => {
                self.pass_over(wire, size, &reply, incoming.as_mut())
                    .await?;
                let message = incoming.take_if(|_| replies == Replies::ForEach);
                let replies = message.map_or(1, |message| self.replies_to(&message));
                self.say_often(wire, &reply, replies).await?;
                Ok(Next::Continue(session))
            }
        }
    }

    /// Behind a message, or a part of one.
    fn go_on(&mut self, wire: &mut Wire, mut session: Session) -> Next {
        if session.take_success() {
            self.dawdling.brought();
        }
        match session.farewell(&*self) {
            Some(reply) => {
                self.say(wire, &reply);
                Next::Close
            }
            None => Next::Continue(session),
        }
    }
}

/// The last word to a client that has too many connections.
pub(super) fn too_many(hostname: &str) -> Reply {
    let text = format!("{hostname} Too many connections, try later");
    Reply::with_text(421, (4, 7, 0), text)
}

pub(super) const NOT_STORED: Reply =
    Reply::new(451, (4, 3, 0), "The message could not be stored, try later");

/// The one translation of the spool's errors to replies.
pub(super) fn spool_reply(error: &SpoolError) -> Reply {
    if error.is_full() {
        Reply::new(452, (4, 3, 1), "The disk is full, try later")
    } else {
        NOT_STORED
    }
}
