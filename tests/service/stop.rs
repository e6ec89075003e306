//! A stop ends what is under way, within its limit; what is not over then is given up, and nothing
//! that was acknowledged is lost.

use std::time::{Duration, Instant};

use rustix::fs::{FileType, Mode};
use serde_json::Value;

use crate::client::{Client, id_in, message};
use crate::place::{Place, free_address};
use crate::platform::Platform;
use crate::wait::eventually;

/// The place with a limit for its stop.
fn place(platform: &Platform, limit: &str) -> Place {
    let place = Place::new(platform.address, "");
    let config = place.file("tideover.toml");
    let text = std::fs::read_to_string(&config).unwrap();
    let limited = format!("[server]\nstop_limit = \"{limit}\"\n");
    std::fs::write(config, text.replace("[server]\n", &limited)).unwrap();
    place
}

#[test]
fn what_is_under_way_ends_well() {
    let platform = Platform::start();
    let place = place(&platform, "50s");
    let mut program = place.start();
    platform.keep_waiting();
    let mut first = Client::connect(place.smtp).unwrap();
    first.send("ann@example.org", "in delivery").unwrap();
    eventually("it is being delivered", || {
        (platform.waiting() == 1).then_some(())
    });
    let mut second = Client::connect(place.smtp).unwrap();
    second.begin("ann@example.org").unwrap();
    let mut idle = Client::connect(place.smtp).unwrap();
    program.terminate();
    place.line_with(&["stopping"]);
    // Who does nothing is told so, and nobody else comes in.
    assert!(idle.reply().unwrap().starts_with("421"));
    eventually("nobody comes in", || Client::connect(place.smtp).err());
    second.say(&message("in the middle")).unwrap();
    let reply = second.ask(".").unwrap();
    let id = id_in(&reply).unwrap();
    platform.go_on();
    assert!(program.ended().success());
    place.line_with(&["stopped"]);
    // Its outcome was written down: it is not sent twice.
    let mut program = place.start();
    place.line_with(&[" delivered ", &id]);
    eventually("both arrive", || {
        (platform.subjects().len() >= 2).then_some(())
    });
    assert_eq!(platform.subjects(), ["in delivery", "in the middle"]);
    program.stop();
}

#[test]
fn after_its_limit_it_ends_and_loses_nothing() {
    let platform = Platform::start();
    let place = place(&platform, "1s");
    let mut program = place.start();
    platform.keep_waiting();
    let mut first = Client::connect(place.smtp).unwrap();
    first.send("ann@example.org", "in delivery").unwrap();
    eventually("it is being delivered", || {
        (platform.waiting() == 1).then_some(())
    });
    let mut endless = Client::connect(place.smtp).unwrap();
    endless.begin("ann@example.org").unwrap();
    endless.say(&message("without an end")).unwrap();
    let begun = Instant::now();
    program.terminate();
    assert!(program.ended().success());
    assert!(
        begun.elapsed() >= Duration::from_secs(1),
        "it waits for its limit"
    );
    place.line_with(&["some tasks did not finish in time"]);
    // Not acknowledged, so its sender keeps it.
    assert!(endless.ask(".").is_err(), "it was not stored");
    platform.go_on();
    let mut program = place.start();
    let arrived = |subject: &str| {
        platform
            .subjects()
            .iter()
            .filter(|it| *it == subject)
            .count()
    };
    // Once by the connection of before, and once more: that it may be so is said.
    eventually("it is delivered", || {
        (arrived("in delivery") == 2).then_some(())
    });
    place.line_with(&["these may arrive twice"]);
    assert_eq!(arrived("without an end"), 0);
    program.stop();
}

/// A file of it is on a disk that does not answer.
#[test]
fn a_start_that_hangs_is_stopped_at_once() {
    let place = Place::new(free_address(), "");
    std::fs::create_dir(place.file("data")).unwrap();
    // Nobody writes into it: whoever reads it waits.
    let key = place.file("data/visit.key");
    rustix::fs::mknodat(
        rustix::fs::CWD,
        &key,
        FileType::Fifo,
        Mode::RUSR | Mode::WUSR,
        0,
    )
    .unwrap();
    let mut program = place.start_by(place.command());
    place.line_with(&["the spool is open"]);
    program.terminate();
    assert!(program.ended().success());
    place.line_with(&["stopped before mail was taken"]);
    std::fs::remove_file(key).unwrap();
    let mut program = place.start();
    program.stop();
}

/// What the config names may be on a disk that hangs: here it is a pipe, which is refused.
#[test]
fn a_reload_of_what_has_no_end_is_refused_and_the_next_one_works() {
    let place = Place::new(free_address(), "");
    let mut program = place.start();
    let file = place.file("tideover.toml");
    let good = std::fs::read(&file).unwrap();
    std::fs::remove_file(&file).unwrap();
    rustix::fs::mknodat(
        rustix::fs::CWD,
        &file,
        FileType::Fifo,
        Mode::RUSR | Mode::WUSR,
        0,
    )
    .unwrap();
    program.hang_up();
    place.line_with(&["the config was refused", "no regular file"]);
    std::fs::remove_file(&file).unwrap();
    std::fs::write(&file, good).unwrap();
    program.hang_up();
    place.line_with(&["the config was read again"]);
    let audit = eventually("both are written down", || {
        let audit = place.verb(&["--json", "audit"]);
        let audit: Value = serde_json::from_slice(&audit.stdout).unwrap();
        let entries = audit["entries"].as_array().unwrap().clone();
        (entries.len() == 2).then_some(entries)
    });
    let outcomes: Vec<_> = audit.iter().map(|entry| entry["outcome"].clone()).collect();
    assert_eq!(outcomes, ["done", "refused"], "{audit:?}");
    assert_eq!(audit[0]["from"], "signal");
    program.stop();
}

/// What the console has measured is there after a restart; a file that is none costs a line of the
/// log and nothing else.
#[test]
fn the_plots_go_on_after_a_restart() {
    let door = format!("[admin]\nbind = \"{}\"\n", free_address());
    let place = Place::new(free_address(), &door);
    let file = place.file("data/console.samples");
    let since = || {
        let text = std::fs::read(&file).ok()?;
        let kept: Value = serde_json::from_slice(&text).unwrap();
        Some(kept["since"].clone()).filter(Value::is_string)
    };
    let measured = || {
        let mut program = place.start();
        program.stop();
        since()
    };
    // Who is stopped before it has measured for the first time may leave no file.
    let first = eventually("it measures", measured);
    assert_eq!(measured(), Some(first.clone()), "it goes on from there");
    assert!(!place.log().contains("begin anew"));
    std::fs::write(&file, "{\"form\":\"something else\"}").unwrap();
    assert_ne!(measured(), Some(first));
    let log = place.log();
    assert_eq!(
        log.matches("the plots of the console begin anew").count(),
        1
    );
}
