//! Changes in mailboxes, with kind servers and others.

use super::*;
use crate::base::Timestamp;
use crate::mail::Body;

/// Saturday, the date of what is put there.
const DATE: Timestamp = Timestamp::from_millis(1_772_323_204_000);

/// Opens Ann's mailbox at a server that says it can do this, and works on it.
async fn carry<T>(
    can: &str,
    rest: &[Turn<'_>],
    work: impl AsyncFnOnce(&mut dyn OpenMailbox) -> T,
) -> (T, Vec<String>) {
    let capability = format!("* CAPABILITY IMAP4rev1 {can}\r\nT OK x\r\n");
    let mut script: Vec<Turn<'_>> = OPEN.into();
    script.push(("CAPABILITY", &capability));
    script.extend_from_slice(rest);
    let folder = tempfile::tempdir().unwrap();
    let (ours, theirs) = tokio::io::duplex(1 << 20);
    let world = World {
        dial: Arc::new(Wires(Mutex::new(Some(ours)))),
        resolve: Arc::new(names()),
        tls: TlsClient::with_authorities([]).unwrap(),
    };
    let backend = BackendId::new("onprem");
    let homes = ImapHomes::new(world, [(backend.clone(), options(&folder))]);
    let ann: Mailbox = "ann@example.org".parse().unwrap();
    let working = async move {
        let mut mailbox = homes.open(&backend, &ann).await.unwrap();
        work(mailbox.as_mut()).await
    };
    tokio::join!(working, serve(theirs, script))
}

const LIST: Turn<'_> = (
    "LIST",
    "* LIST () \"/\" INBOX\r\n* LIST () \"/\" \"Gesendete Elemente\"\r\n\
     * LIST () \"/\" Papierkorb\r\n* LIST (\\Sent) \"/\" \"Weg &- fort/Sent\"\r\nT OK x\r\n",
);
const SELECT: Turn<'_> = (
    "SELECT \"INBOX\"",
    "* 3 EXISTS\r\n* OK [UIDVALIDITY 9] x\r\nT OK x\r\n",
);

fn spot() -> Spot {
    Spot {
        folder: b"INBOX".to_vec(),
        validity: 9,
        uid: 7,
        kind: FolderKind::Inbox,
        flags: Flags::default(),
        is_ours: true,
        has_labels: false,
    }
}

fn text(body: &str) -> Body {
    Body(body.to_owned().into())
}

async fn append(
    mailbox: &mut dyn OpenMailbox,
    (kind, body): (FolderKind, &Body),
) -> Result<String, ImapError> {
    let item = Item {
        flags: "\\Seen",
        date: DATE,
        body,
    };
    mailbox.append(kind, item).await
}

#[tokio::test]
async fn a_message_is_put_where_the_server_says_with_its_date() {
    let body = text("Subject: x\r\n\r\nhi\r\n");
    let rest = [
        LIST,
        (
            "APPEND \"Weg &- fort/Sent\" (\\Seen) \" 1-Mar-2026 00:00:04 +0000\" {18}",
            "+ go\r\n",
        ),
        ("Subject: x", "-"),
        ("", "-"),
        ("hi", "-"),
        ("", "T OK [APPENDUID 1 2] x\r\n"),
    ];
    let (done, _) = carry("", &rest, async |mailbox| {
        append(mailbox, (FolderKind::Sent, &body)).await
    })
    .await;
    assert_eq!(done, Ok("Weg & fort/Sent".to_owned()));
}

#[tokio::test]
async fn small_messages_go_unasked_and_large_ones_never() {
    let small = text("hi\r\n");
    let rest = [
        LIST,
        ("{4+}", "-"),
        ("hi", "-"),
        ("", "T OK x\r\n"),
        ("{5002}", "T NO [TOOBIG] not that one\r\n"),
    ];
    let large = text(&("x".repeat(5000) + "\r\n"));
    let (done, heard) = carry("LITERAL+", &rest, async |mailbox| {
        let one = append(mailbox, (FolderKind::Sent, &small)).await;
        (one, append(mailbox, (FolderKind::Sent, &large)).await)
    })
    .await;
    assert!(done.0.is_ok(), "{:?}", done.0);
    let error = done.1.unwrap_err();
    assert!(error.is_lasting() && !error.is_of_server(), "{error}");
    assert!(!heard.iter().any(|line| line.contains("xxx")), "{heard:?}");
    let limited = "APPENDLIMIT=5000 LITERAL-";
    let (done, heard) = carry(limited, &[LIST], async |mailbox| {
        append(mailbox, (FolderKind::Sent, &large)).await
    })
    .await;
    assert!(done.unwrap_err().to_string().contains("5002 bytes"));
    assert!(!heard.iter().any(|line| line.contains("APPEND")));
}

