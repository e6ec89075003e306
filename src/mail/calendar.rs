//! Invitations: as much of iCalendar (RFC 5545) as a card with an answer needs, and the answer
//! (RFC 5546 §3.2.3). Lines are copied into the answer as they came, so that nothing is lost that
//! is not understood here.

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::TimeZone;

use super::content_line::{Line, fold_into, unfolded};
use super::header::turns_text;
use super::one_line;
use super::zones::iana;
use crate::base::Timestamp;
use crate::smtp::Mailbox;

/// What a time zone is made of (RFC 5545 §3.6.5). Nothing else of an organizer's zone goes into an
/// answer.
const ZONE: [&str; 11] = [
    "TZID",
    "TZURL",
    "TZNAME",
    "TZOFFSETFROM",
    "TZOFFSETTO",
    "LAST-MODIFIED",
    "DTSTART",
    "RRULE",
    "RDATE",
    "EXDATE",
    "X-LIC-LOCATION",
];
/// Largest calendar object that is read.
const LARGEST: usize = 256 * 1024;
/// People of an event that are read.
const PEOPLE: usize = 1_000;
/// Components inside of each other; real ones have three.
const DEEPEST: usize = 16;
/// Characters of a text that are shown.
const SHOWN: usize = 300;

/// What a calendar object is for (RFC 5546 §1.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// Asks for an answer.
    Request,
    /// The event is called off.
    Cancel,
    /// Somebody answers.
    Reply,
    /// Only tells.
    Publish,
}

/// How somebody answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// Comes.
    Accepted,
    /// Comes perhaps.
    Tentative,
    /// Does not come.
    Declined,
}

impl Answer {
    /// As `PARTSTAT` has it (RFC 5545 §3.2.12).
    const fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "ACCEPTED",
            Self::Tentative => "TENTATIVE",
            Self::Declined => "DECLINED",
        }
    }

    fn of(text: &str) -> Option<Self> {
        [Self::Accepted, Self::Tentative, Self::Declined]
            .into_iter()
            .find(|answer| answer.as_str().eq_ignore_ascii_case(text))
    }
}

/// When something is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum When {
    /// A whole day.
    Day(Date),
    /// A moment that is the same everywhere.
    Moment(Timestamp),
    /// A time of a place whose time zone is not known here.
    Local(DateTime),
}

/// Somebody who takes part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Guest {
    /// His name.
    pub name: Option<String>,
    /// His address.
    pub address: Mailbox,
    /// What he answered.
    pub answer: Option<Answer>,
}

/// An event that somebody is invited to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invitation {
    /// What it is for.
    pub method: Method,
    /// What it is called.
    pub summary: String,
    /// Where it is.
    pub location: String,
    /// When it begins.
    pub start: Option<When>,
    /// When it ends; of whole days the day after the last one.
    pub end: Option<When>,
    /// It comes again and again.
    pub repeats: bool,
    /// Who invites.
    pub organizer: Option<Guest>,
    /// Who is invited.
    pub guests: Vec<Guest>,
    /// Lines that the answer repeats, unfolded.
    kept: Vec<String>,
    /// Time zones that these lines name.
    zones: Vec<String>,
}

impl Invitation {
    /// Reads the first event of a calendar object. `None` when it has none, or is no such object.
    #[must_use]
    pub fn parse(content: &[u8]) -> Option<Self> {
        let content = content.get(..content.len().min(LARGEST))?;
        // The bound may stand in the middle of a letter.
        let text = content.utf8_chunks().next()?.valid();
        let text = text.trim_start_matches('\u{feff}');
        let mut reader = Reader::default();
        for raw in unfolded(text) {
            reader.take(&raw);
            // RFC 5545 §3.4: what is behind is another object.
            if reader.is_done && reader.inside.is_empty() {
                break;
            }
        }
        let event = reader.event.filter(|_| reader.is_done)?;
        let zones = reader.zones;
        Some(Self { zones, ..event })
    }

    /// The guest who has one of these addresses.
    #[must_use]
    pub fn guest(&self, addresses: &[Mailbox]) -> Option<&Guest> {
        let is_own = |guest: &&Guest| {
            let mut own = addresses.iter();
            own.any(|address| address.key() == guest.address.key())
        };
        self.guests.iter().find(is_own)
    }

