//! A mail platform that takes all mail.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

/// It is there until it is dropped.
pub(crate) struct Platform {
    at: SocketAddr,
    is_over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Platform {
    pub(crate) fn open(at: SocketAddr) -> Self {
        let listener = TcpListener::bind(at).unwrap();
        let is_over = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&is_over);
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if seen.load(Ordering::SeqCst) {
                    return;
                }
                // It ends with its client: a broken connection is nobody's loss here.
                std::thread::spawn(move || serve(&stream).ok());
            }
        });
        Self {
            at,
            is_over,
            thread: Some(thread),
        }
    }
}

impl Drop for Platform {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::SeqCst);
        TcpStream::connect(self.at).ok();
        if let Some(thread) = self.thread.take() {
            thread.join().ok();
        }
    }
}

fn serve(mut stream: &TcpStream) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    stream.write_all(b"220 onprem.example.org ESMTP\r\n")?;
    let mut is_data = false;
    while let Some(line) = lines.next().transpose()? {
        let verb = line.get(..4).unwrap_or_default().to_ascii_uppercase();
        let answer: &[u8] = match (is_data, verb.as_str()) {
            (true, _) if line == "." => {
                is_data = false;
                b"250 2.0.0 Taken\r\n"
            }
            (true, _) => continue,
            (false, "EHLO") => b"250-onprem.example.org\r\n250-8BITMIME\r\n250 SMTPUTF8\r\n",
            (false, "DATA") => {
                is_data = true;
                b"354 Go on\r\n"
            }
            (false, "QUIT") => {
                stream.write_all(b"221 2.0.0 Bye\r\n")?;
                return Ok(());
            }
            (false, _) => b"250 2.0.0 Yes\r\n",
        };
        stream.write_all(answer)?;
    }
    Ok(())
}
