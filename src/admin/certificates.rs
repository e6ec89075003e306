//! Certificates that we show to others: how long they are good, and what is wrong with them.

use std::collections::BTreeSet;
use std::time::Duration;

use metrics::gauge;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Admin;
use super::conditions::Seen;
use crate::acme::{Acme, AcmeView};
use crate::base::Timestamp;
use crate::net::{AuthoritiesState, CertificateState};
use crate::notice::{Kind, Severity};
use crate::telemetry::names;
use crate::terminal::duration;

/// To whom a certificate is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Served {
    /// Who brings mail.
    Mail,
    /// Operators.
    Admin,
}

/// What to do about a certificate that somebody puts there.
const RENEW: &str = "Renew it; new files are read by themselves: docs/operations/certificates.md";
/// The same of one that its authority makes.
const MADE: &str = "Its authority makes the next one, nobody puts one there: \
                    `tideover tls certificates` says why it has not: docs/tls.md";

/// Orders that fail in a row before it is told, while there is a certificate: half a day.
const PATIENCE: u32 = 7;

impl Served {
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Mail => "mail",
            Self::Admin => "admin",
        }
    }
}

/// A certificate that ends within `notices.certificate_before`, has ended, or was not taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CertificateTrouble {
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong, for people.
    pub what: String,
    /// What to do.
    pub todo: String,
}

impl Admin {
    /// What is wrong with certificates, for notices.
    pub(super) fn see_certificates(&self, seen: &mut Seen, before: Duration) {
        // Files that serve two uses are one thing to mend.
        let states: BTreeSet<_> = self
            .certificates
            .values()
            .flat_map(|it| it.states())
            .collect();
        let acme = self.acme.as_ref();
        let is_on_track = acme.is_some_and(|acme| acme.view().is_on_track(seen.now));
        let made = acme.map(Acme::pair);
        for mut state in states {
            let is_made = made.as_ref() == Some(&state.file);
            if is_made && is_on_track {
                state.ends = None;
            }
            let todo = if is_made { MADE } else { RENEW };
            see_certificate(seen, state, (before, todo));
        }
        let states = self.client_authorities.iter().map(|it| it.state());
        for state in states.collect::<BTreeSet<_>>() {
            see_authorities(seen, state, before);
        }
        if let Some(acme) = &self.acme {
            see_acme(seen, &acme.view());
        }
    }

    /// The same for `/api/status`.
    pub(super) fn certificate_troubles(&self) -> Vec<CertificateTrouble> {
        let thresholds = self.notices.as_ref().map(|it| it.options().thresholds);
        let mut seen = Seen::at(self.clock.now());
        self.see_certificates(&mut seen, thresholds.unwrap_or_default().certificate);
        let all = seen.all.conditions.into_iter();
        all.map(|it| CertificateTrouble {
            severity: it.severity,
            what: it.what,
            todo: it.todo,
        })
        .collect()
    }

    /// The same for `/health`.
    pub(super) fn certificate_problems(&self) -> impl Iterator<Item = String> {
        self.certificate_troubles().into_iter().map(|it| it.what)
    }

    /// Seconds until the first certificate of each use ends.
    #[expect(clippy::cast_precision_loss, reason = "seconds that fit into 53 bits")]
    pub(super) fn set_certificate_gauges(&self) {
        let now = self.clock.now().as_millis();
        for (served, certificate) in &self.certificates {
            let ends = certificate.states().into_iter().filter_map(|it| it.ends);
            let Some(ends) = ends.min() else {
                continue;
            };
            let ends = ends.as_millis();
            let left = if ends >= now {
                (ends - now) as f64
            } else {
                -((now - ends) as f64)
            };
            gauge!(names::CERTIFICATE_SECONDS, "use" => served.word()).set(left / 1000.0);
        }
    }
}

