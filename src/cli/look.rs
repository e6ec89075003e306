//! `spool verify`: of a spool that nobody has open, all of it at once; of one that a server has
//! open, by the server.

use std::time::Duration;

use super::home::{self, At};
use super::intent::{Format, Request, SpoolWork};
use super::render::Page;
use super::teller::Teller;
use super::{Exit, Failure, offline};
use crate::admin::VerifyView;
use crate::spool::{Offline, SpoolError, World};
use crate::terminal::Bar;

/// Between two questions how far the server is.
const AGAIN: Duration = Duration::from_millis(500);

pub(super) async fn verify(
    config: At<'_>,
    (format, actor): (Format, String),
) -> Result<(), Failure> {
    let options = home::spool_options(config.file)?;
    match Offline::open(options, World::system()) {
        Err(SpoolError::InUse(_)) => {}
        opened => {
            // It is opened anew, and says what it says then.
            drop(opened);
            return offline::perform(config.file, &SpoolWork::Verify, format);
        }
    }
    let teller = Teller::new(config, (format, actor))?;
    let answer = looked_through(&teller).await?;
    teller.print(&answer, Page::looked)?;
    let view: VerifyView =
        serde_json::from_value(answer).map_err(|error| Failure::new(Exit::Failed, error))?;
    if view.is_clean() {
        return Ok(());
    }
    let what = "the spool is not whole: docs/operations/damage.md";
    Err(Failure::new(Exit::Failed, what))
}

/// Asks for a look, and waits for its end; the server goes on when nobody waits.
async fn looked_through(teller: &Teller) -> Result<serde_json::Value, Failure> {
    let mut bar = Bar::with_lines("segments");
    let request = || Request::get("/api/spool/verify".to_owned());
    let begin = Request::post("/api/spool/verify", &());
    let before: VerifyView = teller.client.ask(begin).await?;
    let wanted = before.look.next();
    loop {
        let answer: serde_json::Value = teller.client.ask(request()).await?;
        let view: VerifyView = serde_json::from_value(answer.clone())
            .map_err(|error| Failure::new(Exit::Failed, error))?;
        if view.look.ended >= wanted {
            bar.end();
            return Ok(answer);
        }
        if let Some(one) = &view.look.under_way {
            bar.show(one.done, Some(one.of));
        }
        tokio::time::sleep(AGAIN).await;
    }
}

impl Page {
    /// `spool verify`, by the server.
    fn looked(self, view: &VerifyView) -> String {
        let Some(last) = &view.look.last else {
            return String::new();
        };
        let mut text = format!(
            "by the server that runs: {} segments; {} damaged, {} in quarantine\n",
            last.segments, last.damaged, view.quarantined
        );
        if let Some(missing) = &view.missing {
            text.push_str(&self.field("missing", &missing.to_string()));
        }
        if last.unknown > 0 {
            let told = format!("{} messages of the log", last.unknown);
            text.push_str(&self.field("not in index", &told));
        }
        if let Some(error) = &last.error {
            let told = format!("{} segments: {error}", last.failed);
            text.push_str(&self.field("not looked at", &told));
        }
        text.push_str(
            "not looked at: what is being written, the ledger, each row of the index; with the \
             server\nstopped they are\n",
        );
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Timestamp;
    use crate::spool::{Look, Looked};
    use crate::terminal::Palette;

    #[test]
    fn what_the_server_found_is_told_whole() {
        let page = Page {
            palette: Palette::Plain,
            now: Timestamp::from_millis(1),
        };
        let last = Looked {
            segments: 7,
            damaged: 2,
            unknown: 3,
            failed: 1,
            error: Some("reading log/3: I/O error".to_owned()),
            ..Looked::default()
        };
        let look = Look {
            under_way: None,
            last: Some(last),
            ended: 1,
        };
        let mut view = VerifyView {
            look,
            quarantined: 2,
            missing: None,
        };
        let text = page.looked(&view);
        for expected in [
            "7 segments; 2 damaged, 2 in quarantine",
            "3 messages of the log",
            "1 segments: reading log/3: I/O error",
            "not looked at: what is being written",
        ] {
            assert!(text.contains(expected), "{text}");
        }
        assert!(!view.is_clean());
        view.look.last = Some(Looked::default());
        assert!(!view.is_clean(), "something is in quarantine");
        view.quarantined = 0;
        assert!(view.is_clean());
        view.missing = Some(crate::spool::Missing {
            segments: 1,
            named: vec![5],
            waiting: 50,
            finished: 0,
        });
        assert!(!view.is_clean());
        let text = page.looked(&view);
        for expected in [
            "segment 5 of the log is missing",
            "50 messages, not delivered yet",
        ] {
            assert!(text.contains(expected), "{text}");
        }
    }
}
