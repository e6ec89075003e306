//! Which part of the queue is meant: read from what was typed, and written into links and forms.

use std::time::Duration;

use super::ask::escaped;
use super::asker::Fields;
use super::fault::Fault;
use crate::admin::SelectQuery;
use crate::base::Timestamp;
use crate::limits;
use crate::mail::{BackendId, HoldReason, SpoolId};
use crate::route::{Pattern, Selection, ShownState};
use crate::smtp::Domain;

/// The fields, by their names, in the order of the form.
const NAMES: [&str; 10] = [
    "state",
    "backend",
    "reason-kind",
    "recipient",
    "sender",
    "domain",
    "hold",
    "older",
    "before",
    "message",
];

/// The moment at which it was shown what would be done; see [`Filter::up_to`].
pub(super) const UP_TO: &str = "shown-at";

/// A filter of the queue.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Filter {
    pub(super) selection: Selection,
    /// What is shown; a deed has its own idea of whom it suits.
    pub(super) state: Option<ShownState>,
    /// What was typed, as it was.
    typed: Vec<(&'static str, String)>,
}

impl Filter {
    /// What the fields say.
    ///
    /// # Errors
    /// What is wrong with them, and what is expected, for people.
    pub(super) fn of(fields: &Fields, now: Timestamp) -> Result<Self, String> {
        let state = match fields.text("state") {
            "" => None,
            "queued" => Some(ShownState::Queued),
            "held" => Some(ShownState::Held),
            other => return Err(format!("\"{other}\" is no state: expected queued or held")),
        };
        let pattern = |name: &str| -> Result<Option<Pattern>, String> {
            let parsed = fields.some(name).map(str::parse).transpose();
            parsed.map_err(|error: crate::route::NoPattern| error.to_string())
        };
        let selection = Selection {
            message: message(fields)?,
            recipient: pattern("recipient")?,
            sender: pattern("sender")?,
            domain: domain(fields)?,
            backend: fields.some("backend").map(BackendId::new),
            reason_kind: reason_kind(fields)?,
            hold: fields.some("hold").map(str::to_owned),
            accepted_before: before(fields, now)?,
        };
        let typed = NAMES.iter().filter_map(|name| {
            let text = fields.some(name)?;
            Some((*name, text.to_owned()))
        });
        Ok(Self {
            selection,
            state,
            typed: typed.collect(),
        })
    }

    /// Refuses fields that are none of a filter, nor of these.
    pub(super) fn expect_known(fields: &Fields, others: &[&str]) -> Result<(), Fault> {
        fields.expect(&[&NAMES[..], others].concat())
    }

    /// Nothing is left out.
    pub(super) fn is_all(&self) -> bool {
        self.typed.is_empty()
    }

    /// What was typed, for the hidden fields of a form.
    pub(super) fn typed(&self) -> &[(&'static str, String)] {
        &self.typed
    }

    /// The same for a link, with `more` behind it: `?state=held&after=…`.
    pub(super) fn link(&self, more: &[(&str, &str)]) -> String {
        let own = self.typed.iter().map(|(name, text)| (*name, text.as_str()));
        let pairs = own.chain(more.iter().copied());
        let pairs: Vec<String> = pairs
            .map(|(name, text)| format!("{name}={}", escaped(text)))
            .collect();
        format!("?{}", pairs.join("&"))
    }

    /// The same mail, but nothing that came after `shown`: what is decided about what was shown is
    /// not done to what nobody has seen. That moment is no age that somebody typed, and stands in a
    /// field of its own; an age is one of that moment, and not of the next look.
    pub(super) fn up_to(mut self, shown: Timestamp) -> Self {
        let age = self.selection.accepted_before;
        self.selection.accepted_before = Some(age.map_or(shown, |at| at.min(shown)));
        self.typed
            .retain(|(name, _)| !matches!(*name, "older" | "before"));
        self.typed.extend(age.map(|at| ("before", at.to_string())));
        self.typed.push((UP_TO, shown.to_string()));
        self
    }

    /// The question to the API.
    pub(super) fn query(&self) -> SelectQuery {
        SelectQuery {
            selection: self.selection.clone(),
            state: self.state,
            all: true,
            ..SelectQuery::default()
        }
    }
}

fn message(fields: &Fields) -> Result<Option<SpoolId>, String> {
    let parsed = fields
        .some("message")
        .map(str::parse::<SpoolId>)
        .transpose();
    parsed.map_err(|error| {
        format!(
            "\"{}\" is no spool id: {error}; expected 13 letters and digits",
            fields.text("message")
        )
    })
}

fn domain(fields: &Fields) -> Result<Option<String>, String> {
    let Some(text) = fields.some("domain") else {
        return Ok(None);
    };
    let parsed: Result<Domain, _> = text.trim_start_matches('@').parse();
    let domain =
        parsed.map_err(|_| format!("\"{text}\" is no domain: expected for example example.org"))?;
    Ok(Some(domain.key()))
}

fn reason_kind(fields: &Fields) -> Result<Option<String>, String> {
    let Some(kind) = fields.some("reason-kind") else {
        return Ok(None);
    };
    if HoldReason::KINDS.contains(&kind) {
        return Ok(Some(kind.to_owned()));
    }
    let kinds = HoldReason::KINDS.join(", ");
    Err(format!(
        "there is no reason \"{kind}\": expected one of {kinds}"
    ))
}

/// Accepted longer ago than `older`, and before the moment `before`.
fn before(fields: &Fields, now: Timestamp) -> Result<Option<Timestamp>, String> {
    let older = fields.some("older").map(age).transpose()?;
    let older = older.map(|age| now.before(age));
    let before = moment(fields, "before")?;
    Ok(match (older, before) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    })
}

