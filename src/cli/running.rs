//! `config`: what runs, with its lines.

use clap::Args;

use super::home::At;
use super::intent::{Format, Request};
use super::render::Page;
use super::teller::{Teller, read};
use super::{Exit, Failure};
use crate::admin::{ConfigKey, ConfigOrigin, ConfigSection, ConfigState, ConfigView};
use crate::terminal::{Tone, WIDTH, columns, moment, visible};

/// Columns of a key and its value; what comes from where stands behind them.
const VALUE: usize = 54;

#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
pub(crate) struct ConfigArgs {
    /// Only sections and keys with this in their names, for example onprem or tls
    pub(crate) word: Option<String>,
    /// Only what the file says, without defaults
    #[arg(long)]
    pub(crate) set: bool,
}

pub(super) async fn perform(at: At<'_>, args: ConfigArgs, format: Format) -> Result<(), Failure> {
    let teller = Teller::new(at, (format, String::new()))?;
    let request = Request::get("/api/config".to_owned());
    let answer = teller.client.ask(request).await?;
    if let Some(nothing) = nothing(&read(&answer)?, &args) {
        return Err(Failure::new(Exit::Failed, nothing));
    }
    teller.print(&answer, |page, it: &ConfigView| page.config(it, &args))
}

/// Keys of a section that are meant.
fn meant<'a>(section: &'a ConfigSection, args: &ConfigArgs) -> Vec<&'a ConfigKey> {
    let word = args.word.as_deref().unwrap_or_default().to_lowercase();
    let is_meant = section.title.to_lowercase().contains(&word);
    let keys = section.keys.iter();
    let keys = keys.filter(|key| is_meant || key.name.contains(&word));
    keys.filter(|key| !args.set || key.from == ConfigOrigin::File)
        .collect()
}

/// What is said when a word means nothing of it: a word that was mistyped is no empty config.
fn nothing(view: &ConfigView, args: &ConfigArgs) -> Option<String> {
    let word = args.word.as_deref()?;
    let is_there = |args: &ConfigArgs| view.sections.iter().any(|it| !meant(it, args).is_empty());
    if is_there(args) {
        return None;
    }
    let anywhere = ConfigArgs {
        set: false,
        ..args.clone()
    };
    if is_there(&anywhere) {
        return Some(format!(
            "the file says nothing of \"{word}\"; without --set the defaults are shown"
        ));
    }
    let titles = view.sections.iter().map(|section| section.title.as_str());
    let titles: Vec<&str> = titles.collect();
    Some(format!(
        "no section and no key has \"{word}\" in its name; there are {}",
        titles.join(" ")
    ))
}

impl Page {
    fn config(self, view: &ConfigView, args: &ConfigArgs) -> String {
        let mut text = self.field("file", &view.file);
        text.push_str(&self.field("read", &moment(view.loaded, self.now)));
        text.push_str(&self.on_disk(view));
        for section in &view.sections {
            let keys = meant(section, args);
            if !keys.is_empty() {
                text.push_str(&self.section(section, &keys));
            }
        }
        text
    }

    fn on_disk(self, view: &ConfigView) -> String {
        let (tone, told) = match view.disk.state {
            ConfigState::Same => (Tone::Good, "the file is what runs"),
            ConfigState::Changed => (
                Tone::Waiting,
                "changed since, and not reloaded: tideover reload takes it over",
            ),
            ConfigState::Restart => (
                Tone::Bad,
                "changed since, and a reload refuses it: this needs a restart",
            ),
            ConfigState::Refused => (Tone::Bad, "changed since, and a reload refuses it"),
        };
        let mut text = self.field("on disk", told);
        if self.palette != crate::terminal::Palette::Plain {
            text = text.replace(told, &self.palette.paint(tone, told));
        }
        if view.disk.directory {
            let told = "directory.file is another than the one that was read: tideover reload \
                        reads it again";
            text.push_str(&self.field("", told));
        }
        for problem in &view.disk.problems {
            text.push_str(&self.field("", problem));
        }
        for change in &view.disk.changes {
            let (runs, says) = (change.runs.as_deref(), change.says.as_deref());
            let told = match (runs, says) {
                (Some(runs), Some(says)) => format!("{runs} runs, the file says {says}"),
                (Some(runs), None) => format!("{runs} runs, it is not in the file any more"),
                (None, says) => format!("is new: {}", says.unwrap_or_default()),
            };
            let line = change.line.map(|line| format!(" (line {line})"));
            let told = format!(
                "{} {}: {told}{}",
                change.section,
                change.key,
                line.unwrap_or_default()
            );
            text.push_str(&self.field("", &told));
        }
        text
    }

    fn section(self, section: &ConfigSection, keys: &[&ConfigKey]) -> String {
        let title = self.palette.paint(Tone::Strong, &visible(&section.title));
        let from = match section.line {
            Some(line) => format!("line {line}"),
            None => "not in the file".to_owned(),
        };
        let pad = VALUE.saturating_sub(section.title.chars().count());
        let from = self.palette.paint(Tone::Quiet, &format!("# {from}"));
        let mut text = format!("\n{title}{:pad$}  {from}\n", "");
        for key in keys {
            text.push_str(&self.key(key));
        }
        text
    }

