use proptest::prelude::*;

use super::*;

const RECIPIENTS: usize = 3;

fn commands() -> Commands {
    let mut commands = Commands::default();
    for line in ["MAIL\r\n", "RCPT\r\n", "RCPT\r\n", "RCPT\r\n", "DATA\r\n"] {
        commands.bytes.extend_from_slice(line.as_bytes());
        commands.ends.push(commands.bytes.len());
    }
    commands
}

/// What happened between a session and a server that answers with `codes`, then with 250.
struct Run {
    steps: Vec<Step>,
    /// The replies after the final dot.
    ends: Vec<u16>,
    outcomes: Vec<Outcome>,
}

fn run(codes: &[u16], protocol: Protocol, offers: &str) -> Run {
    let extensions = Extensions::parse(&format!("peer\n{offers}"));
    let (mut session, mut step) = Session::start(&commands(), "peer", protocol, &extensions);
    let mut codes = codes.iter().copied().chain(std::iter::repeat(250));
    let (mut steps, mut ends) = (Vec::new(), Vec::new());
    while !matches!(step, Step::Done | Step::Close) {
        assert!(steps.len() < 20, "no end: {steps:?}");
        if step == Step::SendBody {
            session = session.ending();
        }
        let code = codes.next().unwrap();
        if session.stage() == Stage::End {
            ends.push(code);
        }
        let next = session.handle(Reply::plain(code, ""));
        steps.push(std::mem::replace(&mut step, next.1));
        session = next.0;
    }
    steps.push(step);
    let outcomes = session.into_outcomes();
    Run {
        steps,
        ends,
        outcomes,
    }
}

#[test]
fn pipelined_commands_are_one_write() {
    let Run { steps, .. } = run(
        &[250, 250, 250, 250, 354, 250],
        Protocol::Smtp,
        "PIPELINING",
    );
    let all = commands().bytes.len();
    assert_eq!(steps.first(), Some(&Step::Send(0..all)));
    assert!(steps.contains(&Step::SendBody));
    assert_eq!(steps.last(), Some(&Step::Done));
}

#[test]
fn a_message_for_nobody_is_ended_with_a_dot() {
    let refused = [250, 550, 550, 550, 354, 554];
    let Run { steps, .. } = run(&refused, Protocol::Smtp, "PIPELINING");
    assert!(steps.contains(&Step::SendDot) && !steps.contains(&Step::SendBody));
    assert_eq!(steps.last(), Some(&Step::Done));
    let Run { steps, .. } = run(&refused, Protocol::Lmtp, "PIPELINING");
    assert_eq!(steps.last(), Some(&Step::Close));
    let Run { steps, .. } = run(&refused, Protocol::Smtp, "");
    assert!(steps.contains(&Step::SendReset));
}

proptest! {
    #[test]
    fn whatever_the_server_says(
        codes in proptest::collection::vec(
            proptest::sample::select(vec![250_u16, 250, 250, 354, 354, 421, 450, 550]),
            0..12,
        ),
        lmtp: bool,
        pipelining: bool,
    ) {
        let protocol = if lmtp { Protocol::Lmtp } else { Protocol::Smtp };
        let run = run(&codes, protocol, if pipelining { "PIPELINING" } else { "" });
        prop_assert_eq!(run.outcomes.len(), RECIPIENTS);
        let delivered = |outcome: &&Outcome| matches!(outcome, Outcome::Delivered { .. });
        let count = run.outcomes.iter().filter(delivered).count();
        let good = run.ends.iter().filter(|code| **code == 250).count();
        // Delivered is what a 250 after the final dot says, and nothing else.
        match protocol {
            Protocol::Smtp => prop_assert_eq!(count > 0, good > 0),
            Protocol::Lmtp => prop_assert_eq!(count, good),
        }
    }
}
