//! What is said to rspamd (<https://docs.rspamd.com/developers/protocol>), and what its answer
//! means. Pure.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::Deserialize;

use super::Matter;
use super::heard::{Finding, Heard, Nonsense, printable};
use super::talk::Trouble;
use crate::limits;

/// Looks at a message.
pub(super) const CHECK: &str = "/checkv2";
/// Says whether it is there.
pub(super) const PING: &str = "/ping";

/// What it is told of a message beside its bytes.
pub(super) fn fields(matter: Matter<'_>, password: Option<&str>) -> Vec<(&'static str, String)> {
    let bearer = matter.subject.bearer;
    let mut fields = vec![
        ("queue-id", bearer.id.to_string()),
        ("mta-name", bearer.hostname.to_owned()),
        ("helo", bearer.helo.to_owned()),
        ("from", format!("<{}>", bearer.from)),
    ];
    let mut more = |name, value: Option<String>| fields.extend(value.map(|value| (name, value)));
    let client = bearer.client.map(|it| it.ip().to_canonical().to_string());
    more("ip", client);
    more("hostname", bearer.name.map(str::to_owned));
    // Of a login it has rules of its own, also such as look at nothing.
    more("user", bearer.login.map(|it| it.user.to_owned()));
    more("tls-version", bearer.tls.map(|it| it.version.clone()));
    more("tls-cipher", bearer.tls.map(|it| it.cipher.clone()));
    more("password", password.map(str::to_owned));
    // Its parser takes 80 KB of fields and no more; who is told of a thousand knows enough of it.
    let mut left = limits::FILTER_RECIPIENTS;
    for (_, recipient) in matter.recipients() {
        let value = format!("<{}>", recipient.address);
        let Some(rest) = left.checked_sub("rcpt: \r\n".len() + value.len()) else {
            break;
        };
        left = rest;
        fields.push(("rcpt", value));
    }
    fields
}

/// Has it said that it is there?
pub(super) fn pong(status: u16, body: &[u8]) -> Result<(), Nonsense> {
    let is_there = status == 200 && body.trim_ascii() == b"pong";
    is_there.then_some(()).ok_or(Nonsense::Unknown)
}

/// What is read of its answer; there is much more in it.
#[derive(Debug, Deserialize)]
struct Answer {
    action: Option<String>,
    score: Option<f64>,
    required_score: Option<f64>,
    #[serde(default)]
    symbols: BTreeMap<String, Symbol>,
    #[serde(default)]
    messages: Messages,
    error: Option<String>,
    /// Its settings say that it is not to look, or it has seen enough by one pattern.
    #[serde(default)]
    is_skipped: bool,
}

#[derive(Debug, Default, Deserialize)]
struct Symbol {
    score: Option<f64>,
}

#[derive(Debug, Default, Deserialize)]
struct Messages {
    smtp_message: Option<String>,
}

/// What its answer means.
pub(super) fn read(status: u16, body: &[u8]) -> Result<Heard, Trouble> {
    if status == 413 {
        return Ok(Heard::too_large());
    }
    let answer: Option<Answer> = serde_json::from_slice(body).ok();
    let error = answer.as_ref().and_then(|it| it.error.as_deref());
    if status != 200 || error.is_some() {
        let what = error.unwrap_or_default().as_bytes();
        let what = format!("HTTP {status} {}", printable(what));
        return Err(Trouble::Failed(what.trim_end().to_owned()));
    }
    let answer = answer.ok_or(Nonsense::Unknown)?;
    let action = answer.action.as_deref().ok_or(Nonsense::Unknown)?;
    let finding = match action {
        "no action" | "accept" => Finding::Clean,
        "greylist" | "soft reject" => Finding::Later,
        "reject" => Finding::Bad,
        "discard" | "quarantine" => Finding::Aside,
        // "add header", "rewrite subject", and what somebody has added to its actions.
        _ => Finding::Suspicious,
    };
    let mut words = in_words(action, &answer);
    if answer.is_skipped && finding == Finding::Clean {
        words.insert_str(0, "not looked at, by its own settings: ");
    }
    let told = answer.messages.smtp_message.as_deref().unwrap_or_default();
    let heard = Heard::new(finding, words.as_bytes());
    Ok(heard.telling(told.as_bytes()))
}

/// `add header, 7.20 of 15.00: BAYES_SPAM 5.10, URIBL_BLACK 2.10`. Names and figures, and nothing
/// that the message says; the gravest first, because it may be cut.
fn in_words(action: &str, answer: &Answer) -> String {
    let mut text = action.to_owned();
    let figure = |it: Option<f64>| it.unwrap_or_default().clamp(-99_999.0, 99_999.0);
    // Writing to a String cannot fail.
    write!(text, ", {:.2}", figure(answer.score)).ok();
    if answer.required_score.is_some() {
        write!(text, " of {:.2}", figure(answer.required_score)).ok();
    }
    let mut symbols: Vec<_> = answer.symbols.iter().collect();
    symbols.sort_by(|(_, one), (_, other)| {
        let (one, other) = (figure(one.score).abs(), figure(other.score).abs());
        other.total_cmp(&one)
    });
    for (number, (name, symbol)) in symbols.into_iter().enumerate() {
        let lead = if number == 0 { ":" } else { "," };
        let more = format!("{lead} {name} {:.2}", figure(symbol.score));
        if text.len() + more.len() > limits::FILTER_SAID {
            break;
        }
        text.push_str(&more);
    }
    text
}
