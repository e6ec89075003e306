//! What the fuzz target of whole sessions does with its input: the first byte says who is at which
//! door, the rest is what the client says before it hangs up.

use std::collections::BTreeSet;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tideover::auth::{Checker, Options as CheckerOptions};
use tideover::base::{Boxed, ClientProof, Clock, Entropy, Shutdown, TlsInfo};
use tideover::inbound::{
    self, Bounds, CertificateRights, Denied, Options, Outgoing, Proof, Role, Server, Spokesmen,
    Submitter, Submitters, TlsMode, TlsOnly,
};
use tideover::mail::{Envelope, SpoolId};
use tideover::net::{AcceptTls, Answer, Ask, BoxedStream, DnsError, Listen, Record, RecordKind};
use tideover::route::{Admission, Admit, Origin};
use tideover::smtp::{Mailbox, Reply};
use tideover::spool::{MemoryStore, Opened, Spool, World};
use tokio::io::DuplexStream;

use crate::chance::Chance;
use crate::pipes::{self, PIPE, Pace};
use crate::platter::SimDisk;

const HOSTNAME: &str = "mx.example.org";
const POSTMASTER: &str = "admin@example.org";
/// RFC 5321 §4.5.3.1.5: 512 octets, the end of the line included.
const REPLY_LINE: usize = 510;

