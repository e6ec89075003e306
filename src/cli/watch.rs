//! Asks again and again, for who wants to see how it goes on.

use std::future::Future;
use std::io::{IsTerminal as _, Write as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::drill::DrillVerb;
use super::intent::{CaseQuestion, Format, Question, Work};
use super::landing::LandingVerb;
use super::notify::NotifyVerb;
use super::replay::ReplayVerb;
use super::wave::WaveVerb;
use super::webmail::WebmailVerb;
use super::writeback::WritebackVerb;
use super::{Exit, Failure, complain, print};
use crate::base::Clock;
use crate::terminal::{beginning, clock_time, folded, harmless, height, is_dumb};

/// The cursor goes to the top, and what is below it goes away (ECMA-48 CUP, ED).
const TOP: &str = "\x1b[H\x1b[J";

/// Lines that stand above what is shown, and the one with the cursor below it.
const AROUND: usize = 3;

/// Lines that what is shown now may take, in one piece or in several: those of the present frame
/// for who watches, else all.
#[derive(Debug, Clone)]
pub(super) struct Room(Arc<AtomicUsize>);

impl Default for Room {
    fn default() -> Self {
        Self(Arc::new(AtomicUsize::new(usize::MAX)))
    }
}

impl Room {
    /// A frame of so many lines begins.
    fn begin(&self, lines: usize) {
        self.0.store(lines, Ordering::Relaxed);
    }

    /// As much of `text` from its beginning as there is room for: what scrolls away is what was to
    /// be seen.
    fn within(&self, text: String) -> String {
        let room = self.0.load(Ordering::Relaxed);
        if room == usize::MAX {
            return text;
        }
        let (text, lines) = beginning(&text, room);
        self.begin(room - lines.min(room));
        text
    }

    /// Prints what is for people: within the width of a terminal where one is, and within its
    /// height while it is watched. What strangers wrote does nothing to it, whoever reads.
    pub(super) fn show(&self, text: &str) -> Result<(), Failure> {
        let text = harmless(text);
        if std::io::stdout().is_terminal() {
            print(&self.within(folded(&text)))
        } else {
            print(&text)
        }
    }
}

/// Who reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reader {
    /// Somebody at a terminal, who sees that it goes on.
    Person,
    /// A program, which acts upon the exit code.
    Program,
}

impl Reader {
    /// Who reads stdout.
    pub(super) fn of_stdout() -> Self {
        if std::io::stdout().is_terminal() {
            Self::Person
        } else {
            Self::Program
        }
    }
}

/// Shows what a verb says every so often, until somebody ends it or nobody reads it any more. That
/// the server is away for a while is shown to people, too: it may be starting again. For programs
/// it is the end.
pub(super) async fn watch<F>(
    (every, format): (Duration, Format),
    (reader, room): (Reader, &Room),
    mut show: impl FnMut() -> F,
) -> Result<(), Failure>
where
    F: Future<Output = Result<(), Failure>>,
{
    let clock = Clock::system();
    loop {
        if head((every, format), room, &clock).is_err() {
            return Ok(());
        }
        match show().await {
            Err(failure)
                if matches!(failure.exit, Exit::Unreachable) && reader == Reader::Person =>
            {
                complain(&failure.text);
            }
            shown => shown?,
        }
        tokio::time::sleep(every).await;
    }
}

/// What stands above; programs get one JSON value after the other.
fn head((every, format): (Duration, Format), room: &Room, clock: &Clock) -> std::io::Result<()> {
    let mut stdout = std::io::stdout().lock();
    let top = if stdout.is_terminal() && !is_dumb() {
        room.begin(height().map_or(usize::MAX, |lines| lines.saturating_sub(AROUND)));
        TOP
    } else {
        ""
    };
    match format {
        Format::Text => {
            let time = clock_time(clock.now());
            writeln!(
                stdout,
                "{top}{time}, again every {every:?}; Ctrl-C ends it\n"
            )?;
        }
        // Nothing but a sign that somebody reads.
        Format::Json => writeln!(stdout)?,
    }
    stdout.flush()
}

