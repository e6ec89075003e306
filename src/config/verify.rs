//! What would lose or misroute mail, and what the files on this machine say.

use std::fs::Metadata;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use super::platforms::Backend;
use super::reader::{At, Source};
use crate::base::open_regular;
use crate::route::OutboundRelay;
use crate::smtp::Domain;
use crate::spool::{self, SpoolError};

/// Two listeners on one address: the second one could not start.
pub(super) fn binds(source: &Source<'_>, binds: &[&At<SocketAddr>]) {
    for (place, bind) in binds.iter().enumerate() {
        let clash = binds
            .iter()
            .take(place)
            .find(|other| overlap(bind.value, other.value));
        if let Some(other) = clash {
            let what = format!(
                "{} is taken by {} in line {}, expected another address or port",
                bind.value, other.key, other.line
            );
            source.refuse(bind, what);
        }
    }
}

fn overlap(one: SocketAddr, other: SocketAddr) -> bool {
    // Port 0 is any free port.
    let same_family = one.is_ipv4() == other.is_ipv4();
    let wild = one.ip().is_unspecified() || other.ip().is_unspecified();
    one.port() != 0
        && one.port() == other.port()
        && (one.ip() == other.ip() || (wild && same_family))
}

/// Next hops that are ourselves: mail would go in a circle until it has too many hops.
pub(super) struct Ourselves<'a> {
    pub(super) listeners: Vec<SocketAddr>,
    pub(super) hostname: Option<&'a Domain>,
}

impl Ourselves<'_> {
    pub(super) fn check(
        &self,
        source: &Source<'_>,
        backends: &[Backend],
        relays: &[At<OutboundRelay>],
    ) {
        let what = "is a listener of this server itself: mail would go in a circle, expected \
                    the address of another server";
        for host in backends.iter().flat_map(|backend| &backend.hosts) {
            if self.is(&host.value) {
                source.refuse(host, format!("\"{}\" {what}", host.value));
            }
        }
        for relay in relays {
            if let OutboundRelay::Host(host) = &relay.value
                && self.is(host)
            {
                source.refuse(relay, format!("\"{host}\" {what}"));
            }
        }
    }

    fn is(&self, host_and_port: &str) -> bool {
        let Some((host, port)) = host_and_port.rsplit_once(':') else {
            return false;
        };
        let Ok(port) = port.parse::<u16>() else {
            return false;
        };
        let mut listeners = self.listeners.iter().filter(|bind| bind.port() == port);
        if host.eq_ignore_ascii_case("localhost") {
            return listeners.any(|bind| bind.ip().is_loopback() || bind.ip().is_unspecified());
        }
        let address = host.trim_start_matches('[').trim_end_matches(']');
        if let Ok(address) = address.parse::<IpAddr>() {
            return listeners.any(|bind| {
                bind.ip() == address || (bind.ip().is_unspecified() && address.is_loopback())
            });
        }
        let ours = self.hostname.map(Domain::key);
        ours.is_some_and(|ours| ours.eq_ignore_ascii_case(host)) && listeners.next().is_some()
    }
}

/// The file exists and we may read it.
pub(super) fn readable(source: &Source<'_>, file: &At<PathBuf>) -> bool {
    let found = open_regular(&file.value).and_then(|open| open.metadata());
    is_file(source, file, found)
}

/// It is a file; who may read it does not matter.
pub(super) fn is_there(source: &Source<'_>, file: &At<PathBuf>) -> bool {
    is_file(source, file, file.value.metadata())
}

fn is_file(source: &Source<'_>, file: &At<PathBuf>, found: io::Result<Metadata>) -> bool {
    let path = file.value.display();
    match found {
        Ok(metadata) if metadata.is_file() => return true,
        Ok(_) => source.refuse(file, format!("{path} is no file")),
        Err(error) => source.refuse(file, format!("{path} cannot be read: {error}")),
    }
    false
}

