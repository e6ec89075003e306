//! The Internet: a stranger who sends mail.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use crate::wait::{SHORT, eventually};

const TIMEOUT: Duration = Duration::from_secs(60);

/// The reply to the end of a message, or the first refusal.
pub(crate) fn send(door: SocketAddr, from: &str, to: &str, subject: &str) -> String {
    let stream = eventually(SHORT, "the door is open", || TcpStream::connect(door).ok());
    stream.set_read_timeout(Some(TIMEOUT)).unwrap();
    let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
    let mut stream = stream;
    let mut reply = move || loop {
        let line = lines.next().unwrap().unwrap();
        if line.as_bytes()[3] == b' ' {
            return line;
        }
    };
    reply();
    let message = format!(
        "From: {from}\r\nTo: {to}\r\nSubject: {subject}\r\nMessage-ID: <{}@example.net>\r\n\r\n\
         Hello.\r\n.\r\n",
        subject.replace(' ', "-")
    );
    let said = [
        "EHLO example.net\r\n".to_owned(),
        format!("MAIL FROM:<{from}>\r\n"),
        format!("RCPT TO:<{to}>\r\n"),
        "DATA\r\n".to_owned(),
        message,
    ];
    let mut answer = String::new();
    for line in said {
        stream.write_all(line.as_bytes()).unwrap();
        answer = reply();
        if !answer.starts_with(['2', '3']) {
            break;
        }
    }
    answer
}
