use proptest::prelude::*;

use super::*;

/// The message, the violation and what is left, when `wire` comes in `pieces`.
fn decode(wire: &[u8], pieces: &[usize]) -> (Vec<u8>, Option<Violation>, Option<Vec<u8>>) {
    let mut decoder = DataDecoder::new();
    let mut message = Vec::new();
    let mut rest = wire;
    let mut pieces = pieces.iter().cycle();
    while !rest.is_empty() {
        let size = pieces.next().map_or(1, |size| *size).clamp(1, rest.len());
        let step = decoder.decode(&rest[..size], &mut message);
        rest = &rest[step.consumed..];
        if step.ended {
            return (message, decoder.violation(), Some(rest.to_vec()));
        }
        assert_eq!(step.consumed, size);
    }
    (message, decoder.violation(), None)
}

fn encode(message: &[u8], pieces: &[usize]) -> Vec<u8> {
    let mut encoder = DataEncoder::new();
    let mut wire = Vec::new();
    let mut rest = message;
    let mut pieces = pieces.iter().cycle();
    while !rest.is_empty() {
        let size = pieces.next().map_or(1, |size| *size).clamp(1, rest.len());
        encoder.encode(&rest[..size], &mut wire);
        rest = &rest[size..];
    }
    encoder.finish(&mut wire);
    wire
}

/// What RFC 5321 §4.5.2 says, written as plainly as possible, to compare with.
fn plainly(wire: &[u8]) -> (Vec<u8>, Option<Violation>, Option<Vec<u8>>) {
    let padded = [b"\r\n", wire].concat();
    let end = padded.windows(5).position(|five| five == b"\r\n.\r\n");
    let data = &padded[..end.map_or(padded.len(), |end| end + 2)];
    let mut message = Vec::new();
    for (at, &byte) in data.iter().enumerate().skip(2) {
        let first_dot = byte == b'.' && &data[at - 2..at] == b"\r\n";
        message.extend((!first_dot).then_some(byte));
    }
    let cr = |at: &usize| data[*at] == b'\r' && data.get(at + 1).is_some_and(|b| *b != b'\n');
    let lf = |at: &usize| data[*at] == b'\n' && data[at - 1] != b'\r';
    let violation = if (2..data.len()).any(|at| cr(&at)) {
        Some(Violation::BareCr)
    } else if (2..data.len()).any(|at| lf(&at)) {
        Some(Violation::BareLf)
    } else if data.contains(&0) {
        Some(Violation::Nul)
    } else {
        None
    };
    (
        message,
        violation,
        end.map(|end| padded[end + 5..].to_vec()),
    )
}

#[test]
fn removes_dots_and_finds_the_end() {
    let (message, violation, rest) = decode(b"a\r\n..b\r\n.c\r\n\r\n.\r\nQUIT\r\n", &[100]);
    assert_eq!(message, b"a\r\n.b\r\nc\r\n\r\n");
    assert_eq!(violation, None);
    assert_eq!(rest.as_deref(), Some(b"QUIT\r\n".as_slice()));
    assert_eq!(decode(b".\r\n", &[1]), (Vec::new(), None, Some(Vec::new())));
}

#[test]
fn only_crlf_dot_crlf_is_the_end() {
    for (wire, violation) in [
        (b"a\n.\nb".as_slice(), Violation::BareLf),
        (b"a\n.\r\nb", Violation::BareLf),
        (b"a\r\n.\nb", Violation::BareLf),
        (b"a\r.\r\nb", Violation::BareCr),
        (b"a\r\n.\rb", Violation::BareCr),
        (b"a\r\r\n.\r\r\nb", Violation::BareCr),
        (b"a\0b", Violation::Nul),
    ] {
        let whole = [wire, b"\r\n.\r\nRSET\r\n"].concat();
        for size in [1, 2, 3, 100] {
            let (_, found, rest) = decode(&whole, &[size]);
            assert_eq!(found, Some(violation), "{wire:?}");
            assert_eq!(rest.as_deref(), Some(b"RSET\r\n".as_slice()), "{wire:?}");
        }
    }
}

