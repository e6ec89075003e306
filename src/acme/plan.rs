//! When a certificate is ordered. Pure.

use std::time::Duration;

use super::Memory;
use crate::base::Timestamp;
use crate::limits;
use crate::net::CertificateFacts;

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Plan {
    /// When the next certificate is wanted.
    pub due: Timestamp,
    /// When it is ordered: later, when an order has failed.
    pub at: Timestamp,
}

impl Plan {
    /// For these hosts, when this certificate is there and this is remembered.
    #[must_use]
    pub fn of(hosts: &[String], present: Option<&CertificateFacts>, memory: &Memory) -> Self {
        let due = due(hosts, present, memory);
        let at = match (memory.failure(), memory.tried) {
            (Some((last, times)), _) => {
                let pause = pause(times).max(Duration::from_secs(memory.wait_seconds));
                due.max(last.after(pause))
            }
            // One that is due as soon as it is made, by a clock that is wrong, is no reason to
            // order one after the other. Hosts that it is not for are another matter.
            (None, Some(made)) if present.is_none_or(|it| is_for(it, hosts)) => {
                due.max(made.after(rest(present)))
            }
            (None, Some(_) | None) => due,
        };
        Self { due, at }
    }
}

fn due(hosts: &[String], present: Option<&CertificateFacts>, memory: &Memory) -> Timestamp {
    let Some(present) = present.filter(|it| !it.is_self_signed && is_for(it, hosts)) else {
        return Timestamp::EPOCH;
    };
    let own = at_two_thirds(present);
    match &memory.advice {
        // RFC 9773 §4.2: the authority may know better, but not that we are too late.
        Some(advice) if advice.of_ends == present.ends => advice.renew.min(latest(present)),
        Some(_) | None => own,
    }
}

/// How long after one was made the next one is.
fn rest(present: Option<&CertificateFacts>) -> Duration {
    let whole = present.map(|it| it.ends.since(it.begins));
    let third = whole.map_or(limits::ACME_REST, |it| it / 3);
    limits::ACME_REST.min(third)
}

/// Is it for all of them? Further hosts of it do no harm until it is renewed.
fn is_for(present: &CertificateFacts, hosts: &[String]) -> bool {
    hosts.iter().all(|host| present.names.contains(host))
}

/// When two thirds of its time are over.
fn at_two_thirds(present: &CertificateFacts) -> Timestamp {
    let whole = present.ends.since(present.begins);
    present.begins.after(whole * 2 / 3)
}

/// When nine tenths of its time are over: whatever anybody advises.
fn latest(present: &CertificateFacts) -> Timestamp {
    let whole = present.ends.since(present.begins);
    present.begins.after(whole * 9 / 10)
}

/// How long after so many failures in a row.
fn pause(times: u32) -> Duration {
    let place = usize::try_from(times.saturating_sub(1)).unwrap_or(usize::MAX);
    let [.., last] = limits::ACME_AGAIN;
    limits::ACME_AGAIN.get(place).copied().unwrap_or(last)
}

#[cfg(test)]
mod tests {
    use super::super::Advice;
    use super::*;

    const DAY: u64 = 86_400;

    fn day(day: u64) -> Timestamp {
        Timestamp::EPOCH.after(Duration::from_secs((1_000 + day) * DAY))
    }

    fn present() -> CertificateFacts {
        CertificateFacts {
            names: vec![
                "mx.example.org".to_owned(),
                "mta-sts.example.org".to_owned(),
            ],
            begins: day(0),
            ends: day(90),
            is_self_signed: false,
            renewal_id: None,
        }
    }

