//! A content filter that speaks as clamd does, and takes `EICAR` for a virus.

use std::path::Path;
use std::sync::Arc;

use tideover::base::{Clock, Shutdown};
use tideover::filter::{Deed, Filters, OnFailure, Options, Place, Protocol, Whose, World};
use tideover::net::{Dns, TcpDial};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixListener;

/// One filter by the word of a script: `mark`, `hold`, `reject` what it finds; `accept`, `defer`:
/// it is not there; `milter ADDRESS`: one of the test's own, for everybody's mail.
pub(crate) fn filters(folder: &Path, manner: &str) -> Filters {
    if let Some(place) = manner.strip_prefix("milter ") {
        let (host, port) = place.rsplit_once(':').unwrap();
        let place = Place::Tcp(host.to_owned(), port.parse().unwrap());
        let mut options = Options::new("milter".to_owned(), Protocol::Milter, place);
        options.mail = Whose::All;
        return Filters::new(world(), vec![options]);
    }
    let socket = folder.join("scanner");
    let place = Place::Unix(socket.clone());
    let mut options = Options::new("virus".to_owned(), Protocol::Clamd, place);
    match manner {
        "mark" => options.bad = Deed::Mark,
        "hold" => options.bad = Deed::Hold,
        "reject" => options.bad = Deed::Reject,
        "accept" => options.on_failure = OnFailure::Accept,
        "defer" => options.on_failure = OnFailure::Defer,
        _ => panic!("unknown filter {manner}"),
    }
    if !["accept", "defer"].contains(&manner) {
        let listener = UnixListener::bind(&socket).unwrap();
        let shutdown = Shutdown::new();
        let kept = shutdown.clone();
        shutdown.spawn("scanner", async move {
            while let Ok((stream, _)) = listener.accept().await {
                // What ends a conversation is seen on the other side.
                scan(stream).await.ok();
            }
            drop(kept);
        });
    }
    Filters::new(world(), vec![options])
}

fn world() -> World {
    World {
        dial: Arc::new(TcpDial::default()),
        resolve: Arc::new(Dns::system().unwrap()),
        clock: Clock::system(),
    }
}

async fn scan(mut stream: tokio::net::UnixStream) -> std::io::Result<()> {
    let mut command = [0; 10];
    stream.read_exact(&mut command).await?;
    assert_eq!(&command, b"zINSTREAM\0");
    let mut seen = Vec::new();
    loop {
        let length = stream.read_u32().await?;
        if length == 0 {
            break;
        }
        let mut piece = vec![0; length as usize];
        stream.read_exact(&mut piece).await?;
        seen.extend(piece);
    }
    let is_bad = seen.windows(5).any(|it| it == b"EICAR");
    let found = &b"stream: Eicar-Test-Signature FOUND\0"[..];
    let answer = if is_bad { found } else { b"stream: OK\0" };
    stream.write_all(answer).await
}
