//! What the fuzz target of deliveries does with its input: the first byte says how we come and how
//! the server answers, the rest is what it says, whatever we say.

use std::sync::{Arc, OnceLock};

use tideover::backend::{BackendOptions, Credentials, Hosts, Protocol, SecretFile};
use tideover::base::{Clock, Entropy, Shutdown};
use tideover::limits;
use tideover::mail::{
    Authenticity, BackendId, Body, Channel, Delivery, DeliveryTarget, Envelope, Failure, Outcome,
    Peer, Recipient, SpoolId, Transport as _,
};
use tideover::net::{Dial, Resolve, TlsClient};
use tideover::outbound::{Options, Outbound, World};
use tideover::smtp::{BodyKind, MailParameters, RcptParameters, Reply};

use crate::chance::Chance;
use crate::pipes::{self, Pace};
use crate::server::{SECRET, Script};

const BODY: &[u8] = b"Subject: x\r\n\r\n.dot\r\n..\r\n.\r\nend\r\n";
/// Messages over one connection, as long as it can be used.
const MESSAGES: usize = 3;

/// Bytes of a server that are read in one go.
const PIECE: usize = 4 * 1024;

/// How we come.
#[derive(Debug, Clone, Copy)]
struct Setting {
    pace: Pace,
    protocol: Protocol,
    place: Place,
    recipients: usize,
    size: Size,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Backend,
    /// A backend that we log in at: on this machine, so it needs no TLS.
    Near,
    /// The same far away, so it does.
    Far,
    Stranger,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Size {
    Small,
    /// So large that it goes as a chunk where that is offered.
    Large,
}

impl Setting {
    fn of(byte: u8) -> Self {
        let is_lmtp = byte / 2 % 2 == 1;
        let places = [Place::Backend, Place::Near, Place::Far, Place::Stranger];
        Self {
            pace: Pace::of(byte),
            protocol: if is_lmtp {
                Protocol::Lmtp
            } else {
                Protocol::Smtp
            },
            place: places[usize::from(byte / 4 % 4)],
            recipients: usize::from(byte / 16 % 4) + 1,
            size: if byte / 64 == 3 {
                Size::Large
            } else {
                Size::Small
            },
        }
    }

    const fn host(self) -> &'static str {
        match self.place {
            Place::Near => "127.0.0.1",
            Place::Backend | Place::Far | Place::Stranger => "192.0.2.1",
        }
    }

    fn target(self) -> DeliveryTarget {
        match self.place {
            Place::Stranger => DeliveryTarget::Domain("stranger.example".to_owned()),
            Place::Backend | Place::Near | Place::Far => {
                DeliveryTarget::Backend(BackendId::new("sink"))
            }
        }
    }

    /// Strangers speak SMTP.
    fn protocol(self) -> Protocol {
        match self.place {
            Place::Stranger => Protocol::Smtp,
            Place::Backend | Place::Near | Place::Far => self.protocol,
        }
    }

    fn options(self) -> Options {
        let hosts = Hosts::List(vec![self.host().to_owned()]);
        let logs_in = matches!(self.place, Place::Near | Place::Far);
        let backend = BackendOptions {
            protocol: self.protocol,
            credentials: logs_in.then(|| Credentials {
                username: "ann".to_owned(),
                secret: SecretFile::Password(SECRET.into()),
                mechanism: None,
            }),
            ..BackendOptions::new(BackendId::new("sink"), hosts)
        };
        let mut options = Options::new("mx.example.org");
        options.backends.insert(backend.id.clone(), backend);
        options
    }

