//! Blocklists, RFC 5782: is the address of a client on a list that its owner publishes in the DNS?

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::{join, join_all};
use tokio::time::Instant;

use super::lookup::{Lookup, Lookups, Order, nibbles};
use crate::mail::{AuthMethod, AuthResult, MethodResult};
use crate::net::Ask;

/// Questions for one list: the address, whether the list lives, and what it says.
const QUESTIONS: usize = 3;
/// A list that takes longer says nothing.
const PATIENCE: Duration = Duration::from_secs(2);
/// Silences in a row, after which a list is left alone, and for how long.
const DOUBT: u32 = 3;
const PAUSE: Duration = Duration::from_secs(30);
const LEFT_ALONE: &str = "the list does not answer, and is left alone for a while";
/// Characters of what a list says.
const TEXT: usize = 200;
/// On no list that lives, RFC 5782 §5.
const NEVER_LISTED: Ipv4Addr = Ipv4Addr::LOCALHOST;
/// On every list.
const ALWAYS_LISTED: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);
const NOT_FOR_US: &str = "the list does not answer our name servers";
const DEAD: &str = "the list has every address: it is dead";

/// Lists that do not answer must not slow the door down: each is left alone for itself.
#[derive(Debug, Default)]
pub(super) struct Lists(Mutex<BTreeMap<String, Silence>>);

#[derive(Debug, Default)]
struct Silence {
    /// In a row.
    times: u32,
    /// Nobody asks until then.
    until: Option<Instant>,
}

impl Lists {
    /// A line for each list that has the address, or could not say.
    pub(super) async fn check(
        &self,
        ip: Option<IpAddr>,
        zones: &[String],
        lookups: &Lookups,
    ) -> Vec<MethodResult> {
        let Some(ip) = ip.map(|ip| ip.to_canonical()).filter(is_public) else {
            return Vec::new();
        };
        let asked = zones.iter().map(async |zone| {
            let line = self.ask(ip, zone, lookups).await?;
            Some(line.of("dns.zone", zone.clone()))
        });
        join_all(asked).await.into_iter().flatten().collect()
    }

    async fn ask(&self, ip: IpAddr, zone: &str, lookups: &Lookups) -> Option<MethodResult> {
        let silent = MethodResult::new(AuthMethod::Dnsbl, AuthResult::TempError);
        if self.is_left_alone(zone, Instant::now()) {
            return Some(silent.because(LEFT_ALONE));
        }
        let lookups = lookups.until(Instant::now() + PATIENCE);
        let looked = look(ip, zone, &lookups.method(QUESTIONS)).await;
        match looked {
            Ok(_) => drop(self.known().remove(zone)),
            Err(()) => self.note_silence(zone, Instant::now()),
        }
        looked.unwrap_or(Some(silent))
    }

    fn is_left_alone(&self, zone: &str, now: Instant) -> bool {
        let known = self.known();
        let until = known.get(zone).and_then(|it| it.until);
        until.is_some_and(|until| now < until)
    }

    fn note_silence(&self, zone: &str, now: Instant) {
        let mut known = self.known();
        let silence = known.entry(zone.to_owned()).or_default();
        silence.times = silence.times.saturating_add(1);
        if silence.times >= DOUBT {
            if silence.until.is_none() {
                tracing::warn!(
                    list = zone,
                    "the blocklist does not answer: it is left alone"
                );
            }
            silence.until = Some(now + PAUSE);
        }
    }

    fn known(&self) -> MutexGuard<'_, BTreeMap<String, Silence>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Does a list serve us? It has to have 127.0.0.2, and may not have 127.0.0.1 (RFC 5782 §5).
///
/// # Errors
/// Why it cannot be used from here, for people.
pub async fn try_blocklist(
    ask: Arc<dyn Ask>,
    zone: &str,
    patience: Duration,
) -> Result<(), &'static str> {
    let lookups = Lookups::new(Some(ask), Instant::now() + patience);
    let lookup = lookups.method(QUESTIONS);
    let name = |address: Ipv4Addr| format!("{}.{zone}", nibbles(address.into(), Order::Reversed));
    let (always, never) = (name(ALWAYS_LISTED), name(NEVER_LISTED));
    let asked = join(codes(&always, &lookup), codes(&never, &lookup)).await;
    let (Ok(always), Ok(never)) = asked else {
        return Err("it does not answer");
    };
    if always.iter().any(|code| is_refusal(*code)) {
        Err(NOT_FOR_US)
    } else if always.is_empty() {
        Err("it does not have 127.0.0.2, as every list has: is that its name?")
    } else if !never.is_empty() {
        Err(DEAD)
    } else {
        Ok(())
    }
}

