//! Sample mail, as varied as real mail is.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::base::{Clock, Entropy};

/// A letter from the Internet.
#[derive(Debug, Clone)]
pub(super) struct Letter {
    /// What it is, for people.
    pub(super) what: &'static str,
    /// Its `Message-ID`, without angle brackets.
    pub(super) id: String,
    pub(super) from: &'static str,
    pub(super) to: Vec<&'static str>,
    /// The message.
    pub(super) bytes: Vec<u8>,
}

/// What a letter is made of.
struct Sample {
    what: &'static str,
    from: &'static str,
    to: &'static [&'static str],
    /// `From` of the header.
    author: &'static str,
    subject: &'static str,
    body: Body,
}

enum Body {
    /// Plain text, UTF-8.
    Text(&'static str),
    /// HTML with a plain alternative.
    Html(&'static str, &'static str),
    /// Text and a file of so many bytes.
    File(&'static str, &'static str, usize),
    /// An invitation.
    Calendar,
}

/// Writes letters: dates are today's, identifiers are new.
#[derive(Debug)]
pub(super) struct Writer {
    clock: Clock,
    run: String,
    written: usize,
}

impl Writer {
    pub(super) fn new(clock: Clock, entropy: &Entropy) -> Self {
        Self {
            clock,
            run: format!("{:x}", entropy.u64()),
            written: 0,
        }
    }

    /// The mail of an ordinary day: one letter of each kind.
    pub(super) fn ordinary_day(&mut self) -> Vec<Letter> {
        ORDINARY.iter().map(|sample| self.write(sample)).collect()
    }

    /// What comes while a platform is down.
    pub(super) fn during_the_outage(&mut self) -> Vec<Letter> {
        OUTAGE.iter().map(|sample| self.write(sample)).collect()
    }

    /// One more, so that the mailboxes live.
    pub(super) fn another(&mut self) -> Option<Letter> {
        let sample = TRICKLE.get(self.written % TRICKLE.len())?;
        Some(self.write(sample))
    }

