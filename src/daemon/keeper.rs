//! What the keeper of services (systemd) is told: that mail is taken, that the config is read
//! again, that it ends, how it is, and that it lives. `sd_notify(3)`.

use std::io::ErrorKind;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::sync::Arc;
use std::time::Duration;

use super::Running;
use crate::base::Shutdown;
use crate::route::{Router, paused};
use crate::spool::Spool;

/// From one look at how it is to the next.
const LOOK: Duration = Duration::from_secs(5);
/// How often it is said that mail is taken, and the pause before it is said again.
const READY_TRIES: usize = 100;
const READY_PAUSE: Duration = Duration::from_millis(100);

/// Who keeps this process; nobody, when it was started by hand.
#[derive(Debug, Clone, Default)]
pub(super) struct Keeper(Option<Arc<Door>>);

#[derive(Debug)]
struct Door {
    socket: UnixDatagram,
    address: SocketAddr,
    /// He wants a sign of life at least this often.
    watchdog: Option<Duration>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Room {
    Enough,
    /// He has not read what came before.
    None,
}

impl Keeper {
    /// Who the environment names.
    pub(super) fn of_process() -> Self {
        let path = variable("NOTIFY_SOCKET");
        Self::at(path.as_deref().unwrap_or_default(), watchdog())
    }

    /// The one behind a socket: a path, or `@` and a name.
    fn at(name: &[u8], watchdog: Option<Duration>) -> Self {
        let address = match name {
            [b'@', rest @ ..] => SocketAddr::from_abstract_name(rest),
            [b'/', ..] => SocketAddr::from_pathname(std::ffi::OsStr::from_bytes(name)),
            // Nobody, or a kind of socket that we do not know.
            _ => return Self::default(),
        };
        let open = address.and_then(|address| {
            let socket = UnixDatagram::unbound()?;
            // A keeper who does not listen must not keep mail from flowing.
            socket.set_nonblocking(true)?;
            Ok(Door {
                socket,
                address,
                watchdog,
            })
        });
        match open {
            Ok(door) => Self(Some(Arc::new(door))),
            Err(error) => {
                tracing::warn!(%error, "who keeps this service is not told of it");
                Self::default()
            }
        }
    }

    /// Was there room for it? Who does not listen at all needs none.
    fn tell(&self, what: &str) -> Room {
        let Some(door) = &self.0 else {
            return Room::Enough;
        };
        match door.socket.send_to_addr(what.as_bytes(), &door.address) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => Room::None,
            Err(error) => {
                tracing::debug!(%error, "who keeps this service does not listen");
                Room::Enough
            }
            Ok(_) => Room::Enough,
        }
    }

    /// Mail is taken. A start waits for this word, so it is said again while the queue of the
    /// keeper is full.
    pub(super) async fn ready(&self) {
        for _ in 0..READY_TRIES {
            if self.tell("READY=1") == Room::Enough {
                return;
            }
            tokio::time::sleep(READY_PAUSE).await;
        }
        tracing::warn!("who keeps this service was not told that it is ready");
    }

    /// The config is read again; [`Self::ready`] ends it.
    pub(super) fn reloading(&self) {
        let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
        let micros = i128::from(now.tv_sec) * 1_000_000 + i128::from(now.tv_nsec) / 1000;
        self.tell(&format!("RELOADING=1\nMONOTONIC_USEC={micros}"));
    }

    /// No more mail is taken.
    pub(super) fn stopping(&self) {
        self.tell("STOPPING=1\nSTATUS=stopping: what is under way is finished first");
    }

    /// Says how it is and that it lives, until the stop.
    pub(super) fn attend(&self, running: &Running) {
        let Some(door) = &self.0 else { return };
        let view = View {
            keeper: self.clone(),
            spool: running.spool.clone(),
            router: running.router.clone(),
        };
        let shutdown = &running.shutdown;
        shutdown.spawn("status", view.tell(shutdown.clone()));
        if let Some(limit) = door.watchdog {
            let (keeper, spool) = (self.clone(), running.spool.clone());
            let life = tell_life(keeper, spool, limit / 3, shutdown.clone());
            shutdown.spawn("watchdog", life);
        }
    }
}

