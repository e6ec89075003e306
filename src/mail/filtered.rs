//! What a content filter said of a message when it came in. Part of the envelope, so as durable as
//! the message.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The field that says it in a message. A name of ours: what strangers write in it is removed.
pub const FILTER_FIELD: &str = "X-Tideover-Filter";

/// What came of the question.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum FilterVerdict {
    /// Nothing was found.
    Clean,
    /// Something was found.
    Bad,
    /// There is something about it.
    Suspicious,
    /// It was not looked at: the filter did not answer, or it is too large.
    Unchecked,
}

/// What one filter said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Filtered {
    /// The name of the filter in the config.
    pub filter: String,
    /// What came of it.
    pub verdict: FilterVerdict,
    /// Its words, or why it was not asked: printable ASCII without quotes and backslashes.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub said: String,
}

impl FilterVerdict {
    /// The word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Clean => "clean",
            Self::Bad => "bad",
            Self::Suspicious => "suspicious",
            Self::Unchecked => "unchecked",
        }
    }
}

impl fmt::Display for FilterVerdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// In one line: `clamav=bad (Eicar-Test-Signature)`.
impl fmt::Display for Filtered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.filter, self.verdict)?;
        if self.said.is_empty() {
            return Ok(());
        }
        write!(f, " ({})", self.said)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_read_as_it_was_written() {
        let filtered = Filtered {
            filter: "clamav".to_owned(),
            verdict: FilterVerdict::Bad,
            said: "Eicar".to_owned(),
        };
        let text = serde_json::to_string(&filtered).unwrap();
        assert_eq!(
            text,
            r#"{"filter":"clamav","verdict":"bad","said":"Eicar"}"#
        );
        assert_eq!(serde_json::from_str::<Filtered>(&text).unwrap(), filtered);
        assert_eq!(filtered.to_string(), "clamav=bad (Eicar)");
        let clean = Filtered {
            verdict: FilterVerdict::Clean,
            said: String::new(),
            ..filtered
        };
        assert_eq!(clean.to_string(), "clamav=clean");
    }
}
