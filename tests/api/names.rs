//! A name server that knows all names, and that there is nothing at them: no test waits for one
//! that does not answer.

use std::net::{SocketAddr, UdpSocket};

/// Its address; its thread lives as long as the tests.
pub(crate) fn open() -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    std::thread::spawn(move || {
        let mut query = [0; 1024];
        while let Ok((length, peer)) = socket.recv_from(&mut query) {
            let reply = nothing(&query[..length]);
            socket.send_to(&reply.unwrap_or_default(), peer).ok();
        }
    });
    address
}

/// RFC 1035 §4.1: the question, and no record.
fn nothing(query: &[u8]) -> Option<Vec<u8>> {
    let id = query.get(..2)?;
    let name = query.get(12..)?.iter().position(|byte| *byte == 0)?;
    let question = query.get(12..12 + name + 5)?;
    let flags_and_counts = [0x81, 0x80, 0, 1, 0, 0, 0, 0, 0, 0];
    Some([id, &flags_and_counts, question].concat())
}
