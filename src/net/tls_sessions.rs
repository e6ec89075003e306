//! TLS sessions with servers that can go on over another connection (RFC 8446 §2.2), bounded in
//! number and age; and the configs that they belong to.

use std::collections::VecDeque;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustls::client::{
    ClientSessionStore, Resumption, Tls12ClientSessionValue, Tls13ClientSessionValue,
};
use rustls::{ClientConfig, NamedGroup};
use rustls_pki_types::{ServerName, UnixTime};

use super::tls_check::CertificateCheck;
use super::tls_client::ClientPair;
use crate::limits;

/// The sessions of all configs. The library lets one go on only under the check and the client
/// certificate that it began with.
#[derive(Debug, Default)]
pub(super) struct Sessions(Mutex<Servers>);

/// Who was met least lately stands in front.
#[derive(Debug, Default)]
struct Servers(VecDeque<Server>);

#[derive(Debug)]
struct Server {
    name: ServerName<'static>,
    /// Seconds: since then its certificate has not been looked at for certain.
    since: u64,
    group: Option<NamedGroup>,
    tls12: Option<Tls12ClientSessionValue>,
    tls13: VecDeque<Tls13ClientSessionValue>,
}

impl Servers {
    /// What is known of a server; nothing any more when it is too old.
    fn known(&mut self, name: &ServerName<'_>, now: u64) -> Option<&mut Server> {
        let place = self.0.iter().position(|server| server.name == *name)?;
        let server = self.0.remove(place)?;
        let age = now.checked_sub(server.since);
        // A clock that was put back says nothing about the age.
        if age.is_none_or(|age| age > limits::TLS_PROVEN.as_secs()) {
            return None;
        }
        self.0.push_back(server);
        self.0.back_mut()
    }

    /// The same, and there is room for what becomes known.
    fn entry(&mut self, name: ServerName<'static>, now: u64) -> Option<&mut Server> {
        if self.known(&name, now).is_none() {
            if self.0.len() >= limits::TLS_SERVERS {
                self.0.pop_front();
            }
            self.0.push_back(Server {
                name,
                since: now,
                group: None,
                tls12: None,
                tls13: VecDeque::new(),
            });
        }
        self.0.back_mut()
    }
}

impl Sessions {
    fn servers(&self) -> MutexGuard<'_, Servers> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The clock of the handshake itself: the library knows no other.
fn now() -> u64 {
    UnixTime::now().as_secs()
}

impl ClientSessionStore for Sessions {
    fn set_kx_hint(&self, name: ServerName<'static>, group: NamedGroup) {
        if let Some(server) = self.servers().entry(name, now()) {
            server.group = Some(group);
        }
    }

    fn kx_hint(&self, name: &ServerName<'_>) -> Option<NamedGroup> {
        self.servers().known(name, now())?.group
    }

    fn set_tls12_session(&self, name: ServerName<'static>, value: Tls12ClientSessionValue) {
        if let Some(server) = self.servers().entry(name, now()) {
            server.tls12 = Some(value);
        }
    }

    fn tls12_session(&self, name: &ServerName<'_>) -> Option<Tls12ClientSessionValue> {
        self.servers().known(name, now())?.tls12.clone()
    }

    fn remove_tls12_session(&self, name: &ServerName<'static>) {
        if let Some(server) = self.servers().known(name, now()) {
            server.tls12 = None;
        }
    }

    fn insert_tls13_ticket(&self, name: ServerName<'static>, value: Tls13ClientSessionValue) {
        if let Some(server) = self.servers().entry(name, now()) {
            if server.tls13.len() >= limits::TLS_SESSIONS {
                server.tls13.pop_front();
            }
            server.tls13.push_back(value);
        }
    }

    /// RFC 8446 §C.4: each once, so that nobody who listens sees that two connections are one's.
    fn take_tls13_ticket(&self, name: &ServerName<'static>) -> Option<Tls13ClientSessionValue> {
        self.servers().known(name, now())?.tls13.pop_back()
    }
}

/// How sessions go on that are kept there.
pub(super) fn resumption(sessions: &Arc<Sessions>) -> Resumption {
    Resumption::store(Arc::clone(sessions) as Arc<dyn ClientSessionStore>)
}

/// Configs for checks and certificates of our own, kept as long as the files are the same that they
/// were made of: a session never goes on under files that have changed.
#[derive(Debug, Default)]
pub(super) struct Configs(Mutex<VecDeque<Made>>);

#[derive(Debug)]
struct Made {
    of: Of,
    config: Arc<ClientConfig>,
}

#[derive(Debug, PartialEq, Eq)]
struct Of {
    check: CertificateCheck,
    pair: Option<ClientPair>,
    /// Of the files that they name.
    stamps: Vec<Stamp>,
}

/// What tells a file from one that was there before: device, inode, size and times of change.
type Stamp = Option<(u64, u64, u64, [i64; 4])>;

impl Configs {
    /// The config for this check and pair; it is made when there is none of the files as they are.
    ///
    /// # Errors
    /// Those of `make`.
    pub(super) fn of(
        &self,
        check: &CertificateCheck,
        pair: Option<&ClientPair>,
        make: impl FnOnce() -> io::Result<Arc<ClientConfig>>,
    ) -> io::Result<Arc<ClientConfig>> {
        let of = Of {
            check: check.clone(),
            pair: pair.cloned(),
            stamps: files(check, pair).map(stamp).collect(),
        };
        if let Some(config) = self.kept(&of) {
            return Ok(config);
        }
        // Files that change meanwhile have another stamp the next time.
        let config = make()?;
        let mut all = self.all();
        all.retain(|made| (&made.of.check, &made.of.pair) != (&of.check, &of.pair));
        if all.len() >= limits::TLS_CONFIGS {
            all.pop_front();
        }
        all.push_back(Made {
            of,
            config: Arc::clone(&config),
        });
        Ok(config)
    }

