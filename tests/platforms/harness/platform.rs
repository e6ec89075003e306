//! A mail platform: Postfix in front of Dovecot.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};

use super::client::Client;
use super::dovecot::{Dovecot, Ports};
use super::lab::free_port;
use super::maildir::{self, Stored};
use super::packages::mailbox_owner;
use super::postfix::{Postfix, Setup};
use super::wait::{SHORT, eventually};

/// May nothing be stored in a mailbox?
#[derive(Debug, Clone, Copy)]
pub(crate) enum Locked {
    Yes,
    No,
}

/// One running platform with its users.
pub(crate) struct Platform {
    name: String,
    address: String,
    port: u16,
    lmtp: u16,
    imap: u16,
    sasl: u16,
    mail: PathBuf,
    postfix: Postfix,
    dovecot: Dovecot,
}

impl Platform {
    /// Configures and starts a platform below `folder`, on `address`, for these users.
    pub(crate) fn start(name: &str, folder: &Path, address: &str, users: &[String]) -> Self {
        let (port, lmtp, imap) = (free_port(address), free_port(address), free_port(address));
        let sasl = free_port(address);
        let boxes = folder.join("dovecot");
        let front = folder.join("postfix");
        let mail = boxes.join("mail");
        let mut platform = Self {
            name: name.to_owned(),
            address: address.to_owned(),
            port,
            lmtp,
            imap,
            sasl,
            dovecot: Dovecot::new(&boxes, address, &Ports { lmtp, imap, sasl }),
            postfix: Postfix::new(&Setup {
                folder: &front,
                hostname: &format!("{name}.example"),
                address,
                port,
                lmtp,
                mail: &mail,
                users,
            }),
            mail,
        };
        platform.start_again();
        platform
    }

    /// Starts what was stopped or killed, and waits until it greets.
    pub(crate) fn start_again(&mut self) {
        self.dovecot.start();
        self.postfix.start();
        let what = format!("{} greets", self.name);
        let imap = self.at(self.imap);
        eventually(SHORT, &what, || greeting(imap, "* OK"));
        let smtp = self.smtp();
        eventually(SHORT, &what, || Client::try_connect(smtp).ok());
    }

    /// Restarts Postfix with further lines in main.cf; later ones win.
    pub(crate) fn reconfigure(&mut self, lines: &str) {
        self.postfix.stop();
        self.dovecot.stop();
        self.postfix.configure(lines);
        self.start_again();
    }

    /// The certificate that Postfix shows, PEM.
    pub(crate) fn certificate(&self) -> PathBuf {
        self.postfix.certificate()
    }

    /// Where Postfix asks Dovecot about logins.
    pub(crate) fn sasl(&self) -> SocketAddr {
        self.at(self.sasl)
    }

    /// What Postfix has logged.
    pub(crate) fn log(&self) -> String {
        self.postfix.log()
    }

    /// Where Postfix takes mail.
    pub(crate) fn smtp(&self) -> SocketAddr {
        self.at(self.port)
    }

    /// Where Dovecot takes mail, past Postfix.
    pub(crate) fn lmtp(&self) -> SocketAddr {
        self.at(self.lmtp)
    }

    /// Where Dovecot shows mail.
    pub(crate) fn imap(&self) -> SocketAddr {
        self.at(self.imap)
    }

    /// From now on no message can be stored in the mailbox of `user`, or again.
    pub(crate) fn lock_mailbox(&self, user: &str, locked: Locked) {
        let (uid, gid) = mailbox_owner();
        let owner = match locked {
            Locked::Yes => (0, 0),
            Locked::No => (uid, gid),
        };
        for folder in ["tmp", "new"] {
            let folder = self.maildir(user).join(folder);
            std::os::unix::fs::chown(folder, Some(owner.0), Some(owner.1)).unwrap();
        }
    }

    /// An orderly stop of both.
    pub(crate) fn stop(&mut self) {
        self.postfix.stop();
        self.dovecot.stop();
    }

    /// SIGKILL to all processes of both.
    pub(crate) fn kill(&mut self) {
        self.postfix.kill();
        self.dovecot.kill();
    }

    /// Mail for this address goes there instead of its mailbox.
    pub(crate) fn forward(&mut self, address: &str, to: SocketAddr) {
        self.stop();
        self.postfix.forward(address, to);
        self.start_again();
    }

    /// All mail goes to its mailbox again.
    pub(crate) fn forward_nothing(&mut self) {
        self.stop();
        self.postfix.forward_nothing();
        self.start_again();
    }

    /// Postfix accepts connections and says nothing.
    pub(crate) fn freeze(&self) {
        self.postfix.freeze();
    }

    /// Postfix goes on where it was.
    pub(crate) fn thaw(&self) {
        self.postfix.thaw();
    }

