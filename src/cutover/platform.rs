//! Platforms that are known by the names of their hosts.

/// A platform of which some facts are public.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Known {
    ExchangeOnline,
    Google,
}

impl Known {
    /// By the name of a mail host.
    pub(super) fn of_host(host: &str) -> Option<Self> {
        let host = host.trim_end_matches('.').to_ascii_lowercase();
        let below = |domain: &str| {
            host.strip_suffix(domain)
                .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
        };
        let microsoft = ["mail.protection.outlook.com", "mx.microsoft"];
        let google = ["google.com", "googlemail.com", "smtp-relay.gmail.com"];
        if microsoft.into_iter().any(below) {
            Some(Self::ExchangeOnline)
        } else if google.into_iter().any(below) {
            Some(Self::Google)
        } else {
            None
        }
    }

    pub(super) const fn title(self) -> &'static str {
        match self {
            Self::ExchangeOnline => "Exchange Online",
            Self::Google => "Google",
        }
    }

    /// What its own manual tells to include in SPF.
    pub(super) const fn spf(self) -> &'static str {
        match self {
            Self::ExchangeOnline => "spf.protection.outlook.com",
            Self::Google => "_spf.google.com",
        }
    }
}

/// A backend and the names of its hosts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Platform {
    /// `[backend.NAME]`.
    pub backend: String,
    /// Its hosts, without ports.
    pub hosts: Vec<String>,
    /// The domain whose MX hosts are its hosts.
    pub mx: Option<String>,
}

impl Platform {
    pub(super) fn known(&self) -> Option<Known> {
        self.hosts.iter().find_map(|host| Known::of_host(host))
    }

    fn has(&self, host: &str) -> bool {
        self.hosts.iter().any(|own| own.eq_ignore_ascii_case(host))
    }
}

/// Whose mail host this is, in words; `None`: nobody's that we know.
pub(super) fn owner(host: &str, platforms: &[Platform]) -> Option<String> {
    let known = Known::of_host(host);
    let backend = platforms.iter().find(|platform| platform.has(host));
    // A tenant has many names for its hosts.
    let backend = backend.or_else(|| {
        let same = |platform: &&Platform| known.is_some() && platform.known() == known;
        platforms.iter().find(same)
    });
    match (known, backend) {
        (Some(known), Some(backend)) => {
            Some(format!("{}, backend {}", known.title(), backend.backend))
        }
        (Some(known), None) => Some(known.title().to_owned()),
        (None, Some(backend)) => Some(format!("backend {}", backend.backend)),
        (None, None) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_known_by_their_names() {
        for (host, expected) in [
            (
                "example-org.mail.protection.outlook.com",
                Some(Known::ExchangeOnline),
            ),
            (
                "example-org.o-v1.mx.microsoft.",
                Some(Known::ExchangeOnline),
            ),
            ("ASPMX.L.GOOGLE.COM", Some(Known::Google)),
            ("smtp.google.com", Some(Known::Google)),
            ("alt1.aspmx3.googlemail.com", Some(Known::Google)),
            ("notgoogle.com", None),
            ("mail.example.org", None),
        ] {
            assert_eq!(Known::of_host(host), expected, "{host}");
        }
    }

    #[test]
    fn the_backend_is_named_with_its_platform() {
        let platform = |backend: &str, host: &str| Platform {
            backend: backend.to_owned(),
            hosts: vec![host.to_owned()],
            mx: None,
        };
        let platforms = [
            platform("cloud", "example-org.mail.protection.outlook.com"),
            platform("onprem", "mail.example.org"),
        ];
        let told = |host| owner(host, &platforms);
        let cloud = Some("Exchange Online, backend cloud".to_owned());
        assert_eq!(told("example-net.mail.protection.outlook.com"), cloud);
        assert_eq!(told("Mail.example.org").as_deref(), Some("backend onprem"));
        assert_eq!(told("smtp.google.com").as_deref(), Some("Google"));
        assert_eq!(told("other.example"), None);
    }
}