/// Who is at which door.
#[derive(Debug, Clone, Copy)]
struct Setting {
    pace: Pace,
    door: Doors,
    peer: Peers,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Doors {
    Mx,
    Submission,
    Relay,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Peers {
    Stranger,
    /// On the allow list of the relay.
    Listed,
    /// May say whose mail it hands on.
    Spokesman,
}

impl Setting {
    fn of(byte: u8) -> Self {
        let rest = byte / 2;
        Self {
            pace: match Pace::of(byte) {
                Pace::Rush | Pace::Group => Pace::Group,
                Pace::Lines => Pace::Lines,
            },
            door: [Doors::Mx, Doors::Submission, Doors::Relay][usize::from(rest % 3)],
            peer: [Peers::Stranger, Peers::Listed, Peers::Spokesman][usize::from(rest / 3 % 3)],
        }
    }

    fn peer(self) -> SocketAddr {
        let last = match self.peer {
            Peers::Stranger => "203.0.113.9:4711",
            Peers::Listed => "192.0.2.7:4711",
            Peers::Spokesman => "198.51.100.8:4711",
        };
        last.parse().unwrap()
    }

    fn options(self) -> Options {
        Options {
            listener: "fuzz".to_owned(),
            hostname: HOSTNAME.to_owned(),
            postmaster: POSTMASTER.parse().unwrap(),
            role: match self.door {
                Doors::Mx => Role::Mx,
                Doors::Submission => Role::Submission,
                Doors::Relay => Role::Relay {
                    allow: vec!["192.0.2.0/24".parse().unwrap()],
                },
            },
            tls: match self.door {
                Doors::Submission => TlsMode::Implicit,
                Doors::Mx | Doors::Relay => TlsMode::StartTls,
            },
            spokesmen: Spokesmen {
                xclient: vec!["198.51.100.8/32".parse().unwrap()],
                ..Spokesmen::default()
            },
            require_tls_from: TlsOnly::default(),
            requiretls: true,
            device_login: true,
            certificates: CertificateRights::default(),
            max_message_size: 20_000,
            bounds: Bounds {
                recipients: 20,
                ..Bounds::default()
            },
        }
    }
}

/// What the server asked of others, in its order.
#[derive(Debug)]
struct Ledger {
    setting: Setting,
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    accepted: Vec<Mailbox>,
    has_logged_in: bool,
}

/// A session: it ends; whatever is said, the replies are replies, no more of them than lines; what
/// is said to be taken is in the spool for whom it was said to be taken, and nothing else is; only
/// who is trusted, or has logged in, is asked about as such.
pub(crate) fn session(input: &[u8]) {
    let Some((&first, said)) = input.split_first() else {
        return;
    };
    let setting = Setting::of(first);
    let ledger = Arc::new(Ledger {
        setting,
        seen: Mutex::default(),
    });
    pipes::run(async {
        let shutdown = Shutdown::new();
        let spool = open(&shutdown);
        let server = server(setting, &spool, &ledger);
        let (ours, theirs) = tokio::io::duplex(PIPE);
        let door = OneVisit(Some(theirs), setting.peer());
        let run = inbound::run(Box::new(door), Arc::new(server), shutdown.clone());
        shutdown.spawn("listener", run);
        let heard = pipes::talk(ours, said, setting.pace).await;
        let replies = replies(&heard);
        let lines = said.split(|byte| *byte == b'\n').count();
        // The banner and the last word. The last line of `lines` has no end.
        assert!(
            replies.len() <= lines + 2,
            "{} to {lines} lines",
            replies.len()
        );
        // The writer stays as long as the spool: it goes with the runtime.
        check_spool(&spool, &replies, &ledger);
    });
}

fn open(shutdown: &Shutdown) -> Spool {
    let options = tideover::spool::Options {
        min_free: 0,
        segment_size: 64 * 1024,
        ..tideover::spool::Options::new("/spool")
    };
    let world = World {
        disk: Arc::new(SimDisk::default()),
        clock: Clock::system(),
        entropy: Entropy::new(Chance::new(7)),
        open_store: Arc::new(|_: &Path| Ok(Box::new(MemoryStore::default()))),
    };
    let Opened { spool, writer, .. } = Spool::open(options, world).unwrap();
    shutdown.spawn("writer", writer.run());
    spool
}

fn server(setting: Setting, spool: &Spool, ledger: &Arc<Ledger>) -> Server {
    let people = Arc::new(People(Arc::clone(ledger)));
    let tls: Arc<dyn AcceptTls> = Arc::new(NoCipher);
    let server = Server::new(
        setting.options(),
        spool.clone(),
        people,
        Some(tls),
        Clock::system(),
    );
    let world = (Clock::system(), Entropy::new(Chance::new(7)));
    let options = CheckerOptions::default();
    let checker = Checker::new(Arc::new(Names), world, HOSTNAME.to_owned(), options);
    server
        .checking(Arc::new(checker))
        .submitting(Arc::new(Users(Arc::clone(ledger))))
}

/// The replies, each as its last line.
fn replies(heard: &[u8]) -> Vec<String> {
    let text = std::str::from_utf8(heard).unwrap();
    let mut replies = Vec::new();
    let Some(whole) = text.strip_suffix("\r\n") else {
        assert!(text.is_empty(), "half a line: {text:?}");
        return replies;
    };
    let mut goes_on = None;
    for line in whole.split("\r\n") {
        assert!(line.len() <= REPLY_LINE, "{} bytes: {line}", line.len());
        assert!(!line.chars().any(char::is_control), "{line:?}");
        let (code, rest) = line.split_at_checked(3).unwrap();
        let number: u16 = code.parse().unwrap();
        assert!((200..600).contains(&number), "{line}");
        assert!(goes_on.is_none_or(|before| before == code), "{line}");
        match rest.as_bytes().first() {
            Some(b'-') => goes_on = Some(code),
            Some(b' ') => {
                goes_on = None;
                replies.push(line.to_owned());
            }
            _ => panic!("no reply: {line}"),
        }
    }
    assert_eq!(goes_on, None, "half a reply");
    replies
}

/// Walks over the replies: for whom was which message taken?
fn check_spool(spool: &Spool, replies: &[String], ledger: &Ledger) {
    let seen = ledger.seen.lock().unwrap();
    let mut accepted = seen.accepted.iter();
    let mut recipients: Vec<&Mailbox> = Vec::new();
    let mut taken = BTreeSet::new();
    for reply in replies {
        if reply == "250 2.1.0 Ok" {
            recipients.clear();
        } else if reply == "250 2.1.5 Ok" {
            recipients.push(accepted.next().unwrap());
        } else if let Some(id) = reply.strip_prefix("250 2.0.0 Ok: queued as ") {
            let id: SpoolId = id.parse().unwrap();
            assert!(taken.insert(id), "{id} is said twice");
            check_message(spool, id, (&recipients, ledger.setting));
        }
    }
    assert!(
        accepted.next().is_none(),
        "a recipient was taken in silence"
    );
    let waiting = spool.waiting(0, 1_000).unwrap();
    let stored: BTreeSet<_> = waiting.iter().map(|one| one.id).collect();
    assert_eq!(stored, taken);
    if ledger.setting.door == Doors::Submission {
        assert!(taken.is_empty() || seen.has_logged_in);
    }
}

fn check_message(spool: &Spool, id: SpoolId, (told, setting): (&[&Mailbox], Setting)) {
    let message = spool.message(id).unwrap().unwrap();
    let mut keys = BTreeSet::new();
    let once: Vec<_> = told.iter().filter(|one| keys.insert(one.key())).collect();
    let kept = &message.envelope.recipients;
    let kept: Vec<_> = kept.iter().map(|one| &one.address).collect();
    assert!(!kept.is_empty());
    assert_eq!(kept, once.into_iter().copied().collect::<Vec<_>>());
    let body = spool.body(id).unwrap().unwrap();
    let bytes = body.read_at(0, 1_000_000).unwrap();
    check_bytes(&bytes, (id, setting));
    if setting.door == Doors::Submission {
        check_author(&message.envelope);
    }
}

/// Lines end in CRLF and hold neither CR nor LF, whatever way they came; our trace line is the
/// first but for what we found out, and results in our name are ours.
fn check_bytes(bytes: &[u8], (id, setting): (SpoolId, Setting)) {
    for (at, byte) in bytes.iter().enumerate() {
        let before = at.checked_sub(1).map(|at| bytes[at]);
        let is_bare = match byte {
            b'\n' => before != Some(b'\r'),
            b'\r' => bytes.get(at + 1) != Some(&b'\n'),
            _ => false,
        };
        assert!(!is_bare, "a bare CR or LF: {}", bytes.escape_ascii());
    }
    // Bytes that stand for themselves; nothing is looked for that is not ASCII.
    let text: String = bytes.iter().copied().map(char::from).collect();
    let header = text.split("\r\n\r\n").next().unwrap();
    let unfolded = header.replace("\r\n ", " ").replace("\r\n\t", " ");
    let fields = unfolded.split("\r\n").map(|field| {
        let (name, value) = field.split_once(':').unwrap_or_default();
        (name.trim().to_lowercase(), value.trim().to_lowercase())
    });
    let mut results = 0;
    let mut traced = None;
    for (name, value) in fields {
        if name == "received" && traced.is_none() {
            traced = Some(value);
        } else if name == "authentication-results" && is_in_our_name(&value) {
            results += 1;
        } else {
            assert!(traced.is_some(), "{name} stands before our trace line");
        }
    }
    let id = id.to_string().to_lowercase();
    assert!(traced.is_some_and(|it| it.contains(&id)), "{unfolded}");
    let most = usize::from(setting.door != Doors::Submission);
    assert!(results <= most, "{unfolded}");
}

/// RFC 8601 §2.2: our name, and nothing that makes it another one.
fn is_in_our_name(value: &str) -> bool {
    let rest = value.strip_prefix(HOSTNAME);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with([';', ' ', '\t', '(', '/']))
}

/// Who logged in writes in his own name.
fn check_author(envelope: &Envelope) {
    assert_eq!(envelope.peer.user.as_deref(), Some("ann@example.org"));
    assert!(envelope.peer.protocol.ends_with("SA"), "{envelope:?}");
    let from = envelope.from.mailbox().map(Mailbox::key);
    assert!(from.is_none_or(|from| from == "ann@example.org"));
}

/// A door that one client comes through.
#[derive(Debug)]
struct OneVisit(Option<DuplexStream>, SocketAddr);

impl Listen for OneVisit {
    fn accept(&mut self) -> Boxed<'_, io::Result<(BoxedStream, SocketAddr)>> {
        Box::pin(async {
            match self.0.take() {
                Some(stream) => Ok((Box::new(stream) as BoxedStream, self.1)),
                None => std::future::pending().await,
            }
        })
    }

