//! What the fuzz targets do with their input. Also run over the corpus by `tests/protocol`.

use std::future::Future as _;
use std::task::{Context, Poll, Waker};

use tideover::automatic::{Marks, author, recognise, requests};
use tideover::filter::{Answer, Nonsense, ReplyReader};
use tideover::inbound::{
    Account, Bounds, CertificateRights, Options, Reached, Role, Spokesmen, TlsMode, TlsOnly,
    try_login,
};
use tideover::limits;
use tideover::mail::{AutomaticKind, header_end, header_fields};
use tideover::net::{Proxied, ProxyError};
use tideover::smtp::{ChunkCheck, Command, DataDecoder, DataEncoder, LineDecoder, ReversePath};
use tideover::webmail::{AuthenticatorData, ClientData};

/// A command line: never panics, and what is understood is printed so that it is understood
/// the same.
pub(crate) fn command(input: &[u8]) {
    if let Ok(mut command) = Command::parse(input) {
        // Whose message it is, as a client says, is not passed on.
        if let Command::Mail { parameters, .. } = &mut command {
            parameters.auth = None;
        }
        let printed = command.to_string();
        assert_eq!(
            Command::parse(printed.as_bytes()),
            Ok(command),
            "{printed:?}"
        );
    }
}

/// A stream of bytes: the first says how large the pieces are. Lines and data are the same in
/// pieces and as a whole; what is decoded without a violation comes back when it is sent.
pub(crate) fn data(input: &[u8]) {
    let Some((&size, wire)) = input.split_first() else {
        return;
    };
    lines(wire);
    chunks(wire, usize::from(size) + 1);
    let mut whole = Vec::new();
    let mut decoder = DataDecoder::new();
    let at_once = decoder.decode(wire, &mut whole);
    let mut pieces = Vec::new();
    let mut in_pieces = DataDecoder::new();
    let mut consumed = 0;
    let mut ended = false;
    for piece in wire.chunks(usize::from(size) + 1) {
        let step = in_pieces.decode(piece, &mut pieces);
        consumed += step.consumed;
        ended |= step.ended;
        if ended {
            break;
        }
    }
    assert_eq!((consumed, ended), (at_once.consumed, at_once.ended));
    assert_eq!(pieces, whole);
    assert_eq!(in_pieces.violation(), decoder.violation());
    if ended && decoder.violation().is_none() {
        let mut sent = Vec::new();
        let mut encoder = DataEncoder::new();
        whole
            .chunks(usize::from(size) + 1)
            .for_each(|piece| encoder.encode(piece, &mut sent));
        encoder.finish(&mut sent);
        let mut received = Vec::new();
        assert!(DataDecoder::new().decode(&sent, &mut received).ended);
        assert_eq!(received, whole);
    }
}

/// What a proxy says in front of a connection: never panics, waits for nothing that is there, takes
/// nothing of what follows; an address that is understood is understood the same when it is
/// written again.
pub(crate) fn proxy(input: &[u8]) {
    let mut rest = input;
    let Ok(said) = proxied(&mut rest) else {
        return;
    };
    let (header, _) = input.split_at(input.len() - rest.len());
    assert!(header.len() <= 16 + limits::PROXY_HEADER);
    // Alone it says the same, and one byte less is not enough.
    assert_eq!(proxied(&mut &*header).ok(), Some(said));
    let (_, short) = header.split_last().unwrap_or((&0, &[]));
    assert!(proxied(&mut &*short).is_err());
    if let Proxied::Client(address) = said {
        let family = if address.is_ipv4() { "TCP4" } else { "TCP6" };
        let (ip, port) = (address.ip(), address.port());
        let written = format!("PROXY {family} {ip} {ip} {port} 25\r\n");
        let again = proxied(&mut written.as_bytes());
        assert_eq!(again.ok(), Some(said), "{written:?}");
    }
}

