//! Every check of the standard: what is right is taken, and with one thing wrong it is not.

use proptest::prelude::*;

use super::key::Key;
use super::test_device::{Device, GOOD};
use super::*;

const HERE: (&str, &str) = ("mail.example.org", "https://mail.example.org");
const BROWSER: &str = "a cookie";

fn at(seconds: u64) -> Timestamp {
    Timestamp::from_millis((1_700_000_000 + seconds) * 1000)
}

fn ceremony(purpose: Purpose, seconds: u64) -> Ceremony<'static> {
    Ceremony {
        purpose,
        bound: BROWSER,
        now: at(seconds),
    }
}

fn relying() -> Relying {
    Relying::at(HERE.1, &Entropy::system()).unwrap()
}

fn device() -> Device {
    Device::new(HERE, b"one passkey")
}

/// A registration ten seconds after its challenge.
fn registered(device: &Device) -> Result<Registered, Refusal> {
    let relying = relying();
    let challenge = relying.challenge(ceremony(Purpose::Register, 0), &Entropy::system());
    let (client, data) = device.create(&challenge);
    let later = ceremony(Purpose::Register, 10);
    relying.register(later, (&client, &data), Timestamp::default())
}

/// A login ten seconds after its challenge, with changes to what was signed.
fn asserted(
    device: &mut Device,
    count: u32,
    change: impl FnOnce(&mut Assertion),
) -> Result<Asserted, Refusal> {
    let relying = relying();
    let challenge = relying.challenge(ceremony(Purpose::LogIn, 0), &Entropy::system());
    let mut given = device.sign(&challenge);
    change(&mut given);
    let key = device.cose();
    let stored = Stored {
        key: &key,
        count,
        last: Timestamp::default(),
    };
    relying.assert(ceremony(Purpose::LogIn, 10), &given, stored)
}

fn nothing(_: &mut Assertion) {}

#[test]
fn what_is_right_is_taken() {
    let mut device = device();
    let made = registered(&device).unwrap();
    assert_eq!((made.id, made.key), (device.id.clone(), device.cose()));
    assert_eq!((made.count, made.issued), (0, at(0)));
    device.count = 6;
    let asserted = asserted(&mut device, 6, nothing).unwrap();
    assert_eq!((asserted.count, asserted.issued), (7, at(0)));
}

type Change = fn(&mut Device);

#[test]
fn one_thing_wrong_and_it_is_not_taken() {
    let changes: [(Change, Refusal); 9] = [
        (|it| it.site = "evil.example", Refusal::Site),
        (|it| it.origin = "https://evil.example", Refusal::Origin),
        (|it| it.origin = "http://mail.example.org", Refusal::Origin),
        (
            |it| it.origin = "https://mail.example.org:444",
            Refusal::Origin,
        ),
        (|it| it.more = ",\"crossOrigin\":true", Refusal::Framed),
        (
            |it| it.more = ",\"topOrigin\":\"https://evil.example\"",
            Refusal::Framed,
        ),
        (|it| it.flags = GOOD & !0x01, Refusal::NotPresent),
        (|it| it.flags = GOOD & !0x04, Refusal::NotVerified),
        (|it| it.flags = GOOD | 0x10, Refusal::Shape),
    ];
    for (number, (change, refusal)) in changes.into_iter().enumerate() {
        let mut wrong = device();
        change(&mut wrong);
        assert_eq!(registered(&wrong), Err(refusal), "{number}");
        assert_eq!(asserted(&mut wrong, 0, nothing), Err(refusal), "{number}");
    }
    // What may be said beside, and what a passkey in a cloud says.
    let mut fine = device();
    fine.more = ",\"crossOrigin\":false,\"other_keys_can_be_added_here\":\"x\"";
    fine.flags = GOOD | 0x18;
    assert!(registered(&fine).is_ok() && asserted(&mut fine, 0, nothing).is_ok());
}

