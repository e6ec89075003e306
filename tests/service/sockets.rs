//! Sockets that somebody else holds, as systemd does.

use std::collections::BTreeSet;
use std::io::{self, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::client::Client;
use crate::place::{Place, Program, free_address};
use crate::platform::Platform;
use crate::wait::{LONG, eventually};

/// What stands between systemd and a program: sockets from 3 on, and variables that say so.
const HAND_OVER: &str = "exec 3<&0 0</dev/null; export LISTEN_FDS=1 LISTEN_PID=$$; exec \"$@\"";
const RESTARTS: usize = 3;
const CLIENTS: usize = 4;
const EACH: usize = 40;

fn start_on(place: &Place, socket: &TcpListener) -> Program {
    let mut command = Command::new("sh");
    command.args(["-c", HAND_OVER, "sh"]);
    command.arg(place.command().get_program());
    command.args(place.command().get_args());
    command.stdin(Stdio::from(OwnedFd::from(socket.try_clone().unwrap())));
    place.start_by(command)
}

/// Sends until the 250, whatever happens to the program; nobody may be refused.
fn insist(place: &Place, subject: &str) {
    eventually(subject, || match Client::connect(place.smtp) {
        Err(error) => {
            assert_ne!(error.kind(), io::ErrorKind::ConnectionRefused, "{subject}");
            None
        }
        Ok(mut client) => client.send("ann@example.org", subject).ok(),
    });
}

#[test]
fn nobody_is_refused_while_the_program_is_started_anew() {
    let platform = Platform::start();
    let place = Place::new(platform.address, "");
    let socket = TcpListener::bind(place.smtp).unwrap();
    let mut program = start_on(&place, &socket);
    place.line_with(&["a socket was handed over", &place.smtp.to_string()]);
    let sent = Arc::new(AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for client in 0..CLIENTS {
            let (place, sent) = (&place, Arc::clone(&sent));
            scope.spawn(move || {
                for number in 0..EACH {
                    insist(place, &format!("m{client}-{number}"));
                    sent.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        for restart in 1..=RESTARTS {
            let enough = restart * CLIENTS * EACH / (RESTARTS + 1);
            eventually("mail goes on", || {
                (sent.load(Ordering::Relaxed) >= enough).then_some(())
            });
            program.stop();
            // Now the port is nobody's but ours, and somebody knocks.
            let knock = TcpStream::connect(place.smtp).unwrap();
            program = start_on(&place, &socket);
            drop(knock);
        }
    });
    let all: BTreeSet<String> = (0..CLIENTS)
        .flat_map(|client| (0..EACH).map(move |number| format!("m{client}-{number}")))
        .collect();
    eventually("all of it arrives", || {
        let arrived: BTreeSet<String> = platform.subjects().into_iter().collect();
        all.is_subset(&arrived).then_some(())
    });
    program.stop();
}

#[test]
fn a_port_that_the_config_does_not_name_is_refused() {
    let place = Place::new(free_address(), "");
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut program = start_on(&place, &socket);
    assert_eq!(program.ended().code(), Some(1));
    let log = place.log();
    let address = socket.local_addr().unwrap().to_string();
    assert!(log.contains(&address), "{log}");
    assert!(log.contains("the config names no such port"), "{log}");
    assert!(!log.contains("taking mail"), "{log}");
}

#[test]
fn a_socket_for_both_kinds_of_addresses_is_refused() {
    // Not every machine has IPv6.
    let Ok(socket) = TcpListener::bind("[::]:0") else {
        return;
    };
    let place = Place::new(free_address(), "");
    let mut program = start_on(&place, &socket);
    assert_eq!(program.ended().code(), Some(1));
    let log = place.log();
    assert!(log.contains("BindIPv6Only=ipv6-only"), "{log}");
}

#[test]
fn a_socket_that_is_handed_over_twice_is_refused() {
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let place = Place::new(free_address(), "");
    let twice = HAND_OVER.replace("exec 3<&0 0</dev/null", "exec 3<&0 4<&0 0</dev/null");
    let mut command = Command::new("sh");
    command.args(["-c", &twice.replace("LISTEN_FDS=1", "LISTEN_FDS=2"), "sh"]);
    command.arg(place.command().get_program());
    command.args(place.command().get_args());
    command.stdin(Stdio::from(OwnedFd::from(socket)));
    let mut program = place.start_by(command);
    assert_eq!(program.ended().code(), Some(1));
    let log = place.log();
    assert!(log.contains("was handed over twice"), "{log}");
}

#[test]
fn what_is_not_handed_over_is_bound() {
    let admin = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = admin.local_addr().unwrap();
    let more = format!("[admin]\nbind = \"{address}\"\n");
    let place = Place::new(free_address(), &more);
    let mut program = start_on(&place, &admin);
    place.wait_for_greeting();
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(LONG)).unwrap();
    let request = format!("GET /metrics HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut page = String::new();
    stream.read_to_string(&mut page).unwrap();
    assert!(page.contains("tideover_connections"), "{page}");
    program.stop();
}

#[test]
fn systemd_itself_hands_over_what_is_taken() {
    let platform = Platform::start();
    let place = Place::new(platform.address, "");
    let mut command = Command::new("systemd-socket-activate");
    command.arg("-l").arg(place.smtp.to_string());
    command.arg(place.command().get_program());
    command.args(place.command().get_args());
    let is_there = Command::new("systemd-socket-activate")
        .arg("--version")
        .stdout(Stdio::null())
        .status();
    if is_there.is_err() {
        return;
    }
    let mut program = place.start_by(command);
    // It listens first; the first connection starts the program, and waits for it.
    let mut client = eventually("somebody listens", || Client::connect(place.smtp).ok());
    client.send("ann@example.org", "by systemd").unwrap();
    place.line_with(&["a socket was handed over"]);
    eventually("it arrives", || {
        (platform.subjects() == ["by systemd"]).then_some(())
    });
    program.stop();
}