    fn delivery(self, number: usize) -> Delivery {
        let address = |place| format!("r{place}@m{number}.example").parse().unwrap();
        let recipient = |place| Recipient {
            address: address(place),
            parameters: RcptParameters {
                notify: None,
                orcpt: Some("rfc822;orig@example.org".to_owned()),
            },
            lane: "sink".to_owned(),
            mailbox: None,
        };
        let envelope = Envelope {
            from: "sender@example.net".parse().unwrap(),
            parameters: MailParameters {
                body: BodyKind::EightBitMime,
                ..MailParameters::default()
            },
            recipients: (0..self.recipients).map(recipient).collect(),
            peer: Peer::default(),
            message_id: None,
            subject: None,
            header_from: None,
            authenticity: Authenticity::default(),
            expanded: None,
            filtered: Vec::new(),
            automatic: None,
            tls_optional: false,
            verdict: None,
        };
        let numbers = 0..u16::try_from(self.recipients).unwrap();
        Delivery {
            id: SpoolId::from_u64(1),
            envelope: Arc::new(envelope),
            recipients: numbers
                .map(|one| (one, address(usize::from(one))))
                .collect(),
            body: Arc::new(Body(self.body().into())),
            stop: Shutdown::new(),
        }
    }

    fn body(self) -> Vec<u8> {
        match self.size {
            Size::Small => BODY.to_vec(),
            Size::Large => BODY.repeat(limits::BODY_PIECE / BODY.len() + 2),
        }
    }
}

/// A few messages: each ends, with an outcome for each recipient. Delivered is who was named in a
/// conversation whose every step the server agreed to, and nobody else; nothing is that it agreed
/// to before it heard it. What is kept of its words can be shown; a password is not said where
/// others could listen.
pub(crate) fn delivery(input: &[u8]) {
    let Some((&first, script)) = input.split_first() else {
        return;
    };
    let setting = Setting::of(first);
    let net = Script::new(script, setting.pace, setting.host());
    let world = World {
        dial: Arc::clone(&net) as Arc<dyn Dial>,
        resolve: Arc::clone(&net) as Arc<dyn Resolve>,
        tls: tls(),
        clock: Clock::system(),
        entropy: Entropy::new(Chance::new(7)),
        board: None,
    };
    let outbound = Outbound::new(setting.options(), world);
    let told = pipes::run(deliver(&outbound, setting));
    let heard = net.heard();
    if setting.place == Place::Far {
        let has_auth = |bytes: &Vec<u8>| bytes.windows(5).any(|it| it == b"AUTH ");
        assert!(!heard.iter().any(has_auth), "a password in plain text");
    }
    let agreed = heard.iter().flat_map(|it| agreed(it, script, setting));
    let agreed: Vec<String> = agreed.collect();
    for (address, outcome) in told {
        let is_agreed = agreed.contains(&address);
        match outcome {
            Outcome::Delivered { reply } => {
                assert!(is_agreed, "{address} is not delivered: {reply}");
                let was_there = setting.pace == Pace::Rush && script.len() <= PIECE;
                assert!(!was_there, "{reply} was said before the message came");
                assert!(reply.is_success());
                check_reply(&reply);
            }
            Outcome::Failed(failure) => {
                let is_told = failure.uncertain || !is_agreed;
                assert!(is_told, "{address} is delivered: {failure:?}");
                check_failure(&failure);
            }
        }
    }
}

async fn deliver(outbound: &Outbound, setting: Setting) -> Vec<(String, Outcome)> {
    let mut told = Vec::new();
    let mut channel: Option<Box<dyn Channel>> = None;
    for number in 0..MESSAGES {
        let mut open = match channel.take().filter(|channel| channel.is_usable()) {
            Some(open) => open,
            None if number > 0 => break,
            None => match outbound.open(&setting.target()).await {
                Ok(open) => open,
                Err(failure) => {
                    check_failure(&failure);
                    break;
                }
            },
        };
        let delivery = setting.delivery(number);
        let ready = Box::pin(std::future::ready(Ok(())));
        let outcomes = open.deliver(&delivery, ready).await;
        assert_eq!(outcomes.len(), delivery.recipients.len());
        let names = delivery.recipients.iter().map(|(_, one)| one.to_string());
        told.extend(names.zip(outcomes));
        channel = Some(open);
    }
    if let Some(channel) = channel {
        channel.quit().await;
    }
    // The server hears the rest.
    pipes::lull().await;
    told
}

