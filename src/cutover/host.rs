//! The addresses of this server as the world sees them, and their names.

use std::net::IpAddr;

use super::finding::{Finding, Subject, Verdict};
use crate::net::is_public;

fn finding(verdict: Verdict, text: String) -> Finding {
    Finding::new(Subject::Host, verdict, text)
}

/// What the name servers say of `hostname`.
pub(super) fn judge_addresses(hostname: &str, addresses: &[IpAddr]) -> Vec<Finding> {
    if addresses.is_empty() {
        let text = format!("{hostname} has no address: no MX can name it");
        return vec![finding(Verdict::Waits, text)];
    }
    let private = addresses.iter().filter(|address| !is_public(address));
    let mut findings: Vec<_> = private
        .map(|address| {
            let text = format!("{hostname} is {address}, which the Internet cannot reach");
            finding(Verdict::Wrong, text)
        })
        .collect();
    if findings.is_empty() {
        let shown: Vec<_> = addresses.iter().map(ToString::to_string).collect();
        let text = format!("{hostname} is {}", shown.join(", "));
        findings.push(finding(Verdict::Good, text));
    }
    findings
}

/// What its names (PTR) say of an address; `None`: nobody answered.
pub(super) fn judge_names(hostname: &str, address: IpAddr, names: Option<&[String]>) -> Finding {
    match names {
        None => {
            let text = format!("the name of {address} (PTR) is not answered");
            finding(Verdict::Unanswered, text)
        }
        Some([]) => finding(
            Verdict::Wrong,
            format!(
                "{address} has no name (PTR): many servers refuse mail from it; its provider sets \
                 it"
            ),
        ),
        Some(names) if names.iter().any(|name| name.eq_ignore_ascii_case(hostname)) => finding(
            Verdict::Good,
            format!("{address} is named {hostname} (PTR)"),
        ),
        Some(names) => finding(
            Verdict::Note,
            format!(
                "{address} is named {} (PTR) and not {hostname}: some servers mistrust that",
                names.join(", ")
            ),
        ),
    }
}

/// The name under which the names of an address are: RFC 1035 §3.5, RFC 3596 §2.5.
pub(super) fn reverse(address: IpAddr) -> String {
    match address {
        IpAddr::V4(v4) => {
            let [a, b, c, d] = v4.octets();
            format!("{d}.{c}.{b}.{a}.in-addr.arpa")
        }
        IpAddr::V6(v6) => {
            let octets = v6.octets();
            let nibbles = octets.iter().rev();
            let nibbles = nibbles.flat_map(|octet| [octet & 0xf, octet >> 4]);
            let labels: Vec<_> = nibbles.map(|nibble| format!("{nibble:x}")).collect();
            format!("{}.ip6.arpa", labels.join("."))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn addresses_must_be_reachable() {
        let judged = |addresses: &[&str]| {
            let addresses: Vec<_> = addresses.iter().map(|it| ip(it)).collect();
            let found = judge_addresses("mx.example.org", &addresses);
            found.iter().map(|it| it.verdict).collect::<Vec<_>>()
        };
        assert_eq!(judged(&[]), [Verdict::Waits]);
        assert_eq!(judged(&["192.0.2.1", "2001:db8::1"]), [Verdict::Good]);
        for private in [
            "10.0.0.1",
            "127.0.0.1",
            "100.64.0.1",
            "fd00::1",
            "fe80::1",
            "::1",
        ] {
            assert_eq!(
                judged(&["192.0.2.1", private]),
                [Verdict::Wrong],
                "{private}"
            );
        }
    }

    #[test]
    fn names_of_addresses_are_judged() {
        let names = |names: &[&str]| names.iter().copied().map(str::to_owned).collect::<Vec<_>>();
        let judged = |found: Option<&[String]>| {
            judge_names("mx.example.org", ip("192.0.2.1"), found).verdict
        };
        assert_eq!(judged(None), Verdict::Unanswered);
        assert_eq!(judged(Some(&[])), Verdict::Wrong);
        assert_eq!(judged(Some(&names(&["MX.example.org"]))), Verdict::Good);
        assert_eq!(
            judged(Some(&names(&["host1.provider.example"]))),
            Verdict::Note
        );
    }

    #[test]
    fn addresses_are_turned_round() {
        assert_eq!(reverse(ip("192.0.2.1")), "1.2.0.192.in-addr.arpa");
        let six = reverse(ip("2001:db8::1"));
        assert!(six.starts_with("1.0.0.0."), "{six}");
        assert!(six.ends_with(".8.b.d.0.1.0.0.2.ip6.arpa"), "{six}");
        assert_eq!(six.len(), 72);
    }
}