#[test]
fn a_login_is_no_registration_and_a_registration_no_login() {
    let (relying, device) = (relying(), device());
    let key = device.cose();
    let stored = Stored {
        key: &key,
        count: 0,
        last: Timestamp::default(),
    };
    for (asked, answered) in [
        (Purpose::Register, "webauthn.get"),
        (Purpose::LogIn, "webauthn.create"),
    ] {
        let challenge = relying.challenge(ceremony(asked, 0), &Entropy::system());
        let client = device.client(answered, &challenge);
        let kind = match asked {
            Purpose::Register => {
                let data = device.created(&key);
                let both = (client.as_slice(), data.as_slice());
                relying
                    .register(ceremony(asked, 1), both, Timestamp::default())
                    .unwrap_err()
            }
            Purpose::LogIn => {
                let given = device.sign_these(client, device.data(GOOD));
                relying
                    .assert(ceremony(asked, 1), &given, stored)
                    .unwrap_err()
            }
        };
        assert_eq!(kind, Refusal::Kind);
    }
    // A challenge of the one kind is none of the other, also when the browser says so.
    let challenge = relying.challenge(ceremony(Purpose::LogIn, 0), &Entropy::system());
    let (client, data) = device.create(&challenge);
    let later = ceremony(Purpose::Register, 1);
    let refused = relying.register(later, (&client, &data), Timestamp::default());
    assert_eq!(refused, Err(Refusal::Challenge));
    // No passkey without one, and none with a login.
    let challenge = relying.challenge(later, &Entropy::system());
    let client = device.client("webauthn.create", &challenge);
    let none = device.data(GOOD);
    let refused = relying.register(
        ceremony(Purpose::Register, 2),
        (&client, &none),
        Timestamp::default(),
    );
    assert_eq!(refused, Err(Refusal::Shape));
    let challenge = relying.challenge(ceremony(Purpose::LogIn, 0), &Entropy::system());
    let client = device.client("webauthn.get", &challenge);
    let given = device.sign_these(client, device.created(&key));
    let refused = relying.assert(ceremony(Purpose::LogIn, 1), &given, stored);
    assert_eq!(refused, Err(Refusal::Shape));
}

#[test]
fn a_challenge_is_of_one_browser_of_ours_and_of_five_minutes() {
    let relying = relying();
    let entropy = Entropy::system();
    let challenge = relying.challenge(ceremony(Purpose::LogIn, 100), &entropy);
    let check = |challenge: &str, bound: &str, seconds: u64| {
        let whom = (Purpose::LogIn, bound);
        relying.challenges.check(whom, challenge, at(seconds))
    };
    assert_eq!(check(&challenge, BROWSER, 100), Ok(at(100)));
    assert_eq!(check(&challenge, BROWSER, 400), Ok(at(100)));
    assert_eq!(check(&challenge, BROWSER, 401), Err(Refusal::Expired));
    assert_eq!(check(&challenge, BROWSER, 99), Err(Refusal::Expired));
    assert_eq!(check(&challenge, "other", 100), Err(Refusal::Challenge));
    let others = self::relying().challenge(ceremony(Purpose::LogIn, 100), &entropy);
    for wrong in [
        &*others,
        "",
        "x",
        "AAAA",
        challenge.get(1..).unwrap(),
        &"A".repeat(75),
    ] {
        assert_eq!(
            check(wrong, BROWSER, 100),
            Err(Refusal::Challenge),
            "{wrong}"
        );
    }
    let again = relying.challenge(ceremony(Purpose::LogIn, 100), &entropy);
    assert_ne!(again, challenge);
}

#[test]
fn a_challenge_is_good_once() {
    let (relying, mut device) = (relying(), device());
    let key = device.cose();
    let stored = |last| Stored {
        key: &key,
        count: 0,
        last,
    };
    let entropy = Entropy::system();
    let [first, second] = [0, 1].map(|s| relying.challenge(ceremony(Purpose::LogIn, s), &entropy));
    let given = device.sign(&first);
    let now = ceremony(Purpose::LogIn, 10);
    let asserted = relying.assert(now, &given, stored(at(0))).unwrap_err();
    assert_eq!(asserted, Refusal::Again);
    let next = device.sign(&second);
    let asserted = relying.assert(now, &next, stored(at(0))).unwrap();
    assert_eq!(asserted.issued, at(1));
    let (now, challenge) = (ceremony(Purpose::Register, 0), |ceremony| {
        relying.challenge(ceremony, &entropy)
    });
    let (client, data) = device.create(&challenge(now));
    let again = relying.register(now, (&client, &data), at(0));
    assert_eq!(again, Err(Refusal::Again));
}

#[test]
fn a_clock_that_was_ahead_locks_nobody_out() {
    let (relying, mut device) = (relying(), device());
    let key = device.cose();
    let entropy = Entropy::system();
    let given = device.sign(&relying.challenge(ceremony(Purpose::LogIn, 0), &entropy));
    let asked = |last| {
        let stored = Stored {
            key: &key,
            count: 0,
            last,
        };
        relying.assert(ceremony(Purpose::LogIn, 1), &given, stored)
    };
    assert_eq!(asked(at(200)), Err(Refusal::Again));
    assert!(asked(at(86_400)).is_ok());
}

