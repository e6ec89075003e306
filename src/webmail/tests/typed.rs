//! What was typed is not lost, whatever is wrong with the form.

use super::*;

#[tokio::test]
async fn a_text_that_is_too_long_is_not_lost() {
    let site = Site::new();
    let mut ann = site.enrolled("ann@example.org").await;
    let text = "Much. ".repeat(limits::FORM / 5);
    let text = text.trim_end();
    for action in ["send", "save"] {
        let form = [("to", "b@x.example"), ("text", text), ("action", action)];
        let answer = ann.write("/compose", &form).await;
        assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE);
        assert!(answer.has("The text is too long: 1.2 MB, and 1.0 MB at most"));
        assert!(answer.written() == text, "the page has all of it");
        let draft = format!("/compose?draft={}", answer.field("token"));
        assert!(ann.get(&draft).await.written() == text, "so has the draft");
    }
    assert!(ann.get("/sent").await.has("Nothing sent yet"));
    // By itself, while it is written.
    let form = [("text", text), ("action", "autosave")];
    assert!(ann.write("/compose", &form).await.has("Saved at"));

    // What is read has an end, between two letters; that is said.
    let text = "ü".repeat(limits::WEB_TYPED / 2 + 3);
    let answer = ann.write("/compose", &[("text", &text)]).await;
    assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert!(answer.has("longer than 4.1 MB, and its end is not here"));
    assert!(text.starts_with(&answer.written()) && answer.written().len() > 4_000_000);
}

/// More than a request can have, and it is a file: what was written beside it is kept.
#[tokio::test]
async fn files_that_are_far_too_large_take_no_text_with_them() {
    let site = Site::new();
    let mut ann = site.enrolled("ann@example.org").await;
    let content = vec![7; 12 * 1024 * 1024];
    let files: [(&str, &str, &[u8]); 1] = [("file", "film.mp4", &content)];
    let form = [("to", "b@x.example"), ("text", "See the film.")];
    let answer = ann.write_with("/compose", &form, &files).await;
    assert!(answer.has("“film.mp4” was not attached"), "{}", answer.text);
    assert_eq!(answer.written(), "See the film.");
    assert!(ann.get("/drafts").await.has("To b@x.example"));
    assert!(ann.get("/sent").await.has("Nothing sent yet"));
}

/// An original of any size can be answered and passed on, and the letter leaves.
#[tokio::test]
async fn long_originals_are_quoted_in_part() {
    let site = Site::new();
    let mut ann = site.enrolled("ann@example.org").await;
    let header = "From: John Doe <john@x.example>\nTo: ann@example.org\nSubject: Log\n\
        Content-Type: text/plain; charset=utf-8\n\n";
    let lines: Vec<String> = (0..200_000)
        .map(|n| format!("line {n} äöü & <so> on\n"))
        .collect();
    let lines = lines.concat();
    let wide = "Breit. ".repeat(300_000);
    for (text, first, left) in [
        (&lines, "line 0 äöü & <so> on", true),
        (&wide, "Breit. Breit.", false),
    ] {
        let id = site
            .deliver(&["ann@example.org"], &format!("{header}{text}"))
            .await;
        for way in ["reply", "reply-all", "forward"] {
            let path = format!("/message/{id}/{way}");
            let page = ann.get(&path).await;
            let quoted = page.written();
            assert!(quoted.len() < limits::FORM / 8, "{way} {}", quoted.len());
            assert!(quoted.contains(first), "{way} {quoted}");
            let more = if left {
                " more lines in the original"
            } else {
                "… 1 more line"
            };
            assert!(quoted.contains(more), "{way} {quoted}");
            // As the editor sends it: twice, and each line in an element of its own.
            let html: String = quoted.lines().fold(String::new(), |html, line| {
                let line = line
                    .replace('&', "&amp;")
                    .replace('<', "&lt;")
                    .replace('>', "&gt;");
                format!("{html}<div>{line}</div>")
            });
            let form = [
                ("to", "bob@example.org"),
                ("text", &*quoted),
                ("html", &*html),
            ];
            ann.write(&path, &form).await.location();
        }
    }
    let spool = &site.webmail.0.world.spool;
    assert_eq!(spool.sent("ann@example.org", None, 10).unwrap().len(), 6);
}

/// Somebody logs in anew in another tab: the page that was open shows the text again, and it can be
/// sent; nothing is done before that.
#[tokio::test]
async fn a_form_of_an_earlier_session_loses_no_text() {
    let site = Site::new();
    let mut ann = site.enrolled("ann@example.org").await;
    let token = ann.get("/compose").await.field("token");
    for csrf in ["", "0123456789abcdef0123456789abcdef"] {
        for action in ["send", "save", "autosave", "attach", "find"] {
            let form = [
                ("csrf", csrf),
                ("token", &*token),
                ("to", "bob@example.org"),
                ("subject", "Long one"),
                ("text", "Written for <hours>"),
                ("action", action),
            ];
            let files: [(&str, &str, &[u8]); 1] = [("file", "a.pdf", b"%PDF")];
            let answer = ann.upload("/compose", &form, &files).await;
            assert_eq!(answer.status, StatusCode::FORBIDDEN, "{action}");
            assert!(answer.has("You have logged in anew"), "{}", answer.text);
            assert_eq!(answer.written(), "Written for <hours>");
            assert_eq!(answer.field("subject"), "Long one");
            assert!(!answer.has("a.pdf"), "{}", answer.text);
        }
    }
    assert!(ann.get("/drafts").await.has("No drafts") && ann.get("/sent").await.has("Nothing"));
}
