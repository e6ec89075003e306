//! A connection that breaks off in the middle.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Stands before a server and lets so many bytes of its answers through.
pub(crate) struct Cutter {
    pub(crate) address: SocketAddr,
    limit: Arc<AtomicUsize>,
}

impl Cutter {
    pub(crate) fn before(server: SocketAddr) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let limit = Arc::new(AtomicUsize::new(usize::MAX));
        let shared = Arc::clone(&limit);
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let limit = shared.load(Ordering::SeqCst);
                if let Ok(server) = TcpStream::connect(server) {
                    pass(client, server, limit);
                }
            }
        });
        Self { address, limit }
    }

    /// From the next connection on.
    pub(crate) fn let_through(&self, bytes: usize) {
        self.limit.store(bytes, Ordering::SeqCst);
    }
}

fn pass(client: TcpStream, server: TcpStream, limit: usize) {
    let mut asked = (client.try_clone().unwrap(), server.try_clone().unwrap());
    std::thread::spawn(move || {
        std::io::copy(&mut asked.0, &mut asked.1).ok();
        asked.1.shutdown(Shutdown::Both).ok();
    });
    std::thread::spawn(move || {
        let (mut from, mut to) = (server.try_clone().unwrap(), client.try_clone().unwrap());
        let mut left = limit;
        let mut buffer = [0; 4096];
        while let Ok(read @ 1..) = from.read(&mut buffer) {
            let read = read.min(left);
            if read == 0 || to.write_all(&buffer[..read]).is_err() {
                break;
            }
            left -= read;
        }
        client.shutdown(Shutdown::Both).ok();
        server.shutdown(Shutdown::Both).ok();
    });
}
