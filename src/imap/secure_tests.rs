//! TLS comes before the password, and the certificate is checked.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};

use super::tests::{NOTHING, Turn, Wires, ask_with, converse, logged_in, names, options, serve};
use super::*;
use crate::mail::BackendId;
use crate::net::{AcceptTls as _, TlsClient, TlsServer};
use crate::smtp::Mailbox;

#[tokio::test]
async fn a_password_is_never_sent_when_starttls_is_not_there() {
    let script = vec![("STARTTLS", "T BAD what\r\n")];
    let change = |options: &mut ImapOptions| options.security = Security::StartTls;
    let (error, heard) = ask_with(change, script, NOTHING).await;
    assert!(error.unwrap_err().is_of_server());
    assert_eq!(heard.len(), 1, "{heard:?}");
    // Somebody in between says something before TLS.
    let script = vec![("STARTTLS", "T OK go\r\n* OK inserted\r\n")];
    let change = |options: &mut ImapOptions| options.security = Security::StartTls;
    let (error, heard) = ask_with(change, script, NOTHING).await;
    assert!(error.unwrap_err().is_of_server());
    assert_eq!(heard.len(), 1, "{heard:?}");
}

const NAME: &str = "mail.example.org";

fn empty_mailbox() -> Vec<Turn<'static>> {
    logged_in(&[("LIST", "T OK x\r\n"), ("LOGOUT", "")])
}

/// Asks a server that has a certificate for `NAME`; `host` is what the config calls it.
async fn ask_over_tls(host: &str, security: Security) -> Result<Vec<Option<Place>>, ImapError> {
    let folder = tempfile::tempdir().unwrap();
    let server = TlsServer::self_signed(folder.path(), NAME).unwrap();
    let options = ImapOptions {
        host: host.to_owned(),
        security,
        authorities: Some(folder.path().join("self-signed.crt")),
        ..options(&folder)
    };
    let (near, far) = tokio::io::duplex(1 << 20);
    let world = World {
        dial: Arc::new(Wires(Mutex::new(Some(near)))),
        resolve: Arc::new(names()),
        tls: TlsClient::with_authorities([]).unwrap(),
    };
    let backend = BackendId::new("onprem");
    let homes = ImapHomes::new(world, [(backend.clone(), options)]);
    let ann: Mailbox = "ann@example.org".parse().unwrap();
    let serving = async {
        if security == Security::Implicit {
            let (stream, _) = server.accept(Box::new(far)).await.ok()?;
            return Some(serve(stream, empty_mailbox()).await);
        }
        let mut far = BufReader::new(far);
        far.write_all(b"* OK hello\r\n").await.ok()?;
        let mut line = String::new();
        far.read_line(&mut line).await.ok()?;
        assert_eq!(line, "t1 STARTTLS\r\n");
        far.write_all(b"t1 OK go\r\n").await.ok()?;
        let (stream, _) = server.accept(Box::new(far)).await.ok()?;
        Some(converse(stream, empty_mailbox()).await)
    };
    let (found, _) = tokio::join!(
        async move {
            let found = homes.find(&backend, &ann, NOTHING).await;
            drop(homes);
            found
        },
        serving
    );
    found
}

#[tokio::test]
async fn a_server_proves_its_name_before_it_hears_a_password() {
    for security in [Security::Implicit, Security::StartTls] {
        let found = ask_over_tls(NAME, security).await;
        assert_eq!(found, Ok(Vec::new()), "{security:?}");
        let error = ask_over_tls("other.example.org", security)
            .await
            .unwrap_err();
        assert!(error.is_of_server(), "{error}");
        assert!(error.to_string().contains("TLS"), "{error}");
    }
}
