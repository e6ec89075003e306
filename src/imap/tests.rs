//! Conversations with scripted servers, kind ones and others.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, DuplexStream};

mod carrying;
mod folders;

use super::*;
use crate::base::Boxed;
use crate::mail::{BackendId, SpoolId};
use crate::net::hosts_tests::Hosts;
use crate::net::{BoxedStream, Dial, Stream, TlsClient};
use crate::smtp::Mailbox;

pub(super) const NOTHING: (&[Wanted], Purpose) = (&[], Purpose::Gap);

/// The one connection that there is.
#[derive(Debug)]
pub(super) struct Wires(pub(super) Mutex<Option<DuplexStream>>);

impl Dial for Wires {
    fn dial(&self, _address: SocketAddr) -> Boxed<'_, io::Result<BoxedStream>> {
        let stream = self.0.lock().unwrap().take();
        Box::pin(async move {
            let stream = stream.ok_or(io::ErrorKind::ConnectionRefused)?;
            Ok(Box::new(stream) as BoxedStream)
        })
    }
}

/// Whatever a server is called, it is here.
pub(super) fn names() -> Hosts {
    Hosts::all_at(vec![[127, 0, 0, 1].into()])
}

/// What the client must say, and what it hears; `T` is its tag.
pub(super) type Turn<'a> = (&'a str, &'a str);

const OPEN: [Turn<'_>; 3] = [
    (
        "CAPABILITY",
        "* CAPABILITY IMAP4rev1 AUTH=PLAIN NAMESPACE\r\nT OK x\r\n",
    ),
    ("AUTHENTICATE PLAIN", "+ \r\n"),
    ("AGFubkBleGFtcGxlLm9yZyptYXN0ZXIAc2VjcmV0", "T OK in\r\n"),
];
const SPACES: [Turn<'_>; 2] = [
    (
        "CAPABILITY",
        "* CAPABILITY IMAP4rev1 NAMESPACE\r\nT OK x\r\n",
    ),
    (
        "NAMESPACE",
        "* NAMESPACE ((\"\" \"/\")) NIL ((\"Shared/\" \"/\"))\r\nT OK x\r\n",
    ),
];

pub(super) fn options(folder: &tempfile::TempDir) -> ImapOptions {
    let file = folder.path().join("secret");
    std::fs::write(&file, "secret\n").unwrap();
    ImapOptions {
        host: "127.0.0.1".to_owned(),
        port: 143,
        security: Security::Plain,
        authorities: None,
        login: LoginName::new("%u*master").unwrap(),
        secret: ImapSecret::Password(file),
        max_connections: 1,
        changes_per_minute: 0,
    }
}

fn wanted(number: u64, message_id: Option<&str>) -> Wanted {
    Wanted {
        id: SpoolId::from_u64(number),
        message_id: message_id.map(str::to_owned),
    }
}

/// Plays the server. An empty reply ends the connection, `-` is none.
pub(super) async fn serve(mut stream: impl Stream, script: Vec<Turn<'_>>) -> Vec<String> {
    stream.write_all(b"* OK hello\r\n").await.unwrap();
    converse(stream, script).await
}

/// The same behind the greeting.
pub(super) async fn converse(stream: impl Stream, script: Vec<Turn<'_>>) -> Vec<String> {
    let (read, mut write) = tokio::io::split(stream);
    let mut lines = BufReader::new(read).lines();
    let mut heard = Vec::new();
    let mut tag = String::new();
    for (expected, reply) in script {
        let Ok(Some(line)) = lines.next_line().await else {
            return heard;
        };
        assert!(line.contains(expected), "{expected} in {line}");
        if let Some((first, _)) = line.split_once(' ')
            && first
                .strip_prefix('t')
                .is_some_and(|number| number.parse::<u32>().is_ok())
        {
            tag = first.to_owned();
        }
        heard.push(line);
        match reply {
            "" => return heard,
            "-" => continue,
            _ => {}
        }
        let reply = reply.replace("\nT ", &format!("\n{tag} "));
        let reply = match reply.strip_prefix("T ") {
            Some(rest) => format!("{tag} {rest}"),
            None => reply,
        };
        // The client may have enough of it.
        if write.write_all(reply.as_bytes()).await.is_err() {
            return heard;
        }
    }
    // Until the client goes.
    while let Ok(Some(line)) = lines.next_line().await {
        heard.push(line);
    }
    heard
}

