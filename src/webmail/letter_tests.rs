use super::*;
use crate::webmail::texts::ENGLISH;

fn moments() -> Moments {
    Moments {
        texts: &ENGLISH,
        zone: jiff::tz::TimeZone::UTC,
        now: Timestamp::from_millis(1_778_000_000_000),
    }
}

fn own() -> Mailbox {
    "ann@example.org".parse().unwrap()
}

fn received(text: &str) -> ParsedMessage {
    ParsedMessage::parse(text.replace('\n', "\r\n").as_bytes()).unwrap()
}

fn answer(message: &ParsedMessage, to: ReplyTo) -> Fields {
    reply(message, &own(), to, (Timestamp::EPOCH, &moments()))
}

#[test]
fn addresses_are_read_as_people_write_them() {
    let list = parse_addressees(
        "Ann <ann@example.org>, \"Doe, John\" <john@x.example>; bob@x.example\n ANN@example.org,",
    )
    .unwrap();
    let names: Vec<_> = list.iter().map(|one| one.name.as_deref()).collect();
    assert_eq!(names, [Some("Ann"), Some("Doe, John"), None]);
    assert_eq!(list[2].address.to_string(), "bob@x.example");
    assert_eq!(
        parse_addressees("ann, <b@x.example, c@x.example>; d@x.example").unwrap_err(),
        ["ann", "<b@x.example, c@x.example>"]
    );
    assert!(parse_addressees(" ,; \n").unwrap().is_empty());
}

const MAIL: &str = "From: \"Doe, John\" <john@x.example>\n\
    To: Ann <Ann@example.org>, bob@x.example\n\
    Cc: carl@x.example, john@x.example\nSubject: Plan\nMessage-ID: <2@x>\nReferences: <1@x>\n\
    Date: Mon, 04 May 2026 08:02:00 +0000\n\nLine one\n> older\n";

#[test]
fn a_reply_goes_to_the_sender_and_quotes_him() {
    let message = received(MAIL);
    let fields = answer(&message, ReplyTo::Sender);
    assert_eq!(fields.to, "\"Doe, John\" <john@x.example>");
    assert_eq!(
        parse_addressees(&fields.to).unwrap()[0].name.as_deref(),
        Some("Doe, John")
    );
    assert_eq!(fields.cc, "");
    assert_eq!(fields.subject, "Re: Plan");
    assert_eq!(
        fields.text,
        "\n\nOn 4 May 2026, 08:02, Doe, John wrote:\n> Line one\n>> older\n"
    );
    assert_eq!(thread(&message), ["1@x", "2@x"]);
}

#[test]
fn a_reply_to_all_leaves_oneself_out_and_names_nobody_twice() {
    let fields = answer(&received(MAIL), ReplyTo::All);
    assert_eq!(fields.to, "\"Doe, John\" <john@x.example>");
    assert_eq!(fields.cc, "bob@x.example, carl@x.example");
}

#[test]
fn reply_to_beats_from_and_own_mail_goes_to_its_recipients() {
    let list = received("From: a@x.example\nReply-To: list@x.example\nSubject: RE: x\n\nx\n");
    let fields = answer(&list, ReplyTo::Sender);
    assert_eq!((&*fields.to, &*fields.subject), ("list@x.example", "RE: x"));
    let own = received("From: ann@example.org\nTo: bob@x.example\nCc: c@x.example\n\nx\n");
    let fields = answer(&own, ReplyTo::All);
    assert_eq!((&*fields.to, &*fields.cc), ("bob@x.example", "c@x.example"));
}

#[test]
fn html_only_mail_can_be_quoted() {
    let message = received(
        "From: a@x.example\nContent-Type: text/html\n\n<p>One</p><p>Two &amp; <b>three</b></p>",
    );
    let fields = answer(&message, ReplyTo::Sender);
    assert!(fields.text.contains("> One"), "{}", fields.text);
    assert!(fields.text.contains("> Two & three"), "{}", fields.text);
}
