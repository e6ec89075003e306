use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, UdpSocket};

use super::super::Checked;
use super::*;
use crate::admin::{CheckDepth, CheckView};
use crate::cutover::{Subject, Verdict};
use crate::route::RelayTest;

const A: u16 = 1;
const PTR: u16 = 12;
const MX: u16 = 15;
const TXT: u16 = 16;

/// A name server that knows some records, and that there are no others.
fn name_server(records: Vec<(&'static str, u16, u32, Vec<u8>)>) -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    // It ends with the process: nobody waits for it.
    std::thread::spawn(move || {
        let mut buffer = [0; 1024];
        while let Ok((length, peer)) = socket.recv_from(&mut buffer) {
            let reply = answer(&buffer[..length], &records);
            socket.send_to(&reply, peer).ok();
        }
    });
    address
}

/// RFC 1035 §4.1, with one question and no compression but that of the name.
fn answer(query: &[u8], records: &[(&str, u16, u32, Vec<u8>)]) -> Vec<u8> {
    let mut name = String::new();
    let mut at = 12;
    while query[at] > 0 {
        let length = usize::from(query[at]);
        name.push_str(std::str::from_utf8(&query[at + 1..at + 1 + length]).unwrap());
        name.push('.');
        at += 1 + length;
    }
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    let kind = u16::from_be_bytes([query[at + 1], query[at + 2]]);
    let question = &query[12..at + 5];
    let found = records.iter().filter(|it| it.0 == name && it.1 == kind);
    let found: Vec<_> = found.collect();
    let mut reply = query[..2].to_vec();
    reply.extend([0x81, 0x80, 0, 1, 0, u8::try_from(found.len()).unwrap()]);
    reply.extend([0, 0, 0, 0]);
    reply.extend(question);
    for (_, kind, ttl, data) in found {
        reply.extend([0xc0, 12]);
        reply.extend(kind.to_be_bytes());
        reply.extend([0, 1]);
        reply.extend(ttl.to_be_bytes());
        reply.extend(u16::try_from(data.len()).unwrap().to_be_bytes());
        reply.extend(data);
    }
    reply
}

fn labels(name: &str) -> Vec<u8> {
    let mut data = Vec::new();
    for label in name.split('.') {
        data.push(u8::try_from(label.len()).unwrap());
        data.extend(label.as_bytes());
    }
    data.push(0);
    data
}

fn mx(preference: u16, host: &str) -> Vec<u8> {
    [preference.to_be_bytes().to_vec(), labels(host)].concat()
}

fn text(text: &str) -> Vec<u8> {
    [
        vec![u8::try_from(text.len()).unwrap()],
        text.as_bytes().to_vec(),
    ]
    .concat()
}

#[tokio::test]
async fn resolvers_that_disagree_are_shown_as_such() {
    let zone = |exchanger: (&'static str, u16, u32, Vec<u8>)| {
        vec![
            exchanger,
            ("mx.example.org", A, 300, vec![192, 0, 2, 1]),
            ("old.example", A, 300, vec![192, 0, 2, 99]),
            ("example.org", TXT, 300, text("v=spf1 ip4:192.0.2.1 -all")),
            ("example.org", TXT, 300, text("v=spf1 -all")),
        ]
    };
    let new = name_server(zone(("example.org", MX, 300, mx(10, "mx.example.org"))));
    let old = name_server(zone(("example.org", MX, 2460, mx(0, "old.example"))));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tideover.toml");
    let config = format!(
        r#"
[server]
hostname = "mx.example.org"
[[listener]]
bind = "127.0.0.1:2525"
[backend.onprem]
hosts = ["127.0.0.1:9"]
[domain."example.org"]
home = "onprem"
unknown = "relay"
[check]
resolvers = ["{new}", "{new}", "{old}"]
"#
    );
    std::fs::write(&file, config).unwrap();
    let config = crate::config::read(&file).unwrap();
    let seen = look(&config).await.unwrap();
    assert_eq!(seen.problems.len(), 1, "{:?}", seen.problems);
    let report = seen.report;
    let domain = &report.domains[0];
    let expected = format!("MX: {old} says 0 old.example, and may for another 41 min");
    assert!(domain.waits.contains(&expected), "{:?}", domain.waits);
    assert_eq!(domain.wait_seconds, 2460);
    let about = |subject, verdict| {
        let mut all = domain.findings.iter();
        all.any(|it| it.subject == subject && it.verdict == verdict)
    };
    assert!(about(Subject::Mx, Verdict::Good), "{report:#?}");
    // Two SPF records at one name are a fault, and faults end with an exit code of their own.
    assert!(about(Subject::Spf, Verdict::Wrong), "{report:#?}");
    assert!(report.count(Verdict::Wrong) > 0);
    assert_eq!(report.addresses, ["192.0.2.1"]);
}

/// A platform that takes connections, and says yes to everything.
fn platform() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    // It ends with the process: nobody waits for it.
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            stream.write_all(b"220 onprem.example ESMTP\r\n").unwrap();
            let lines = BufReader::new(stream.try_clone().unwrap()).lines();
            for _ in lines.map_while(Result::ok) {
                stream.write_all(b"250 onprem.example\r\n").ok();
            }
        }
    });
    address
}

