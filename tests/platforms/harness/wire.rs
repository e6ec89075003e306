//! A wire between Tideover and a platform that can be cut at an exact place.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;

use super::wait::SHORT;

/// Where the wire holds a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trap {
    /// So many bytes have gone to the server; the rest does not.
    BytesToServer(usize),
    /// The server has the final dot of a message (no TLS); its reply does not get back.
    ReplyToFinalDot,
}

#[derive(Default)]
struct State {
    trap: Option<Trap>,
    sprung: bool,
    caught: Vec<TcpStream>,
}

type Shared = Arc<(Mutex<State>, Condvar)>;

/// Forwards connections from its own port to the server.
pub(crate) struct Wire {
    port: SocketAddr,
    shared: Shared,
}

impl Wire {
    /// A wire on a free port of `address` that leads to `server`.
    pub(crate) fn to(server: SocketAddr, address: &str) -> Self {
        let listener = TcpListener::bind((address, 0)).unwrap();
        let port = listener.local_addr().unwrap();
        let shared = Shared::default();
        let state = Arc::clone(&shared);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                if let Ok(server) = TcpStream::connect(server) {
                    connect(&client, &server, &state);
                }
            }
        });
        Self { port, shared }
    }

    /// Where it listens.
    pub(crate) fn port(&self) -> SocketAddr {
        self.port
    }

    /// The next connection that reaches this place is held there; later ones pass.
    pub(crate) fn arm(&self, trap: Trap) {
        let mut state = self.shared.0.lock().unwrap();
        state.trap = Some(trap);
        state.sprung = false;
    }

    /// Waits until a connection is held.
    pub(crate) fn wait_sprung(&self) {
        let (lock, changed) = &*self.shared;
        let state = lock.lock().unwrap();
        let (state, _) = changed
            .wait_timeout_while(state, SHORT, |state| !state.sprung)
            .unwrap();
        assert!(state.sprung, "no connection came to the trap");
    }

    /// Cuts what is held.
    pub(crate) fn cut(&self) {
        for stream in self.shared.0.lock().unwrap().caught.drain(..) {
            // The other end may be gone already.
            drop(stream.shutdown(Shutdown::Both));
        }
    }
}

fn connect(client: &TcpStream, server: &TcpStream, shared: &Shared) {
    let ends = || (client.try_clone().unwrap(), server.try_clone().unwrap());
    let muted = Arc::new(Mutex::new(false));
    let (shared, mute) = (Arc::clone(shared), Arc::clone(&muted));
    let (client_in, server_out) = ends();
    thread::spawn(move || to_server(client_in, server_out, &shared, &mute));
    let (client_out, server_in) = ends();
    thread::spawn(move || to_client(server_in, client_out, &muted));
}

fn to_server(mut client: TcpStream, mut server: TcpStream, shared: &Shared, muted: &Mutex<bool>) {
    let mut buffer = vec![0; 16 * 1024];
    let mut passed = 0;
    let mut tail = Vec::new();
    while let Ok(count @ 1..) = client.read(&mut buffer) {
        let bytes = &buffer[..count];
        passed += count;
        tail.extend_from_slice(bytes);
        let at_dot = tail.ends_with(b"\r\n.\r\n");
        tail.drain(..tail.len().saturating_sub(4));
        let mut state = shared.0.lock().unwrap();
        let hold = match state.trap {
            Some(Trap::BytesToServer(limit)) => passed >= limit,
            Some(Trap::ReplyToFinalDot) => at_dot,
            None => false,
        };
        if !hold {
            drop(state);
            if server.write_all(bytes).is_err() {
                break;
            }
            continue;
        }
        if state.trap.take() == Some(Trap::ReplyToFinalDot) {
            *muted.lock().unwrap() = true;
            // If the server is gone there is no reply to hold.
            drop(server.write_all(bytes));
        }
        state.sprung = true;
        state.caught.extend([client, server]);
        shared.1.notify_all();
        return;
    }
    drop(server.shutdown(Shutdown::Both));
}

fn to_client(mut server: TcpStream, mut client: TcpStream, muted: &Mutex<bool>) {
    let mut buffer = vec![0; 16 * 1024];
    while let Ok(count @ 1..) = server.read(&mut buffer) {
        let silent = *muted.lock().unwrap();
        if !silent && client.write_all(&buffer[..count]).is_err() {
            break;
        }
    }
    if !*muted.lock().unwrap() {
        drop(client.shutdown(Shutdown::Both));
    }
}
