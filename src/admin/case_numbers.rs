//! How many refusals wait for a decision: read once for all who tell it, and when it cannot be
//! read that is told, and not 0.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Admin;
use crate::limits;
use crate::mail::{BackendId, CaseKind};
use crate::spool::{Case, SpoolError};
use crate::terminal::many;

/// What waits because a backend refused it, for `status`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CaseNumbers {
    /// Cases to be decided, at most a page of them is counted; null while that is not known.
    pub cases: Option<u64>,
    /// Their recipients; null while that is not known.
    pub recipients: Option<u64>,
    /// Why the two are not known; left out while they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unknown: Option<String>,
}

impl CaseNumbers {
    /// For people; nothing when there is nothing to decide.
    pub(super) fn told(&self) -> Option<String> {
        if let Some(why) = &self.unknown {
            return Some(format!(
                "how many cases wait for a decision is not known: {why}"
            ));
        }
        let (cases, recipients) = (self.cases?, self.recipients.unwrap_or_default());
        (cases > 0).then(|| {
            let (what, wait) = (
                many(cases, "case"),
                if cases == 1 { "waits" } else { "wait" },
            );
            let recipients = many(recipients, "recipient");
            format!("{what} with {recipients} {wait} for a decision: `cases`")
        })
    }
}

/// The cases that wait for a decision, as they were read.
#[derive(Debug)]
pub(super) struct OpenCases(Result<Vec<Case>, SpoolError>);

impl OpenCases {
    /// All of them together.
    pub(super) fn numbers(&self) -> CaseNumbers {
        match &self.0 {
            Ok(cases) => CaseNumbers {
                cases: Some(cases.len() as u64),
                recipients: Some(cases.iter().map(|case| case.recipients).sum()),
                unknown: None,
            },
            Err(error) => CaseNumbers {
                unknown: Some(error.to_string()),
                ..CaseNumbers::default()
            },
        }
    }

    /// Those of one backend: how many, and their recipients; none while that is not known.
    pub(super) fn of(&self, backend: &BackendId) -> Option<(u64, u64)> {
        let cases = self.0.as_ref().ok()?.iter();
        let of_it = cases.filter(|case| case.key.backend == *backend);
        Some(of_it.fold((0, 0), |(cases, recipients), case| {
            (cases + 1, recipients + case.recipients)
        }))
    }

    /// For `/health`; that the index is being made stands there already.
    pub(super) fn problem(&self) -> Option<String> {
        match self.0 {
            Err(SpoolError::Rebuilding(_)) => None,
            Ok(_) | Err(_) => self.numbers().told(),
        }
    }
}

impl Admin {
    /// Reads the cases that wait for a decision; at most a page of them. Blocks.
    pub(super) fn open_cases(&self) -> OpenCases {
        OpenCases(self.spool.cases(CaseKind::Open, limits::PAGE))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Timestamp;
    use crate::mail::CaseKey;

    fn case(backend: &str, recipients: u64) -> Case {
        let key = CaseKey {
            backend: BackendId::new(backend),
            code: 550,
            enhanced: None,
            text: "no".to_owned(),
        };
        Case {
            id: key.id(),
            key,
            recipients,
            since: Timestamp::EPOCH,
        }
    }

    #[test]
    fn what_could_not_be_read_is_not_nothing() {
        let (cloud, onprem) = (BackendId::new("cloud"), BackendId::new("onprem"));
        let known = OpenCases(Ok(vec![case("cloud", 2), case("cloud", 5)]));
        assert_eq!(known.of(&cloud), Some((2, 7)));
        assert_eq!(known.of(&onprem), Some((0, 0)));
        assert_eq!(
            known.problem().as_deref(),
            Some("2 cases with 7 recipients wait for a decision: `cases`")
        );
        assert_eq!(OpenCases(Ok(Vec::new())).problem(), None);

        let failed = OpenCases(Err(SpoolError::Index("it is gone".to_owned())));
        assert_eq!(failed.of(&cloud), None);
        let told = serde_json::to_value(failed.numbers()).unwrap();
        let why = "the index of the spool: it is gone";
        let expected = serde_json::json!({ "cases": null, "recipients": null, "unknown": why });
        assert_eq!(told, expected);
        assert_eq!(
            failed.problem().unwrap(),
            format!("how many cases wait for a decision is not known: {why}")
        );
        let making = OpenCases(Err(SpoolError::Rebuilding("3 %".to_owned())));
        assert_eq!(making.numbers().cases, None);
        assert_eq!(making.problem(), None, "/health says it in its own words");
    }
}
