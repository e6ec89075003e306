//! Dovecot: LMTP in, Maildir on disk, IMAP out.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::packages::{mailbox_owner, program};
use super::process::Group;

/// The local part that no Dovecot knows; it knows all others.
pub(crate) const NOBODY: &str = "nobody";

/// Where one Dovecot listens and stores.
pub(crate) struct Dovecot {
    folder: PathBuf,
    running: Option<Group>,
}

impl Dovecot {
    /// Writes the configuration below `folder`. Mail goes to `mail/DOMAIN/USER/Maildir` there.
    pub(crate) fn new(folder: &Path, address: &str, ports: &Ports) -> Self {
        fs::create_dir_all(folder.join("run")).unwrap();
        let mail = folder.join("mail");
        fs::create_dir_all(&mail).unwrap();
        let (uid, gid) = mailbox_owner();
        std::os::unix::fs::chown(&mail, Some(uid), Some(gid)).unwrap();
        // Without any answer about somebody it would call that an internal error.
        fs::write(folder.join("others"), "").unwrap();
        // Opens all mailboxes: `USER*tideover`.
        fs::write(folder.join("masters"), "tideover:{PLAIN}key::::::\n").unwrap();
        let text = configuration(folder, address, ports, (uid, gid));
        fs::write(folder.join("dovecot.conf"), text).unwrap();
        Self {
            folder: folder.to_owned(),
            running: None,
        }
    }

    /// Starts it; the caller waits for the ports.
    pub(crate) fn start(&mut self) {
        let mut command = Command::new(program("dovecot"));
        command
            .arg("-F")
            .arg("-c")
            .arg(self.folder.join("dovecot.conf"));
        self.running = Some(Group::start(command, &self.folder.join("dovecot.out")));
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
}

/// The ports of one Dovecot.
pub(crate) struct Ports {
    pub(crate) lmtp: u16,
    pub(crate) imap: u16,
    /// Answers other programs' questions about logins.
    pub(crate) sasl: u16,
}

fn configuration(folder: &Path, address: &str, ports: &Ports, owner: (u32, u32)) -> String {
    let folder = folder.display();
    let (uid, gid) = owner;
    let Ports { lmtp, imap, sasl } = ports;
    format!(
        "base_dir = {folder}/run
state_dir = {folder}/run
protocols = lmtp imap
listen = {address}
ssl = no
disable_plaintext_auth = no
auth_mechanisms = plain login scram-sha-256
first_valid_uid = 1
first_valid_gid = 1
mail_uid = {uid}
mail_gid = {gid}
mail_location = maildir:{folder}/mail/%d/%n/Maildir
mail_fsync = never
log_path = {folder}/dovecot.log
auth_master_user_separator = *
passdb {{
  driver = passwd-file
  master = yes
  args = {folder}/masters
}}
passdb {{
  driver = static
  args = password=secret
  username_filter = !{NOBODY}@*
}}
passdb {{
  driver = passwd-file
  args = {folder}/others
}}
userdb {{
  driver = static
  args = uid={uid} gid={gid} home={folder}/mail/%d/%n
}}
namespace inbox {{
  inbox = yes
}}
service auth {{
  inet_listener sasl {{
    address = {address}
    port = {sasl}
  }}
}}
service lmtp {{
  inet_listener lmtp {{
    address = {address}
    port = {lmtp}
  }}
}}
service imap-login {{
  inet_listener imap {{
    address = {address}
    port = {imap}
  }}
  inet_listener imaps {{
    port = 0
  }}
}}
protocol lmtp {{
  postmaster_address = postmaster@platform.example
}}
"
    )
}
