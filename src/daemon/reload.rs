//! Takes over a changed config without dropping a connection; a bad one is refused whole.

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::watch;

use super::assemble::Base;
use super::check::Checked;
use super::comparison::{mark, needs_restart};
use super::keeper::Keeper;
use super::policy_door::PolicyDesk;
use super::reading::Reading;
use super::{certificates, sync};
use crate::acme::Acme;
use crate::admin::{CheckDepth, CheckView, ConfigView, Reload};
use crate::auth::KeyFolder;
use crate::automatic::Policy;
use crate::backend::{BackendOptions, Monitor};
use crate::base::{Boxed, Shutdown, Timestamp};
use crate::config::{self, Config, TlsFiles};
use crate::directory::{DirectoryError, Generations};
use crate::imap::ImapHomes;
use crate::net::{TlsPairs, TlsServer};
use crate::notice::Notices;
use crate::outbound::Outbound;
use crate::queue::Queue;
use crate::queue::landing::Landings;
use crate::queue::replay::Replays;
use crate::telemetry::log;
use crate::writeback::Writebacks;

/// What moves and asks about mail, by options of the config.
#[derive(Debug, Clone)]
pub(super) struct Movers {
    pub(super) queue: Queue,
    pub(super) outbound: Outbound,
    pub(super) replays: Replays,
    pub(super) landings: Landings,
    pub(super) writebacks: Writebacks,
    pub(super) imap: ImapHomes,
    pub(super) notices: Notices,
    /// Of the listeners; `None`: none of them encrypts.
    pub(super) certificates: Option<Arc<TlsServer>>,
    pub(super) policies: PolicyDesk,
    /// Who has certificates made; `None`: nobody.
    pub(super) acme: Option<Acme>,
}

/// What a reload changes.
pub(super) struct Reloader {
    base: Base,
    movers: Movers,
    backends: watch::Sender<Arc<[BackendOptions]>>,
    attention: watch::Sender<Duration>,
    current: Mutex<Current>,
    /// Of the marks of files.
    pub(super) salt: [u8; 16],
    /// Who is told; nobody, until somebody is named.
    keeper: OnceLock<Keeper>,
    /// One at a time.
    reloading: tokio::sync::Mutex<()>,
    telling: tokio::sync::Mutex<()>,
    checking: Arc<tokio::sync::Mutex<()>>,
    pub(super) reading: Reading,
}

/// What tells others of the present config.
pub(super) struct Told {
    pub(super) backends: watch::Receiver<Arc<[BackendOptions]>>,
    pub(super) attention_after: watch::Receiver<Duration>,
}

pub(super) struct Current {
    pub(super) config: Config,
    /// When it was read.
    pub(super) loaded: Timestamp,
    /// Ends the probes of the config before.
    probes: Shutdown,
}

impl std::fmt::Debug for Reloader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reloader").finish_non_exhaustive()
    }
}

impl Reloader {
    pub(super) fn new(config: Config, base: Base, movers: Movers) -> (Arc<Self>, Told) {
        tell_warnings(&config);
        let probes = base.shutdown.child();
        let (backends, watched) = watch::channel(config.backend_options().into());
        let (attention, attention_after) = watch::channel(config.queue.attention_after);
        let loaded = base.clock.now();
        let salt = base.entropy.bytes();
        let reloader = Self {
            base,
            movers,
            backends,
            attention,
            current: Mutex::new(Current {
                config,
                loaded,
                probes,
            }),
            salt,
            keeper: OnceLock::new(),
            reloading: tokio::sync::Mutex::default(),
            telling: tokio::sync::Mutex::default(),
            checking: Arc::default(),
            reading: Reading::default(),
        };
        let told = Told {
            backends: watched,
            attention_after,
        };
        reloader.watch_backends();
        (Arc::new(reloader), told)
    }

    /// Names who is told when the config is read again; once, at the start.
    pub(super) fn tell(&self, keeper: Keeper) {
        // The first one stays.
        self.keeper.set(keeper).ok();
    }

    /// Sessions and deliveries that are under way at a stop get this long to finish.
    pub(super) fn stop_limit(&self) -> Duration {
        self.current().config.server.stop_limit
    }

    pub(super) fn generations(&self) -> Generations {
        self.base.generations.clone()
    }

