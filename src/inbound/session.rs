//! What to answer, RFC 5321 §4.1.4: one command in, one action out. No I/O, no clock; what must
//! be asked (room in the spool, the route) is asked through [`Rules`].

mod anew;
mod chunks;
mod cost;
mod idle;
mod introductions;
mod lmtp;
mod login;
mod recipient;
mod sender;
mod starttls;

use super::Options;
use super::sasl::{Claim, Mechanism};
use super::transaction::Transaction;
use crate::route::Admission;
use crate::smtp::{
    Command, CommandError, Extensions, ForwardPath, Limits, LineError, MailParameters, Reply,
    ReversePath, XClient,
};
pub(super) use chunks::Replies;
use introductions::Greeting;
use login::Login;
pub(super) use sender::too_large;
use sender::{offers_requiretls, refuse_sender};

/// What the session asks the world.
pub(super) trait Rules {
    /// How the listener behaves.
    fn options(&self) -> &Options;
    /// Is there room for another message? The reply says why not.
    fn room(&self) -> Result<(), Reply>;
    /// Is the connection encrypted?
    fn is_encrypted(&self) -> bool;
    /// Does it hand mail in over TLS only, mail of any sender or of this one?
    fn requires_tls(&self, _from: Option<&ReversePath>) -> bool {
        false
    }
    /// May this peer say whose mail it hands on?
    fn introduces(&self) -> Introduces;
    /// By what somebody may log in.
    fn mechanisms(&self) -> &[Mechanism];
    /// May the client send in this name? The reply says why not, in characters that the client can
    /// read.
    fn may_send_as(&self, from: &ReversePath, said: &MailParameters) -> Result<(), Reply>;
    /// Is it one of ours, for whom nobody waits longer than he must?
    fn is_awaited(&self) -> bool;
    /// Is a message that is refused an error of this peer's? Not of one of ours, nor of one who
    /// hands on what others wrote.
    fn answers_for_messages(&self) -> bool {
        !self.is_awaited()
    }
    /// May this peer send to that address?
    fn admit(&self, to: &ForwardPath) -> Admission;
    /// May a message that has so many recipients have one more? The reply says why not.
    fn afford(&self, _recipients: usize) -> Result<(), Reply> {
        Ok(())
    }
}

/// What the client said when it greeted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Hello {
    pub(super) name: String,
    /// EHLO: it knows extensions.
    pub(super) extended: bool,
}

/// What to do.
#[derive(Debug)]
pub(super) enum Action {
    /// Say it.
    Reply(Reply),
    /// Say it and close.
    Close(Reply),
    /// Say it and do the TLS handshake.
    StartTls(Reply),
    /// The client is somebody else: greet him.
    Introduce(XClient),
    /// Find the keys of who the client says it is.
    Recall(String),
    /// Find out whether the client is who it says.
    Verify(Claim),
    /// Take the message.
    Content(Hello, Box<Transaction>),
    /// Take a part of the message.
    Chunk(Chunk),
    /// Read so many bytes for nobody, then say it.
    Discard(u64, Reply, Replies),
}

/// A part of a message, RFC 3030 §2.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Chunk {
    /// Bytes that follow the command.
    pub(super) size: u64,
    /// The message ends with it.
    pub(super) last: bool,
    /// The message begins with it.
    pub(super) begins: Option<(Hello, Box<Transaction>)>,
}

/// Has the client sent more behind the command?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pipelined {
    /// It waits for the reply.
    No,
    /// It does not.
    Yes,
}

/// Is STARTTLS offered? No longer once the connection is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum StartTls {
    Offered,
    NotOffered,
}

/// Whom may a peer introduce?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Introduces {
    /// Any client, by XCLIENT.
    Others,
    /// It speaks for itself.
    Nobody,
}

/// A line that is no command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum BadLine {
    #[error(transparent)]
    Line(LineError),
    #[error(transparent)]
    Command(#[from] CommandError),
}

impl BadLine {
    /// A line that does not end as a line has to; `raw` are its bytes.
    pub(super) fn of(error: LineError, raw: &[u8]) -> Self {
        if Command::may_be_chunk(raw) {
            Self::Command(CommandError::ChunkSize)
        } else {
            Self::Line(error)
        }
    }