fn check_reply(reply: &Reply) {
    assert!((200..600).contains(&reply.code));
    assert!(reply.text.len() <= limits::REPLY_LINES * limits::REPLY_LINE);
    let is_odd = |letter: char| letter.is_control() && letter != '\n';
    assert!(!reply.text.contains(is_odd), "{reply:?}");
}

fn check_failure(failure: &Failure) {
    failure.reply.iter().for_each(check_reply);
    assert!(failure.what.len() <= limits::REPLY_LINES * limits::REPLY_LINE + 200);
    let is_odd = |letter: char| letter.is_control() && letter != '\n';
    assert!(!failure.what.contains(is_odd), "{failure:?}");
}

/// Simply: what we said and what the server said, a reply to each command. Whom did it take a whole
/// message for?
fn agreed(heard: &[u8], script: &[u8], setting: Setting) -> Vec<String> {
    let mut replies = codes(script).into_iter();
    let mut next = move || replies.next().unwrap_or_default();
    let mut rest = heard;
    let mut agreed = Vec::new();
    let mut is_begun = false;
    let mut accepted: Vec<String> = Vec::new();
    // Its greeting.
    next();
    while let Some(end) = rest.windows(2).position(|it| it == b"\r\n") {
        let line = std::str::from_utf8(&rest[..end]).unwrap_or_default();
        rest = &rest[end + 2..];
        if let Some(address) = line.strip_prefix("RCPT TO:<") {
            let (address, _) = address.split_once('>').unwrap();
            if next() == b'2' && is_begun {
                accepted.push(address.to_owned());
            }
            continue;
        }
        let content = if line.starts_with("MAIL FROM:<") {
            accepted.clear();
            is_begun = next() == b'2';
            continue;
        } else if let Some(size) = line.strip_prefix("BDAT ") {
            let size: usize = size.strip_suffix(" LAST").unwrap().parse().unwrap();
            let content = rest.get(..size).unwrap_or_default().to_vec();
            rest = rest.get(size..).unwrap_or_default();
            content
        } else if line == "DATA" {
            if next() != b'3' {
                continue;
            }
            let Some((content, behind)) = dotted(rest) else {
                break;
            };
            rest = behind;
            content
        } else {
            next();
            continue;
        };
        let is_whole = content == setting.body();
        // SMTP has one reply for all, also when it has taken nobody.
        let of_all = match setting.protocol() {
            Protocol::Smtp => Some(next()),
            Protocol::Lmtp => None,
        };
        for address in accepted.drain(..) {
            let code = of_all.unwrap_or_else(&mut next);
            if code == b'2' && is_whole {
                agreed.push(address);
            }
        }
    }
    agreed
}

/// A message up to its dot, and what is behind it.
fn dotted(mut rest: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let mut content = Vec::new();
    loop {
        let end = rest.windows(2).position(|it| it == b"\r\n")?;
        let (line, behind) = rest.split_at(end + 2);
        rest = behind;
        if line == b".\r\n" {
            return Some((content, rest));
        }
        content.extend_from_slice(line.strip_prefix(b".").unwrap_or(line));
    }
}

/// The first digit of each reply.
fn codes(script: &[u8]) -> Vec<u8> {
    let mut codes = Vec::new();
    let mut lines = script.split(|byte| *byte == b'\n');
    // Behind the last LF there is no line.
    lines.next_back();
    for line in lines {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.get(3) != Some(&b'-') {
            codes.push(line.first().copied().unwrap_or_default());
        }
    }
    codes
}

/// Made once: that costs more than a delivery.
fn tls() -> TlsClient {
    static CLIENT: OnceLock<TlsClient> = OnceLock::new();
    let none = std::iter::empty::<&[u8]>;
    let made = CLIENT.get_or_init(|| TlsClient::with_authorities(none()).unwrap());
    made.clone()
}
