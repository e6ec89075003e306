//! Devices that are known by their addresses, as swaks plays them: what they may is taken, what
//! they may not is refused with the reason, and neither a restart nor a kill forgets it.

use std::net::SocketAddr;
use std::process::Command;

use serde_json::Value;
use tideover::base::Clock;

use crate::place::{Place, Program, free_address};
use crate::platform::Platform;
use crate::wait::{eventually, pause};

const SCANNER: &str = "127.0.0.9";
const INVOICES: &str = "127.0.0.10";

/// A place whose strangers all live on one platform.
fn place(ours: &Platform, strangers: &Platform) -> Place {
    let relay = strangers.address;
    Place::new(
        ours.address,
        &format!("[outbound]\nrelay = [\"{relay}\"]\n"),
    )
}

/// The same with a listener at which one logs in.
fn place_with_logins(ours: &Platform, strangers: &Platform) -> (Place, SocketAddr) {
    place_with_door(ours, strangers, "role = \"submission\"")
}

/// The same with a listener of this kind.
fn place_with_door(ours: &Platform, strangers: &Platform, kind: &str) -> (Place, SocketAddr) {
    let (door, relay) = (free_address(), strangers.address);
    let more = format!(
        "[outbound]\nrelay = [\"{relay}\"]\n[web]\nbind = \"127.0.0.1:0\"\n[[listener]]\n\
         bind = \"{door}\"\n{kind}\n"
    );
    (Place::new(ours.address, &more), door)
}

/// What the program says to a message of `app`, which logs in.
fn log_in(door: SocketAddr, password: &str, (from, to): (&str, &str)) -> Result<(), String> {
    let (ip, port) = (door.ip().to_string(), door.port().to_string());
    let author = format!("From: <{from}>");
    let mut arguments = vec!["--server", &ip, "--port", &port, "--tls", "--auth", "PLAIN"];
    arguments.extend(["--auth-user", "app", "--auth-password", password]);
    arguments.extend(["--from", from, "--to", to, "--timeout", "60"]);
    arguments.extend(["--header", &author, "--header", "Subject: a bill"]);
    swaks(&arguments)
}

/// What the program says to a message from this address.
fn send(place: &Place, (at, subject): (&str, &str), from: &str, to: &str) -> Result<(), String> {
    send_as(place, (at, subject), (from, from), to)
}

fn send_as(
    place: &Place,
    (at, subject): (&str, &str),
    (from, author): (&str, &str),
    to: &str,
) -> Result<(), String> {
    let (server, author) = (place.smtp.to_string(), format!("From: <{author}>"));
    let subject = format!("Subject: {subject}");
    swaks(&[
        "--server",
        &server,
        "--local-interface",
        at,
        "--from",
        from,
        "--to",
        to,
        "--timeout",
        "60",
        "--header",
        &author,
        "--header",
        &subject,
    ])
}

/// What it hears, when it is refused something.
pub(crate) fn swaks(arguments: &[&str]) -> Result<(), String> {
    let output = Command::new("swaks")
        .args(arguments)
        .output()
        .expect("swaks is installed: tests/run does it");
    let told = String::from_utf8(output.stdout).unwrap();
    if output.status.success() {
        return Ok(());
    }
    let refusal = |line: &str| {
        let said = line.strip_prefix("<** ").or(line.strip_prefix("<~* "))?;
        Some(said.to_owned())
    };
    let refusal = told.lines().find_map(refusal);
    Err(refusal.unwrap_or(told))
}

