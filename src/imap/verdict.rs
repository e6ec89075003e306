//! What the platform's filter thought of a message, from the header that it wrote. Pure.

use super::find::Field;
use crate::mail::VISIT_FIELD;

/// Letters of a verdict that are told.
const TOLD: usize = 200;
/// The fields that are asked for.
pub(super) const FIELDS: &str = "X-FOREFRONT-ANTISPAM-REPORT X-MS-EXCHANGE-ORGANIZATION-SCL \
                                 X-SPAM-STATUS X-SPAM-FLAG AUTHENTICATION-RESULTS";

/// The verdict in these fields, which stand in the order of the header.
///
/// Exchange removes such fields of its own from mail that comes in. All others anybody could have
/// written: they count only above our line, where what the platform added stands.
pub(super) fn verdict(fields: &[Field]) -> String {
    let is = |field: &Field, name: &str| field.0.eq_ignore_ascii_case(name.as_bytes());
    let trace = fields.iter().position(|field| is(field, VISIT_FIELD));
    let ours = fields.get(..trace.unwrap_or(0)).unwrap_or_default();
    let first = |fields: &[Field], name: &str| {
        let field = fields.iter().find(|field| is(field, name));
        field.map(|(_, value)| readable(value))
    };
    let mut parts = Vec::new();
    if let Some(report) = first(fields, "X-Forefront-Antispam-Report") {
        let wanted = ["SCL:", "SFV:", "CAT:"];
        let said = report.split(';').map(str::trim);
        let said = said.filter(|part| wanted.iter().any(|name| part.starts_with(name)));
        parts.extend(said.map(str::to_owned));
    }
    let scl = first(fields, "X-MS-Exchange-Organization-SCL");
    if let Some(scl) = scl.filter(|_| !parts.iter().any(|part| part.starts_with("SCL:"))) {
        parts.push(format!("SCL:{scl}"));
    }
    if let Some(status) = first(ours, "X-Spam-Status") {
        let words: Vec<&str> = status.split_whitespace().take(2).collect();
        parts.push(format!("X-Spam-Status: {}", words.join(" ")));
    } else if let Some(flag) = first(ours, "X-Spam-Flag") {
        parts.push(format!("X-Spam-Flag: {flag}"));
    }
    if let Some(results) = first(ours, "Authentication-Results") {
        let methods = ["spf=", "dkim=", "dmarc=", "compauth="];
        let words = results.split([' ', ';']);
        let words = words.filter(|word| methods.iter().any(|name| word.starts_with(name)));
        parts.extend(words.map(str::to_owned));
    }
    parts.join("; ").chars().take(TOLD).collect()
}

/// One line of what may be shown.
fn readable(value: &[u8]) -> String {
    let letters = value.iter().map(|byte| match byte {
        b'\t' => ' ',
        b' '..=b'~' => char::from(*byte),
        _ => '?',
    });
    letters.collect::<String>().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(header: &[(&str, &str)]) -> Vec<Field> {
        let field =
            |(name, value): &(&str, &str)| (name.as_bytes().into(), value.as_bytes().into());
        header.iter().map(field).collect()
    }

    #[test]
    fn what_the_platform_wrote_is_told() {
        for (header, expected) in [
            (
                vec![
                    (
                        "Authentication-Results",
                        " spf=pass (x) smtp.mailfrom=a;\t dkim=fail;dmarc=none action=none",
                    ),
                    ("X-Tideover-Trace", " 1 2"),
                    (
                        "x-forefront-antispam-report",
                        " CIP:1.2.3.4;CTRY:;SCL:5;SFV:SPM;CAT:SPM;",
                    ),
                    ("X-MS-Exchange-Organization-SCL", " 5"),
                ],
                "SCL:5; SFV:SPM; CAT:SPM; spf=pass; dkim=fail; dmarc=none",
            ),
            (vec![("X-MS-Exchange-Organization-SCL", "-1")], "SCL:-1"),
            (
                vec![
                    ("X-Spam-Status", "Yes, score=7.3 required=5.0"),
                    ("X-Spam-Flag", "YES"),
                    ("X-Tideover-Trace", "1 2"),
                ],
                "X-Spam-Status: Yes, score=7.3",
            ),
            (
                vec![("X-Spam-Flag", "NO\x1b"), ("X-Tideover-Trace", "1 2")],
                "X-Spam-Flag: NO?",
            ),
            (Vec::new(), ""),
        ] {
            assert_eq!(verdict(&fields(&header)), expected);
        }
    }

    #[test]
    fn what_the_sender_wrote_is_not_the_platforms_verdict() {
        let forged = [
            ("X-Tideover-Trace", "1 2"),
            ("X-Spam-Flag", "YES"),
            ("X-Spam-Status", "Yes"),
            ("Authentication-Results", "x; spf=pass"),
        ];
        assert_eq!(verdict(&fields(&forged)), "");
        assert_eq!(verdict(&fields(&forged[1..])), "");
        let long = "SFV:".to_owned() + &"x".repeat(1000);
        let long = verdict(&fields(&[("X-Forefront-Antispam-Report", &long)]));
        assert_eq!(long.len(), TOLD);
    }
}