pub(super) async fn ask_with(
    change: impl FnOnce(&mut ImapOptions),
    script: Vec<Turn<'_>>,
    looked_for: (&[Wanted], Purpose),
) -> (Result<Vec<Option<Place>>, ImapError>, Vec<String>) {
    let folder = tempfile::tempdir().unwrap();
    let mut options = options(&folder);
    change(&mut options);
    let (ours, theirs) = tokio::io::duplex(1 << 20);
    let world = World {
        dial: Arc::new(Wires(Mutex::new(Some(ours)))),
        resolve: Arc::new(names()),
        tls: TlsClient::with_authorities([]).unwrap(),
    };
    let backend = BackendId::new("onprem");
    let homes = ImapHomes::new(world, [(backend.clone(), options)]);
    let ann: Mailbox = "ann@example.org".parse().unwrap();
    let asking = async move {
        let found = homes.find(&backend, &ann, looked_for).await;
        drop(homes);
        found
    };
    tokio::join!(asking, serve(theirs, script))
}

async fn ask(
    script: Vec<Turn<'_>>,
    looked_for: &[Wanted],
) -> Result<Vec<Option<Place>>, ImapError> {
    ask_with(|_| {}, script, (looked_for, Purpose::Gap)).await.0
}

pub(super) fn logged_in<'a>(rest: &[Turn<'a>]) -> Vec<Turn<'a>> {
    let mut script: Vec<Turn<'_>> = OPEN.into();
    script.extend(SPACES);
    script.extend_from_slice(rest);
    script
}

fn place(kind: FolderKind, folder: &str) -> Place {
    Place {
        kind,
        folder: folder.to_owned(),
        verdict: String::new(),
    }
}

#[tokio::test]
async fn messages_are_found_in_all_folders_by_their_id_and_by_our_line() {
    let trace = SpoolId::from_u64(4711).to_string();
    let line = format!("X-Tideover-Trace: {trace} 00ff\r\n");
    let fetched = format!(
        "* 3 FETCH (FLAGS (\\Seen))\r\n\
         * 3 FETCH (BODY[HEADER.FIELDS (MESSAGE-ID X-TIDEOVER-TRACE)]<0> {{18}}\r\n\
         Message-ID: <a@b>\n)\r\n\
         * 2 FETCH (BODY[HEADER.FIELDS (MESSAGE-ID X-TIDEOVER-TRACE)]<0> {{2}}\r\n\r\n)\r\n\
         * 1 FETCH (BODY[HEADER.FIELDS (MESSAGE-ID X-TIDEOVER-TRACE)]<0> {{{}}}\r\n{line})\r\n\
         T OK x\r\n",
        line.len()
    );
    let rest = [
        (
            "LIST \"\" \"*\"",
            "* LIST () \"/\" INBOX\r\n* LIST (\\Trash) \"/\" Bin\r\n\
             * LIST () \"/\" \"Shared/Team\"\r\n* LIST (\\Noselect) \"/\" x\r\nT OK x\r\n",
        ),
        (
            "EXAMINE \"INBOX\"",
            "* 3 EXISTS\r\n* 0 RECENT\r\nT OK [READ-ONLY] x\r\n",
        ),
        ("FETCH 1:3 (BODY.PEEK[HEADER.FIELDS", fetched.as_str()),
        ("EXAMINE \"Bin\"", "* 1 EXISTS\r\nT OK x\r\n"),
        (
            "FETCH 1:1 ",
            "* 1 FETCH (BODY[HEADER.FIELDS (X)] \"Message-ID: <gone@b>\")\r\nT OK x\r\n",
        ),
        ("LOGOUT", "* BYE bye\r\nT OK x\r\n"),
    ];
    let looked_for = [
        wanted(1, Some("a@b")),
        wanted(4711, None),
        wanted(3, Some("gone@b")),
        wanted(4, Some("lost@b")),
    ];
    let found = ask(logged_in(&rest), &looked_for).await;
    let inbox = || Some(place(FolderKind::Inbox, "INBOX"));
    let expected = vec![
        inbox(),
        inbox(),
        Some(place(FolderKind::Trash, "Bin")),
        None,
    ];
    assert_eq!(found, Ok(expected));
}

/// Messages that nobody looks for.
fn others(numbers: std::ops::RangeInclusive<u32>) -> String {
    let told = numbers.map(|number| {
        format!("* {number} FETCH (BODY[HEADER.FIELDS (X)] \"Message-ID: <{number}@c>\")\r\n")
    });
    told.collect::<String>() + "T OK x\r\n"
}

#[tokio::test]
async fn a_search_ends_when_all_is_found_and_large_folders_are_read_in_pieces() {
    let newest = others(701..=1200);
    let rest = [
        (
            "LIST",
            "* LIST () \"/\" INBOX\r\n* LIST () \"/\" Other\r\nT OK x\r\n",
        ),
        ("EXAMINE", "* 1200 EXISTS\r\nT OK x\r\n"),
        ("FETCH 701:1200", newest.as_str()),
        (
            "FETCH 201:700",
            "* 300 FETCH (BODY[HEADER.FIELDS (X)] \"Message-ID: <a@b>\")\r\nT OK x\r\n",
        ),
        ("LOGOUT", ""),
    ];
    let found = ask(logged_in(&rest), &[wanted(1, Some("a@b"))]).await;
    assert_eq!(found, Ok(vec![Some(place(FolderKind::Inbox, "INBOX"))]));
}

