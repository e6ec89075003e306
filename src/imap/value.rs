//! What stands in an answer: words, strings, literals and lists of them (RFC 9051 §4). Pure.

/// Lists in lists. Beyond: it is no answer to what we ask.
const DEPTH: usize = 8;

/// A piece of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value {
    /// A word as it stands there: `INBOX`, `\Seen`, `BODY[HEADER.FIELDS (DATE)]<0>`, `NIL`.
    Atom(Vec<u8>),
    /// What stood in quotes, or came as a literal.
    Text(Vec<u8>),
    List(Vec<Self>),
}

impl Value {
    /// The bytes of a word or text; `None` for `NIL` and lists.
    pub(super) fn bytes(&self) -> Option<&[u8]> {
        match self {
            Self::Atom(word) if word.eq_ignore_ascii_case(b"NIL") => None,
            Self::Atom(bytes) | Self::Text(bytes) => Some(bytes),
            Self::List(_) => None,
        }
    }

    pub(super) fn list(&self) -> Option<&[Self]> {
        match self {
            Self::List(values) => Some(values),
            Self::Atom(_) | Self::Text(_) => None,
        }
    }
}

/// Reads the pieces of an answer; `None` when it is none.
pub(super) fn parse(answer: &[u8]) -> Option<Vec<Value>> {
    let mut reader = Reader { rest: answer };
    let values = reader.values(0)?;
    reader.rest.is_empty().then_some(values)
}

/// The length of the literal that begins behind this line, which has its line end no more
/// (RFC 9051 §4.3).
pub(super) fn literal(line: &[u8]) -> Option<Result<usize, ()>> {
    let inner = line.strip_suffix(b"}")?;
    let open = inner.iter().rposition(|byte| *byte == b'{')?;
    let digits = inner.get(open + 1..)?;
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let text = std::str::from_utf8(digits).ok()?;
    // Beyond the number's range it is absurd, but a literal it is.
    Some(text.parse().map_err(|_| ()))
}

struct Reader<'a> {
    rest: &'a [u8],
}

impl Reader<'_> {
    /// Up to the end, or the end of the list.
    fn values(&mut self, depth: usize) -> Option<Vec<Value>> {
        let mut values = Vec::new();
        loop {
            match self.rest.first() {
                None if depth == 0 => return Some(values),
                Some(b' ') => self.skip(1),
                Some(b')') if depth > 0 => {
                    self.skip(1);
                    return Some(values);
                }
                Some(b'(') if depth < DEPTH => {
                    self.skip(1);
                    values.push(Value::List(self.values(depth + 1)?));
                }
                None | Some(b')' | b'(') => return None,
                Some(b'"') => values.push(Value::Text(self.quoted()?)),
                Some(b'{') => values.push(Value::Text(self.literal()?)),
                Some(_) => values.push(Value::Atom(self.atom()?)),
            }
        }
    }

    fn skip(&mut self, count: usize) {
        self.rest = self.rest.get(count..).unwrap_or_default();
    }

    fn quoted(&mut self) -> Option<Vec<u8>> {
        self.skip(1);
        let mut text = Vec::new();
        loop {
            match self.rest {
                [b'"', ..] => {
                    self.skip(1);
                    return Some(text);
                }
                [b'\\', byte @ (b'"' | b'\\'), ..] => {
                    text.push(*byte);
                    self.skip(2);
                }
                [b'\r' | b'\n', ..] | [] => return None,
                [byte, ..] => {
                    text.push(*byte);
                    self.skip(1);
                }
            }
        }
    }

    fn literal(&mut self) -> Option<Vec<u8>> {
        let end = self.rest.iter().position(|byte| *byte == b'\n')?;
        let line = self.rest.get(..end)?;
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let length = literal(line)?.ok()?;
        let start = end + 1;
        let text = self.rest.get(start..start.checked_add(length)?)?.to_vec();
        self.skip(start + length);
        Some(text)
    }

    /// A word; what stands in brackets belongs to it, with its blanks.
    fn atom(&mut self) -> Option<Vec<u8>> {
        let mut in_brackets = false;
        let ends = |byte: u8| matches!(byte, b' ' | b'(' | b')' | b'\r' | b'\n');
        for (at, byte) in self.rest.iter().enumerate() {
            match byte {
                b'[' => in_brackets = true,
                b']' => in_brackets = false,
                byte if ends(*byte) && !in_brackets => {
                    let word = self.rest.get(..at)?.to_vec();
                    self.skip(at);
                    return (!word.is_empty()).then_some(word);
                }
                _ => {}
            }
        }
        let word = std::mem::take(&mut self.rest).to_vec();
        (!in_brackets).then_some(word)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn atom(word: &str) -> Value {
        Value::Atom(word.into())
    }

    fn text(word: &str) -> Value {
        Value::Text(word.into())
    }

    #[test]
    fn answers_are_read() {
        let fetch = b"12 FETCH (UID 7 BODY[HEADER.FIELDS (DATE)]<0> {5}\r\na)\"b( FLAGS (\\Seen))";
        let inner = vec![
            atom("UID"),
            atom("7"),
            atom("BODY[HEADER.FIELDS (DATE)]<0>"),
            text("a)\"b("),
            atom("FLAGS"),
            Value::List(vec![atom("\\Seen")]),
        ];
        let expected = vec![atom("12"), atom("FETCH"), Value::List(inner)];
        assert_eq!(parse(fetch), Some(expected));
        let list = br#"LIST (\HasNoChildren) "/" "a \"b\" \\""#;
        let expected = vec![
            atom("LIST"),
            Value::List(vec![atom("\\HasNoChildren")]),
            text("/"),
            text("a \"b\" \\"),
        ];
        assert_eq!(parse(list), Some(expected));
        assert_eq!(parse(b"NIL").unwrap()[0].bytes(), None);
        assert_eq!(parse(b""), Some(Vec::new()));
    }

    #[test]
    fn what_is_no_answer_is_none() {
        for odd in [
            "(",
            ")",
            "(a))",
            "\"a",
            "{3}\r\nab",
            "{x}\r\nab",
            "{3}",
            "a[b c",
            "{99999999999999999999}\r\na",
            "((((((((((((((a))))))))))))))",
        ] {
            assert_eq!(parse(odd.as_bytes()), None, "{odd}");
        }
    }

    #[test]
    fn a_literal_is_announced_at_the_end_of_a_line() {
        assert_eq!(literal(b"* 1 FETCH (BODY {12}"), Some(Ok(12)));
        assert_eq!(literal(b"x {99999999999999999999}"), Some(Err(())));
        for none in ["", "}", "{}", "{a}", "* OK {12} words", "{1"] {
            assert_eq!(literal(none.as_bytes()), None, "{none}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_taken(bytes: Vec<u8>, odd in "[ ()\\[\\]{}0-9a\"\\\\\r\n]{0,60}") {
            parse(&bytes);
            parse(odd.as_bytes());
            literal(odd.as_bytes());
        }
    }
}
