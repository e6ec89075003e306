//! Who of ours is about to reach a limit of a day, and which devices end soon: told before
//! something waits or is refused.

use std::time::Duration;

use metrics::gauge;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Admin;
use super::conditions::Seen;
use crate::base::Timestamp;
use crate::device::{DeviceState, DeviceView};
use crate::limits;
use crate::notice::{Counted, Kind, Severity, Share, Unknown};
use crate::queue::SenderUse;
use crate::telemetry::names;
use crate::terminal::duration;

/// So long before its day a device is told of.
const ENDS_SOON: Duration = Duration::from_secs(7 * 86_400);
/// The same, when nobody did anything.
const ENDS_NOW: Duration = Duration::from_secs(86_400);
const DEVICE_FULL: &str = "What it sends beyond is refused for now, until 00:00 UTC: tideover \
                           device show tells what it sent; device renew --daily gives it more; \
                           docs/devices.md";
const DEVICE_ENDS: &str = "Then its mail is refused: tideover device renew --expires 90d, or \
                           tideover device end; docs/devices.md";
const HOUR_FULL: &str = "What is sent beyond is refused until an hour has gone by. Is it wanted? \
                         tideover trace; web.messages_per_hour, web.recipients_per_hour; \
                         docs/submission.md";
const SENDER_FULL: &str = "Mail beyond waits, and goes as soon as the platform may have it. Is it \
                           wanted? tideover trace; sender_recipients_per_day; docs/submission.md";

/// A sender or a device that is about to reach a limit, or has; a device that ends soon.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SendingTrouble {
    /// How bad it is.
    pub severity: Severity,
    /// What is so, for people.
    pub what: String,
    /// What to do.
    pub todo: String,
}

impl Admin {
    /// The same for notices.
    pub(super) fn see_sending(&self, seen: &mut Seen) {
        match self.queue.busy_senders() {
            Some(senders) => see_senders(seen, &senders),
            None => seen.all.unknown.push(Unknown::All(Kind::Sender)),
        }
        see_hours(seen, &self.accounts.busy());
        match self.devices.list() {
            Ok(devices) => see_devices(seen, &devices),
            // The index is being made: what is not known is not over.
            Err(_) => seen.all.unknown.push(Unknown::All(Kind::Device)),
        }
    }

    /// The same for `/api/status`.
    pub(super) fn sending_troubles(&self) -> Vec<SendingTrouble> {
        let mut seen = Seen::at(self.clock.now());
        self.see_sending(&mut seen);
        let all = seen.all.conditions.into_iter();
        all.map(|it| SendingTrouble {
            severity: it.severity,
            what: it.what,
            todo: it.todo,
        })
        .collect()
    }

    /// How many they are.
    pub(super) fn set_sending_gauges(&self) {
        let count = |count: usize| f64::from(u32::try_from(count).unwrap_or(u32::MAX));
        if let Some(senders) = self.queue.busy_senders() {
            gauge!(names::SENDERS_NEAR_LIMIT).set(count(senders.len()));
        }
        if let Ok(devices) = self.devices.list() {
            let near = devices.iter().filter(|it| it.is_near_limit());
            gauge!(names::DEVICES_NEAR_LIMIT).set(count(near.count()));
        }
    }
}

/// A word for how it is: it is told again when the limit is reached.
const fn how_full(used: u64, limit: u64) -> &'static str {
    if used >= limit { "full" } else { "near" }
}

fn see_senders(seen: &mut Seen, senders: &[SenderUse]) {
    for one in senders.iter().take(limits::NOTICE_SENDERS) {
        let (used, limit) = (u64::from(one.recipients), u64::from(one.limit));
        let what = format!(
            "{} has had {used} of {limit} recipients a day through {}",
            one.sender, one.backend
        );
        let subject = format!("{}, {}", one.sender, one.backend);
        let how = (Severity::Warning, how_full(used, limit));
        seen.add((Kind::Sender, &subject), how, None, (what, SENDER_FULL));
    }
    let more = senders.len().saturating_sub(limits::NOTICE_SENDERS);
    if more > 0 {
        let what = format!("{more} more senders have had nearly all recipients of their day");
        let how = (Severity::Warning, "");
        seen.add((Kind::Sender, "more"), how, None, (what, SENDER_FULL));
    }
}

