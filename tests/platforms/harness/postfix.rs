//! Postfix: SMTP with STARTTLS in, LMTP to Dovecot out.

use std::fmt::Write;
use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::packages::{account, mailbox_owner, program};
use super::process::Group;

/// The domain whose mail Postfix stores itself, because Dovecot's LMTP has no SMTPUTF8.
pub(crate) const INTERNATIONAL: &str = "intl.example";

/// What one Postfix is told.
pub(crate) struct Setup<'a> {
    pub(crate) folder: &'a Path,
    pub(crate) hostname: &'a str,
    pub(crate) address: &'a str,
    pub(crate) port: u16,
    pub(crate) lmtp: u16,
    /// The mailbox tree it shares with Dovecot.
    pub(crate) mail: &'a Path,
    /// All addresses that exist.
    pub(crate) users: &'a [String],
}

/// A private instance: own configuration, queue and data folders.
pub(crate) struct Postfix {
    folder: PathBuf,
    running: Option<Group>,
}

impl Postfix {
    pub(crate) fn new(setup: &Setup<'_>) -> Self {
        let folder = setup.folder;
        for name in ["etc", "queue", "data"] {
            fs::create_dir_all(folder.join(name)).unwrap();
        }
        let (uid, gid) = account("postfix");
        std::os::unix::fs::chown(folder.join("data"), Some(uid), Some(gid)).unwrap();
        certificate(&folder.join("etc"), setup);
        fs::write(folder.join("etc/main.cf"), main_cf(setup)).unwrap();
        fs::write(folder.join("etc/master.cf"), master_cf(setup)).unwrap();
        fs::write(folder.join("etc/users"), users(setup.users)).unwrap();
        fs::write(
            folder.join("etc/transport"),
            format!("{INTERNATIONAL} virtual:\n"),
        )
        .unwrap();
        // Some of Postfix's tools write to it under an account of their own.
        let log = folder.join("maillog");
        fs::write(&log, "").unwrap();
        fs::set_permissions(&log, fs::Permissions::from_mode(0o666)).unwrap();
        Self {
            folder: folder.to_owned(),
            running: None,
        }
    }

    /// Starts it; the caller waits for the port.
    ///
    /// `postfix start-fg` would put a shell between us and the master, so the master is started
    /// here as that script does it: check (makes the queue folders), then run in the foreground.
    pub(crate) fn start(&mut self) {
        let etc = self.folder.join("etc");
        let check = Command::new(program("postfix"))
            .arg("-c")
            .arg(&etc)
            .arg("check")
            .output()
            .unwrap();
        assert!(check.status.success(), "{check:?}");
        let mut command = Command::new(daemon_folder().join("master"));
        command.arg("-c").arg(&etc).arg("-s");
        let log = self.folder.join("postfix.out");
        self.running = Some(Group::start_session(command, &log));
    }

    /// Mail for this address goes there and not to its mailbox; from the next start on.
    pub(crate) fn forward(&self, address: &str, to: SocketAddr) {
        let line = format!("{address} smtp:[{}]:{}\n", to.ip(), to.port());
        fs::write(self.folder.join("etc/transport"), line).unwrap();
    }

    /// All mail goes to its mailbox again; from the next start on.
    pub(crate) fn forward_nothing(&self) {
        fs::write(self.folder.join("etc/transport"), "").unwrap();
    }

    /// `true`: nothing that it has taken is on its way to a mailbox.
    pub(crate) fn is_idle(&self) -> bool {
        let folders = ["incoming", "active"].map(|name| self.folder.join("queue").join(name));
        folders.iter().all(|folder| {
            let mut files = fs::read_dir(folder).unwrap().flatten();
            !files.any(|file| file.metadata().is_ok_and(|data| is_complete(&data)))
        })
    }

    pub(crate) fn stop(&mut self) {
        if let Some(mut group) = self.running.take() {
            group.stop();
        }
    }

    pub(crate) fn kill(&mut self) {
        if let Some(mut group) = self.running.take() {
            group.kill();
        }
    }

    pub(crate) fn freeze(&self) {
        self.running.as_ref().expect("Postfix runs").freeze();
    }

    pub(crate) fn thaw(&self) {
        self.running.as_ref().expect("Postfix runs").thaw();
    }