#[tokio::test]
async fn a_folder_that_is_missing_is_made_below_the_users_own() {
    let rest = [
        (
            "NAMESPACE",
            "* NAMESPACE ((\"INBOX.\" \".\")) NIL NIL\r\nT OK x\r\n",
        ),
        ("LIST", "* LIST () \".\" INBOX\r\nT OK x\r\n"),
        (
            "NAMESPACE",
            "* NAMESPACE ((\"INBOX.\" \".\")) NIL NIL\r\nT OK x\r\n",
        ),
        ("CREATE \"INBOX.Drafts\" (USE (\\Drafts))", "T OK x\r\n"),
        ("SUBSCRIBE \"INBOX.Drafts\"", "T NO never\r\n"),
        ("APPEND \"INBOX.Drafts\"", "+ go\r\n"),
        ("hi", "-"),
        ("", "T OK x\r\n"),
        ("APPEND \"INBOX.Drafts\"", "+ go\r\n"),
        ("hi", "-"),
        ("", "T OK x\r\n"),
    ];
    let body = text("hi\r\n");
    let can = "NAMESPACE CREATE-SPECIAL-USE";
    let (done, _) = carry(can, &rest, async |mailbox| {
        append(mailbox, (FolderKind::Drafts, &body)).await?;
        append(mailbox, (FolderKind::Drafts, &body)).await
    })
    .await;
    assert_eq!(done, Ok("INBOX.Drafts".to_owned()));
}

#[tokio::test]
async fn a_use_that_is_refused_is_done_without() {
    let body = text("hi\r\n");
    for (refusal, plain) in [
        ("T NO [USEATTR] none\r\n", Some("T OK x\r\n")),
        ("T BAD what\r\n", Some("T NO [ALREADYEXISTS] x\r\n")),
        ("T NO [ALREADYEXISTS] x\r\n", None),
    ] {
        let mut rest = vec![
            ("LIST", "* LIST () \"/\" INBOX\r\nT OK x\r\n"),
            ("CREATE \"Drafts\" (USE (\\Drafts))", refusal),
        ];
        rest.extend(plain.map(|answer| ("CREATE \"Drafts\"", answer)));
        rest.extend([
            ("SUBSCRIBE \"Drafts\"", "T OK x\r\n"),
            ("APPEND \"Drafts\"", "+ go\r\n"),
            ("hi", "-"),
            ("", "T OK x\r\n"),
        ]);
        let (done, heard) = carry("CREATE-SPECIAL-USE", &rest, async |mailbox| {
            append(mailbox, (FolderKind::Drafts, &body)).await
        })
        .await;
        assert_eq!(done, Ok("Drafts".to_owned()), "{refusal}: {heard:?}");
    }
}

#[tokio::test]
async fn of_several_folders_the_platforms_own_at_the_top_is_meant() {
    for (listed, expected) in [
        (vec!["Sent", "Elementy wysłane"], "Elementy wysłane"),
        (
            vec!["A/Sent Items", "INBOX/Gesendete Elemente"],
            "INBOX/Gesendete Elemente",
        ),
        (vec!["Trash", "Sent Messages", "sent-mail"], "Sent Messages"),
    ] {
        let one = |name: &&str| format!("* LIST () \"/\" {{{}}}\r\n{name}\r\n", name.len());
        let listed = listed.iter().map(one).collect::<Vec<_>>().concat();
        let listed = format!("* LIST () \"/\" INBOX\r\n{listed}T OK x\r\n");
        let opened = format!("APPEND \"{expected}\"");
        let literal = format!("APPEND {{{}}}", expected.len());
        let body = text("hi\r\n");
        let mut rest = vec![("LIST", listed.as_str())];
        if expected.is_ascii() {
            rest.push((&opened, "+ go\r\n"));
        } else {
            rest.extend([(literal.as_str(), "+ go\r\n"), (expected, "+ go\r\n")]);
        }
        rest.extend([("hi", "-"), ("", "T OK x\r\n")]);
        let (done, _) = carry("", &rest, async |mailbox| {
            append(mailbox, (FolderKind::Sent, &body)).await
        })
        .await;
        assert_eq!(done, Ok(expected.to_owned()));
    }
}

