//! Takes connections, within bounds, until the program stops.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use metrics::{counter, gauge};
use tokio::time::MissedTickBehavior;

use super::TlsMode;
use super::connection::{Client, Connection};
use super::notes::Named;
use super::policy::Standing;
use super::server::{Permit, Server};
use super::wire::Wire;
use crate::base::Shutdown;
use crate::limits;
use crate::net::{BoxedStream, Listen, Proxied, ProxyError};
use crate::smtp::Reply;
use crate::telemetry::names;

/// Pause after a failed accept: out of file descriptors, usually.
const PAUSE: Duration = Duration::from_millis(100);
/// Time for the last word to a client that is turned away, or whose place others need.
pub(super) const LAST_WORD: Duration = Duration::from_secs(1);

/// Serves `listener` until `shutdown`. Sessions in the middle of DATA or of a chunk
/// finish it; between two chunks a session ends as an idle one does.
pub async fn run(mut listener: Box<dyn Listen>, mut server: Arc<Server>, shutdown: Shutdown) {
    let mut turn = tokio::time::interval(limits::LOG_REST);
    turn.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let accepted = tokio::select! {
            biased;
            () = shutdown.stopping() => {
                server.note_rest();
                return;
            }
            accepted = listener.accept() => accepted,
            _ = turn.tick() => {
                server.note_rest();
                continue;
            }
        };
        match accepted {
            Ok((stream, peer)) => {
                server = server.for_next();
                welcome(stream, peer, &server, &shutdown);
            }
            Err(error) => {
                let name = &server.options.listener;
                tracing::warn!(listener = %name, %error, "a connection could not be taken");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

fn welcome(stream: BoxedStream, peer: SocketAddr, server: &Arc<Server>, shutdown: &Shutdown) {
    let spoken_for = server.options.spokesmen.proxies(peer.ip());
    let counted = (!spoken_for).then(|| peer.ip());
    if !spoken_for && !server.options.role.lets_in(peer.ip()) {
        return refuse((stream, peer), server, (not_here(server), shutdown));
    }
    let permit = match server.permit(counted) {
        Ok(permit) => permit,
        Err(reply) => return refuse((stream, peer), server, (reply, shutdown)),
    };
    let name = server.options.listener.clone();
    counter!(names::CONNECTIONS_TOTAL, "listener" => name.clone()).increment(1);
    let visit = Visit {
        stream,
        peer,
        server: Arc::clone(server),
        shutdown: shutdown.clone(),
    };
    shutdown.spawn("inbound connection", async move {
        let open = gauge!(names::CONNECTIONS, "listener" => name);
        open.increment(1.0);
        if spoken_for {
            visit.serve_proxied(permit).await;
        } else {
            visit.serve(permit, Standing::Own).await;
        }
        open.decrement(1.0);
    });
}

/// A connection that has been taken.
struct Visit {
    stream: BoxedStream,
    peer: SocketAddr,
    server: Arc<Server>,
    shutdown: Shutdown,
}

impl Visit {
    async fn serve(self, permit: Permit, standing: Standing) {
        let client = Client {
            address: self.peer,
            standing,
            permit,
        };
        let connection = Connection::new(self.server, client, self.shutdown);
        connection.serve(self.stream).await;
    }

    /// Behind a proxy: it says first whose the connection is.
    async fn serve_proxied(mut self, permit: Permit) {
        let limit = self.server.options.bounds.proxy_timeout;
        let read = tokio::time::timeout(limit, Proxied::read(&mut self.stream));
        let said = tokio::select! {
            biased;
            said = read => said,
            () = self.shutdown.stopping() => return,
        };
        let said = said.unwrap_or_else(|_| Err(std::io::Error::from(TIMED_OUT).into()));
        let (address, standing) = match said {
            Ok(Proxied::Client(address)) => (address, Standing::Own),
            // Who he is stays unknown, so he has no rights of the proxy's.
            Ok(Proxied::Proxy) => (self.peer, Standing::Unknown),
            // A balancer that looks whether the port is open says nothing.
            Err(ProxyError::Network(error)) if error.kind() == UNEXPECTED_EOF => return,
            Err(error) => {
                let name = self.server.options.listener.clone();
                counter!(names::REFUSED, "listener" => name, "code" => "proxy").increment(1);
                self.server
                    .note_trouble(self.peer, ("PROXY header", &error));
                return;
            }
        };
        // Who is unknown is nobody's mail server.
        let may_speak = match standing {
            Standing::Own => self.server.options.role.lets_in(address.ip()),
            Standing::Unknown => !self.server.options.role.is_lmtp(),
        };
        if !may_speak {
            let reply = not_here(&self.server);
            let to = (self.stream, address);
            return refuse(to, &self.server, (reply, &self.shutdown));
        }
        let permit = match standing {
            Standing::Own => permit.reassign(address.ip(), Standing::Own),
            // Its probes are few, and its address is not that of a visitor.
            Standing::Unknown => Ok(permit),
        };
        let permit = match permit {
            Ok(permit) => permit,
            Err(reply) => {
                let to = (self.stream, address);
                return refuse(to, &self.server, (reply, &self.shutdown));
            }
        };
        self.peer = address;
        self.serve(permit, standing).await;
    }
}

const TIMED_OUT: std::io::ErrorKind = std::io::ErrorKind::TimedOut;
const UNEXPECTED_EOF: std::io::ErrorKind = std::io::ErrorKind::UnexpectedEof;

/// RFC 5321 §3.1: to who has no business here.
fn not_here(server: &Server) -> Reply {
    let hostname = &server.options.hostname;
    Reply::with_text(
        554,
        (5, 7, 1),
        format!("{hostname} You may not deliver here"),
    )
}

/// There are too many connections, or there is too much to do.
fn refuse(
    (stream, peer): (BoxedStream, SocketAddr),
    server: &Arc<Server>,
    (reply, shutdown): (Reply, &Shutdown),
) {
    server.note_refusal(peer, &reply, &Named::default());
    if server.options.tls != TlsMode::Implicit {
        shutdown.spawn("inbound refusal", turn_away(stream, reply));
    }
}

async fn turn_away(stream: BoxedStream, reply: Reply) {
    let mut wire = Wire::new(stream);
    wire.say(&reply);
    wire.close(LAST_WORD).await;
}
