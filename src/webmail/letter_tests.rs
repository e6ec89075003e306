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
    reply(message, &[own()], to, (Timestamp::EPOCH, &moments()))
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

#[test]
fn an_answer_leaves_from_the_address_that_was_written_to() {
    let addresses = [own(), "sales@example.org".parse().unwrap()];
    let message = received(
        "From: a@x.example\nTo: Sales <SALES@example.org>\nCc: ann@example.org, c@x.example\n\nx\n",
    );
    let when = (Timestamp::EPOCH, &moments());
    let fields = reply(&message, &addresses, ReplyTo::All, when);
    assert_eq!(
        (&*fields.from, &*fields.cc),
        ("sales@example.org", "c@x.example")
    );
    let elsewhere = received("From: a@x.example\nTo: list@x.example\n\nx\n");
    let fields = reply(&elsewhere, &addresses, ReplyTo::Sender, when);
    assert_eq!(fields.from, "");
}

#[test]
fn what_is_passed_on_says_whose_it_is() {
    let message = received(
        "From: John Doe <john@x.example>\nTo: ann@example.org\nSubject: The plan\n\
         Date: Thu, 01 Jan 1970 01:00:00 +0000\n\nHello Ann\n> old\n",
    );
    let fields = forward(&message, &[own()], (Timestamp::EPOCH, &moments()));
    assert_eq!((&*fields.subject, &*fields.to), ("Fwd: The plan", ""));
    assert_eq!(
        fields.text,
        "\n\n---------- Forwarded message ----------\nFrom: John Doe <john@x.example>\n\
         Sent: 1 Jan 1970, 01:00\nSubject: The plan\nTo: ann@example.org\n\nHello Ann\n> old\n"
    );
    let again = received("Subject: WG: x\n\ny\n");
    let fields = forward(&again, &[own()], (Timestamp::EPOCH, &moments()));
    assert_eq!(fields.subject, "WG: x");
}

#[test]
fn a_signature_stands_above_what_is_quoted() {
    assert_eq!(with_signature("", " \n"), "");
    assert_eq!(
        with_signature("\n\nOn Monday …\n", "Ann\n"),
        "\n\n-- \nAnn\n\n\nOn Monday …\n"
    );
}
