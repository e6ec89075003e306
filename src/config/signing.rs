//! The keys in `data_dir`, for `check`: what it promises to sign must be possible.

use super::{Config, Problem};
use crate::auth::{KeyFolder, KeyState};

/// Keys that cannot be read; a seal, and reports on TLS, for which there is none.
pub(super) fn unsigned(config: &Config) -> Vec<Problem> {
    let (keys, unreadable) = KeyFolder::of(&config.server.data_dir).survey();
    let problem = |key: &str, what: String| Problem {
        file: config.file.clone(),
        line: 0,
        key: key.to_owned(),
        what,
    };
    let mut problems: Vec<Problem> = unreadable
        .iter()
        .map(|error| problem("server.data_dir", format!("a key: {error}")))
        .collect();
    let seals = |domain: &str| {
        let mut keys = keys.iter();
        keys.any(|(state, key)| *state == KeyState::Signing && key.is_rsa() && key.domain == domain)
    };
    if let Some(domain) = config.auth.seal.as_deref().filter(|domain| !seals(domain)) {
        problems.push(problem(
            "auth.seal",
            format!(
                "no RSA key signs for {domain}, so nothing is sealed, expected one: \
                 `tideover key make {domain} SELECTOR --rsa FILE`, publish its record, \
                 `tideover key use {domain} SELECTOR`"
            ),
        ));
    }
    // A key of a domain above signs, too.
    let above = |domain: &str| {
        let mut keys = keys.iter();
        keys.any(|(state, key)| {
            *state == KeyState::Signing && crate::auth::is_within(domain, &key.domain)
        })
    };
    let from = config.tlsrpt.as_ref().map(|it| it.from.domain().key());
    if let Some(domain) = from.filter(|domain| !above(domain)) {
        problems.push(problem(
            "tlsrpt.from",
            format!(
                "no key signs for {domain}, so no report leaves as a mail, expected one: \
                 `tideover key make {domain} SELECTOR`, publish its record, \
                 `tideover key use {domain} SELECTOR`"
            ),
        ));
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::new_ed25519;
    use crate::base::Entropy;

    #[test]
    fn a_seal_needs_a_key_that_signs_and_can_be_read() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("tideover.toml");
        let text = "[server]\nhostname = \"mx.example.org\"\ndata_dir = \"data\"\n\
                    [[listener]]\nbind = \"127.0.0.1:2525\"\n\
                    [backend.one]\nhosts = [\"127.0.0.1:2601\"]\n\
                    [domain.\"example.org\"]\nhome = \"one\"\nunknown = \"relay\"\n\
                    [auth]\nseal = \"Example.ORG\"\n";
        std::fs::write(&file, text).unwrap();
        let told = || match crate::config::check(&file) {
            Ok(_) => String::new(),
            Err(problems) => problems.to_string(),
        };
        let keys = KeyFolder::of(&folder.path().join("data"));
        let name = ("example.org", "s1");
        assert!(told().contains("auth.seal: no RSA key signs for example.org"));
        let rsa = include_str!("../auth/rsa2048.pem");
        keys.add(name, rsa).unwrap();
        assert!(
            told().contains("no RSA key signs"),
            "it waits to be published"
        );
        keys.change(name, KeyState::Signing).unwrap();
        assert_eq!(told(), "");
        // Few receivers know the seals of others.
        keys.change(name, KeyState::Retired).unwrap();
        let edwards = ("example.org", "e1");
        keys.add(edwards, &new_ed25519(&Entropy::system())).unwrap();
        keys.change(edwards, KeyState::Signing).unwrap();
        assert!(told().contains("no RSA key signs"));
        std::fs::write(folder.path().join("data/keys/example.org/s2.pem"), "ham").unwrap();
        let told = told();
        assert!(
            told.contains("the key s2 of example.org is no private key"),
            "{told}"
        );
    }
}