    fn local_address(&self) -> SocketAddr {
        self.1
    }
}

/// TLS without a cipher: the fuzzer is to get behind it.
#[derive(Debug)]
struct NoCipher;

impl AcceptTls for NoCipher {
    fn accept(&self, stream: BoxedStream) -> Boxed<'_, io::Result<(BoxedStream, TlsInfo)>> {
        let info = TlsInfo {
            version: "TLSv1.3".to_owned(),
            cipher: "NONE".to_owned(),
            client: ClientProof::None,
        };
        Box::pin(std::future::ready(Ok((stream, info))))
    }
}

/// Everybody of example.org whose name begins with `a`; strangers for who is trusted.
#[derive(Debug)]
struct People(Arc<Ledger>);

impl Admit for People {
    fn admit(&self, address: &Mailbox, origin: Origin) -> Admission {
        let mut seen = self.0.seen.lock().unwrap();
        let Setting { door, peer, .. } = self.0.setting;
        let may_be_trusted = match door {
            Doors::Mx => false,
            Doors::Submission => seen.has_logged_in,
            // The spokesman may say that it is one of the list.
            Doors::Relay => peer != Peers::Stranger,
        };
        let is_trusted = origin == Origin::Trusted;
        let is_postmaster = address.key() == POSTMASTER;
        assert!(
            may_be_trusted || is_postmaster || !is_trusted,
            "{address} for {peer:?}"
        );
        let is_ours = address.domain().key() == "example.org";
        if is_ours && !address.key().starts_with('a') {
            return Admission::Reject(Reply::new(550, (5, 1, 1), "No such user here"));
        }
        if !is_ours && !is_trusted {
            return Admission::Reject(Reply::new(550, (5, 7, 1), "Relaying denied"));
        }
        seen.accepted.push(address.clone());
        Admission::Accept {
            address: address.clone(),
            lane: if is_ours { "onprem" } else { "@stranger" }.to_owned(),
            mailbox: is_ours.then(|| address.key()),
        }
    }
}

