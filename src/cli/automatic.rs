//! `automatic`: the policy on automatic answers, and what it would do with a message.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;

use super::intent::Format;
use super::{Exit, Failure, home, print};
use crate::automatic::{
    Asked, Party, Policy, Recognised, Sealed, Wish, judge, recognise, requests,
};
use crate::limits;
use crate::mail::{
    AutomaticDeed, AutomaticKind, AutomaticWay, BackendId, decode_text, header_end, header_fields,
};
use crate::smtp::ReversePath;
use crate::terminal::visible;

#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub(crate) struct AutomaticArgs {
    /// A message as it came: what would be done with it?
    file: Option<PathBuf>,
    /// MAIL FROM of the message, "<>" for the null path [default: what its Return-Path says, else
    /// a sender]
    #[arg(long, value_name = "PATH", requires = "file")]
    from: Option<String>,
}

/// The policy, and what it does.
#[derive(Debug, Serialize)]
struct AutomaticView {
    partners: Vec<String>,
    rules: Vec<RuleView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<JudgedView>,
}

/// What is not allowed.
#[derive(Debug, Serialize)]
struct RuleView {
    kind: AutomaticKind,
    way: AutomaticWay,
    deed: AutomaticDeed,
}

/// What a message is, and what would be done with it on each way.
#[derive(Debug, Serialize)]
struct JudgedView {
    from: String,
    kind: Option<AutomaticKind>,
    sign: Option<String>,
    requests: Vec<RequestView>,
    ways: Vec<WayView>,
}

#[derive(Debug, Serialize)]
struct RequestView {
    field: &'static str,
    kind: AutomaticKind,
    signed: Option<String>,
}

#[derive(Debug, Serialize)]
struct WayView {
    way: AutomaticWay,
    deed: AutomaticDeed,
    rules: Vec<String>,
    stripped: Vec<String>,
    left: Vec<String>,
}

/// Prints the policy of a config file.
pub(super) fn perform(
    config: Option<&Path>,
    args: &AutomaticArgs,
    format: Format,
) -> Result<(), Failure> {
    let policy = home::config(config)?.automatic.policy;
    let message = match &args.file {
        None => None,
        Some(file) => {
            let unread = |error| Failure::new(Exit::Failed, format!("{}: {error}", file.display()));
            let message = std::fs::read(file).map_err(unread)?;
            let message = with_crlf(&message);
            let from = reverse_path(args.from.as_deref(), &message);
            let from = from.map_err(|what| Failure::new(Exit::Usage, what))?;
            Some(judged(&policy, &from, &message))
        }
    };
    let view = AutomaticView {
        partners: policy.partners.iter().cloned().collect(),
        rules: policy
            .rules()
            .map(|(kind, way, deed)| RuleView { kind, way, deed })
            .collect(),
        message,
    };
    match format {
        Format::Json => {
            let json = serde_json::to_string_pretty(&view);
            print(&(json.map_err(|error| Failure::new(Exit::Failed, error))? + "\n"))
        }
        Format::Text => print(&text(&policy, &view)),
    }
}

/// Files of people end their lines as their system does.
fn with_crlf(message: &[u8]) -> Vec<u8> {
    let mut crlf = Vec::with_capacity(message.len());
    let mut last = 0;
    for &byte in message {
        if byte == b'\n' && last != b'\r' {
            crlf.push(b'\r');
        }
        crlf.push(byte);
        last = byte;
    }
    crlf
}

fn reverse_path(said: Option<&str>, message: &[u8]) -> Result<ReversePath, String> {
    let header = message.get(..header_end(message)).unwrap_or_default();
    let mut fields = header_fields(header);
    let stored = fields.find(|field| field.name.eq_ignore_ascii_case(b"Return-Path"));
    let stored = stored.map(|field| decode_text(field.body, 320));
    let text = said.map(str::to_owned).or(stored);
    let text = text.unwrap_or_else(|| "somebody@example.invalid".to_owned());
    let inner = text.trim().trim_start_matches('<').trim_end_matches('>');
    let parsed: Result<ReversePath, _> = inner.parse();
    parsed.map_err(|_| format!("\"{text}\" is no reverse-path, expected an address or \"<>\""))
}

fn judged(policy: &Policy, from: &ReversePath, message: &[u8]) -> JudgedView {
    let (header, body) = message.split_at(header_end(message));
    let body = body.get(..limits::AUTOMATIC_REPORT).unwrap_or(body);
    let found = recognise(from, header, body);
    let ways = AutomaticWay::ALL.into_iter().map(|way| {
        let (sender, recipient) = parties(way);
        let judged = judge(
            policy,
            &Asked {
                from,
                header,
                body,
                sender: &sender,
                recipients: &[(0, recipient, Wish::Nothing)],
                sealed: Sealed::No,
            },
        );
        let ruling = judged
            .automatic
            .and_then(|it| it.rulings.into_iter().next());
        ruling.map_or_else(
            || WayView {
                way,
                deed: AutomaticDeed::Allow,
                rules: Vec::new(),
                stripped: Vec::new(),
                left: Vec::new(),
            },
            |ruling| WayView {
                way,
                deed: ruling.deed,
                rules: ruling.rules,
                stripped: ruling.stripped,
                left: ruling.left,
            },
        )
    });
    let ways = ways.collect();
    let (kind, sign) = match found {
        Some(Recognised { kind, sign }) => (Some(kind), Some(sign)),
        None => (None, None),
    };
    JudgedView {
        from: from.to_string(),
        kind,
        sign,
        requests: requests(header)
            .into_iter()
            .map(|request| RequestView {
                field: request.field,
                kind: request.kind,
                signed: request.signed,
            })
            .collect(),
        ways,
    }
}