    fn reply(&self) -> Reply {
        match self {
            Self::Line(LineError::BareLf) => {
                Reply::new(500, (5, 5, 2), "Lines must end in CRLF, not in LF")
            }
            Self::Line(LineError::BareCr) => Reply::new(500, (5, 5, 2), "CR within a line"),
            Self::Line(LineError::TooLong) => Reply::new(500, (5, 5, 6), "Line too long"),
            Self::Command(error) => error.reply(),
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
enum State {
    /// Nobody has greeted yet.
    Ungreeted,
    /// Between transactions.
    Ready(Hello),
    /// In a transaction.
    Collecting(Hello, Box<Transaction>),
    /// A part of the message has come by BDAT, and more is to follow.
    Chunking(Hello),
    /// A part of the message was refused, for this reason. More of it may be on its way.
    Refused(Hello, Reply),
}

/// One session.
#[derive(Debug)]
pub(super) struct Session {
    state: State,
    bad_commands: usize,
    bad_recipients: usize,
    /// All that is his fault, and whether the last line was.
    errors: usize,
    has_erred: bool,
    /// Commands since the last message that was taken which bring none.
    idle_commands: usize,
    /// A message was taken just now.
    has_brought: bool,
    starttls: StartTls,
    greeted_before: bool,
    login: Login,
    wrong_logins: usize,
    /// What the client said in EHLO, as who introduced him says.
    helo: Option<String>,
}

const BAD_SEQUENCE: Reply = Reply::new(503, (5, 5, 1), "Bad sequence of commands");
const NO_RECIPIENTS: Reply = Reply::new(554, (5, 5, 1), "No valid recipients");
const TOO_MANY_ERRORS: Reply = Reply::new(421, (4, 7, 0), "Too many errors, closing");
const OK: Reply = Reply::new(250, (2, 0, 0), "Ok");
/// RFC 2920 §3.1; what follows was written by someone who did not read our reply.
const SYNCHRONIZATION: Reply = Reply::new(554, (5, 5, 0), "Error: SMTP protocol synchronization");

impl Session {
    /// Has a transaction begun?
    pub(super) const fn is_collecting(&self) -> bool {
        matches!(self.state, State::Collecting(..))
    }

    /// May more parts of a message come?
    pub(super) const fn is_chunking(&self) -> bool {
        matches!(self.state, State::Chunking(_) | State::Refused(..))
    }

    /// A session that has just been greeted.
    pub(super) const fn new(starttls: StartTls) -> Self {
        Self {
            state: State::Ungreeted,
            bad_commands: 0,
            bad_recipients: 0,
            errors: 0,
            has_erred: false,
            idle_commands: 0,
            has_brought: false,
            starttls,
            greeted_before: false,
            login: Login::Out,
            wrong_logins: 0,
            helo: None,
        }
    }

    /// Answers one line.
    pub(super) fn handle(
        self,
        line: Result<Command, BadLine>,
        pipelined: Pipelined,
        rules: &impl Rules,
    ) -> (Self, Action) {
        let first = !self.greeted_before;
        let mut session = Self {
            greeted_before: true,
            ..self
        };
        // Who says a command does not answer.
        session.login.give_up();
        let command = match line {
            Ok(command) => command,
            Err(BadLine::Command(error @ CommandError::OtherProtocol)) if first => {
                return (session, Action::Close(error.reply()));
            }
            // What follows would be taken for commands, whoever wrote it. A line that is too long
            // is gone: nobody knows what it was.
            Err(
                error @ (BadLine::Command(CommandError::ChunkSize)
                | BadLine::Line(LineError::TooLong)),
            ) => {
                return (session, Action::Close(error.reply()));
            }
            Err(error) => return session.bad(error.reply(), rules),
        };
        if pipelined == Pipelined::Yes && session.must_wait(&command) {
            return (session, Action::Close(SYNCHRONIZATION));
        }
        let refusal = session.barred(&command, rules);
        let refusal = refusal.or_else(|| starttls::refuse(&command, rules));
        if let Some(refusal) = refusal.or_else(|| lmtp::refuse(&command, rules)) {
            return if let Command::Bdat { size, .. } = command {
                session.bad_chunk(size, refusal, rules)
            } else {
                session.bad(refusal, rules)
            };
        }
        match command {
            Command::Ehlo(name) | Command::Lhlo(name) => session.hello(name, Greeting::Ehlo, rules),
            Command::Helo(name) => session.hello(name, Greeting::Helo, rules),
            Command::Mail { from, parameters } => session.mail(from, parameters, rules),
            Command::Rcpt { to, parameters } => session.rcpt(&to, parameters, rules),
            Command::Data => session.data(rules),
            Command::Bdat { size, last } => {
                let begins = None;
                session.bdat(Chunk { size, last, begins }, rules)
            }
            Command::Rset => session.rset(),
            Command::StartTls => session.start_tls(rules),
            Command::XClient(said) => session.xclient(said, rules),
            Command::Noop => (session, Action::Reply(OK)),
            // RFC 5321 §3.5.3: we do not tell who exists to whom does not send.
            Command::Vrfy(_) => (
                session,
                Action::Reply(Reply::new(
                    252,
                    (2, 0, 0),
                    "Cannot verify, send mail and see",
                )),
            ),
            Command::Help => (
                session,
                Action::Reply(Reply::new(214, (2, 0, 0), "See RFC 5321")),
            ),
            Command::Quit => (session, Action::Close(Reply::new(221, (2, 0, 0), "Bye"))),
            Command::Auth { mechanism, initial } => {
                session.auth((&mechanism, initial.as_deref()), rules)
            }
            Command::Expn(_) => {
                let reply = Reply::new(502, (5, 5, 1), "Command not implemented");
                session.bad(reply, rules)
            }
        }
    }

    /// RFC 2920 §3.1: these may only be the last of a group; and without EHLO there is no
    /// pipelining at all.
    const fn must_wait(&self, command: &Command) -> bool {
        let extended = match &self.state {
            State::Ungreeted => true,
            State::Ready(hello)
            | State::Collecting(hello, _)
            | State::Chunking(hello)
            | State::Refused(hello, _) => hello.extended,
        };
        !extended
            || matches!(
                command,
                Command::Ehlo(_)
                    | Command::Helo(_)
                    | Command::Lhlo(_)
                    | Command::Data
                    | Command::StartTls
                    // RFC 4954 §4.
                    | Command::Auth { .. }
                    | Command::XClient(_)
            )
    }

    fn bad(mut self, reply: Reply, rules: &impl Rules) -> (Self, Action) {
        self.bad_commands += 1;
        self.err(&reply);
        self.login.give_up();
        if self.bad_commands > rules.options().bounds.bad_commands {
            return (self, Action::Close(TOO_MANY_ERRORS));
        }
        (self, Action::Reply(reply))
    }

    /// RFC 5321 §4.1.4: a greeting ends a transaction.
    fn hello(self, name: String, greeting: Greeting, rules: &impl Rules) -> (Self, Action) {
        let hostname = &rules.options().hostname;
        let (extended, text) = match greeting {
            Greeting::Helo => (false, hostname.clone()),
            Greeting::Ehlo => {
                let extensions = self.extensions(rules);
                (true, format!("{hostname}\n{extensions}"))
            }
        };
        let session = Self {
            state: State::Ready(Hello {
                name: self.helo.clone().unwrap_or(name),
                extended,
            }),
            ..self
        };
        (session, Action::Reply(Reply::plain(250, text)))
    }

    /// What we offer; nothing that does not work.
    fn extensions(&self, rules: &impl Rules) -> Extensions {
        Extensions {
            pipelining: true,
            size: Some(rules.options().max_message_size),
            eight_bit_mime: true,
            smtputf8: true,
            starttls: self.starttls == StartTls::Offered,
            auth: self.mechanisms(rules),
            enhanced_status_codes: true,
            dsn: true,
            chunking: true,
            // RFC 9422 §4.2.
            limits: Limits {
                rcpt_max: u64::try_from(rules.options().bounds.recipients).ok(),
                ..Limits::default()
            },
            requiretls: offers_requiretls(rules),
            xclient: rules.introduces() == Introduces::Others,
        }
    }

    fn mail(
        self,
        from: ReversePath,
        parameters: MailParameters,
        rules: &impl Rules,
    ) -> (Self, Action) {
        match self.state {
            State::Ungreeted => self.bad(Reply::new(503, (5, 5, 1), "Say EHLO first"), rules),
            State::Collecting(..) | State::Chunking(_) => {
                self.bad(Reply::new(503, (5, 5, 1), "Nested MAIL command"), rules)
            }
            State::Ready(hello) | State::Refused(hello, _) => {
                let refusal = refuse_sender(&from, &parameters, rules);
                let (state, reply) = if let Some(reply) = refusal {
                    (State::Ready(hello), reply)
                } else {
                    let auth = None;
                    let parameters = MailParameters { auth, ..parameters };
                    let transaction = Transaction::new(from, parameters);
                    let state = State::Collecting(hello, Box::new(transaction));
                    (state, Reply::new(250, (2, 1, 0), "Ok"))
                };
                (Self { state, ..self }, Action::Reply(reply))
            }
        }
    }

    fn data(self, rules: &impl Rules) -> (Self, Action) {
        match self.state {
            // RFC 3030 §2: not both in one transaction.
            State::Ungreeted | State::Ready(_) | State::Chunking(_) | State::Refused(..) => {
                self.bad(BAD_SEQUENCE, rules)
            }
            State::Collecting(hello, transaction) if transaction.recipients.is_empty() => {
                let session = Self {
                    state: State::Collecting(hello, transaction),
                    ..self
                };
                // RFC 5321 §3.3.
                session.bad(lmtp::nobody(rules), rules)
            }
            State::Collecting(hello, transaction) => {
                let session = Self {
                    state: State::Ready(hello.clone()),
                    ..self
                };
                (session, Action::Content(hello, transaction))
            }
        }
    }
}

#[cfg(test)]
#[path = "session_tests.rs"]
mod tests;
