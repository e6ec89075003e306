use proptest::prelude::*;

use super::*;
use crate::inbound::{Role, samples};
use crate::limits;
use crate::smtp::Attribute;

struct World {
    options: Options,
}

impl World {
    fn new() -> Self {
        let mut options = samples::options(Role::Mx);
        options.bounds.recipients = 3;
        options.bounds.bad_commands = 5;
        options.bounds.bad_recipients = 2;
        Self { options }
    }
}

impl Rules for World {
    fn options(&self) -> &Options {
        &self.options
    }

    fn is_encrypted(&self) -> bool {
        false
    }

    fn is_awaited(&self) -> bool {
        false
    }

    fn introduces(&self) -> Introduces {
        Introduces::Others
    }

    fn mechanisms(&self) -> &[Mechanism] {
        Mechanism::ALL
    }

    fn may_send_as(&self, _from: &ReversePath, _said: &MailParameters) -> Result<(), Reply> {
        Ok(())
    }

    fn room(&self) -> Result<(), Reply> {
        Ok(())
    }

    fn admit(&self, to: &ForwardPath) -> Admission {
        match to {
            ForwardPath::Mailbox(mailbox) if mailbox.domain().as_str() == "example.org" => {
                Admission::Accept {
                    address: mailbox.clone(),
                    lane: "onprem".to_owned(),
                    mailbox: None,
                }
            }
            ForwardPath::Mailbox(_) | ForwardPath::Postmaster => {
                Admission::Reject(Reply::new(550, (5, 7, 1), "Relaying denied"))
            }
        }
    }
}

fn line() -> impl Strategy<Value = Vec<u8>> {
    let known = proptest::sample::select(vec![
        "EHLO a",
        "HELO a",
        "LHLO a",
        "MAIL FROM:<>",
        "MAIL FROM:<a@b.example> SIZE=5000",
        "MAIL FROM:<ä@b.example>",
        "RCPT TO:<ann@example.org>",
        "RCPT TO:<bob@example.org>",
        "RCPT TO:<x@elsewhere.example>",
        "DATA",
        "RSET",
        "NOOP",
        "STARTTLS",
        "BDAT 1",
        "BDAT 0 LAST",
        "BDAT x",
        "XCLIENT ADDR=192.0.2.1 HELO=other.example",
        "XCLIENT LOGIN=ann",
        "AUTH PLAIN AGFubgBnZWhlaW0=",
        "AUTH LOGIN",
        "GET / HTTP/1.0",
    ]);
    prop_oneof![
        9 => known.prop_map(|line| line.as_bytes().to_vec()),
        1 => any::<Vec<u8>>(),
    ]
}

fn is_lawful(transaction: &Transaction) -> Result<(), TestCaseError> {
    let recipients = &transaction.recipients;
    prop_assert!((1..=3).contains(&recipients.len()));
    for recipient in recipients {
        prop_assert_eq!(recipient.address.domain().as_str(), "example.org");
    }
    Ok(())
}

fn is_wait(pipelined: Pipelined) -> bool {
    pipelined == Pipelined::Yes
}

