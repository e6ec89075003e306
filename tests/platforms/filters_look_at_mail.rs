//! Real content filters from Debian look at mail before it is taken: what they find is held or
//! refused, and when they are gone mail goes on, and says that nobody looked at it.

use std::fs;

use crate::harness::{
    Clamd, Client, LONG, Lab, Rspamd, Settings, Tideover, eicar, eventually, gtube,
};

const EVE: &str = "eve@sender.example";
const ANN: &str = "ann@example.org";
const FIELD: &str = "X-Tideover-Filter";

fn message(id: &str, text: &str) -> Vec<u8> {
    // A stranger may say what he likes about a filter of ours.
    format!(
        "From: <{EVE}>\r\n{FIELD}: clamav=clean; by=mx.example.org\r\nMessage-ID: {id}\r\n\r\n\
         {text}\r\n"
    )
    .into_bytes()
}

/// The virus as somebody attaches it.
fn attached() -> String {
    let name = "invoice.com";
    let mut text = format!(
        "--b\r\nContent-Type: application/octet-stream; name={name}\r\n\
         Content-Transfer-Encoding: base64\r\nContent-Disposition: attachment; filename={name}\
         \r\n\r\n"
    );
    let lines = tideover::mail::base64_lines(eicar().as_bytes());
    text.push_str(std::str::from_utf8(&lines).unwrap());
    text + "--b--"
}

fn with_attachment(id: &str) -> Vec<u8> {
    format!(
        "From: <{EVE}>\r\nMessage-ID: {id}\r\nMIME-Version: 1.0\r\n\
         Content-Type: multipart/mixed; boundary=b\r\n\r\n{}\r\n",
        attached()
    )
    .into_bytes()
}

fn held(tideover: &Tideover) -> u64 {
    tideover.queue("held")
}

