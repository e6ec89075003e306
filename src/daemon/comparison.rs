//! What runs beside what the config file says now.

use std::path::Path;

use super::reload::{Reloader, changed_for_good};
use crate::admin::{ConfigOnDisk, ConfigState, ConfigView};
use crate::base::read_regular;
use crate::config::{self, Config, Problems};
use crate::directory::digest_of;
use crate::limits;

impl Reloader {
    /// What runs, and what a reload would do with the file as it is now.
    pub(super) async fn compared(&self) -> Result<ConfigView, String> {
        let (config, loaded) = {
            let current = self.current();
            (current.config.clone(), current.loaded)
        };
        let (salt, generations) = (self.salt, self.generations());
        let read = move || {
            let file = std::path::absolute(&config.file);
            let file = file.as_deref().unwrap_or(&config.file);
            // What cannot be read is said by a reload.
            let is_news = |digest: Option<&str>| {
                digest.is_none_or(|digest| generations.is_news(digest).unwrap_or(true))
            };
            ConfigView {
                file: file.display().to_string(),
                loaded,
                disk: on_disk(&config, &salt, is_news),
                sections: config.listing.sections,
            }
        };
        self.reading.off(read).await
    }
}

/// `is_news` judges the digest of `directory.file`; none when that cannot be read.
fn on_disk(runs: &Config, salt: &[u8], is_news: impl FnOnce(Option<&str>) -> bool) -> ConfigOnDisk {
    let text = read_regular(&runs.file, limits::CONFIG_FILE);
    let text = text.ok().and_then(|bytes| String::from_utf8(bytes).ok());
    if text.is_some_and(|text| runs.listing.is_of(&text)) {
        let seen = Seen::of(runs);
        return ConfigOnDisk {
            mark: Some(seen.mark(runs, salt)),
            directory: seen.has_news(is_news),
            ..only(ConfigState::Same)
        };
    }
    let refused = |problems: Problems| ConfigOnDisk {
        problems: problems.0.iter().map(ToString::to_string).collect(),
        ..only(ConfigState::Refused)
    };
    let new = match config::load(&runs.file) {
        Ok(new) => new,
        Err(problems) => return refused(problems),
    };
    let changes = runs.listing.changes(&new.listing);
    let seen = Seen::of(&new);
    if let Err(problems) = new.read_directory() {
        return ConfigOnDisk {
            changes,
            ..refused(problems)
        };
    }
    let fixed = changed_for_good(runs, &new);
    if !fixed.is_empty() {
        return ConfigOnDisk {
            problems: vec![needs_restart(&runs.file, &fixed)],
            changes,
            ..only(ConfigState::Restart)
        };
    }
    ConfigOnDisk {
        changes,
        mark: Some(seen.mark(&new, salt)),
        directory: seen.has_news(is_news),
        ..only(ConfigState::Changed)
    }
}

/// Nothing is known but what a reload would do.
const fn only(state: ConfigState) -> ConfigOnDisk {
    ConfigOnDisk {
        state,
        problems: Vec::new(),
        changes: Vec::new(),
        directory: false,
        mark: None,
    }
}

/// What stands in `directory.file` of a config.
#[derive(Debug, PartialEq, Eq)]
enum Seen {
    /// It has none.
    None,
    Unreadable,
    Digest(String),
}

impl Seen {
    fn of(config: &Config) -> Self {
        match config.directory.file.as_deref().map(digest_of) {
            None => Self::None,
            Some(Err(_)) => Self::Unreadable,
            Some(Ok(digest)) => Self::Digest(digest),
        }
    }

    fn has_news(&self, is_news: impl FnOnce(Option<&str>) -> bool) -> bool {
        match self {
            Self::None => false,
            Self::Unreadable => is_news(None),
            Self::Digest(digest) => is_news(Some(digest)),
        }
    }

    /// Names both files to somebody who may not know what is in them.
    fn mark(&self, config: &Config, salt: &[u8]) -> String {
        let people = match self {
            Self::None => "none",
            Self::Unreadable => "unreadable",
            Self::Digest(digest) => digest,
        };
        config.listing.mark(&[salt, people.as_bytes()].concat())
    }
}

