//! What a server offers in its answer to EHLO, RFC 5321 §4.1.1.1: ours printed, others' parsed.

use std::fmt;

use super::XClient;

/// The extensions of a server.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Extensions {
    /// `PIPELINING`, RFC 2920.
    pub pipelining: bool,
    /// `SIZE`, RFC 1870: `Some(0)` when the server names no limit.
    pub size: Option<u64>,
    /// `8BITMIME`, RFC 6152.
    pub eight_bit_mime: bool,
    /// `SMTPUTF8`, RFC 6531.
    pub smtputf8: bool,
    /// `STARTTLS`, RFC 3207.
    pub starttls: bool,
    /// `ENHANCEDSTATUSCODES`, RFC 2034.
    pub enhanced_status_codes: bool,
    /// `DSN`, RFC 3461.
    pub dsn: bool,
    /// `CHUNKING`, RFC 3030.
    pub chunking: bool,
    /// Mechanisms of `AUTH`, RFC 4954, in upper case.
    pub auth: Vec<String>,
    /// `LIMITS`, RFC 9422.
    pub limits: Limits,
    /// `REQUIRETLS`, RFC 8689.
    pub requiretls: bool,
    /// `XCLIENT`, of Postfix.
    pub xclient: bool,
}

/// `LIMITS` of a server, RFC 9422 §4.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Limits {
    /// `MAILMAX`: messages of one connection.
    pub mail_max: Option<u64>,
    /// `RCPTMAX`: recipients of one transaction.
    pub rcpt_max: Option<u64>,
    /// `RCPTDOMAINMAX`: domains of one transaction.
    pub rcpt_domain_max: Option<u64>,
}

impl Extensions {
    /// Reads the text of a reply to EHLO: the first line is the greeting, each other line is one
    /// extension. What is unknown or malformed is passed over: the server may offer anything.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let mut extensions = Self::default();
        for line in text.split('\n').skip(1) {
            extensions.parse_line(line);
        }
        extensions
    }

    fn parse_line(&mut self, line: &str) {
        // `AUTH=LOGIN` is what some old servers say besides `AUTH LOGIN`.
        let mut words = line.split([' ', '\t', '=']).filter(|word| !word.is_empty());
        let Some(keyword) = words.next() else { return };
        match keyword.to_ascii_uppercase().as_str() {
            "PIPELINING" => self.pipelining = true,
            "SIZE" => {
                self.size = Some(words.next().and_then(|max| max.parse().ok()).unwrap_or(0));
            }
            "8BITMIME" => self.eight_bit_mime = true,
            "SMTPUTF8" => self.smtputf8 = true,
            "STARTTLS" => self.starttls = true,
            "ENHANCEDSTATUSCODES" => self.enhanced_status_codes = true,
            "DSN" => self.dsn = true,
            "CHUNKING" => self.chunking = true,
            "REQUIRETLS" => self.requiretls = true,
            "XCLIENT" => self.xclient = true,
            "AUTH" => {
                for mechanism in words.map(str::to_ascii_uppercase) {
                    if !self.auth.contains(&mechanism) {
                        self.auth.push(mechanism);
                    }
                }
            }
            "LIMITS" => self.limits.parse(line),
            _ => {}
        }
    }
}

/// The lines of a reply to EHLO behind the greeting, separated by `\n`.
impl fmt::Display for Extensions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let size = match self.size {
            None => String::new(),
            Some(0) => "SIZE".to_owned(),
            Some(max) => format!("SIZE {max}"),
        };
        let auth = match self.auth.as_slice() {
            [] => String::new(),
            mechanisms => format!("AUTH {}", mechanisms.join(" ")),
        };
        let word = |offered: bool, word: &'static str| if offered { word } else { "" };
        let lines = [
            word(self.pipelining, "PIPELINING"),
            &size,
            word(self.starttls, "STARTTLS"),
            &auth,
            word(self.enhanced_status_codes, "ENHANCEDSTATUSCODES"),
            word(self.eight_bit_mime, "8BITMIME"),
            word(self.dsn, "DSN"),
            word(self.smtputf8, "SMTPUTF8"),
            word(self.chunking, "CHUNKING"),
            &self.limits.to_string(),
            word(self.requiretls, "REQUIRETLS"),
            &if self.xclient {
                format!("XCLIENT {}", XClient::OFFERED)
            } else {
                String::new()
            },
        ];
        let lines = lines.into_iter().filter(|line| !line.is_empty());
        for (number, line) in lines.enumerate() {
            f.write_str(if number > 0 { "\n" } else { "" })?;
            f.write_str(line)?;
        }
        Ok(())
    }
}

