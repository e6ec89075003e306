//! The program starts before everything that it needs, and takes mail; each comes when it comes.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use crate::place::Place;
use crate::slapd::{CROWD, Slapd};
use crate::wait::eventually;

const LONG: Duration = Duration::from_secs(60);

fn free() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    listener.local_addr().unwrap()
}

/// Says lines, and wants each reply to begin so.
fn talk(stream: TcpStream, lines: &[(&str, &str)]) {
    stream.set_read_timeout(Some(LONG)).unwrap();
    let mut reader = BufReader::new(stream);
    for (said, wanted) in lines {
        let mut reply = String::new();
        while reply.as_bytes().get(3) != Some(&b' ') {
            reply.clear();
            assert!(reader.read_line(&mut reply).unwrap() > 0, "{said}");
        }
        assert!(reply.starts_with(wanted), "{said}: {reply}");
        reader.get_mut().write_all(said.as_bytes()).unwrap();
    }
}

fn send(smtp: SocketAddr, to: &str) {
    let stream = TcpStream::connect(smtp).unwrap();
    let to = format!("RCPT TO:<{to}>\r\n");
    talk(
        stream,
        &[
            ("EHLO client.example\r\n", "220"),
            ("MAIL FROM:<a@client.example>\r\n", "250"),
            (&to, "250"),
            ("DATA\r\n", "250"),
            ("Subject: early\r\n\r\nHi\r\n.\r\n", "354"),
            ("QUIT\r\n", "250"),
        ],
    );
}

/// A platform that waits for one message.
fn takes_one(address: SocketAddr) {
    let listener = TcpListener::bind(address).unwrap();
    let took = |stream: TcpStream| -> Option<()> {
        stream.set_read_timeout(Some(LONG)).ok()?;
        let mut answers = stream.try_clone().ok()?;
        answers.write_all(b"220 here\r\n").ok()?;
        let mut in_data = false;
        for line in BufReader::new(stream).lines() {
            let line = line.ok()?;
            let answer: &[u8] = match (line.as_str(), in_data) {
                (".", true) => {
                    answers.write_all(b"250 taken\r\n").ok()?;
                    return Some(());
                }
                (_, true) => continue,
                ("DATA", false) => {
                    in_data = true;
                    b"354 go on\r\n"
                }
                _ => b"250 ok\r\n",
            };
            answers.write_all(answer).ok()?;
        }
        // A probe.
        None
    };
    let took = listener.incoming().find_map(|stream| took(stream.ok()?));
    assert!(took.is_some());
}

#[test]
fn nothing_has_to_be_there_at_the_start() {
    let mut server = Slapd::start();
    let ldap = server.plain;
    server.kill();
    let (smtp, platform, provider, web) = (free(), free(), free(), free());
    // A name that no server ever knows: as without name servers.
    let more = format!(
        "[[listener]]\nbind = \"{smtp}\"\ntls = \"none\"\n\
         [backend.late]\nhosts = [\"{platform}\"]\ntls = \"never\"\n\
         [backend.late.probe]\ninterval = \"1s\"\ndown_after = 2\nup_after = 1\n\
         [backend.nameless]\nhosts = [\"mail.nameless.invalid:25\"]\ntls = \"never\"\n\
         [domain.\"late.example\"]\nhome = \"late\"\ntype = \"internal-relay\"\n\
         unknown = \"relay\"\n\
         [domain.\"nameless.example\"]\nhome = \"nameless\"\ntype = \"internal-relay\"\n\
         unknown = \"relay\"\n\
         [web]\nbind = \"{web}\"\nbase_url = \"http://{web}\"\n\
         [web.oidc]\nissuer = \"https://{provider}\"\nclient_id = \"tideover\"\n"
    );
    let lines = format!("servers = [\"ldap://{ldap}\"]\nstarttls = false");
    let place = Place::open_with(&[("ad", lines)], &more);
    let sources = place.verb(&["directory", "status"]).unwrap()["sources"].clone();
    assert!(sources[0]["error"].is_string(), "{sources}");
    // Mail is taken, pages are there.
    send(smtp, "x@late.example");
    send(smtp, "y@nameless.example");
    TcpStream::connect(web).unwrap();
    let waits = || place.verb(&["queue", "list"]).unwrap().to_string();
    assert!(waits().contains("x@late.example"), "{}", waits());

    server.run();
    eventually("the people are there", || {
        // An hour would pass until the program asks by itself.
        place.verb(&["directory", "sync"]).ok()?;
        let status = place.verb(&["directory", "status"]).ok()?;
        (status["entries"] == CROWD + 3).then_some(())
    });
    takes_one(platform);
    eventually("it is delivered", || {
        (!waits().contains("x@late.example")).then_some(())
    });
    assert!(waits().contains("y@nameless.example"), "it waits still");
}