/// All that will ever come is there.
fn proxied(stream: &mut &[u8]) -> Result<Proxied, ProxyError> {
    let mut reading = std::pin::pin!(Proxied::read(stream));
    let mut context = Context::from_waker(Waker::noop());
    let Poll::Ready(said) = reading.as_mut().poll(&mut context) else {
        panic!("it waits for more than there is");
    };
    said
}

/// A message: the first byte says whether it has a sender. Never panics; fields stand one behind
/// the other within the header; what is said of a message are words of ours, a report of
/// delivery has no sender, and a forward has one.
pub(crate) fn automatic(input: &[u8]) {
    let Some((&first, message)) = input.split_first() else {
        return;
    };
    let from = if first % 2 == 0 { "" } else { "a@b.example" };
    let Ok(from) = from.parse::<ReversePath>() else {
        return;
    };
    let (header, body) = message.split_at(header_end(message));
    let mut end = 0;
    for field in header_fields(header) {
        assert!(field.range.start >= end && field.range.end > field.range.start);
        end = field.range.end;
    }
    assert!(end <= header.len());
    assert!(author(header).is_none_or(|one| one.to_string().contains('@')));
    let known = ["Disposition-", "Read-", "X-Confirm-", "Return-"];
    for request in requests(header) {
        assert!(known.iter().any(|front| request.field.starts_with(front)));
    }
    if let Some(found) = recognise(&from, &Marks::read(header), body) {
        assert!(found.sign.is_ascii() && found.sign.len() < 100);
        let has_sender = from.mailbox().is_some();
        match found.kind {
            AutomaticKind::Ndr | AutomaticKind::DeliveryReport => assert!(!has_sender),
            AutomaticKind::AutoForward => assert!(has_sender),
            AutomaticKind::OutOfOffice | AutomaticKind::AutoReply | AutomaticKind::ReadReceipt => {}
        }
    }
}

/// What a content filter answers: the first byte says how large the pieces are. Never panics, is
/// the
/// same in pieces and as a whole, and what it says can stand in a field.
pub(crate) fn filter(input: &[u8]) {
    let Some((&size, answer)) = input.split_first() else {
        return;
    };
    let whole = ReplyReader::default().push(answer);
    let mut reader = ReplyReader::default();
    let mut pieces = Ok(None);
    for piece in answer.chunks(usize::from(size) + 1) {
        pieces = reader.push(piece);
        if pieces != Ok(None) {
            break;
        }
    }
    // Bytes behind the end may be unseen.
    assert!(pieces == whole || whole == Err(Nonsense::More));
    if let Ok(Some(Answer::Bad(said) | Answer::Failed(said))) = whole {
        assert!(said.len() <= limits::FILTER_SAID);
        assert!(
            said.bytes()
                .all(|it| matches!(it, b' '..=b'~') && it != b'"')
        );
    }
}

/// Lines of a client that logs in, behind EHLO and over TLS. Never panics; each reply is one of RFC
/// 4954 and shows nothing of a password; nobody is let in without it; who knows the password of
/// another account gets into none.
pub(crate) fn login(input: &[u8]) {
    let reached = log_in(input, PASSWORD, KEYS);
    assert!(reached == Reached::Nothing || shows(input, PASSWORD));
    assert!(log_in(input, OTHER, OTHER_KEYS) == Reached::Nothing || shows(input, OTHER));
}

/// Does the client get in?
pub(crate) fn is_let_in(input: &[u8]) -> bool {
    log_in(input, PASSWORD, KEYS) == Reached::In
}

const PASSWORD: &str = "correct horse";
const KEYS: &str = "SCRAM-SHA-256$4096:c2FsdCBvZiBhIHRlc3QuIQ==$\
    TWugKm70+q1y0yUzjzVy50U/eVoJbVUAGyV5T1JUksU=:56T/6JFJZngKeGKC48RuPPxQiaGtcD2iwkDAyactVCs=";
const OTHER: &str = "battery staple";
/// Of no password.
const OTHER_KEYS: &str = "SCRAM-SHA-256$4096:c2FsdCBvZiBhIHRlc3QuIQ==$\
    AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";

