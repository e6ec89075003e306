//! Takes connections, within bounds, until the program stops.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use metrics::{counter, gauge};

use super::TlsMode;
use super::connection::Connection;
use super::server::Server;
use super::wire::Wire;
use crate::base::Shutdown;
use crate::net::{BoxedStream, Listen};
use crate::smtp::Reply;
use crate::telemetry::names;

/// Pause after a failed accept: out of file descriptors, usually.
const PAUSE: Duration = Duration::from_millis(100);
/// Time for the last word to a client that is turned away.
const LAST_WORD: Duration = Duration::from_secs(1);

/// Serves `listener` until `shutdown`. Sessions in the middle of a message finish it.
pub async fn run(mut listener: Box<dyn Listen>, server: Arc<Server>, shutdown: Shutdown) {
    loop {
        let accepted = tokio::select! {
            biased;
            () = shutdown.stopping() => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => welcome(stream, peer, &server, &shutdown),
            Err(error) => {
                let name = &server.options.listener;
                tracing::warn!(listener = %name, %error, "a connection could not be taken");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

fn welcome(stream: BoxedStream, peer: SocketAddr, server: &Arc<Server>, shutdown: &Shutdown) {
    let name = server.options.listener.clone();
    let Some(permit) = server.permit(peer.ip()) else {
        counter!(names::REFUSED, "listener" => name, "code" => "421").increment(1);
        if server.options.tls != TlsMode::Implicit {
            shutdown.spawn("inbound refusal", turn_away(stream, Arc::clone(server)));
        }
        return;
    };
    counter!(names::CONNECTIONS_TOTAL, "listener" => name.clone()).increment(1);
    let connection = Connection::new(Arc::clone(server), peer, shutdown.clone());
    shutdown.spawn("inbound connection", async move {
        let open = gauge!(names::CONNECTIONS, "listener" => name);
        open.increment(1.0);
        connection.serve(stream).await;
        open.decrement(1.0);
        drop(permit);
    });
}

async fn turn_away(stream: BoxedStream, server: Arc<Server>) {
    let text = format!(
        "{} Too many connections, try later",
        server.options.hostname
    );
    let mut wire = Wire::new(stream);
    wire.say(&Reply::with_text(421, (4, 7, 0), text));
    wire.close(LAST_WORD).await;
}
