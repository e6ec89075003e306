//! What the running program logs.

use std::io::{BufRead as _, BufReader};
use std::os::unix::net::UnixDatagram;
use std::process::Stdio;

use serde_json::Value;

use crate::client::Client;
use crate::place::{Place, Program, free_address};
use crate::platform::Platform;
use crate::wait::eventually;

#[test]
fn the_id_of_a_message_tells_its_life_in_one_line_for_each_event() {
    let platform_address = free_address();
    let place = Place::new(platform_address, "[log]\nformat = \"json\"\n");
    let mut program = place.start();
    let mut client = Client::connect(place.smtp).unwrap();
    let id = client.send("ann@example.org", "a secret subject").unwrap();
    let refused = client.ask("RCPT TO:<nobody@example.org>").unwrap();
    assert!(refused.starts_with('5'), "{refused}");
    place.line_with(&[&id, "deferred"]);
    let platform = Platform::at(platform_address);
    eventually("it arrives", || {
        (platform.subjects() == ["a secret subject"]).then_some(())
    });
    place.line_with(&[&id, "\"event\":\"delivered\""]);
    program.stop();
    let log = place.log();
    let lines: Vec<Value> = log
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}")))
        .collect();
    let events: Vec<&str> = lines
        .iter()
        .filter(|line| line["id"] == id.as_str())
        .map(|line| line["event"].as_str().unwrap())
        .collect();
    assert_eq!(events.first(), Some(&"accepted"), "{events:?}");
    assert_eq!(events.last(), Some(&"delivered"), "{events:?}");
    let once = |event| events.iter().filter(|found| **found == event).count();
    assert_eq!((once("accepted"), once("delivered")), (1, 1), "{events:?}");
    let accepted = lines
        .iter()
        .find(|line| line["event"] == "accepted")
        .unwrap();
    assert_eq!(accepted["from"], "sender@client.example");
    assert_eq!(accepted["to"], "ann@example.org");
    assert_eq!(accepted["recipients"], 1);
    assert!(accepted["peer"].as_str().unwrap().starts_with("127.0.0.1"));
    let refused = lines
        .iter()
        .find(|line| line["event"] == "refused")
        .unwrap();
    assert_eq!(refused["to"], "nobody@example.org");
    assert!(!log.contains("secret"), "{log}");
    assert!(!log.contains("The body"), "{log}");
    assert_eq!(
        lines.last().unwrap()["event"],
        "stopped",
        "the last line is there"
    );
}

#[test]
fn a_flood_of_refusals_leaves_few_lines_and_no_mail_is_left_out() {
    let platform = Platform::start();
    let place = Place::new(platform.address, "");
    let mut program = place.start();
    let mut client = Client::connect(place.smtp).unwrap();
    for _ in 0..12 {
        let mut stranger = Client::connect(place.smtp).unwrap();
        stranger.ask("EHLO x").unwrap();
        stranger.ask("MAIL FROM:<x@x.example>").unwrap();
        for number in 0..90 {
            let reply = stranger
                .ask(&format!("RCPT TO:<no{number}@example.org>"))
                .unwrap();
            assert!(reply.starts_with('5'), "{reply}");
        }
    }
    let id = client.send("ann@example.org", "in the flood").unwrap();
    place.line_with(&[" delivered ", &id]);
    // Who is there at the stop is refused, too.
    client.ask("QUIT").unwrap();
    program.stop();
    let log = place.log();
    let refused: Vec<&str> = log
        .lines()
        .filter(|line| line.contains(" refused "))
        .collect();
    assert!(refused.len() >= 200, "{}", refused.len());
    assert!(refused.len() < 800, "{}", refused.len());
    let told = log
        .lines()
        .filter(|line| line.contains(" refused ") || line.contains(" of=refused "));
    let left_out = told.filter_map(|line| line.rsplit_once("left_out=")?.1.parse::<usize>().ok());
    // Whatever was not written was counted.
    assert_eq!(refused.len() + left_out.sum::<usize>(), 12 * 90, "{log}");
    assert!(log.contains(&format!("accepted id={id}")), "{log}");
}