    fn write(&mut self, sample: &Sample) -> Letter {
        self.written += 1;
        let id = format!("{}.{}@example.net", self.written, self.run);
        let now = self.clock.now();
        let mut text = format!(
            "From: {}\nTo: {}\nSubject: {}\nDate: {}\nMessage-ID: <{id}>\nMIME-Version: 1.0\n",
            sample.author,
            sample.to.join(", "),
            sample.subject,
            now.to_rfc5322()
        );
        text.push_str(&content(&sample.body, now.to_jiff()));
        Letter {
            what: sample.what,
            id,
            from: sample.from,
            to: sample.to.to_vec(),
            bytes: text.replace('\n', "\r\n").into_bytes(),
        }
    }
}

fn content(body: &Body, now: jiff::Timestamp) -> String {
    const UTF8: &str = "charset=utf-8\nContent-Transfer-Encoding: 8bit\n\n";
    match body {
        Body::Text(text) => format!("Content-Type: text/plain; {UTF8}{text}\n"),
        Body::Html(text, html) => format!(
            "Content-Type: multipart/alternative; boundary=\"sea\"\n\n\
             --sea\nContent-Type: text/plain; {UTF8}{text}\n\
             --sea\nContent-Type: text/html; {UTF8}{html}\n--sea--\n"
        ),
        Body::File(text, name, size) => format!(
            "Content-Type: multipart/mixed; boundary=\"land\"\n\n\
             --land\nContent-Type: text/plain; {UTF8}{text}\n\
             --land\nContent-Type: application/octet-stream\n\
             Content-Disposition: attachment; filename=\"{name}\"\n\
             Content-Transfer-Encoding: base64\n\n{}--land--\n",
            file(*size)
        ),
        Body::Calendar => {
            let start = now.saturating_add(jiff::SignedDuration::from_hours(26));
            let start = start.map_or(now, |start| start);
            let text = "Shall we meet tomorrow about the move?";
            format!(
                "Content-Type: multipart/alternative; boundary=\"date\"\n\n\
                 --date\nContent-Type: text/plain; {UTF8}{text}\n\
                 --date\nContent-Type: text/calendar; method=REQUEST; {UTF8}\
                 BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:-//example.net//EN\nMETHOD:REQUEST\n\
                 BEGIN:VEVENT\nUID:move-{stamp}@example.net\nDTSTAMP:{stamp}\nDTSTART:{start}\n\
                 DURATION:PT1H\nSUMMARY:The move of our mail\n\
                 ORGANIZER:mailto:eve@example.net\nATTENDEE:mailto:ann@example.org\n\
                 ATTENDEE:mailto:bob@example.org\nEND:VEVENT\nEND:VCALENDAR\n--date--\n",
                stamp = now.strftime("%Y%m%dT%H%M%SZ"),
                start = start.strftime("%Y%m%dT%H%M%SZ"),
            )
        }
    }
}

/// Base64 in lines of 76, of bytes that do not repeat soon.
fn file(size: usize) -> String {
    let bytes: Vec<u8> = (0..size)
        .map(|place| {
            let [_, byte, ..] = place.wrapping_mul(2_654_435_761).to_le_bytes();
            byte
        })
        .collect();
    let encoded = STANDARD.encode(bytes);
    let mut lines = String::with_capacity(encoded.len() + encoded.len() / 76 + 1);
    for (place, character) in encoded.chars().enumerate() {
        if place > 0 && place % 76 == 0 {
            lines.push('\n');
        }
        lines.push(character);
    }
    lines.push('\n');
    lines
}

const ORDINARY: &[Sample] = &[
    Sample {
        what: "a plain letter",
        from: "eve@example.net",
        to: &["ann@example.org"],
        author: "Eve Adams <eve@example.net>",
        subject: "Lunch on Thursday?",
        body: Body::Text(
            "Hi Ann,\n\nthe new place by the harbour is open. Thursday at noon?\n\nEve",
        ),
    },
    Sample {
        what: "a newsletter in HTML",
        from: "news@example.com",
        to: &["bob@example.org"],
        author: "Harbour News <news@example.com>",
        subject: "The tides of this week",
        body: Body::Html(
            "High water on Monday at 06:12.",
            "<html><body style=\"font-family: sans-serif\"><h1>The tides of this week</h1>\
             <p>High water on <b>Monday</b> at 06:12.</p>\
             <img src=\"https://example.com/pixel.gif\" width=1 height=1>\
             <script>alert('a webmail must not run this')</script>\
             <p><a href=\"https://example.com/tides\">All tides</a></p></body></html>",
        ),
    },
    Sample {
        what: "a file attached",
        from: "office@example.com",
        to: &["chloe@example.org"],
        author: "Office <office@example.com>",
        subject: "Minutes of the meeting",
        body: Body::File("The minutes are attached.", "minutes.pdf", 24_000),
    },
    Sample {
        what: "umlauts, Arabic, Hebrew",
        from: "jo@example.net",
        to: &["ann@example.org"],
        author: "=?utf-8?q?J=C3=B6rg_M=C3=BCller?= <jo@example.net>",
        subject: "=?utf-8?q?Gr=C3=BC=C3=9Fe_aus_M=C3=BCnchen?=",
        body: Body::Text(
            "Schöne Grüße aus München!\n\nمرحبا من ميونخ\nשלום ממינכן\nミュンヘンからこんにちは\n\n\
             .a line that begins with a dot",
        ),
    },
    Sample {
        what: "a calendar invitation",
        from: "eve@example.net",
        to: &["ann@example.org", "bob@example.org"],
        author: "Eve Adams <eve@example.net>",
        subject: "Invitation: The move of our mail",
        body: Body::Calendar,
    },
    Sample {
        what: "one letter to all four",
        from: "chair@example.com",
        to: &[
            "ann@example.org",
            "bob@example.org",
            "chloe@example.org",
            "dan@example.org",
        ],
        author: "The Chair <chair@example.com>",
        subject: "Agenda",
        body: Body::Text("Dear all,\n\n1. the move\n2. what is left\n\nSee you on Monday."),
    },
    Sample {
        what: "to an alias",
        from: "eve@example.net",
        to: &["a.smith@example.org"],
        author: "Eve Adams <eve@example.net>",
        subject: "Is this still your address?",
        body: Body::Text("I found it on an old card."),
    },
    Sample {
        what: "to a plus address",
        from: "billing@example.com",
        to: &["bob+invoices@example.org"],
        author: "Billing <billing@example.com>",
        subject: "Invoice 2041",
        body: Body::Text("Thank you for your order. The invoice is due in 30 days."),
    },
    Sample {
        what: "a big one, 3 MiB",
        from: "studio@example.com",
        to: &["dan@example.org"],
        author: "Studio <studio@example.com>",
        subject: "The photographs",
        body: Body::File("All of them.", "photographs.zip", 2_300_000),
    },
];

const OUTAGE: &[Sample] = &[
    Sample {
        what: "a question for Ann",
        from: "eve@example.net",
        to: &["ann@example.org"],
        author: "Eve Adams <eve@example.net>",
        subject: "Thursday: can you answer today?",
        body: Body::Text("I have to book the table until five. Will you come?\n\nEve"),
    },
    Sample {
        what: "an order for Bob",
        from: "shop@example.com",
        to: &["bob@example.org"],
        author: "Shop <shop@example.com>",
        subject: "Your order is on its way",
        body: Body::Text("It arrives tomorrow."),
    },
    Sample {
        what: "one letter to both platforms",
        from: "chair@example.com",
        to: &["chloe@example.org", "dan@example.org"],
        author: "The Chair <chair@example.com>",
        subject: "Agenda, second version",
        body: Body::Text("Point 2 comes first now."),
    },
    Sample {
        what: "a file for Chloé",
        from: "office@example.com",
        to: &["chloe@example.org"],
        author: "Office <office@example.com>",
        subject: "The contract",
        body: Body::File("Please sign it today.", "contract.pdf", 60_000),
    },
    Sample {
        what: "a report for Ann",
        from: "monitor@example.com",
        to: &["a.smith@example.org"],
        author: "Monitor <monitor@example.com>",
        subject: "All lights are green",
        body: Body::Html(
            "All lights are green.",
            "<p style=\"color: green\">All lights are <b>green</b>.</p>",
        ),
    },
];

const TRICKLE: &[Sample] = &[
    Sample {
        what: "a note for Ann",
        from: "eve@example.net",
        to: &["ann@example.org"],
        author: "Eve Adams <eve@example.net>",
        subject: "One more thing",
        body: Body::Text("The harbour place takes no cards. Bring cash!\n\nEve"),
    },
    Sample {
        what: "a note for all four",
        from: "chair@example.com",
        to: &[
            "ann@example.org",
            "bob@example.org",
            "chloe@example.org",
            "dan@example.org",
        ],
        author: "The Chair <chair@example.com>",
        subject: "Room changed",
        body: Body::Text("We meet in the small room."),
    },
    Sample {
        what: "the tides for Ann",
        from: "news@example.com",
        to: &["ann@example.org"],
        author: "Harbour News <news@example.com>",
        subject: "High water soon",
        body: Body::Html(
            "High water in two hours.",
            "<p>High water in <b>two hours</b>.</p>",
        ),
    },
];