    fn hosts(names: &[&str]) -> Vec<String> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    #[test]
    fn it_is_renewed_at_two_thirds_and_ordered_when_it_is_for_others() {
        let mx = hosts(&["mx.example.org"]);
        let fresh = Memory::default();
        let due = |hosts: &[String], present: Option<&CertificateFacts>| {
            let plan = Plan::of(hosts, present, &fresh);
            assert_eq!(plan.due, plan.at, "nothing has failed");
            plan.due
        };
        assert_eq!(due(&mx, Some(&present())), day(60));
        assert_eq!(due(&mx, None), Timestamp::EPOCH);
        let other = hosts(&["mx.example.org", "mx.example.net"]);
        assert_eq!(due(&other, Some(&present())), Timestamp::EPOCH);
        let own = CertificateFacts {
            is_self_signed: true,
            ..present()
        };
        assert_eq!(due(&mx, Some(&own)), Timestamp::EPOCH);
    }

    #[test]
    fn after_failures_it_waits_longer_and_longer() {
        let mx = hosts(&["mx.example.org"]);
        let mut memory = Memory::default();
        let mut last = Duration::ZERO;
        for times in 1..20_u32 {
            memory.failed(day(70), ("it says no", Duration::ZERO));
            let plan = Plan::of(&mx, Some(&present()), &memory);
            assert_eq!(plan.due, day(60));
            let pause = plan.at.since(day(70));
            assert!(pause >= last, "{times}: {pause:?} after {last:?}");
            last = pause;
        }
        assert_eq!(last, Duration::from_secs(DAY));
        // Five failures in an hour, and Let's Encrypt says no for a while.
        assert!(
            limits::ACME_AGAIN
                .iter()
                .take(4)
                .sum::<Duration>()
                .as_secs()
                > 3_600
        );
        // What the authority asks for counts, too.
        memory.failed(day(70), ("it says no", Duration::from_secs(3 * DAY)));
        assert_eq!(Plan::of(&mx, Some(&present()), &memory).at, day(73));
        // A reload is no reason to ask it earlier, but to try again.
        memory.ask_again();
        assert_eq!(Plan::of(&mx, Some(&present()), &memory).at, day(73));
        memory.failed(day(70), ("it says no", Duration::ZERO));
        memory.ask_again();
        assert_eq!(Plan::of(&mx, Some(&present()), &memory).at, day(60));
        memory.worked(day(74));
        assert_eq!(memory.failure(), None);
        let renewed = CertificateFacts {
            begins: day(74),
            ends: day(164),
            ..present()
        };
        assert_eq!(Plan::of(&mx, Some(&renewed), &memory).at, day(134));
    }

    #[test]
    fn one_that_is_due_as_soon_as_it_is_made_is_not_ordered_at_once() {
        let mx = hosts(&["mx.example.org"]);
        let mut memory = Memory::default();
        memory.worked(day(80));
        let plan = Plan::of(&mx, Some(&present()), &memory);
        assert_eq!(plan.at, day(80).after(limits::ACME_REST));
        assert_eq!(plan.due, day(60));
        // Other hosts do not wait for it.
        let other = hosts(&["mx.example.net"]);
        let plan = Plan::of(&other, Some(&present()), &memory);
        assert_eq!(plan.at, Timestamp::EPOCH);
        // One that is good for six hours rests for two.
        let hour = |hours: u64| day(80).after(Duration::from_secs(hours * 3_600));
        let short = CertificateFacts {
            begins: day(80),
            ends: hour(6),
            ..present()
        };
        memory.worked(hour(3));
        assert_eq!(Plan::of(&mx, Some(&short), &memory).at, hour(5));
    }

    #[test]
    fn what_the_authority_advises_counts_for_the_certificate_that_it_means() {
        let mx = hosts(&["mx.example.org"]);
        let advised = |renew, of_ends| Memory {
            advice: Some(Advice {
                renew,
                of_ends,
                window: (renew, renew),
                asked: day(1),
            }),
            ..Memory::default()
        };
        let due = |memory: &Memory| Plan::of(&mx, Some(&present()), memory).due;
        assert_eq!(
            due(&advised(day(5), day(90))),
            day(5),
            "it is to be revoked"
        );
        assert_eq!(due(&advised(day(65), day(90))), day(65));
        assert_eq!(due(&advised(day(89), day(90))), day(81), "not too late");
        assert_eq!(due(&advised(day(5), day(30))), day(60), "of the one before");
    }
}