impl Limits {
    fn parse(&mut self, line: &str) {
        for limit in line.split_ascii_whitespace().skip(1) {
            let Some((name, value)) = limit.split_once('=') else {
                continue;
            };
            // RFC 9422 §4: a limit is at least 1.
            let value = value.parse().ok().filter(|value| *value > 0);
            match name.to_ascii_uppercase().as_str() {
                "MAILMAX" => self.mail_max = value,
                "RCPTMAX" => self.rcpt_max = value,
                "RCPTDOMAINMAX" => self.rcpt_domain_max = value,
                _ => {}
            }
        }
    }
}

impl fmt::Display for Limits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let limits = [
            ("MAILMAX", self.mail_max),
            ("RCPTMAX", self.rcpt_max),
            ("RCPTDOMAINMAX", self.rcpt_domain_max),
        ];
        let mut keyword = "LIMITS";
        for (name, value) in limits {
            if let Some(value) = value {
                write!(f, "{keyword} {name}={value}")?;
                keyword = "";
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn reads_what_platforms_say() {
        let extensions = Extensions::parse(
            "onprem.example.org Hello [192.0.2.1]\nSIZE 37748736\nPIPELINING\nDSN\n\
             ENHANCEDSTATUSCODES\nstarttls\nX-ANONYMOUSTLS\nAUTH NTLM login\nAUTH=LOGIN\n\
             8BITMIME\nBINARYMIME\nCHUNKING\nXRDST\nLIMITS RCPTMAX=20 mailmax=5 RCPTDOMAINMAX=0",
        );
        assert_eq!(
            extensions,
            Extensions {
                pipelining: true,
                size: Some(37_748_736),
                eight_bit_mime: true,
                smtputf8: false,
                starttls: true,
                enhanced_status_codes: true,
                dsn: true,
                chunking: true,
                auth: vec!["NTLM".to_owned(), "LOGIN".to_owned()],
                limits: Limits {
                    mail_max: Some(5),
                    rcpt_max: Some(20),
                    rcpt_domain_max: None
                },
                requiretls: false,
                xclient: false,
            }
        );
    }

    #[test]
    fn the_greeting_is_no_extension() {
        assert_eq!(Extensions::parse("PIPELINING"), Extensions::default());
    }

    proptest! {
        #[test]
        fn what_is_printed_is_parsed(
            flags: [bool; 9],
            size: Option<u64>,
            auth in proptest::sample::subsequence(vec!["PLAIN", "LOGIN", "XOAUTH2"], 0..3),
            limits in [proptest::option::of(1_u64..), proptest::option::of(1_u64..)],
        ) {
            let extensions = Extensions {
                pipelining: flags[0],
                size,
                eight_bit_mime: flags[1],
                smtputf8: flags[2],
                starttls: flags[3],
                enhanced_status_codes: flags[4],
                dsn: flags[5],
                chunking: flags[6],
                auth: auth.into_iter().map(str::to_owned).collect(),
                limits: Limits { mail_max: limits[0], rcpt_max: limits[1], rcpt_domain_max: None },
                xclient: flags[7],
                requiretls: flags[8],
            };
            prop_assert_eq!(Extensions::parse(&format!("host\n{extensions}")), extensions);
        }

        #[test]
        fn any_text_is_taken(text: String) {
            let shown = Extensions::parse(&text).to_string();
            prop_assert!(!shown.contains("\n\n"));
        }
    }
}
