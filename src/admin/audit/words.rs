//! What an entry is about, as people say it: the deed and the mail that it means, and not the name
//! of an operation that does many.

use super::{Arguments, AuditEntry};

/// How the fields of a selection stand among the arguments, and what they are called.
const SELECTION: [(&str, &str); 8] = [
    ("message", "message"),
    ("recipient", "recipient"),
    ("sender", "sender"),
    ("domain", "domain"),
    ("backend", "backend"),
    ("reason_kind", "reason"),
    ("hold", "hold"),
    ("accepted_before", "accepted before"),
];
/// What says nothing to people.
const MUTE: [&str; 3] = ["which.show", "seen", "which.all"];

impl AuditEntry {
    /// What was asked for, in a line.
    #[must_use]
    pub fn deed(&self) -> String {
        let said = &self.arguments;
        if let Some(domain) = self.path.strip_prefix("/api/moves/") {
            return step(domain, said);
        }
        match self.path.as_str() {
            "/api/queue/perform" => perform(said),
            "/api/holds" => format!("Make a hold: {}", mail(said)),
            "/api/holds/end" => format!("End holds: {}", mail(said)),
            _ => {
                let rest: Vec<String> = said
                    .0
                    .iter()
                    .filter(|(name, _)| !MUTE.contains(&name.as_str()))
                    .map(|(name, value)| format!("{} {value}", plain(name)))
                    .collect();
                if rest.is_empty() {
                    return self.what.clone();
                }
                format!("{}: {}", self.what, rest.join(", "))
            }
        }
    }
}

fn perform(said: &Arguments) -> String {
    let deed = match get(said, "deed") {
        Some("hold") => "Hold",
        Some("release") => "Release",
        Some("resume") => "Let go what a hold held",
        Some("retry") => "Retry",
        Some("drop") => "Drop",
        Some(other) => other,
        None => "Nothing that is known",
    };
    let on =
        get(said, "which.after").map_or_else(String::new, |id| format!(" (goes on behind {id})"));
    // Without a selection it reaches those only whom a rule or a move names: `move start` asks so.
    let is_named = |field: &str| get(said, &format!("which.selection.{field}")).is_some();
    let is_all = !SELECTION.iter().any(|(field, _)| is_named(field));
    let mail = if deed == "Hold" && is_all {
        "what a hold or a move names".to_owned()
    } else {
        mail(said)
    };
    format!("{deed}: {mail}{on}")
}

fn step(domain: &str, said: &Arguments) -> String {
    let step = match get(said, "step") {
        Some("start") => "Start",
        Some("finish") => "Finish",
        Some("back-out") => "Back out of",
        Some(other) => other,
        None => "Take no step of",
    };
    let home = get(said, "home").map_or_else(String::new, |home| format!(", home {home}"));
    let forced = get(said, "force").filter(|force| *force == "yes");
    let forced = forced.map_or("", |_| ", forced");
    let look = get(said, "dry_run").map_or("", |_| " (only a look)");
    format!("{step} the move of {domain}{home}{forced}{look}")
}

/// The mail that is meant.
fn mail(said: &Arguments) -> String {
    let parts = SELECTION.iter().filter_map(|(field, name)| {
        let value = get(said, &format!("which.selection.{field}"))?;
        Some(format!("{name} {value}"))
    });
    let parts: Vec<String> = parts.collect();
    if parts.is_empty() {
        return "all mail".to_owned();
    }
    parts.join(" and ")
}

fn get<'a>(said: &'a Arguments, name: &str) -> Option<&'a str> {
    said.0.get(name).map(String::as_str)
}

/// `which.selection.reason_kind` is `reason kind`.
fn plain(name: &str) -> String {
    let last = name.rsplit('.').next().unwrap_or(name);
    last.replace('_', " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn deed(path: &str, said: &[(&str, &str)]) -> String {
        let mut entry = AuditEntry::of_login("ann", "192.0.2.1", "An operation");
        entry.path = path.to_owned();
        for (name, value) in said {
            entry.arguments.add(name, value);
        }
        entry.deed()
    }

    #[test]
    fn each_entry_says_what_was_done_to_which_mail() {
        let ann = ("which.selection.recipient", "ann@example.org");
        let hold = ("which.selection.hold", "h1");
        for (path, said, expected) in [
            (
                "/api/queue/perform",
                vec![
                    ("deed", "drop"),
                    ann,
                    ("which.selection.reason_kind", "refused"),
                ],
                "Drop: recipient ann@example.org and reason refused",
            ),
            (
                "/api/queue/perform",
                vec![("deed", "resume"), hold, ("which.after", "06J8Z4K2M0001")],
                "Let go what a hold held: hold h1 (goes on behind 06J8Z4K2M0001)",
            ),
            (
                "/api/queue/perform",
                vec![("deed", "retry")],
                "Retry: all mail",
            ),
            (
                "/api/queue/perform",
                vec![("deed", "hold"), ("which.all", "yes")],
                "Hold: what a hold or a move names",
            ),
            (
                "/api/queue/perform",
                vec![("deed", "hold"), ann],
                "Hold: recipient ann@example.org",
            ),
            ("/api/holds/end", vec![hold], "End holds: hold h1"),
            (
                "/api/moves/x.example",
                vec![("step", "finish"), ("force", "no")],
                "Finish the move of x.example",
            ),
            (
                "/api/moves/x.example",
                vec![("step", "finish"), ("home", "cloud"), ("force", "yes")],
                "Finish the move of x.example, home cloud, forced",
            ),
            (
                "/api/moves/x.example",
                vec![("step", "back-out"), ("dry_run", "yes")],
                "Back out of the move of x.example (only a look)",
            ),
            (
                "/api/backends/cloud",
                vec![("wish", "hold"), ("which.show", "5"), ("dry_run", "yes")],
                "An operation: dry run yes, wish hold",
            ),
            ("/login", vec![], "An operation"),
        ] {
            assert_eq!(deed(path, &said), expected, "{path}");
        }
    }
}
