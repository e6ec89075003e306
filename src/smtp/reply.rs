//! Replies, RFC 5321 §4.2: a three-digit code, an enhanced code (RFC 2034), one or more lines.

use std::borrow::Cow;
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::EnhancedStatus;

/// What the first digit of a reply code says, RFC 5321 §4.2.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// 2yz: done.
    Success,
    /// 3yz: go on.
    Intermediate,
    /// 4yz: try again later.
    Transient,
    /// 5yz: do not try again.
    Permanent,
}

/// One reply, ours or a server's: from the wire to the ledger to the report it is one value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Reply {
    /// Three digits, 200 to 599.
    pub code: u16,
    /// RFC 3463 code, when there is one.
    #[serde(default)]
    pub enhanced: Option<EnhancedStatus>,
    /// The text without codes; lines are separated by `\n`.
    pub text: Cow<'static, str>,
}

impl Reply {
    /// A reply of ours. `enhanced` is written as three numbers.
    #[must_use]
    pub const fn new(code: u16, enhanced: (u8, u16, u16), text: &'static str) -> Self {
        Self {
            code,
            enhanced: Some(EnhancedStatus::new(enhanced.0, enhanced.1, enhanced.2)),
            text: Cow::Borrowed(text),
        }
    }

    /// A reply of ours with a text made at run time.
    #[must_use]
    pub fn with_text(code: u16, enhanced: (u8, u16, u16), text: impl Into<String>) -> Self {
        Self {
            code,
            enhanced: Some(EnhancedStatus::new(enhanced.0, enhanced.1, enhanced.2)),
            text: Cow::Owned(text.into()),
        }
    }

    /// A reply without enhanced code: greeting, EHLO, 354 (RFC 2034 §4).
    #[must_use]
    pub fn plain(code: u16, text: impl Into<Cow<'static, str>>) -> Self {
        Self {
            code,
            enhanced: None,
            text: text.into(),
        }
    }

    /// What the first digit says.
    #[must_use]
    pub const fn severity(&self) -> Severity {
        match self.code {
            ..300 => Severity::Success,
            300..400 => Severity::Intermediate,
            400..500 => Severity::Transient,
            500.. => Severity::Permanent,
        }
    }

    /// 2yz.
    #[must_use]
    pub fn is_success(&self) -> bool {
        self.severity() == Severity::Success
    }

    /// 4yz.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        self.severity() == Severity::Transient
    }

    /// 5yz.
    #[must_use]
    pub fn is_permanent(&self) -> bool {
        self.severity() == Severity::Permanent
    }

    /// The same for who has not said SMTPUTF8 (RFC 6531 §3.7.4.1): what is beyond ASCII is `?`.
    #[must_use]
    pub fn in_ascii(self) -> Self {
        if self.text.is_ascii() {
            return self;
        }
        let shown = |c: char| if c.is_ascii() { c } else { '?' };
        let text: String = self.text.chars().map(shown).collect();
        Self {
            text: Cow::Owned(text),
            ..self
        }
    }

    /// Puts the reply on the wire, all lines with CRLF.
    pub fn write_to(&self, wire: &mut Vec<u8>) {
        let mut lines = self.text.split('\n').peekable();
        while let Some(line) = lines.next() {
            let separator = if lines.peek().is_some() { '-' } else { ' ' };
            wire.extend_from_slice(format!("{}{separator}", self.code).as_bytes());
            if let Some(enhanced) = self.enhanced {
                wire.extend_from_slice(format!("{enhanced} ").as_bytes());
            }
            wire.extend_from_slice(line.as_bytes());
            wire.extend_from_slice(b"\r\n");
        }
    }

    /// Reads the complete lines of a reply, CRLF already removed. Bytes that are no UTF-8 are
    /// shown as U+FFFD, control characters as `?`: the text ends up in tables and pages.
    ///
    /// # Errors
    /// When a line has no code, codes differ, or the continuation marks are wrong.
    pub fn parse(lines: &[impl AsRef<[u8]>]) -> Result<Self, ReplyError> {
        let mut code = None;
        let mut enhanced = None;
        let mut text = String::new();
        for (number, line) in lines.iter().enumerate() {
            let parsed = ReplyLine::parse(line.as_ref())?;
            if *code.get_or_insert(parsed.code) != parsed.code {
                return Err(ReplyError::CodesDiffer);
            }
            if parsed.last != (number + 1 == lines.len()) {
                return Err(ReplyError::Continuation);
            }
            let clean = printable(parsed.text);
            let (line_status, rest) = EnhancedStatus::split(&clean);
            // RFC 2034 §4: the class of the enhanced code is the first digit of the code.
            let line_status =
                line_status.filter(|status| u16::from(status.class) == parsed.code / 100);
            if number > 0 {
                text.push('\n');
            }
            text.push_str(if line_status.is_some() { rest } else { &clean });
            enhanced = enhanced.or(line_status);
        }
        Ok(Self {
            code: code.ok_or(ReplyError::Empty)?,
            enhanced,
            text: Cow::Owned(text),
        })
    }

    /// Is this the last line of a reply (`250 ok` or `250`), not a continued one (`250-ok`)?
    #[must_use]
    pub fn is_last_line(line: &[u8]) -> bool {
        line.get(3) != Some(&b'-')
    }
}