/// A moment in a field.
pub(super) fn moment(fields: &Fields, name: &str) -> Result<Option<Timestamp>, String> {
    let parsed = fields.some(name).map(|text| {
        text.parse::<Timestamp>().map_err(|_| {
            format!("\"{text}\" is no time: expected for example 2026-03-02T02:14:00Z")
        })
    });
    parsed.transpose()
}

/// `30m`, `2h`, `7d`.
pub(super) fn age(text: &str) -> Result<Duration, String> {
    let wrong = || format!("\"{text}\" is no age: expected for example 30m, 2h or 7d");
    let unit = text.chars().next_back().ok_or_else(wrong)?;
    let seconds = match unit {
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400,
        _ => return Err(wrong()),
    };
    let count: u64 = text
        .trim_end_matches(unit)
        .trim()
        .parse()
        .map_err(|_| wrong())?;
    let all = count.checked_mul(seconds).map(Duration::from_secs);
    all.filter(|all| *all <= limits::AGE).ok_or_else(|| {
        let days = limits::AGE.as_secs() / 86_400;
        format!("\"{text}\" is longer than any mail is kept: at most {days}d")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filter(fields: &[(&str, &str)]) -> Result<Filter, String> {
        Filter::of(&Fields::of(fields), now())
    }

    fn now() -> Timestamp {
        "2026-03-02T02:51:00Z".parse().unwrap()
    }

    #[test]
    fn what_is_typed_is_what_is_meant() {
        let filter = filter(&[
            ("state", "held"),
            ("backend", " onprem "),
            ("recipient", "@Example.org"),
            ("older", "2h"),
            ("sender", ""),
            ("other", "x&y"),
        ])
        .unwrap();
        assert_eq!(filter.state, Some(ShownState::Held));
        assert_eq!(
            filter.selection.to_string(),
            "recipient @example.org and backend onprem and accepted before 2026-03-02T00:51:00.000Z"
        );
        assert_eq!(
            filter.link(&[("after", "06J8Z4K2M0001")]),
            "?state=held&backend=onprem&recipient=%40Example.org&older=2h&after=06J8Z4K2M0001"
        );
        assert!(!filter.is_all());
        assert!(filter.query().all, "no filter is meant as such here");
        assert!(Filter::default().is_all());
    }

    #[test]
    fn what_came_since_is_not_meant() {
        let given = filter(&[("older", "2h")]).unwrap().up_to(now());
        let expected = now().before(Duration::from_secs(7200));
        assert_eq!(given.selection.accepted_before, Some(expected));
        assert_eq!(
            given.typed(),
            [("before", expected.to_string()), (UP_TO, now().to_string())]
        );
        // An hour later it is still the same mail.
        let later = now().after(Duration::from_secs(3600));
        let pairs: Vec<(&str, &str)> = given
            .typed()
            .iter()
            .map(|(name, text)| (*name, text.as_str()))
            .collect();
        let again = Filter::of(&Fields::of(&pairs), later).unwrap().up_to(later);
        assert_eq!(again.selection, given.selection);
        let all = Filter::default().up_to(now());
        assert_eq!(all.selection.accepted_before, Some(now()));
        assert_eq!(all.typed(), [(UP_TO, now().to_string())], "no age");
    }

    #[test]
    fn what_is_wrong_is_told_with_what_is_expected() {
        for (name, text, expected) in [
            ("state", "lost", "expected queued or held"),
            ("recipient", "ann", "expected for example ann@example.org"),
            ("sender", "<script>", "expected for example ann@example.org"),
            ("domain", "a b", "expected for example example.org"),
            ("reason-kind", "bad", "expected one of refused, operator"),
            ("older", "2 weeks", "expected for example 30m, 2h or 7d"),
            ("older", "d", "expected for example 30m, 2h or 7d"),
            ("older", "99999999999999999999d", "expected for example"),
            ("older", "18446744073709551615d", "at most 3650d"),
            ("before", "yesterday", "expected for example 2026-"),
            ("message", "1", "expected 13 letters"),
        ] {
            let error = filter(&[(name, text)]).unwrap_err();
            assert!(error.contains(expected), "{name}={text}: {error}");
        }
    }
}