    /// Waits until everything that Postfix has taken is in its mailbox: it has a queue of its own.
    pub(crate) fn settled(&self) -> &Self {
        let what = format!("the queue of {} is empty", self.name);
        eventually(SHORT, &what, || self.postfix.is_idle().then_some(()));
        self
    }

    /// What stands in the mailbox of `user` (`local@domain`).
    pub(crate) fn mailbox(&self, user: &str) -> Vec<Stored> {
        maildir::read(&self.maildir(user))
    }

    /// How often each Message-ID stands in a folder of that mailbox.
    pub(crate) fn message_ids_in(&self, user: &str, folder: &str) -> BTreeMap<String, usize> {
        let folder = self.maildir(user).join(format!(".{folder}"));
        maildir::message_ids(&maildir::read(&folder))
    }

    /// Where that mailbox is on the disk.
    pub(crate) fn maildir(&self, user: &str) -> PathBuf {
        let (local, domain) = user.rsplit_once('@').expect("an address");
        self.mail.join(domain).join(local).join("Maildir")
    }

    /// How often each Message-ID stands in that mailbox.
    pub(crate) fn message_ids(&self, user: &str) -> BTreeMap<String, usize> {
        maildir::message_ids(&self.mailbox(user))
    }

    /// Waits until a message with this Message-ID is in the mailbox.
    pub(crate) fn wait_for(&self, user: &str, message_id: &str) -> Stored {
        let what = format!("{message_id} in the mailbox {user} of {}", self.name);
        eventually(SHORT, &what, || {
            self.mailbox(user)
                .into_iter()
                .find(|stored| stored.header("message-id").as_deref() == Some(message_id))
        })
    }

    /// Number of messages that a user sees over IMAP.
    pub(crate) fn imap_count(&self, user: &str) -> usize {
        let stream = TcpStream::connect(self.at(self.imap)).unwrap();
        stream.set_read_timeout(Some(SHORT)).unwrap();
        let mut writer = stream.try_clone().unwrap();
        let mut lines = BufReader::new(stream).lines().map(Result::unwrap);
        writer
            .write_all(format!("a login {user} secret\r\nb select inbox\r\n").as_bytes())
            .unwrap();
        let mut count = None;
        for line in lines.by_ref() {
            if let Some(number) = line
                .strip_prefix("* ")
                .and_then(|rest| rest.strip_suffix(" EXISTS"))
            {
                count = Some(number.parse().unwrap());
            }
            if line.starts_with("b ") {
                break;
            }
        }
        count.unwrap_or_else(|| panic!("no EXISTS for {user}"))
    }

    /// `[backend.NAME.imap]` for this platform; `folder` gets the file of the password.
    pub(crate) fn imap_section(&self, name: &str, folder: &Path) -> String {
        let file = folder.join("imap.password");
        std::fs::write(&file, "key\n").unwrap();
        format!(
            "[backend.{name}.imap]
url = \"imap://{}\"
starttls = false
login = \"%u*tideover\"
password_file = \"{}\"
",
            self.at(self.imap),
            file.display()
        )
    }

    /// Says these commands over IMAP, as the user would; each must succeed.
    pub(crate) fn imap_says(&self, user: &str, commands: &[&str]) {
        let stream = TcpStream::connect(self.at(self.imap)).unwrap();
        stream.set_read_timeout(Some(SHORT)).unwrap();
        let mut writer = stream.try_clone().unwrap();
        let mut lines = BufReader::new(stream).lines().map(Result::unwrap);
        let login = format!("login {user} secret");
        for command in [login.as_str()].iter().chain(commands) {
            writer
                .write_all(format!("t {command}\r\n").as_bytes())
                .unwrap();
            let answer = lines.find(|line| line.starts_with("t ")).unwrap();
            assert!(answer.starts_with("t OK"), "{command}: {answer}");
        }
    }

    fn at(&self, port: u16) -> SocketAddr {
        SocketAddr::new(self.address.parse().unwrap(), port)
    }
}

impl Drop for Platform {
    #[expect(
        clippy::print_stderr,
        reason = "a failed test shows what its servers said"
    )]
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = self.postfix.log();
            let lines: Vec<&str> = log.lines().collect();
            let tail = &lines[lines.len().saturating_sub(25)..];
            eprintln!("--- {} (Postfix)\n{}", self.name, tail.join("\n"));
        }
    }
}

fn greeting(at: SocketAddr, start: &str) -> Option<()> {
    let mut stream = TcpStream::connect(at).ok()?;
    stream.set_read_timeout(Some(SHORT)).ok()?;
    let mut bytes = vec![0; start.len()];
    stream.read_exact(&mut bytes).ok()?;
    (bytes == start.as_bytes()).then_some(())
}
