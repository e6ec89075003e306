//! TLS, logins, greetings and probes.

use super::content::replied;
use super::*;
use crate::backend::{Prober as _, Proof, RefusedAtRcpt, SecretFile};
use crate::mail::Said;
use crate::net::TlsServer;
use crate::smtp::ReversePath;

struct Pair {
    folder: tempfile::TempDir,
    server: Server,
}

fn with_tls() -> Pair {
    let folder = tempfile::tempdir().unwrap();
    let tls = TlsServer::self_signed(folder.path(), "sink.example.org").unwrap();
    let hello = "hello 250-sink!250-STARTTLS!250 AUTH PLAIN LOGIN";
    let server = Server {
        tls: Some(Arc::new(tls)),
        ..Server::scripted(hello)
    };
    Pair { folder, server }
}

async fn open(server: Server, tls: TlsPolicy) -> (Result<Option<String>, String>, Seen) {
    let backend = BackendOptions {
        tls,
        ..backend(&[SINK])
    };
    let (outbound, seen) = client(net(vec![(SINK, server)]), backend);
    let opened = outbound.open(&target()).await;
    let told = opened.map(|channel| channel.tls().map(|tls| tls.version.clone()));
    (
        told.map_err(|failure| format!("{:?} {failure}", failure.blame)),
        seen,
    )
}

#[tokio::test]
async fn tls_is_used_when_offered_and_everything_is_asked_anew() {
    let pair = with_tls();
    for policy in [TlsPolicy::Opportunistic, TlsPolicy::Required] {
        let (told, seen) = open(pair.server.clone(), policy).await;
        assert_eq!(told, Ok(Some("TLSv1.3".to_owned())));
        assert_eq!(seen.verbs(), ["EHLO", "STARTTLS", "EHLO"]);
    }
    let (told, seen) = open(pair.server.clone(), TlsPolicy::Never).await;
    assert_eq!(told, Ok(None));
    assert_eq!(seen.verbs(), ["EHLO"]);
    drop(pair.folder);
}

#[tokio::test]
async fn verified_means_verified() {
    let pair = with_tls();
    let (told, _) = open(pair.server.clone(), TlsPolicy::Verified).await;
    let told = told.unwrap_err();
    assert!(
        told.starts_with("Backend TLS with 192.0.2.1:25 failed"),
        "{told}"
    );
    let (told, _) = open(Server::default(), TlsPolicy::Verified).await;
    assert!(told.unwrap_err().contains("does not offer STARTTLS"));
}

#[tokio::test]
async fn an_authority_of_a_file_proves_the_name_that_the_config_gives() {
    let pair = with_tls();
    let ask = async |name: &str, keys: Vec<[u8; 32]>| {
        let sink = BackendOptions {
            tls: TlsPolicy::Verified,
            proof: Proof {
                name: Some(name.to_owned()),
                authorities: Some(pair.folder.path().join("self-signed.crt")),
                keys,
                client: None,
            },
            ..backend(&[SINK])
        };
        let (outbound, _) = client(net(vec![(SINK, pair.server.clone())]), sink);
        let opened = outbound.open(&target()).await;
        opened.map(|_| ()).map_err(|failure| failure.what)
    };
    assert_eq!(ask("sink.example.org", Vec::new()).await, Ok(()));
    let told = ask("other.example.org", Vec::new()).await.unwrap_err();
    assert!(
        told.contains("must be good for other.example.org"),
        "{told}"
    );
    let told = ask("sink.example.org", vec![[1; 32]]).await.unwrap_err();
    assert!(told.contains("the server's key is sha256:"), "{told}");
}

