//! Messages whose bytes must survive.

use std::fmt::Write;

/// One message of the corpus.
pub(crate) struct Sample {
    pub(crate) name: &'static str,
    pub(crate) bytes: Vec<u8>,
    /// Without headers an empty line stands between the trace lines and the body.
    pub(crate) bare: bool,
    /// Needs SMTPUTF8 from the sender to the mailbox.
    pub(crate) international: bool,
}

const HEAD: &str = "From: Ann <ann@sender.example>\r\nTo: c@example.org\r\nSubject: sample\r\n\
     Message-ID: <sample@sender.example>\r\nDate: Mon, 1 Jun 2026 10:00:00 +0200\r\n";

/// All samples.
pub(crate) fn corpus() -> Vec<Sample> {
    let mut samples = plain();
    samples.extend(bare());
    samples.extend(structured());
    samples.extend(international());
    samples
}

fn sample(name: &'static str, bytes: impl AsRef<[u8]>) -> Sample {
    Sample {
        name,
        bytes: bytes.as_ref().to_vec(),
        bare: false,
        international: false,
    }
}

fn with_head(name: &'static str, rest: impl AsRef<[u8]>) -> Sample {
    let mut bytes = HEAD.as_bytes().to_vec();
    bytes.extend_from_slice(rest.as_ref());
    sample(name, bytes)
}

fn plain() -> Vec<Sample> {
    let long = |length: usize| format!("\r\n{}\r\n", "x".repeat(length));
    let mut eight_bit = b"Content-Type: text/plain; charset=iso-8859-1\r\n\
        Content-Transfer-Encoding: 8bit\r\n\r\nGr\xfc\xdfe\r\n"
        .to_vec();
    eight_bit.extend(0x80..=0xff_u8);
    eight_bit.extend_from_slice(b"\r\n");
    let mut controls: Vec<u8> = b"\r\n".to_vec();
    controls.extend((1..=31).filter(|byte| !matches!(byte, b'\r' | b'\n')));
    controls.extend_from_slice(b"\x7f\r\n");
    vec![
        with_head("short", "\r\nHello.\r\n"),
        with_head("empty body", "\r\n"),
        with_head("8-bit body", eight_bit),
        with_head("control characters", controls),
        with_head("8-bit header", b"X-Raw: Gr\xfc\xdfe\r\n\r\nbody\r\n"),
        with_head("line of 998", long(998)),
        with_head("line of 2,048", long(2_048)),
        with_head("line of 60,000", long(60_000)),
        with_head(
            "dots",
            "\r\n.\r\n..\r\n...\r\n.one\r\n..two\r\n. \r\nlast.\r\n.\r\n",
        ),
        with_head("only empty lines", "\r\n\r\n\r\n\r\n"),
        with_head("ends with empty lines", "\r\nbody\r\n\r\n\r\n"),
        with_head(
            "white space",
            "\r\n \r\n\t\r\n  leading\r\ntrailing  \r\n\ttab\t\r\n",
        ),
        with_head(
            "folded headers",
            "X-Folded: one\r\n two\r\n\tthree\r\nX-Empty:\r\nX-Spaces:   a  b \r\n\r\nbody\r\n",
        ),
        with_head(
            "mbox line",
            "\r\nFrom ann Mon Jun  1 10:00:00 2026\r\n>From bob\r\n",
        ),
        with_head(
            "old trace lines",
            "Received: from a by b; Mon, 1 Jun 2026 10:00:00 +0200\r\n\
             Resent-From: x@sender.example\r\nBcc: hidden@sender.example\r\n\
             Content-Length: 3\r\n\r\nbody\r\n",
        ),
    ]
}

fn bare() -> Vec<Sample> {
    let bare = |name, bytes: &str| Sample {
        bare: true,
        ..sample(name, bytes)
    };
    vec![
        bare("nothing at all", ""),
        bare("no headers", "Just text, no header.\r\nSecond line.\r\n"),
        bare("empty line first", "\r\nbody after an empty line\r\n"),
        sample("no Date and no Message-ID", "Subject: bare\r\n\r\nbody\r\n"),
        sample(
            "headers in odd order",
            "X: 1\r\nTo: b\r\nX: 2\r\nFrom: a\r\nX: 3\r\n\r\nbody\r\n",
        ),
    ]
}

fn structured() -> Vec<Sample> {
    let base64 = |lines: usize| -> String {
        (0..lines).fold(String::new(), |mut text, line| {
            write!(text, "{:0>76}\r\n", line * 7_919).unwrap();
            text
        })
    };
    vec![
        with_head(
            "nested message",
            "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=\"b\"\r\n\r\n\
             --b\r\nContent-Type: message/rfc822\r\n\r\nFrom: inner@sender.example\r\n\
             Message-ID: <inner@sender.example>\r\nReceived: from inner\r\n\r\n.inner\r\n\
             --b--\r\n",
        ),
        with_head(
            "calendar invitation",
            "MIME-Version: 1.0\r\nContent-Type: text/calendar; method=REQUEST; charset=utf-8\r\n\
             Content-Transfer-Encoding: 8bit\r\n\r\nBEGIN:VCALENDAR\r\nMETHOD:REQUEST\r\n\
             BEGIN:VEVENT\r\nSUMMARY:Gr\u{fc}\u{df}e\r\nDESCRIPTION:folded\r\n  line\r\n\
             END:VEVENT\r\nEND:VCALENDAR\r\n",
        ),
        with_head(
            "opaque S/MIME",
            format!(
                "MIME-Version: 1.0\r\nContent-Type: application/pkcs7-mime; \
                 smime-type=signed-data; name=\"smime.p7m\"\r\n\
                 Content-Transfer-Encoding: base64\r\n\r\n{}",
                base64(400)
            ),
        ),
        with_head(
            "clear-signed",
            format!(
                "MIME-Version: 1.0\r\nContent-Type: multipart/signed; \
                 protocol=\"application/pkcs7-signature\"; micalg=sha-256; boundary=\"s\"\r\n\r\n\
                 --s\r\nContent-Type: text/plain\r\n\r\nsigned \r\n\r\n.text\r\n\r\n--s\r\n\
                 Content-Type: application/pkcs7-signature\r\n\
                 Content-Transfer-Encoding: base64\r\n\r\n{}\r\n--s--\r\n",
                base64(20)
            ),
        ),
        with_head(
            "DKIM-signed",
            "DKIM-Signature: v=1; a=rsa-sha256; d=sender.example; s=x;\r\n\th=from:to;\r\n\
             \tbh=abc=; b=def=\r\n\r\nbody  \r\n\r\n",
        ),
        with_head(
            "broken MIME",
            "Content-Type: multipart/mixed; boundary=never\r\nContent-Type: text/html\r\n\
             Content-Transfer-Encoding: quoted-printable\r\n\r\n=\r\n=ZZ\r\n--other\r\n",
        ),
        with_head("two megabytes", format!("\r\n{}", base64(27_000))),
    ]
}

fn international() -> Vec<Sample> {
    let sample = |name, rest: &str| Sample {
        international: true,
        ..with_head(name, rest)
    };
    vec![
        sample(
            "UTF-8 headers",
            "X-Name: J\u{f6}rg \u{1f30a}\r\n\r\nGr\u{fc}\u{df}e\r\n",
        ),
        sample("UTF-8 envelope", "\r\nASCII body\r\n"),
    ]
}
