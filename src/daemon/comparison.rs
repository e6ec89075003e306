//! What runs beside what the config file says now.

use std::path::Path;

use super::reload::{Reloader, changed_for_good};
use crate::admin::{ConfigOnDisk, ConfigState, ConfigView};
use crate::base::read_regular;
use crate::config::{self, Config, Problems};
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
            let people = config.directory.file.as_deref();
            ConfigView {
                file: file.display().to_string(),
                loaded,
                disk: ConfigOnDisk {
                    // What cannot be read is said by a reload.
                    directory: people.is_some_and(|file| generations.is_news(file).unwrap_or(true)),
                    ..on_disk(&config, &salt)
                },
                sections: config.listing.sections,
            }
        };
        self.reading.off(read).await
    }
}

fn on_disk(runs: &Config, salt: &[u8]) -> ConfigOnDisk {
    let text = read_regular(&runs.file, limits::CONFIG_FILE);
    let text = text.ok().and_then(|bytes| String::from_utf8(bytes).ok());
    if text.is_some_and(|text| runs.listing.is_of(&text)) {
        return ConfigOnDisk {
            state: ConfigState::Same,
            problems: Vec::new(),
            changes: Vec::new(),
            mark: Some(runs.listing.mark(salt)),
            directory: false,
        };
    }
    let refused = |problems: Problems| -> Vec<String> {
        problems.0.iter().map(ToString::to_string).collect()
    };
    let new = match config::load(&runs.file) {
        Ok(new) => new,
        Err(problems) => {
            return ConfigOnDisk {
                state: ConfigState::Refused,
                problems: refused(problems),
                changes: Vec::new(),
                mark: None,
                directory: false,
            };
        }
    };
    let changes = runs.listing.changes(&new.listing);
    if let Err(problems) = new.read_directory() {
        return ConfigOnDisk {
            state: ConfigState::Refused,
            problems: refused(problems),
            changes,
            mark: None,
            directory: false,
        };
    }
    let fixed = changed_for_good(runs, &new);
    let (state, problems) = if fixed.is_empty() {
        (ConfigState::Changed, Vec::new())
    } else {
        (
            ConfigState::Restart,
            vec![needs_restart(&runs.file, &fixed)],
        )
    };
    ConfigOnDisk {
        state,
        problems,
        changes,
        directory: false,
        mark: fixed.is_empty().then(|| new.listing.mark(salt)),
    }
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
        assert_eq!(on_disk(&runs, b"salt").state, ConfigState::Same);
        let after = |text: &str| {
            std::fs::write(&file, text).unwrap();
            let disk = on_disk(&runs, b"salt");
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
        let gone = on_disk(&runs, b"salt");
        assert_eq!(gone.state, ConfigState::Refused);
        assert!(gone.problems[0].contains("cannot be read"), "{gone:?}");
    }
}
