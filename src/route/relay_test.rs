//! What the last open-relay test found: could a stranger send through us to strangers (I11)?

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::base::Timestamp;

/// One test of all listeners.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct RelayTest {
    /// Tricks that were tried, all listeners together.
    pub tried: usize,
    /// Those that worked. There should be none.
    #[serde(default)]
    pub worked: usize,
    /// The first of them.
    pub open: Vec<OpenTrick>,
    /// Networks that are trusted and too wide to be anybody's own. There should be none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub wide: Vec<WideNetwork>,
}

/// A network of the Internet in the config whose addresses have rights of ours.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WideNetwork {
    /// The listener's address.
    pub listener: String,
    /// The key of the listener: `allow`, `proxy_from`, `xclient_from`.
    pub key: String,
    /// The network.
    pub network: String,
}

impl fmt::Display for WideNetwork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} in {} of {}", self.network, self.key, self.listener)
    }
}

/// Tricks that worked and are told one by one.
const TOLD: usize = 10;

/// A trick by which a stranger could send through us.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct OpenTrick {
    /// The listener's address.
    pub listener: String,
    /// What was said in MAIL.
    pub mail: String,
    /// What was said in RCPT.
    pub rcpt: String,
    /// Where the message would go: the name of a backend, or `@` and a domain.
    pub lane: String,
}

impl RelayTest {
    /// One more trick was tried; `open` when it worked.
    pub fn note(&mut self, open: Option<OpenTrick>) {
        self.tried += 1;
        if let Some(open) = open {
            self.worked += 1;
            self.tell([open]);
        }
    }

    /// Those of another test, too.
    pub fn add(&mut self, other: Self) {
        self.tried += other.tried;
        self.worked += other.worked;
        self.tell(other.open);
        self.trusts(other.wide);
    }

    /// These networks are too wide.
    pub fn trusts(&mut self, wide: impl IntoIterator<Item = WideNetwork>) {
        let room = TOLD.saturating_sub(self.wide.len());
        self.wide.extend(wide.into_iter().take(room));
    }

    fn tell(&mut self, open: impl IntoIterator<Item = OpenTrick>) {
        let room = TOLD.saturating_sub(self.open.len());
        self.open.extend(open.into_iter().take(room));
    }

    /// What is wrong, for people; `None` when nothing is.
    #[must_use]
    pub fn problem(&self) -> Option<String> {
        let open = self.open.first().map(|first| {
            format!(
                "OPEN RELAY: strangers can send through this server, {} of {} tricks work; for \
                 example {:?} at {} goes to {}",
                self.worked, self.tried, first.rcpt, first.listener, first.lane
            )
        });
        let told: Vec<_> = open.into_iter().chain(self.wide_problem()).collect();
        (!told.is_empty()).then(|| told.join("; "))
    }

    /// The same of networks that are too wide, and what to do.
    #[must_use]
    pub fn wide_problem(&self) -> Option<String> {
        let networks: Vec<_> = self.wide.iter().map(ToString::to_string).collect();
        (!networks.is_empty()).then(|| {
            format!(
                "networks of the Internet are trusted that are nobody's own: {}; name only the \
                 addresses of your own devices and proxies there",
                networks.join(", ")
            )
        })
    }
}

/// A test and its time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RelayTested {
    /// When it was.
    pub at: Timestamp,
    /// What it found.
    #[serde(flatten)]
    pub test: RelayTest,
}

/// The last test. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct LastRelayTest(Arc<Mutex<Option<RelayTested>>>);

impl LastRelayTest {
    /// Keeps a test.
    pub fn note(&self, at: Timestamp, test: RelayTest) {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *last = Some(RelayTested { at, test });
    }

    /// The last one, when there was one since the start.
    #[must_use]
    pub fn get(&self) -> Option<RelayTested> {
        let last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        last.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wide_networks_are_told_also_when_no_trick_works() {
        let mut test = RelayTest::default();
        assert_eq!(test.problem(), None);
        let wide = WideNetwork {
            listener: "192.0.2.1:25".to_owned(),
            key: "xclient_from".to_owned(),
            network: "64.0.0.0/2".to_owned(),
        };
        test.add(RelayTest {
            wide: vec![wide.clone(); 9],
            ..RelayTest::default()
        });
        let told = test.problem().unwrap();
        assert!(
            told.contains("nobody's own: 64.0.0.0/2 in xclient_from of 192.0.2.1:25"),
            "{told}"
        );
        assert!(!told.contains("OPEN RELAY"), "{told}");
        test.trusts(vec![wide; 9]);
        assert_eq!(test.wide.len(), TOLD);
        test.note(Some(OpenTrick {
            listener: "192.0.2.1:25".to_owned(),
            mail: "<>".to_owned(),
            rcpt: "<a@b.example>".to_owned(),
            lane: "@b.example".to_owned(),
        }));
        let told = test.problem().unwrap();
        assert!(
            told.starts_with("OPEN RELAY") && told.contains("nobody's own"),
            "{told}"
        );
    }
}