fn see_certificate(
    seen: &mut Seen,
    state: CertificateState,
    (before, todo): (Duration, &'static str),
) {
    let file = state.file.display().to_string();
    if let Some(why) = state.refused {
        let what = if state.used {
            format!("a new certificate is not used, the old one stays: {why}")
        } else {
            format!("nobody is let in where a certificate is needed: {why}")
        };
        let todo = "Put a pair there that belongs together: docs/operations/certificates.md";
        let name = (Kind::Certificate, &*format!("{file}, renewed"));
        seen.add(name, (Severity::Critical, "refused"), None, (what, todo));
    }
    see_end(seen, (&file, "the certificate", todo), state.ends, before);
}

/// Authorities of clients: who comes from none of them is nobody.
fn see_authorities(seen: &mut Seen, state: AuthoritiesState, before: Duration) {
    let file = state.file.display().to_string();
    if let Some(why) = state.refused {
        let what = format!("new authorities of clients are not used, the old ones stay: {why}");
        let todo = "Put PEM files there that can be used, lists whole and newly made: docs/tls.md";
        let name = (Kind::Certificate, &*format!("{file}, renewed"));
        seen.add(name, (Severity::Critical, "refused"), None, (what, todo));
    }
    let todo = "Put the authorities there that follow it; the file is read by itself: docs/tls.md";
    let what = "the last authority of clients in";
    see_end(seen, (&file, what, todo), state.ends, before);
    let todo = "Fetch the next one from its authority: what was revoked since is not known; the \
                file is read by itself: docs/tls.md";
    for list in state.lists {
        let what = format!("the list of certificates that {} has revoked,", list.issuer);
        let file = list.file.display().to_string();
        see_end(seen, (&file, &what, todo), list.ends, list.before(before));
    }
}

/// An authority that makes no certificate: at once when it has made none before, else when it has
/// failed so often that somebody has to look.
fn see_acme(seen: &mut Seen, acme: &AcmeView) {
    // One that has ended is none.
    let has_one = acme.ends.is_some_and(|ends| ends >= seen.now);
    let limit = if has_one { PATIENCE } else { 1 };
    if acme.failures < limit {
        return;
    }
    let hosts = acme.hosts.join(", ");
    let what = format!(
        "no certificate was made for {hosts} (orders that failed: {}): {}",
        acme.failures, acme.what
    );
    let todo = "Each of its hosts leads here, port 80 of them to acme.bind? Then `tideover reload` \
                tries again: docs/tls.md";
    let name = (Kind::Certificate, "[acme]");
    seen.add(
        name,
        (Severity::Warning, "failed"),
        acme.tried,
        (what, todo),
    );
}

/// What ends within `before`, or has ended.
fn see_end(
    seen: &mut Seen,
    (file, what, todo): (&str, &str, &'static str),
    ends: Option<Timestamp>,
    before: Duration,
) {
    let Some(ends) = ends else { return };
    if ends.before(before) > seen.now {
        return;
    }
    let left = ends.since(seen.now);
    // Nobody knows here whether it was there when the time for telling came.
    let since = left.is_zero().then_some(ends);
    let (severity, word, what) = if left.is_zero() {
        let what = format!("{what} {file} has ended on {ends}");
        (Severity::Critical, "ended", what)
    } else if left < before / 3 {
        let what = format!("{what} {file} ends in {}", duration(left));
        (Severity::Critical, "soon", what)
    } else {
        let what = format!("{what} {file} ends in {}", duration(left));
        (Severity::Warning, "ends", what)
    };
    seen.add(
        (Kind::Certificate, file),
        (severity, word),
        since,
        (what, todo),
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits;
    use crate::net::RevocationState;
    use crate::notice::Condition;

    /// A list that is due a day before its end.
    fn list(ends: &str) -> RevocationState {
        let ends: Timestamp = ends.parse().unwrap();
        RevocationState {
            file: "/etc/tideover/partners.crl".into(),
            issuer: "CN=Partner CA".to_owned(),
            ends: Some(ends),
            due: Some(ends.before(Duration::from_secs(86_400))),
            revoked: 1,
        }
    }

    #[test]
    fn orders_that_fail_are_told_after_half_a_day_and_at_once_while_there_is_no_certificate() {
        let now: Timestamp = "2027-01-01T00:00:00Z".parse().unwrap();
        let told = |failures, ends| {
            let mut seen = Seen::at(now);
            let acme = AcmeView {
                directory: "https://ca.example/directory".to_owned(),
                hosts: vec!["mx.example.org".to_owned()],
                ends,
                next: now,
                tried: Some(now),
                failures,
                what: "nobody answers".to_owned(),
            };
            see_acme(&mut seen, &acme);
            for condition in &seen.all.conditions {
                let what = &condition.what;
                assert!(what.contains("for mx.example.org") && what.ends_with("nobody answers"));
            }
            !seen.all.conditions.is_empty()
        };
        // At once where strangers see no good certificate.
        let ended = Timestamp::from_millis(now.as_millis() - 1);
        assert!(!told(0, None) && told(1, None) && told(1, Some(ended)));
        assert!(!told(0, Some(now)));
        assert!(!told(PATIENCE - 1, Some(now)) && told(PATIENCE, Some(now)));
        let mut passed = Duration::ZERO;
        for (failures, pause) in (2..).zip(limits::ACME_AGAIN) {
            passed += pause;
            let is_told = passed >= Duration::from_secs(12 * 3600);
            assert_eq!(told(failures, Some(now)), is_told, "{failures}: {passed:?}");
        }
    }

    /// One for three days was not there three weeks before its end.
    #[test]
    fn nothing_is_told_since_before_it_was_there() {
        let ends: Timestamp = "2027-02-28T00:00:00Z".parse().unwrap();
        for (now, since) in [
            ("2027-02-25T00:00:00Z", "2027-02-25T00:00:00Z"),
            ("2027-03-02T00:00:00Z", "2027-02-28T00:00:00Z"),
        ] {
            let mut seen = Seen::at(now.parse().unwrap());
            let names = ("/etc/tideover/tls.crt", "the certificate", "Renew it");
            see_end(
                &mut seen,
                names,
                Some(ends),
                Duration::from_secs(21 * 86_400),
            );
            assert_eq!(seen.all.conditions[0].since, since.parse().unwrap());
        }
    }

    #[test]
    fn a_certificate_is_told_before_it_ends_again_when_it_is_soon_and_when_it_has_ended() {
        for (now, expected) in [
            ("2027-01-01T00:00:00Z", &[][..]),
            ("2027-02-08T00:00:00Z", &["warning ends"]),
            ("2027-02-22T00:00:00Z", &["critical soon"]),
            ("2027-02-28T00:00:00Z", &["critical ended"]),
            ("2028-02-28T00:00:00Z", &["critical ended"]),
        ] {
            let mut seen = Seen::at(now.parse().unwrap());
            let state = CertificateState {
                file: "/etc/tideover/tls.crt".into(),
                used: true,
                names: vec!["mx.example.org".to_owned()],
                ends: "2027-02-28T00:00:00Z".parse().ok(),
                refused: None,
            };
            see_certificate(&mut seen, state, (Duration::from_secs(21 * 86_400), RENEW));
            let told = |it: &Condition| format!("{} {}", it.severity.as_str(), it.state);
            let told: Vec<_> = seen.all.conditions.iter().map(told).collect();
            assert_eq!(told, expected, "{now}");
        }
        let mut seen = Seen::at("2027-01-01T00:00:00Z".parse().unwrap());
        let state = CertificateState {
            file: "/etc/tideover/tls.crt".into(),
            used: false,
            names: Vec::new(),
            ends: None,
            refused: Some("the key is another one".to_owned()),
        };
        see_certificate(&mut seen, state, (Duration::from_secs(21 * 86_400), RENEW));
        assert!(seen.all.conditions[0].what.contains("nobody is let in"));
        assert_eq!(seen.all.conditions[0].state, "refused");
        assert_eq!(
            seen.all.conditions[0].subject,
            "/etc/tideover/tls.crt, renewed"
        );
        let mut seen = Seen::at("2027-02-22T00:00:00Z".parse().unwrap());
        let state = AuthoritiesState {
            file: "/etc/tideover/partners.pem".into(),
            ends: "2027-02-28T00:00:00Z".parse().ok(),
            lists: vec![list("2027-02-21T23:00:00Z"), list("2027-02-24T00:00:00Z")],
            unlisted: Vec::new(),
            refused: Some("it is empty".to_owned()),
        };
        see_authorities(&mut seen, state, Duration::from_secs(21 * 86_400));
        let told: Vec<_> = seen.all.conditions.iter().map(|it| &*it.what).collect();
        assert!(
            told[0].contains("the old ones stay: it is empty"),
            "{told:?}"
        );
        assert!(
            told[1].contains("in /etc/tideover/partners.pem ends in"),
            "{told:?}"
        );
        // The second one is good for two days, and the next one is not due.
        let old = "the list of certificates that CN=Partner CA has revoked, \
                   /etc/tideover/partners.crl has ended on 2027-02-21T23:00:00";
        assert!(told[2].starts_with(old), "{told:?}");
        assert_eq!(told.len(), 3, "{told:?}");
    }
}
