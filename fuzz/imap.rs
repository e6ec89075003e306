//! What the fuzz target of IMAP does with its input: the first byte says what we want of a mailbox,
//! the rest is what its server says, whatever we say. Our tags are `t1`, `t2` and so on.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tideover::base::Timestamp;
use tideover::imap::{
    Carriers as _, Flags, ImapError, ImapHomes, ImapOptions, ImapSecret, Item, LoginName,
    Mailboxes as _, Purpose, Security, Sought, Spot, Wanted, World,
};
use tideover::limits;
use tideover::mail::{BackendId, Body, FolderKind, SpoolId};
use tideover::net::{Dial, Resolve, TlsClient};
use tideover::smtp::Mailbox;

use crate::pipes::{self, Pace};
use crate::server::{SECRET, Script};

const ID: u64 = 4711;
const MESSAGE_ID: &str = "a@b.example";
/// Commands that change a mailbox, and none that erases anything.
const CHANGING: [&str; 7] = [
    "SELECT",
    "STORE",
    "APPEND",
    "CREATE",
    "SUBSCRIBE",
    "COPY",
    "MOVE",
];
/// Commands that only look.
const LOOKING: [&str; 12] = [
    "CAPABILITY",
    "AUTHENTICATE",
    "LOGIN",
    "NAMESPACE",
    "LIST",
    "EXAMINE",
    "FETCH",
    "SEARCH",
    "STATUS",
    "LOGOUT",
    "ENABLE",
    "CLOSE",
];

