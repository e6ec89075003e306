//! What an export leaves when it is refused, or breaks off.

use std::io::{Read as _, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::Arc;
use std::thread::JoinHandle;

use serde_json::json;

use super::*;
use crate::admin::{SOCKET, SelectQuery};
use crate::base::Timestamp;
use crate::cli::client::Client;
use crate::cli::intent::Format;
use crate::mail::Envelope;

const IDS: [&str; 2] = ["0S9W301QR0000", "0S9W301QR0001"];

struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
        }
    }

    fn out(&self) -> PathBuf {
        self.folder.path().join("out")
    }

    /// What stands in the folder of the export; nothing when it is not there.
    fn left(&self) -> Option<Vec<String>> {
        let names = std::fs::read_dir(self.out()).ok()?;
        let names = names.map(|it| it.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<String> = names.collect();
        names.sort();
        Some(names)
    }

    /// A server that gives these answers, one after the other, and is gone then.
    fn serve(&self, answers: Vec<(u16, String)>) -> JoinHandle<()> {
        let listener = UnixListener::bind(self.folder.path().join(SOCKET)).unwrap();
        std::thread::spawn(move || {
            for (status, answer) in answers {
                let (mut stream, _) = listener.accept().unwrap();
                take_request(&mut stream);
                let length = answer.len();
                write!(
                    stream,
                    "HTTP/1.1 {status} It is so\r\ncontent-length: {length}\r\n\r\n{answer}"
                )
                .unwrap();
            }
        })
    }

    async fn export(&self) -> Result<(), Failure> {
        let worker = Worker {
            client: Client::new(self.folder.path(), Path::new("mail.toml")),
            format: Format::Json,
            which: SelectQuery::default(),
        };
        worker.export(&self.out()).await
    }
}

fn take_request(stream: &mut UnixStream) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        head.extend(byte);
    }
    let head = String::from_utf8(head).unwrap().to_lowercase();
    let length = head.split("content-length: ").nth(1);
    let length = length.map_or(0, |rest| rest.lines().next().unwrap().parse().unwrap());
    stream.read_exact(&mut vec![0; length]).unwrap();
}

fn page(ids: &[&str]) -> (u16, String) {
    let count = ids.len();
    let page = json!({ "recipients": count, "messages": ids, "items": [], "seen": count,
                       "next": null });
    (200, page.to_string())
}

fn exported(id: &str) -> (u16, String) {
    let to = "ann@example.org".parse().unwrap();
    let exported = Exported {
        file: format!("{id}.eml"),
        id: id.parse().unwrap(),
        received: Timestamp::EPOCH,
        size: 6,
        envelope: Arc::new(Envelope::one_way(&to)),
        states: Vec::new(),
        damaged: None,
    };
    (200, serde_json::to_string(&exported).unwrap())
}

fn body() -> (u16, String) {
    (200, "hello\n".to_owned())
}

fn refused() -> (u16, String) {
    let refusal = json!({ "error": "there is no backend x", "hint": "look" });
    (400, refusal.to_string())
}

#[tokio::test]
async fn a_refused_export_leaves_nothing() {
    for (answers, told) in [
        (vec![], "is not running"),
        (vec![refused()], "there is no backend x"),
        // It is refused, or the server goes, when something was to be written.
        (vec![page(&IDS), refused()], "there is no backend x"),
        (vec![page(&IDS), page(&IDS)], "admin.sock"),
        (vec![page(&IDS), page(&IDS), exported(IDS[0])], "admin.sock"),
    ] {
        let place = Place::new();
        for is_there in [false, true] {
            if is_there {
                std::fs::create_dir(place.out()).unwrap();
            }
            let server = (!answers.is_empty()).then(|| place.serve(answers.clone()));
            let failure = place.export().await.unwrap_err();
            assert!(failure.text.contains(told), "{failure:?}");
            let expected = is_there.then(Vec::new);
            assert_eq!(place.left(), expected, "{failure:?}");
            if let Some(server) = server {
                server.join().unwrap();
                std::fs::remove_file(place.folder.path().join(SOCKET)).unwrap();
            }
        }
    }
}

#[tokio::test]
async fn an_export_of_nothing_leaves_nothing() {
    let place = Place::new();
    let server = place.serve(vec![page(&[])]);
    place.export().await.unwrap();
    assert_eq!(place.left(), None);
    server.join().unwrap();
}