/// Is it a question, so that asking it again changes nothing?
pub(super) fn is_question(work: &Work) -> bool {
    match work {
        Work::Ask(question) => match question {
            Question::Status
            | Question::Size
            | Question::Backends
            | Question::Backend(_)
            | Question::Queue(_)
            | Question::Message(_)
            | Question::Case(CaseQuestion::List(_) | CaseQuestion::Show(_))
            | Question::Holds
            | Question::Moves
            | Question::Explain(_)
            | Question::Trace(_)
            | Question::Tls(_) => true,
            Question::Override(..)
            | Question::Probe(_)
            | Question::Case(CaseQuestion::Release(..) | CaseQuestion::Bounce(..))
            | Question::User(_)
            | Question::Reload => false,
        },
        Work::Operator(verb) => verb.is_question(),
        Work::Device(verb) => verb.is_question(),
        Work::Config(_) | Work::Audit(_) => true,
        Work::Notify(verb, _) => *verb == NotifyVerb::Status,
        Work::Drill(verb) => matches!(verb, DrillVerb::Status),
        Work::Landing(verb, _) => matches!(**verb, LandingVerb::Status),
        Work::Replay(verb, _) => matches!(**verb, ReplayVerb::Status { wait: false, .. }),
        Work::Wave(verb, _) => matches!(**verb, WaveVerb::Status { .. }),
        Work::Writeback(verb, _) => {
            matches!(**verb, Some(WritebackVerb::Status { wait: false, .. }))
        }
        Work::Webmail(verb, _) => matches!(**verb, WebmailVerb::Status { .. }),
        Work::Serve
        | Work::Check(_)
        | Work::Automatic(_)
        | Work::Setup(_)
        | Work::Demo(_)
        | Work::Openapi
        | Work::Completions(_)
        | Work::Man(_)
        | Work::Key(_)
        | Work::Spool(_)
        | Work::Verify(_)
        | Work::Bulk(_)
        | Work::Directory(..)
        | Work::Rehearse(_)
        | Work::Report(..) => false,
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::cli::args::Arguments;
    use crate::cli::intent::Intent;

    fn intent(words: &str) -> Intent {
        let words = std::iter::once("tideover").chain(words.split(' '));
        Arguments::try_parse_from(words).unwrap().into()
    }

    #[test]
    fn questions_can_be_asked_again_and_deeds_cannot() {
        for words in [
            "status",
            "queue list --limit 5",
            "cases",
            "backend show onprem",
            "move status",
            "replay status",
            "wave status",
            "writeback status",
            "webmail status",
            "landing status",
            "drill status",
            "device list",
        ] {
            assert!(is_question(&intent(words).work), "{words}");
        }
        for words in [
            "backend hold onprem --reason x",
            "reload",
            "drill run",
            "user reset ann@example.org",
            "queue drop --backend onprem --reason x --yes",
            "replay status --wait r1",
        ] {
            assert!(!is_question(&intent(words).work), "{words}");
        }
    }

    /// A script would wait for ever for a server that is not there.
    #[tokio::test]
    async fn a_program_hears_that_the_server_is_away() {
        let every = (Duration::from_millis(1), Format::Json);
        let asked = std::cell::Cell::new(0);
        let show = || {
            asked.set(asked.get() + 1);
            std::future::ready(match asked.get() {
                1 => Ok(()),
                2 => Err(Failure::new(Exit::Unreachable, "it is away")),
                _ => Err(Failure::new(Exit::Failed, "asked on")),
            })
        };
        let ended = watch(every, (Reader::Program, &Room::default()), show)
            .await
            .unwrap_err();
        assert_eq!(ended.exit, Exit::Unreachable);
        asked.set(0);
        let show = || {
            asked.set(asked.get() + 1);
            std::future::ready(match asked.get() {
                1 => Err(Failure::new(Exit::Unreachable, "it is away")),
                _ => Err(Failure::new(Exit::Failed, "asked on")),
            })
        };
        let ended = watch(every, (Reader::Person, &Room::default()), show)
            .await
            .unwrap_err();
        assert_eq!(ended.exit, Exit::Failed, "it was asked again");
    }

    #[test]
    fn what_is_shown_in_several_pieces_shares_the_frame() {
        let three = || "one\ntwo\nthree\n".to_owned();
        let room = Room::default();
        assert_eq!(room.within(three()), three());
        // Whoever shows has it from who watches.
        let shown = room.clone();
        room.begin(5);
        assert_eq!(shown.within(three()), three());
        let cut = shown.within(three());
        assert_eq!(cut.lines().count(), 2, "{cut}");
        assert!(
            cut.starts_with("one\n") && cut.contains("2 more lines"),
            "{cut}"
        );
        assert_eq!(shown.within(three()), "");
        assert_eq!(Room::default().within(three()), three());
        room.begin(3);
        assert_eq!(shown.within(three()), three());
    }

    #[test]
    fn how_often_stands_behind_an_equals_sign() {
        let every = |words: &str| intent(words).watch;
        assert_eq!(every("status"), None);
        assert_eq!(every("status --watch"), Some(Duration::from_secs(2)));
        assert_eq!(
            every("queue show --watch=30 0123"),
            Some(Duration::from_secs(30))
        );
        for bad in ["--watch=0", "--watch=x", "--watch=90000"] {
            assert!(
                Arguments::try_parse_from(["tideover", "status", bad]).is_err(),
                "{bad}"
            );
        }
    }
}
