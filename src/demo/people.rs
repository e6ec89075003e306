//! Who lives in the demo, and the config that its front door gets.

use std::fmt::Write as _;
use std::net::SocketAddr;

/// Somebody at example.org.
#[derive(Debug)]
pub(super) struct Person {
    pub(super) address: &'static str,
    pub(super) name: &'static str,
    /// The platform that holds the mailbox.
    pub(super) home: Home,
    /// The address of the mailbox there, when it is not the public one.
    pub(super) delivery_address: Option<&'static str>,
    pub(super) aliases: &'static str,
}

/// One of the two platforms.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Home {
    Onprem,
    Cloud,
}

impl Home {
    pub(super) const BOTH: [Self; 2] = [Self::Onprem, Self::Cloud];

    /// Its name in the config.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Onprem => "onprem",
            Self::Cloud => "cloud",
        }
    }
}

/// Half of them have moved.
pub(super) const PEOPLE: [Person; 4] = [
    Person {
        address: "ann@example.org",
        name: "Ann Smith",
        home: Home::Onprem,
        delivery_address: None,
        aliases: "a.smith@example.org",
    },
    Person {
        address: "chloe@example.org",
        name: "Chloé Martin",
        home: Home::Onprem,
        delivery_address: None,
        aliases: "",
    },
    Person {
        address: "bob@example.org",
        name: "Bob Jones",
        home: Home::Cloud,
        delivery_address: Some("bob@tenant.example"),
        aliases: "",
    },
    Person {
        address: "dan@example.org",
        name: "Dan Weiß",
        home: Home::Cloud,
        delivery_address: Some("dan@tenant.example"),
        aliases: "",
    },
];

/// Whose mailbox an address is: the address itself, an alias, or with a tag behind a plus.
pub(super) fn owner(address: &str) -> Option<&'static Person> {
    let (local, domain) = address.split_once('@')?;
    let plain = format!("{}@{domain}", local.split('+').next().unwrap_or(local));
    let mut people = PEOPLE.iter();
    people.find(|person| person.address == plain || person.aliases == plain)
}

/// `directory.csv`.
pub(super) fn directory() -> String {
    let mut csv = String::from("address,home,delivery_address,name,aliases\n");
    for person in &PEOPLE {
        let delivery = person.delivery_address.unwrap_or_default();
        // Writing to a String cannot fail.
        writeln!(
            csv,
            "{},{},{delivery},{},{}",
            person.address,
            person.home.name(),
            person.name,
            person.aliases
        )
        .ok();
    }
    csv
}

/// Where the sandbox platforms are.
#[derive(Debug, Clone, Copy)]
pub(super) struct Addresses {
    pub(super) onprem: SocketAddr,
    pub(super) cloud: SocketAddr,
    pub(super) internet: SocketAddr,
}

/// `tideover.toml`; ports of ours that are 0 are free ones.
pub(super) fn config(addresses: Addresses, web: u16) -> String {
    let Addresses {
        onprem,
        cloud,
        internet,
    } = addresses;
    format!(
        r#"# The config of `tideover demo`.
[server]
hostname = "mx.example.org"
data_dir = "data"

[spool]
min_free = "16MiB"

[[listener]]
bind = "127.0.0.1:0"
role = "mx"
tls = "starttls"

[backend.onprem]
hosts = ["{onprem}"]
[backend.onprem.probe]
interval = "1s"
down_after = 2
up_after = 2

[backend.cloud]
hosts = ["{cloud}"]
[backend.cloud.probe]
interval = "1s"
down_after = 2
up_after = 2

[domain."example.org"]
type = "authoritative"
home = "onprem"
unknown = "reject"

[directory]
file = "directory.csv"

[outbound]
relay = ["{internet}"]

[web]
bind = "127.0.0.1:{web}"

[admin]
bind = "127.0.0.1:0"
"#
    )
}
