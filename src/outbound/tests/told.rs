//! RFC 8460 §4.2: sessions are counted by what the domain asks for, and it is told of no others.

use super::protection::{DOMAIN, HOST, Stranger, counts, open, policy, stranger};
use super::*;

fn with(this: Stranger, trusted: &[&str], rule: SecuredDomain) -> (Outbound, tempfile::TempDir) {
    let (outbound, _, folder) = this.trusting(trusted);
    let mut options = Options::new("mx.example.org");
    options.secured.insert(DOMAIN.to_owned(), rule);
    outbound.set_options(options);
    (outbound, folder)
}

fn policies(outbound: &Outbound) -> Vec<&'static str> {
    let views = outbound.tls_report_views(None).into_iter();
    let policies = views.flat_map(|view| view.report.policies);
    policies
        .map(|policy| policy.policy.policy_type.as_str())
        .collect()
}

/// What our config demands instead of the policy of the domain is our own matter: it is counted
/// for us, and no report says that the domain has no policy, or that it failed one.
#[tokio::test]
async fn what_the_config_demands_is_not_told_to_the_domain() {
    let verified = || SecuredDomain::Verified(vec![HOST.to_owned()]);
    for (mail, counted) in [
        (Some(HOST), "local success 1"),
        (Some("other.example"), "local certificate-host-mismatch 1"),
        (None, "local starttls-not-supported 1"),
    ] {
        let this = stranger(mail).with_policy(&policy("enforce", HOST));
        let (outbound, _folder) = with(this, &["mail", "policy"], verified());
        open(&outbound).await.ok();
        assert_eq!(counts(&outbound), [format!("{DOMAIN} {counted}")]);
        assert!(outbound.tls_report_views(None).is_empty(), "{counted}");
        // The config asks for it no more: what it asks for itself is told, and nothing else.
        outbound.set_options(Options::new("mx.example.org"));
        open(&outbound).await.ok();
        assert_eq!(policies(&outbound), ["sts"], "{counted}");
        let view = outbound.tls_report_views(None).remove(0);
        assert_eq!(view.sessions, 1);
    }
}

/// Beside what the config demands its own policy is tried also where it is only tested.
#[tokio::test]
async fn a_policy_that_is_tested_is_tried_before_mere_encryption() {
    let encrypted = || SecuredDomain::Encrypted;
    for (mail, trusted, opened, counted) in [
        (Some(HOST), &["mail", "policy"][..], true, "sts success 1"),
        (
            Some("other.example"),
            &["mail", "policy"],
            true,
            "sts certificate-host-mismatch 1",
        ),
        (None, &["policy"], false, "sts starttls-not-supported 1"),
    ] {
        let this = stranger(mail).with_policy(&policy("testing", HOST));
        let (outbound, _folder) = with(this, trusted, encrypted());
        assert_eq!(open(&outbound).await.is_ok(), opened, "{counted}");
        assert_eq!(counts(&outbound), [format!("{DOMAIN} {counted}")]);
        assert_eq!(policies(&outbound), ["sts"], "{counted}");
    }
    let (outbound, _folder) = with(stranger(Some("other.example")), &[], encrypted());
    assert_eq!(open(&outbound).await, Ok(true));
    assert_eq!(policies(&outbound), ["no-policy-found"]);
}

/// One session is one session, and has the policy that was found.
#[tokio::test]
async fn a_host_that_no_policy_names_is_counted_once() {
    let this = stranger(Some(HOST)).with_policy(&policy("testing", "mx.other.example"));
    let (outbound, _, _folder) = this.client(&["policy"]);
    assert_eq!(open(&outbound).await, Ok(true));
    assert_eq!(counts(&outbound), ["example.net sts validation-failure 1"]);
    let view = outbound.tls_report_views(None).remove(0);
    let detail = &view.report.policies[0].failure_details[0];
    let why = detail.failure_reason_code.as_deref();
    assert_eq!(why, Some("the policy does not name the host"));
    assert_eq!(detail.receiving_mx_hostname.as_deref(), Some(HOST));
}

/// Who has looked for half of it only cannot say that there is none.
#[tokio::test]
async fn only_who_has_looked_for_all_says_that_there_is_no_policy() {
    for (protection, counted) in [
        (
            vec![Protection::Dane, Protection::MtaSts],
            "no-policy-found",
        ),
        (vec![Protection::Dane], "local"),
        (vec![Protection::MtaSts], "local"),
        (Vec::new(), "local"),
    ] {
        let (outbound, _, _folder) = stranger(Some(HOST)).client(&[]);
        outbound.set_options(Options {
            protection,
            ..Options::new("mx.example.org")
        });
        assert_eq!(open(&outbound).await, Ok(true));
        assert_eq!(counts(&outbound), [format!("{DOMAIN} {counted} success 1")]);
        let told = usize::from(counted != "local");
        assert_eq!(outbound.tls_report_views(None).len(), told);
    }
}