#[test]
fn a_line_may_have_64_kib() {
    for (length, violation) in [
        (limits::DATA_LINE - 2, None),
        (limits::DATA_LINE - 1, Some(Violation::LongLine)),
        (limits::DATA_LINE * 3, Some(Violation::LongLine)),
    ] {
        let mut wire = b"short\r\n".to_vec();
        wire.resize(wire.len() + length, b'x');
        wire.extend_from_slice(b"\r\nshort\r\n.\r\n");
        for size in [1, 1000, WINDOW, usize::MAX] {
            let (message, found, rest) = decode(&wire, &[size]);
            assert_eq!(found, violation, "{length} in pieces of {size}");
            assert_eq!(message, wire[..wire.len() - 3]);
            assert!(rest.is_some());
        }
    }
}

#[test]
fn an_empty_message_and_a_missing_line_end_are_sent() {
    assert_eq!(encode(b"", &[1]), b".\r\n");
    assert_eq!(encode(b"a", &[1]), b"a\r\n.\r\n");
    assert_eq!(encode(b".", &[1]), b"..\r\n.\r\n");
    assert_eq!(encode(b"a\r\n", &[1]), b"a\r\n.\r\n");
    assert_eq!(
        encode(b".\r\n.a\r\n\r\n.", &[2]),
        b"..\r\n..a\r\n\r\n..\r\n.\r\n"
    );
    assert_eq!(encode(b"a\n.b\r\n", &[9]), b"a\n.b\r\n.\r\n");
}

fn hostile() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        4 => Just(b"\r\n".to_vec()),
        3 => Just(b".".to_vec()),
        1 => Just(b"\r".to_vec()),
        1 => Just(b"\n".to_vec()),
        1 => Just(b"\0".to_vec()),
        4 => proptest::collection::vec(any::<u8>(), 0..40),
        1 => Just(b"\r\n.\r\n".to_vec()),
    ];
    proptest::collection::vec(piece, 0..30).prop_map(|pieces| pieces.concat())
}

fn message() -> impl Strategy<Value = Vec<u8>> {
    proptest::collection::vec("[ -~äöü]{0,80}|\\.{1,3}[a-z]{0,3}", 0..20).prop_map(|lines| {
        lines
            .iter()
            .flat_map(|line| format!("{line}\r\n").into_bytes())
            .collect()
    })
}

proptest! {
    #[test]
    fn does_what_the_standard_says(
        wire in hostile(),
        pieces in proptest::collection::vec(1_usize..50, 1..10),
    ) {
        let (message, violation, rest) = decode(&wire, &pieces);
        let (expected, expected_violation, expected_rest) = plainly(&wire);
        prop_assert_eq!(violation, expected_violation);
        prop_assert_eq!(rest.is_some(), expected_rest.is_some());
        if expected_rest.is_some() {
            prop_assert_eq!(&message, &expected);
        } else {
            // A dot or CR at the very end may still be withheld.
            prop_assert!(expected.starts_with(&message));
            prop_assert!(message.len() + 2 >= expected.len());
        }
        prop_assert_eq!(rest, expected_rest);
    }

    #[test]
    fn what_is_sent_arrives(
        message in message(),
        out in proptest::collection::vec(1_usize..50, 1..10),
        into in proptest::collection::vec(1_usize..50, 1..10),
    ) {
        let wire = encode(&message, &out);
        prop_assert_eq!(&wire, &encode(&message, &[usize::MAX]));
        prop_assert_eq!(decode(&wire, &into), (message, None, Some(Vec::new())));
    }
}

#[test]
fn only_crlf_makes_the_encoder_begin_a_line() {
    // A piece that ends in a bare LF begins no line: no dot may be added behind it, and the end
    // of the data needs a line end of its own.
    for pieces in [vec![2], vec![1], vec![100]] {
        assert_eq!(encode(b"a\n.b", &pieces), b"a\n.b\r\n.\r\n", "{pieces:?}");
        assert_eq!(encode(b"a\n", &pieces), b"a\n\r\n.\r\n", "{pieces:?}");
        assert_eq!(encode(b"\n", &pieces), b"\n\r\n.\r\n", "{pieces:?}");
        assert_eq!(
            encode(b"a\r\n.b\r\n", &pieces),
            b"a\r\n..b\r\n.\r\n",
            "{pieces:?}"
        );
        assert_eq!(
            encode(b"ab\r\n\n.", &pieces),
            b"ab\r\n\n.\r\n.\r\n",
            "{pieces:?}"
        );
    }
}
