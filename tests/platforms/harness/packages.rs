//! What the machine must have.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Debian packages and the program each is needed for. `tests/run` has the same list.
const NEEDED: [(&str, &str); 11] = [
    ("postfix", "postfix"),
    ("dovecot", "dovecot-core"),
    ("imap", "dovecot-imapd"),
    ("lmtp", "dovecot-lmtpd"),
    ("swaks", "swaks"),
    ("python3", "python3"),
    ("haproxy", "haproxy"),
    ("clamd", "clamav-daemon"),
    ("clamav-milter", "clamav-milter"),
    ("rspamd", "rspamd"),
    ("arcverify", "python3-dkim"),
];
const FOLDERS: [&str; 6] = [
    "/usr/local/sbin",
    "/usr/local/bin",
    "/usr/sbin",
    "/usr/bin",
    "/usr/lib/dovecot",
    "/usr/libexec/dovecot",
];

/// Panics with what to install, or with who must run the tests.
pub(crate) fn require() {
    let missing: Vec<&str> = NEEDED
        .iter()
        .filter(|(program, _)| find(program).is_none())
        .map(|(_, package)| *package)
        .chain(tls_for_swaks_missing())
        .chain(library_for_seals_missing())
        .collect();
    assert!(
        missing.is_empty(),
        "the platform tests need Debian packages that are not installed; run as root:\n    \
         apt-get install {}\nor let tests/run do it",
        missing.join(" ")
    );
    assert!(
        rustix::process::geteuid().is_root(),
        "the platform tests start Postfix and Dovecot, which need root: run `sudo tests/run`; \
         without root run the others: cargo test --lib --test tidy"
    );
}

/// The full path of a program; an administrator's folders are not in everybody's PATH.
pub(crate) fn program(name: &str) -> PathBuf {
    find(name).unwrap_or_else(|| panic!("{name} is not installed"))
}

/// swaks does STARTTLS with a Perl module that its package only recommends.
fn tls_for_swaks_missing() -> Option<&'static str> {
    let found = Command::new("perl")
        .args(["-MNet::SSLeay", "-e", "1"])
        .output();
    let there = found.is_ok_and(|output| output.status.success());
    (!there).then_some("libnet-ssleay-perl")
}

/// dkimpy seals with a library that its package only suggests.
fn library_for_seals_missing() -> Option<&'static str> {
    let found = Command::new("/usr/bin/python3")
        .args(["-c", "import dkim, authres"])
        .output();
    let there = found.is_ok_and(|output| output.status.success());
    (!there).then_some("python3-authres")
}

fn find(name: &str) -> Option<PathBuf> {
    FOLDERS
        .iter()
        .map(|folder| Path::new(folder).join(name))
        .find(|path| path.is_file())
}

/// User and group id of the owner of all mailboxes; Debian has this account always.
pub(crate) fn mailbox_owner() -> (u32, u32) {
    account("mail")
}

/// User and group id of a local account.
pub(crate) fn account(name: &str) -> (u32, u32) {
    let accounts = fs::read_to_string("/etc/passwd").unwrap();
    let line = accounts
        .lines()
        .find(|line| line.split(':').next() == Some(name))
        .unwrap_or_else(|| panic!("the account `{name}` is missing"));
    let fields: Vec<&str> = line.split(':').collect();
    (fields[2].parse().unwrap(), fields[3].parse().unwrap())
}