#[test]
fn a_counter_that_goes_back_is_a_copy() {
    for (stored, said, is_fine) in [
        (0, 0, true),
        (0, 1, true),
        (7, 8, true),
        (7, 1_000, true),
        (7, 7, false),
        (7, 3, false),
        (7, 0, false),
    ] {
        let mut device = device();
        device.count = said;
        let said = device.data(GOOD);
        let relying = relying();
        let challenge = relying.challenge(ceremony(Purpose::LogIn, 0), &Entropy::system());
        let given = device.sign_these(device.client("webauthn.get", &challenge), said);
        let key = device.cose();
        let stored = Stored {
            key: &key,
            count: stored,
            last: Timestamp::default(),
        };
        let asserted = relying.assert(ceremony(Purpose::LogIn, 1), &given, stored);
        let copied = asserted.err() == Some(Refusal::Counter);
        assert_eq!(
            (asserted.is_ok(), copied),
            (is_fine, !is_fine),
            "{stored:?}"
        );
    }
}

#[test]
fn what_was_signed_is_not_changed() {
    let signature: fn(&mut Assertion) = |it| *it.signature.last_mut().unwrap() ^= 1;
    let other: fn(&mut Assertion) = |it| {
        let challenge = String::from_utf8(it.client.clone()).unwrap();
        let challenge = challenge.split('"').nth(7).unwrap().to_owned();
        *it = device().sign(&challenge);
    };
    let said: fn(&mut Assertion) = |it| it.client.push(b' ');
    // One signature more; the flags stay as they are.
    let count: fn(&mut Assertion) = |it| *it.authenticator.last_mut().unwrap() ^= 0x40;
    let none: fn(&mut Assertion) = |it| it.signature.clear();
    for (number, change) in [signature, other, said, count, none]
        .into_iter()
        .enumerate()
    {
        let refused = asserted(&mut device(), 0, change);
        assert_eq!(refused, Err(Refusal::Signature), "{number}");
    }
}

#[test]
fn what_is_too_long_is_not_looked_at() {
    let spaces = |count: usize| " ".repeat(count).into_bytes();
    let client = |it: &mut Assertion| it.client.extend(spaces(limits::PASSKEY_DATA));
    let authenticator = |it: &mut Assertion| it.authenticator.extend(spaces(limits::PASSKEY_DATA));
    let signature = |it: &mut Assertion| it.signature.extend(spaces(limits::PASSKEY_SIGNATURE));
    let too_long = Err(Refusal::TooLong);
    assert_eq!(asserted(&mut device(), 0, client), too_long);
    assert_eq!(asserted(&mut device(), 0, authenticator), too_long);
    assert_eq!(asserted(&mut device(), 0, signature), too_long);
    for (length, is_fine) in [(0, false), (1, true), (1023, true), (1024, false)] {
        let made = registered(&Device::new(HERE, &vec![7; length]));
        assert_eq!(made.is_ok(), is_fine, "{length}");
        assert!(is_fine || made == Err(Refusal::TooLong), "{length}");
    }
}

#[test]
fn keys_are_of_the_kinds_that_we_ask_for() {
    let device = device();
    let good = device.cose();
    assert!(matches!(Key::parse(&good), Ok(Key::Es256(_))));
    let with = |at: usize, byte: u8| {
        let mut key = good.clone();
        key[at] = byte;
        key
    };
    // ES384 is -35; what names no algorithm is no key.
    let es384 = [&[0xa5, 0x01, 0x02, 0x03, 0x38, 0x22], &good[5..]].concat();
    let refused = AuthenticatorData::parse(&device.created(&es384)).unwrap_err();
    assert_eq!(refused, Refusal::Algorithm);
    let longer = [good.as_slice(), &[0]].concat();
    let y = good.get(good.len() - 35..).unwrap();
    let twice = [&[0xa6_u8][..], good.get(1..).unwrap(), y].concat();
    // Another type, another curve, a label twice, a point of 31 bytes, bytes behind it.
    for (number, key) in [
        with(2, 0x03),
        with(6, 0x02),
        with(3, 0x01),
        with(9, 0x1f),
        longer,
        twice,
        good[..good.len() - 1].to_vec(),
        Vec::new(),
    ]
    .into_iter()
    .enumerate()
    {
        assert_eq!(Key::parse(&key), Err(Refusal::Shape), "{number}");
    }
    let behind = [device.created(&good), vec![0]].concat();
    assert_eq!(AuthenticatorData::parse(&behind), Err(Refusal::Shape));
    // Extensions that are promised are there, and are a map.
    let mut promised = Device::new(HERE, b"x");
    promised.flags |= 0x80;
    let bare = promised.created(&good);
    assert_eq!(AuthenticatorData::parse(&bare), Err(Refusal::Shape));
    let with_map = [bare.as_slice(), &[0xa1, 0x61, b'x', 0xf5]].concat();
    assert!(AuthenticatorData::parse(&with_map).is_ok());
    let with_list = [bare.as_slice(), &[0x80]].concat();
    assert_eq!(AuthenticatorData::parse(&with_list), Err(Refusal::Shape));
}

