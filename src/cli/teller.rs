//! What the verbs share that ask the server and print its answer.

use std::time::Duration;

use serde::de::DeserializeOwned;

use super::client::Client;
use super::home::At;
use super::intent::Format;
use super::render::Page;
use super::watch::Room;
use super::{Exit, Failure, home, print};
use crate::base::Clock;
use crate::smtp::Mailbox;
use crate::terminal::{Bar, Palette};

/// Asks the server of a config, and tells what it said.
pub(super) struct Teller {
    pub(super) client: Client,
    pub(super) format: Format,
    /// Who asks.
    pub(super) actor: String,
    pub(super) page: Page,
    room: Room,
}

impl Teller {
    /// For the server of this config.
    pub(super) fn new(config: At<'_>, (format, actor): (Format, String)) -> Result<Self, Failure> {
        Ok(Self {
            client: home::client(config)?,
            format,
            actor,
            page: Page {
                palette: Palette::of_stdout(),
                now: Clock::system().now(),
            },
            room: config.room.clone(),
        })
    }

    /// Prints an answer, as it is or as text.
    pub(super) fn print<T: DeserializeOwned>(
        &self,
        answer: &serde_json::Value,
        text: impl FnOnce(Page, &T) -> String,
    ) -> Result<(), Failure> {
        match self.format {
            Format::Json => print(&format!("{answer:#}\n")),
            Format::Text => self.room.show(&text(self.page, &read(answer)?)),
        }
    }

    /// Uploads lines, and waits for an answer that takes long, with the seconds.
    pub(super) async fn patiently(
        &self,
        (path, lines): (String, Vec<u8>),
    ) -> Result<serde_json::Value, Failure> {
        let mut bar = Bar::new("seconds");
        let mut seconds = 0;
        let planning = self.client.upload(path, lines);
        tokio::pin!(planning);
        let answer = loop {
            tokio::select! {
                answer = &mut planning => break answer,
                () = tokio::time::sleep(Duration::from_secs(1)) => {
                    seconds += 1;
                    bar.show(seconds, None);
                }
            }
        };
        bar.end();
        Ok(answer?)
    }
}

/// An address of the command line: an empty variable of a script must not mean everybody.
pub(super) fn address(text: &str) -> Result<String, String> {
    let read = text.trim().parse::<Mailbox>();
    read.map(|address| address.to_string())
        .map_err(|error| format!("{error}: an address is expected"))
}

/// How a verb ends that stayed until the end of what it watched: what is written is all that was
/// not done as it should be.
pub(super) fn ended(what: &str, odd: &[String]) -> Result<(), Failure> {
    if odd.is_empty() {
        return Ok(());
    }
    let text = format!("{what}: {}", odd.join(", "));
    Err(Failure::new(Exit::Failed, text))
}

/// `3 WHAT`, when there are any.
pub(super) fn some(count: u64, what: &str) -> Option<String> {
    (count > 0).then(|| format!("{count} {what}"))
}

/// An answer as what it should be.
pub(super) fn read<T: DeserializeOwned>(answer: &serde_json::Value) -> Result<T, Failure> {
    let odd = |error| Failure::new(Exit::Failed, format!("an odd answer: {error}"));
    T::deserialize(answer).map_err(odd)
}
