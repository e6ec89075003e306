use proptest::prelude::*;

use super::*;
use crate::smtp::{BodyKind, Notify, Ret};

fn parse(line: &str) -> Result<Command, CommandError> {
    Command::parse(line.as_bytes())
}

#[test]
fn reads_every_verb_in_any_case() {
    for (line, printed) in [
        ("auth plain AGFubg==", "AUTH PLAIN AGFubg=="),
        ("BDAT 100 last", "BDAT 100 LAST"),
        ("data ", "DATA"),
        ("ehlo mx.example.org", "EHLO mx.example.org"),
        ("EXPN staff", "EXPN staff"),
        ("HELO [192.0.2.1]", "HELO [192.0.2.1]"),
        ("HELP mail", "HELP"),
        ("LHLO x", "LHLO x"),
        ("mail from:<>", "MAIL FROM:<>"),
        (
            "MAIL FROM: <ann@example.org>",
            "MAIL FROM:<ann@example.org>",
        ),
        ("NOOP whatever", "NOOP"),
        ("QUIT", "QUIT"),
        ("rcpt to:<postmaster>", "RCPT TO:<Postmaster>"),
        (
            "RCPT TO:<@a.example,@b.example:ann@c.example>",
            "RCPT TO:<ann@c.example>",
        ),
        (
            "RCPT TO:<\"a>b\\\"c\"@example.org>",
            "RCPT TO:<\"a>b\\\"c\"@example.org>",
        ),
        ("RSET", "RSET"),
        ("StartTLS", "STARTTLS"),
        ("VRFY ann", "VRFY ann"),
    ] {
        assert_eq!(parse(line).unwrap().to_string(), printed, "{line}");
    }
}

#[test]
fn reads_parameters() {
    let line = "MAIL FROM:<ann@example.org> size=1000 BODY=8bitmime SMTPUTF8 RET=hdrs ENVID=a+2Bb";
    let Ok(Command::Mail { parameters, .. }) = parse(line) else {
        panic!("not taken");
    };
    assert_eq!(
        parameters,
        MailParameters {
            size: Some(1000),
            body: BodyKind::EightBitMime,
            smtputf8: true,
            ret: Some(Ret::Hdrs),
            envid: Some("a+b".to_owned()),
            requiretls: false,
            auth: None,
        }
    );
    // RFC 4954 §5: an address in xtext, or nobody; not written again.
    for (said, expected) in [
        ("AUTH=<>", Ok(Some("<>"))),
        ("auth=e+3Dmc2@example.org", Ok(Some("e=mc2@example.org"))),
        ("AUTH=", Err(())),
        ("AUTH", Err(())),
        ("AUTH=ann", Err(())),
        ("AUTH=<> AUTH=<>", Err(())),
    ] {
        let parsed = MailParameters::parse(said);
        let told = parsed.as_ref().map(|one| one.auth.as_deref());
        assert_eq!(told.map_err(|_| ()), expected, "{said}");
        assert!(parsed.is_err() || parsed.unwrap().to_string().is_empty());
    }
    let line = "RCPT TO:<ann@example.org> NOTIFY=success,DELAY ORCPT=rfc822;Ann+2B@example.org";
    let Ok(Command::Rcpt { parameters, .. }) = parse(line) else {
        panic!("not taken");
    };
    assert_eq!(
        parameters,
        RcptParameters {
            notify: Some(Notify {
                success: true,
                delay: true,
                ..Notify::default()
            }),
            orcpt: Some("rfc822;Ann+2B@example.org".to_owned()),
        }
    );
}

#[test]
fn a_bad_command_has_its_reply() {
    for (line, reply) in [
        ("", "500 5.5.1"),
        ("FOO", "500 5.5.1"),
        ("MAILFROM:<a@b>", "500 5.5.1"),
        ("GET / HTTP/1.1", "554 5.5.1"),
        ("EHLO", "501 5.5.4"),
        ("EHLO a b", "501 5.5.4"),
        ("DATA now", "501 5.5.4"),
        ("BDAT x", "501 5.5.4"),
        ("BDAT +1", "501 5.5.4"),
        ("BDAT 1 FIRST", "501 5.5.4"),
        ("BDAT 18446744073709551616 LAST", "501 5.5.4"),
        ("BDAT\t1 LAST", "501 5.5.4"),
        ("bdat 1 \0", "501 5.5.4"),
        ("MAIL", "501 5.5.4"),
        ("MAIL <ann@example.org>", "501 5.5.4"),
        ("MAIL FROM:ann@example.org", "501 5.5.4"),
        ("MAIL FROM:<ann@example.org", "501 5.5.4"),
        ("MAIL FROM:<ann@example.org>SIZE=1", "501 5.5.4"),
        ("MAIL FROM:<ann>", "501 5.1.7"),
        ("RCPT TO:<>", "501 5.1.3"),
        ("RCPT TO:<ann@>", "501 5.1.3"),
        ("MAIL FROM:<> SIZE=x", "501 5.5.4"),
        ("MAIL FROM:<> SIZE=1 SIZE=1", "501 5.5.4"),
        ("MAIL FROM:<> BODY=BINARYMIME", "501 5.5.4"),
        ("MAIL FROM:<> SMTPUTF8=1", "501 5.5.4"),
        ("MAIL FROM:<> ENVID=a+", "501 5.5.4"),
        ("MAIL FROM:<> RET=SOME", "501 5.5.4"),
        ("MAIL FROM:<> REQUIRETLS=YES", "501 5.5.4"),
        ("MAIL FROM:<> REQUIRETLS REQUIRETLS", "501 5.5.4"),
        ("MAIL FROM:<> NOTIFY=NEVER", "555 5.5.4"),
        ("MAIL FROM:<> BINARY=1", "555 5.5.4"),
        ("RCPT TO:<ann@example.org> SIZE=1", "555 5.5.4"),
        ("RCPT TO:<ann@example.org> NOTIFY=NEVER,DELAY", "501 5.5.4"),
        (
            "RCPT TO:<ann@example.org> ORCPT=ann@example.org",
            "501 5.5.4",
        ),
        ("NOOP \u{7}", "501 5.5.2"),
    ] {
        let error = parse(line).unwrap_err();
        let said = error.reply().to_string();
        assert!(said.starts_with(reply), "{line:?}: {said}");
    }
    assert_eq!(Command::parse(b"NOOP \xff"), Err(CommandError::Characters));
}