#[tokio::test]
async fn an_export_that_breaks_off_says_what_it_left() {
    let place = Place::new();
    let short = (200, "hel".to_owned());
    let server = place.serve(vec![
        page(&IDS),
        page(&IDS),
        exported(IDS[0]),
        body(),
        exported(IDS[1]),
        short,
    ]);
    let failure = place.export().await.unwrap_err();
    server.join().unwrap();
    assert!(failure.text.contains("has 6 bytes, 3 came"), "{failure:?}");
    assert!(failure.text.contains("1 message of it in"), "{failure:?}");
    assert!(failure.text.contains("another folder"), "{failure:?}");
    let whole = format!("{}.eml", IDS[0]);
    assert_eq!(place.left().unwrap(), [whole, MANIFEST.to_owned()]);
    let manifest = std::fs::read_to_string(place.out().join(MANIFEST)).unwrap();
    assert_eq!(manifest.lines().count(), 1, "{manifest}");
    assert!(manifest.contains(IDS[0]), "{manifest}");

    std::fs::remove_file(place.folder.path().join(SOCKET)).unwrap();
    let failure = place.export().await.unwrap_err();
    assert!(failure.text.contains("not empty"), "{failure:?}");
}

/// A rescue goes on behind what the disk does not give, and does not look whole.
#[tokio::test]
async fn an_export_names_what_cannot_be_read_and_goes_on() {
    let refusal = json!({ "error": "big is not the folder of the large ones", "hint": "look" });
    let failed = (503, refusal.to_string());
    for unread in [
        vec![failed.clone()],
        vec![exported(IDS[0]), failed],
        vec![exported(IDS[0]), (200, "hel".to_owned())],
    ] {
        let place = Place::new();
        let why = if unread.iter().any(|(status, _)| *status == 503) {
            "big is not the folder of the large ones"
        } else {
            "it has 6 bytes, 3 came"
        };
        let rest = vec![exported(IDS[1]), body()];
        let server = place.serve([vec![page(&IDS), page(&IDS)], unread, rest].concat());
        let failure = place.export().await.unwrap_err();
        server.join().unwrap();
        assert_eq!(failure.exit, Exit::Failed);
        let named = format!("1 message could not be read:\n    {}: {why}\n", IDS[0]);
        assert!(failure.text.contains(&named), "{failure:?}");
        assert!(failure.text.contains("1 message of it in"), "{failure:?}");
        let whole = format!("{}.eml", IDS[1]);
        assert_eq!(place.left().unwrap(), [whole, MANIFEST.to_owned()]);
    }
}

#[tokio::test]
async fn what_has_left_the_spool_meanwhile_is_no_failure() {
    let refusal = json!({ "error": "the spool has no message of that id", "hint": "look" });
    let gone = (404, refusal.to_string());
    let place = Place::new();
    let server = place.serve(vec![page(&IDS), page(&IDS), gone, exported(IDS[1]), body()]);
    place.export().await.unwrap();
    server.join().unwrap();
    let whole = format!("{}.eml", IDS[1]);
    assert_eq!(place.left().unwrap(), [whole, MANIFEST.to_owned()]);
    let told = Written {
        messages: 1,
        gone: 1,
    };
    let told = told.told(Path::new("out"));
    assert!(told.ends_with("1 message not written: gone from the spool meanwhile\n"));
}

#[test]
fn only_the_first_of_many_are_named() {
    let mut left_out = LeftOut::default();
    assert_eq!(left_out.lines(), "");
    for _ in 0..NAMED + 2 {
        left_out.note(IDS[0].parse().unwrap(), "no");
    }
    let lines = left_out.lines();
    assert!(lines.starts_with("\n  22 messages could not be read:\n    0S9"));
    assert!(lines.ends_with(": no\n    and 2 more"), "{lines}");
}

#[tokio::test]
async fn an_export_is_whole_and_names_its_mail() {
    let place = Place::new();
    let server = place.serve(vec![
        page(&IDS),
        page(&IDS),
        exported(IDS[0]),
        body(),
        exported(IDS[1]),
        body(),
    ]);
    place.export().await.unwrap();
    server.join().unwrap();
    assert_eq!(place.left().unwrap().len(), 3);
    let manifest = std::fs::read_to_string(place.out().join(MANIFEST)).unwrap();
    let named: Vec<bool> = IDS.iter().map(|id| manifest.contains(id)).collect();
    assert_eq!(named, [true, true], "{manifest}");
}