/// What a list says of an address; `Err`: it did not answer.
async fn look(ip: IpAddr, zone: &str, lookup: &Lookup<'_>) -> Result<Option<MethodResult>, ()> {
    let line = |result| MethodResult::new(AuthMethod::Dnsbl, result);
    let name = format!("{}.{zone}", nibbles(ip, Order::Reversed));
    let found = codes(&name, lookup).await?;
    let Some(code) = found.first().copied() else {
        return Ok(None);
    };
    if found.iter().any(|code| is_refusal(*code)) {
        let line = line(AuthResult::TempError);
        return Ok(Some(line.because(NOT_FOR_US)));
    }
    let never = format!("{}.{zone}", nibbles(NEVER_LISTED.into(), Order::Reversed));
    let (never, told) = join(codes(&never, lookup), lookup.texts(&name, |_| true)).await;
    // A list that was given up, whose name somebody else has now, has everybody on it.
    if !never?.is_empty() {
        let line = line(AuthResult::TempError);
        return Ok(Some(line.because(DEAD)));
    }
    let told = told.unwrap_or_default().into_iter().next();
    let told = told.map(|text| text.chars().take(TEXT).collect::<String>());
    let line = line(AuthResult::Fail);
    let line = match told.filter(|text| !text.is_empty()) {
        Some(text) => line.because(text),
        None => line,
    };
    Ok(Some(line.of("policy.ip", code.to_string())))
}

/// What a list says of an address: nothing, or addresses in 127.0.0.0/8 (RFC 5782 §2.1). Others
/// are somebody's who answers for names that are not there.
async fn codes(name: &str, lookup: &Lookup<'_>) -> Result<Vec<Ipv4Addr>, ()> {
    let found = lookup.addresses(name, NEVER_LISTED.into()).await;
    let codes = found
        .map_err(|_| ())?
        .into_iter()
        .filter_map(|it| match it {
            IpAddr::V4(code) => code.is_loopback().then_some(code),
            IpAddr::V6(_) => None,
        });
    Ok(codes.collect())
}

/// 127.255.255.0/24 is no listing: Spamhaus and others say so to whom they do not serve.
fn is_refusal(code: Ipv4Addr) -> bool {
    matches!(code.octets(), [127, 255, 255, _])
}