/// Ann logs in with `geheim`.
#[derive(Debug)]
struct Users(Arc<Ledger>);

fn ann() -> Submitter {
    Submitter {
        user: "ann@example.org".to_owned(),
        addresses: vec!["ann@example.org".parse().unwrap()],
        device: None,
    }
}

impl Submitters for Users {
    fn verify<'a>(
        &'a self,
        identity: &'a str,
        proof: Proof,
        _from: std::net::IpAddr,
    ) -> Boxed<'a, Result<Submitter, Denied>> {
        let is_right = matches!(&proof, Proof::Password(it) if it == "geheim");
        let answer = if identity == "ann@example.org" && is_right {
            self.0.seen.lock().unwrap().has_logged_in = true;
            Ok(ann())
        } else {
            Err(Denied::Wrong)
        };
        Box::pin(std::future::ready(answer))
    }

    fn renew<'a>(&'a self, _known: &'a Submitter) -> Boxed<'a, Result<Submitter, Denied>> {
        Box::pin(std::future::ready(Ok(ann())))
    }

    fn sends<'a>(
        &'a self,
        known: &'a Submitter,
        _outgoing: Outgoing<'a>,
    ) -> Boxed<'a, Result<(), Denied>> {
        assert_eq!(known, &ann());
        Box::pin(std::future::ready(Ok(())))
    }

    fn shown(&self, identity: &str) -> String {
        identity.to_owned()
    }
}

/// A DNS with one sender of mail.
#[derive(Debug)]
struct Names;

impl Ask for Names {
    fn ask<'a>(&'a self, name: &'a str, kind: RecordKind) -> Boxed<'a, Result<Answer, DnsError>> {
        let known = name == "client.example" && kind == RecordKind::Text;
        let answer = if known {
            Ok(Answer {
                records: vec![Record::Text("v=spf1 ip4:203.0.113.0/24 -all".to_owned())],
                ttl: Duration::from_secs(60),
                alias: false,
            })
        } else {
            Err(DnsError::NoSuchName)
        };
        Box::pin(std::future::ready(answer))
    }
}