/// What the status is made of.
#[derive(Debug)]
struct View {
    keeper: Keeper,
    spool: Spool,
    router: Router,
}

impl View {
    async fn tell(self, shutdown: Shutdown) {
        let mut told = String::new();
        loop {
            let status = tokio::select! {
                biased;
                () = shutdown.stopping() => return,
                status = self.status() => status,
            };
            if status != told && self.keeper.tell(&format!("STATUS={status}")) == Room::Enough {
                told = status;
            }
            tokio::select! {
                biased;
                () = shutdown.stopping() => return,
                () = tokio::time::sleep(LOOK) => {}
            }
        }
    }

    /// One line in words.
    async fn status(&self) -> String {
        let admission = self.spool.admission().err().map(|error| error.to_string());
        let lasting = self
            .spool
            .write_failures()
            .filter(|failures| failures.lasting);
        let refused = admission.or(lasting.map(|failures| failures.what));
        if self.spool.rebuilding().is_some() {
            let begin = match refused {
                Some(why) => format!("mail is told to come later: {why}"),
                None => "mail is taken".to_owned(),
            };
            return line(&format!(
                "{begin}; the index is made, delivery waits for it"
            ));
        }
        let healths = self.router.board().snapshot();
        let paused: Vec<String> = healths.iter().filter_map(paused).collect();
        // It looks at folders, and their disk may be slow.
        let stats = self.spool.beside(|spool| Ok(spool.stats())).await;
        let stats = stats.unwrap_or_default();
        let counts = (stats.queued.values().sum(), stats.held);
        words(&paused, counts, refused)
    }
}

/// A sign of life only when the spool's writer answers: without it no mail is taken.
async fn tell_life(keeper: Keeper, spool: Spool, every: Duration, shutdown: Shutdown) {
    loop {
        let next = tokio::time::Instant::now() + every;
        tokio::select! {
            biased;
            () = shutdown.stopping() => return,
            answered = spool.answers() => {
                if answered {
                    keeper.tell("WATCHDOG=1");
                }
            }
        }
        tokio::select! {
            biased;
            () = shutdown.stopping() => return,
            () = tokio::time::sleep_until(next) => {}
        }
    }
}

/// `mail flows; 12 wait`, for `systemctl status`.
fn words(paused: &[String], (waiting, held): (u64, u64), refused: Option<String>) -> String {
    let begin = match refused {
        Some(why) => format!("mail is told to come later: {why}"),
        None if paused.is_empty() => "mail flows".to_owned(),
        None => format!("mail is taken and waits: {}", paused.join("; ")),
    };
    let waits = match waiting {
        0 => "nothing waits".to_owned(),
        1 => "1 waits".to_owned(),
        _ => format!("{waiting} wait"),
    };
    let held = match held {
        0 => String::new(),
        _ => format!(", {held} held"),
    };
    line(&format!("{begin}; {waits}{held}"))
}

/// One line, and not a long one: names and reasons come from others.
fn line(words: &str) -> String {
    let plain = words.chars().map(|c| if c.is_control() { ' ' } else { c });
    plain.take(300).collect()
}

/// `WATCHDOG_USEC`, when it is meant for this process.
fn watchdog() -> Option<Duration> {
    let number = |name| {
        let value = variable(name)?;
        std::str::from_utf8(&value).ok()?.parse::<u64>().ok()
    };
    let meant = number("WATCHDOG_PID").is_none_or(|pid| pid == u64::from(std::process::id()));
    let limit = number("WATCHDOG_USEC").filter(|limit| meant && *limit > 0)?;
    Some(Duration::from_micros(limit))
}

