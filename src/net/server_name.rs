//! Which certificate a client means that names a host (RFC 6066 §3).

/// How well a certificate is meant; the best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Fit {
    /// It has the name.
    Exact,
    /// It has a wildcard for it.
    Wildcard,
    /// It is for others.
    None,
}

/// The places of certificates with these names, the one that is meant first. Behind those that fit
/// stand all others in their order: to a client that can use no other, a wrong name is better than
/// no encryption (RFC 7435), and who checks names is not deceived.
pub(super) fn by_fit(certificates: &[&[String]], asked: Option<&str>) -> Vec<usize> {
    let asked = asked.map(|name| name.trim_end_matches('.').to_ascii_lowercase());
    let best = |names: &[String]| {
        let asked = asked.as_deref()?;
        names.iter().map(|name| fit(name, asked)).min()
    };
    let mut places: Vec<usize> = (0..certificates.len()).collect();
    // Stable: among equals the order of the config counts.
    places.sort_by_key(|&place| {
        let names = certificates.get(place).copied().unwrap_or_default();
        best(names).unwrap_or(Fit::None)
    });
    places
}

/// RFC 9525 §6.3: a wildcard is the whole first label, and stands for one label.
fn fit(name: &str, asked: &str) -> Fit {
    if name == asked {
        return Fit::Exact;
    }
    match (name.strip_prefix("*."), asked.split_once('.')) {
        (Some(behind), Some((label, rest))) if !label.is_empty() && behind == rest => Fit::Wildcard,
        _ => Fit::None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_goes_before_a_wildcard_and_a_wildcard_before_the_first() {
        let own =
            |names: &[&str]| -> Vec<String> { names.iter().map(|&it| it.to_owned()).collect() };
        let first = own(&["mx.example.org"]);
        let wild = own(&["*.example.net", "example.net"]);
        let exact = own(&["mx.example.net"]);
        let again = own(&["mx.example.net"]);
        let none = own(&[]);
        let all = [&*first, &*wild, &*exact, &*again, &*none];
        for (asked, expected) in [
            (None, [0, 1, 2, 3, 4]),
            (Some("mx.example.org"), [0, 1, 2, 3, 4]),
            (Some("MX.Example.Net."), [2, 3, 1, 0, 4]),
            (Some("other.example.net"), [1, 0, 2, 3, 4]),
            (Some("example.net"), [1, 0, 2, 3, 4]),
            (Some("a.mx.example.net"), [0, 1, 2, 3, 4]),
            (Some(".example.net"), [0, 1, 2, 3, 4]),
            (Some("elsewhere.example"), [0, 1, 2, 3, 4]),
            (Some(""), [0, 1, 2, 3, 4]),
        ] {
            assert_eq!(by_fit(&all, asked), expected, "{asked:?}");
        }
        assert!(by_fit(&[], Some("mx.example.org")).is_empty());
    }
}
