//! The whole way over real sockets.

use super::world::serve;
use super::*;
use crate::net::{Dns, Listen as _, TcpDial, TcpListen, TlsServer};

#[tokio::test]
async fn messages_cross_a_real_network_encrypted() {
    let folder = tempfile::tempdir().unwrap();
    let tls = TlsServer::self_signed(folder.path(), "localhost").unwrap();
    let server = Server {
        tls: Some(Arc::new(tls)),
        ..Server::scripted("hello 250-sink!250-PIPELINING!250 STARTTLS")
    };
    let mut listen = TcpListen::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let host = format!("localhost:{}", listen.local_address().port());
    let (tasks, seen) = (Shutdown::new(), Seen::default());
    let (stop, sight) = (tasks.clone(), seen.clone());
    tasks.spawn("listener", async move {
        let (stream, _) = listen.accept().await.unwrap();
        tokio::select! {
            () = stop.stopping() => {}
            () = serve(server, stream, sight) => {}
        }
    });

    let mut options = Options::new("mx.example.org");
    let sink = backend(&[host.as_str()]);
    options.backends.insert(sink.id.clone(), sink);
    let world = World {
        dial: Arc::new(TcpDial::default()),
        // Nobody is asked: localhost needs no name server.
        resolve: Arc::new(Dns::with_servers(&["127.0.0.1:9".parse().unwrap()]).unwrap()),
        tls: TlsClient::with_authorities(std::iter::empty::<&[u8]>()).unwrap(),
        clock: Clock::system(),
        entropy: Entropy::system(),
        board: None,
    };
    let outbound = Outbound::new(options, world);
    let mut channel = outbound.open(&target()).await.unwrap();
    assert!(channel.tls().is_some());
    let large = b"0123456789abcdef\r\n".repeat(20_000);
    for body in [BODY, large.as_slice(), b""] {
        let outcomes = channel.deliver(&delivery(BOTH, body), nothing()).await;
        assert_eq!(short(&outcomes), ["delivered", "delivered"]);
    }
    channel.quit().await;
    assert_eq!(seen.verbs().last().map(String::as_str), Some("QUIT"));
    assert_eq!(seen.messages.lock().unwrap()[1], large);
    tasks.stop().await;
}
