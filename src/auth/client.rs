//! What the address of a client tells: iprev, and SPF for what he says who he is.

use futures_util::future::join;

use super::checker::Subject;
use super::lookup::{Lookup, Lookups};
use super::spf::{self, Client};
use super::{iprev, name};
use crate::limits;
use crate::mail::{AuthMethod, AuthResult, MethodResult};

/// iprev, and the name that leads back to the address.
pub(super) async fn peer(
    subject: Subject<'_>,
    lookups: &Lookups,
) -> Option<(MethodResult, Option<String>)> {
    let lookup = lookups.method(limits::AUTH_QUESTIONS);
    Some(iprev::check(subject.ip?, &lookup).await)
}

/// SPF for MAIL FROM, and for the name in HELO.
pub(super) async fn spf_results(subject: Subject<'_>, lookups: &Lookups) -> Vec<MethodResult> {
    let helo = name::key(subject.helo).filter(|helo| helo.contains('.'));
    let by_helo = async {
        let origin = helo.as_deref()?;
        let lookup = lookups.method(limits::AUTH_QUESTIONS);
        // RFC 7208 §2.4: a null path stands for the postmaster.
        let sender = ("postmaster", origin);
        let line = sent_by(subject, sender, &lookup).await;
        Some(line.of("smtp.helo", origin))
    };
    let by_sender = async {
        let mailbox = subject.from.mailbox()?;
        let origin = mailbox.domain().key();
        let local = mailbox.unquoted_local();
        let lookup = lookups.method(limits::AUTH_QUESTIONS);
        let line = sent_by(subject, (&local, &origin), &lookup).await;
        Some(line.of("smtp.mailfrom", origin))
    };
    let (by_sender, by_helo) = join(by_sender, by_helo).await;
    by_sender.into_iter().chain(by_helo).collect()
}

/// SPF for one identity. Of a client without an address nothing can be said, which is not the
/// fault of the sender.
async fn sent_by(
    subject: Subject<'_>,
    (local, origin): (&str, &str),
    lookup: &Lookup<'_>,
) -> MethodResult {
    let Some(ip) = subject.ip else {
        let line = MethodResult::new(AuthMethod::Spf, AuthResult::TempError);
        return line.because("nobody knows the address of the client");
    };
    let client = Client {
        ip,
        helo: subject.helo,
        local,
        origin,
    };
    MethodResult::new(AuthMethod::Spf, spf::check(client, lookup).await)
}