/// Who would have to write to whom for mail to go this way.
fn parties(way: AutomaticWay) -> (Party, Party) {
    let ours = |home: &str| Party::Ours {
        home: Some(BackendId::new(home)),
    };
    match way {
        AutomaticWay::Internal => (ours("a"), ours("a")),
        AutomaticWay::Platforms => (ours("a"), ours("b")),
        AutomaticWay::FromPartner => (Party::Partner, ours("a")),
        AutomaticWay::ToPartner => (ours("a"), Party::Partner),
        AutomaticWay::FromInternet => (Party::Stranger, ours("a")),
        AutomaticWay::ToInternet => (ours("a"), Party::Stranger),
    }
}

fn text(policy: &Policy, view: &AutomaticView) -> String {
    let mut text = String::new();
    // Writing to a String cannot fail.
    // Above one another, so that the six of them fit beside each other.
    let ways = AutomaticWay::ALL.map(|way| {
        let word = way.as_str();
        word.split_at(word.find('_').map_or(0, |end| end + 1))
    });
    write!(text, "{:<16}", "").ok();
    for (first, _) in ways {
        write!(text, " {first:<9}").ok();
    }
    write!(text, "\n{:<16}", "").ok();
    for (_, second) in ways {
        write!(text, " {second:<9}").ok();
    }
    for kind in AutomaticKind::ALL {
        write!(text, "\n{:<16}", kind.as_str()).ok();
        for way in AutomaticWay::ALL {
            write!(text, " {:<9}", policy.deed(kind, way).as_str()).ok();
        }
    }
    let mut text: String = text
        .lines()
        .map(|line| line.trim_end().to_owned() + "\n")
        .collect();
    if !view.partners.is_empty() {
        writeln!(text, "partners: {}", view.partners.join(", ")).ok();
    }
    if let Some(message) = &view.message {
        text.push('\n');
        text.push_str(&message_text(message));
    }
    text
}

fn message_text(message: &JudgedView) -> String {
    let mut text = String::new();
    let from = if message.from.is_empty() {
        "<>"
    } else {
        &message.from
    };
    writeln!(text, "MAIL FROM {}", visible(from)).ok();
    match (message.kind, &message.sign) {
        (Some(kind), Some(sign)) => writeln!(text, "it is {kind}: {}", visible(sign)).ok(),
        _ => writeln!(
            text,
            "it is ordinary mail: no automatic answer that can be told surely"
        )
        .ok(),
    };
    for request in &message.requests {
        let signed = request.signed.as_deref();
        let signed = signed.map_or_else(String::new, |by| format!(", signed ({})", visible(by)));
        let (field, kind) = (request.field, request.kind);
        writeln!(text, "it wishes for a {kind}: {field}{signed}").ok();
    }
    for way in &message.ways {
        write!(text, "  {:<13} {}", way.way.as_str(), way.deed).ok();
        if !way.rules.is_empty() {
            write!(text, " by {}", way.rules.join(", ")).ok();
        }
        if !way.stripped.is_empty() {
            write!(text, ", without {}", way.stripped.join(", ")).ok();
        }
        for left in &way.left {
            write!(text, "; {}", visible(left)).ok();
        }
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const OOF: &[u8] = b"Return-Path: <>\nAuto-Submitted: auto-replied (vacation)\n\
        Disposition-Notification-To: ann@example.org\n\
        DKIM-Signature: v=1; d=example.net; h=from:disposition-notification-to; b=x\n\nAway.\n";

    fn policy() -> Policy {
        let mut policy = Policy::default();
        let drop = AutomaticDeed::Drop;
        policy.set(AutomaticKind::OutOfOffice, AutomaticWay::ToInternet, drop);
        let strip = AutomaticDeed::Strip;
        policy.set(AutomaticKind::ReadReceipt, AutomaticWay::Internal, strip);
        policy
    }

    #[test]
    fn it_says_what_would_be_done_with_a_file() {
        let (message, policy) = (with_crlf(OOF), policy());
        let from = reverse_path(None, &message).unwrap();
        let view = AutomaticView {
            partners: Vec::new(),
            rules: Vec::new(),
            message: Some(judged(&policy, &from, &message)),
        };
        let text = text(&policy, &view);
        for expected in [
            "           from_     to_       from_     to_\n",
            "internal  platforms partner   partner   internet  internet\n",
            "allow     drop\nauto_reply       allow     allow",
            "MAIL FROM <>\nit is out_of_office: Auto-Submitted: auto-replied (vacation)\n",
            "it wishes for a read_receipt: Disposition-Notification-To, signed (DKIM-Signature of \
             example.net)\n",
            "  internal      allow; Disposition-Notification-To stays: signed",
            "  to_internet   drop by automatic.out_of_office.to_internet\n",
        ] {
            assert!(text.contains(expected), "{expected}\n{text}");
        }
        let table = text.lines().take_while(|line| !line.is_empty());
        for line in table {
            assert!(line.chars().count() <= crate::terminal::WIDTH, "{line}");
        }
    }

    #[test]
    fn the_path_comes_from_the_file_or_from_who_asks() {
        let path = |said: Option<&str>, message: &[u8]| {
            reverse_path(said, message).map(|path| path.mailbox().map(ToString::to_string))
        };
        assert_eq!(path(None, b"Return-Path: <>\r\n\r\n"), Ok(None));
        assert_eq!(path(Some("<>"), b"A: b\r\n\r\n"), Ok(None));
        let ann = Some("ann@example.org".to_owned());
        assert_eq!(path(Some("<ann@example.org>"), b"\r\n"), Ok(ann));
        assert!(path(None, b"A: b\r\n\r\n").unwrap().is_some());
        assert!(path(Some("no path"), b"\r\n").is_err());
    }
}
