//! The keys of `[dns]`: which name servers are asked.

use std::net::{IpAddr, SocketAddr};

use super::reader::Section;

const PORT: u16 = 53;
/// More would be asked in vain: nobody waits that long.
const MOST: usize = 8;

/// `[dns]`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DnsConfig {
    /// Empty: those of the system.
    pub servers: Vec<SocketAddr>,
}

pub(super) fn dns(root: &Section<'_>) -> DnsConfig {
    let Some(section) = root.section("dns") else {
        return DnsConfig::default();
    };
    let servers = section.texts("servers", |text| {
        server(text).ok_or_else(|| {
            format!("\"{text}\" is no name server, expected an address with or without port")
        })
    });
    if let Some(many) = servers.as_ref().filter(|it| it.value.len() > MOST) {
        let what = format!("names more than {MOST}, expected one or two");
        section.source.refuse(many, &what);
    }
    section.finish();
    let servers = servers.map(|servers| servers.value).unwrap_or_default();
    DnsConfig {
        servers: servers.into_iter().map(|at| at.value).collect(),
    }
}

/// An address, with port 53 when it says none.
pub(super) fn server(text: &str) -> Option<SocketAddr> {
    let alone = || text.parse::<IpAddr>().map(|it| SocketAddr::new(it, PORT));
    text.parse().or_else(|_| alone()).ok()
}

#[cfg(test)]
mod tests {
    use crate::config::load;

    #[test]
    fn name_servers_have_addresses_and_maybe_ports() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("tideover.toml");
        let told = |dns: &str| {
            let text = format!(
                "[server]\nhostname = \"mx.example.org\"\n[[listener]]\nbind = \"127.0.0.1:2525\"\n\
                 [backend.a]\nhosts = [\"192.0.2.1:25\"]\n\
                 [domain.\"example.org\"]\nhome = \"a\"\nunknown = \"relay\"\n{dns}"
            );
            std::fs::write(&file, text).unwrap();
            load(&file)
                .map(|config| config.dns.servers)
                .map_err(|problems| problems.to_string())
        };
        assert_eq!(told(""), Ok(Vec::new()));
        assert_eq!(told("[dns]\nservers = []"), Ok(Vec::new()));
        let ports = "\"192.0.2.1:5353\", \"[::1]:54\"";
        assert_eq!(
            told(&format!(
                "[dns]\nservers = [\"127.0.0.1\", \"2001:db8::1\", {ports}]"
            )),
            Ok(vec![
                "127.0.0.1:53".parse().unwrap(),
                "[2001:db8::1]:53".parse().unwrap(),
                "192.0.2.1:5353".parse().unwrap(),
                "[::1]:54".parse().unwrap(),
            ])
        );
        let name = told("[dns]\nservers = [\"dns.example.org\"]").unwrap_err();
        assert!(name.contains("is no name server"), "{name}");
        let many = format!("[dns]\nservers = [{}]", "\"127.0.0.1\", ".repeat(9));
        assert!(told(&many).unwrap_err().contains("more than 8"));
    }
}