#[tokio::test]
async fn opportunistic_goes_on_without_what_fails() {
    let offered = "hello 250-sink!250 STARTTLS";
    for (script, dialled) in [
        // Taken back: the same connection goes on.
        (format!("{offered}, starttls 454 4.7.0 not now"), 1),
        // A handshake that is no handshake: another connection, in plain text.
        (format!("{offered}, starttls 220 go!500 what"), 2),
        (format!("{offered}, cut at starttls"), 2),
    ] {
        let server = Server::scripted(&script);
        let (told, seen) = open(server.clone(), TlsPolicy::Opportunistic).await;
        assert_eq!(told, Ok(None), "{script}");
        assert_eq!(seen.dialled.lock().unwrap().len(), dialled, "{script}");
        let (told, _) = open(server, TlsPolicy::Required).await;
        assert!(told.unwrap_err().starts_with("Backend"), "{script}");
    }
}

async fn log_in(server: Server, host: &str) -> (Result<(), String>, Seen) {
    let folder = tempfile::tempdir().unwrap();
    let password_file = folder.path().join("password");
    std::fs::write(&password_file, "secret\n").unwrap();
    let backend = BackendOptions {
        credentials: Some(Credentials {
            username: "ann".to_owned(),
            secret: SecretFile::Password(password_file),
            mechanism: None,
        }),
        ..backend(&[host])
    };
    let (outbound, seen) = client(net(vec![(host, server)]), backend);
    let opened = outbound.open(&target()).await;
    (opened.map(|_| ()).map_err(|failure| failure.what), seen)
}

#[tokio::test]
async fn passwords_go_over_tls_or_stay_on_the_machine() {
    let pair = with_tls();
    let (told, seen) = log_in(pair.server.clone(), SINK).await;
    assert_eq!(told, Ok(()));
    assert!(seen.has_line("AUTH PLAIN AGFubgBzZWNyZXQ="), "{seen:?}");

    let plain = || Server::scripted("hello 250-sink!250 AUTH LOGIN");
    let (told, seen) = log_in(plain(), SINK).await;
    assert!(told.unwrap_err().contains("not encrypted"));
    assert_eq!(seen.verbs(), ["EHLO"]);
    let (told, seen) = log_in(plain(), "127.0.0.1:25").await;
    assert_eq!(told, Ok(()));
    assert!(
        seen.has_line("YW5u") && seen.has_line("c2VjcmV0"),
        "{seen:?}"
    );

    let unknown = Server::scripted("hello 250-sink!250 AUTH NTLM");
    let (told, _) = log_in(unknown, "127.0.0.1:25").await;
    assert!(told.unwrap_err().contains("[NTLM]"));
}

/// Somebody keeps the token of its file fresh: no restart is needed for it.
#[tokio::test]
async fn a_token_is_read_from_its_file_at_each_login() {
    const HERE: &str = "127.0.0.1:25";
    let folder = tempfile::tempdir().unwrap();
    let token_file = folder.path().join("token");
    let sink = BackendOptions {
        credentials: Some(Credentials {
            username: "ann".to_owned(),
            secret: SecretFile::Token(token_file.clone()),
            mechanism: None,
        }),
        ..backend(&[HERE])
    };
    let server = Server::scripted("hello 250-sink!250 AUTH PLAIN XOAUTH2");
    let (outbound, seen) = client(net(vec![(HERE, server)]), sink);
    // user=ann^Aauth=Bearer one^A^A, and the same with two.
    for (token, said) in [
        ("one\n", "dXNlcj1hbm4BYXV0aD1CZWFyZXIgb25lAQE="),
        ("two\n", "dXNlcj1hbm4BYXV0aD1CZWFyZXIgdHdvAQE="),
    ] {
        std::fs::write(&token_file, token).unwrap();
        outbound.open(&target()).await.unwrap();
        assert!(seen.has_line(&format!("AUTH XOAUTH2 {said}")), "{seen:?}");
    }
    std::fs::remove_file(&token_file).unwrap();
    let failure = outbound.open(&target()).await.err().unwrap();
    let named = failure.what.contains(token_file.to_str().unwrap());
    assert!(named, "{}", failure.what);
}