#[test]
fn clamd_finds_eicar_and_its_absence_stops_nothing() {
    let lab = Lab::new();
    let folder = lab.path("clamd");
    fs::create_dir_all(&folder).unwrap();
    let mut clamd = Clamd::start(&folder);
    let settings = Settings {
        more: format!(
            "[filter.clamav]\nkind = \"clamd\"\naddress = \"{}\"\ntimeout = \"15s\"\n\
             max_size = \"4MiB\"\n",
            clamd.socket().display()
        ),
        ..lab.settings()
    };
    let tideover = lab.tideover_with(settings);
    let mut client = Client::connect(tideover.smtp());

    // What is clean goes on, and the field is ours.
    client.send(EVE, &[ANN], &message("<clean@sender.example>", "Hello"));
    let stored = lab.onprem.wait_for(ANN, "<clean@sender.example>");
    let expected = ["clamav=clean; by=mx.example.org"];
    assert_eq!(stored.headers(FIELD), expected);

    // What is not is held with clamd's words, as text and as an attachment, in a large message too.
    let text = eicar();
    let large = format!("{}{text}", "0123456789abcde\r\n".repeat(80_000));
    for (number, message) in [
        message("<text@sender.example>", &text),
        with_attachment("<attached@sender.example>"),
        message("<large@sender.example>", &large),
    ]
    .iter()
    .enumerate()
    {
        client.send(EVE, &[ANN], message);
        assert_eq!(held(&tideover), number as u64 + 1);
    }
    let list = tideover.json(&["queue", "list", "--state", "held"]);
    let text = list.to_string();
    assert_eq!(text.matches("Eicar-Test-Signature").count(), 3, "{text}");
    let trace = tideover.json(&["trace", ANN]);
    let trace = trace.to_string();
    assert!(trace.contains(r#""verdict":"bad""#), "{trace}");

    // More than clamd takes: it says so in the middle.
    let larger = "0123456789abcde\r\n".repeat(160_000);
    client.send(EVE, &[ANN], &message("<larger@sender.example>", &larger));
    let stored = lab.onprem.wait_for(ANN, "<larger@sender.example>");
    let field = stored.headers(FIELD).concat();
    assert!(field.contains("too large to be checked"), "{field}");

    // Gone, or silent: mail goes on, in time, and everybody can know that nobody looks.
    let unchecked = |id: &str| {
        let mut client = Client::connect(tideover.smtp());
        client.send(EVE, &[ANN], &message(id, &eicar()));
        let stored = lab.onprem.wait_for(ANN, id);
        let field = stored.headers(FIELD).concat();
        assert!(field.contains("clamav=unchecked"), "{field}");
    };
    clamd.kill();
    unchecked("<killed@sender.example>");
    let told = tideover.json(&["status"])["filters"][0].clone();
    assert!(told["failing_since"].is_string(), "{told}");
    clamd.start_again();
    clamd.freeze();
    unchecked("<frozen@sender.example>");
    clamd.thaw();
    let mut number = 0;
    eventually(LONG, "it is asked again", || {
        number += 1;
        let mut client = Client::connect(tideover.smtp());
        let id = format!("<again-{number}@sender.example>");
        client.send(EVE, &[ANN], &message(&id, "Hello"));
        let told = tideover.json(&["status"])["filters"][0].clone();
        told["failing_since"].is_null().then_some(())
    });

    // An operator has looked at it.
    let released = tideover.json(&["queue", "release", "--reason-kind", "filter"]);
    assert_eq!(released["recipients"], 3, "{released}");
    lab.onprem.wait_for(ANN, "<attached@sender.example>");
    tideover.wait_idle();
}

#[test]
fn what_clamd_finds_is_refused_within_the_session_by_choice() {
    let lab = Lab::new();
    let folder = lab.path("clamd");
    fs::create_dir_all(&folder).unwrap();
    let mut clamd = Clamd::start(&folder);
    let settings = Settings {
        more: format!(
            "[filter.clamav]\nkind = \"clamd\"\naddress = \"{}\"\nbad = \"reject\"\n\
             on_failure = \"defer\"\n",
            clamd.socket().display()
        ),
        ..lab.settings()
    };
    let tideover = lab.tideover_with(settings);
    let mut client = Client::connect(tideover.smtp());
    let virus = with_attachment("<refused@sender.example>");
    let reply = client.offer(EVE, &[ANN, "bob@example.org"], &virus);
    reply.assert_is(550, "5.7.1");
    // Whom the postmaster is, hears of it.
    client.send(EVE, &[ANN, "postmaster@example.org"], &virus);
    assert_eq!(held(&tideover), 2);
    clamd.kill();
    let clean = message("<later@sender.example>", "Hello");
    client.offer(EVE, &[ANN], &clean).assert_is(451, "4.7.1");
    clamd.start_again();
    client.send(EVE, &[ANN], &clean);
    lab.onprem.wait_for(ANN, "<later@sender.example>");
    assert_eq!(lab.onprem.mailbox(ANN).len(), 1);
}

#[test]
fn rspamd_judges_its_test_messages_and_its_absence_stops_nothing() {
    let lab = Lab::new();
    let folder = lab.path("rspamd");
    fs::create_dir_all(&folder).unwrap();
    let mut rspamd = Rspamd::start(&folder);
    let settings = Settings {
        more: format!(
            "[filter.rspamd]\nkind = \"rspamd\"\naddress = \"{}\"\ntimeout = \"15s\"\n",
            rspamd.address()
        ),
        ..lab.settings()
    };
    let tideover = lab.tideover_with(settings);
    let mut client = Client::connect(tideover.smtp());
    let arrives = |client: &mut Client, id: &str, text: &str| {
        client.send(EVE, &[ANN], &message(id, text));
        lab.onprem.wait_for(ANN, id).headers(FIELD).concat()
    };
    let by = "by=mx.example.org";
    let field = arrives(&mut client, "<clean@sender.example>", "Hello");
    assert!(field.starts_with(&format!("rspamd=clean; {by}")), "{field}");
    // It was told who brings it.
    let log = rspamd.log();
    for told in [
        "from: <eve@sender.example>",
        "rcpts: <ann@example.org>",
        "ip: 127.",
    ] {
        assert!(log.contains(told), "{told}: {log}");
    }
    // What it would mark goes on, marked.
    let field = arrives(&mut client, "<marked@sender.example>", &gtube('Y'));
    let start = format!("rspamd=suspicious; {by};");
    assert!(field.starts_with(&start), "{field}");
    assert!(
        field.contains("add header, 6.00 of 15.00: GTUBE"),
        "{field}"
    );
    let field = arrives(&mut client, "<renamed@sender.example>", &gtube('Z'));
    assert!(field.contains("rewrite subject, "), "{field}");
    // A large one comes whole.
    let large = "0123456789abcde\r\n".repeat(200_000);
    let field = arrives(&mut client, "<large@sender.example>", &large);
    assert!(field.starts_with("rspamd=clean;"), "{field}");
    assert!(rspamd.log().contains(", len: 3400"), "{}", rspamd.log());
    // What it would refuse is held.
    client.send(EVE, &[ANN], &message("<spam@sender.example>", &gtube('X')));
    assert_eq!(held(&tideover), 1);
    let list = tideover
        .json(&["queue", "list", "--state", "held"])
        .to_string();
    assert_eq!(
        list.matches("reject, 15.00 of 15.00: GTUBE").count(),
        1,
        "{list}"
    );
    rspamd.kill();
    let mut client = Client::connect(tideover.smtp());
    let field = arrives(&mut client, "<gone@sender.example>", &gtube('X'));
    assert_eq!(field, format!("rspamd=unchecked; {by}"));
    let told = tideover.json(&["status"])["filters"][0].clone();
    assert!(told["failing_since"].is_string(), "{told}");
    rspamd.start_again();
    let field = arrives(&mut client, "<back@sender.example>", "Hello");
    assert!(field.starts_with("rspamd=clean;"), "{field}");
}

#[test]
fn what_rspamd_refuses_is_refused_within_the_session_by_choice() {
    let lab = Lab::new();
    let folder = lab.path("rspamd");
    fs::create_dir_all(&folder).unwrap();
    let rspamd = Rspamd::start(&folder);
    let settings = Settings {
        more: format!(
            "[filter.rspamd]\nkind = \"rspamd\"\naddress = \"{}\"\nbad = \"reject\"\n\
             suspicious = \"hold\"\n",
            rspamd.address()
        ),
        ..lab.settings()
    };
    let tideover = lab.tideover_with(settings);
    let mut client = Client::connect(tideover.smtp());
    let spam = message("<refused@sender.example>", &gtube('X'));
    let reply = client.offer(EVE, &[ANN], &spam);
    reply.assert_is(550, "5.7.1");
    client.send(EVE, &[ANN], &message("<a@sender.example>", &gtube('Y')));
    assert_eq!(held(&tideover), 1);
}

#[test]
fn rspamd_as_a_milter_judges_its_test_messages() {
    let lab = Lab::new();
    let folder = lab.path("rspamd");
    fs::create_dir_all(&folder).unwrap();
    let mut rspamd = Rspamd::start(&folder);
    let settings = Settings {
        more: format!(
            "[filter.milter]\nkind = \"milter\"\naddress = \"{}\"\ntimeout = \"15s\"\n",
            rspamd.milter()
        ),
        ..lab.settings()
    };
    let tideover = lab.tideover_with(settings);
    let mut client = Client::connect(tideover.smtp());
    let large = "0123456789abcde\r\n".repeat(200_000);
    for (id, text) in [
        ("<clean@sender.example>", "Hello"),
        ("<large@sender.example>", &large),
    ] {
        client.send(EVE, &[ANN], &message(id, text));
        let stored = lab.onprem.wait_for(ANN, id);
        assert_eq!(stored.headers(FIELD), ["milter=clean; by=mx.example.org"]);
    }
    let log = rspamd.log();
    for told in [
        "from: <eve@sender.example>",
        "rcpts: <ann@example.org>",
        "id: <clean@sender.example>",
        ", len: 3400",
    ] {
        assert!(log.contains(told), "{told}: {log}");
    }
    // What it would mark it marks itself.
    let marked = message("<marked@sender.example>", &gtube('Y'));
    client.send(EVE, &[ANN], &marked);
    let stored = lab.onprem.wait_for(ANN, "<marked@sender.example>");
    assert_eq!(stored.headers("X-Spam"), ["Yes"]);
    client.send(EVE, &[ANN], &message("<spam@sender.example>", &gtube('X')));
    assert_eq!(held(&tideover), 1);
    let list = tideover.json(&["queue", "list", "--state", "held"]);
    let list = list.to_string();
    assert!(list.contains("reject: Gtube pattern"), "{list}");
    rspamd.kill();
    let mut client = Client::connect(tideover.smtp());
    client.send(EVE, &[ANN], &message("<gone@sender.example>", &gtube('X')));
    let stored = lab.onprem.wait_for(ANN, "<gone@sender.example>");
    let field = stored.headers(FIELD);
    assert_eq!(field, ["milter=unchecked; by=mx.example.org"]);
    rspamd.start_again();
    client.send(EVE, &[ANN], &message("<back@sender.example>", "Hello"));
    let stored = lab.onprem.wait_for(ANN, "<back@sender.example>");
    assert_eq!(stored.headers(FIELD), ["milter=clean; by=mx.example.org"]);
}

#[test]
fn clamav_milter_judges_what_its_clamd_finds() {
    let lab = Lab::new();
    let folder = lab.path("clamd");
    fs::create_dir_all(&folder).unwrap();
    let clamd = Clamd::start(&folder);
    let milter = clamd.milter();
    let settings = Settings {
        more: format!(
            "[filter.milter]\nkind = \"milter\"\naddress = \"{}\"\nbad = \"reject\"\n",
            milter.socket.display()
        ),
        ..lab.settings()
    };
    let tideover = lab.tideover_with(settings);
    let mut client = Client::connect(tideover.smtp());
    client.send(EVE, &[ANN], &message("<clean@sender.example>", "Hello"));
    let stored = lab.onprem.wait_for(ANN, "<clean@sender.example>");
    assert_eq!(stored.headers(FIELD), ["milter=clean; by=mx.example.org"]);
    let scanned = stored.headers("X-Virus-Status");
    assert_eq!(scanned, ["Clean"]);
    let virus = with_attachment("<virus@sender.example>");
    let reply = client.offer(EVE, &[ANN], &virus);
    reply.assert_is(550, "5.7.1");
    assert!(reply.text.contains("Eicar-Test-Signature"), "{reply:?}");

    // It is there, and cannot look.
    drop(clamd);
    client.send(EVE, &[ANN], &with_attachment("<gone@sender.example>"));
    let stored = lab.onprem.wait_for(ANN, "<gone@sender.example>");
    let field = stored.headers(FIELD).concat();
    assert!(field.contains("milter=suspicious"), "{field}");
}
