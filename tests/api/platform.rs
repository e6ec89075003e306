//! A mail platform that takes nothing: one person is unknown to it, the others shall come later.

use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};

/// Opens it, for as long as the tests run.
pub(crate) fn open() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            std::thread::spawn(move || serve(stream));
        }
    });
    address
}

/// Ends when the other side goes.
fn serve(stream: TcpStream) -> Option<()> {
    let lines = BufReader::new(stream.try_clone().ok()?).lines();
    let mut stream = stream;
    stream.write_all(b"220 platform.example ESMTP\r\n").ok()?;
    for line in lines {
        let line = line.ok()?.to_lowercase();
        let reply = match line.get(..4) {
            Some("rcpt") if line.contains("bob@") => "550 5.1.1 no such user here",
            Some("rcpt") => "451 4.2.0 come again later",
            Some("data") => "503 5.5.1 for whom?",
            _ => "250 2.0.0 ok",
        };
        stream.write_all(format!("{reply}\r\n").as_bytes()).ok()?;
    }
    Some(())
}