    /// Adds lines to main.cf, for the next start.
    pub(crate) fn configure(&self, lines: &str) {
        let path = self.folder.join("etc/main.cf");
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, format!("{text}{lines}\n")).unwrap();
    }

    /// The certificate that it shows.
    pub(crate) fn certificate(&self) -> PathBuf {
        self.folder.join("etc/cert.pem")
    }

    /// Its mail log, behind what it said before it had one.
    pub(crate) fn log(&self) -> String {
        let read = |name| fs::read_to_string(self.folder.join(name)).unwrap_or_default();
        read("postfix.out") + &read("maillog")
    }
}

fn certificate(etc: &Path, setup: &Setup<'_>) {
    let names = vec![setup.hostname.to_owned(), setup.address.to_owned()];
    let made = rcgen::generate_simple_self_signed(names).unwrap();
    fs::write(etc.join("cert.pem"), made.cert.pem()).unwrap();
    let key = etc.join("key.pem");
    fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
}

/// Postfix marks the file of a message that it has taken as executable; what a dead session left
/// behind has no mark.
fn is_complete(file: &fs::Metadata) -> bool {
    file.permissions().mode() & 0o100 != 0
}

fn main_cf(setup: &Setup<'_>) -> String {
    let folder = setup.folder.display();
    let mail = setup.mail.display();
    let Setup {
        hostname,
        address,
        lmtp,
        ..
    } = setup;
    let (uid, gid) = mailbox_owner();
    let domains = domains(setup.users);
    // `inet_interfaces` must name an address of an interface; master.cf has the one to listen on.
    // Postfix must not touch what it stores: no missing headers added, none dropped, no long
    // line folded. Otherwise a difference in the bytes could be its doing.
    format!(
        "compatibility_level = 3.6
queue_directory = {folder}/queue
data_directory = {folder}/data
maillog_file = {folder}/maillog
maillog_file_prefixes = {folder}
myhostname = {hostname}
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mydestination =
alias_maps =
alias_database =
mynetworks = 127.0.0.0/8
notify_classes =
smtpd_relay_restrictions = permit_auth_destination, reject
smtpd_peername_lookup = no
smtpd_client_connection_count_limit = 0
virtual_mailbox_domains = {domains}
virtual_mailbox_maps = texthash:{folder}/etc/users
virtual_mailbox_base = {mail}
virtual_uid_maps = static:{uid}
virtual_gid_maps = static:{gid}
virtual_minimum_uid = 1
virtual_mailbox_limit = 0
mailbox_size_limit = 0
virtual_transport = lmtp:inet:{address}:{lmtp}
transport_maps = texthash:{folder}/etc/transport
message_size_limit = 104857600
smtputf8_enable = yes
smtpd_tls_security_level = may
smtpd_tls_cert_file = {folder}/etc/cert.pem
smtpd_tls_key_file = {folder}/etc/key.pem
smtpd_tls_received_header = yes
local_header_rewrite_clients =
message_drop_headers =
lmtp_line_length_limit = 0
disable_mime_output_conversion = yes
header_size_limit = 1048576
line_length_limit = 131072
minimal_backoff_time = 1s
maximal_backoff_time = 2s
queue_run_delay = 1s
"
    )
}

fn domains(users: &[String]) -> String {
    let mut domains: Vec<&str> = users
        .iter()
        .filter_map(|user| user.rsplit_once('@'))
        .map(|(_, domain)| domain)
        .collect();
    domains.sort_unstable();
    domains.dedup();
    domains.join(" ")
}

fn users(users: &[String]) -> String {
    let mut table = String::new();
    for user in users {
        let (local, domain) = user.rsplit_once('@').expect("an address");
        writeln!(table, "{user} {domain}/{local}/Maildir/").unwrap();
    }
    table
}

fn master_cf(setup: &Setup<'_>) -> String {
    let Setup { address, port, .. } = setup;
    format!(
        "{address}:{port} inet n - n - - smtpd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 1 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
error unix - - n - - error
retry unix - - n - - error
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
lmtp unix - - n - - lmtp
virtual unix - n n - - virtual
postlog unix-dgram n - n - 1 postlogd
"
    )
}

fn daemon_folder() -> PathBuf {
    let output = Command::new(program("postconf"))
        .args(["-d", "-h", "daemon_directory"])
        .output()
        .unwrap();
    String::from_utf8(output.stdout).unwrap().trim().into()
}
