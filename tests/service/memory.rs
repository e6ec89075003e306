//! What clients can make the program hold is bounded: measured from outside.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use crate::load::come;
use crate::place::{Place, Program};
use crate::platform::Platform;
use crate::wait::eventually;

/// An address that the config does not know.
const STRANGER: [u8; 4] = [127, 0, 0, 9];
/// That of the platform: places are kept for it.
const PLATFORM: [u8; 4] = [127, 0, 0, 1];
/// `limits.memory` of this test.
const MEMORY: u64 = 16 << 20;
/// Bodies on their way in have so much together (`limits::BODIES_IN_MEMORY`).
const BODIES: u64 = 64 << 20;
/// What the allocator keeps, and the program needs for other things meanwhile.
const SLACK: u64 = 32 << 20;

/// Bytes that the program has in memory.
fn resident(program: &mut Program) -> u64 {
    let status = format!("/proc/{}/status", program.child().id());
    let status = std::fs::read_to_string(status).unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .unwrap();
    let kibibytes: u64 = line.trim_end_matches("kB").trim().parse().unwrap();
    kibibytes * 1024
}

/// What a client holds on to, and never ends.
type Greed = fn(&mut TcpStream) -> std::io::Result<()>;

/// The longest recipients, as many as a transaction may have.
fn recipients(stream: &mut TcpStream) -> std::io::Result<()> {
    stream.write_all(b"MAIL FROM:<a@client.example>\r\n")?;
    let local = "x".repeat(240);
    let original = "y".repeat(400);
    for number in 0..1000 {
        let said = format!(
            "RCPT TO:<{number}{local}@other.example> NOTIFY=FAILURE ORCPT=rfc822;{original}\r\n"
        );
        stream.write_all(said.as_bytes())?;
    }
    Ok(())
}

/// A header that goes on and on.
fn header(stream: &mut TcpStream) -> std::io::Result<()> {
    begin(stream)?;
    let line = format!("X-Field: {}\r\n", "z".repeat(60_000));
    (0..16).try_for_each(|_| stream.write_all(line.as_bytes()))
}

/// A body that goes on and on.
fn body(stream: &mut TcpStream) -> std::io::Result<()> {
    begin(stream)?;
    stream.write_all(b"Subject: a\r\n\r\n")?;
    let line = format!("{}\r\n", "b".repeat(998));
    (0..1000).try_for_each(|_| stream.write_all(line.as_bytes()))
}

/// A command without an end.
fn command(stream: &mut TcpStream) -> std::io::Result<()> {
    stream.write_all(&b"N".repeat(12_000))
}

fn begin(stream: &mut TcpStream) -> std::io::Result<()> {
    stream.write_all(b"MAIL FROM:<a@client.example>\r\nRCPT TO:<a@other.example>\r\nDATA\r\n")?;
    let mut heard = Vec::new();
    while !heard.windows(4).any(|it| it == b"354 ") {
        let mut piece = [0; 256];
        match stream.read(&mut piece)? {
            0 => return Err(std::io::ErrorKind::UnexpectedEof.into()),
            count => heard.extend_from_slice(&piece[..count]),
        }
        let says = |first: &[u8]| {
            heard
                .split(|byte| *byte == b'\n')
                .any(|line| line.starts_with(first))
        };
        // There is no room for it: it holds nothing.
        if says(b"4") {
            return Err(std::io::ErrorKind::ConnectionRefused.into());
        }
        let told = heard.escape_ascii();
        assert!(!says(b"5"), "this mail would be taken: {told}");
    }
    Ok(())
}

/// Comes, greets, and holds on to what it can.
fn hold(from: [u8; 4], to: SocketAddr, greed: Greed) -> Option<TcpStream> {
    let (mut stream, greeting) = come(from, to);
    stream
        .set_write_timeout(Some(Duration::from_secs(20)))
        .unwrap();
    if !greeting.starts_with("220") {
        return None;
    }
    stream.write_all(b"EHLO a\r\n").ok()?;
    let mut heard = Vec::new();
    while !heard.windows(4).any(|it| it == b"250 ") {
        let mut piece = [0; 1024];
        let count = stream.read(&mut piece).ok().filter(|count| *count > 0)?;
        heard.extend_from_slice(&piece[..count]);
    }
    // Who is cut off holds nothing any more.
    greed(&mut stream).ok()?;
    Some(stream)
}

#[test]
fn the_greediest_clients_hold_no_more_than_the_bound() {
    let platform = Platform::start();
    let more = "[domain.\"other.example\"]\nhome = \"onprem\"\nunknown = \"relay\"\n\
                [limits]\nmemory = \"16MiB\"\nconnections_per_address = 1000\n";
    let place = Place::new(platform.address, more);
    let mut program = place.start();
    let before = resident(&mut program);
    let mut most = before;
    let mut counts = Vec::new();
    for (greed, connections) in [
        (recipients as Greed, 150),
        (header as Greed, 60),
        (body as Greed, 60),
        (command as Greed, 60),
    ] {
        // Those before them have gone: there is room for each kind, at least at first.
        let first = eventually("one of this kind holds on", || {
            hold(STRANGER, place.smtp, greed)
        });
        let mut all = vec![first];
        // Half of them from an address for which places are kept.
        for number in 1..connections {
            let from = if number % 2 == 0 { PLATFORM } else { STRANGER };
            all.extend(hold(from, place.smtp, greed));
            most = most.max(resident(&mut program));
        }
        counts.push(all.len());
    }
    let grown = most - before;
    assert!(
        grown <= MEMORY * 2 + BODIES + SLACK,
        "grown by {} MiB, {counts:?} connections held on",
        grown >> 20
    );
    // And it still works for who comes afterwards.
    let mut client = place.wait_for_greeting();
    client.send("ann@example.org", "afterwards").unwrap();
    program.stop();
}