/// What a user may send within an hour, in the webmail and by programs.
fn see_hours(seen: &mut Seen, users: &[(String, Share)]) {
    for (user, share) in users.iter().take(limits::NOTICE_SENDERS) {
        let Share {
            counted,
            used,
            limit,
        } = *share;
        let counted = match counted {
            Counted::Messages => "messages",
            Counted::Recipients => "recipients",
        };
        let what = format!("{user} has had {used} of {limit} {counted} an hour");
        let subject = format!("{user}, an hour");
        let how = (Severity::Warning, how_full(used, limit));
        seen.add((Kind::Sender, &subject), how, None, (what, HOUR_FULL));
    }
    let more = users.len().saturating_sub(limits::NOTICE_SENDERS);
    if more > 0 {
        let what = format!("{more} more users have had nearly all that they may send an hour");
        let how = (Severity::Warning, "");
        let name = (Kind::Sender, "more, an hour");
        seen.add(name, how, None, (what, HOUR_FULL));
    }
}

fn see_devices(seen: &mut Seen, devices: &[DeviceView]) {
    let full = devices.iter().filter(|it| it.is_near_limit());
    let full: Vec<&DeviceView> = full.collect();
    for device in full.iter().take(limits::NOTICE_SENDERS) {
        let limit = u64::from(device.daily_recipients.unwrap_or_default());
        let (name, used) = (&device.name, device.today);
        let what = format!("device {name} has had {used} of its {limit} recipients of today");
        let how = (Severity::Warning, how_full(used, limit));
        let subject = format!("{name}, today");
        seen.add((Kind::Device, &subject), how, None, (what, DEVICE_FULL));
    }
    let now = seen.now;
    let ending = devices.iter().filter_map(|it| Some((it, ends(it, now)?)));
    let mut ending: Vec<(&DeviceView, Timestamp)> = ending.collect();
    ending.sort_by_key(|(device, end)| (*end, device.name.clone()));
    for (device, end) in ending.iter().take(limits::NOTICE_SENDERS) {
        see_end(seen, device, *end);
    }
    for (left, what, todo) in [
        (
            full.len(),
            "have had nearly all recipients of today",
            DEVICE_FULL,
        ),
        (ending.len(), "end within a week", DEVICE_ENDS),
    ] {
        let more = left.saturating_sub(limits::NOTICE_SENDERS);
        if more > 0 {
            let subject = format!("more that {what}");
            let what = format!("{more} more devices {what}");
            let how = (Severity::Warning, "");
            seen.add((Kind::Device, &subject), how, None, (what, todo));
        }
    }
}

/// The end of a device that is near. What is over is noticed by its mail, which is refused.
fn ends(device: &DeviceView, now: Timestamp) -> Option<Timestamp> {
    let end = device
        .expires
        .filter(|_| device.state != DeviceState::Expired);
    end.filter(|end| now.after(ENDS_SOON) >= *end)
}

