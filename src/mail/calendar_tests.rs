use proptest::strategy::Strategy as _;

use super::*;

const REQUEST: &str = "BEGIN:VCALENDAR\r\nPRODID:-//x//EN\r\nVERSION:2.0\r\nMETHOD:REQUEST\r\n\
    BEGIN:VTIMEZONE\r\nTZID:Europe/Vienna\r\nBEGIN:STANDARD\r\nDTSTART:16010101T030000\r\n\
    TZOFFSETFROM:+0200\r\nTZOFFSETTO:+0100\r\nEND:STANDARD\r\nEND:VTIMEZONE\r\n\
    BEGIN:VEVENT\r\nUID:040000008200E00074C5B7101A82E008\r\nSEQUENCE:2\r\n\
    DTSTART;TZID=Europe/Vienna:20260504T100000\r\nDTEND;TZID=Europe/Vienna:20260504T110000\r\n\
    SUMMARY;LANGUAGE=en:Plans\\, and\r\n  coffee\r\nLOCATION:Room \"1\"\\; second floor\r\n\
    ORGANIZER;CN=\"Doe; John\":MAILTO:john@x.example\r\n\
    ATTENDEE;ROLE=REQ-PARTICIPANT;PARTSTAT=NEEDS-ACTION;RSVP=TRUE;CN=Ann Archer:mailto:\r\n \
    Ann@example.org\r\nATTENDEE;PARTSTAT=DECLINED:mailto:bob@example.org\r\n\
    BEGIN:VALARM\r\nTRIGGER:-PT15M\r\nSUMMARY:not this\r\nEND:VALARM\r\n\
    END:VEVENT\r\nEND:VCALENDAR\r\n";

fn invitation() -> Invitation {
    Invitation::parse(REQUEST.as_bytes()).unwrap()
}

#[expect(clippy::unnecessary_wraps, reason = "compared with what may be none")]
fn moment(text: &str) -> Option<When> {
    Some(When::Moment(text.parse().unwrap()))
}

#[test]
fn an_invitation_is_read() {
    let event = invitation();
    assert_eq!(event.method, Method::Request);
    assert_eq!(event.summary, "Plans, and coffee");
    assert_eq!(event.location, "Room \"1\"; second floor");
    assert_eq!(event.start, moment("2026-05-04T08:00:00Z"));
    assert_eq!(event.end, moment("2026-05-04T09:00:00Z"));
    let organizer = event.organizer.as_ref().unwrap();
    assert_eq!(organizer.to_string(), "Doe; John <john@x.example>");
    assert_eq!(event.guests.len(), 2);
    assert_eq!(event.guests[1].answer, Some(Answer::Declined));
    let own = ["sales@example.org", "ann@example.org"].map(|own| own.parse().unwrap());
    assert_eq!(
        event.guest(&own).unwrap().name.as_deref(),
        Some("Ann Archer")
    );
    assert!(event.guest(&own[..1]).is_none());
}

/// RFC 5546 §3.2.3: one attendee, the same event, the organizer's own lines.
#[test]
fn an_answer_names_the_event_and_one_guest() {
    let event = invitation();
    let now = "2026-05-01T12:00:00Z".parse().unwrap();
    let text = event.reply(&event.guests[0], Answer::Accepted, now);
    let lines: Vec<&str> = text.split("\r\n").collect();
    for line in [
        "METHOD:REPLY",
        "TZID:Europe/Vienna",
        "DTSTAMP:20260501T120000Z",
        "UID:040000008200E00074C5B7101A82E008",
        "SEQUENCE:2",
        "DTSTART;TZID=Europe/Vienna:20260504T100000",
        "ORGANIZER;CN=\"Doe; John\":MAILTO:john@x.example",
        "ATTENDEE;CN=\"Ann Archer\";PARTSTAT=ACCEPTED:mailto:Ann@example.org",
    ] {
        assert!(lines.contains(&line), "{line} in {text}");
    }
    assert_eq!(text.matches("ATTENDEE").count(), 1);
    assert!(!text.contains("TRIGGER") && !text.contains("LOCATION"));
    // What was written is read again as what it is.
    let read = Invitation::parse(text.as_bytes()).unwrap();
    assert_eq!(read.method, Method::Reply);
    assert_eq!(read.guests[0].answer, Some(Answer::Accepted));
    assert_eq!((&read.start, &read.summary), (&event.start, &event.summary));
}