fn verb(place: &Place, line: &str) -> String {
    let words: Vec<&str> = line.split(' ').collect();
    let output = place.verb(&words);
    assert!(output.status.success(), "{line}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

fn json(place: &Place, line: &str) -> Value {
    serde_json::from_str(&verb(place, &format!("{line} --json"))).unwrap()
}

/// The password that a verb makes.
fn password(place: &Place, line: &str) -> String {
    json(place, line)["password"].as_str().unwrap().to_owned()
}

fn add(place: &Place, name: &str, network: &str, more: &str) {
    let line = format!(
        "device add {name} --login no --auth no --sender {name}@example.org --network {network} \
         --reason test --yes {more}"
    );
    verb(place, &line);
}

fn refused(answer: Result<(), String>, expected: &str) {
    assert_eq!(answer.unwrap_err(), expected);
}

#[test]
fn a_device_may_what_was_agreed_and_no_more() {
    let (ours, strangers) = (Platform::start(), Platform::start());
    let place = place(&ours, &strangers);
    let mut program = place.start();
    add(&place, "scanner", SCANNER, "--internal yes");
    let listed = "--internal no --to @office.example --expires 30d --daily 50";
    add(&place, "invoices", INVOICES, listed);
    // To our own people, and the trace says who it was.
    let scan = (SCANNER, "a scan");
    send(&place, scan, "scanner@example.org", "ann@example.org").unwrap();
    eventually("the scan arrives", || {
        ours.subjects().contains(&"a scan".to_owned()).then_some(())
    });
    let trace = json(&place, "trace ann@example.org");
    assert_eq!(trace["messages"][0]["peer"]["device"], "scanner", "{trace}");
    assert!(verb(&place, "trace ann@example.org").contains("from device scanner"));
    place.line_with(&[" accepted ", "device=scanner"]);
    // Neither to others, nor as others.
    refused(
        send(&place, scan, "scanner@example.org", "eve@elsewhere.example"),
        "550 5.7.1 Device scanner may send to our own people only, not to eve@elsewhere.example",
    );
    refused(
        send(&place, scan, "scanner@example.org", "nobody@example.org"),
        "550 5.1.1 No such user here",
    );
    refused(
        send(&place, scan, "boss@example.org", "ann@example.org"),
        "550 5.7.1 Device scanner may not send as boss@example.org",
    );
    let as_boss = ("scanner@example.org", "boss@example.org");
    refused(
        send_as(&place, scan, as_boss, "ann@example.org"),
        "550 5.7.1 Device scanner may not send as boss@example.org",
    );
    let shown = json(&place, "device show scanner");
    assert_eq!(shown["today"], 1, "{shown}");
    assert_eq!(shown["last_sender"], "scanner@example.org", "{shown}");
    let refusal = shown["last_refusal"]["reply"].as_str().unwrap();
    assert!(refusal.ends_with("as boss@example.org"), "{refusal}");
    // With a list: those on it.
    let bill = (INVOICES, "a bill");
    send(&place, bill, "invoices@example.org", "tax@office.example").unwrap();
    send(&place, bill, "invoices@example.org", "bert@example.org").unwrap();
    eventually("the bill leaves", || {
        let left = strangers.subjects() == ["a bill"];
        left.then_some(())
    });
    refused(
        send(
            &place,
            bill,
            "invoices@example.org",
            "eve@elsewhere.example",
        ),
        "550 5.7.1 eve@elsewhere.example is not on the list of device invoices",
    );
    // Who is no device, or is none any more, is a stranger.
    let denied = "550 5.7.1 Relaying denied: this server takes no mail for that domain";
    let stranger = ("127.0.0.11", "spam");
    refused(
        send(
            &place,
            stranger,
            "invoices@example.org",
            "tax@office.example",
        ),
        denied,
    );
    verb(&place, "device end invoices");
    refused(
        send(&place, bill, "invoices@example.org", "tax@office.example"),
        denied,
    );
    program.stop();
}

#[test]
fn its_day_its_end_and_what_it_did_outlive_the_process() {
    stay_within_a_day();
    let (ours, strangers) = (Platform::start(), Platform::start());
    let place = place(&ours, &strangers);
    let mut program = place.start();
    let capped = "--internal no --to @office.example --expires 30d --daily 2";
    add(&place, "invoices", INVOICES, capped);
    add(&place, "scanner", SCANNER, "--internal yes --expires 1s");
    let bill = |to| send(&place, (INVOICES, "a bill"), "invoices@example.org", to);
    bill("tax@office.example").unwrap();
    // Two at once are one too many: the first is taken, the other comes again tomorrow.
    let full = "450 4.7.1 Device invoices has 2 recipients a day, try again after 00:00 UTC";
    let day = |shown: &Value| shown["today"].as_u64().unwrap();
    bill("ann@example.org").unwrap();
    refused(bill("ann@example.org"), full);
    let over = "550 5.7.1 The time of device scanner is over, it has to be renewed";
    let scan = || {
        let said = send(
            &place,
            (SCANNER, "a scan"),
            "scanner@example.org",
            "ann@example.org",
        );
        said.err().filter(|said| said == over)
    };
    eventually("the scanner's time is over", scan);
    let check = || {
        let shown = json(&place, "device show invoices");
        assert_eq!(
            (day(&shown), &shown["state"]),
            (2, &"full".into()),
            "{shown}"
        );
        assert_eq!(shown["last_sender"], "invoices@example.org", "{shown}");
        refused(bill("tax@office.example"), full);
        assert_eq!(scan().as_deref(), Some(over));
    };
    check();
    program.stop();
    let program = place.start();
    check();
    kill(program);
    let mut program = place.start();
    check();
    verb(&place, "device renew invoices --daily 3");
    bill("tax@office.example").unwrap();
    let list = json(&place, "device list");
    assert_eq!(list[0]["today"], 3, "{list}");
    assert_eq!(list[1]["state"], "expired", "{list}");
    program.stop();
}

/// One that can log in needs no address, and sends to everybody, in its own name only.
#[test]
fn a_device_that_logs_in_is_known_by_its_password() {
    let (ours, strangers) = (Platform::start(), Platform::start());
    stay_within_a_day();
    let (place, door) = place_with_logins(&ours, &strangers);
    let mut program = place.start();
    let line = "device add app --login yes --sender app@example.org --daily 3 --reason test";
    assert!(json(&place, line)["password"].is_null(), "nothing was made");
    let first = password(&place, &format!("{line} --yes"));
    assert!(!place.log().contains(&first));
    let login = |password: &str, from: &str, to: &str| log_in(door, password, (from, to));
    let (app, eve) = ("app@example.org", "eve@elsewhere.example");
    login(&first, app, eve).unwrap();
    eventually("the bill leaves", || {
        let left = strangers.subjects() == ["a bill"];
        left.then_some(())
    });
    let trace = json(&place, "trace eve@elsewhere.example");
    assert_eq!(trace["messages"][0]["peer"]["device"], "app", "{trace}");
    assert_eq!(
        trace["messages"][0]["peer"]["protocol"], "ESMTPSA",
        "{trace}"
    );
    let boss = login(&first, "boss@example.org", eve).unwrap_err();
    assert!(boss.starts_with("553"), "{boss}");
    let wrong = login("ABCD-EFGH", app, eve).unwrap_err();
    assert!(wrong.starts_with("535"), "{wrong}");
    program.stop();
    let program = place.start();
    kill(program);
    let mut program = place.start();
    login(&first, app, "ann@example.org").unwrap();
    let second = password(&place, "device password app");
    assert!(login(&first, app, eve).unwrap_err().starts_with("535"));
    login(&second, app, eve).unwrap();
    let full = login(&second, app, eve).unwrap_err();
    assert!(full.starts_with("450 4.7.1"), "{full}");
    verb(&place, "device end app");
    assert!(login(&second, app, eve).unwrap_err().starts_with("535"));
    program.stop();
}

/// One that knows no port but 25 logs in there, over TLS only; for everybody else it is the door
/// that it was.
#[test]
fn a_device_logs_in_on_port_25() {
    let (ours, strangers) = (Platform::start(), Platform::start());
    stay_within_a_day();
    let (place, door) = place_with_door(&ours, &strangers, "role = \"mx\"\nauth = true");
    let mut program = place.start();
    let line = "device add app --login no --auth yes --sender app@example.org --reason test --yes";
    let password = password(&place, line);
    let shown = json(&place, "device show app");
    assert_eq!(shown["daily_recipients"], 1000, "{shown}");
    let (app, eve) = ("app@example.org", "eve@elsewhere.example");
    log_in(door, &password, (app, eve)).unwrap();
    eventually("the bill leaves", || {
        (strangers.subjects() == ["a bill"]).then_some(())
    });
    let trace = json(&place, "trace eve@elsewhere.example");
    let peer = &trace["messages"][0]["peer"];
    assert_eq!(
        (&peer["device"], &peer["protocol"]),
        (&"app".into(), &"ESMTPSA".into())
    );
    let wrong = log_in(door, "ABCD-EFGH", (app, eve)).unwrap_err();
    assert!(wrong.starts_with("535"), "{wrong}");
    let boss = log_in(door, &password, ("boss@example.org", eve)).unwrap_err();
    assert!(boss.starts_with("553"), "{boss}");
    let shown = json(&place, "device show app");
    assert_eq!(shown["today"], 1, "{shown}");

    let (ip, port) = (door.ip().to_string(), door.port().to_string());
    let stranger = |more: &[&str], to: &str| {
        let mut arguments = vec!["--server", &ip, "--port", &port, "--timeout", "60"];
        arguments.extend(["--from", "eve@elsewhere.example", "--to", to]);
        arguments.extend(more);
        swaks(&arguments)
    };
    for tls in [[].as_slice(), &["--tls"]] {
        stranger(tls, "ann@example.org").unwrap();
        let relayed = stranger(tls, "tax@office.example").unwrap_err();
        assert!(relayed.starts_with("550 5.7.1"), "{relayed}");
    }
    let clear = [
        "--auth",
        "PLAIN",
        "--auth-user",
        "app",
        "--auth-password",
        &password,
    ];
    let clear = stranger(&clear, "ann@example.org").unwrap_err();
    assert!(!clear.contains("235 "), "{clear}");
    verb(&place, "device end app");
    assert!(
        log_in(door, &password, (app, eve))
            .unwrap_err()
            .starts_with("535")
    );
    program.stop();
}

/// A day of UTC must not end while somebody counts in it.
fn stay_within_a_day() {
    const DAY: u64 = 86_400;
    while Clock::system().now().as_secs() % DAY > DAY - 120 {
        pause();
    }
}

/// As `kill -9` does it.
fn kill(program: Program) {
    drop(program);
}

/// Each command of docs/devices.md does what stands there.
#[test]
fn the_commands_of_the_manual_work() {
    let platform = Platform::start();
    let (place, _) = place_with_logins(&platform, &platform);
    let mut program = place.start();
    let page = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/devices.md");
    let page = std::fs::read_to_string(page).unwrap();
    let commands: Vec<&str> = page
        .lines()
        .filter_map(|line| line.strip_prefix("tideover "))
        .collect();
    assert!(commands.len() >= 9, "{commands:?}");
    let file = place.file("tideover.toml");
    for command in commands {
        let shell = format!("\"$0\" {command}");
        let output = Command::new("sh")
            .args(["-c", &shell, crate::place::PROGRAM])
            .env("TIDEOVER_CONFIG", &file)
            .output()
            .unwrap();
        assert!(output.status.success(), "{command}: {output:?}");
    }
    let audit = verb(&place, "audit");
    assert!(audit.contains("invoices"), "{audit}");
    program.stop();
}