fn mailbox() -> impl Strategy<Value = Mailbox> {
    let local = prop_oneof![
        "[a-zA-Z0-9+._=-]{1,20}",
        "\"[a-z @<>]{0,10}\"",
        "[äöü]{1,5}"
    ];
    let domain = prop_oneof![
        "[a-z]{1,10}(\\.[a-z0-9]{1,10}){0,2}",
        Just("[192.0.2.1]".to_owned())
    ];
    (local, domain).prop_map(|(local, domain)| format!("{local}@{domain}").parse().unwrap())
}

fn mail_parameters() -> impl Strategy<Value = MailParameters> {
    let body = prop_oneof![Just(BodyKind::SevenBit), Just(BodyKind::EightBitMime)];
    let ret = proptest::option::of(prop_oneof![Just(Ret::Full), Just(Ret::Hdrs)]);
    let envid = proptest::option::of("[ -~]{1,30}");
    (any::<Option<u64>>(), body, any::<[bool; 2]>(), ret, envid).prop_map(
        |(size, body, [smtputf8, requiretls], ret, envid)| MailParameters {
            size,
            body,
            smtputf8,
            ret,
            envid,
            requiretls,
            auth: None,
        },
    )
}

fn rcpt_parameters() -> impl Strategy<Value = RcptParameters> {
    let words = any::<[bool; 3]>().prop_map(|[success, failure, delay]| Notify {
        never: !(success || failure || delay),
        success,
        failure,
        delay,
    });
    let orcpt = proptest::option::of("rfc822;[a-z]{1,10}(\\+2B)?@[a-z]{1,10}");
    (proptest::option::of(words), orcpt)
        .prop_map(|(notify, orcpt)| RcptParameters { notify, orcpt })
}

fn command() -> impl Strategy<Value = Command> {
    let word = "[!-~]{1,20}";
    prop_oneof![
        (
            "[A-Z0-9-]{1,10}",
            proptest::option::of("[A-Za-z0-9+/=]{1,20}")
        )
            .prop_map(|(mechanism, initial)| Command::Auth { mechanism, initial }),
        any::<(u64, bool)>().prop_map(|(size, last)| Command::Bdat { size, last }),
        Just(Command::Data),
        word.prop_map(Command::Ehlo),
        word.prop_map(Command::Expn),
        word.prop_map(Command::Helo),
        Just(Command::Help),
        word.prop_map(Command::Lhlo),
        (proptest::option::of(mailbox()), mail_parameters()).prop_map(|(from, parameters)| {
            let from = from.map_or(ReversePath::Null, ReversePath::Mailbox);
            Command::Mail { from, parameters }
        }),
        Just(Command::Noop),
        Just(Command::Quit),
        (proptest::option::of(mailbox()), rcpt_parameters()).prop_map(|(to, parameters)| {
            let to = to.map_or(ForwardPath::Postmaster, ForwardPath::Mailbox);
            Command::Rcpt { to, parameters }
        }),
        Just(Command::Rset),
        Just(Command::StartTls),
        word.prop_map(Command::Vrfy),
    ]
}

proptest! {
    #[test]
    fn what_is_printed_is_parsed(command in command()) {
        let line = command.to_string();
        prop_assert_eq!(Command::parse(line.as_bytes()), Ok(command), "{}", line);
    }

    #[test]
    fn any_bytes_are_taken(line: Vec<u8>) {
        Command::parse(&line).ok();
    }

    #[test]
    fn anything_behind_a_verb_is_taken(
        verb in "(MAIL FROM:<|RCPT TO:<|BDAT |AUTH |EHLO )",
        rest in "\\PC{0,60}",
    ) {
        Command::parse(format!("{verb}{rest}").as_bytes()).ok();
    }
}
