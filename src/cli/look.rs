//! `spool verify`: of a spool that nobody has open, all of it at once; of one that a server has
//! open, by the server.

use std::time::Duration;

use super::client::ClientError;
use super::home::{self, At};
use super::intent::{Format, Request, SpoolWork};
use super::render::Page;
use super::teller::Teller;
use super::{Exit, Failure, offline};
use crate::admin::VerifyView;
use crate::spool::{Offline, SpoolError, World};
use crate::terminal::{Bar, many};

/// Between two questions how far the server is.
const AGAIN: Duration = Duration::from_millis(500);
/// After so many questions without a look, the server has forgotten that it was asked for one.
const IDLE: u32 = 60;

pub(super) async fn verify(
    config: At<'_>,
    (format, actor): (Format, String),
) -> Result<(), Failure> {
    let teller = Teller::new(config, (format, actor))?;
    // The server first: who tries the lock may get it when the server dies meanwhile.
    let begin = Request::post("/api/spool/verify", &());
    let before: VerifyView = match teller.client.ask(begin).await {
        Ok(before) => before,
        Err(error) if error.was_asked() => return Err(error.into()),
        Err(error) => return at_rest(config.file, format, error),
    };
    let answer = looked_through(&teller, before.look.next()).await?;
    teller.print(&answer, Page::looked)?;
    let view: VerifyView =
        serde_json::from_value(answer).map_err(|error| Failure::new(Exit::Failed, error))?;
    if view.is_clean() {
        return Ok(());
    }
    let what = "the spool is not whole: docs/operations/damage.md";
    Err(Failure::new(Exit::Failed, what))
}

/// Of a spool whose server cannot be asked: the files themselves, when nobody has them open.
fn at_rest(
    file: Option<&std::path::Path>,
    format: Format,
    unasked: ClientError,
) -> Result<(), Failure> {
    match Offline::open(home::spool_options(file)?, World::system()) {
        Err(SpoolError::InUse(_)) => Err(unasked.into()),
        opened => {
            // It is opened anew, and says what it says then.
            drop(opened);
            offline::perform(file, &SpoolWork::Verify, format)
        }
    }
}

/// Waits until so many looks have ended; the server goes on when nobody waits.
async fn looked_through(teller: &Teller, wanted: u64) -> Result<serde_json::Value, Failure> {
    let mut bar = Bar::with_lines("segments");
    let request = || Request::get("/api/spool/verify".to_owned());
    let mut idle = 0;
    loop {
        let answer = teller.client.ask(request()).await;
        let answer: serde_json::Value = answer.map_err(|error| lost(&error))?;
        let view: VerifyView = serde_json::from_value(answer.clone())
            .map_err(|error| Failure::new(Exit::Failed, error))?;
        if view.look.ended >= wanted {
            bar.end();
            return Ok(answer);
        }
        if let Some(one) = &view.look.under_way {
            idle = 0;
            bar.show(one.done, Some(one.of));
        } else {
            idle += 1;
        }
        if idle > IDLE {
            return Err(lost(&"it was started anew meanwhile"));
        }
        tokio::time::sleep(AGAIN).await;
    }
}

/// The server that was asked does not answer any more. Its restart needs the spool: we leave it.
fn lost(why: &dyn std::fmt::Display) -> Failure {
    let what = format!(
        "the server that looked through the spool was lost before the end; nothing is known of \
         it, ask again: {why}"
    );
    Failure::new(Exit::Unreachable, what)
}