#[test]
fn times_are_days_moments_or_of_a_place() {
    let event = |lines: &str| {
        let text = format!("BEGIN:VCALENDAR\nBEGIN:VEVENT\n{lines}\nEND:VEVENT\nEND:VCALENDAR");
        Invitation::parse(text.as_bytes()).unwrap()
    };
    let day = event("DTSTART;VALUE=DATE:20260504\nDTEND;VALUE=DATE:20260506");
    assert_eq!(day.start, Some(When::Day(Date::constant(2026, 5, 4))));
    assert_eq!(day.method, Method::Publish);
    let long = event("DTSTART:20260504T230000Z\nDURATION:PT1H30M\nRRULE:FREQ=DAILY");
    assert_eq!(long.end, moment("2026-05-05T00:30:00Z"));
    assert!(long.repeats);
    let strange = event("DTSTART;TZID=Customized Time Zone:20260504T100000");
    let local = Date::constant(2026, 5, 4).at(10, 0, 0, 0);
    assert_eq!(strange.start, Some(When::Local(local)));
    // Outlook names zones as Windows does.
    let outlook = event("DTSTART;TZID=W. Europe Standard Time:20260504T100000");
    assert_eq!(outlook.start, moment("2026-05-04T08:00:00Z"));
    for wrong in [
        "DTSTART:2026",
        "DTSTART:20261399",
        "DTSTART:20260504T",
        "DTSTART:x",
    ] {
        assert_eq!(event(wrong).start, None, "{wrong}");
    }
}

#[test]
fn what_is_no_event_is_none() {
    for text in [
        "",
        "BEGIN:VCALENDAR\nEND:VCALENDAR",
        "BEGIN:VCALENDAR\nBEGIN:VEVENT\nUID:1",
        "BEGIN:VEVENT\nUID:1\nEND:VEVENT",
        &"BEGIN:VCALENDAR\n".repeat(9_000),
        "BEGIN:VCALENDAR\nBEGIN:VTODO\nUID:1\nEND:VTODO\nEND:VCALENDAR",
    ] {
        assert_eq!(Invitation::parse(text.as_bytes()), None, "{text}");
    }
    assert_eq!(Invitation::parse(b"BEGIN:VCALENDAR\xff"), None);
}

proptest::proptest! {
    /// No line of an answer is longer than 75 bytes or breaks out of its place, whatever the
    /// organizer wrote.
    #[test]
    fn answers_are_well_formed(uid in "\\PC{0,200}", name in "\\PC{0,60}") {
        let text = REQUEST.replace("040000008200E00074C5B7101A82E008", &uid);
        let event = Invitation::parse(text.as_bytes()).unwrap();
        let mut guest = event.guests[0].clone();
        guest.name = Some(name);
        let reply = event.reply(&guest, Answer::Declined, Timestamp::EPOCH);
        proptest::prop_assert!(reply.split("\r\n").all(|line| line.len() <= 75));
        let events = |text: &str| text.lines().filter(|line| *line == "BEGIN:VEVENT").count();
        proptest::prop_assert_eq!(events(&reply), 1);
        let read = Invitation::parse(reply.as_bytes()).unwrap();
        proptest::prop_assert_eq!(read.guests.len(), 1);
        proptest::prop_assert_eq!(read.guests[0].answer, Some(Answer::Declined));
    }

    #[test]
    fn any_bytes_are_read_without_a_panic(
        bytes in proptest::collection::vec(0_u8.., 0..300),
        text in ".{0,300}",
    ) {
        let _read = Invitation::parse(&bytes);
        let text = format!("BEGIN:VCALENDAR\nBEGIN:VEVENT\n{text}\nEND:VEVENT\n");
        let _read = Invitation::parse(text.as_bytes());
    }
}

/// Time zones may stand behind the event (RFC 5545 §3.4 has no order), and only what belongs into
/// one goes into the answer.
#[test]
fn the_zones_of_an_answer_are_whole() {
    let zone = |more: &str| {
        format!(
            "BEGIN:VTIMEZONE\nTZID:Here\n{more}BEGIN:STANDARD\nDTSTART:16010101T030000\n\
             TZOFFSETFROM:+0200\nTZOFFSETTO:+0100\nEND:STANDARD\nEND:VTIMEZONE\n"
        )
    };
    let event = "BEGIN:VEVENT\nUID:1\nDTSTART;TZID=Here:20260504T100000\n\
        ATTENDEE:mailto:ann@example.org\nEND:VEVENT\n";
    let evil = "BEGIN:VEVENT\nUID:evil\nEND:VEVENT\nBEGIN:X\nY:1\nEND:X\n";
    for (text, zones) in [
        (format!("{}{event}", zone("")), 1),
        (format!("{event}{}", zone("")), 1),
        (
            format!("{event}{}BEGIN:VEVENT\nUID:2\nEND:VEVENT\n", zone(evil)),
            1,
        ),
        // One that does not end is none.
        (zone("").replace("END:STANDARD\n", "") + event, 0),
        (format!("{event}BEGIN:VTIMEZONE\nTZID:Here\n"), 0),
    ] {
        let text = format!("BEGIN:VCALENDAR\nMETHOD:REQUEST\n{text}END:VCALENDAR\n");
        let event = Invitation::parse(text.as_bytes()).unwrap();
        let reply = event.reply(&event.guests[0], Answer::Accepted, Timestamp::EPOCH);
        let count = |line: &str| reply.split("\r\n").filter(|one| *one == line).count();
        assert_eq!(count("BEGIN:VTIMEZONE"), zones, "{text}{reply}");
        assert_eq!(count("END:VTIMEZONE"), zones, "{text}{reply}");
        assert_eq!(
            count("BEGIN:STANDARD"),
            count("END:STANDARD"),
            "{text}{reply}"
        );
        assert_eq!(
            (count("BEGIN:VEVENT"), count("UID:1")),
            (1, 1),
            "{text}{reply}"
        );
        assert!(!reply.contains("evil") && !reply.contains("Y:1"), "{reply}");
    }
}

