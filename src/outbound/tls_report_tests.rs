use super::*;
use crate::outbound::tls_day::DAY_MILLIS;

fn at(day: u64) -> Timestamp {
    Timestamp::from_millis(day * DAY_MILLIS + 5)
}

fn sts() -> Applied {
    Applied::sts(None)
}

#[test]
fn a_week_is_kept() {
    let reports = TlsReports::default();
    for day in [1, 1, 2, 7] {
        reports.count(at(day), "a.example", Ending::bare(sts(), SUCCESS));
    }
    let sessions = |reports: &TlsReports| -> Vec<u64> {
        reports.list().iter().map(|count| count.sessions).collect()
    };
    assert_eq!(sessions(&reports), [2, 1, 1]);
    let ending = Ending::bare(Applied::tlsa(None, &[]), "certificate-expired");
    reports.count(at(8), "b.example", ending);
    assert_eq!(sessions(&reports), [1, 1, 1]);
    let last = reports.list().pop().unwrap();
    assert_eq!(last.day, Timestamp::from_millis(8 * DAY_MILLIS));
    assert_eq!(
        (last.domain.as_str(), last.policy.as_str()),
        ("b.example", "tlsa")
    );
}

/// A hostile domain may fail in another way each time, with a policy as long as it likes.
#[test]
fn details_are_bounded_and_every_session_is_counted() {
    let reports = TlsReports::default();
    let mx: Vec<String> = (0..5_000).map(|it| format!("mx{it}.example")).collect();
    let policy = StsPolicy::new(
        crate::outbound::StsMode::Enforce,
        mx,
        std::time::Duration::from_secs(86_400),
    );
    let applied = Applied::sts(Some(&policy));
    let size: usize = applied.text.iter().map(String::len).sum();
    assert!(size <= limits::TLS_POLICY_TEXT, "{size}");
    assert_eq!(applied.text[0], "version: STSv1");
    let many = 3 * limits::TLS_DETAILS;
    let mut of = None;
    for number in 0..many {
        let ending = Ending {
            applied: applied.clone(),
            result: "validation-failure",
            place: Place::host(&format!("mx{number}.example"))
                .because(&format!("\"{number}\"\r\n{}", "\"".repeat(5_000))),
        };
        of = Some(reports.count(at(1), "a.example", ending));
    }
    let of = of.unwrap();
    assert_eq!(reports.list()[0].sessions, many as u64);
    assert_eq!(reports.rows(&of).len(), limits::TLS_DETAILS + 1);
    let kept = serde_json::to_string(&reports.take_unwritten(&of).unwrap()).unwrap();
    // What a fact of the log may have.
    assert!(kept.len() < 64 * 1024, "{}", kept.len());
}

#[test]
fn results_have_the_words_of_the_standard() {
    let tls = TlsInfo {
        version: "TLSv1.3".to_owned(),
        cipher: "x".to_owned(),
        client: crate::base::ClientProof::None,
    };
    assert_eq!(result(Ok(Some(&tls)), PolicyKind::Sts), Some("success"));
    let none = result(Ok(None), PolicyKind::Nothing);
    assert_eq!(none, Some("starttls-not-supported"));
    let error = Error::Tls(std::io::ErrorKind::UnexpectedEof.into());
    assert_eq!(
        result(Err(&error), PolicyKind::Sts),
        Some("validation-failure")
    );
    let error = Error::Dial(std::io::ErrorKind::ConnectionRefused.into());
    assert_eq!(result(Err(&error), PolicyKind::Sts), None);
}
