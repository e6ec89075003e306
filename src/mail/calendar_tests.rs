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