fn log_in(input: &[u8], password: &str, keys: &str) -> Reached {
    let (Ok(keys), Ok(postmaster)) = (keys.parse(), "admin@example.org".parse()) else {
        panic!("no account");
    };
    let account = Account {
        identity: "ann@example.org".to_owned(),
        password: password.to_owned(),
        keys,
    };
    let options = Options {
        listener: "fuzz".to_owned(),
        hostname: "mx.example.org".to_owned(),
        postmaster,
        role: Role::Submission,
        tls: TlsMode::Implicit,
        spokesmen: Spokesmen::default(),
        require_tls_from: TlsOnly::default(),
        requiretls: false,
        device_login: false,
        certificates: CertificateRights::default(),
        max_message_size: 1000,
        bounds: Bounds::default(),
    };
    try_login(input, (&options, &account, "serverNonce"), |reply| {
        let told = reply.to_string();
        assert!(
            !told.contains(password) && !told.contains(['\r', '\0']),
            "{told:?}"
        );
        assert!(
            matches!(reply.code, 200..=299 | 334 | 421..=599),
            "{told:?}"
        );
    })
}

/// Has the client shown that it knows the password: in words, or by a proof that was made with it?
/// Who does not get that far is not in.
fn shows(input: &[u8], password: &str) -> bool {
    let words = input.split(|byte| b" \t\r\n".contains(byte));
    words.map(decoded).any(|said| {
        let has = |what: &[u8]| said.windows(what.len()).any(|window| window == what);
        has(password.as_bytes())
            || password == PASSWORD && PROOFS.iter().any(|it| has(it.as_bytes()))
    })
}

/// Those of the seeds: another one cannot be found by chance.
const PROOFS: [&str; 2] = [
    "RMO+r0oiqVKqbwRTtRv0oRzLvi6kLZV/0NOouP1mo0E=",
    "GmExWDx1fJnsRmwT8m33xYa4VgydESnx057opH/40zA=",
];

/// What base64 says, as far as it is some (RFC 4648 §4).
fn decoded(word: &[u8]) -> Vec<u8> {
    let value = |byte: &u8| match byte {
        b'A'..=b'Z' => Some(byte - b'A'),
        b'a'..=b'z' => Some(byte - b'a' + 26),
        b'0'..=b'9' => Some(byte - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    };
    let (mut bytes, mut bits, mut count) = (Vec::new(), 0_u32, 0);
    for six in word.iter().map_while(value) {
        bits = bits << 6 | u32::from(six);
        count += 6;
        if count >= 8 {
            count -= 8;
            let [.., byte] = (bits >> count).to_be_bytes();
            bytes.push(byte);
            bits &= (1 << count) - 1;
        }
    }
    bytes
}

/// What a browser or an authenticator says about a passkey: never panics, and nothing is taken
/// that goes on behind its end, unless it says so itself.
pub(crate) fn passkey(input: &[u8]) {
    ClientData::parse(input).ok();
    if AuthenticatorData::parse(input).is_ok() {
        let longer = [input, &[0]].concat();
        assert!(AuthenticatorData::parse(&longer).is_err());
    }
}

/// What a message may not have is the same however it is cut into chunks.
fn chunks(message: &[u8], size: usize) {
    let judge = |size: usize| {
        let mut check = ChunkCheck::default();
        message.chunks(size).for_each(|chunk| check.push(chunk));
        check.finish();
        check.violation()
    };
    assert_eq!(judge(size), judge(message.len().max(1)));
}

fn lines(wire: &[u8]) {
    let mut decoder = LineDecoder::new(limits::COMMAND_LINE);
    let mut rest = wire;
    loop {
        let found = decoder.decode(rest);
        if let Some(Ok(line)) = found.line {
            assert!(!line.contains(&b'\r') && !line.contains(&b'\n'));
            command(line);
        }
        rest = rest.get(found.consumed..).unwrap_or_default();
        if found.line.is_none() {
            return;
        }
    }
}