const THERE: Turn<'_> = (
    "UID FETCH 7 (UID FLAGS)",
    "* 2 FETCH (UID 7 FLAGS ())\r\nT OK x\r\n",
);

#[tokio::test]
async fn messages_are_moved_and_where_that_cannot_be_only_they_are_expunged() {
    let moved = [
        LIST,
        SELECT,
        THERE,
        ("UID MOVE 7 \"Papierkorb\"", "* 2 EXPUNGE\r\nT OK x\r\n"),
    ];
    let copied = [
        LIST,
        SELECT,
        THERE,
        ("UID COPY 7 \"Papierkorb\"", "T OK [COPYUID 1 7 1] x\r\n"),
        ("UID STORE 7 +FLAGS.SILENT (\\Deleted)", "T OK x\r\n"),
        ("UID EXPUNGE 7", "* 2 EXPUNGE\r\nT OK x\r\n"),
    ];
    // Nobody expunges what others have marked.
    let marked = [&copied[..5], &[("LOGOUT", "")]].concat();
    for (can, rest) in [
        ("MOVE UIDPLUS", moved.to_vec()),
        ("UIDPLUS", copied.to_vec()),
        ("", marked),
    ] {
        let (filed, heard) = carry(can, &rest, async |mailbox| {
            mailbox.file(&spot(), FolderKind::Trash).await
        })
        .await;
        assert_eq!(filed, Ok(Filed::Moved), "{can}: {heard:?}");
        let is_bare = |line: &String| line.ends_with(" EXPUNGE") || line.ends_with(" CLOSE");
        assert!(!heard.iter().any(is_bare), "{heard:?}");
    }
}

#[tokio::test]
async fn a_copy_that_is_refused_takes_nothing_out() {
    let rest = [
        LIST,
        SELECT,
        THERE,
        ("UID COPY", "T NO [OVERQUOTA] full\r\n"),
    ];
    let (filed, heard) = carry("UIDPLUS", &rest, async |mailbox| {
        mailbox.file(&spot(), FolderKind::Trash).await
    })
    .await;
    assert!(matches!(filed, Err(ImapError::Refused { .. })), "{filed:?}");
    assert!(
        !heard.iter().any(|line| line.contains("STORE")),
        "{heard:?}"
    );
}

#[tokio::test]
async fn flags_are_set_on_what_is_still_there() {
    let seen = Flags {
        seen: true,
        flagged: true,
        deleted: false,
    };
    let rest = [
        LIST,
        SELECT,
        THERE,
        ("UID STORE 7 +FLAGS.SILENT (\\Seen \\Flagged)", "T OK x\r\n"),
        SELECT,
        ("UID FETCH 7", "* 7 FETCH (UID 8 FLAGS ())\r\nT OK x\r\n"),
        (
            "SELECT",
            "* 3 EXISTS\r\n* OK [UIDVALIDITY 10] x\r\nT OK x\r\n",
        ),
    ];
    let (done, _) = carry("", &rest, async |mailbox| {
        let (spot, flags) = (spot(), (seen, Flags::default()));
        let mut done = Vec::new();
        for _ in 0..3 {
            done.push(mailbox.flag(&spot, flags).await.unwrap());
        }
        done
    })
    .await;
    assert_eq!(done, [Filed::Moved, Filed::Gone, Filed::Gone]);
}

fn sought(id: Option<u64>, message_id: &str) -> Sought {
    Sought {
        id: id.map(SpoolId::from_u64),
        message_id: Some(message_id.to_owned()),
    }
}