/// The folder exists and we may write there, or we may make it.
pub(super) fn writable(source: &Source<'_>, folder: &At<PathBuf>) {
    let absolute = std::path::absolute(&folder.value);
    let path = absolute.as_deref().unwrap_or(&folder.value);
    let Some(existing) = path.ancestors().find(|ancestor| ancestor.exists()) else {
        return;
    };
    if !existing.is_dir() {
        let what = format!(
            "{} is no folder, expected a folder for the spool",
            existing.display()
        );
        source.refuse(folder, what);
    } else if !may_write(existing) {
        let what = format!(
            "{} cannot be written, expected a folder that this user may write to",
            existing.display()
        );
        source.refuse(folder, what);
    }
}

/// The spool that is named is the one that is there: a lost volume must not look like a fresh
/// start.
pub(super) fn identity(source: &Source<'_>, folder: &Path, uuid: Option<&At<String>>) {
    let Some(uuid) = uuid else { return };
    let options = spool::Options {
        uuid: Some(uuid.value.clone()),
        ..spool::Options::new(folder)
    };
    // What cannot be read is told when it is opened.
    if let Err(
        error @ (SpoolError::Another { .. }
        | SpoolError::NoBig(_)
        | SpoolError::NoLog(_)
        | SpoolError::Foreign { .. }),
    ) = spool::check_identity(&options)
    {
        source.refuse(uuid, error.to_string());
    }
}

fn may_write(folder: &Path) -> bool {
    use rustix::fs::Access;
    rustix::fs::access(folder, Access::WRITE_OK | Access::EXEC_OK).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_itself() {
        let hostname = "mx.example.org".parse().unwrap();
        let ourselves = Ourselves {
            listeners: vec![
                "127.0.0.1:2525".parse().unwrap(),
                "0.0.0.0:25".parse().unwrap(),
            ],
            hostname: Some(&hostname),
        };
        for (host, ours) in [
            ("127.0.0.1:2525", true),
            ("localhost:2525", true),
            ("127.0.0.1:25", true),
            ("[::1]:25", true),
            ("MX.example.org:25", true),
            ("127.0.0.2:2525", false),
            ("192.0.2.1:25", false),
            ("127.0.0.1:2601", false),
            ("mx.example.org:26", false),
            ("other.example.org:25", false),
        ] {
            assert_eq!(ourselves.is(host), ours, "{host}");
        }
    }

    #[test]
    fn sees_addresses_that_overlap() {
        for (one, other, expected) in [
            ("127.0.0.1:25", "127.0.0.1:25", true),
            ("0.0.0.0:25", "127.0.0.1:25", true),
            ("127.0.0.1:25", "127.0.0.2:25", false),
            ("127.0.0.1:25", "127.0.0.1:26", false),
            ("127.0.0.1:0", "127.0.0.1:0", false),
            ("[::]:25", "127.0.0.1:25", false),
        ] {
            assert_eq!(
                overlap(one.parse().unwrap(), other.parse().unwrap()),
                expected,
                "{one}"
            );
        }
    }

    #[test]
    fn another_spool_than_the_one_that_is_named_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let uuid = |value: &str| At {
            value: value.to_owned(),
            line: 5,
            key: "spool.uuid".to_owned(),
        };
        let told = |value: &str| {
            let source = Source::new(Path::new("tideover.toml"), "");
            identity(&source, folder.path(), Some(&uuid(value)));
            identity(&source, folder.path(), None);
            source.problems().to_string()
        };
        let named = "7a6c0e2f-0000-4000-8000-000000000000";
        assert!(told(named).contains("tideover.toml:5: spool.uuid"));
        assert!(told(named).contains("holds no spool"));
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
        let created = "2026-03-01T06:00:00Z";
        let json = format!(r#"{{"uuid": "{named}", "created": "{created}", "format": 1}}"#);
        std::fs::write(folder.path().join("spool.json"), json).unwrap();
        assert_eq!(told(named), "");
        let other = told("8a6c0e2f-0000-4000-8000-000000000000");
        assert!(
            other.contains(&format!("holds the spool {named}")),
            "{other}"
        );
    }
}