/// Names the config file and `directory.file`, as they are on the disk now. Blocks.
pub(super) fn mark(config: &Config, salt: &[u8]) -> String {
    Seen::of(config).mark(config, salt)
}

/// Why a reload does not take these sections over.
pub(super) fn needs_restart(file: &Path, sections: &[&str]) -> String {
    format!(
        "{}: {} cannot change while the server runs: restart it, or change it back",
        file.display(),
        sections.join(", ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "[server]\nhostname = \"mx.example.org\"\n[[listener]]\n\
                        bind = \"127.0.0.1:2525\"\n[backend.a]\nhosts = [\"127.0.0.1:2601\"]\n\
                        [domain.\"example.org\"]\nhome = \"a\"\nunknown = \"relay\"\n";

    #[test]
    fn what_a_reload_would_do_is_known_before() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("tideover.toml");
        std::fs::write(&file, TEXT).unwrap();
        let runs = config::load(&file).unwrap();
        assert_eq!(on_disk(&runs, b"salt", |_| false).state, ConfigState::Same);
        let after = |text: &str| {
            std::fs::write(&file, text).unwrap();
            let disk = on_disk(&runs, b"salt", |_| false);
            let keys = disk.changes.iter().map(|one| one.key.clone());
            (
                disk.state,
                keys.collect::<Vec<_>>(),
                disk.problems.join("\n"),
            )
        };
        let comment = after(&format!("# by ann\n{TEXT}"));
        assert_eq!(comment, (ConfigState::Changed, Vec::new(), String::new()));
        let limit = TEXT.replace("[domain", "max_connections = 3\n[domain");
        let (state, keys, problems) = after(&limit);
        assert_eq!(state, ConfigState::Changed, "{problems}");
        assert_eq!(keys, ["max_connections"]);
        let (state, keys, problems) = after(&TEXT.replace("2525", "2526"));
        assert_eq!(
            (state, keys),
            (ConfigState::Restart, vec!["bind".to_owned()])
        );
        assert!(
            problems.contains("[[listener]] cannot change"),
            "{problems}"
        );
        let (state, _, problems) = after(&TEXT.replace("hosts", "host"));
        assert_eq!(state, ConfigState::Refused);
        assert!(
            problems.contains("tideover.toml:6: backend.a.host: unknown"),
            "{problems}"
        );
        let people = format!("{TEXT}[directory]\nfile = \"people.csv\"\n");
        std::fs::write(folder.path().join("people.csv"), "address\nann\n").unwrap();
        let (state, keys, problems) = after(&people);
        assert_eq!(
            (state, keys),
            (ConfigState::Refused, vec!["file".to_owned()])
        );
        assert!(problems.contains("people.csv:2"), "{problems}");
        std::fs::remove_file(&file).unwrap();
        let gone = on_disk(&runs, b"salt", |_| false);
        assert_eq!(gone.state, ConfigState::Refused);
        assert!(gone.problems[0].contains("cannot be read"), "{gone:?}");
    }

    #[test]
    fn the_mark_names_the_directory_too() {
        let folder = tempfile::tempdir().unwrap();
        let (file, people) = (folder.path().join("t.toml"), folder.path().join("p.csv"));
        std::fs::write(&people, "address\nann@example.org\n").unwrap();
        std::fs::write(&file, format!("{TEXT}[directory]\nfile = \"p.csv\"\n")).unwrap();
        let runs = config::load(&file).unwrap();
        let look = || on_disk(&runs, b"salt", |digest| digest.is_some());
        let before = look();
        assert_eq!((before.state, before.directory), (ConfigState::Same, true));
        assert_eq!(before.mark, Some(mark(&runs, b"salt")));
        std::fs::write(&people, "address\nbob@example.org\n").unwrap();
        assert_ne!(look().mark, before.mark);
        // Of a file that a reload refuses, nothing is said of its directory.
        std::fs::write(&file, TEXT.replace("2525", "2526")).unwrap();
        let fixed = look();
        assert_eq!(
            (fixed.state, fixed.directory),
            (ConfigState::Restart, false)
        );
    }
}