impl Page {
    /// `spool verify`, by the server.
    fn looked(self, view: &VerifyView) -> String {
        let Some(last) = &view.look.last else {
            return String::new();
        };
        let mut text = format!(
            "by the server that runs: {}; {} damaged, {} in quarantine\n",
            many(last.segments, "segment"),
            last.damaged,
            view.quarantined
        );
        if let Some(missing) = &view.missing {
            text.push_str(&self.field("missing", &missing.to_string()));
        }
        if last.unknown > 0 {
            let told = many(last.unknown, "message") + " of the log";
            text.push_str(&self.field("not in index", &told));
        }
        if let Some(error) = &last.error {
            let told = format!("{}: {error}", many(last.failed, "segment"));
            text.push_str(&self.field("not looked at", &told));
        }
        text.push_str(
            "not looked at: what is being written, the ledger, each row of the index;\n\
             with the server stopped they are\n",
        );
        text
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::os::unix::net::UnixListener;
    use std::thread::JoinHandle;

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;
    use crate::base::Timestamp;
    use crate::cli::client::Said;
    use crate::cli::watch::Room;
    use crate::spool::{Look, LookUnderWay, Looked, Options, Spool};
    use crate::terminal::Palette;

    #[test]
    fn what_the_server_found_is_told_whole() {
        let page = Page {
            palette: Palette::Plain,
            now: Timestamp::from_millis(1),
        };
        let last = Looked {
            segments: 7,
            damaged: 2,
            unknown: 3,
            failed: 1,
            error: Some("reading log/3: I/O error".to_owned()),
            ..Looked::default()
        };
        let look = Look {
            under_way: None,
            last: Some(last),
            ended: 1,
        };
        let mut view = VerifyView {
            look,
            quarantined: 2,
            missing: None,
        };
        let text = page.looked(&view);
        for expected in [
            "7 segments; 2 damaged, 2 in quarantine",
            "3 messages of the log",
            "1 segment: reading log/3: I/O error",
            "not looked at: what is being written",
        ] {
            assert!(text.contains(expected), "{text}");
        }
        assert!(!view.is_clean());
        view.look.last = Some(Looked::default());
        assert!(!view.is_clean(), "something is in quarantine");
        view.quarantined = 0;
        assert!(view.is_clean());
        view.missing = Some(crate::spool::Missing {
            segments: 1,
            named: vec![5],
            waiting: 50,
            recipients: 50,
            finished: 0,
        });
        assert!(!view.is_clean());
        let text = page.looked(&view);
        for expected in [
            "segment 5 of the log is missing",
            "50 messages, not delivered yet",
        ] {
            assert!(text.contains(expected), "{text}");
        }
    }

    /// Answers the first questions on the socket of a data_dir, and is gone.
    fn serve_then_die(dir: &std::path::Path, answers: Vec<VerifyView>) -> JoinHandle<()> {
        let listener = UnixListener::bind(dir.join("admin.sock")).unwrap();
        std::thread::spawn(move || {
            for answer in answers.into_iter().map(Some).chain([None]) {
                let (mut stream, _) = listener.accept().unwrap();
                let mut question = Vec::new();
                while !question.ends_with(b"\r\n\r\n") {
                    let mut byte = [0];
                    stream.read_exact(&mut byte).unwrap();
                    question.extend(byte);
                }
                if let Some(answer) = answer {
                    let json = serde_json::to_string(&answer).unwrap();
                    let length = json.len();
                    write!(
                        stream,
                        "HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{json}"
                    )
                    .unwrap();
                }
            }
        })
    }

    fn view(look: Look) -> VerifyView {
        VerifyView {
            look,
            quarantined: 0,
            missing: None,
        }
    }

    const UNDER_WAY: LookUnderWay = LookUnderWay {
        since: Timestamp::EPOCH,
        done: 1,
        of: 2,
    };

    fn config_in(dir: &std::path::Path) -> std::path::PathBuf {
        let file = dir.join("tideover.toml");
        let config = "[server]\nhostname = \"mx.example.org\"\n[[listener]]\nbind = \
                      \"127.0.0.1:0\"\n[backend.onprem]\nhosts = [\"127.0.0.1\"]\n\
                      [domain.\"example.org\"]\nhome = \"onprem\"\nunknown = \"relay\"\n";
        std::fs::write(&file, config).unwrap();
        file
    }

    /// The head of a request; less of it when somebody does not wait for the answer.
    async fn question(stream: &mut tokio::net::UnixStream) -> Vec<u8> {
        let mut question = Vec::new();
        while !question.ends_with(b"\r\n\r\n")
            && let Ok(byte) = stream.read_u8().await
        {
            question.push(byte);
        }
        question
    }

    /// What is said to a server that answers these, one after the other; and how many of them.
    async fn asked(mut answers: impl Iterator<Item = VerifyView>) -> (Result<(), Failure>, usize) {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("data")).unwrap();
        let file = config_in(dir.path());
        let listener = crate::net::bind_unix(&dir.path().join("data/admin.sock")).unwrap();
        let mut times = 0;
        let serve = async {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let question = question(&mut stream).await;
                // Whether we live is asked beside it.
                let json = if question.windows(7).any(|it| it == b"/verify") {
                    times += 1;
                    serde_json::to_string(&answers.next().unwrap()).unwrap()
                } else {
                    "{}".to_owned()
                };
                let length = json.len();
                let reply = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{json}");
                stream.write_all(reply.as_bytes()).await.ok();
            }
        };
        let said = Said::default();
        let config = At {
            file: Some(&file),
            said: &said,
            room: &Room::default(),
        };
        let ended = tokio::select! {
            biased;
            ended = verify(config, (Format::Json, "ann".to_owned())) => ended,
            () = serve => unreachable!("it answers until the end"),
        };
        (ended, times)
    }

    /// A server that was started anew has forgotten that it was asked. One that begins late, behind
    /// another look, has not.
    #[tokio::test(start_paused = true)]
    async fn a_server_that_has_forgotten_is_not_asked_for_ever() {
        let idle = || view(Look::default());
        let busy = view(Look {
            under_way: Some(UNDER_WAY),
            ..Look::default()
        });
        let times = IDLE as usize;
        let first = std::iter::repeat_n(idle(), times);
        let rest = std::iter::repeat_n(idle(), 10 * times);
        let (ended, asked) = asked(first.chain([busy]).chain(rest)).await;
        let failure = ended.unwrap_err();
        assert_eq!(failure.exit, Exit::Unreachable, "{failure:?}");
        assert!(failure.text.contains("started anew"), "{failure:?}");
        // The first answer was to the order to look; the one that looked ends no patience.
        assert_eq!(asked, times + 1 + times + 1);
    }

    /// It waits for a look that began after it asked, and says what that one found.
    #[tokio::test(start_paused = true)]
    async fn the_look_that_was_asked_for_is_the_one_that_is_told() {
        for (damaged, expected) in [(0, None), (1, Some(Exit::Failed))] {
            let ended = |ended, damaged| {
                view(Look {
                    under_way: Some(UNDER_WAY),
                    last: Some(Looked {
                        damaged,
                        ..Looked::default()
                    }),
                    ended,
                })
            };
            // The fourth was under way when it was asked for one.
            let answers = [ended(3, 1), ended(3, 1), ended(4, 1), ended(5, damaged)];
            let (told, asked) = asked(answers.into_iter()).await;
            assert_eq!(told.err().map(|failure| failure.exit), expected);
            assert_eq!(asked, 4);
        }
    }

    /// Nobody has the lock then: a restart needs it, and nothing was looked at.
    #[tokio::test]
    async fn a_server_that_is_lost_is_told_and_its_spool_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().join("data");
        std::fs::create_dir(&data).unwrap();
        let options = Options {
            min_free: 0,
            ..Options::new(&data)
        };
        let opened = Spool::open(options, World::system()).unwrap();
        let writer = opened.writer.spawn_thread().unwrap();
        let spool = opened.spool;
        spool.close().await.unwrap();
        drop(spool);
        writer.join().unwrap();
        std::fs::remove_file(data.join("lock")).unwrap();
        let file = config_in(dir.path());
        let said = Said::default();
        let unfinished = view(Look::default());
        for (answers, told) in [
            (vec![], "does not answer"),
            (vec![unfinished.clone()], "was lost before the end"),
            (
                vec![unfinished.clone(), unfinished],
                "was lost before the end",
            ),
        ] {
            let server = serve_then_die(&data, answers);
            let config = At {
                file: Some(&file),
                said: &said,
                room: &Room::default(),
            };
            let ended = verify(config, (Format::Text, "ann".to_owned())).await;
            let failure = ended.unwrap_err();
            assert_eq!(failure.exit, Exit::Unreachable, "{failure:?}");
            assert!(failure.text.contains(told), "{failure:?}");
            assert!(!data.join("lock").exists(), "nobody tried the lock");
            server.join().unwrap();
            std::fs::remove_file(data.join("admin.sock")).unwrap();
        }
    }
}
