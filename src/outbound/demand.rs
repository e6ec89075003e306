//! What a host of a stranger must prove, and what becomes of the mail when it does not: pure.

use std::time::Duration;

use super::dial::Candidate;
use super::error::{Error, Stage};
use super::sts::{Mode, StsPolicy};
use super::tls_report::Applied;
use crate::backend::TlsPolicy;
use crate::net::{CertificateCheck, Tlsa};

/// What a connection to a host must prove.
#[derive(Debug)]
pub(super) struct Demand {
    pub(super) applied: Applied,
    /// What is wrong with it, though mail goes.
    pub(super) flaw: Option<Flaw>,
    pub(super) tls: TlsPolicy,
    pub(super) check: CertificateCheck,
    /// Does mail go there even if it does not?
    pub(super) strictness: Strictness,
}

/// What keeps a session from being a good one, whatever its host proves.
#[derive(Debug, Clone, Copy)]
pub(super) struct Flaw {
    /// `result-type`, RFC 8460 §4.3.
    pub(super) result: &'static str,
    pub(super) why: &'static str,
}

/// The policy names other hosts.
pub(super) const NOT_NAMED: Flaw = Flaw {
    result: "validation-failure",
    why: "the policy does not name the host",
};

/// RFC 7672 §2.2: none of the records says anything about a certificate.
const UNUSABLE: Flaw = Flaw {
    result: "tlsa-invalid",
    why: "no record can be used",
};

/// Does mail go to a host that does not comply?
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Strictness {
    #[default]
    Strict,
    /// It is counted, and the mail goes.
    Lenient,
    /// It is counted, and the mail goes, but not in plain text.
    Encrypted,
}

impl Demand {
    pub(super) const fn nothing(applied: Applied) -> Self {
        Self {
            applied,
            flaw: None,
            tls: TlsPolicy::Opportunistic,
            check: CertificateCheck::Any,
            strictness: Strictness::Strict,
        }
    }

    /// The same, without plain text. What the domain asks for is tried first also where it stops
    /// nothing, because it is what is counted for it.
    pub(super) fn at_least_encrypted(self) -> Self {
        match (self.tls, self.strictness) {
            (
                TlsPolicy::Required | TlsPolicy::Verified,
                Strictness::Strict | Strictness::Encrypted,
            ) => self,
            (TlsPolicy::Required | TlsPolicy::Verified, Strictness::Lenient) => Self {
                strictness: Strictness::Encrypted,
                ..self
            },
            (TlsPolicy::Opportunistic | TlsPolicy::Never, _) => Self {
                tls: TlsPolicy::Required,
                check: CertificateCheck::Any,
                strictness: Strictness::Strict,
                ..self
            },
        }
    }
}

/// The config names the hosts of a domain.
pub(super) fn pinned(
    hosts: &[String],
    domain: &str,
    candidate: &Candidate,
) -> Result<Demand, Error> {
    let host = &candidate.host;
    // RFC 8461 §4.1 compares in the same way.
    let policy = StsPolicy::new(Mode::Enforce, hosts.to_vec(), Duration::ZERO);
    if !policy.covers(host) {
        return Err(Error::Policy(format!(
            "tls_policy of the config wants {} for {domain}, and its MX is {host}",
            hosts.join(" or ")
        )));
    }
    Ok(Demand {
        // What the domain asks for itself was neither looked up nor tried.
        applied: Applied::local(),
        flaw: None,
        tls: TlsPolicy::Verified,
        check: CertificateCheck::Name,
        strictness: Strictness::Strict,
    })
}

/// RFC 7672 §2.2 and §3.1: records that cannot be used still ask for encryption.
pub(super) fn dane(
    records: Vec<Tlsa>,
    (host, domain): (&str, &str),
    strictness: Strictness,
) -> Demand {
    let applied = Applied::tlsa(Some(host), &records);
    let usable: Vec<_> = records.into_iter().filter(Tlsa::is_usable).collect();
    let flaw = usable.is_empty().then_some(UNUSABLE);
    let (tls, check) = if usable.is_empty() {
        (TlsPolicy::Required, CertificateCheck::Any)
    } else {
        let check = CertificateCheck::Dane {
            records: usable,
            names: [host, domain]
                .map(|name| name.trim_end_matches('.').to_owned())
                .to_vec(),
        };
        (TlsPolicy::Verified, check)
    };
    Demand {
        applied,
        flaw,
        tls,
        check,
        strictness,
    }
}

/// How to go on with a host after TLS failed, if at all.
pub(super) fn weaker(tls: TlsPolicy, error: &Error, strictness: Strictness) -> Option<TlsPolicy> {
    let is_without = matches!(error, Error::NoTls);
    match (tls, strictness) {
        // RFC 7435 §3: encryption that fails is no reason not to deliver what would have gone in
        // plain text anyway.
        (TlsPolicy::Opportunistic, _) => is_tls_trouble(error).then_some(TlsPolicy::Never),
        // RFC 8461 §5: a policy that is tested stops nothing.
        (TlsPolicy::Required | TlsPolicy::Verified, Strictness::Lenient) => {
            (is_without || is_tls_trouble(error)).then_some(TlsPolicy::Opportunistic)
        }
        (TlsPolicy::Verified, Strictness::Encrypted) => {
            is_tls_trouble(error).then_some(TlsPolicy::Required)
        }
        (TlsPolicy::Never, _)
        | (TlsPolicy::Required, Strictness::Encrypted)
        | (TlsPolicy::Required | TlsPolicy::Verified, Strictness::Strict) => None,
    }
}

fn is_tls_trouble(error: &Error) -> bool {
    matches!(
        error,
        Error::Tls(_)
            | Error::Cut(Stage::StartTls)
            | Error::Silent(Stage::StartTls)
            | Error::OutOfStep(Stage::StartTls, _)
    )
}
