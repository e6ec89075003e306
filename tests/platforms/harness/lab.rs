//! The laboratory of one test.

use std::collections::BTreeSet;
use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU8, Ordering};

use tempfile::TempDir;

use super::packages;
use super::platform::Platform;
use super::postfix::INTERNATIONAL;
use super::tideover::{Settings, Tideover};

/// Mailboxes `c0` to `c39`, one for each message of the corpus, in both domains of `onprem`.
const CORPUS: usize = 40;

/// Two platforms on a loopback address of their own, and Tideover when asked for.
///
/// `example.org` is in transit: Ann and Bob live on `onprem`, Cy and Dee on `cloud`, where Cy has
/// the delivery address `cy@tenant.example`. Each platform knows its own people only, so a wrong
/// route shows. `intl.example` has its home on `onprem`.
pub(crate) struct Lab {
    pub(crate) onprem: Platform,
    pub(crate) cloud: Platform,
    address: String,
    // Last: the servers end before their folder goes.
    folder: TempDir,
}

impl Lab {
    /// Starts the platforms.
    pub(crate) fn new() -> Self {
        Self::of(&onprem_users(), &cloud_users())
    }

    /// Starts the platforms with these users.
    pub(crate) fn of(onprem: &[String], cloud: &[String]) -> Self {
        packages::require();
        let folder = tempfile::Builder::new()
            .prefix("tideover-")
            .tempdir()
            .unwrap();
        // Postfix and Dovecot work under accounts of their own.
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let address = own_address();
        let start = |name: &str, users: &[String]| {
            Platform::start(name, &folder.path().join(name), &address, users)
        };
        Self {
            onprem: start("onprem", onprem),
            cloud: start("cloud", cloud),
            address,
            folder,
        }
    }

    /// The loopback address of this laboratory.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// A path in the folder of this laboratory.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a message to a file for the clients that read one.
    pub(crate) fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, bytes).unwrap();
        path
    }

    /// Settings with both platforms as backends, to be changed before the start.
    pub(crate) fn settings(&self) -> Settings {
        Settings::new(
            &self.path("tideover"),
            &self.address,
            [self.onprem.smtp(), self.cloud.smtp()],
        )
    }

    /// Starts Tideover between the Internet and both platforms.
    pub(crate) fn tideover(&self) -> Tideover {
        Tideover::start(self.settings(), &directory())
    }

    /// Starts Tideover with changed settings.
    #[expect(
        clippy::unused_self,
        reason = "Tideover's settings lie in this laboratory"
    )]
    pub(crate) fn tideover_with(&self, settings: Settings) -> Tideover {
        Tideover::start(settings, &directory())
    }
}

/// A port of `address` that nothing uses, and that was given to nobody before.
pub(crate) fn free_port(address: &str) -> u16 {
    static GIVEN: Mutex<BTreeSet<SocketAddr>> = Mutex::new(BTreeSet::new());
    loop {
        // The address belongs to one laboratory, so nobody takes the port in between. But the
        // system may give it again, to the next server that is not started yet.
        let listener = TcpListener::bind((address, 0)).unwrap();
        let place = listener.local_addr().unwrap();
        if GIVEN.lock().unwrap().insert(place) {
            return place.port();
        }
    }
}

/// The whole of 127/8 is loopback: an address for each laboratory keeps their ports apart.
fn own_address() -> String {
    static COUNT: AtomicU8 = AtomicU8::new(1);
    let count = COUNT.fetch_add(1, Ordering::SeqCst);
    let process = std::process::id();
    format!("127.{}.{}.{count}", 64 + process % 128, process / 128 % 256)
}

fn onprem_users() -> Vec<String> {
    let people = [
        "ann@example.org",
        "bob@example.org",
        "postmaster@example.org",
    ];
    let corpus = (0..CORPUS).map(|number| format!("c{number}@example.org"));
    let international = (0..CORPUS).map(|number| format!("c{number}@{INTERNATIONAL}"));
    people
        .map(str::to_owned)
        .into_iter()
        .chain(corpus)
        .chain(international)
        .chain([format!("jörg@{INTERNATIONAL}")])
        .collect()
}

fn cloud_users() -> Vec<String> {
    ["cy@tenant.example", "dee@example.org"]
        .map(str::to_owned)
        .to_vec()
}

/// The directory file: DESIGN §4.
fn directory() -> String {
    let mut rows = String::from("address,home,delivery_address\n");
    for user in onprem_users() {
        rows.push_str(&user);
        rows.push_str(",onprem,\n");
    }
    rows.push_str("cy@example.org,cloud,cy@tenant.example\ndee@example.org,cloud,\n");
    rows
}
