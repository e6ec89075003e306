//! RFC 8689 §4.2.2: mail that goes whatever the hosts of a domain prove.

use super::protection::{DOMAIN, HOST, Stranger, counts, open, policy, record, stranger};
use super::*;
use crate::net::DnsError;

impl Stranger {
    /// A client that trusts those of these certificates that there are.
    pub(super) fn trusting(self, names: &[&str]) -> (Outbound, Seen, tempfile::TempDir) {
        let is_there = |name: &&&str| self.folder.path().join(name).exists();
        let names: Vec<&str> = names.iter().filter(is_there).copied().collect();
        self.client(&names)
    }
}

async fn open_leniently(outbound: &Outbound) -> Result<bool, String> {
    let target = DeliveryTarget::Lenient(DOMAIN.to_owned());
    let opened = outbound.open(&target).await;
    opened
        .map(|channel| channel.tls().is_some())
        .map_err(|failure| failure.what)
}

/// TLS is had where it can be had, what the domain asks for is tried and counted, and stops
/// nothing. The mail beside it waits.
#[tokio::test]
async fn what_a_domain_asks_for_is_tried_and_stops_nothing() {
    let other = || stranger(Some("other.example"));
    let wrong = || stranger(Some(HOST)).with_tlsa(Ok(vec![record(3, vec![1])]));
    let bogus = |mut this: Stranger| {
        this.net.signed.insert(DOMAIN.to_owned(), false);
        this
    };
    let enforced = || policy("enforce", HOST);
    let unknown = || stranger(Some(HOST)).with_tlsa(Err(DnsError::unproven()));
    for (this, encrypted, counted) in [
        (
            other().with_policy(&enforced()),
            true,
            "sts certificate-not-trusted",
        ),
        (
            stranger(None).with_policy(&enforced()),
            false,
            "sts starttls-not-supported",
        ),
        (
            stranger(Some(HOST)).with_policy(&policy("enforce", "mx.other.example")),
            true,
            "sts validation-failure",
        ),
        (wrong(), true, "tlsa validation-failure"),
        (
            stranger(None).with_tlsa(Ok(vec![record(0, vec![1])])),
            false,
            "tlsa starttls-not-supported",
        ),
        (unknown(), true, "tlsa dnssec-invalid"),
        (bogus(stranger(Some(HOST))), true, "tlsa dnssec-invalid"),
    ] {
        let (outbound, _, _folder) = this.trusting(&["policy"]);
        open(&outbound).await.unwrap_err();
        assert_eq!(counts(&outbound), [format!("{DOMAIN} {counted} 1")]);
        assert_eq!(open_leniently(&outbound).await, Ok(encrypted), "{counted}");
        let counts = counts(&outbound);
        assert!(
            counts.contains(&format!("{DOMAIN} {counted} 2")),
            "{counts:?}"
        );
        open(&outbound).await.unwrap_err();
    }
}

/// Who proves what is asked for is not asked for less.
#[tokio::test]
async fn who_proves_it_has_proven_it() {
    let this = stranger(Some(HOST)).with_policy(&policy("enforce", HOST));
    let (outbound, _, _folder) = this.client(&["mail", "policy"]);
    assert_eq!(open_leniently(&outbound).await, Ok(true));
    assert_eq!(counts(&outbound), ["example.net sts success 1"]);
}

/// What our own config asks for is no policy of the domain.
#[tokio::test]
async fn the_config_is_not_passed_by() {
    let verified = || SecuredDomain::Verified(vec![HOST.to_owned()]);
    for (mail, rule) in [
        (None, SecuredDomain::Encrypted),
        (Some("other.example"), verified()),
        (None, verified()),
    ] {
        let (outbound, _, _folder) = stranger(mail).trusting(&["mail"]);
        let mut options = Options::new("mx.example.org");
        options.secured.insert(DOMAIN.to_owned(), rule);
        outbound.set_options(options);
        open_leniently(&outbound).await.unwrap_err();
    }
    // But it asks for no more than it says: any certificate will do.
    let this = stranger(Some("other.example")).with_policy(&policy("enforce", HOST));
    let (outbound, _, _folder) = this.client(&["policy"]);
    let mut options = Options::new("mx.example.org");
    let rule = SecuredDomain::Encrypted;
    options.secured.insert(DOMAIN.to_owned(), rule);
    outbound.set_options(options);
    open(&outbound).await.unwrap_err();
    assert_eq!(open_leniently(&outbound).await, Ok(true));
}

/// Who was not answered does not know that the domain asks for nothing (RFC 8460 §4.2).
#[tokio::test]
async fn what_was_not_found_out_is_not_told_as_nothing() {
    let mut bogus = stranger(Some(HOST));
    bogus.net.signed.insert(DOMAIN.to_owned(), false);
    let unknown = stranger(Some(HOST)).with_tlsa(Err(DnsError::unproven()));
    for this in [bogus, unknown] {
        let (outbound, _, _folder) = this.trusting(&[]);
        assert_eq!(open_leniently(&outbound).await, Ok(true));
        let mut counts = counts(&outbound);
        counts.sort_unstable();
        let expected = ["local success 1", "tlsa dnssec-invalid 1"];
        assert_eq!(counts, expected.map(|it| format!("{DOMAIN} {it}")));
    }
}
