//! The PROXY protocol, versions 1 and 2, as HAProxy specifies it: a proxy says in front of a
//! connection whose it is. Bytes in, an address out; reads to the end of the header and no further,
//! because TLS may follow.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use tokio::io::{AsyncRead, AsyncReadExt as _};

use crate::limits;

/// The twelve bytes with which version 2 begins.
const SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";
/// Longest header of version 1, CRLF included (§2.1).
const LINE: usize = 107;

/// Whose a connection is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proxied {
    /// Of this client.
    Client(SocketAddr),
    /// Of the proxy itself, that looks whether we live, or of somebody whom it does not name.
    Proxy,
}

/// Why it is not known.
#[derive(Debug, thiserror::Error)]
pub enum ProxyError {
    /// The header is none.
    #[error("the proxy sent no header of the PROXY protocol: {0}")]
    Invalid(&'static str),
    /// The connection ended.
    #[error("the proxy's header did not come: {0}")]
    Network(#[from] io::Error),
}

impl Proxied {
    /// Reads the header in front of a connection. The caller has patience, or not.
    ///
    /// # Errors
    /// See [`ProxyError`].
    pub async fn read(stream: &mut (impl AsyncRead + Unpin)) -> Result<Self, ProxyError> {
        let mut head = [0; SIGNATURE.len()];
        stream.read_exact(&mut head).await?;
        if head == SIGNATURE {
            let mut fixed = [0; 4];
            stream.read_exact(&mut fixed).await?;
            let [_, _, high, low] = fixed;
            let length = usize::from(u16::from_be_bytes([high, low]));
            if length > limits::PROXY_HEADER {
                return Err(ProxyError::Invalid("it is too long"));
            }
            let mut rest = vec![0; length];
            stream.read_exact(&mut rest).await?;
            return parse_binary(fixed, &rest);
        }
        if !head.starts_with(b"PROXY ") {
            return Err(ProxyError::Invalid("it begins with something else"));
        }
        let mut line = head.to_vec();
        while line.last() != Some(&b'\n') {
            if line.len() >= LINE {
                return Err(ProxyError::Invalid("its line has no end"));
            }
            line.push(stream.read_u8().await?);
        }
        let line = line.strip_suffix(b"\r\n");
        let line = line.and_then(|line| std::str::from_utf8(line).ok());
        parse_text(line.ok_or(ProxyError::Invalid("its line does not end in CRLF"))?)
    }
}

/// §2.1: `PROXY TCP4 192.0.2.1 198.51.100.1 56324 25`.
fn parse_text(line: &str) -> Result<Proxied, ProxyError> {
    let wrong = ProxyError::Invalid("its words are not what they should be");
    let words: Vec<&str> = line.split(' ').collect();
    let address = |text: &str| match words.get(1) {
        Some(&"TCP4") => text.parse::<Ipv4Addr>().ok().map(IpAddr::V4),
        Some(&"TCP6") => text.parse::<Ipv6Addr>().ok().map(IpAddr::V6),
        _ => None,
    };
    match words.as_slice() {
        // What follows it must be passed over.
        ["PROXY", "UNKNOWN", ..] => Ok(Proxied::Proxy),
        [
            "PROXY",
            _,
            source,
            destination,
            source_port,
            destination_port,
        ] => {
            let known = address(source).zip(port(source_port));
            let other = address(destination).zip(port(destination_port));
            let (ip, port) = known.filter(|_| other.is_some()).ok_or(wrong)?;
            Ok(Proxied::Client(SocketAddr::new(ip, port)))
        }
        _ => Err(wrong),
    }
}

/// A decimal number without a sign and without zeros in front.
fn port(text: &str) -> Option<u16> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit());
    let shortest = text == "0" || !text.starts_with('0');
    text.parse().ok().filter(|_| plain && shortest)
}