    /// The calendar object that tells the organizer what `guest` answers (RFC 5546 §3.2.3).
    #[must_use]
    pub fn reply(&self, guest: &Guest, answer: Answer, now: Timestamp) -> String {
        let mut text = String::new();
        let head = [
            "BEGIN:VCALENDAR",
            "PRODID:-//Tideover//Webmail//EN",
            "VERSION:2.0",
            "METHOD:REPLY",
        ];
        for line in head {
            fold_into(&mut text, line);
        }
        for line in &self.zones {
            fold_into(&mut text, line);
        }
        fold_into(&mut text, "BEGIN:VEVENT");
        let stamp = now.to_jiff().strftime("%Y%m%dT%H%M%SZ");
        fold_into(&mut text, &format!("DTSTAMP:{stamp}"));
        for line in &self.kept {
            fold_into(&mut text, line);
        }
        let name = guest.name.as_deref().map(parameter_text);
        let name = name.filter(|name| !name.is_empty());
        let name = name.map_or_else(String::new, |name| format!(";CN=\"{name}\""));
        let (answer, address) = (answer.as_str(), &guest.address);
        let line = format!("ATTENDEE{name};PARTSTAT={answer}:mailto:{address}");
        fold_into(&mut text, &line);
        fold_into(&mut text, "END:VEVENT");
        fold_into(&mut text, "END:VCALENDAR");
        text
    }
}

#[derive(Default)]
struct Reader {
    /// Names of the components around the line.
    inside: Vec<String>,
    method: Option<Method>,
    event: Option<Invitation>,
    /// Lines of the time zones that are whole, and of the one that is being read.
    zones: Vec<String>,
    zone: Vec<String>,
    length: Option<String>,
    is_done: bool,
}

impl Reader {
    fn take(&mut self, raw: &str) {
        let Some(line) = Line::parse(raw) else {
            return;
        };
        if self.inside.len() > DEEPEST {
            return;
        }
        let inner = line.value.trim().to_ascii_uppercase();
        match line.name.as_str() {
            "BEGIN" => self.begin(inner, raw),
            "END" => self.end(&inner, raw),
            _ => self.content(&line, raw),
        }
    }

    fn begin(&mut self, inner: String, raw: &str) {
        match (self.path().as_slice(), inner.as_str()) {
            (["VCALENDAR"], "VEVENT") if !self.is_done => self.begin_event(),
            (["VCALENDAR"], "VTIMEZONE") => self.zone = vec![raw.to_owned()],
            (["VCALENDAR", "VTIMEZONE"], "STANDARD" | "DAYLIGHT") => {
                self.zone.push(raw.to_owned());
            }
            _ => {}
        }
        self.inside.push(inner);
    }

    fn end(&mut self, inner: &str, raw: &str) {
        let Some(at) = self.inside.iter().rposition(|name| name == inner) else {
            return;
        };
        match self.path().as_slice() {
            ["VCALENDAR", "VTIMEZONE"] if inner == "VTIMEZONE" => {
                self.zone.push(raw.to_owned());
                self.zones.append(&mut self.zone);
            }
            ["VCALENDAR", "VTIMEZONE", "STANDARD" | "DAYLIGHT"] if at == 2 => {
                self.zone.push(raw.to_owned());
            }
            // The parts of an event may have been left open, but not the event.
            ["VCALENDAR", "VEVENT", ..] if inner == "VEVENT" && at == 1 => self.finish(),
            _ => {}
        }
        self.inside.truncate(at);
    }

    /// What stands in a component.
    fn content(&mut self, line: &Line<'_>, raw: &str) {
        match self.path().as_slice() {
            ["VCALENDAR"] if line.name == "METHOD" && !self.is_done => {
                self.method = method(&line.value.trim().to_ascii_uppercase());
            }
            ["VCALENDAR", "VEVENT"] if !self.is_done => self.property(line, raw),
            ["VCALENDAR", "VTIMEZONE"] | ["VCALENDAR", "VTIMEZONE", "STANDARD" | "DAYLIGHT"]
                if ZONE.contains(&line.name.as_str()) =>
            {
                self.zone.push(raw.to_owned());
            }
            _ => {}
        }
    }

    /// Names of the components around the line.
    fn path(&self) -> Vec<&str> {
        self.inside.iter().map(String::as_str).collect()
    }

    fn begin_event(&mut self) {
        self.event = Some(Invitation {
            method: Method::Publish,
            summary: String::new(),
            location: String::new(),
            start: None,
            end: None,
            repeats: false,
            organizer: None,
            guests: Vec::new(),
            kept: Vec::new(),
            zones: Vec::new(),
        });
    }

    fn finish(&mut self) {
        self.is_done = true;
        if let Some(event) = &mut self.event {
            event.method = self.method.unwrap_or(Method::Publish);
            if event.end.is_none() {
                let length = self.length.take();
                event.end = ending(event.start.as_ref(), length.as_deref());
            }
        }
    }