    pub(super) fn current(&self) -> MutexGuard<'_, Current> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts the probes of the present config.
    pub(super) fn watch_backends(&self) {
        let current = self.current();
        let monitor = Monitor {
            board: self.base.board.clone(),
            prober: Arc::new(self.movers.outbound.clone()),
            entropy: self.base.entropy.clone(),
        };
        monitor.spawn(&current.config.backend_options(), &current.probes);
    }

    /// The config as its file says it now, its mark, and certificates that are others than before.
    async fn read_anew(&self) -> Result<(Config, String, Option<TlsPairs>), String> {
        let (file, tls) = {
            let runs = &self.current().config;
            (runs.file.clone(), runs.tls.clone())
        };
        let (shown, salt) = (self.movers.certificates.clone(), self.salt);
        let read = self.reading.off(move || {
            let (new, now) = read(&file, &salt)?;
            let certificates = others(&new, shown.as_deref(), tls.as_ref())?;
            Ok((new, now, certificates))
        });
        read.await?
    }

    /// Reads the config again. With a mark, only the file that was looked at is taken.
    pub(super) async fn reload_now(&self, looked_at: Option<&str>) -> Result<(), String> {
        let _one_at_a_time = self.reloading.lock().await;
        let loaded = self.base.clock.now();
        let file = self.current().config.file.clone();
        let (new, now, certificates) = self.read_anew().await?;
        if looked_at.is_some_and(|mark| mark != now) {
            return Err(format!(
                "{}: the file, or the directory that it names, has changed since it was looked at",
                file.display()
            ));
        }
        let fixed = changed_for_good(&self.current().config, &new);
        if !fixed.is_empty() {
            return Err(needs_restart(&file, &fixed));
        }
        let sources = sync::sources(&new, &self.base.dns).map_err(|error| error.to_string())?;
        self.base
            .signer
            .reload()
            .map_err(|error| error.to_string())?;
        self.reload_directory(&new).await?;
        if self.current().config.log != new.log {
            log::change(&new.log).map_err(|error| error.to_string())?;
        }
        // Nothing below can fail: the new config holds as a whole or not at all.
        let backends = new.backend_options();
        self.base.board.configure(&backends);
        self.base.router.configure(new.route_options());
        let syncer = &self.base.syncer;
        syncer.configure(sources, new.directory.sync);
        self.movers.outbound.set_options(new.outbound_options());
        self.backends.send_replace(backends.into());
        self.attention.send_replace(new.queue.attention_after);
        self.movers.replays.configure(new.replay);
        self.movers.landings.configure(new.landing);
        self.movers.writebacks.configure(new.writeback.clone());
        self.movers.imap.configure(new.imap_options());
        self.movers.notices.configure(new.notice_options());
        self.base.checker.configure(new.auth.clone());
        self.base.filters.configure(new.filter_options());
        self.base.policies.configure(new.automatic.policy.clone());
        self.base.bounds.configure(new.bounds());
        self.base.load.configure(&new.limits);
        self.movers.policies.configure(new.mta_sts.policies.clone());
        if let (Some(shown), Some(pairs)) = (&self.movers.certificates, certificates) {
            shown.show(pairs);
        }
        // Somebody may have mended what was in its way.
        self.movers.acme.iter().for_each(Acme::try_again);
        let queue_options = new.queue_options();
        {
            let mut current = self.current();
            current.probes.signal();
            current.probes = self.base.shutdown.child();
            current.config = new;
            current.loaded = loaded;
        }
        self.watch_backends();
        self.movers.queue.configure(queue_options);
        tracing::info!(file = %file.display(), "the config was read again");
        tell_warnings(&self.current().config);
        Ok(())
    }
}

impl Reloader {
    /// The directory by the new config; it stays as it was when the file is refused.
    async fn reload_directory(&self, new: &Config) -> Result<(), String> {
        let generations = &self.base.generations;
        let file = new.directory.file.as_deref();
        let configured = generations.configure(new.generation_options(), file).await;
        let Err(error) = configured else {
            return Ok(());
        };
        let Some(file) = file else {
            return Err(error.to_string());
        };
        let hint = if matches!(error, DirectoryError::TooMany(_)) {
            format!(
                "\n`tideover directory import {} --yes` does it",
                file.display()
            )
        } else {
            String::new()
        };
        Err(format!("{}: {error}{hint}", file.display()))
    }
}

