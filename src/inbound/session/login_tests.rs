use proptest::prelude::*;

use super::*;
use crate::inbound::sasl::Mechanism;
use crate::inbound::session::{BadLine, Chunk, Introduces, Options, StartTls};
use crate::inbound::{Role, samples};
use crate::route::Admission;
use crate::smtp::{ForwardPath, MailParameters, ReversePath};

/// A door for who logs in.
struct World {
    options: Options,
    is_encrypted: bool,
}

impl World {
    fn new() -> Self {
        let mut options = samples::options(Role::Submission);
        options.bounds.bad_commands = 50;
        Self {
            options,
            is_encrypted: false,
        }
    }
}

impl Rules for World {
    fn options(&self) -> &Options {
        &self.options
    }

    fn is_encrypted(&self) -> bool {
        self.is_encrypted
    }

    fn is_awaited(&self) -> bool {
        false
    }

    fn introduces(&self) -> Introduces {
        Introduces::Others
    }

    fn room(&self) -> Result<(), Reply> {
        Ok(())
    }

    fn mechanisms(&self) -> &[Mechanism] {
        Mechanism::ALL
    }

    fn may_send_as(&self, from: &ReversePath, _said: &MailParameters) -> Result<(), Reply> {
        let own = from
            .mailbox()
            .is_none_or(|it| it.key() == "ann@example.org");
        own.then_some(()).ok_or(BAD_SEQUENCE)
    }

    fn admit(&self, to: &ForwardPath) -> Admission {
        match to {
            ForwardPath::Mailbox(mailbox) => Admission::Accept {
                address: mailbox.clone(),
                lane: "@elsewhere.example".to_owned(),
                mailbox: None,
            },
            ForwardPath::Postmaster => Admission::Reject(BAD_SEQUENCE),
        }
    }
}

fn line() -> impl Strategy<Value = Vec<u8>> {
    let known = proptest::sample::select(vec![
        "EHLO a",
        "EHLO a",
        "HELO a",
        "AUTH PLAIN AGFubgBnZWhlaW0=",
        "AUTH PLAIN AGFubgBnZWhlaW0=",
        "AUTH PLAIN",
        "AUTH LOGIN",
        "AUTH CRAM-MD5",
        "AUTH SCRAM-SHA-256 biwsbj1hbm4scj14",
        "AUTH SCRAM-SHA-256",
        "biwsbj1hbm4scj14",
        "Yz1iaXdzLHI9eHksc",
        "AGFubgBnZWhlaW0=",
        "*",
        "MAIL FROM:<>",
        "MAIL FROM:<ann@example.org>",
        "MAIL FROM:<bob@example.org>",
        "RCPT TO:<x@elsewhere.example>",
        "DATA",
        "RSET",
        "NOOP",
        "STARTTLS",
        "BDAT 1",
        "BDAT 0 LAST",
        "XCLIENT ADDR=192.0.2.1",
        "VRFY ann",
    ]);
    prop_oneof![
        19 => known.prop_map(|line| line.as_bytes().to_vec()),
        1 => any::<Vec<u8>>(),
    ]
}

