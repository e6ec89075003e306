//! `drill …`: probes that go the way of mail and must come back.

use std::time::Duration;

use clap::Subcommand;
use serde::Deserialize as _;

use super::client::Client;
use super::home::At;
use super::intent::{Format, Request};
use super::render::Page;
use super::{Exit, Failure, home, print};
use crate::admin::DrillView;
use crate::base::Clock;
use crate::drill::{LegReport, Light};
use crate::terminal::{Cell, Palette, Table, Tone, duration, moment};

/// From one look to the next while probes are under way.
const LOOK: Duration = Duration::from_millis(200);
/// Wait for a server beyond the deadline of a probe.
const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Subcommand)]
pub(crate) enum DrillVerb {
    /// Each leg: its light, how long the last probe took, how each hop was encrypted
    Status,
    /// Send a probe on every leg now, and wait until each is back or lost
    Run,
}

pub(super) async fn perform(
    config: At<'_>,
    verb: DrillVerb,
    format: Format,
) -> Result<(), Failure> {
    let client = home::client(config)?;
    let answer: serde_json::Value = match verb {
        DrillVerb::Status => look(&client).await?,
        DrillVerb::Run => run(&client).await?,
    };
    let view = read(&answer)?;
    match format {
        Format::Json => print(&format!("{answer:#}\n"))?,
        Format::Text => {
            let page = Page {
                palette: Palette::of_stdout(),
                now: Clock::system().now(),
            };
            config.room.show(&page.drills(&view))?;
        }
    }
    if verb == DrillVerb::Run && !view.green {
        return Err(Failure::new(
            Exit::Failed,
            "not every probe came back in time",
        ));
    }
    Ok(())
}

async fn look(client: &Client) -> Result<serde_json::Value, Failure> {
    Ok(client.ask(Request::get("/api/drill".to_owned())).await?)
}

fn read(answer: &serde_json::Value) -> Result<DrillView, Failure> {
    DrillView::deserialize(answer)
        .map_err(|error| Failure::new(Exit::Failed, format!("an odd answer: {error}")))
}

/// Until every leg has come to something that was sent after the beginning.
async fn run(client: &Client) -> Result<serde_json::Value, Failure> {
    let begun: serde_json::Value = client.ask(Request::post("/api/drill/run", &())).await?;
    let before = read(&begun)?;
    // A probe that is lost is red by then; the server itself may be busy with its index.
    let longest = Duration::from_secs(before.deadline_seconds) + PATIENCE;
    let begun = tokio::time::Instant::now();
    loop {
        if begun.elapsed() > longest {
            let what = "the server has not sent its probes: `tideover status` says what it does";
            return Err(Failure::new(Exit::Failed, what));
        }
        tokio::time::sleep(LOOK).await;
        let answer = look(client).await?;
        let now = read(&answer)?;
        let ended = |leg: &LegReport| {
            let earlier = before.legs.iter().find(|it| it.name == leg.name);
            leg.pending.is_none() && earlier.is_none_or(|it| it.state.sent < leg.state.sent)
        };
        if now.legs.iter().all(ended) {
            return Ok(answer);
        }
    }
}

impl Page {
    fn drills(self, view: &DrillView) -> String {
        let Some(address) = &view.address else {
            return "nothing is drilled: docs/drills.md says how [drill] is configured\n"
                .to_owned();
        };
        let head = ["LEG", "", "LAST", "TOOK", "OUT", "BACK", "WHY"];
        let mut table = Table::new(&head, &[6, 4, 5]);
        for leg in &view.legs {
            table.row(self.leg(leg));
        }
        let every = duration(Duration::from_secs(view.every_seconds));
        let text = format!("probes leave every {every} and come back to {address}\n");
        table.render(self.palette) + &self.palette.paint(Tone::Quiet, &text)
    }

    fn leg(self, leg: &LegReport) -> [Cell; 7] {
        let state = &leg.state;
        let (word, tone) = match state.light {
            Light::Green => ("green", Tone::Good),
            Light::Red => ("red", Tone::Bad),
            Light::Never => ("never", Tone::Waiting),
        };
        let took = state.latency_ms.map_or_else(
            || "-".to_owned(),
            |took| match took {
                0..10_000 => format!("{took} ms"),
                took => duration(Duration::from_millis(took)),
            },
        );
        let tls = |tls: Option<&String>| tls.map_or_else(|| "plain".to_owned(), Clone::clone);
        let out = leg.reply.as_ref().map(|_| tls(leg.tls_out.as_ref()));
        let back = state.back.as_ref().map(|back| tls(back.tls.as_ref()));
        let none = || "-".to_owned();
        [
            leg.name.as_str().into(),
            Cell::toned(word, tone),
            state.at.map_or_else(none, |at| moment(at, self.now)).into(),
            took.into(),
            out.unwrap_or_else(none).into(),
            back.unwrap_or_else(none).into(),
            state.reason.as_str().into(),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Timestamp;
    use crate::drill::{Back, LegState};
    use crate::mail::BackendId;

    #[test]
    fn a_leg_shows_both_hops_or_why_it_is_red() {
        let leg = |state: LegState| LegReport {
            name: "internet-cloud".to_owned(),
            from: None,
            to: BackendId::new("cloud"),
            mailbox: "probe@example.org".to_owned(),
            reply: state.back.as_ref().map(|_| "250 2.0.0 ok".to_owned()),
            tls_out: Some("TLSv1.3".to_owned()),
            pending: None,
            state,
        };
        let green = LegState {
            light: Light::Green,
            latency_ms: Some(1234),
            back: Some(Back::default()),
            ..LegState::default()
        };
        let red = LegState {
            light: Light::Red,
            reason: "not back within 3 min".to_owned(),
            ..LegState::default()
        };
        let page = Page {
            palette: Palette::Plain,
            now: Timestamp::EPOCH,
        };
        let mut view = DrillView {
            address: Some("drill@example.org".to_owned()),
            every_seconds: 300,
            deadline_seconds: 180,
            green: false,
            legs: vec![leg(green), leg(red)],
        };
        let text = page.drills(&view);
        for words in [
            "green",
            "1234 ms",
            "TLSv1.3",
            "plain",
            "red",
            "not back within 3 min",
        ] {
            assert!(text.contains(words), "{words}: {text}");
        }
        view.address = None;
        assert!(page.drills(&view).starts_with("nothing is drilled"));
    }
}
