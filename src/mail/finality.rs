//! Refusals that an administrator has called final in the config: no case is made of them.

use std::fmt;
use std::str::FromStr;

use super::Failure;
use crate::smtp::EnhancedStatus;

/// `"5.1.1"`, `"550"`, `"550 5.1.1"`, each also with words that the reply must contain:
/// `"550 5.2.1 account is disabled"`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FinalCause {
    code: Option<u16>,
    enhanced: Option<EnhancedStatus>,
    /// In lower case; may be empty.
    words: String,
}

/// Not a permanent reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected a 5yz code, an enhanced code 5.y.z or both, for example \"550 5.1.1\"")]
pub struct NotPermanent;

impl FinalCause {
    /// Is this one of them?
    #[must_use]
    pub fn covers(&self, failure: &Failure) -> bool {
        let Some(reply) = failure.reply.as_ref().filter(|reply| reply.is_permanent()) else {
            return false;
        };
        let text = reply.text.split_whitespace().collect::<Vec<_>>().join(" ");
        self.code.is_none_or(|code| code == reply.code)
            && (self.enhanced.is_none() || self.enhanced == reply.enhanced)
            && text.to_lowercase().contains(&self.words)
    }
}

impl FromStr for FinalCause {
    type Err = NotPermanent;

    fn from_str(text: &str) -> Result<Self, NotPermanent> {
        let mut words = text.split_whitespace().peekable();
        let mut next = |is_meant: fn(&str) -> bool| words.next_if(|word| is_meant(word));
        let is_number = |word: &str| word.bytes().all(|byte| byte.is_ascii_digit());
        let code = next(is_number).map(|word| word.parse().map_err(|_| NotPermanent));
        let code: Option<u16> = code.transpose()?;
        let enhanced = next(|word| word.parse::<EnhancedStatus>().is_ok());
        let enhanced = enhanced.and_then(|word| word.parse::<EnhancedStatus>().ok());
        let is_permanent = match (code, enhanced) {
            (None, None) => false,
            (code, enhanced) => {
                code.is_none_or(|code| (500..600).contains(&code))
                    && enhanced.is_none_or(|status| status.class == 5)
            }
        };
        let words: Vec<&str> = words.collect();
        is_permanent
            .then(|| Self {
                code,
                enhanced,
                words: words.join(" ").to_lowercase(),
            })
            .ok_or(NotPermanent)
    }
}

impl fmt::Display for FinalCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let code = self.code.map(|code| code.to_string());
        let enhanced = self.enhanced.map(|enhanced| enhanced.to_string());
        let words = (!self.words.is_empty()).then(|| self.words.clone());
        let parts: Vec<String> = [code, enhanced, words].into_iter().flatten().collect();
        f.write_str(&parts.join(" "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::Said;
    use crate::smtp::Reply;

    #[test]
    fn covers_what_it_names_and_nothing_else() {
        for (final_cause, line, expected) in [
            ("5.1.1", "550 5.1.1 no such user", true),
            ("5.1.1", "550 5.1.10 no such user", false),
            ("550", "550 go away", true),
            ("550", "554 go away", false),
            ("550 5.2.1", "550 5.2.1 disabled", true),
            ("550 5.2.1", "554 5.2.1 disabled", false),
            (
                "550 5.2.1 is Disabled",
                "550 5.2.1 the account is  disabled",
                true,
            ),
            (
                "550 5.2.1 is disabled",
                "550 5.2.1 the account is full",
                false,
            ),
            ("5.1.1", "450 4.1.1 later", false),
        ] {
            let parsed: FinalCause = final_cause.parse().unwrap();
            let failure = Failure::refused(Said::Rcpt, Reply::parse(&[line]).unwrap());
            assert_eq!(parsed.covers(&failure), expected, "{final_cause}: {line}");
        }
    }

    #[test]
    fn only_permanent_replies_can_be_final() {
        for text in [
            "",
            "spam",
            "450",
            "4.1.1",
            "550 4.1.1",
            "250 2.0.0",
            "99999",
            "5.1",
        ] {
            assert_eq!(text.parse::<FinalCause>(), Err(NotPermanent), "{text}");
        }
        let text = "550 5.2.1 is disabled";
        assert_eq!(text.parse::<FinalCause>().unwrap().to_string(), text);
    }
}
