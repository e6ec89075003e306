//! `directory sync` and `directory status`.

use super::directory::{Directory, How};
use super::intent::Request;
use super::render::Page;
use super::{Exit, Failure};
use crate::admin::{DirectoryStatusView, SyncQuery, SyncView};
use crate::directory::{Origin, SyncStatus};
use crate::terminal::{bytes, many, moment};

/// Things that are told one by one.
const TOLD: usize = 20;

impl Directory {
    pub(super) async fn sync(&self, source: Option<String>, how: How) -> Result<(), Failure> {
        let change = self.change(how);
        let request = Request::post("/api/directory/sync", &SyncQuery { source, change });
        let answer: serde_json::Value = self.0.client.ask_patiently(request).await?;
        self.0
            .print(&answer, |page, it: &Vec<SyncView>| page.synced(it))?;
        let failed =
            |one: &serde_json::Value| one.get("change").is_none_or(serde_json::Value::is_null);
        if answer.as_array().is_some_and(|all| all.iter().any(failed)) {
            let what = "the directory is not in step with every source";
            return Err(Failure::new(Exit::Failed, what));
        }
        Ok(())
    }

    pub(super) async fn status(&self) -> Result<(), Failure> {
        let request = Request::get("/api/directory/status".to_owned());
        let answer: serde_json::Value = self.0.client.ask(request).await?;
        self.0.print(&answer, |page, it: &DirectoryStatusView| {
            page.directory_status(it)
        })
    }
}

impl Page {
    /// `directory sync`.
    pub(super) fn synced(self, done: &[SyncView]) -> String {
        let mut text = String::new();
        for one in done {
            text.push_str(&self.field("source", &one.status.source));
            if let Some(change) = &one.change {
                text.push_str(&self.people(&one.status));
                text.push_str(&self.changed(change));
            } else {
                let error = one.status.error.as_deref().unwrap_or("it failed");
                text.push_str(&self.field("failed", error));
                text.push_str(&self.field("", one.hint.as_deref().unwrap_or_default()));
            }
        }
        text
    }

    fn people(self, status: &SyncStatus) -> String {
        let mut text = self.field("found", &many(status.people, "recipient"));
        for what in status.left_out.iter().take(TOLD) {
            text.push_str(&self.field("left out", what));
        }
        for what in status.mended.iter().take(TOLD) {
            text.push_str(&self.field("mended", what));
        }
        let more = status.left_out.len().saturating_sub(TOLD) as u64 + status.more_left_out;
        if more > 0 {
            text.push_str(&self.field("left out", &format!("{more} more")));
        }
        text
    }

    /// `directory status`.
    pub(super) fn directory_status(self, view: &DirectoryStatusView) -> String {
        let mut text = self.field("generation", &view.generation.to_string());
        let size = format!(
            "{} with {} addresses, {} in memory",
            view.entries,
            view.addresses,
            bytes(view.memory_bytes)
        );
        text.push_str(&self.field("recipients", &size));
        if view.open_conflicts > 0 {
            let told = format!(
                "{} open: `tideover directory conflicts`",
                view.open_conflicts
            );
            text.push_str(&self.field("conflicts", &told));
        }
        for source in &view.sources {
            text.push_str(&self.field("source", &self.source(source)));
            text.push_str(&self.people(source));
        }
        for origin in view.imported() {
            text.push_str(&self.field("source", &self.origin(origin)));
        }
        if let Some(why) = &view.untaken {
            let told = format!("directory.file was not taken at the start: {why}");
            text.push_str(&self.field("source", &told));
        }
        text
    }

    /// One source that nobody synchronises in one sentence.
    fn origin(self, origin: &Origin) -> String {
        let Origin { source, names, .. } = origin;
        let last = origin.last.as_ref().map_or_else(String::new, |last| {
            format!(
                ", generation {} made {} by {}",
                last.number,
                moment(last.at, self.now),
                last.author
            )
        });
        format!("{source}: names {names}{last}")
    }

    /// One source in one sentence.
    pub(super) fn source(self, status: &SyncStatus) -> String {
        let name = &status.source;
        let good = status.good_at.map(|at| moment(at, self.now));
        match (&status.error, status.at, good) {
            (_, None, _) => format!("{name}: not read yet"),
            (None, Some(_), Some(good)) => format!("{name}: in step since {good}"),
            (None, Some(at), None) => format!("{name}: read {}", moment(at, self.now)),
            (Some(error), Some(at), good) => {
                let good = good.map_or_else(
                    || "never before".to_owned(),
                    |good| format!("last in step {good}"),
                );
                format!(
                    "{name}: failed {} ({} times, {good}): {error}",
                    moment(at, self.now),
                    status.failures
                )
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Timestamp;
    use crate::terminal::Palette;

    fn origin(source: &str) -> Origin {
        let last = serde_json::json!({
            "number": 3, "at": "2026-11-18T09:00:00Z", "author": "olga", "cause": "import",
            "effect": { "added": 1, "changed": 0, "removed": 0, "deleted": 0, "moved": 0,
                        "of": 1, "names": [] },
            "pages": 1,
        });
        Origin {
            source: source.to_owned(),
            names: 2,
            departed: 0,
            last: serde_json::from_value(last).unwrap(),
        }
    }

    #[test]
    fn a_source_says_when_it_was_in_step_and_what_is_wrong() {
        let now = Timestamp::from_millis(1_800_000_000_000);
        let page = Page {
            palette: Palette::Plain,
            now,
        };
        let mut status = SyncStatus {
            source: "ad".to_owned(),
            ..SyncStatus::default()
        };
        assert_eq!(page.source(&status), "ad: not read yet");
        status.at = Some(now);
        status.good_at = Some(now);
        assert!(page.source(&status).starts_with("ad: in step since "));
        status.error = Some("ldaps://dc1 cannot be reached".to_owned());
        status.failures = 3;
        let told = page.source(&status);
        assert!(told.contains("3 times, last in step"), "{told}");
        assert!(told.ends_with("): ldaps://dc1 cannot be reached"), "{told}");
        let view = DirectoryStatusView {
            generation: 7,
            entries: 2,
            addresses: 5,
            memory_bytes: 4096,
            open_conflicts: 1,
            sources: vec![status],
            origins: vec![origin("ad"), origin("file")],
            untaken: Some("line 3 is bad".to_owned()),
        };
        let shown = page.directory_status(&view);
        for expected in [
            "7",
            "2 with 5 addresses",
            "1 open",
            "ldaps://dc1",
            "file: names 2, generation 3 made ",
            " by olga",
            "not taken at the start: line 3 is bad",
        ] {
            assert!(shown.contains(expected), "{shown}");
        }
        assert!(!shown.contains("ad: names"), "told once: {shown}");
    }
}