#[tokio::test]
async fn odd_greetings_are_the_backends_fault() {
    for (script, expected) in [
        (
            "banner 554 5.7.1 go away",
            "Backend 192.0.2.1:25 answered the connection with 554",
        ),
        (
            "banner 421 4.3.2 later",
            "Backend 192.0.2.1:25 answered the connection with 421",
        ),
        ("banner hello", "Backend 192.0.2.1:25 is out of step"),
        ("banner 354 go", "Backend 192.0.2.1:25 is out of step"),
        ("hello 250-a!251 b", "Backend 192.0.2.1:25 is out of step"),
        (
            "hello 502 5.5.1 what",
            "Backend 192.0.2.1:25 answered EHLO with 502 5.5.1 what",
        ),
        ("cut at connect", "Backend 192.0.2.1:25 cut the connection"),
    ] {
        let (told, _) = open(Server::scripted(script), TlsPolicy::Never).await;
        let told = told.unwrap_err();
        assert!(told.starts_with(expected), "{script}: {told}");
    }
    let endless = format!("hello {}250 end", "250-more!".repeat(200));
    let (told, _) = open(Server::scripted(&endless), TlsPolicy::Never).await;
    assert!(told.unwrap_err().contains("too many lines"));
}

#[tokio::test]
async fn a_server_that_does_not_know_ehlo_is_greeted_with_helo() {
    let server = Server {
        helo: Some("250 sink".to_owned()),
        ..Server::scripted("hello 502 5.5.1 what")
    };
    let (told, seen) = open(server, TlsPolicy::Opportunistic).await;
    assert_eq!(told, Ok(None));
    assert_eq!(seen.verbs(), ["EHLO", "HELO"]);
}

#[tokio::test(start_paused = true)]
async fn silence_ends() {
    let silent = Server {
        silent: Some(()),
        ..Server::default()
    };
    let (told, _) = open(silent, TlsPolicy::Never).await;
    let told = told.unwrap_err();
    assert!(
        told.contains("did not answer to the connection in time"),
        "{told}"
    );
}

#[tokio::test]
async fn a_probe_asks_and_sends_nothing() {
    let mut options = backend(&["192.0.2.7:25", SINK]);
    options.probe.recipient = Some("canary@example.org".to_owned());
    let probe = async |script: &str| {
        let net = net(vec![(SINK, Server::scripted(script))]);
        let (outbound, seen) = client(net, options.clone());
        let result = outbound.probe(&options).await;
        (result, seen)
    };
    let (result, seen) = probe("").await;
    assert_eq!(result, Ok(()));
    assert_eq!(seen.verbs(), ["EHLO", "MAIL", "RCPT", "RSET", "QUIT"]);
    let (result, _) = probe("rcpt 550 5.7.1 no").await;
    assert_eq!(
        result.unwrap_err().what,
        "connection refused by 192.0.2.7:25"
    );
    options.hosts = Hosts::List(vec![SINK.to_owned()]);
    let net = net(vec![(SINK, Server::scripted("rcpt 550 5.7.1 no"))]);
    let (outbound, _) = client(net, options.clone());
    let failure = outbound.probe(&options).await.unwrap_err();
    assert_eq!(failure.what, "192.0.2.1:25 answered RCPT with 550 5.7.1 no");
    assert_eq!(failure.blame, crate::mail::Blame::Backend);
}