proptest! {
    /// Whatever a client says: content comes only from greeted clients, with recipients of ours
    /// and within the bounds; after enough errors the session ends; nobody is spoken to in the
    /// clear about what was said before TLS.
    #[test]
    fn any_conversation_stays_within_the_rules(
        lines in proptest::collection::vec((line(), any::<[bool; 2]>()), 0..60),
    ) {
        let world = World::new();
        let mut session = Session::new(StartTls::Offered);
        let mut bad = 0;
        let mut greeted = false;
        let mut open = None;
        for (line, [more, refuses]) in lines {
            let pipelined = if more { Pipelined::Yes } else { Pipelined::No };
            let command = Command::parse(&line).map_err(BadLine::from);
            let greets = matches!(command, Ok(Command::Ehlo(_) | Command::Helo(_)));
            let waits = matches!(
                command,
                Ok(Command::Data | Command::StartTls | Command::XClient(_))
            );
            // More of a message that is refused is no error of its own.
            let is_more = matches!(session.state, State::Refused(..));
            let (next, action) = session.handle(command, pipelined, &world);
            session = next;
            match action {
                Action::Close(_) => return Ok(()),
                Action::Reply(reply) => {
                    greeted |= greets && reply.is_success();
                    let ends = greets || matches!(line.as_slice(), b"RSET");
                    if ends && reply.is_success() {
                        open = None;
                    }
                    bad += usize::from(matches!(reply.code, 500..=504));
                    prop_assert!(bad <= world.options.bounds.bad_commands);
                }
                Action::StartTls(_) => {
                    prop_assert!(!is_wait(pipelined));
                    prop_assert!(open.is_none());
                    session = session.encrypted();
                    greeted = false;
                }
                Action::Introduce(said) => {
                    prop_assert!(waits && !is_wait(pipelined) && open.is_none());
                    session = session.introduced(said.get(Attribute::Helo).flatten());
                    greeted = false;
                }
                // Nobody logs in at this door.
                Action::Recall(_) | Action::Verify(_) => prop_assert!(false, "{action:?}"),
                Action::Content(_, transaction) => {
                    prop_assert!(greeted && waits && !is_wait(pipelined));
                    prop_assert!(open.is_none());
                    is_lawful(&transaction)?;
                }
                Action::Chunk(Chunk { last, begins, .. }) => {
                    prop_assert!(greeted);
                    // Each message begins once, and nothing goes on that has not begun.
                    prop_assert_eq!(begins.is_some(), open.is_none());
                    if let Some((hello, transaction)) = begins {
                        prop_assert!(hello.extended);
                        is_lawful(&transaction)?;
                    }
                    open = (!last).then_some(());
                    if refuses {
                        session = session.chunk_refused(OK);
                        open = None;
                    }
                }
                Action::Discard(size, reply, _) => {
                    prop_assert!(size <= 1);
                    bad += usize::from(reply != OK && !is_more);
                }
            }
        }
    }
}

const LATER: Reply = Reply::new(451, (4, 3, 0), "Try later");

/// Says these lines once and those again and again; what is said to a message is that it comes
/// later. After how many lines the session is over.
fn lines_until_the_end(once: &str, again: &str) -> Option<usize> {
    let world = World::new();
    let mut session = Session::new(StartTls::NotOffered);
    let said = ["EHLO a"].into_iter().chain(once.lines());
    let said = said.chain(std::iter::repeat(again).flat_map(str::lines));
    for (number, line) in said.take(2_000).enumerate() {
        let command = Command::parse(line.as_bytes()).map_err(BadLine::from);
        let (next, action) = session.take(command, Pipelined::No, &world);
        session = match action {
            Action::Close(reply) => {
                assert_eq!(reply.code, 421, "{line}");
                return Some(number);
            }
            Action::Content(..) => next.message_ended(&LATER, &world),
            Action::Chunk(_) => next.message_ended(&LATER, &world).chunk_refused(LATER),
            Action::Reply(_) | Action::Discard(..) => next,
            Action::StartTls(_) | Action::Introduce(_) | Action::Recall(_) | Action::Verify(_) => {
                panic!("{line}")
            }
        };
        if session.farewell(&world).is_some() {
            return Some(number);
        }
    }
    None
}

/// Nothing is for free for ever, whatever it is answered.
#[test]
fn whoever_repeats_himself_comes_to_an_end() {
    let begun = "MAIL FROM:<>\nRCPT TO:<ann@example.org>";
    let refused = format!("{begun}\nBDAT 1");
    let put_off = format!("{begun}\nDATA");
    for (once, again) in [
        ("", "NOOP"),
        ("", "WHAT"),
        ("", "MAIL FROM:<ä@b.example>"),
        ("", "MAIL FROM:<>\nRSET"),
        ("", put_off.as_str()),
        ("MAIL FROM:<>", "RCPT TO:<ann@example.org>"),
        ("MAIL FROM:<>", "RCPT TO:<ä@example.org>"),
        ("MAIL FROM:<>", "RCPT TO:<x@elsewhere.example>"),
        (begun, "MAIL FROM:<>"),
        (refused.as_str(), "BDAT 1"),
    ] {
        let end = lines_until_the_end(once, again);
        assert!(end.is_some(), "{once} {again}");
    }
}

/// RFC 5321 §4.5.3.1.10: who says all in one go hears 452 for the rest, and is no worse off; who
/// goes on is. Who is named twice counts twice.
#[test]
fn recipients_beyond_the_bound_are_free_for_a_while() {
    let end = lines_until_the_end("MAIL FROM:<>", "RCPT TO:<ann@example.org>");
    let World { options } = World::new();
    let bounds = options.bounds;
    // EHLO and MAIL are in front.
    let free = 2 + bounds.recipients + limits::RECIPIENT_OVERSHOOT;
    assert_eq!(end, Some(free + bounds.bad_recipients));
}