impl Reload for Reloader {
    fn reload(&self, mark: Option<String>) -> Boxed<'_, Result<(), String>> {
        Box::pin(async move {
            // One after the other: whoever is told hears each begin and end.
            let _turn = self.telling.lock().await;
            let keeper = self.keeper.get();
            if let Some(keeper) = keeper {
                keeper.reloading();
            }
            let result = self.reload_now(mark.as_deref()).await;
            if let Some(keeper) = keeper {
                keeper.ready().await;
            }
            if let Err(error) = &result {
                tracing::error!(%error, "the config was refused; the old one stays");
            }
            result
        })
    }

    fn config(&self) -> Boxed<'_, Result<ConfigView, String>> {
        Box::pin(self.compared())
    }

    fn check(&self, depth: CheckDepth) -> Boxed<'_, Result<CheckView, String>> {
        Box::pin(async move {
            // One after the other: each asks platforms and name servers.
            let turn = Arc::clone(&self.checking).lock_owned().await;
            let file = self.current().config.file.clone();
            let checked = self.reading.off(move || Checked::of(&file)).await?;
            // What it asks borrows too much of itself to change threads.
            let here = Handle::current();
            let asking = move || {
                // Until it is done, also when nobody waits for it any more.
                let _turn = turn;
                here.block_on(checked.asking(depth))
            };
            let asked = tokio::task::spawn_blocking(asking).await;
            asked.map_err(|error| error.to_string())?
        })
    }

    fn policy(&self) -> Arc<Policy> {
        self.base.policies.present()
    }

    fn keys(&self) -> KeyFolder {
        KeyFolder::of(&self.current().config.server.data_dir)
    }
}

/// The config, when the directory that it names can be read, too; and the mark of both.
fn read(file: &Path, salt: &[u8]) -> Result<(Config, String), String> {
    let refused = |problems: config::Problems| problems.to_string();
    let new = config::load(file).map_err(refused)?;
    let mark = mark(&new, salt);
    new.read_directory().map_err(refused)?;
    Ok((new, mark))
}

/// The certificates of a config that are shown from now on, when they are others than before.
fn others(
    new: &Config,
    shown: Option<&TlsServer>,
    runs: Option<&TlsFiles>,
) -> Result<Option<TlsPairs>, String> {
    let others = shown.is_some() && new.tls.as_ref() != runs;
    let certificates = others.then(|| certificates::of_mail(new)).transpose();
    certificates.map_err(|error| error.to_string())
}

/// What is possible and unwise.
fn tell_warnings(config: &Config) {
    for warning in config.warnings() {
        tracing::warn!(%warning, "the config is odd");
    }
}

/// Sections that are built once: what differs in them needs a restart.
pub(super) fn changed_for_good(old: &Config, new: &Config) -> Vec<&'static str> {
    fn text(part: &impl std::fmt::Debug) -> String {
        format!("{part:?}")
    }
    let parts = [
        ("[server]", text(&old.server), text(&new.server)),
        ("[spool]", text(&old.spool), text(&new.spool)),
        ("[[listener]]", text(&old.listeners), text(&new.listeners)),
        (
            "[mta_sts]",
            text(&old.mta_sts.bind),
            text(&new.mta_sts.bind),
        ),
        ("[acme]", text(&old.acme), text(&new.acme)),
        ("[dns]", text(&old.dns), text(&new.dns)),
        ("[web]", text(&old.web), text(&new.web)),
        ("[admin]", text(&old.admin), text(&new.admin)),
        ("[drill]", text(&old.drill), text(&new.drill)),
    ];
    parts
        .into_iter()
        .filter(|(_, old, new)| old != new)
        .map(|(name, _, _)| name)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_waits_for_a_restart_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("tideover.toml");
        let config = |more: &str| {
            let text = format!(
                "[server]\nhostname = \"mx.example.org\"\n[[listener]]\nbind = \"127.0.0.1:25\"\n\
                 [backend.a]\nhosts = [\"192.0.2.1:25\"]\n{more}\n\
                 [domain.\"example.org\"]\nhome = \"a\"\nunknown = \"relay\"\n"
            );
            std::fs::write(&file, text).unwrap();
            config::read(&file).unwrap()
        };
        let acme = "[acme]\nbind = \"127.0.0.1:80\"\nagree_to_terms = true\n";
        let other = format!("{acme}hosts = [\"mail.example.org\"]\n");
        let (old, new) = (config(acme), config(&other));
        assert_eq!(changed_for_good(&old, &new), ["[acme]"]);
        let queue = config("[queue]\nattention_after = \"3h\"\n");
        assert!(changed_for_good(&config(""), &queue).is_empty());
    }
}