/// Some servers say at RCPT what they have against a sender.
#[tokio::test]
async fn whom_it_refused_is_asked_for_in_the_name_of_who_wrote_to_him() {
    let options = backend(&[SINK]);
    for (sender, script, said) in [
        ("eve@example.net", "", None),
        ("", "", None),
        ("eve@example.net", "rcpt 550 5.1.1 who?", Some(Said::Rcpt)),
        ("eve@example.net", "mail 550 5.1.8 who?", Some(Said::Mail)),
    ] {
        let net = net(vec![(SINK, Server::scripted(script))]);
        let (outbound, seen) = client(net, options.clone());
        let refused = RefusedAtRcpt {
            person: "ann@example.org".to_owned(),
            sender: sender.to_owned(),
            recipient: "ann+x@example.org".to_owned(),
        };
        let answer = outbound.would_take(&options, &refused).await;
        assert_eq!(answer.err().and_then(|failure| failure.said), said);
        let mail = format!("MAIL FROM:<{sender}>");
        assert!(seen.has_line(&mail), "{seen:?}");
        let is_named = seen.has_line("RCPT TO:<ann+x@example.org>");
        assert_eq!(is_named, said != Some(Said::Mail), "{seen:?}");
    }
}

/// RFC 8689 §4.2.1: a message that needs TLS on its whole way goes to whom the certificate proves,
/// and who promises the same; to nobody else, and in no other way.
#[tokio::test]
async fn what_requires_tls_goes_where_it_is_promised() {
    let pair = with_tls();
    let send = async |(hello, from): (&str, ReversePath), tls: TlsPolicy, authorities: bool| {
        let server = Server {
            tls: pair.server.tls.clone(),
            ..Server::scripted(hello)
        };
        let sink = BackendOptions {
            tls,
            proof: Proof {
                name: Some("sink.example.org".to_owned()),
                authorities: authorities.then(|| pair.folder.path().join("self-signed.crt")),
                ..Proof::default()
            },
            ..backend(&[SINK])
        };
        let (outbound, seen) = client(net(vec![(SINK, server)]), sink);
        let mut delivery = delivery(BOTH, BODY);
        let mut envelope = (*delivery.envelope).clone();
        envelope.parameters.requiretls = true;
        envelope.from = from;
        delivery.envelope = Arc::new(envelope);
        let mut channel = outbound.open(&target()).await.unwrap();
        (channel.deliver(&delivery, nothing()).await, seen)
    };
    let from = ReversePath::Mailbox("sender@example.net".parse().unwrap());
    let deliver =
        async |hello: &str, tls, authorities| send((hello, from.clone()), tls, authorities).await;
    let promised = "hello 250-sink!250-STARTTLS!250 REQUIRETLS";
    let (outcomes, seen) = deliver(promised, TlsPolicy::Verified, true).await;
    assert_eq!(short(&outcomes), ["delivered", "delivered"]);
    assert!(seen.has_line("MAIL FROM:<sender@example.net> REQUIRETLS"));
    let without = "hello 250-sink!250 STARTTLS";
    for (hello, tls, authorities, expected) in [
        (without, TlsPolicy::Verified, true, "Recipient 550 5.7.30"),
        (promised, TlsPolicy::Required, false, "Recipient 550 5.7.10"),
        (
            promised,
            TlsPolicy::Opportunistic,
            false,
            "Recipient 550 5.7.10",
        ),
        (promised, TlsPolicy::Never, false, "Recipient 550 5.7.10"),
    ] {
        let (outcomes, seen) = deliver(hello, tls, authorities).await;
        assert_eq!(replied(&outcomes), expected, "{hello} {tls:?}");
        assert!(!seen.verbs().contains(&"MAIL".to_owned()), "{seen:?}");
    }
    // §5: what has no sender is not thrown away where nobody knows REQUIRETLS.
    for (hello, tls, authorities, said) in [
        (without, TlsPolicy::Verified, true, "MAIL FROM:<>"),
        (promised, TlsPolicy::Required, false, "MAIL FROM:<>"),
        (
            promised,
            TlsPolicy::Verified,
            true,
            "MAIL FROM:<> REQUIRETLS",
        ),
    ] {
        let way = (hello, ReversePath::Null);
        let (outcomes, seen) = send(way, tls, authorities).await;
        assert_eq!(short(&outcomes), ["delivered", "delivered"]);
        assert!(seen.has_line(said), "{seen:?}");
    }
}
