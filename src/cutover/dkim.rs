//! The keys with which a domain's mail is signed, RFC 6376.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use super::finding::{Finding, Subject, Verdict};
use crate::auth::tags::Tags;

/// An RSA key of 1,024 bits takes 162 bytes as SubjectPublicKeyInfo, one of 2,048 bits 294.
const SHORTEST: usize = 160;
const SHORT: usize = 290;

/// What is said when the config names no selector.
pub(super) fn not_looked() -> Finding {
    let text = "not looked at: selectors cannot be guessed; name them in dkim_selectors";
    Finding::new(Subject::Dkim, Verdict::Note, text)
}

/// The key of one selector.
pub(super) fn judge(selector: &str, records: &[&str]) -> Finding {
    let (verdict, what) = match records {
        [] => (Verdict::Wrong, "there is no key of this name".to_owned()),
        [record] => key(record),
        // RFC 6376 §3.6.2.2: which one counts is undefined.
        [..] => (Verdict::Wrong, "there is more than one record".to_owned()),
    };
    Finding::new(Subject::Dkim, verdict, format!("{selector}: {what}"))
}

fn key(record: &str) -> (Verdict, String) {
    let wrong = |what: String| (Verdict::Wrong, what);
    let tags = match Tags::parse(record) {
        Ok(tags) => tags,
        Err(what) => return wrong(what),
    };
    // RFC 6376 §3.6.1: `v` may be left out, else it must be the first.
    if tags.get("v").is_some() && !tags.begins("v", "DKIM1") {
        return wrong("it does not begin with v=DKIM1".to_owned());
    }
    let Some(key) = tags.get("p") else {
        return wrong("it has no key (p=)".to_owned());
    };
    if key.is_empty() {
        return wrong("the key is withdrawn (p= is empty): its signatures fail".to_owned());
    }
    let bare: String = key.chars().filter(|c| !c.is_whitespace()).collect();
    let Ok(bytes) = BASE64.decode(bare) else {
        return wrong("its key is no base64".to_owned());
    };
    let (verdict, what) = match tags.get("k").unwrap_or("rsa") {
        // RFC 8301 §3.2: verifiers must not take keys below 1,024 bits.
        "rsa" if bytes.len() < SHORTEST => {
            return wrong("its RSA key is shorter than 1,024 bits: nobody takes it".to_owned());
        }
        "rsa" if bytes.len() < SHORT => (
            Verdict::Note,
            "an RSA key shorter than 2,048 bits".to_owned(),
        ),
        "rsa" => (Verdict::Good, "an RSA key of 2,048 bits or more".to_owned()),
        // RFC 8463 §4.
        "ed25519" if bytes.len() == 32 => (Verdict::Good, "an Ed25519 key".to_owned()),
        other => return wrong(format!("its key is none that is known ({other})")),
    };
    // RFC 6376 §3.6.1.
    if tags
        .get("t")
        .is_some_and(|flags| flags.split(':').any(|flag| flag.trim() == "y"))
    {
        let what = format!("{what}, marked as a test (t=y)");
        return (Verdict::Note, what);
    }
    (verdict, what)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_judged() {
        let rsa = |bytes: usize| BASE64.encode(vec![1; bytes]);
        let (short, fair, good) = (rsa(94), rsa(162), rsa(294));
        for (record, verdict, words) in [
            (
                format!("v=DKIM1; k=rsa; p={good}"),
                Verdict::Good,
                "2,048 bits or more",
            ),
            (format!("p={good}"), Verdict::Good, "2,048"),
            (
                format!("v=DKIM1; p={fair}"),
                Verdict::Note,
                "shorter than 2,048",
            ),
            (
                format!("v=DKIM1; p={short}"),
                Verdict::Wrong,
                "shorter than 1,024",
            ),
            (
                format!("v=DKIM1; k=ed25519; p={}", rsa(32)),
                Verdict::Good,
                "Ed25519",
            ),
            (format!("v=DKIM1; t=y:s; p={good}"), Verdict::Note, "a test"),
            ("v=DKIM1; p=".to_owned(), Verdict::Wrong, "withdrawn"),
            ("v=DKIM1; k=rsa".to_owned(), Verdict::Wrong, "no key"),
            ("v=DKIM1; p=%%".to_owned(), Verdict::Wrong, "no base64"),
            (format!("k=rsa; v=DKIM1; p={good}"), Verdict::Wrong, "begin"),
            (format!("v=DKIM1; k=dsa; p={good}"), Verdict::Wrong, "dsa"),
            ("nonsense".to_owned(), Verdict::Wrong, "no tag"),
        ] {
            let finding = judge("s1", &[&record]);
            assert_eq!(finding.verdict, verdict, "{record}: {finding:?}");
            assert!(finding.text.starts_with("s1: "), "{finding:?}");
            assert!(finding.text.contains(words), "{record}: {finding:?}");
        }
        assert_eq!(judge("s1", &[]).verdict, Verdict::Wrong);
        assert_eq!(judge("s1", &["p=", "p="]).verdict, Verdict::Wrong);
    }
}