    fn property(&mut self, line: &Line<'_>, raw: &str) {
        let Some(event) = &mut self.event else {
            return;
        };
        // RFC 5546 §3.2.3: what an answer must or may repeat.
        let is_kept = [
            "UID",
            "SEQUENCE",
            "RECURRENCE-ID",
            "DTSTART",
            "DTEND",
            "DURATION",
            "SUMMARY",
            "ORGANIZER",
        ];
        if is_kept.contains(&line.name.as_str()) {
            let is_same = |kept: &String| Line::parse(kept).is_some_and(|it| it.name == line.name);
            // Each of them stands there once: what is shown is what is answered.
            if event.kept.iter().any(is_same) {
                return;
            }
            event.kept.push(raw.to_owned());
        }
        match line.name.as_str() {
            "SUMMARY" => event.summary = shown(&plain(line.value)),
            "LOCATION" => event.location = shown(&plain(line.value)),
            "DTSTART" => event.start = when(line),
            "DTEND" => event.end = when(line),
            "DURATION" => self.length = Some(line.value.to_owned()),
            "RRULE" | "RDATE" => event.repeats = true,
            "ORGANIZER" => event.organizer = guest(line),
            "ATTENDEE" if event.guests.len() < PEOPLE => event.guests.extend(guest(line)),
            _ => {}
        }
    }
}

/// RFC 5545 §3.3.11: text without its backslashes.
fn plain(value: &str) -> String {
    let mut text = String::with_capacity(value.len());
    let mut chars = value.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some('n' | 'N') => text.push('\n'),
                Some(other) => text.push(other),
                None => {}
            },
            c => text.push(c),
        }
    }
    text
}

/// On one line, not too long, and without marks that turn the text around.
fn shown(text: &str) -> String {
    let text: String = text
        .chars()
        .filter(|c| !turns_text(*c))
        .take(SHOWN)
        .collect();
    one_line(&text)
}

/// RFC 5545 §3.2: quotes and control characters cannot stand in a parameter.
fn parameter_text(name: &str) -> String {
    one_line(name).replace('"', "'")
}

fn method(name: &str) -> Option<Method> {
    Some(match name {
        "REQUEST" => Method::Request,
        "CANCEL" => Method::Cancel,
        "REPLY" => Method::Reply,
        "PUBLISH" => Method::Publish,
        _ => return None,
    })
}

fn guest(line: &Line<'_>) -> Option<Guest> {
    let value = line.value.trim();
    let (scheme, address) = value.split_once(':')?;
    if !scheme.eq_ignore_ascii_case("mailto") {
        return None;
    }
    let name = line.parameter("CN").map(shown);
    Some(Guest {
        name: name.filter(|name| !name.is_empty() && name != address),
        address: address.parse().ok()?,
        answer: line.parameter("PARTSTAT").and_then(Answer::of),
    })
}

fn when(line: &Line<'_>) -> Option<When> {
    let value = line.value.trim();
    let Some((day, time)) = value.split_once('T') else {
        return Some(When::Day(date(value)?));
    };
    let is_utc = time.ends_with('Z');
    let time = time.trim_end_matches('Z');
    let number = |from: usize| time.get(from..from + 2)?.parse::<i8>().ok();
    let (hour, minute, second) = (number(0)?, number(2)?, number(4).unwrap_or(0));
    // RFC 5545 §3.3.12: a leap second is read as the one before.
    let time = Time::new(hour, minute, second.min(59), 0).ok()?;
    let local = date(day)?.to_datetime(time);
    let zone = if is_utc {
        Some(TimeZone::UTC)
    } else {
        line.parameter("TZID")
            .and_then(|name| TimeZone::get(iana(name)).ok())
    };
    let moment = zone.and_then(|zone| {
        let millis = local.to_zoned(zone).ok()?.timestamp().as_millisecond();
        Some(Timestamp::from_millis(u64::try_from(millis).ok()?))
    });
    Some(moment.map_or(When::Local(local), When::Moment))
}

fn date(text: &str) -> Option<Date> {
    if text.len() != 8 || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let year = text.get(..4)?.parse().ok()?;
    let (month, day) = (text.get(4..6)?.parse().ok()?, text.get(6..8)?.parse().ok()?);
    Date::new(year, month, day).ok()
}

/// The end of what has a length (RFC 5545 §3.3.6) and no end.
fn ending(start: Option<&When>, length: Option<&str>) -> Option<When> {
    let span: jiff::Span = length?.parse().ok()?;
    Some(match start? {
        When::Day(day) => When::Day(day.checked_add(span).ok()?),
        When::Local(local) => When::Local(local.checked_add(span).ok()?),
        When::Moment(moment) => {
            let end = moment
                .to_jiff()
                .to_zoned(TimeZone::UTC)
                .checked_add(span)
                .ok()?;
            let millis = end.timestamp().as_millisecond();
            When::Moment(Timestamp::from_millis(u64::try_from(millis).ok()?))
        }
    })
}

impl std::fmt::Display for Guest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.name {
            Some(name) => write!(f, "{name} <{}>", self.address),
            None => write!(f, "{}", self.address),
        }
    }
}

#[cfg(test)]
#[path = "calendar_tests.rs"]
mod tests;
