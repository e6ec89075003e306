//! A mail platform that takes everything, or keeps those waiting who give it something.

use std::io::{self, BufRead as _, BufReader, Lines, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};

/// The platform; its threads live as long as the tests.
#[derive(Clone)]
pub(crate) struct Platform {
    pub(crate) address: SocketAddr,
    state: Arc<(Mutex<State>, Condvar)>,
}

#[derive(Default)]
struct State {
    subjects: Vec<String>,
    keeps_waiting: bool,
    waiting: usize,
}

impl Platform {
    pub(crate) fn start() -> Self {
        Self::at("127.0.0.1:0".parse().unwrap())
    }

    /// At an address that nobody has yet.
    pub(crate) fn at(address: SocketAddr) -> Self {
        let listener = TcpListener::bind(address).unwrap();
        let platform = Self {
            address: listener.local_addr().unwrap(),
            state: Arc::default(),
        };
        let for_all = platform.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let platform = for_all.clone();
                std::thread::spawn(move || platform.serve(stream?));
            }
        });
        platform
    }

    /// The subjects of what it took, in order.
    pub(crate) fn subjects(&self) -> Vec<String> {
        self.state.0.lock().unwrap().subjects.clone()
    }

    /// From now on nobody gets an answer to the end of his message.
    pub(crate) fn keep_waiting(&self) {
        self.state.0.lock().unwrap().keeps_waiting = true;
    }

    /// How many wait for that.
    pub(crate) fn waiting(&self) -> usize {
        self.state.0.lock().unwrap().waiting
    }

    pub(crate) fn go_on(&self) {
        self.state.0.lock().unwrap().keeps_waiting = false;
        self.state.1.notify_all();
    }

    fn serve(&self, stream: TcpStream) -> io::Result<()> {
        let mut answers = stream.try_clone()?;
        let mut lines = BufReader::new(stream).lines();
        answers.write_all(b"220 platform\r\n")?;
        while let Some(line) = lines.next() {
            let line = line?;
            let verb = line.get(..4).unwrap_or_default().to_ascii_uppercase();
            let answer = match verb.as_str() {
                "DATA" => {
                    answers.write_all(b"354 go on\r\n")?;
                    let subject = subject_of(&mut lines)?;
                    self.take(subject);
                    "250 taken"
                }
                "QUIT" => {
                    answers.write_all(b"221 bye\r\n")?;
                    return Ok(());
                }
                _ => "250 ok",
            };
            answers.write_all(format!("{answer}\r\n").as_bytes())?;
        }
        Ok(())
    }

    fn take(&self, subject: String) {
        let (state, changed) = &*self.state;
        let mut state = state.lock().unwrap();
        state.waiting += 1;
        while state.keeps_waiting {
            state = changed.wait(state).unwrap();
        }
        state.waiting -= 1;
        state.subjects.push(subject);
    }
}

/// Reads a message to its end.
fn subject_of(lines: &mut Lines<BufReader<TcpStream>>) -> io::Result<String> {
    let mut subject = String::new();
    for line in lines {
        let line = line?;
        if line == "." {
            break;
        }
        if let Some(found) = line.strip_prefix("Subject: ") {
            found.clone_into(&mut subject);
        }
    }
    Ok(subject)
}