/// What is left open inside of an event ends with it; quotes need not be closed.
#[test]
fn faults_of_other_programs_are_forgiven() {
    let text = "BEGIN:VCALENDAR\nMETHOD:REQUEST\nBEGIN:VEVENT\nUID:1\n\
        ATTENDEE;CN=O\"Brien:mailto:ann@example.org\nSUMMARY:first\nSUMMARY:second\n\
        BEGIN:VALARM\nACTION:DISPLAY\nEND:VEVENT\nEND:VCALENDAR\n";
    let event = Invitation::parse(text.as_bytes()).unwrap();
    assert_eq!(event.guests.len(), 1);
    assert_eq!(event.summary, "first");
    let reply = event.reply(&event.guests[0], Answer::Accepted, Timestamp::EPOCH);
    assert_eq!(
        reply.matches("SUMMARY").count(),
        1,
        "what is shown is answered"
    );
}

/// Folds a line somewhere, also in the middle of a letter.
fn folded(text: &str, steps: &[usize]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut steps = steps.iter().cycle();
    for line in text.split_inclusive("\r\n") {
        let (mut rest, end) = (line.trim_end_matches("\r\n").as_bytes(), b"\r\n");
        while let Some(step) = steps.next().filter(|step| **step < rest.len()) {
            bytes.extend_from_slice(&rest[..*step]);
            bytes.extend_from_slice(b"\r\n ");
            rest = &rest[*step..];
        }
        bytes.extend_from_slice(rest);
        bytes.extend_from_slice(end);
    }
    bytes
}

/// The value of a property of an object that is not folded, and how often it stands there.
fn values<'a>(text: &'a str, name: &str) -> Vec<&'a str> {
    let lines = text
        .split("\r\n")
        .filter_map(|line| line.strip_prefix(name));
    lines.filter(|rest| rest.starts_with([':', ';'])).collect()
}