/// §2.2: `fixed` is what follows the signature, `rest` what its length counts. Behind the addresses
/// stand TLVs, which say nothing that we need.
fn parse_binary(fixed: [u8; 4], rest: &[u8]) -> Result<Proxied, ProxyError> {
    let [command, family, ..] = fixed;
    match command {
        // LOCAL: the proxy speaks for itself, whatever stands behind it.
        0x20 => return Ok(Proxied::Proxy),
        0x21 => {}
        _ => return Err(ProxyError::Invalid("its version or command is not known")),
    }
    let short = ProxyError::Invalid("its addresses are cut off");
    match family {
        // UNSPEC, and UNIX with its two paths.
        0x00 => Ok(Proxied::Proxy),
        0x31 if rest.len() >= 216 => Ok(Proxied::Proxy),
        0x11 => match rest {
            [a, b, c, d, _, _, _, _, high, low, _, _, ..] => {
                let ip = Ipv4Addr::new(*a, *b, *c, *d).into();
                let port = u16::from_be_bytes([*high, *low]);
                Ok(Proxied::Client(SocketAddr::new(ip, port)))
            }
            _ => Err(short),
        },
        0x21 => {
            let source = rest.first_chunk::<16>();
            let ports = rest.get(32..).and_then(<[u8]>::first_chunk::<4>);
            let (source, [high, low, ..]) = source.zip(ports).ok_or(short)?;
            let ip = Ipv6Addr::from(*source).into();
            let port = u16::from_be_bytes([*high, *low]);
            Ok(Proxied::Client(SocketAddr::new(ip, port)))
        }
        0x31 => Err(short),
        _ => Err(ProxyError::Invalid("it is not about a TCP connection")),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What is read of `wire`, and how much of it is left for SMTP.
    fn read(wire: &[u8]) -> (Result<Proxied, ProxyError>, usize) {
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        let mut rest = wire;
        let found = runtime.unwrap().block_on(Proxied::read(&mut rest));
        (found, rest.len())
    }

    fn client(address: &str) -> Proxied {
        Proxied::Client(address.parse().unwrap())
    }

    fn binary(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
        let length = u16::try_from(rest.len()).unwrap().to_be_bytes();
        [&SIGNATURE[..], &[command, family], &length, rest].concat()
    }

    #[test]
    fn version_1_names_the_client() {
        for (line, expected) in [
            (
                "PROXY TCP4 192.0.2.1 198.51.100.1 56324 25",
                client("192.0.2.1:56324"),
            ),
            (
                "PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535",
                client("255.255.255.255:65535"),
            ),
            (
                "PROXY TCP6 2001:db8::1 2001:db8::2 0 25",
                client("[2001:db8::1]:0"),
            ),
            ("PROXY UNKNOWN", Proxied::Proxy),
            ("PROXY UNKNOWN ffff::1 what ever", Proxied::Proxy),
        ] {
            let (found, left) = read(format!("{line}\r\nEHLO x\r\n").as_bytes());
            assert_eq!(found.unwrap(), expected, "{line}");
            assert_eq!(left, 8, "{line}");
        }
        for line in [
            "PROXY TCP4 192.0.2.1 198.51.100.1 56324 25 ",
            "PROXY TCP4 192.0.2.1 198.51.100.1 56324",
            "PROXY TCP4 192.0.2.1  198.51.100.1 56324 25",
            "PROXY TCP4 192.0.2.1 198.51.100.1 65536 25",
            "PROXY TCP4 192.0.2.1 198.51.100.1 056 25",
            "PROXY TCP4 192.0.2.1 198.51.100.1 +56 25",
            "PROXY TCP4 2001:db8::1 2001:db8::2 56324 25",
            "PROXY TCP6 192.0.2.1 198.51.100.1 56324 25",
            "PROXY TCP4 192.0.2.256 198.51.100.1 56324 25",
            "PROXY UDP4 192.0.2.1 198.51.100.1 56324 25",
            "PROXY  UNKNOWN",
            "proxy UNKNOWN",
            "EHLO client.example",
        ] {
            let (found, _) = read(format!("{line}\r\n").as_bytes());
            assert!(
                matches!(found, Err(ProxyError::Invalid(_))),
                "{line}: {found:?}"
            );
        }
    }

    #[test]
    fn a_line_without_an_end_is_not_read_for_ever() {
        let endless = [b"PROXY UNKNOWN ".as_slice(), &[b'x'; 1000]].concat();
        let (found, left) = read(&endless);
        assert!(matches!(found, Err(ProxyError::Invalid(_))));
        assert_eq!(endless.len() - left, LINE);
        let (found, _) = read(b"PROXY UNKNOWN\nEHLO x\r\n");
        assert!(matches!(found, Err(ProxyError::Invalid(_))));
    }

    #[test]
    fn version_2_names_the_client() {
        let v4 = [192, 0, 2, 1, 198, 51, 100, 1, 0xdc, 0x04, 0, 25];
        let v6 = [
            &"2001:db8::1".parse::<Ipv6Addr>().unwrap().octets()[..],
            &[0; 16],
            &[0xdc, 0x04, 0, 25],
        ]
        .concat();
        let tlvs = [4, 0, 3, 1, 2, 3];
        for (wire, expected) in [
            (binary(0x21, 0x11, &v4), client("192.0.2.1:56324")),
            (
                binary(0x21, 0x11, &[&v4[..], &tlvs].concat()),
                client("192.0.2.1:56324"),
            ),
            (binary(0x21, 0x21, &v6), client("[2001:db8::1]:56324")),
            (binary(0x20, 0x00, &[]), Proxied::Proxy),
            (binary(0x20, 0x11, &v4), Proxied::Proxy),
            (binary(0x21, 0x00, &tlvs), Proxied::Proxy),
            (binary(0x21, 0x31, &[0; 216]), Proxied::Proxy),
        ] {
            let (found, left) = read(&[&wire[..], b"EHLO x\r\n"].concat());
            assert_eq!(found.unwrap(), expected, "{wire:?}");
            assert_eq!(left, 8, "{wire:?}");
        }
        for wire in [
            binary(0x11, 0x11, &v4),
            binary(0x22, 0x11, &v4),
            binary(0x21, 0x12, &v4),
            binary(0x21, 0x11, &v4[..11]),
            binary(0x21, 0x21, &v6[..35]),
            binary(0x21, 0x31, &[0; 215]),
            binary(0x21, 0x11, &[0; limits::PROXY_HEADER + 1]),
        ] {
            let (found, _) = read(&wire);
            assert!(matches!(found, Err(ProxyError::Invalid(_))), "{wire:?}");
        }
        let (found, _) = read(&binary(0x21, 0x11, &v4)[..20]);
        assert!(matches!(found, Err(ProxyError::Network(_))));
    }

    proptest! {
        /// Whatever a proxy sends: no panic, and nothing is read behind the header.
        #[test]
        fn anything_is_read(
            front in prop_oneof![
                Just(Vec::new()),
                Just(b"PROXY ".to_vec()),
                Just(SIGNATURE.to_vec()),
                Just([&SIGNATURE[..], b"\x21\x11\x00"].concat()),
                Just(b"PROXY TCP4 ".to_vec()),
            ],
            noise in proptest::collection::vec(any::<u8>(), 0..300),
        ) {
            let wire = [front, noise].concat();
            let (found, left) = read(&wire);
            if found.is_ok() {
                let header = &wire[..wire.len() - left];
                prop_assert!(header.ends_with(b"\r\n") || header.starts_with(&SIGNATURE));
            }
        }
    }
}
