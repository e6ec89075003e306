//! `[directory]`: where people come from, and by which rules.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use super::platforms::Backend;
use super::reader::{At, Section};
use super::sections::{non_empty, not_one_of, set};
use super::units::duration;
use super::{DirectoryConfig, ldap_keys};
use crate::directory::{FILE, JoinBy, Normalise, Rules};
use crate::smtp::Domain;

/// `[directory]` as far as it can be read.
pub(super) struct DirectoryKeys {
    pub(super) file: Option<At<PathBuf>>,
    pub(super) sync: Duration,
    pub(super) max_delete_percent: u32,
    pub(super) rules: Rules,
    pub(super) expand_groups: Option<Duration>,
    pub(super) ldap: ldap_keys::Sources,
}

impl DirectoryKeys {
    pub(super) fn config(self) -> DirectoryConfig {
        DirectoryConfig {
            file: self.file.map(|at| at.value),
            sync: self.sync,
            max_delete_percent: self.max_delete_percent,
            rules: self.rules,
            expand_groups: self.expand_groups,
            ldap: self.ldap.sources,
        }
    }
}

pub(super) fn directory(root: &Section<'_>, backends: &[Backend]) -> DirectoryKeys {
    let mut keys = DirectoryKeys {
        file: None,
        sync: Duration::from_secs(15 * 60),
        max_delete_percent: 5,
        rules: Rules {
            order: vec![FILE.to_owned()],
            ..Rules::default()
        },
        expand_groups: None,
        ldap: ldap_keys::Sources::default(),
    };
    if let Some(section) = root.section("directory") {
        let path = |text: &str| non_empty(text).map(|text| section.source.path(text));
        keys.file = section.text("file", path);
        set(&mut keys.sync, section.text("sync", interval));
        let percent = section.number("max_delete_percent", 0, 100);
        set(&mut keys.max_delete_percent, percent);
        rules(&section, &mut keys.rules);
        let expand = section.text("expand_groups", or_never);
        set(&mut keys.expand_groups, expand);
        keys.ldap = ldap_keys::sources(&section, backends);
        section.finish();
    }
    keys
}

fn interval(text: &str) -> Result<Duration, String> {
    let interval = duration(text)?;
    if interval < Duration::from_secs(1) {
        return Err(format!("\"{text}\" is too short, expected 1s or more"));
    }
    Ok(interval)
}

fn or_never(text: &str) -> Result<Option<Duration>, String> {
    match text {
        "never" => Ok(None),
        text => duration(text).map(Some),
    }
}

fn rules(section: &Section<'_>, rules: &mut Rules) {
    set(&mut rules.grace, section.text("grace", duration));
    let separator = section.text("tag_separator", |text| {
        let mut letters = text.chars();
        match (letters.next(), letters.next()) {
            (None, _) => Ok(None),
            (Some(one @ ('%' | '!')), None) => Err(format!(
                "\"{one}\" names a way to somewhere else, expected another sign, such as \"+\""
            )),
            (Some(one), None) if one.is_ascii_punctuation() && one != '@' && one != '"' => {
                Ok(Some(one))
            }
            _ => Err(format!(
                "\"{text}\" is no separator, expected one sign such as \"+\", or \"\" for none"
            )),
        }
    });
    set(&mut rules.tag_separator, separator);
    set(&mut rules.exact_case, domains(section, "exact_case"));
    set(&mut rules.international, domains(section, "international"));
    let normalise = section.text("normalise", |text| match text {
        "off" => Ok(Normalise::Off),
        "report" => Ok(Normalise::Report),
        "apply" => Ok(Normalise::Apply),
        _ => Err(not_one_of(text, "off, report, apply")),
    });
    set(&mut rules.normalise, normalise);
    let name = |text: &str| non_empty(text).map(str::to_owned);
    if let Some(order) = section.texts("order", name) {
        rules.order = order.value.into_iter().map(|at| at.value).collect();
    }
    if let Some(adding) = section.texts("adding", name) {
        rules.adding = adding.value.into_iter().map(|at| at.value).collect();
    }
    let by = section.texts("join", |text| {
        let found = JoinBy::ALL.into_iter().find(|by| by.as_str() == text);
        found.ok_or_else(|| not_one_of(text, "address, x500, delivery-address"))
    });
    if let Some(by) = by {
        rules.join = by.value.into_iter().map(|at| at.value).collect();
    }
}

/// A list of domains, by the names under which they are looked up.
fn domains(section: &Section<'_>, key: &'static str) -> Option<At<BTreeSet<String>>> {
    let domains = section.texts(key, |text| {
        let domain = text.parse::<Domain>().map(|domain| domain.key());
        domain.map_err(|_| format!("\"{text}\" is no domain, expected for example example.org"))
    })?;
    Some(At {
        line: domains.line,
        key: domains.key,
        value: domains.value.into_iter().map(|at| at.value).collect(),
    })
}

#[cfg(test)]
mod tests {
    use crate::config::load;
    use crate::directory::Rules;

    fn read(keys: &str) -> Result<Rules, String> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("tideover.toml");
        let text = format!(
            "[server]\nhostname = \"mx.example.org\"\n[[listener]]\nbind = \"127.0.0.1:2525\"\n\
             [backend.a]\nhosts = [\"192.0.2.1:25\"]\n[domain.\"example.org\"]\nhome = \"a\"\n\
             [directory]\n{keys}\n"
        );
        std::fs::write(&file, text).unwrap();
        let config = load(&file).map_err(|problems| problems.to_string())?;
        Ok(config.directory.rules)
    }

    #[test]
    fn a_separator_is_one_sign_that_names_no_way() {
        for (text, expected) in [("+", Some('+')), ("-", Some('-')), ("", None)] {
            let rules = read(&format!("tag_separator = \"{text}\"")).unwrap();
            assert_eq!(rules.tag_separator, expected);
        }
        for (text, expected) in [
            ("%", "names a way to somewhere else"),
            ("!", "names a way to somewhere else"),
            ("@", "is no separator"),
            ("++", "is no separator"),
            ("a", "is no separator"),
        ] {
            let told = read(&format!("tag_separator = \"{text}\"")).unwrap_err();
            assert!(told.contains(expected), "{text}: {told}");
        }
    }
}
