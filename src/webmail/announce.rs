//! When somebody is told that the webmail is open for him, and that it is over: pure.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::activation::{Mode, Outage, Ruling, Setting};
use crate::base::Timestamp;

/// What somebody was told last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Told {
    /// That it is open, or that it is over.
    pub is_open: bool,
    /// When.
    pub at: Timestamp,
    /// How many times he was told something, this one included.
    pub count: u64,
}

/// What is true, and may be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum News {
    /// It is open.
    Begins,
    /// It is not, or not any more.
    Ends,
}

/// Is this something to tell? That what is always open is open is no news: an outage of the home
/// is, and what an operator opened that is closed else. A test is told on the pages.
pub(super) fn is_told(ruling: &Ruling, base: Setting, outage: Option<&Outage>) -> bool {
    let is_closed_else = matches!(base, Setting::Off | Setting::Auto);
    let is_opened = ruling.rule.is_some() && is_closed_else;
    ruling.mode != Mode::Off && ruling.setting != Setting::Test && (outage.is_some() || is_opened)
}

/// What to tell somebody now, when this is true. Two pieces of news are never nearer than `pause`,
/// so that a platform that comes and goes fills nobody's mailbox; what is over by then is not told
/// at all.
pub(super) fn news(
    told: Option<&Told>,
    truth: News,
    (now, pause): (Timestamp, Duration),
) -> Option<News> {
    if told.is_some_and(|told| now.since(told.at) < pause) {
        return None;
    }
    let last = if told.is_some_and(|told| told.is_open) {
        News::Begins
    } else {
        News::Ends
    };
    (last != truth).then_some(truth)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::activation::{Rule, Scope};

    const PAUSE: Duration = Duration::from_secs(3600);

    proptest! {
        #[test]
        fn news_alternate_rarely_and_tell_the_truth_in_the_end(
            spans in prop::collection::vec((1..200_u64, any::<bool>()), 1..30),
        ) {
            let (mut told, mut now, mut open) = (None::<Told>, 1_000_000_u64, false);
            for (looks, is_open) in spans.into_iter().chain([(121, true), (121, false)]) {
                open = is_open;
                for _ in 0..looks {
                    now += 30;
                    let at = Timestamp::from_millis(now * 1000);
                    let truth = if is_open { News::Begins } else { News::Ends };
                    let Some(news) = news(told.as_ref(), truth, (at, PAUSE)) else {
                        continue;
                    };
                    // It is true when it is told, and another one than the last.
                    prop_assert_eq!(news == News::Begins, is_open);
                    prop_assert!(told.as_ref().is_none_or(|told| told.is_open != is_open));
                    prop_assert!(told.is_some() || news == News::Begins);
                    prop_assert!(told.as_ref().is_none_or(|told| at.since(told.at) >= PAUSE));
                    let count = told.map_or(1, |told| told.count + 1);
                    told = Some(Told { is_open, at, count });
                }
            }
            prop_assert_eq!(told.is_some_and(|told| told.is_open), open);
        }
    }

    #[test]
    fn what_is_always_open_is_no_news() {
        let rule = Rule {
            setting: Setting::Full,
            actor: "root".to_owned(),
            reason: String::new(),
            since: Timestamp::EPOCH,
        };
        let outage = Outage {
            since: Timestamp::EPOCH,
            opened: Timestamp::EPOCH,
            recovered: None,
        };
        let out = Some(&outage);
        let ruling = |mode, setting, rule| Ruling {
            mode,
            setting,
            scope: Scope::Everybody,
            rule,
        };
        let by_config = ruling(Mode::Full, Setting::Full, None);
        assert!(!is_told(&by_config, Setting::Full, None));
        assert!(is_told(&by_config, Setting::Full, out));
        let by_operator = ruling(Mode::Full, Setting::Full, Some(rule.clone()));
        assert!(!is_told(&by_operator, Setting::Full, None));
        assert!(is_told(&by_operator, Setting::Off, None));
        let a_test = ruling(Mode::Full, Setting::Test, Some(rule.clone()));
        assert!(!is_told(&a_test, Setting::Off, out));
        let closed = ruling(Mode::Off, Setting::Off, Some(rule));
        assert!(!is_told(&closed, Setting::Auto, out));
    }
}
