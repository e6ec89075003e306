//! A mail server in front of us hands mail in by LMTP, as swaks plays it.

use crate::devices::swaks;
use crate::place::{Place, free_address};
use crate::platform::Platform;
use crate::wait::eventually;

#[test]
fn mail_comes_in_by_lmtp_from_this_machine() {
    let platform = Platform::start();
    let door = free_address();
    let more = format!("[[listener]]\nbind = \"{door}\"\nrole = \"lmtp\"\n");
    let place = Place::new(platform.address, &more);
    let mut program = place.start();
    let (ip, port) = (door.ip().to_string(), door.port().to_string());
    let hand_in = |to: &str, subject: &str| {
        swaks(&[
            "--protocol",
            "LMTP",
            "--server",
            &ip,
            "--port",
            &port,
            "--from",
            "sender@client.example",
            "--to",
            to,
            "--header",
            &format!("Subject: {subject}"),
            "--timeout",
            "60",
        ])
    };
    hand_in("ann@example.org,bert@example.org", "by LMTP").unwrap();
    eventually("it arrives", || {
        platform
            .subjects()
            .contains(&"by LMTP".to_owned())
            .then_some(())
    });
    place.line_with(&["accepted", "protocol=LMTP", "recipients=2"]);
    // Nobody relays through it, and who is nobody is told so.
    for (to, expected) in [
        ("somebody@elsewhere.example", "550 5.7.1"),
        ("nobody@example.org", "550 5.1.1"),
    ] {
        let refused = hand_in(to, "no").unwrap_err();
        assert!(refused.starts_with(expected), "{to}: {refused}");
    }
    program.stop();
}