    fn key(self, key: &ConfigKey) -> String {
        let (told, from) = match (key.from, key.line) {
            (ConfigOrigin::File, Some(line)) => (
                format!("{} = {}", key.name, key.value),
                format!("line {line}"),
            ),
            (ConfigOrigin::File, None) => {
                (format!("{} = {}", key.name, key.value), "file".to_owned())
            }
            (ConfigOrigin::Default, _) => (
                format!("{} = {}", key.name, key.value),
                "default".to_owned(),
            ),
            (ConfigOrigin::Words, _) => (format!("# {}", key.name), key.value.clone()),
            (ConfigOrigin::Unset, _) => (format!("# {}", key.name), "not set".to_owned()),
        };
        let told = visible(&told);
        let wide = columns(&told);
        // One that reaches into where it comes from has that below.
        let (gap, pad) = if wide + columns(&from) + 4 > WIDTH {
            ("\n", VALUE)
        } else {
            ("", VALUE.saturating_sub(wide))
        };
        let told = match key.from {
            ConfigOrigin::File => told,
            ConfigOrigin::Default | ConfigOrigin::Words | ConfigOrigin::Unset => {
                self.palette.paint(Tone::Quiet, &told)
            }
        };
        let from = self.palette.paint(Tone::Quiet, &format!("# {from}"));
        format!("{told}{gap}{:pad$}  {from}\n", "")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::base::Timestamp;
    use crate::terminal::Palette;

    fn view(disk: &serde_json::Value) -> ConfigView {
        let key = |name: &str, value: &str, from: &str, line: Option<usize>| {
            let (name, value) = (json!(name), json!(value));
            json!({ "name": name, "value": value, "from": from, "line": line, "meaning": "x" })
        };
        serde_json::from_value(json!({
            "file": "/etc/tideover/tideover.toml", "loaded": "2026-03-02T02:51:00Z", "disk": disk,
            "sections": [
                { "title": "[spool]", "line": null, "keys": [
                    key("retain", "\"30d\"", "default", None), key("uuid", "", "unset", None)] },
                { "title": "[backend.onprem]", "line": 7, "keys": [
                    key("tls", "\"required\"", "file", Some(9)),
                    key("auth", "the best offered", "words", None)] },
            ],
        }))
        .unwrap()
    }

    fn said(view: &ConfigView, args: &ConfigArgs) -> String {
        let page = Page {
            palette: Palette::Plain,
            now: Timestamp::EPOCH,
        };
        page.config(view, args)
    }

    #[test]
    fn what_runs_is_written_as_toml_with_its_lines() {
        let running = view(&json!({ "state": "same", "problems": [], "changes": [] }));
        let text = said(&running, &ConfigArgs::default());
        assert!(text.contains("the file is what runs"), "{text}");
        assert!(text.contains("\n[spool]"), "{text}");
        assert!(text.contains("# not in the file"), "{text}");
        let lines: Vec<String> = text
            .lines()
            .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
            .collect();
        for line in [
            "retain = \"30d\" # default",
            "# uuid # not set",
            "[backend.onprem] # line 7",
            "tls = \"required\" # line 9",
            "# auth # the best offered",
        ] {
            assert!(lines.iter().any(|one| one == line), "{line} in {text}");
        }
        assert!(
            text.lines().all(|line| line.chars().count() <= 80),
            "{text}"
        );
        let part = said(
            &running,
            &ConfigArgs {
                word: Some("ONPREM".to_owned()),
                set: true,
            },
        );
        assert!(part.contains("required"), "{part}");
        assert!(!part.contains("retain") && !part.contains("auth"), "{part}");
        let args = |word: &str, set| ConfigArgs {
            word: Some(word.to_owned()),
            set,
        };
        let told = nothing(&running, &args("moon", false)).unwrap();
        assert!(told.contains("no key has \"moon\""), "{told}");
        assert!(
            told.contains("[spool]") && told.contains("[backend."),
            "{told}"
        );
        assert_eq!(nothing(&running, &args("spool", false)), None);
        assert_eq!(nothing(&running, &ConfigArgs::default()), None);
        let unset = nothing(&running, &args("auth", true)).unwrap();
        assert!(unset.contains("without --set"), "{unset}");
    }

    /// Where a long value comes from stands below it, in its column.
    #[test]
    fn a_long_value_keeps_within_the_page() {
        let disk = json!({ "state": "same", "problems": [], "changes": [] });
        let mut running = view(&disk);
        running.sections[1].keys[0].value = format!("\"{}\"", "x".repeat(70));
        let text = said(&running, &ConfigArgs::default());
        assert!(text.lines().all(|line| columns(line) <= WIDTH), "{text}");
        let place = |mark: &str| text.lines().find_map(|line| line.find(mark)).unwrap();
        assert_eq!(place("# line 9"), place("# default"), "{text}");
    }

    #[test]
    fn what_a_reload_would_do_is_said() {
        let changes = json!([
            { "section": "[spool]", "key": "retain", "line": 4,
              "runs": "\"30d\"", "says": "\"60d\"" },
            { "section": "[backend.cloud]", "key": "mx", "line": 8,
              "runs": null, "says": "\"c.example\"" },
            { "section": "[web]", "key": "bind", "line": null,
              "runs": "\"[::1]:80\"", "says": null },
        ]);
        let restart = view(&json!({
            "state": "restart", "problems": ["tideover.toml: [spool] cannot change"],
            "changes": changes,
        }));
        let text = said(&restart, &ConfigArgs::default());
        for told in [
            "this needs a restart",
            "[spool] cannot change",
            "\"30d\" runs, the file says \"60d\" (line 4)",
            "is new: \"c.example\"",
            "is not in the file any more",
        ] {
            let flat = text.split_whitespace().collect::<Vec<_>>().join(" ");
            assert!(flat.contains(told), "{told} in {text}");
        }
    }
}
