use std::net::UdpSocket;

use super::*;
use crate::cutover::{Subject, Verdict};

const A: u16 = 1;
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