#[tokio::test]
async fn all_places_of_a_message_are_found_with_what_changes_them() {
    let trace = SpoolId::from_u64(4711);
    let ours = format!("X-Tideover-Trace: {trace} 00\r\nMessage-ID: <a@b>\r\n");
    let inbox = format!(
        "* 1 FETCH (UID 4 FLAGS (\\Seen))\r\n* 2 FETCH (UID 5 FLAGS (\\Seen) BODY[X]<0> {{{}}}\r\n\
         {ours})\r\n* 1 FETCH (BODY[X]<0> {{0}}\r\n FLAGS (\\Deleted) UID 4)\r\nT OK x\r\n",
        ours.len()
    );
    let opened = |number| format!("* {number} EXISTS\r\n* OK [UIDVALIDITY 9] x\r\nT OK x\r\n");
    let (two, one) = (opened(2), opened(1));
    let trash = "* 1 FETCH (UID 3 FLAGS () BODY[X]<0> \"Message-ID: <A@b>\")\r\nT OK x\r\n";
    let rest = [
        (
            "LIST",
            "* LIST () \"/\" INBOX\r\n* LIST () \"/\" Trash\r\nT OK x\r\n",
        ),
        ("EXAMINE \"INBOX\"", two.as_str()),
        ("FETCH 1:2 (UID FLAGS BODY.PEEK[", inbox.as_str()),
        ("EXAMINE \"Trash\"", one.as_str()),
        ("FETCH 1:1", trash),
    ];
    let wanted = [sought(Some(4711), "a@b"), sought(None, "A@b")];
    let (found, _) = carry("", &rest, async |mailbox| mailbox.locate(&wanted).await).await;
    let found = found.unwrap();
    let told = |spots: &[Spot]| -> Vec<_> {
        let told = spots.iter();
        told.map(|spot| (spot.kind, spot.uid, spot.flags.seen, spot.is_ours))
            .collect()
    };
    assert_eq!(told(&found[0]), [(FolderKind::Inbox, 5, true, true)]);
    assert_eq!(told(&found[1]), [(FolderKind::Trash, 3, false, false)]);
}

#[tokio::test]
async fn gmail_is_changed_in_all_mail_by_its_labels() {
    let open = "* 3 EXISTS\r\n* OK [UIDVALIDITY 9] x\r\nT OK x\r\n";
    let empty = "* 0 EXISTS\r\n* OK [UIDVALIDITY 8] x\r\nT OK x\r\n";
    let fetched = "* 1 FETCH (X-GM-LABELS (\"\\\\Inbox\" Kunden) UID 4 FLAGS () BODY[X]<0> \
                   \"Message-ID: <a@b>\")\r\n\
                   * 2 FETCH (X-GM-LABELS () UID 5 FLAGS () BODY[X]<0> \"Message-ID: <c@d>\")\r\n\
                   * 3 FETCH (X-GM-LABELS (\"\\\\Sent\") UID 6 FLAGS () BODY[X]<0> \
                   \"Message-ID: <e@f>\")\r\nT OK x\r\n";
    let there = |uid: u32| format!("* 1 FETCH (UID {uid} FLAGS ())\r\nT OK x\r\n");
    let (four, five) = (there(4), there(5));
    let select = ("SELECT \"[Gmail]/All Mail\"", open);
    let rest = [
        (
            "LIST",
            "* LIST () \"/\" INBOX\r\n* LIST () \"/\" Kunden\r\n\
             * LIST (\\All) \"/\" \"[Gmail]/All Mail\"\r\n\
             * LIST (\\Sent) \"/\" \"[Gmail]/Sent Mail\"\r\n\
             * LIST (\\Trash) \"/\" \"[Gmail]/Trash\"\r\nT OK x\r\n",
        ),
        ("EXAMINE \"[Gmail]/All Mail\"", open),
        ("FETCH 1:3 (UID FLAGS X-GM-LABELS BODY.PEEK[", fetched),
        ("EXAMINE \"[Gmail]/Trash\"", empty),
        // Archived, deleted from all mail alone, brought back to the inbox.
        select,
        ("UID FETCH 4", four.as_str()),
        ("UID STORE 4 -X-GM-LABELS (\\Inbox)", "T OK x\r\n"),
        select,
        ("UID FETCH 5", five.as_str()),
        ("UID MOVE 5 \"[Gmail]/Trash\"", "T OK x\r\n"),
        select,
        ("UID FETCH 5", five.as_str()),
        ("UID STORE 5 +X-GM-LABELS (\\Inbox)", "T OK x\r\n"),
    ];
    let wanted = ["a@b", "c@d", "e@f"].map(|id| sought(None, id));
    let (kinds, heard) = carry("X-GM-EXT-1 MOVE", &rest, async |mailbox| {
        let spots = mailbox.locate(&wanted).await.unwrap().concat();
        for (at, kind) in [
            (0, FolderKind::Archive),
            (1, FolderKind::Trash),
            (1, FolderKind::Inbox),
        ] {
            assert_eq!(mailbox.file(&spots[at], kind).await, Ok(Filed::Moved));
        }
        spots.iter().map(|spot| spot.kind).collect::<Vec<_>>()
    })
    .await;
    let expected = [FolderKind::Inbox, FolderKind::Archive, FolderKind::Sent];
    assert_eq!(kinds, expected, "{heard:?}");
    let stores = heard.iter().filter(|line| line.contains("STORE"));
    assert_eq!(stores.count(), 2, "{heard:?}");
}

