//! The keys of `[limits]` about what there is to do, and for whom places are kept.

use std::net::SocketAddr;
use std::time::Duration;

use super::Config;
use super::reader::Section;
use super::sections::set;
use super::units::{duration, size};
use crate::backend::Hosts;
use crate::inbound::Bounds;
use crate::net::Network;

/// The least memory with which a message comes in.
const LEAST: u64 = 8 * 1024 * 1024;
/// The longest that a sender waits for the reply to his message (RFC 5321 §4.5.3.2.6).
const LONGEST: Duration = Duration::from_secs(600);

/// `[limits]`, as far as it is about this.
pub(super) fn load(section: &Section<'_>, bounds: &mut Bounds) {
    let wait = section.text("commit_wait", |text| match duration(text)? {
        wait if wait < Duration::from_millis(100) || wait > LONGEST => {
            Err(format!("\"{text}\" is not possible, expected 100ms to 10m"))
        }
        wait => Ok(wait),
    });
    set(&mut bounds.commit_wait, wait);
    let memory = section.text("memory", |text| match size(text)? {
        small @ ..LEAST => Err(format!("{small} bytes are too few, expected 8MiB or more")),
        large => Ok(large),
    });
    set(&mut bounds.memory, memory);
    if let Some(kept) = section.number("reserved_connections", 0, 100_000) {
        bounds.reserved_connections = usize::try_from(kept.value).unwrap_or_default();
    }
    let tarpit = section.text("tarpit", |text| match duration(text)? {
        // RFC 5321 §4.5.3.2: a client waits five minutes for a reply.
        long if long > Duration::from_secs(60) => {
            Err(format!("\"{text}\" is too long, expected 60s or less"))
        }
        most => Ok(most),
    });
    set(&mut bounds.tarpit, tarpit);
    if let Some(after) = section.number("tarpit_after", 0, 10_000) {
        bounds.tarpit_after = usize::try_from(after.value).unwrap_or_default();
    }
    if let Some(most) = section.number("tarpit_connections", 0, 100_000) {
        bounds.tarpit_connections = usize::try_from(most.value).unwrap_or_default();
    }
    let named = section.texts("reserved_for", |text| {
        let network: Network = text
            .parse()
            .map_err(|error| format!("\"{text}\": {error}"))?;
        if network.is_everything() {
            return Err(format!(
                "\"{text}\" is everybody, expected networks of your own"
            ));
        }
        Ok(network)
    });
    let named = named.map(|at| at.value).unwrap_or_default();
    bounds.reserved_for = named.into_iter().map(|at| at.value).collect();
}

impl Config {
    /// The bounds of the listeners; their places are kept for the platforms, too, as far as the
    /// file has their addresses.
    #[must_use]
    pub fn bounds(&self) -> Bounds {
        let mut bounds = self.limits.clone();
        for backend in &self.backends {
            let Hosts::List(hosts) = &backend.options.hosts else {
                continue;
            };
            let addresses = hosts
                .iter()
                .filter_map(|host| host.parse::<SocketAddr>().ok());
            let networks = addresses.map(|host| host.ip().to_string().parse::<Network>());
            bounds.reserved_for.extend(networks.flatten());
        }
        bounds
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::load as load_config;

    fn read(keys: &str) -> Result<Bounds, String> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("tideover.toml");
        let text = format!(
            "[server]\nhostname = \"mx.example.org\"\n[[listener]]\nbind = \"127.0.0.1:2525\"\n\
             [backend.a]\nhosts = [\"192.0.2.1:25\", \"[2001:db8::1]:25\", \"mail.example:25\"]\n\
             [domain.\"example.org\"]\nhome = \"a\"\n[limits]\n{keys}\n"
        );
        std::fs::write(&file, text).unwrap();
        let config = load_config(&file).map_err(|problems| problems.to_string())?;
        Ok(config.bounds())
    }

    #[test]
    fn platforms_and_who_is_named_have_places() {
        let bounds = read("reserved_for = [\"198.51.100.0/24\"]").unwrap();
        let expected = ["198.51.100.0/24", "192.0.2.1", "2001:db8::1"];
        let expected: Vec<Network> = expected.iter().map(|it| it.parse().unwrap()).collect();
        assert_eq!(bounds.reserved_for, expected);
        assert_eq!(bounds.commit_wait, Bounds::default().commit_wait);
    }

    #[test]
    fn nobody_is_everybody_and_nothing_is_too_small() {
        for (keys, what) in [
            ("reserved_for = [\"0.0.0.0/0\"]", "is everybody"),
            ("reserved_for = [\"here\"]", "not a network"),
            ("memory = \"1MiB\"", "expected 8MiB or more"),
            ("commit_wait = \"0s\"", "expected 100ms to 10m"),
            ("commit_wait = \"1h\"", "expected 100ms to 10m"),
            ("tarpit = \"2m\"", "expected 60s or less"),
        ] {
            let told = read(keys).unwrap_err();
            assert!(told.contains(what), "{keys}: {told}");
        }
        let bounds = read("memory = \"8MiB\"\ncommit_wait = \"2s\"\nreserved_connections = 0");
        let bounds = bounds.unwrap();
        assert_eq!((bounds.memory, bounds.reserved_connections), (LEAST, 0));
        assert_eq!(bounds.commit_wait, Duration::from_secs(2));
    }
}