fn see_end(seen: &mut Seen, device: &DeviceView, end: Timestamp) {
    let left = end.since(seen.now);
    let name = &device.name;
    let what = format!("device {name} ends in {}", duration(left));
    let state = if left <= ENDS_NOW { "now" } else { "soon" };
    let subject = format!("{name}, its end");
    let since = Some(end.before(ENDS_SOON));
    let how = (Severity::Warning, state);
    seen.add((Kind::Device, &subject), how, since, (what, DEVICE_ENDS));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::Way;
    use crate::mail::BackendId;

    fn seen() -> Seen {
        Seen::at("2027-01-10T00:00:00Z".parse().unwrap())
    }

    fn told(seen: &Seen) -> Vec<(String, String)> {
        let all = seen.all.conditions.iter();
        all.map(|it| (it.what.clone(), it.state.clone())).collect()
    }

    fn device(name: &str, today: u64, expires: Option<&str>) -> DeviceView {
        DeviceView {
            name: name.to_owned(),
            way: Way::Listed,
            state: DeviceState::Active,
            senders: Vec::new(),
            networks: Vec::new(),
            recipients: Vec::new(),
            expires: expires.map(|it| it.parse().unwrap()),
            daily_recipients: Some(100),
            today,
            last_seen: None,
            last_sender: None,
            last_refusal: None,
            made: seen().now,
            by: String::new(),
            reason: String::new(),
        }
    }

    #[test]
    fn a_device_is_told_of_before_its_day_is_full_and_before_its_end() {
        let mut seen = seen();
        let devices = [
            device("calm", 89, Some("2027-01-17T00:00:01Z")),
            device("busy", 90, None),
            device("full", 100, Some("2027-01-17T00:00:00Z")),
            device("late", 0, Some("2027-01-11T00:00:00Z")),
            DeviceView {
                state: DeviceState::Expired,
                ..device("over", 0, Some("2027-01-09T00:00:00Z"))
            },
        ];
        see_devices(&mut seen, &devices);
        let expected = [
            (
                "device busy has had 90 of its 100 recipients of today",
                "near",
            ),
            (
                "device full has had 100 of its 100 recipients of today",
                "full",
            ),
            ("device late ends in 24 h", "now"),
            ("device full ends in 7 days", "soon"),
        ];
        let expected = expected.map(|(what, state)| (what.to_owned(), state.to_owned()));
        assert_eq!(told(&seen), expected);
    }

    #[test]
    fn a_user_is_told_of_before_the_hour_is_full() {
        let share = |counted, used, limit| Share::new(counted, used, limit);
        let mut users = vec![
            (
                "ann@a.example".to_owned(),
                share(Counted::Messages, 100, 100),
            ),
            (
                "bob@a.example".to_owned(),
                share(Counted::Recipients, 460, 500),
            ),
        ];
        let mut few = seen();
        see_hours(&mut few, &users);
        let expected = [
            ("ann@a.example has had 100 of 100 messages an hour", "full"),
            (
                "bob@a.example has had 460 of 500 recipients an hour",
                "near",
            ),
        ];
        let expected = expected.map(|(what, state)| (what.to_owned(), state.to_owned()));
        assert_eq!(told(&few), expected);
        for number in 0..5 {
            let name = format!("u{number}@a.example");
            users.push((name, share(Counted::Messages, 90, 100)));
        }
        let mut many = seen();
        see_hours(&mut many, &users);
        let told = told(&many);
        assert_eq!(told.len(), limits::NOTICE_SENDERS + 1);
        let last = "2 more users have had nearly all that they may send an hour";
        assert_eq!(told.last().unwrap().0, last);
    }

    #[test]
    fn many_are_told_of_together() {
        let mut seen = seen();
        let ends = Some("2027-01-12T00:00:00Z");
        let devices: Vec<_> = (0..30)
            .map(|number| device(&format!("d{number}"), 95, ends))
            .collect();
        see_devices(&mut seen, &devices);
        let senders: Vec<_> = (0..7)
            .map(|number| SenderUse {
                sender: format!("s{number}@example.org"),
                backend: BackendId::new("cloud"),
                recipients: 9_500,
                limit: 10_000,
            })
            .collect();
        see_senders(&mut seen, &senders);
        let told = told(&seen);
        assert_eq!(told.len(), 3 * (limits::NOTICE_SENDERS + 1));
        let has = |words: &str| assert!(told.iter().any(|(what, _)| what == words), "{told:?}");
        has("25 more devices have had nearly all recipients of today");
        has("25 more devices end within a week");
        has("s0@example.org has had 9500 of 10000 recipients a day through cloud");
        has("2 more senders have had nearly all recipients of their day");
    }
}
