//! Plots as SVG: one bar for each step, and the times without mail as stripes.

use std::fmt::Write as _;

use super::{Outage, OutageKind, Timeline};
use crate::base::Timestamp;

/// Units of the picture; it is as wide as the page.
const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 120.0;
const STRIPE: f64 = 14.0;

/// Bars over the steps of a timeline.
pub(super) fn bars(values: &[u64], names: (&str, &str)) -> String {
    let known: Vec<Option<u64>> = values.iter().copied().map(Some).collect();
    bars_of(&known, names)
}

/// Bars over steps, of which some are not known: a class of the style, and words for those who do
/// not see the picture. Both stand in it as they are.
#[must_use]
pub fn bars_of(values: &[Option<u64>], (class, words): (&str, &str)) -> String {
    let most = values.iter().flatten().copied().max().unwrap_or(0).max(1);
    let width = WIDTH / length(values.len());
    let (mut path, mut unknown) = (String::new(), String::new());
    for (step, value) in values.iter().enumerate() {
        let left = length(step) * width;
        // Writing to a string does not fail.
        match value {
            None => write!(unknown, "M{left:.1} {HEIGHT}V0h{width:.1}V{HEIGHT}z").ok(),
            Some(0) => None,
            Some(value) => {
                let top = HEIGHT - share(*value, most) * HEIGHT;
                let bar = (width - 0.6).max(0.4);
                write!(path, "M{left:.1} {HEIGHT}V{top:.1}h{bar:.1}V{HEIGHT}z").ok()
            }
        };
    }
    let unknown = match unknown.as_str() {
        "" => String::new(),
        unknown => format!("<path class=\"unknown\" d=\"{unknown}\"/>"),
    };
    format!(
        "<svg class=\"{class}\" viewBox=\"0 -2 {WIDTH} {}\" role=\"img\" \
         aria-label=\"{words}\" preserveAspectRatio=\"none\">{unknown}\
         <path class=\"bar\" d=\"{path}\"/>\
         <path class=\"base\" d=\"M0 {HEIGHT}H{WIDTH}\"/></svg>",
        HEIGHT + 4.0
    )
}

/// The times without mail of one backend, over the time of a timeline.
pub(super) fn stripe(outages: &[Outage], timeline: &Timeline, until: Timestamp) -> String {
    let whole = timeline.end().since(timeline.start).as_secs_f64().max(1.0);
    let place = |at: Timestamp| at.since(timeline.start).as_secs_f64() / whole * WIDTH;
    let mut marks = String::new();
    for outage in outages {
        let (left, right) = (place(outage.from), place(outage.until.unwrap_or(until)));
        let class = match outage.kind {
            OutageKind::Down => "down",
            OutageKind::Rejecting => "rejecting",
            OutageKind::Held => "held",
        };
        let wide = (right - left).max(1.5);
        write!(
            marks,
            "<rect class=\"{class}\" x=\"{left:.1}\" width=\"{wide:.1}\" height=\"{STRIPE}\"/>"
        )
        .ok();
    }
    format!(
        "<svg class=\"stripe\" viewBox=\"0 0 {WIDTH} {STRIPE}\" role=\"img\" \
         aria-label=\"When it took no mail\" preserveAspectRatio=\"none\">\
         <rect class=\"free\" width=\"{WIDTH}\" height=\"{STRIPE}\"/>{marks}</svg>"
    )
}

fn share(value: u64, most: u64) -> f64 {
    // In thousandths: what a picture can show.
    let thousandths = u128::from(value) * 1000 / u128::from(most.max(1));
    u32::try_from(thousandths).map_or(1.0, f64::from) / 1000.0
}

fn length(steps: usize) -> f64 {
    f64::from(u32::try_from(steps).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::samples::at;

    #[test]
    fn the_highest_bar_fills_the_picture() {
        let picture = bars(&[0, 5, 10], ("arrived", "came"));
        assert!(picture.contains("M240.0 120V60.0h239.4V120z"), "{picture}");
        assert!(picture.contains("M480.0 120V0.0"), "{picture}");
        assert_eq!(
            picture.matches('M').count(),
            3,
            "no bar for nothing: {picture}"
        );
        assert!(!bars(&[], ("arrived", "came")).contains("NaN"));
        assert!(!bars(&[u64::MAX, 1], ("arrived", "came")).contains("inf"));
    }

    #[test]
    fn what_is_not_known_is_not_shown_as_nothing() {
        let picture = bars_of(&[None, Some(0), Some(7)], ("plot", "came"));
        assert!(
            picture.contains("class=\"unknown\" d=\"M0.0 120V0h240.0V120z\""),
            "{picture}"
        );
        assert!(!bars(&[1, 0], ("plot", "came")).contains("unknown"));
    }

    #[test]
    fn a_short_outage_is_seen() {
        let timeline = Timeline::new(at(0), at(7200));
        let outage = |from, until| Outage {
            kind: OutageKind::Down,
            from: at(from),
            until,
            reason: String::new(),
        };
        let shown = stripe(
            &[outage(0, Some(at(1))), outage(3600, None)],
            &timeline,
            at(7200),
        );
        assert!(shown.contains("x=\"0.0\" width=\"1.5\""), "{shown}");
        assert!(shown.contains("x=\"360.0\" width=\"360.0\""), "{shown}");
    }
}