/// The protocol is made of variables; settings of ours are not.
fn variable(name: &str) -> Option<Vec<u8>> {
    std::env::var_os(name).map(std::os::unix::ffi::OsStringExt::into_vec)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(socket: &UnixDatagram) -> String {
        let mut buffer = [0; 1024];
        let read = socket.recv(&mut buffer).unwrap();
        String::from_utf8(buffer[..read].to_vec()).unwrap()
    }

    #[test]
    fn a_keeper_is_a_path_or_a_name_without_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        let keeper = Keeper::at(path.as_os_str().as_bytes(), None);
        keeper.tell("READY=1");
        assert_eq!(heard(&socket), "READY=1");
        keeper.reloading();
        let said = heard(&socket);
        let micros = said.strip_prefix("RELOADING=1\nMONOTONIC_USEC=").unwrap();
        assert!(micros.parse::<u64>().unwrap() > 0, "{said}");

        let name = format!("tideover-test-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(&name).unwrap();
        let socket = UnixDatagram::bind_addr(&address).unwrap();
        let keeper = Keeper::at(format!("@{name}").as_bytes(), None);
        keeper.stopping();
        assert!(heard(&socket).starts_with("STOPPING=1\nSTATUS="));
    }

    #[test]
    fn nobody_who_is_there_is_no_trouble() {
        for name in [&b""[..], b"vsock:2:1", b"/nowhere/at/all", b"@", b"/\0"] {
            assert_eq!(Keeper::at(name, None).tell("READY=1"), Room::Enough);
        }
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        let keeper = Keeper::at(path.as_os_str().as_bytes(), None);
        // Nobody reads: what does not fit is not waited for.
        let full = (0..10_000).any(|_| keeper.tell("READY=1") == Room::None);
        assert!(full);
        assert_eq!(heard(&socket), "READY=1");
    }

    #[tokio::test]
    async fn only_a_writer_that_answers_lives() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        let keeper = Keeper::at(path.as_os_str().as_bytes(), None);
        let options = crate::spool::Options {
            min_free: 0,
            ..crate::spool::Options::new(folder.path().join("spool"))
        };
        let opened = Spool::open(options, crate::spool::World::system()).unwrap();
        let shutdown = Shutdown::new();
        let every = Duration::from_millis(1);
        let life = tell_life(keeper, opened.spool.clone(), every, shutdown.clone());
        shutdown.spawn("watchdog", life);
        // Time enough for hundreds of signs, and none comes.
        tokio::time::sleep(Duration::from_millis(300)).await;
        socket.set_nonblocking(true).unwrap();
        assert!(
            socket.recv(&mut [0; 64]).is_err(),
            "nobody writes mail down"
        );
        let writer = opened.writer.spawn_thread().unwrap();
        socket.set_nonblocking(false).unwrap();
        socket
            .set_read_timeout(Some(Duration::from_secs(60)))
            .unwrap();
        let said = tokio::task::spawn_blocking(move || heard(&socket));
        assert_eq!(said.await.unwrap(), "WATCHDOG=1");
        shutdown.stop().await;
        opened.spool.close().await.unwrap();
        assert!(writer.join().is_ok());
        assert!(!opened.spool.answers().await, "it has ended");
    }

    #[test]
    fn how_it_is_fits_into_a_line() {
        assert_eq!(words(&[], (0, 0), None), "mail flows; nothing waits");
        assert_eq!(words(&[], (12, 0), None), "mail flows; 12 wait");
        assert_eq!(words(&[], (1, 3), None), "mail flows; 1 waits, 3 held");
        let down = ["onprem is down since 10:02 UTC: refused\r\nREADY=1".to_owned()];
        assert_eq!(
            words(&down, (5, 0), None),
            "mail is taken and waits: onprem is down since 10:02 UTC: refused  READY=1; 5 wait"
        );
        let full = words(&down, (2, 0), Some("the disk is full".to_owned()));
        assert_eq!(full, "mail is told to come later: the disk is full; 2 wait");
        let long = vec!["x".repeat(400); 3];
        assert_eq!(words(&long, (0, 0), None).chars().count(), 300);
    }
}
