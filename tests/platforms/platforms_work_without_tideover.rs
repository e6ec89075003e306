//! The ground of all other tests: the platforms deliver, and change no byte.

use std::net::SocketAddr;

use crate::bytes_arrive_unchanged::deliver_and_compare;
use crate::harness::{Client, Lab, SHORT, Starttls, Trap, Wire, eventually, smtplib, swaks};

#[test]
fn internet_clients_reach_a_mailbox_with_and_without_tls() {
    let lab = Lab::new();
    let at = lab.onprem.smtp();
    swaks(
        at,
        Starttls::Yes,
        ("eve@sender.example", &["ann@example.org"]),
        "<1@swaks.example>",
    );
    let stored = lab.onprem.wait_for("ann@example.org", "<1@swaks.example>");
    assert!(
        stored.headers("received")[1].contains("using TLS"),
        "{stored:?}"
    );
    assert!(
        stored.bytes().ends_with(b"sent by swaks\r\n.a dot\r\n\r\n"),
        "{stored:?}"
    );

    let message = b"Message-ID: <2@smtplib.example>\r\n\r\n.dot\r\n";
    let file = lab.file("message", message);
    smtplib(
        at,
        Starttls::No,
        ("eve@sender.example", &["bob@example.org"]),
        &file,
    );
    let stored = lab
        .onprem
        .wait_for("bob@example.org", "<2@smtplib.example>");
    stored.assert_is(message, "smtplib");
    assert_eq!(lab.onprem.imap_count("bob@example.org"), 1);
}

#[test]
fn a_platform_knows_its_own_people_only() {
    let lab = Lab::new();
    for (platform, stranger) in [
        (&lab.onprem, "dee@example.org"),
        (&lab.cloud, "ann@example.org"),
    ] {
        let mut client = Client::connect(platform.smtp());
        let reply = client.offer("eve@sender.example", &[stranger], b"X: y\r\n\r\n");
        reply.assert_is(550, "5.1.1");
    }
}

#[test]
fn the_platforms_change_no_byte() {
    let lab = Lab::new();
    deliver_and_compare(lab.onprem.smtp(), &lab);
}

#[test]
fn a_platform_comes_back_after_a_stop_and_after_a_kill() {
    let mut lab = Lab::new();
    let at = lab.cloud.smtp();
    let send = |number: u32| {
        let message = format!("Message-ID: <{number}@sender.example>\r\n\r\n");
        let to = ["dee@example.org"];
        Client::connect(at).send("eve@sender.example", &to, message.as_bytes());
    };
    send(1);
    lab.cloud.stop();
    assert!(Client::try_connect(at).is_err());
    lab.cloud.start_again();
    send(2);
    lab.cloud.kill();
    assert!(Client::try_connect(at).is_err());
    lab.cloud.start_again();
    send(3);
    eventually(SHORT, "three messages", || {
        (lab.cloud.message_ids("dee@example.org").len() == 3).then_some(())
    });
}

#[test]
fn a_wire_holds_data_and_replies() {
    let lab = Lab::new();
    let wire = Wire::to(lab.onprem.smtp(), lab.address());
    let at: SocketAddr = wire.port();
    let message = b"Message-ID: <held@sender.example>\r\n\r\nbody\r\n";
    let send =
        move || Client::connect(at).try_offer("eve@sender.example", &["ann@example.org"], message);

    wire.arm(Trap::BytesToServer(100));
    let sender = std::thread::spawn(send);
    wire.wait_sprung();
    wire.cut();
    assert!(sender.join().unwrap().is_err());

    wire.arm(Trap::ReplyToFinalDot);
    let sender = std::thread::spawn(send);
    wire.wait_sprung();
    lab.onprem
        .wait_for("ann@example.org", "<held@sender.example>");
    wire.cut();
    assert!(sender.join().unwrap().is_err());
    assert_eq!(lab.onprem.settled().mailbox("ann@example.org").len(), 1);
}
