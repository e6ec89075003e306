//! `automatic`: the policy on automatic answers, and what it would do with a message.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use clap::Args;

use super::intent::Format;
use super::{Exit, Failure, home, print, show};
use crate::admin::{AutomaticJudged, AutomaticView};
use crate::automatic::Policy;
use crate::mail::{AutomaticKind, AutomaticWay};
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

/// Prints the policy of a config file.
pub(super) fn perform(
    config: Option<&Path>,
    args: &AutomaticArgs,
    format: Format,
) -> Result<(), Failure> {
    let policy = home::config(config)?.automatic.policy;
    let mut view = AutomaticView::of(&policy);
    if let Some(file) = &args.file {
        let unread = |error| Failure::new(Exit::Failed, format!("{}: {error}", file.display()));
        let message = std::fs::read(file).map_err(unread)?;
        let judged = view.judge(&policy, (args.from.as_deref(), &message));
        judged.map_err(|what| Failure::new(Exit::Usage, what))?;
    }
    match format {
        Format::Json => {
            let json = serde_json::to_string_pretty(&view);
            print(&(json.map_err(|error| Failure::new(Exit::Failed, error))? + "\n"))
        }
        Format::Text => show(&text(&policy, &view)),
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

fn message_text(message: &AutomaticJudged) -> String {
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
        let (field, kind) = (&request.field, request.kind);
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
    use crate::mail::AutomaticDeed;

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
        let policy = policy();
        let mut view = AutomaticView::of(&policy);
        view.judge(&policy, (None, OOF)).unwrap();
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
}