/// What we want, and how.
#[derive(Debug, Clone, Copy)]
struct Setting {
    pace: Pace,
    errand: Errand,
    security: Security,
    secret: fn(std::path::PathBuf) -> ImapSecret,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Errand {
    Find(Purpose),
    Carry,
}

impl Setting {
    fn of(byte: u8) -> Self {
        let errands = [
            Errand::Find(Purpose::Gap),
            Errand::Find(Purpose::Landing),
            Errand::Find(Purpose::FreshLanding),
            Errand::Carry,
        ];
        let is_far = byte / 8 % 4 == 3;
        Self {
            pace: Pace::of(byte),
            errand: errands[usize::from(byte / 2 % 4)],
            security: if is_far {
                Security::StartTls
            } else {
                Security::Plain
            },
            secret: if (byte / 32).is_multiple_of(2) {
                ImapSecret::Password
            } else {
                ImapSecret::Token
            },
        }
    }
}

/// A mailbox: it is asked, or changed, to an end, however long that takes; what is told of it can
/// be shown; found is what the server told of. Who looks changes nothing, nobody erases anything,
/// and nobody logs in where TLS was asked for and did not come.
pub(crate) fn imap(input: &[u8]) {
    let Some((&first, script)) = input.split_first() else {
        return;
    };
    let setting = Setting::of(first);
    let net = Script::new(script, setting.pace, "127.0.0.1");
    let world = World {
        dial: Arc::clone(&net) as Arc<dyn Dial>,
        resolve: Arc::clone(&net) as Arc<dyn Resolve>,
        tls: tls(),
    };
    let options = ImapOptions {
        host: "127.0.0.1".to_owned(),
        port: 143,
        security: setting.security,
        authorities: None,
        login: LoginName::new("%u*master").unwrap(),
        secret: (setting.secret)(SECRET.into()),
        max_connections: 1,
        changes_per_minute: 0,
    };
    let homes = ImapHomes::new(world, [(BackendId::new("home"), options)]);
    let result = pipes::run(async {
        // Each of its steps has this time.
        let most = limits::IMAP_MAILBOX * 8 + Duration::from_secs(60);
        let errand = async {
            match setting.errand {
                Errand::Find(purpose) => find(&homes, (purpose, script)).await,
                Errand::Carry => carry(&homes).await,
            }
        };
        tokio::time::timeout(most, errand).await.expect("it ends")
    });
    if let Err(error) = result {
        check_told(&error.to_string());
    }
    for heard in net.heard() {
        check_commands(&heard, setting);
    }
}

fn ann() -> Mailbox {
    "ann@example.org".parse().unwrap()
}

async fn find(homes: &ImapHomes, (purpose, script): (Purpose, &[u8])) -> Result<(), ImapError> {
    let id = SpoolId::from_u64(ID);
    let message_id = Some(MESSAGE_ID.to_owned());
    let nobodys = Some("nobody@knows.example".to_owned());
    let wanted = [
        (id, message_id),
        (SpoolId::from_u64(1), nobodys),
        (SpoolId::from_u64(2), None),
    ];
    let wanted = wanted.map(|(id, message_id)| Wanted { id, message_id });
    let backend = BackendId::new("home");
    let found = homes.find(&backend, &ann(), (&wanted, purpose)).await?;
    assert_eq!(found.len(), wanted.len());
    let told: String = script.iter().copied().map(char::from).collect();
    for (one, place) in wanted.iter().zip(&found) {
        let Some(place) = place else { continue };
        let id = one.id.to_string().to_lowercase();
        let message_id = one.message_id.as_deref();
        let is_told =
            told.to_lowercase().contains(&id) || message_id.is_some_and(|it| told.contains(it));
        assert!(is_told, "{one:?} is nowhere");
        check_told(&place.folder);
        check_told(&place.verdict);
    }
    Ok(())
}

async fn carry(homes: &ImapHomes) -> Result<(), ImapError> {
    let mut mailbox = homes.open(&BackendId::new("home"), &ann()).await?;
    let sought = [Sought {
        id: Some(SpoolId::from_u64(ID)),
        message_id: Some(MESSAGE_ID.to_owned()),
    }];
    let found = mailbox.locate(&sought).await?;
    assert_eq!(found.len(), sought.len());
    let spots: Vec<Spot> = found.into_iter().flatten().collect();
    assert!(spots.len() <= limits::IMAP_SPOTS * 2 * 8, "{}", spots.len());
    let body = Body("Subject: x\r\n\r\nHello\r\n".into());
    let item = Item {
        flags: "\\Seen",
        date: Timestamp::from_millis(1_800_000_000_000),
        body: &body,
    };
    check_told(&mailbox.append(FolderKind::Archive, item).await?);
    if let Some(spot) = spots.first() {
        let seen = Flags {
            seen: true,
            ..Flags::default()
        };
        mailbox.flag(spot, (seen, Flags::default())).await?;
        mailbox.file(spot, FolderKind::Trash).await?;
    }
    mailbox.close().await;
    Ok(())
}

/// It stands in tables and pages.
fn check_told(told: &str) {
    assert!(told.chars().count() <= 2_000, "{} bytes", told.len());
    assert!(!told.chars().any(char::is_control), "{told:?}");
}

/// The verbs of what we said, by their tags.
fn check_commands(heard: &[u8], setting: Setting) {
    for line in heard.split(|byte| *byte == b'\n') {
        let line = std::str::from_utf8(line).unwrap_or_default();
        let mut words = line.split_ascii_whitespace();
        let tag = words.next().unwrap_or_default();
        let number = tag.strip_prefix('t').and_then(|it| it.parse::<u32>().ok());
        let verb = words.next().unwrap_or_default();
        if number.is_none() || verb.is_empty() {
            continue;
        }
        let verb = match verb {
            "UID" => words.next().unwrap_or_default(),
            verb => verb,
        };
        let may_change = setting.errand == Errand::Carry;
        let is_fine = LOOKING.contains(&verb)
            || (may_change && CHANGING.contains(&verb))
            || (verb == "STARTTLS" && setting.security == Security::StartTls);
        assert!(is_fine, "{line:?} for {setting:?}");
        let is_login = ["LOGIN", "AUTHENTICATE"].contains(&verb);
        assert!(!is_login || setting.security == Security::Plain);
    }
}

/// Made once: that costs more than a mailbox.
fn tls() -> TlsClient {
    static CLIENT: OnceLock<TlsClient> = OnceLock::new();
    let none = std::iter::empty::<&[u8]>;
    let made = CLIENT.get_or_init(|| TlsClient::with_authorities(none()).unwrap());
    made.clone()
}