/// `550 5.1.1 No such user`, on one line.
impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.code)?;
        if let Some(enhanced) = self.enhanced {
            write!(f, " {enhanced}")?;
        }
        for line in self.text.split('\n').filter(|line| !line.is_empty()) {
            write!(f, " {line}")?;
        }
        Ok(())
    }
}

struct ReplyLine<'a> {
    code: u16,
    last: bool,
    text: &'a [u8],
}

impl<'a> ReplyLine<'a> {
    /// RFC 5321 §4.2: `Reply-code [ "-" / SP text ]`, codes 2yz to 5yz.
    fn parse(line: &'a [u8]) -> Result<Self, ReplyError> {
        let (digits, rest) = line.split_at_checked(3).ok_or(ReplyError::NoCode)?;
        let code = std::str::from_utf8(digits)
            .ok()
            .filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))
            .and_then(|digits| digits.parse::<u16>().ok())
            .filter(|code| (200..600).contains(code))
            .ok_or(ReplyError::NoCode)?;
        match rest.split_first() {
            None => Ok(Self {
                code,
                last: true,
                text: b"",
            }),
            Some((b' ', text)) => Ok(Self {
                code,
                last: true,
                text,
            }),
            Some((b'-', text)) => Ok(Self {
                code,
                last: false,
                text,
            }),
            Some(_) => Err(ReplyError::NoCode),
        }
    }
}

fn printable(text: &[u8]) -> String {
    text.utf8_chunks()
        .flat_map(|chunk| {
            let damaged = (!chunk.invalid().is_empty()).then_some(char::REPLACEMENT_CHARACTER);
            chunk.valid().chars().chain(damaged)
        })
        .map(|c| if c.is_control() { '?' } else { c })
        .collect()
}

/// What a server sent is no reply; the connection is out of step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ReplyError {
    /// No lines at all.
    #[error("the server sent an empty reply")]
    Empty,
    /// A line does not begin with a code from 200 to 599 and a blank or `-`.
    #[error("the server sent a line that is no SMTP reply")]
    NoCode,
    /// The lines of one reply have different codes.
    #[error("the server sent different codes in one reply")]
    CodesDiffer,
    /// A `-` on the last line or a blank on an earlier one.
    #[error("the server ended a multi-line reply in the wrong place")]
    Continuation,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_several_lines() {
        let reply = Reply::parse(&[b"550-5.1.1 No".as_slice(), b"550 5.1.1 such user"]).unwrap();
        assert_eq!(reply.enhanced, Some(EnhancedStatus::new(5, 1, 1)));
        assert_eq!(reply.text, "No\nsuch user");
        assert_eq!(reply.to_string(), "550 5.1.1 No such user");
    }

    #[test]
    fn refuses_what_is_no_reply() {
        assert_eq!(Reply::parse(&[b"25"]), Err(ReplyError::NoCode));
        assert_eq!(Reply::parse(&[b"1000 x"]), Err(ReplyError::NoCode));
        assert_eq!(
            Reply::parse(&[b"250-a".as_slice(), b"251 b"]),
            Err(ReplyError::CodesDiffer)
        );
        assert_eq!(Reply::parse(&[b"250-a"]), Err(ReplyError::Continuation));
    }

    #[test]
    fn an_enhanced_code_of_another_class_is_text() {
        let reply = Reply::parse(&[b"250 5.1.1 odd"]).unwrap();
        assert_eq!(reply.enhanced, None);
        assert_eq!(reply.text, "5.1.1 odd");
    }

    #[test]
    fn hostile_bytes_become_printable() {
        let reply = Reply::parse(&[b"250 a\x1b[2J\xff"]).unwrap();
        assert_eq!(reply.text, "a?[2J\u{fffd}");
    }

    #[test]
    fn who_reads_ascii_only_gets_nothing_else() {
        let reply = Reply::with_text(550, (5, 7, 1), "Not yours: <jörg@b.example>\nb");
        let told = reply.clone().in_ascii();
        assert_eq!(told.text, "Not yours: <j?rg@b.example>\nb");
        assert_eq!((told.code, told.enhanced), (reply.code, reply.enhanced));
        assert_eq!(told.clone().in_ascii(), told);
    }

    #[test]
    fn what_is_written_is_read_back() {
        let reply = Reply::with_text(452, (4, 3, 1), "Full\nTry later");
        let mut wire = Vec::new();
        reply.write_to(&mut wire);
        assert_eq!(wire, b"452-4.3.1 Full\r\n452 4.3.1 Try later\r\n");
        let text = String::from_utf8(wire).unwrap();
        let lines: Vec<_> = text.trim_end().split("\r\n").collect();
        assert_eq!(Reply::parse(&lines).unwrap(), reply);
    }
}