type Records = Vec<(&'static str, u16, u32, Vec<u8>)>;

/// A domain whose mail comes here.
fn here() -> Records {
    vec![
        ("example.org", MX, 300, mx(10, "mx.example.org")),
        ("mx.example.org", A, 300, vec![192, 0, 2, 1]),
        ("1.2.0.192.in-addr.arpa", PTR, 300, labels("mx.example.org")),
        ("old.example", A, 300, vec![192, 0, 2, 99]),
        ("example.org", TXT, 300, text("v=spf1 ip4:192.0.2.1 -all")),
        (
            "_dmarc.example.org",
            TXT,
            300,
            text("v=DMARC1; p=reject; rua=mailto:d@example.org"),
        ),
    ]
}

/// What is said of a config with these records, this listener and this platform.
async fn checked(records: Records, listener: &str, platform: SocketAddr) -> CheckView {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tideover.toml");
    let asked = name_server(records);
    let config = format!(
        "[server]\nhostname = \"mx.example.org\"\n[[listener]]\nbind = \"127.0.0.1:2525\"\n\
         {listener}\n[backend.onprem]\nhosts = [\"{platform}\"]\ntls = \"never\"\n\
         [domain.\"example.org\"]\nhome = \"onprem\"\nunknown = \"relay\"\n\
         [check]\nresolvers = [\"{asked}\"]\n[dns]\nservers = [\"{asked}\"]\n"
    );
    std::fs::write(&file, config).unwrap();
    let checked = Checked::of(&file);
    checked.asking(CheckDepth::Online).await.unwrap()
}

/// With another MX.
fn exchangers(hosts: &[&'static str]) -> Records {
    let mut records = here();
    records.retain(|it| it.1 != MX);
    records.extend(
        hosts
            .iter()
            .map(|host| ("example.org", MX, 300, mx(10, host))),
    );
    records
}

#[tokio::test]
async fn what_the_dns_says_wrong_makes_a_check_fail() {
    let mut nameless = here();
    nameless.retain(|it| it.1 != PTR);
    let mut nowhere = exchangers(&["old.example"]);
    nowhere.retain(|it| it.0 != "mx.example.org");
    for (records, verdict, told) in [
        (here(), Verdict::Good, "all mail comes here"),
        (
            exchangers(&["old.example"]),
            Verdict::Waits,
            "mail goes to old.example (10), not here",
        ),
        (
            exchangers(&["mx.example.org", "old.example"]),
            Verdict::Wrong,
            "mail can go around this server: old.example (10)",
        ),
        (
            exchangers(&["mx.example.org", "gone.example"]),
            Verdict::Wrong,
            "gone.example (10) has no address",
        ),
        (
            nowhere,
            Verdict::Waits,
            "mx.example.org has no address: no MX can name it",
        ),
        (nameless, Verdict::Wrong, "192.0.2.1 has no name (PTR)"),
    ] {
        let view = checked(records, "", platform()).await;
        let dns = view.dns.as_ref().unwrap();
        let all = dns.report.domains[0].findings.iter();
        let mut all = all.chain(&dns.report.host);
        let found = all.any(|it| it.verdict == verdict && it.text.contains(told));
        assert!(found, "{told}: {view:#?}");
        assert_eq!(view.problems, []);
        // A cutover that has not been is no fault: exit codes count what is wrong only.
        let is_wrong = verdict == Verdict::Wrong;
        assert_eq!(dns.wrong > 0, is_wrong, "{told}: {view:#?}");
        match verdict {
            Verdict::Good => assert_eq!(dns.waits, 0, "{view:#?}"),
            Verdict::Waits => assert!(dns.waits > 0, "{told}: {view:#?}"),
            Verdict::Wrong | Verdict::Note | Verdict::Unanswered => {}
        }
        assert_eq!(view.ok, !is_wrong, "{told}: {view:#?}");
    }
}

#[tokio::test]
async fn a_platform_that_takes_no_mail_makes_a_check_fail() {
    // Nobody has this port.
    let view = checked(here(), "", ([127, 0, 0, 1], 1).into()).await;
    let told: Vec<&str> = view.problems.iter().map(|it| it.key.as_str()).collect();
    assert_eq!((told, view.ok), (vec!["backend.onprem"], false));
}

/// Also where no trick works: who trusts the Internet with saying whose a connection is.
#[tokio::test]
async fn who_would_relay_for_the_world_is_told_and_fails() {
    for (listener, wide, works) in [
        ("role = \"relay\"\nallow = [\"10.0.0.0/8\"]", 0, false),
        ("role = \"relay\"\nallow = [\"0.0.0.0/0\"]", 1, true),
        ("xclient_from = [\"45.0.0.0/8\"]", 1, false),
    ] {
        let view = checked(here(), listener, platform()).await;
        let relay = view.open_relay.as_ref().unwrap();
        assert!(relay.tried > 0);
        assert_eq!(
            (relay.wide.len(), relay.worked > 0),
            (wide, works),
            "{relay:?}"
        );
        let problem = RelayTest::problem(relay);
        assert_eq!(problem.is_some(), wide > 0, "{relay:?}");
        assert_eq!(view.ok, wide == 0, "{view:#?}");
    }
}