#[test]
fn a_password_that_is_typed_into_the_front_door_is_not_repeated() {
    let place = Place::new(free_address(), "[log]\nlevel = \"trace\"\n");
    let mut program = place.start();
    let mut client = Client::connect(place.smtp).unwrap();
    client.ask("EHLO x").unwrap();
    for line in ["AUTH PLAIN AGFubgBnZWhlaW0tNDcxMQ==", "hunter2-4711"] {
        let reply = client.ask(line).unwrap();
        assert!(reply.starts_with('5'), "{reply}");
    }
    place.line_with(&[" refused "]);
    program.stop();
    let log = place.log();
    assert!(!log.contains("AGFubgBnZWhlaW0"), "{log}");
    assert!(!log.contains("hunter2"), "{log}");
}

#[test]
fn a_pipe_that_nobody_reads_stops_neither_mail_nor_the_end() {
    let platform = Platform::start();
    let place = Place::new(
        platform.address,
        "[log]\nlevel = \"trace\"\nto = \"stdout\"\n",
    );
    let mut command = place.command();
    command.stdout(Stdio::piped()).stderr(Stdio::null());
    let mut program = Program::start(command);
    place.wait_for_greeting();
    // Much more than a pipe holds.
    let mut client = Client::connect(place.smtp).unwrap();
    let long = "x".repeat(400);
    for number in 0..400 {
        client.ask(&format!("VRFY {long}{number}")).ok();
        if number % 15 == 0 {
            client = Client::connect(place.smtp).unwrap();
        }
    }
    for number in 0..300 {
        let mut client = Client::connect(place.smtp).unwrap();
        client
            .send("ann@example.org", &format!("m{number}"))
            .unwrap();
    }
    eventually("all mail arrives", || {
        (platform.subjects().len() == 300).then_some(())
    });
    program.stop();
    // What was written is whole lines.
    let out = program.child().stdout.take().unwrap();
    let written: Vec<String> = BufReader::new(out).lines().map(Result::unwrap).collect();
    assert!(written.len() > 100, "{}", written.len());
    assert!(written[0].contains(" INFO "), "{}", written[0]);
}

#[test]
fn a_reload_changes_level_and_form() {
    let place = Place::new(free_address(), "");
    let mut program = place.start();
    Client::connect(place.smtp).unwrap().ask("NOSUCH").unwrap();
    place.line_with(&[" INFO ", " refused ", "500"]);
    let nothing = free_address();
    let alone = "[notices]\naddresses = [\"ann@example.org\"]\n";
    let warned = format!("[log]\nlevel = \"warn\"\nformat = \"json\"\n{alone}");
    place.configure(nothing, &warned);
    let reloaded = place.verb(&["reload"]);
    assert!(reloaded.status.success(), "{reloaded:?}");
    place.line_with(&["the config is odd", "nobody else is told"]);
    let before = place.log().lines().count();
    Client::connect(place.smtp).unwrap().ask("NOSUCH").unwrap();
    place.configure(nothing, "[log]\nlevel = \"loud\"\n");
    let reloaded = place.verb(&["reload"]);
    assert!(!reloaded.status.success(), "{reloaded:?}");
    let said = String::from_utf8(reloaded.stderr).unwrap();
    assert!(said.contains("log.level"), "{said}");
    let line = place.line_with(&["{", "the config was refused"]);
    serde_json::from_str::<Value>(&line).unwrap();
    program.stop();
    let log = place.log();
    let after: Vec<&str> = log.lines().skip(before).collect();
    assert!(
        !after.is_empty() && !after.iter().any(|line| line.contains("\"INFO\"")),
        "{after:?}"
    );
}

#[test]
fn without_a_journal_its_lines_go_where_others_go() {
    // On a machine with a journal they go there; nobody here may write into it.
    if UnixDatagram::unbound()
        .unwrap()
        .connect("/run/systemd/journal/socket")
        .is_ok()
    {
        return;
    }
    let place = Place::new(free_address(), "[log]\nformat = \"journald\"\n");
    let mut program = place.start();
    place.line_with(&[" INFO taking mail address="]);
    program.stop();
}
