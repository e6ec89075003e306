//! `directory x500`.

use std::fmt::Write as _;

use clap::Args;

use super::Failure;
use super::directory::Directory;
use super::intent::{Request, escape};
use super::render::Page;
use crate::admin::{X500SenderView, X500UseView, X500UsedView, X500View};
use crate::terminal::{Table, moment, visible};

/// Senders that a line names.
const NAMED: usize = 3;

#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub(crate) struct X500Args {
    /// Of those who live there
    #[arg(long)]
    home: Option<String>,
    /// Those that mail still comes for: how often, when last, and from whom
    #[arg(long)]
    used: bool,
}

impl Directory {
    /// Without a home: of everybody.
    pub(super) async fn x500(&self, args: X500Args) -> Result<(), Failure> {
        let mut path = "/api/directory/x500".to_owned();
        if args.used {
            path.push_str("/used");
        }
        path.extend(args.home.map(|home| format!("?home={}", escape(&home))));
        let answer: serde_json::Value = self.0.client.ask(Request::get(path)).await?;
        if args.used {
            self.0
                .print(&answer, |page, it: &X500UsedView| page.x500_used(it))
        } else {
            self.0.print(&answer, |_, all: &Vec<X500View>| written(all))
        }
    }
}

impl Page {
    /// `directory x500 --used`.
    fn x500_used(self, view: &X500UsedView) -> String {
        let mut text = String::new();
        if !view.used.is_empty() {
            let mut table = Table::new(&["X.500", "WHOSE", "TIMES", "LAST", "FROM"], &[0, 1, 4]);
            for one in &view.used {
                table.row([
                    one.x500.as_str().into(),
                    one.address.as_deref().unwrap_or("nobody any more").into(),
                    one.count.to_string().into(),
                    moment(one.last, self.now).into(),
                    from(one).into(),
                ]);
            }
            text.push_str(&table.render(self.palette));
        }
        let known = view.used.iter().filter(|one| one.address.is_some());
        let since = view.since.map_or_else(
            || "nothing is counted yet".to_owned(),
            |since| format!("counted since {}", moment(since, self.now)),
        );
        // Writing to a String cannot fail.
        writeln!(
            text,
            "{since}: mail came for {} of {} X.500 addresses",
            known.count(),
            view.of
        )
        .ok();
        text
    }
}

fn from(one: &X500UseView) -> String {
    let named = one.senders.iter().take(NAMED).map(|sender| {
        let X500SenderView { sender, seen } = sender;
        let name = if sender.is_empty() { "<>" } else { sender };
        format!("{} ({})", visible(name), seen.count)
    });
    let mut text = named.collect::<Vec<_>>().join(", ");
    let more = one.senders.len().saturating_sub(NAMED);
    if more > 0 {
        write!(text, " and {more} more").ok();
    }
    text
}

/// A line for each, as `Import-Csv` takes it.
fn written(all: &[X500View]) -> String {
    let mut text = "PrimarySmtpAddress,X500\n".to_owned();
    for one in all {
        for x500 in &one.x500 {
            // Tabs and the like are no part of a name: the file is for people and their shells.
            let clean: String = x500.chars().filter(|c| !c.is_control()).collect();
            let quoted = clean.replace('"', "\"\"");
            text.extend([one.address.as_str(), ",\"", &quoted, "\"\n"]);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Timestamp;
    use crate::directory::X500Sender;
    use crate::terminal::Palette;

    #[test]
    fn each_x500_address_is_a_line_for_import_csv() {
        let ann = X500View {
            address: "ann@example.org".to_owned(),
            x500: vec![
                "X500:/o=Org, Old/cn=\"Ann\"".to_owned(),
                "X500:/o=Org/cn=a\tnn".to_owned(),
            ],
        };
        assert_eq!(
            written(&[ann]),
            "PrimarySmtpAddress,X500\n\
             ann@example.org,\"X500:/o=Org, Old/cn=\"\"Ann\"\"\"\n\
             ann@example.org,\"X500:/o=Org/cn=ann\"\n"
        );
    }

    #[test]
    fn it_says_who_still_writes_to_old_addresses() {
        let at = Timestamp::from_millis(1_800_000_000_000);
        let sender = |name: &str, count| X500SenderView {
            sender: name.to_owned(),
            seen: X500Sender { count, last: at },
        };
        let one = X500UseView {
            x500: "/o=org/cn=ann".to_owned(),
            address: Some("ann@example.org".to_owned()),
            home: None,
            count: 9,
            first: at,
            last: at,
            senders: vec![
                sender("b@x.example", 5),
                sender("", 2),
                sender("c", 1),
                sender("d", 1),
            ],
            others: 0,
        };
        let told = "b@x.example (5), <> (2), c (1) and 1 more";
        assert_eq!(from(&one), told);
        let view = X500UsedView {
            since: Some(at),
            of: 40,
            used: vec![one],
        };
        let page = Page {
            palette: Palette::Plain,
            now: at,
        };
        let shown = page.x500_used(&view);
        for expected in [
            "/o=org/cn=ann  ann@example.org  9 ",
            "b@x.example (5), <> (2), c (1)",
            "mail came for 1 of 40 X.500 addresses",
        ] {
            assert!(shown.contains(expected), "{expected}: {shown}");
        }
    }
}
