//! A mail platform that does as it is told, and remembers what it took.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use crate::machine::loopback;
use crate::wait::{LONG, SHORT, eventually};

/// What everybody on the platform knows.
#[derive(Default)]
struct Shared {
    is_over: AtomicBool,
    /// The reply to RCPT, instead of 250.
    refusal: Mutex<Option<&'static str>>,
    /// Recipient and subject of what was taken.
    taken: Mutex<Vec<(String, String)>>,
}

/// It is there until it is dropped, or stopped.
pub(crate) struct Platform {
    at: SocketAddr,
    shared: Arc<Shared>,
    door: Option<JoinHandle<()>>,
}

impl Platform {
    /// `[backend.onprem]` of the example.
    pub(crate) fn onprem() -> Self {
        Self::open(2601)
    }

    /// `[backend.cloud]` of the example.
    pub(crate) fn cloud() -> Self {
        Self::open(2602)
    }

    pub(crate) fn open(port: u16) -> Self {
        let mut platform = Self {
            at: loopback(port),
            shared: Arc::default(),
            door: None,
        };
        platform.start();
        platform
    }

    /// It takes connections.
    pub(crate) fn start(&mut self) {
        self.shared.is_over.store(false, Ordering::SeqCst);
        let at = self.at;
        let listener = eventually(SHORT, "a port is free", || TcpListener::bind(at).ok());
        let shared = Arc::clone(&self.shared);
        self.door = Some(std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if shared.is_over.load(Ordering::SeqCst) {
                    return;
                }
                let shared = Arc::clone(&shared);
                // It ends with its client: a broken connection is nobody's loss here.
                std::thread::spawn(move || serve(&stream, &shared).ok());
            }
        }));
    }

    /// Connections are refused, and those that are open end at their next command.
    pub(crate) fn stop(&mut self) {
        self.shared.is_over.store(true, Ordering::SeqCst);
        if let Some(door) = self.door.take() {
            // It wakes up for this one.
            TcpStream::connect(self.at).ok();
            door.join().ok();
        }
    }

    /// Every recipient gets this reply, or 250 again.
    pub(crate) fn refuses(&self, reply: Option<&'static str>) {
        *self.shared.refusal.lock().unwrap() = reply;
    }

    /// How often this recipient got a message with this subject.
    pub(crate) fn has(&self, to: &str, subject: &str) -> usize {
        let taken = self.shared.taken.lock().unwrap();
        let is_it = |it: &&(String, String)| it.0 == to && it.1 == subject;
        taken.iter().filter(is_it).count()
    }

    /// Waits until it has got it, and panics when it got it twice.
    pub(crate) fn wait_for(&self, to: &str, subject: &str) {
        eventually(LONG, &format!("{to} gets {subject}"), || {
            (self.has(to, subject) > 0).then_some(())
        });
        assert_eq!(self.has(to, subject), 1, "{to}: {subject}");
    }
}

impl Drop for Platform {
    fn drop(&mut self) {
        self.stop();
    }
}

fn serve(mut stream: &TcpStream, shared: &Shared) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    let (mut to, mut subject) = (Vec::new(), String::new());
    let mut is_data = false;
    stream.write_all(b"220 platform.example ESMTP\r\n")?;
    while let Some(line) = lines.next().transpose()? {
        if shared.is_over.load(Ordering::SeqCst) {
            return Ok(());
        }
        if is_data {
            if let Some(words) = line.strip_prefix("Subject: ") {
                words.clone_into(&mut subject);
            }
            if line == "." {
                is_data = false;
                let got = to.drain(..).map(|to| (to, subject.clone()));
                shared.taken.lock().unwrap().extend(got);
                stream.write_all(b"250 2.0.0 Taken\r\n")?;
            }
            continue;
        }
        let verb = line.get(..4).unwrap_or_default().to_ascii_uppercase();
        let answer = match verb.as_str() {
            "EHLO" => "250-platform.example\r\n250-8BITMIME\r\n250 SMTPUTF8".to_owned(),
            "RCPT" => {
                let refusal = *shared.refusal.lock().unwrap();
                if refusal.is_none() {
                    to.push(line.split(['<', '>']).nth(1).unwrap_or_default().to_owned());
                }
                refusal.unwrap_or("250 2.1.5 Yes").to_owned()
            }
            "DATA" => {
                is_data = true;
                "354 Go on".to_owned()
            }
            "RSET" => {
                to.clear();
                "250 2.0.0 Yes".to_owned()
            }
            "QUIT" => return stream.write_all(b"221 2.0.0 Bye\r\n"),
            _ => "250 2.0.0 Yes".to_owned(),
        };
        stream.write_all(format!("{answer}\r\n").as_bytes())?;
    }
    Ok(())
}
