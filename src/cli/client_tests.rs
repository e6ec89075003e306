//! A server that answers, refuses, is silent, or is not there.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::*;

fn get(path: &str) -> Request {
    Request {
        path: path.to_owned(),
        body: None,
    }
}

#[tokio::test]
async fn a_server_that_does_not_run_is_said_with_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let client = Client::new(folder.path(), Path::new("mail.toml"));
    let error = client.ask::<()>(get("/api/status")).await.unwrap_err();
    let text = error.to_string();
    assert!(text.contains("is not running on"), "{text}");
    assert!(text.contains("(no admin.sock)"), "{text}");
    assert!(text.ends_with("`tideover serve -c mail.toml`"), "{text}");
    assert!(error.is_unreachable());

    drop(std::os::unix::net::UnixListener::bind(folder.path().join(SOCKET)).unwrap());
    let error = client.ask::<()>(get("/api/status")).await.unwrap_err();
    assert!(error.to_string().contains("nobody listens"), "{error}");
}

/// The socket was removed: who has the spool open is running.
#[tokio::test]
async fn a_server_without_its_socket_is_not_said_to_be_stopped() {
    let folder = tempfile::tempdir().unwrap();
    let client = Client::new(folder.path(), Path::new("mail.toml"));
    let world = crate::spool::World::system();
    let options = crate::spool::Options {
        min_free: 0,
        ..crate::spool::Options::new(folder.path())
    };
    let opened = crate::spool::Spool::open(options, world).unwrap();
    let error = client.ask::<()>(get("/api/status")).await.unwrap_err();
    let text = error.to_string();
    assert!(
        text.contains("(no admin.sock), but a program has"),
        "{text}"
    );
    assert!(!text.contains("tideover serve"), "{text}");
    assert!(error.is_unreachable() && !error.was_asked());
    drop(opened);
    // A child of another test may have the lock until its exec.
    while is_in_use(folder.path()) {
        tokio::task::yield_now().await;
    }
    let error = client.ask::<()>(get("/api/status")).await.unwrap_err();
    assert!(error.to_string().contains("is not running on"), "{error}");
}

/// Takes connections; says how it is when it is asked for that, and what else after so long.
async fn answer_slowly(listener: tokio::net::UnixListener, after: Duration) {
    let tasks = Shutdown::new();
    loop {
        let (mut stream, _) = listener.accept().await.unwrap();
        tasks.spawn("answer", async move {
            let mut request = [0; 1024];
            let read = stream.read(&mut request).await.unwrap();
            if !request[..read].starts_with(b"GET /health ") {
                tokio::time::sleep(after).await;
            }
            let reply = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n17";
            stream.write_all(reply).await.ok();
        });
    }
}

#[tokio::test(start_paused = true)]
async fn who_looks_waits_for_a_busy_server_and_not_for_one_that_is_stopped() {
    let folder = tempfile::tempdir().unwrap();
    let listener = crate::net::bind_unix(&folder.path().join(SOCKET)).unwrap();
    let client = Client::new(folder.path(), Path::new("mail.toml"));
    // Nobody takes the connection from the system.
    let begun = tokio::time::Instant::now();
    let error = client.ask::<u32>(get("/api/status")).await.unwrap_err();
    assert!(error.to_string().contains("no answer in 15 s"), "{error}");
    assert_eq!(begun.elapsed().as_secs(), 15);
    // What is to be done may take its time, whoever answers.
    let begun = tokio::time::Instant::now();
    let act = Request::post("/api/reload", &());
    let error = client.ask::<u32>(act).await.unwrap_err();
    assert!(error.to_string().contains("no answer in 60 s"), "{error}");
    assert_eq!(begun.elapsed().as_secs(), 60);
    drop(listener);
    let listener = crate::net::bind_unix(&folder.path().join(SOCKET)).unwrap();
    let answered = tokio::select! {
        biased;
        answered = client.ask::<u32>(get("/api/queue")) => answered,
        () = answer_slowly(listener, Duration::from_secs(35)) => unreachable!(),
    };
    assert_eq!(answered.unwrap(), 17);
}

#[tokio::test]
async fn answers_and_refusals_are_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    let listener = crate::net::bind_unix(&folder.path().join(SOCKET)).unwrap();
    let client = Client::new(folder.path(), Path::new("mail.toml"));
    let answer = async |head: &str, body: &str| {
        let server = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = [0; 1024];
            let read = stream.read(&mut request).await.unwrap();
            assert!(request[..read].starts_with(b"GET /api/status HTTP/1.1\r\n"));
            let length = body.len();
            let reply = format!("HTTP/1.1 {head}\r\nContent-Length: {length}\r\n\r\n{body}");
            stream.write_all(reply.as_bytes()).await.unwrap();
        };
        tokio::join!(client.ask::<u32>(get("/api/status")), server).0
    };
    assert_eq!(answer("200 OK", "17").await.unwrap(), 17);
    let odd = answer("200 OK", "ham").await.unwrap_err();
    assert!(odd.to_string().contains("same version"), "{odd}");
    let refusal = r#"{"error":"there is no backend x","hint":"look"}"#;
    let refused = answer("404 Not Found", refusal).await.unwrap_err();
    assert_eq!(refused.to_string(), "there is no backend x\n  look");
    assert!(matches!(refused, ClientError::NotFound(_)), "{refused:?}");
    assert!(!refused.is_unreachable());
    let failed = answer("503 Service Unavailable", refusal).await;
    assert!(matches!(failed, Err(ClientError::Refused(_))), "{failed:?}");
    let exit = |error: ClientError| crate::cli::Failure::from(error).exit as u8;
    assert_eq!(exit(refused), 1);
    // docs/json.md: scripts go by it.
    let refusal = r#"{"error":"line 3: no such key","hint":"mend it"}"#;
    let config = answer("422 Unprocessable Content", refusal).await;
    assert_eq!(exit(config.unwrap_err()), 4);
    let broken = answer("500 Internal Server Error", "ham").await;
    assert_eq!(exit(broken.unwrap_err()), 3);
    drop(listener);
    let away = client.ask::<u32>(get("/api/status")).await;
    assert_eq!(exit(away.unwrap_err()), 3);
}