#[tokio::test]
async fn gmail_is_not_asked_for_each_label() {
    let mut script: Vec<Turn<'_>> = OPEN.into();
    script.extend([
        (
            "CAPABILITY",
            "* CAPABILITY IMAP4rev1 X-GM-EXT-1\r\nT OK x\r\n",
        ),
        (
            "LIST",
            "* LIST () \"/\" INBOX\r\n* LIST (\\All) \"/\" All\r\n\
             * LIST () \"/\" Label\r\nT OK x\r\n",
        ),
        ("EXAMINE \"INBOX\"", "* 0 EXISTS\r\nT OK x\r\n"),
        ("EXAMINE \"All\"", "* 0 EXISTS\r\nT OK x\r\n"),
        ("LOGOUT", ""),
    ]);
    assert_eq!(ask(script, &[wanted(1, None)]).await, Ok(vec![None]));
}

#[tokio::test]
async fn a_refused_login_and_a_passing_trouble_are_told_apart() {
    let with = |reply: &'static str| {
        let mut script = OPEN;
        script[2].1 = reply;
        script.to_vec()
    };
    let refused = ask(with("T NO [AUTHENTICATIONFAILED] no\r\n"), &[]).await;
    let refused = refused.unwrap_err();
    assert!(refused.is_lasting() && !refused.is_of_server());
    let told = refused.to_string();
    assert!(
        told.contains("ann@example.org*master") && !told.contains("secret"),
        "{told}"
    );
    let busy = ask(with("T NO [UNAVAILABLE] later\r\n"), &[])
        .await
        .unwrap_err();
    assert!(!busy.is_lasting() && !busy.is_of_server(), "{busy}");
}

#[tokio::test]
async fn names_and_passwords_that_need_it_go_as_literals() {
    let script = vec![
        ("CAPABILITY", "* CAPABILITY IMAP4rev1\r\nT OK x\r\n"),
        ("LOGIN \"a\\\"b\" {7}", "+ go\r\n"),
        ("gehöim", "* OK odd\r\nt2 NO no such user\r\n"),
    ];
    let change = |options: &mut ImapOptions| {
        options.login = LoginName::new("a\"b").unwrap();
        std::fs::write(options.secret.path(), "gehöim").unwrap();
    };
    let (error, _) = ask_with(change, script, NOTHING).await;
    let error = error.unwrap_err().to_string();
    assert_eq!(error, "the login of a\"b is refused: NO no such user");
    let script = vec![(
        "CAPABILITY",
        "* CAPABILITY IMAP4rev1 LOGINDISABLED\r\nT OK x\r\n",
    )];
    let (error, heard) = ask_with(|_| {}, script, NOTHING).await;
    assert!(error.unwrap_err().to_string().contains("LOGINDISABLED"));
    assert_eq!(heard.len(), 1, "{heard:?}");
}

#[tokio::test]
async fn a_token_is_shown_as_the_server_likes_it_and_its_refusal_is_heard() {
    let change = |options: &mut ImapOptions| {
        options.secret = ImapSecret::Token(options.secret.path().to_owned());
    };
    for (offered, first, second) in [
        (
            "AUTH=XOAUTH2",
            "dXNlcj1hbm5AZXhhbXBsZS5vcmcqbWFzdGVyAWF1dGg9QmVhcmVyIHNlY3JldAEB",
            "",
        ),
        (
            "AUTH=OAUTHBEARER",
            "bixhPWFubkBleGFtcGxlLm9yZyptYXN0ZXIsAWhvc3Q9MTI3LjAuMC4xAXBvcnQ9MTQzAWF1dGg9QmVhcmVy\
             IHNlY3JldAEB",
            "AQ==",
        ),
    ] {
        let capable = format!("* CAPABILITY IMAP4rev1 {offered}\r\nT OK x\r\n");
        let script = vec![
            ("CAPABILITY", capable.as_str()),
            ("AUTHENTICATE ", "+ \r\n"),
            (first, "+ eyJzdGF0dXMiOiI0MDEifQ==\r\n"),
            (second, "t2 NO [AUTHENTICATIONFAILED] expired\r\n"),
        ];
        let (error, _) = ask_with(change, script, NOTHING).await;
        let error = error.unwrap_err().to_string();
        assert!(error.contains("expired"), "{error}");
    }
    let script = vec![(
        "CAPABILITY",
        "* CAPABILITY IMAP4rev1 AUTH=PLAIN\r\nT OK x\r\n",
    )];
    let (error, _) = ask_with(change, script, NOTHING).await;
    assert!(error.unwrap_err().to_string().contains("takes no tokens"));
}

