//! What folders tell, and what errors tell of secrets.

use super::*;

#[tokio::test]
async fn what_a_folder_does_not_tell_is_not_missing() {
    let inbox = ("LIST", "* LIST () \"/\" INBOX\r\nT OK x\r\n");
    let open = ("EXAMINE", "* 3 EXISTS\r\nT OK x\r\n");
    let ids = [wanted(1, Some("a@b"))];
    let (two, three) = (others(1..=2), others(1..=3));
    let twice = format!("{}{two}", two.replace("T OK x\r\n", ""));
    for short in ["T OK x\r\n", two.as_str(), twice.as_str()] {
        let rest = [
            inbox,
            open,
            ("FETCH 1:3", short),
            open,
            ("FETCH 1:3", short),
        ];
        let error = ask(logged_in(&rest), &ids).await.unwrap_err();
        assert_eq!(error, ImapError::Short("INBOX".to_owned()));
        assert!(!error.is_of_server() && !error.is_lasting());
    }
    // Somebody took one out meanwhile.
    let fewer = ("EXAMINE", "* 2 EXISTS\r\nT OK x\r\n");
    let rest = [
        inbox,
        open,
        ("FETCH 1:3", two.as_str()),
        fewer,
        ("FETCH 1:2", two.as_str()),
        ("LOGOUT", ""),
    ];
    assert_eq!(ask(logged_in(&rest), &ids).await, Ok(vec![None]));
    let rest = [inbox, open, ("FETCH 1:3", three.as_str()), ("LOGOUT", "")];
    assert_eq!(ask(logged_in(&rest), &ids).await, Ok(vec![None]));
    for odd in [
        vec![inbox, ("EXAMINE", "T OK x\r\n")],
        vec![inbox, ("EXAMINE", "* 4294967296 EXISTS\r\nT OK x\r\n")],
        vec![("LIST", "* LIST (\\Trash\r\nT OK x\r\n")],
    ] {
        let error = ask(logged_in(&odd), &ids).await;
        assert_eq!(error, Err(ImapError::Odd), "{odd:?}");
    }
}

#[tokio::test]
async fn what_came_just_now_is_looked_for_at_the_end_of_each_folder_with_the_filters_word() {
    let header = "Authentication-Results: us; spf=pass\r\nX-Tideover-Trace: 1 2\r\n\
                  X-Forefront-Antispam-Report: SFV:SPM;SCL:5\r\nMessage-ID: <a@b>\r\n\r\n";
    let fetched = format!(
        "* 2990 FETCH (BODY[HEADER.FIELDS (X)]<0> {{{}}}\r\n{header})\r\nT OK x\r\n",
        header.len()
    );
    let (newest, next) = (others(2501..=3000), others(2001..=2500));
    let rest = [
        (
            "LIST",
            "* LIST () \"/\" INBOX\r\n* LIST (\\Junk) \"/\" Bulk\r\nT OK x\r\n",
        ),
        ("EXAMINE", "* 3000 EXISTS\r\nT OK x\r\n"),
        ("FETCH 2501:3000 ", newest.as_str()),
        ("FETCH 2001:2500 ", next.as_str()),
        ("EXAMINE \"Bulk\"", "* 3000 EXISTS\r\nT OK x\r\n"),
        ("X-FOREFRONT-ANTISPAM-REPORT", fetched.as_str()),
        ("LOGOUT", ""),
    ];
    let ids = [wanted(1, Some("a@b"))];
    let question = (ids.as_slice(), Purpose::FreshLanding);
    let (found, _) = ask_with(|_| {}, logged_in(&rest), question).await;
    let place = Place {
        verdict: "SFV:SPM; SCL:5; spf=pass".to_owned(),
        ..place(FolderKind::Junk, "Bulk")
    };
    assert_eq!(found, Ok(vec![Some(place)]));
}

#[tokio::test]
async fn a_server_that_repeats_a_secret_does_not_bring_it_to_people() {
    let long = "s".repeat(120) + &"t".repeat(120);
    for (secret, said) in [("hunter2", "hunter2"), (long.as_str(), long.as_str())] {
        let reply = format!("T NO wrong: ann {said}\r\n");
        let script = vec![
            ("CAPABILITY", "* CAPABILITY IMAP4rev1\r\nT OK x\r\n"),
            ("LOGIN ", reply.as_str()),
        ];
        let change = |options: &mut ImapOptions| {
            std::fs::write(options.secret.path(), secret).unwrap();
        };
        let (error, _) = ask_with(change, script, NOTHING).await;
        let told = error.unwrap_err().to_string();
        assert!(told.ends_with("NO wrong: ann …"), "{told}");
    }
    let mut script = OPEN;
    script[2].1 = "T NO AGFubkBleGFtcGxlLm9yZyptYXN0ZXIAc2VjcmV0 and secret\r\n";
    let told = ask(script.to_vec(), &[]).await.unwrap_err().to_string();
    assert!(told.ends_with("is refused: NO … and …"), "{told}");
}