proptest! {
    /// Whatever a client says: nobody is asked about a password without TLS, nothing is taken
    /// without a login or in another's name, and a login ends with TLS and with an introduction.
    #[test]
    fn nothing_is_taken_without_a_login(
        lines in proptest::collection::vec((line(), any::<[bool; 2]>()), 0..80),
    ) {
        let mut world = World::new();
        let mut session = Session::new(StartTls::Offered);
        let (mut is_in, mut wrong) = (false, 0);
        for (line, [more, is_right]) in lines {
            let pipelined = if more { Pipelined::Yes } else { Pipelined::No };
            let (next, action) = if session.is_answering() {
                session.answer(&line, pipelined, &world)
            } else {
                let command = Command::parse(&line).map_err(BadLine::from);
                let is_mail = matches!(command, Ok(Command::Mail { .. } | Command::Rcpt { .. }));
                let (next, action) = session.handle(command, pipelined, &world);
                if is_mail && let Action::Reply(reply) = &action {
                    prop_assert!(is_in || !reply.is_success());
                }
                (next, action)
            };
            session = next;
            match action {
                Action::Close(_) => return Ok(()),
                Action::Reply(reply) => {
                    prop_assert!(world.is_encrypted || reply.code != 334);
                    prop_assert_ne!(reply.code, 235);
                }
                Action::Discard(..) => {}
                Action::StartTls(_) => {
                    prop_assert!(!world.is_encrypted && !is_in);
                    world.is_encrypted = true;
                    session = session.encrypted();
                }
                Action::Introduce(_) => {
                    session = session.introduced(None);
                    is_in = false;
                }
                Action::Recall(identity) => {
                    prop_assert!(world.is_encrypted && !is_in && !more);
                    prop_assert_eq!(identity, "ann");
                    let keys = ScramKeys::nobodys(b"secret", "ann");
                    let denied = Denied::Wait(std::time::Duration::ZERO);
                    let found = if is_right { Ok((keys, "y".to_owned())) } else { Err(&denied) };
                    let (next, action) = session.recalled(found, &world);
                    session = next;
                    wrong += usize::from(!is_right);
                    let Action::Reply(reply) = action else { return Ok(()) };
                    prop_assert_eq!(reply.code, if is_right { 334 } else { 454 });
                }
                Action::Verify(claim) => {
                    prop_assert!(world.is_encrypted && !is_in && !more);
                    prop_assert_eq!(claim.identity, "ann");
                    let verdict = if is_right { Ok(()) } else { Err(&Denied::Wrong) };
                    let (next, action) = session.verified(verdict, &world);
                    session = next;
                    is_in = is_right;
                    wrong += usize::from(!is_right);
                    match action {
                        Action::Reply(reply) => {
                            prop_assert_eq!(reply.code, if is_right { 235 } else { 535 });
                            prop_assert!(wrong <= world.options.bounds.wrong_logins);
                        }
                        Action::Close(reply) => {
                            prop_assert_eq!(reply.code, 421);
                            prop_assert!(wrong > world.options.bounds.wrong_logins);
                            return Ok(());
                        }
                        Action::StartTls(_)
                        | Action::Introduce(_)
                        | Action::Recall(_)
                        | Action::Verify(_)
                        | Action::Content(..)
                        | Action::Chunk(_)
                        | Action::Discard(..) => prop_assert!(false),
                    }
                }
                Action::Content(..) | Action::Chunk(Chunk { .. }) => prop_assert!(is_in),
            }
        }
    }
}

/// Nobody comes in by a verdict that nobody asked for.
#[test]
fn a_verdict_needs_a_question() {
    let session = Session::new(StartTls::NotOffered);
    let (session, action) = session.verified(Ok(()), &World::new());
    assert!(matches!(action, Action::Reply(reply) if reply.code == 454));
    let keys = ScramKeys::nobodys(b"secret", "ann");
    let (session, action) = session.recalled(Ok((keys, "y".to_owned())), &World::new());
    assert!(matches!(action, Action::Reply(reply) if reply.code == 454));
    assert!(matches!(session.login, Login::Out));
}

/// Whoever guesses passwords waits, from the first wrong one on.
#[test]
fn each_wrong_login_costs_more() {
    let mut world = World::new();
    world.is_encrypted = true;
    assert!(world.options.bounds.tarpit_after > 0);
    let parsed = |line: &str| Command::parse(line.as_bytes()).map_err(BadLine::from);
    let session = Session::new(StartTls::NotOffered);
    let (mut session, _) = session.handle(parsed("EHLO a"), Pipelined::No, &world);
    for expected in [1, 2, 4] {
        let login = parsed("AUTH PLAIN AGFubgBnZWhlaW0=");
        let (asked, action) = session.handle(login, Pipelined::No, &world);
        assert!(matches!(action, Action::Verify(_)));
        let (mut denied, _) = asked.verified(Err(&Denied::Wrong), &world);
        assert_eq!(denied.take_penalty(&world).as_secs(), expected);
        assert_eq!(denied.take_penalty(&world).as_secs(), 0, "once for each");
        session = denied;
    }
}