    fn kept(&self, of: &Of) -> Option<Arc<ClientConfig>> {
        let mut all = self.all();
        let place = all.iter().position(|made| made.of == *of)?;
        let made = all.remove(place)?;
        let config = Arc::clone(&made.config);
        all.push_back(made);
        Some(config)
    }

    fn all(&self) -> MutexGuard<'_, VecDeque<Made>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn files<'a>(
    check: &'a CertificateCheck,
    pair: Option<&'a ClientPair>,
) -> impl Iterator<Item = &'a PathBuf> {
    let authorities = match check {
        CertificateCheck::NameBy(file) => Some(file),
        CertificateCheck::Any
        | CertificateCheck::Name
        | CertificateCheck::Keys(_)
        | CertificateCheck::Dane { .. } => None,
    };
    let own = pair.into_iter().flat_map(|it| [&it.certificate, &it.key]);
    authorities.into_iter().chain(own)
}

fn stamp(file: &PathBuf) -> Stamp {
    let found = std::fs::metadata(file).ok()?;
    let times = [
        found.mtime(),
        found.mtime_nsec(),
        found.ctime(),
        found.ctime_nsec(),
    ];
    Some((found.dev(), found.ino(), found.size(), times))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(number: usize) -> ServerName<'static> {
        ServerName::try_from(format!("mx{number}.example.org")).unwrap()
    }

    #[test]
    fn servers_are_bounded_in_number_and_age() {
        let mut servers = Servers::default();
        for number in 0..limits::TLS_SERVERS {
            servers.entry(name(number), 1_000).unwrap().group = Some(NamedGroup::X25519);
        }
        assert!(servers.known(&name(0), 1_000).is_some(), "met lately");
        for number in 0..10 * limits::TLS_SERVERS {
            servers.entry(name(1_000 + number), 1_000);
            servers.known(&name(0), 1_000);
        }
        assert_eq!(servers.0.len(), limits::TLS_SERVERS);
        assert!(servers.known(&name(1), 1_000).is_none());
        let hour = limits::TLS_PROVEN.as_secs();
        // What goes on does not make the proof younger.
        let again = servers.entry(name(0), 1_000 + hour).unwrap();
        assert_eq!(again.group, Some(NamedGroup::X25519));
        assert!(servers.known(&name(0), 1_001 + hour).is_none());
        let anew = servers.entry(name(0), 1_001 + hour).unwrap();
        assert_eq!((anew.group, anew.since), (None, 1_001 + hour));
        assert!(servers.known(&name(0), 1_000 + hour).is_none(), "put back");
    }

    #[test]
    fn configs_are_bounded_and_end_with_their_files() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("authorities");
        std::fs::write(&file, "one").unwrap();
        let (configs, mut made) = (Configs::default(), 0);
        let mut ask = |check: &CertificateCheck| {
            configs
                .of(check, None, || {
                    made += 1;
                    let client = super::super::TlsClient::with_authorities([])?;
                    client.config_for(&CertificateCheck::Any)
                })
                .unwrap();
            (made, configs.all().len())
        };
        let by_file = CertificateCheck::NameBy(file.clone());
        assert_eq!(ask(&by_file), (1, 1));
        assert_eq!(ask(&by_file), (1, 1));
        std::fs::write(&file, "another").unwrap();
        assert_eq!(ask(&by_file), (2, 1), "the old one is gone");
        let most = limits::TLS_CONFIGS;
        for key in 0..most {
            let key = u8::try_from(key).unwrap();
            ask(&CertificateCheck::Keys(vec![[key; 32]]));
        }
        assert_eq!(
            ask(&CertificateCheck::Keys(vec![[1; 32]])),
            (2 + most, most)
        );
        assert_eq!(ask(&by_file), (3 + most, most));
    }
}