proptest::proptest! {
    /// From the request, folded wherever, to the answer as the organizer reads it: the same event,
    /// the same guest, and his answer.
    #[test]
    fn a_round_trip_keeps_the_event(
        uid in "[a-zA-Z0-9@.{}/+ -]{1,90}",
        sequence in 0..100_000_u32,
        recurrence in proptest::option::of(
            "(;TZID=Europe/Vienna)?:20260504T100000|:20260504T080000Z"),
        summary in "([a-zäß日📮 ]|\\\\[,;nN\\\\]){0,80}",
        name in "[a-zA-Zäß日,;: .-]{1,40}",
        steps in proptest::collection::vec(1_usize..90, 1..6),
    ) {
        let recurrence = recurrence.map(|value| format!("RECURRENCE-ID{value}\r\n"));
        let text = REQUEST
            .replace("\r\n ", "")
            .replace("040000008200E00074C5B7101A82E008", &uid)
            .replace("SEQUENCE:2\r\n", &format!("SEQUENCE:{sequence}\r\n{}",
                recurrence.as_deref().unwrap_or_default()))
            .replace("CN=Ann Archer", &format!("CN=\"{name}\""))
            .replace("Plans\\, and coffee", &summary);
        let mail = [
            b"Content-Type: text/calendar; charset=utf-8; method=REQUEST\r\n\r\n".as_slice(),
            &folded(&text, &steps),
        ]
        .concat();
        let message = crate::mail::ParsedMessage::parse(&mail).unwrap();
        let event = Invitation::parse(message.parts[0].unfolded_text().as_bytes()).unwrap();
        let own = ["ann@example.org".parse().unwrap()];
        let guest = event.guest(&own).unwrap();
        let called = Some(shown(&name)).filter(|name| !name.is_empty());
        proptest::prop_assert_eq!(&guest.name, &called);
        let reply = event.reply(guest, Answer::Tentative, Timestamp::EPOCH);
        proptest::prop_assert!(reply.split("\r\n").all(|line| line.len() <= 75));
        let reply = reply.replace("\r\n ", "");
        proptest::prop_assert_eq!(values(&reply, "UID"), [format!(":{uid}")]);
        proptest::prop_assert_eq!(values(&reply, "SEQUENCE"), [format!(":{sequence}")]);
        let expected = recurrence.iter().map(|line| {
            line.trim_end().strip_prefix("RECURRENCE-ID").unwrap()
        });
        proptest::prop_assert_eq!(values(&reply, "RECURRENCE-ID"), expected.collect::<Vec<_>>());
        let attendees = values(&reply, "ATTENDEE");
        proptest::prop_assert_eq!(attendees.len(), 1);
        proptest::prop_assert!(attendees[0].ends_with(
            ";PARTSTAT=TENTATIVE:mailto:Ann@example.org"));
        proptest::prop_assert_eq!(values(&reply, "ORGANIZER"), values(&text, "ORGANIZER"));
        proptest::prop_assert_eq!(values(&reply, "DTSTART"), values(&text, "DTSTART"));
        proptest::prop_assert_eq!(values(&reply, "TZID"), [":Europe/Vienna"]);
        // As the organizer's program reads it.
        let read = Invitation::parse(reply.as_bytes()).unwrap();
        proptest::prop_assert_eq!(read.method, Method::Reply);
        proptest::prop_assert_eq!(&read.start, &event.start);
        proptest::prop_assert_eq!(&read.summary, &event.summary);
        proptest::prop_assert_eq!(read.guests[0].answer, Some(Answer::Tentative));
        proptest::prop_assert_eq!(&read.guests[0].address, &guest.address);
    }

    /// Whatever an organizer writes into his lines: the answer is one object with one event of one
    /// guest, and no larger than what came.
    #[test]
    fn hostile_values_stay_where_they_are(
        lines in proptest::collection::vec(
            proptest::prop_oneof![
                proptest::sample::select(vec![
                    "BEGIN:VEVENT", "END:VEVENT", "BEGIN:VCALENDAR", "END:VCALENDAR",
                    "BEGIN:VALARM",
                    "END:VALARM", "BEGIN:VTIMEZONE", "END:VTIMEZONE", "BEGIN:STANDARD",
                    "END:STANDARD",
                    "METHOD:CANCEL", "UID:2", "ORGANIZER:mailto:x@x.example", "TZID:a\u{b}b",
                    "ATTENDEE:mailto:bob@example.org", "ATTENDEE;CN=\"x:y@z.example",
                    "SUMMARY:a\\nATTENDEE:mailto:x@x.example",
                    "DTSTART;TZID=\u{202e}x:20260504T100000",
                    "DTSTART:99991231T235959Z", "DURATION:P99999999W", " folded", ":", ";", "=",
                    "DTSTART;TZID=../../etc/passwd:20260504T100000", "DTEND:00000101T000000Z",
                ])
                .prop_map(str::to_owned),
                "\\PC{0,40}",
            ],
            0..30,
        ),
    ) {
        let text = format!(
            "BEGIN:VCALENDAR\r\nMETHOD:REQUEST\r\nBEGIN:VEVENT\r\n{}\r\nEND:VEVENT\r\n\
             END:VCALENDAR\r\n",
            lines.join("\r\n")
        );
        if let Some(event) = Invitation::parse(text.as_bytes()) {
            let guest = Guest {
                name: event.guests.first().and_then(|guest| guest.name.clone()),
                address: "ann@example.org".parse().unwrap(),
                answer: None,
            };
            let reply = event.reply(&guest, Answer::Accepted, Timestamp::EPOCH);
            proptest::prop_assert!(reply.len() <= text.len() * 2 + 400, "{}", reply);
            let lines: Vec<&str> = reply.split("\r\n").collect();
            for (line, count) in [
                ("BEGIN:VCALENDAR", 1), ("END:VCALENDAR", 1),
                ("BEGIN:VEVENT", 1), ("END:VEVENT", 1),
                ("METHOD:REPLY", 1), ("BEGIN:VALARM", 0),
            ] {
                let found = lines.iter().filter(|one| **one == line).count();
                proptest::prop_assert_eq!(found, count, "{} in {}", line, reply);
            }
            proptest::prop_assert_eq!(values(&reply, "ATTENDEE").len(), 1, "{}", reply);
            let ends = |name: &str| lines.iter().filter(|line| line.starts_with(name)).count();
            proptest::prop_assert_eq!(ends("BEGIN:"), ends("END:"), "{}", reply);
            let read = Invitation::parse(reply.as_bytes()).unwrap();
            proptest::prop_assert_eq!(&read.guests[0].address, &guest.address);
            proptest::prop_assert_eq!(read.guests.len(), 1);
        }
    }
}
