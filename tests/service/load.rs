//! Too much to do: strangers come later, platforms and those who are there go on.

use std::io::{BufRead as _, BufReader};
use std::net::{SocketAddr, TcpStream};

use serde_json::Value;
use socket2::{Domain, Socket, Type};

use crate::place::{Place, Program};
use crate::platform::Platform;
use crate::wait::eventually;

/// An address that the config does not know.
const STRANGER: [u8; 4] = [127, 0, 0, 9];
/// That of the platform.
const PLATFORM: [u8; 4] = [127, 0, 0, 1];

/// Connects from there; the connection and the first line.
pub(crate) fn come(from: [u8; 4], to: SocketAddr) -> (TcpStream, String) {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from((from, 0)).into()).unwrap();
    socket.connect(&to.into()).unwrap();
    let stream: TcpStream = socket.into();
    stream.set_read_timeout(Some(crate::wait::LONG)).unwrap();
    let mut line = String::new();
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    reader.read_line(&mut line).unwrap();
    (stream, line.trim_end().to_owned())
}

/// Connects from there until it is turned away; who is in, and what the last one heard.
fn fill(from: [u8; 4], place: &Place) -> (Vec<TcpStream>, String) {
    let mut crowd = Vec::new();
    loop {
        let (stream, greeting) = come(from, place.smtp);
        if !greeting.starts_with("220") {
            return (crowd, greeting);
        }
        crowd.push(stream);
        assert!(crowd.len() < 200, "nobody is turned away");
    }
}

fn status(place: &Place) -> Value {
    let told = place.verb(&["status", "--json"]);
    assert!(told.status.success());
    serde_json::from_slice(&told.stdout).unwrap()
}

fn started(platform: &Platform) -> (Place, Program) {
    let limits = "[limits]\nmemory = \"8MiB\"\nconnections_per_address = 500\n";
    let place = Place::new(platform.address, limits);
    let program = place.start();
    (place, program)
}

#[test]
fn a_crowd_is_turned_away_and_all_others_are_served() {
    let platform = Platform::start();
    let (place, mut program) = started(&platform);
    assert!(status(&place)["busy"].is_null());
    let mut early = crate::client::Client::connect(place.smtp).unwrap();
    early.begin("ann@example.org").unwrap();
    // Each of them counts, also when it says nothing.
    let (crowd, last) = fill(STRANGER, &place);
    assert_eq!(last, "421 4.3.2 mx.example.org Too busy, try later");
    let told = status(&place);
    assert_eq!(told["busy"]["strain"], "memory", "{told}");
    let told = String::from_utf8(place.verb(&["status"]).stdout).unwrap();
    assert!(told.contains("strangers are told to come later"), "{told}");
    place.line_with(&["WARN", "busy: strangers are told to come later"]);
    // Who was there ends well, and the platform has its place.
    early.say(&crate::client::message("early")).unwrap();
    assert!(early.ask(".").unwrap().starts_with("250"));
    let (_platforms, greeting) = come(PLATFORM, place.smtp);
    assert!(greeting.starts_with("220"), "{greeting}");
    drop(crowd);
    place.line_with(&["INFO", "not busy any more"]);
    eventually("strangers are taken again", || {
        come(STRANGER, place.smtp)
            .1
            .starts_with("220")
            .then_some(())
    });
    assert!(status(&place)["busy"].is_null());
    program.stop();
}

/// They hold no memory worth a word, and nobody else comes in.
#[test]
fn who_finds_no_place_is_told_of() {
    let platform = Platform::start();
    let limits = "[limits]\nconnections = 20\nconnections_per_address = 500\n";
    let place = Place::new(platform.address, limits);
    let mut program = place.start();
    assert!(status(&place)["busy"].is_null());
    // Ours who find none are no strangers.
    let (ours, last) = fill(PLATFORM, &place);
    assert!(last.starts_with("421 4.7.0"), "{last}");
    assert!(status(&place)["busy"].is_null());
    drop(ours);
    let (crowd, last) = fill(STRANGER, &place);
    assert!(last.starts_with("421 4.7.0"), "{last}");
    let told = status(&place);
    assert_eq!(told["busy"]["strain"], "places", "{told}");
    let told = String::from_utf8(place.verb(&["status"]).stdout).unwrap();
    // A line that is too wide goes on below.
    let told = told.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(
        told.contains("all places for strangers are taken"),
        "{told}"
    );
    drop(crowd);
    program.stop();
}