/// The examples of the standard (§16): case, what, bytes.
fn vector(case: &str, what: &str) -> Vec<u8> {
    let line = format!("{case} {what} ");
    let hex = include_str!("../../../tests/fixtures/webauthn.txt")
        .lines()
        .find_map(|it| it.strip_prefix(&line))
        .unwrap();
    let pairs = hex.as_bytes().chunks(2);
    let byte = |pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    pairs.map(byte).collect()
}

#[test]
fn the_examples_of_the_standard_are_read_and_their_signatures_are_right() {
    let site = party::hash(b"example.org");
    for case in [
        "es256",
        "rs256",
        "eddsa",
        "cross-origin",
        "top-origin",
        "long-id",
    ] {
        let registered = vector(case, "registered");
        let data = AuthenticatorData::parse(&registered).unwrap();
        assert_eq!(data.site, site, "{case}");
        let created = data.created.unwrap();
        assert_eq!(created.id, vector(case, "id"), "{case}");
        let key = Key::parse(created.key).unwrap();
        let (client, said) = (vector(case, "client"), vector(case, "authenticator"));
        let mut signed = [said.as_slice(), &party::hash(&client)].concat();
        let signature = vector(case, "signature");
        key.verify(&signed, &signature).unwrap();
        *signed.last_mut().unwrap() ^= 1;
        assert_eq!(key.verify(&signed, &signature), Err(Refusal::Signature));
        assert_eq!(AuthenticatorData::parse(&said).unwrap().site, site);
        for (kind, what) in [("webauthn.create", "created"), ("webauthn.get", "client")] {
            let client = ClientData::parse(&vector(case, what)).unwrap();
            let checked = client.check(kind, "https://example.org");
            let is_framed = case.ends_with("-origin");
            let expected = if is_framed {
                Err(Refusal::Framed)
            } else {
                Ok(())
            };
            assert_eq!(checked, expected, "{case} {what}");
        }
    }
}

#[test]
fn what_the_browser_says_is_one_object_with_each_key_once() {
    let parse = |text: &str| ClientData::parse(text.as_bytes());
    let good = r#"{"type":"webauthn.get","challenge":"x","origin":"https://x"}"#;
    assert!(parse(good).is_ok());
    assert_eq!(parse(&format!("\u{feff}{good}")), parse(good));
    for wrong in [
        r#"{"type":"a","type":"webauthn.get","challenge":"x","origin":"https://x"}"#,
        r#"{"type":"webauthn.get","origin":"https://x"}"#,
        r#"{"type":"webauthn.get","challenge":"x","origin":["https://x"]}"#,
        r#"{"type":"webauthn.get","challenge":"x","origin":"https://x","crossOrigin":1}"#,
        "[]",
        "",
        &format!("{good}{good}"),
    ] {
        assert_eq!(parse(wrong), Err(Refusal::Shape), "{wrong}");
    }
}

proptest! {
    /// Neither parser panics, whatever comes, and a changed example is read or refused.
    #[test]
    fn hostile_bytes_are_refused_or_read(
        noise in proptest::collection::vec(any::<u8>(), 0..200),
        (at, byte) in (0_usize..600, any::<u8>()),
        case in prop::sample::select(vec!["es256", "rs256", "eddsa"]),
    ) {
        AuthenticatorData::parse(&noise).ok();
        ClientData::parse(&noise).ok();
        let mut changed = vector(case, "registered");
        let at = at % changed.len();
        changed[at] = byte;
        if let Ok(data) = AuthenticatorData::parse(&changed) {
            let made = data.created;
            prop_assert!(made.is_none_or(|made| Key::parse(made.key).is_ok()));
        }
        changed.truncate(at);
        let cut = AuthenticatorData::parse(&changed);
        prop_assert!(cut.is_err());
    }
}
