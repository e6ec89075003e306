//! `key …`: private keys with which our domains sign, as files in `data_dir`. The server that
//! runs changes them, and signs with them from the next reload on.

use std::path::{Path, PathBuf};

use clap::Subcommand;
use serde::Serialize;

use super::home::At;
use super::intent::{Format, Request, escape};
use super::teller::Teller;
use super::{Exit, Failure, home, print};
use crate::admin::{KeyQuery, KeyView};
use crate::auth::{KeyFolder, KeyState, SigningKey};
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
    /// Sign no more with it from the next reload on; its record stays published as `key show` says
    Retire {
        /// Its domain
        domain: String,
        /// Its selector
        selector: String,
    },
}

/// Does what a verb says. What changes something is asked of the server that runs, so that it
/// stands in the audit log; what only shows is read from the files.
pub(super) async fn perform(at: At<'_>, verb: &KeyVerb, format: Format) -> Result<(), Failure> {
    match verb {
        KeyVerb::List => list(&folder(at)?, format),
        KeyVerb::Show { domain, selector } => {
            let (state, key) = one(&folder(at)?, domain, selector)?;
            tell(&KeyView::new(state, &key), format)
        }
        KeyVerb::Make {
            domain,
            selector,
            rsa: Some(file),
        } => bring((at, format), (domain, selector), file).await,
        KeyVerb::Make {
            domain, selector, ..
        } => ask((at, format), (domain, selector), "/api/keys").await,
        KeyVerb::Use { domain, selector } => {
            ask((at, format), (domain, selector), "/api/keys/use").await
        }
        KeyVerb::Retire { domain, selector } => {
            ask((at, format), (domain, selector), "/api/keys/retire").await
        }
    }
}

/// Has the server do it.
async fn ask(
    (at, format): (At<'_>, Format),
    (domain, selector): (&str, &str),
    path: &str,
) -> Result<(), Failure> {
    let teller = Teller::new(at, (format, String::new()))?;
    let query = KeyQuery {
        domain: domain.to_owned(),
        selector: selector.to_owned(),
    };
    let answer = teller.client.ask(Request::post(path, &query)).await?;
    teller.print(&answer, |_, key: &KeyView| told(key))
}

/// Has the server take the key of a file, over the unix socket of this machine.
async fn bring(
    (at, format): (At<'_>, Format),
    (domain, selector): (&str, &str),
    file: &Path,
) -> Result<(), Failure> {
    let teller = Teller::new(at, (format, String::new()))?;
    let unread = |error| Failure::new(Exit::Failed, format!("{}: {error}", file.display()));
    let pem = std::fs::read(file).map_err(unread)?;
    let (domain, selector) = (escape(domain), escape(selector));
    let path = format!("/api/keys/rsa?domain={domain}&selector={selector}");
    let answer = teller.client.upload(path, pem).await?;
    teller.print(&answer, |_, key: &KeyView| told(key))
}

fn folder(at: At<'_>) -> Result<KeyFolder, Failure> {
    let (data_dir, _) = home::data_dir(at.file)?;
    Ok(KeyFolder::of(&data_dir))
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

fn tell(key: &KeyView, format: Format) -> Result<(), Failure> {
    match format {
        Format::Json => print_json(key),
        Format::Text => print(&told(key)),
    }
}

/// Its record, and what to do next.
fn told(key: &KeyView) -> String {
    let is = |state: KeyState| key.state == state.as_str();
    let next = if is(KeyState::Waiting) {
        "publish it; then `tideover key use DOMAIN SELECTOR` and `tideover reload`"
    } else if is(KeyState::Signing) {
        "it signs from the next `tideover reload` on"
    } else {
        "it signs no more from the next `tideover reload` on; take the record out of the DNS when \
         a week has gone by, or, if it is the one of auth.seal, when nothing is kept any more that \
         it sealed (spool.retain): mail that was held or is replayed has that seal"
    };
    let (name, record) = (visible(&key.name), visible(&key.record));
    format!("{name}  TXT  \"{record}\"\n\n{next}\n")
}

fn print_json(value: &impl Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(value);
    let text = text.map_err(|error| Failure::new(Exit::Failed, error.to_string()))?;
    print(&format!("{text}\n"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::new_ed25519;
    use crate::base::Entropy;

    #[test]
    fn only_the_public_half_is_shown() {
        let data_dir = tempfile::tempdir().unwrap();
        let folder = KeyFolder::of(data_dir.path());
        let pem = new_ed25519(&Entropy::system());
        folder.add(("example.org", "s1"), &pem).unwrap();
        let of = ("example.org", "s1");
        folder.change(of, KeyState::Signing).unwrap();
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
