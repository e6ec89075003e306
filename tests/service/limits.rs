//! Bounds of the door change while connections are there.

use std::io;

use crate::client::Client;
use crate::place::{Place, free_address};
use crate::wait::eventually;

fn per_address(most: usize) -> String {
    format!("[limits]\nconnections_per_address = {most}\nrecipients = 100\n")
}

fn refused(place: &Place) -> String {
    match Client::connect(place.smtp) {
        Ok(_) => String::new(),
        Err(error) => error.to_string(),
    }
}

/// Greets until it is refused as often as it may: a connection that has just ended may still count.
fn greeted(place: &Place) -> Client {
    eventually("it greets", || Client::connect(place.smtp).ok())
}

fn answers(clients: &mut [Client]) -> io::Result<()> {
    for client in clients {
        let reply = client.ask("NOOP")?;
        assert!(reply.starts_with("250"), "{reply}");
    }
    Ok(())
}

#[test]
fn a_reload_changes_the_bounds_of_the_door_and_drops_no_connection() {
    let backend = free_address();
    let place = Place::new(backend, &per_address(2));
    let mut command = place.command();
    command.stdout(std::process::Stdio::null());
    let mut program = place.start_by(command);
    let mut clients = vec![greeted(&place), greeted(&place)];
    // One is in the middle of a message.
    clients[0].begin("ann@example.org").unwrap();
    assert!(refused(&place).starts_with("421 4.7.0"), "a third one");

    place.configure(backend, &per_address(4));
    let told = place.verb(&["reload"]);
    assert!(told.status.success(), "{told:?}");
    for _ in 0..2 {
        clients.push(Client::connect(place.smtp).expect("by the new bounds"));
    }
    assert!(refused(&place).starts_with("421 4.7.0"), "a fifth one");

    // Fewer: nobody is put out, and who is there counts.
    place.configure(backend, &per_address(1));
    program.hang_up();
    eventually("the signal is taken", || {
        let read = place.log().matches("the config was read again").count();
        (read == 2).then_some(())
    });
    assert!(refused(&place).starts_with("421 4.7.0"), "there are four");
    let queued = clients[0].ask("Subject: bounds\r\n\r\nHello\r\n.").unwrap();
    assert!(queued.starts_with("250"), "{queued}");
    answers(&mut clients).unwrap();
    drop(clients);
    let only = greeted(&place);
    assert!(refused(&place).starts_with("421 4.7.0"), "a second one");
    drop(only);
    program.stop();
}

/// What cannot hold changes nothing.
#[test]
fn bounds_that_are_wrong_are_refused_whole() {
    let backend = free_address();
    let place = Place::new(backend, &per_address(1));
    let mut program = place.start();
    place.configure(
        backend,
        "[limits]\nconnections_per_address = 5\nrecipients = 1\n",
    );
    let told = place.verb(&["reload"]);
    assert_eq!(told.status.code(), Some(4), "docs/json.md");
    let told = String::from_utf8(told.stderr).unwrap();
    assert!(
        told.contains("limits.recipients") || told.contains("recipients"),
        "{told}"
    );
    let only = greeted(&place);
    assert!(refused(&place).starts_with("421 4.7.0"), "as before");
    drop(only);
    program.stop();
}
