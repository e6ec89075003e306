//! `key …`: private keys with which our domains sign, as files in `data_dir`. The server that runs
//! reads them at a reload.

use std::path::{Path, PathBuf};

use clap::Subcommand;
use serde::Serialize;

use super::intent::Format;
use super::{Exit, Failure, home, print};
use crate::admin::KeyView;
use crate::auth::{KeyFolder, KeyState, SigningKey, new_ed25519};
use crate::base::Entropy;
use crate::terminal::visible;

#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub(crate) enum KeyVerb {
    /// All keys, and which of them sign
    List,
    /// Make an Ed25519 key, or take an RSA key from a file; it waits to be published
    Make {
        /// Whose mail it is to sign, for example example.org
        domain: String,
        /// Name of the key in the DNS, for example s2026
        selector: String,
        /// PEM file with an RSA key: openssl genrsa -out FILE 2048
        #[arg(long, value_name = "FILE")]
        rsa: Option<PathBuf>,
    },
    /// The DNS record of a key
    Show {
        /// Its domain
        domain: String,
        /// Its selector
        selector: String,
    },
    /// Sign with it from the next reload on: when its record is published
    Use {
        /// Its domain
        domain: String,
        /// Its selector
        selector: String,
    },
    /// Sign no more with it from the next reload on; its record stays published for a week
    Retire {
        /// Its domain
        domain: String,
        /// Its selector
        selector: String,
    },
}

/// Does what a verb says.
pub(super) fn perform(
    config: Option<&Path>,
    verb: &KeyVerb,
    format: Format,
) -> Result<(), Failure> {
    let (data_dir, _) = home::data_dir(config)?;
    let failed = |error: String| Failure::new(Exit::Failed, error);
    let folder = KeyFolder::of(&data_dir);
    if !matches!(verb, KeyVerb::List | KeyVerb::Show { .. }) {
        home::assert_owner(&data_dir, "key …")?;
        if !data_dir.is_dir() {
            let text = format!(
                "{} is not there yet: start the server once",
                data_dir.display()
            );
            return Err(failed(text));
        }
    }
    match verb {
        KeyVerb::List => list(&folder, format),
        KeyVerb::Make {
            domain,
            selector,
            rsa,
        } => {
            let pem = match rsa {
                None => new_ed25519(&Entropy::system()),
                Some(file) => std::fs::read_to_string(file)
                    .map_err(|error| failed(format!("{}: {error}", file.display())))?,
            };
            let key = folder.add((domain, selector), &pem);
            let key = key.map_err(|error| failed(error.to_string()))?;
            tell(&(KeyState::Waiting, key), format)
        }
        KeyVerb::Show { domain, selector } => tell(&one(&folder, domain, selector)?, format),
        KeyVerb::Use { domain, selector } => {
            change(&folder, (domain, selector), (KeyState::Signing, format))
        }
        KeyVerb::Retire { domain, selector } => {
            change(&folder, (domain, selector), (KeyState::Retired, format))
        }
    }
}

fn keys(folder: &KeyFolder) -> Result<Vec<(KeyState, SigningKey)>, Failure> {
    let keys = folder.read();
    keys.map_err(|error| Failure::new(Exit::Failed, error.to_string()))
}

fn one(
    folder: &KeyFolder,
    domain: &str,
    selector: &str,
) -> Result<(KeyState, SigningKey), Failure> {
    let is_it = |(_, key): &(KeyState, SigningKey)| {
        key.domain.eq_ignore_ascii_case(domain) && key.selector.eq_ignore_ascii_case(selector)
    };
    keys(folder)?.into_iter().find(is_it).ok_or_else(|| {
        let text = format!("{domain} has no key with the selector {selector}; `key list` has all");
        Failure::new(Exit::Failed, text)
    })
}

fn change(
    folder: &KeyFolder,
    (domain, selector): (&str, &str),
    (to, format): (KeyState, Format),
) -> Result<(), Failure> {
    let changed = folder.change((domain, selector), to);
    changed.map_err(|error| Failure::new(Exit::Failed, error.to_string()))?;
    tell(&one(folder, domain, selector)?, format)
}

fn list(folder: &KeyFolder, format: Format) -> Result<(), Failure> {
    let keys = keys(folder)?;
    if format == Format::Json {
        let views = keys.iter().map(|(state, key)| KeyView::new(*state, key));
        return print_json(&views.collect::<Vec<_>>());
    }
    if keys.is_empty() {
        return print("there are no keys: `tideover key make DOMAIN SELECTOR` makes one\n");
    }
    let lines = keys.iter().map(|(state, key)| {
        let kind = if key.is_rsa() { "rsa" } else { "ed25519" };
        format!(
            "{:<8} {kind:<8} {}\n",
            state.as_str(),
            visible(&key.record_name())
        )
    });
    print(&lines.collect::<String>())
}

fn tell(key: &(KeyState, SigningKey), format: Format) -> Result<(), Failure> {
    if format == Format::Json {
        return print_json(&KeyView::new(key.0, &key.1));
    }
    let (state, key) = key;
    let next = match state {
        KeyState::Waiting => {
            "publish it; then `tideover key use DOMAIN SELECTOR` and `tideover reload`"
        }
        KeyState::Signing => "it signs from the next `tideover reload` on",
        KeyState::Retired => {
            "it signs no more from the next `tideover reload` on; take the record out of the DNS \
             when a week has gone by"
        }
    };
    print(&format!(
        "{}  TXT  \"{}\"\n\n{next}\n",
        key.record_name(),
        key.record()
    ))
}

fn print_json(value: &impl Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(value);
    let text = text.map_err(|error| Failure::new(Exit::Failed, error.to_string()))?;
    print(&format!("{text}\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_public_half_is_shown() {
        let data_dir = tempfile::tempdir().unwrap();
        let folder = KeyFolder::of(data_dir.path());
        let pem = new_ed25519(&Entropy::system());
        folder.add(("example.org", "s1"), &pem).unwrap();
        let to = (KeyState::Signing, Format::Json);
        change(&folder, ("example.org", "s1"), to).unwrap();
        let key = one(&folder, "Example.org", "S1").unwrap();
        let view = serde_json::to_string(&KeyView::new(key.0, &key.1)).unwrap();
        assert!(
            view.contains(r#""state":"signing","algorithm":"ed25519""#),
            "{view}"
        );
        assert!(view.contains("v=DKIM1; k=ed25519; p="), "{view}");
        let secret = pem.lines().nth(1).unwrap();
        assert!(!view.contains(secret));
        assert!(one(&folder, "example.org", "s2").is_err());
    }
}