/// Nobody is asked about the addresses of one's own house.
fn is_public(ip: &IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => !(ip.is_private() || ip.is_loopback() || ip.is_link_local()),
        IpAddr::V6(ip) => !(ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local()),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;

    use super::*;
    use crate::auth::zone::Zone;

    async fn lines(ip: &str, zone: &str) -> Vec<String> {
        let deadline = Instant::now() + Duration::from_millis(300);
        let zone = Arc::new(Zone::new(zone));
        let lookups = Lookups::new(Some(zone), deadline);
        let zones = ["list.example".to_owned(), "other.example".to_owned()];
        let ip = Some(ip.parse().unwrap());
        let found = Lists::default().check(ip, &zones, &lookups).await;
        found.iter().map(|line| format!("{line:?}")).collect()
    }

    #[tokio::test]
    async fn a_list_is_believed_that_lives() {
        let listed = "7.2.0.192.list.example A 127.0.0.4\n\
                      7.2.0.192.list.example TXT See https://list.example/?192.0.2.7";
        let told = lines("192.0.2.7", listed).await;
        assert_eq!(told.len(), 1, "{told:?}");
        for part in ["Fail", "list.example", "127.0.0.4", "See https"] {
            assert!(told[0].contains(part), "{part}: {told:?}");
        }
        // The same client, however its address is written.
        assert_eq!(lines("::ffff:192.0.2.7", listed).await, told);
        assert!(lines("192.0.2.8", listed).await.is_empty());
    }

    #[tokio::test]
    async fn ipv6_has_nibbles() {
        let name = "b.a.9.8.7.6.5.0.4.0.0.0.3.0.0.0.2.0.0.0.1.0.0.0.0.0.0.0.1.2.3.4";
        let listed = format!("{name}.other.example A 127.0.0.2");
        let told = lines("4321:0:1:2:3:4:567:89ab", &listed).await;
        assert!(told[0].contains("Fail"), "{told:?}");
    }

    /// A list that died, one that does not serve us, one that stalls, and a provider that answers
    /// for every name: nobody is refused for that.
    #[tokio::test]
    async fn a_list_that_lies_is_not_believed() {
        let dead = "7.2.0.192.list.example A 127.0.0.2\n1.0.0.127.list.example A 127.0.0.2";
        let refused = "7.2.0.192.list.example A 127.255.255.254";
        let stalled = "list.example STALLS";
        for zone in [dead, refused, stalled] {
            let told = lines("192.0.2.7", zone).await;
            assert_eq!(told.len(), 1, "{zone}");
            assert!(told[0].contains("TempError"), "{told:?}");
        }
        let wildcard = "7.2.0.192.list.example A 203.0.113.80";
        assert!(lines("192.0.2.7", wildcard).await.is_empty());
    }

    #[tokio::test]
    async fn a_list_is_tried_before_it_is_used() {
        let listed = "2.0.0.127.list.example A 127.0.0.2";
        let dead = format!("{listed}\n1.0.0.127.list.example A 127.0.0.2");
        let tries = [
            (listed, None),
            (dead.as_str(), Some("dead")),
            ("", Some("its name")),
            ("list.example STALLS", Some("not answer")),
            (
                "2.0.0.127.list.example A 127.255.255.254",
                Some("our name servers"),
            ),
        ];
        for (zone, expected) in tries {
            let patience = Duration::from_millis(300);
            let found = try_blocklist(Arc::new(Zone::new(zone)), "list.example", patience).await;
            match expected {
                None => assert_eq!(found, Ok(()), "{zone}"),
                Some(why) => assert!(found.unwrap_err().contains(why), "{zone}: {found:?}"),
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_list_is_left_alone_for_itself() {
        let zone = Zone::new("list.example STALLS\n7.2.0.192.other.example A 127.0.0.2");
        let asked = Arc::clone(&zone.asked);
        let ask: Arc<dyn Ask> = Arc::new(zone);
        let zones = ["list.example".to_owned(), "other.example".to_owned()];
        let (lists, ip) = (Lists::default(), Some("192.0.2.7".parse().unwrap()));
        let message = async || {
            let begun = Instant::now();
            let lookups = Lookups::new(Some(Arc::clone(&ask)), begun + Duration::from_secs(60));
            let lines = lists.check(ip, &zones, &lookups).await;
            let results: Vec<_> = lines.iter().map(|line| line.result).collect();
            assert_eq!(results, [AuthResult::TempError, AuthResult::Fail]);
            begun.elapsed()
        };
        for _ in 0..DOUBT {
            assert_eq!(message().await, PATIENCE);
        }
        let before = asked.load(Ordering::Relaxed);
        assert_eq!(message().await, Duration::ZERO);
        assert_eq!(
            asked.load(Ordering::Relaxed) - before,
            3,
            "the other one only"
        );
        tokio::time::sleep(PAUSE).await;
        assert_eq!(message().await, PATIENCE, "it is asked again");
    }

    #[tokio::test]
    async fn nobody_is_asked_about_the_house() {
        for ip in ["127.0.0.1", "10.1.2.3", "fd00::1", "fe80::1", "::1"] {
            assert!(lines(ip, "list.example STALLS").await.is_empty(), "{ip}");
        }
    }
}