#[tokio::test]
async fn one_folder_that_stays_closed_takes_nobody_the_rest() {
    let open = "* 1 EXISTS\r\n* OK [UIDVALIDITY 9] x\r\nT OK x\r\n";
    let found = "* 1 FETCH (UID 3 FLAGS () BODY[X]<0> \"Message-ID: <a@b>\")\r\nT OK x\r\n";
    let listed =
        |name: &str| format!("* LIST () \"/\" INBOX\r\n* LIST () \"/\" \"{name}\"\r\nT OK x\r\n");
    let noperm = "T NO [NOPERM] not yours\r\n";
    for (name, refusal, is_told) in [
        ("Chef", noperm, false),
        ("Chef", "T NO Mailbox cannot be opened\r\n", false),
        ("Trash", noperm, false),
        // What we put there may be there already.
        ("Sent", noperm, true),
        ("Entw&APw-rfe", noperm, true),
        ("Chef", "T NO [UNAVAILABLE] later\r\n", true),
        ("Chef", "T NO [INUSE] later\r\n", true),
    ] {
        let list = listed(name);
        let rest = [
            ("LIST", list.as_str()),
            ("EXAMINE \"INBOX\"", open),
            ("FETCH 1:1", found),
            ("EXAMINE", refusal),
        ];
        let wanted = [sought(None, "a@b")];
        let (spots, _) = carry("", &rest, async |mailbox| mailbox.locate(&wanted).await).await;
        assert_eq!(spots.is_err(), is_told, "{name}: {refusal}");
        if let Ok(spots) = spots {
            assert_eq!(spots[0].len(), 1, "{name}: {refusal}");
        }
    }
}

#[tokio::test]
async fn a_server_that_makes_no_sense_changes_nothing() {
    let open = "* 1 EXISTS\r\n* OK [UIDVALIDITY 9] x\r\nT OK x\r\n";
    let inbox = ("LIST", "* LIST () \"/\" INBOX\r\nT OK x\r\n");
    for (rest, error) in [
        (
            vec![inbox, ("EXAMINE", "* 1 EXISTS\r\nT OK x\r\n")],
            ImapError::Odd,
        ),
        (
            vec![
                inbox,
                ("EXAMINE", open),
                ("FETCH", "* 1 FETCH (BODY[] NIL)\r\nT OK\r\n"),
            ],
            ImapError::Odd,
        ),
        (
            vec![
                inbox,
                ("EXAMINE", open),
                ("FETCH", "T OK x\r\n"),
                ("EXAMINE", open),
                ("FETCH", "T OK x\r\n"),
            ],
            ImapError::Short("INBOX".to_owned()),
        ),
        (
            vec![inbox, ("EXAMINE", "* BYE tired\r\n")],
            ImapError::Broken("BYE tired".to_owned()),
        ),
    ] {
        let wanted = [sought(None, "a@b")];
        let (found, _) = carry("", &rest, async |mailbox| mailbox.locate(&wanted).await).await;
        assert_eq!(found, Err(error));
    }
    let body = text("hi\r\n");
    for answer in ["", "* BYE no\r\n", "what\r\n", "T OK too early\r\n"] {
        let rest = [
            inbox,
            ("CREATE \"Sent\"", "T OK x\r\n"),
            ("SUBSCRIBE", "T OK x\r\n"),
            ("APPEND", answer),
        ];
        let (done, heard) = carry("", &rest, async |mailbox| {
            append(mailbox, (FolderKind::Sent, &body)).await
        })
        .await;
        assert!(done.is_err(), "{answer}");
        assert!(!heard.iter().any(|line| line == "hi"), "{heard:?}");
    }
}