#[tokio::test]
async fn a_server_that_dies_in_the_middle_says_nothing_about_any_message() {
    let inbox = ("LIST", "* LIST () \"/\" INBOX\r\nT OK x\r\n");
    let open = ("EXAMINE", "* 2 EXISTS\r\nT OK x\r\n");
    for rest in [
        vec![("LIST", "")],
        vec![inbox, ("EXAMINE", "")],
        vec![inbox, open, ("FETCH", "")],
        vec![inbox, open, ("FETCH", "* BYE out of memory\r\n")],
        vec![
            inbox,
            open,
            (
                "FETCH",
                "* 2 FETCH (BODY[HEADER.FIELDS (X)] \"Message-ID: <a@b>\")\r\n* 1 FETCH (BODY[\r\n",
            ),
        ],
    ] {
        let mut script = logged_in(&rest);
        script.push(("", ""));
        let ids = [wanted(1, Some("a@b")), wanted(2, Some("c@d"))];
        let error = ask(script, &ids).await.unwrap_err();
        assert!(!error.is_of_server() && !error.is_lasting(), "{error}");
    }
}

#[tokio::test]
async fn absurd_answers_are_given_up() {
    let long = "x".repeat(crate::limits::IMAP_ANSWER + 10);
    for reply in [
        "* 1 FETCH (BODY[] {4294967296}\r\n",
        "* 1 FETCH (BODY[] {99999999999999999999999999}\r\n",
        "* LIST () \"/\" {300000}\r\n",
        long.as_str(),
    ] {
        let error = ask(logged_in(&[("LIST", reply)]), &[wanted(1, None)]).await;
        assert_eq!(
            error,
            Err(ImapError::TooMuch("an answer")),
            "{}",
            reply.len()
        );
    }
    for reply in [
        "T MAYBE\r\n",
        "nonsense\r\n",
        "\r\n",
        "t99 OK other\r\n",
        "+ go on\r\n",
    ] {
        let error = ask(logged_in(&[("LIST", reply)]), &[wanted(1, None)]).await;
        assert_eq!(error, Err(ImapError::Odd), "{reply}");
    }
    let many = "* LIST () \"/\" a\r\n".repeat(crate::limits::IMAP_FOLDERS + 1);
    let error = ask(logged_in(&[("LIST", many.as_str())]), &[wanted(1, None)]).await;
    assert_eq!(error, Err(ImapError::TooMuch("folders")));
    let huge = [
        ("LIST", "* LIST () \"/\" INBOX\r\nT OK x\r\n"),
        ("EXAMINE", "* 4294967295 EXISTS\r\nT OK x\r\n"),
    ];
    let error = ask(logged_in(&huge), &[wanted(1, None)]).await;
    assert_eq!(error, Err(ImapError::TooMuch("messages in one mailbox")));
}

#[tokio::test]
async fn a_folder_that_cannot_be_opened_leaves_the_mailbox_unasked() {
    let rest = [
        ("LIST", "* LIST () \"/\" INBOX\r\nT OK x\r\n"),
        ("EXAMINE", "T NO [NOPERM] \x1b[2J\r\n"),
    ];
    let error = ask(logged_in(&rest), &[wanted(1, None)]).await.unwrap_err();
    assert!(error.is_lasting());
    let told = error.to_string();
    assert_eq!(told, "EXAMINE INBOX is refused: NO [NOPERM] ?[2J");
}

#[tokio::test(start_paused = true)]
async fn a_silent_server_is_given_up() {
    let script = logged_in(&[("LIST", "* OK wait\r\n")]);
    let error = ask(script, &[wanted(1, None)]).await;
    assert_eq!(error, Err(ImapError::Silent));
}

#[tokio::test]
async fn a_backend_without_imap_cannot_be_asked() {
    let world = World {
        dial: Arc::new(Wires(Mutex::new(None))),
        resolve: Arc::new(names()),
        tls: TlsClient::with_authorities([]).unwrap(),
    };
    let folder = tempfile::tempdir().unwrap();
    let onprem = BackendId::new("onprem");
    let homes = ImapHomes::new(world, [(onprem.clone(), options(&folder))]);
    let ann: Mailbox = "ann@example.org".parse().unwrap();
    let error = homes.find(&BackendId::new("cloud"), &ann, NOTHING).await;
    assert!(matches!(error, Err(ImapError::NotConfigured(_))));
    let error = homes.find(&onprem, &ann, NOTHING).await.unwrap_err();
    assert!(error.is_of_server(), "{error}");
    assert_eq!(homes.at_a_time(&onprem), 1);
    homes.configure([]);
    assert_eq!(homes.at_a_time(&onprem), 0);
}
