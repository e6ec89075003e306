//! The open-relay test: the tricks by which strangers have sent through servers since there are
//! servers, said to our own sessions as somebody outside says them. No network, no message: the
//! reply to RCPT is enough.

use std::cell::RefCell;
use std::net::IpAddr;

use super::admission::Doorway;
use super::sasl::Mechanism;
use super::session::{Action, BadLine, Introduces, Pipelined, Rules, Session, StartTls};
use super::{Options, Role};
use crate::net::{Network, stranger_in};
use crate::route::{Admission, Admit, OpenTrick, Origin, RelayTest, WideNetwork};
use crate::smtp::{Command, ForwardPath, MailParameters, Mailbox, Reply, ReversePath};

/// Where nobody of ours is: public name servers. Who trusts one of them trusts the world.
const OUTSIDE: [&str; 5] = [
    "1.1.1.1",
    "8.8.8.8",
    "9.9.9.9",
    "208.67.222.222",
    "2606:4700:4700::1111",
];
/// The stranger to whom it should not go (RFC 6761 §6.5).
const TO: &str = "relay-test";
const AT: &str = "elsewhere.example";

/// Bytes that the plainest tricks need behind the separator of a tag, quotes included.
pub const TRICK_TAG: usize = TO.len() + "@".len() + AT.len() + "\"\"".len();

/// A domain for which mail is taken, as strangers name it.
#[derive(Debug, Clone, Copy)]
pub struct OwnDomain<'a> {
    /// Its name.
    pub name: &'a str,
    /// How the addresses with a tag of somebody there begin: `ann+`. `None`: nobody has any.
    pub tagged: Option<&'a str>,
}

/// Tries all tricks at a listener with `options`, which takes mail for the domain `ours`.
#[must_use]
pub fn test_relay(options: &Options, admit: &dyn Admit, ours: OwnDomain<'_>) -> RelayTest {
    let mut test = RelayTest::default();
    each_trick(options, admit, ours, |worked| test.note(worked));
    test
}

/// What became of each: `None` when it did not work.
fn each_trick(
    options: &Options,
    admit: &dyn Admit,
    ours: OwnDomain<'_>,
    mut note: impl FnMut(Option<OpenTrick>),
) {
    let senders = senders(ours.name, &options.hostname);
    for rcpt in recipients(ours, &options.hostname) {
        for mail in &senders {
            let lane = attempt(options, admit, (mail, &rcpt));
            note(lane.map(|lane| OpenTrick {
                listener: options.listener.clone(),
                mail: mail.clone(),
                rcpt: rcpt.clone(),
                lane,
            }));
        }
    }
}

/// Who says that he sends: somebody outside, nobody, and what claims to be ours.
fn senders(ours: &str, hostname: &str) -> Vec<String> {
    vec![
        "<relay-test@outside.example>".to_owned(),
        "<>".to_owned(),
        format!("<relay-test@{ours}>"),
        format!("<postmaster@{hostname}>"),
        "<relay-test@localhost>".to_owned(),
        "<relay-test@[127.0.0.1]>".to_owned(),
    ]
}

/// To whom: the stranger as he is, and dressed up as one of ours.
fn recipients(own: OwnDomain<'_>, hostname: &str) -> Vec<String> {
    let ours = own.name;
    let shouted = ours.to_ascii_uppercase();
    let plain = [
        format!("<{TO}@{AT}>"),
        format!("<{TO}@ELSEWHERE.Example>"),
        format!("<{TO}@{AT}.>"),
        format!("{TO}@{AT}"),
        format!("<{TO}@[192.0.2.25]>"),
        format!("<{TO}@[IPv6:2001:db8::25]>"),
        format!("<{TO}@192.0.2.25>"),
        // Domains that look like ours.
        format!("<{TO}@{ours}.{AT}>"),
        format!("<{TO}@x{ours}>"),
        format!("<{ours}@{AT}>"),
    ];
    // Source routes.
    let routes = [
        format!("<@{ours}:{TO}@{AT}>"),
        format!("<@{ours},@{hostname}:{TO}@{AT}>"),
        format!("<@[127.0.0.1]:{TO}@{AT}>"),
        format!("<{TO}@{AT}@{ours}>"),
        format!("<{TO}@{ours}@{AT}>"),
        format!("<{AT}!{TO}>"),
        format!("<{ours}!{TO}@{AT}>"),
        format!("<\"{TO}@{AT}\">"),
        format!("<\"{TO}\"@{AT}>"),
    ];
    let homes = [ours, &shouted, hostname, "localhost", "[127.0.0.1]"];
    let mut all: Vec<String> = plain.into_iter().chain(routes).collect();
    for home in homes {
        all.extend(disguises("", home));
    }
    // Whatever stands behind the separator, a directory may find somebody by it.
    if let Some(tagged) = own.tagged {
        for home in [ours, &shouted] {
            all.extend(disguises(tagged, home));
        }
    }
    all
}

/// The stranger dressed up as somebody at `home`, whose address begins with `front`.
fn disguises(front: &str, home: &str) -> [String; 6] {
    [
        format!("<{front}{TO}%{AT}@{home}>"),
        format!("<\"{front}{TO}%{AT}\"@{home}>"),
        format!("<\"{front}{TO}@{AT}\"@{home}>"),
        format!("<{front}{AT}!{TO}@{home}>"),
        format!("<{front}{AT}!{TO}%{AT}@{home}>"),
        format!("<\"{front}@{home}:{TO}@{AT}\"@{home}>"),
    ]
}

/// Where a message would go that a stranger brings so; `None` when he is refused, or it is for us.
fn attempt(options: &Options, admit: &dyn Admit, (mail, rcpt): (&str, &str)) -> Option<String> {
    let outsider = Outsider {
        doorway: Doorway {
            options,
            admit,
            origin: origin(options),
        },
        taken: RefCell::default(),
    };
    let mut session = Session::new(StartTls::NotOffered);
    let mut taken = false;
    for line in [
        format!("{} relay-test.example", greeting(options)),
        format!("MAIL FROM:{mail}"),
        format!("RCPT TO:{rcpt}"),
    ] {
        let command = Command::parse(line.as_bytes()).map_err(BadLine::from);
        let (next, action) = session.handle(command, Pipelined::No, &outsider);
        session = next;
        taken = matches!(action, Action::Reply(reply) if reply.is_success());
        if !taken {
            break;
        }
    }
    let (address, lane) = outsider.taken.into_inner().filter(|_| taken)?;
    leads_away(&address, &lane).then_some(lane)
}

const fn greeting(options: &Options) -> &'static str {
    if options.role.is_lmtp() {
        "LHLO"
    } else {
        "EHLO"
    }
}

/// It goes to a stranger, or to a platform that may take it for the way to one.
fn leads_away(address: &Mailbox, lane: &str) -> bool {
    lane.starts_with('@') || address.is_routed()
}

/// The networks of a listener that give rights to strangers: they are wider than anybody's own.
#[must_use]
pub fn wide_networks(options: &Options) -> Vec<WideNetwork> {
    let keys = [
        ("allow", allowed(&options.role)),
        ("proxy_from", options.spokesmen.proxy.as_slice()),
        ("xclient_from", options.spokesmen.xclient.as_slice()),
    ];
    let all = keys
        .iter()
        .flat_map(|(key, networks)| networks.iter().map(move |network| (key, network)));
    let wide = all.filter(|(_, network)| stranger_in(network).is_some());
    wide.map(|(key, network)| WideNetwork {
        listener: options.listener.clone(),
        key: (*key).to_owned(),
        network: network.to_string(),
    })
    .collect()
}

fn allowed(role: &Role) -> &[Network] {
    match role {
        Role::Relay { allow } | Role::Lmtp { allow } => allow,
        Role::Mx | Role::Submission => &[],
    }
}

/// As whom a client is seen that comes from outside: from one of the servers above, or from a
/// network of `allow` that is nobody's own.
fn origin(options: &Options) -> Origin {
    let allow = allowed(&options.role);
    let outside = OUTSIDE
        .iter()
        .filter_map(|text| text.parse::<IpAddr>().ok());
    let outside = outside.chain(allow.iter().filter_map(stranger_in));
    // Who may say whose a connection is says that it is one of those who are trusted.
    let spokesmen = &options.spokesmen;
    let mut spokesmen = spokesmen.proxy.iter().chain(&spokesmen.xclient);
    let may_introduce = spokesmen.any(|it| stranger_in(it).is_some());
    let introduced = allow.iter().map(Network::first);
    let introduced = introduced.filter(|_| may_introduce);
    let mut origins = outside
        .chain(introduced)
        .map(|address| options.role.origin(address));
    if origins.any(|origin| origin == Origin::Trusted) {
        Origin::Trusted
    } else {
        Origin::Internet
    }
}

/// A session's world with a stranger in it.
struct Outsider<'a> {
    doorway: Doorway<'a>,
    /// Who was taken, and where his mail would wait.
    taken: RefCell<Option<(Mailbox, String)>>,
}

impl Rules for Outsider<'_> {
    fn options(&self) -> &Options {
        self.doorway.options
    }

    fn room(&self) -> Result<(), Reply> {
        Ok(())
    }

    fn is_encrypted(&self) -> bool {
        // Who wants to log in could: it must be the login that keeps him out.
        true
    }

    fn mechanisms(&self) -> &[Mechanism] {
        Mechanism::ALL
    }

    fn may_send_as(&self, _from: &ReversePath, _said: &MailParameters) -> Result<(), Reply> {
        Ok(())
    }

    fn is_awaited(&self) -> bool {
        false
    }

    fn introduces(&self) -> Introduces {
        Introduces::Nobody
    }

    fn admit(&self, to: &ForwardPath) -> Admission {
        let admission = self.doorway.admission(to);
        if let Admission::Accept { address, lane, .. } = &admission {
            *self.taken.borrow_mut() = Some((address.clone(), lane.clone()));
        }
        admission
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inbound::{Role, TlsMode, samples};

    fn options(role: Role) -> Options {
        Options {
            listener: "192.0.2.1:25".to_owned(),
            tls: TlsMode::None,
            ..samples::options(role)
        }
    }

    /// With somebody who is known by tags.
    const OURS: OwnDomain<'static> = OwnDomain {
        name: "example.org",
        tagged: Some("ann+"),
    };

    /// A door that takes what its rule says, whoever asks.
    #[derive(Debug)]
    struct Takes(fn(&str, &str, Origin) -> bool);

    impl Admit for Takes {
        fn admit(&self, address: &Mailbox, origin: Origin) -> Admission {
            let domain = address.domain().key();
            if !(self.0)(address.local(), &domain, origin) {
                return Admission::Reject(Reply::new(550, (5, 7, 1), "No"));
            }
            let ours = domain == "example.org";
            Admission::Accept {
                address: address.clone(),
                lane: if ours {
                    "onprem".to_owned()
                } else {
                    format!("@{domain}")
                },
                mailbox: None,
            }
        }
    }

    fn opened(role: Role, takes: fn(&str, &str, Origin) -> bool) -> Vec<String> {
        let options = options(role);
        let test = test_relay(&options, &Takes(takes), OURS);
        assert!(test.tried > 200, "{}", test.tried);
        let mut said = Vec::new();
        each_trick(&options, &Takes(takes), OURS, |worked| {
            said.extend(worked);
        });
        assert_eq!(test.worked, said.len());
        assert_eq!(test.problem().is_some(), !said.is_empty());
        assert!(test.open.len() <= 10, "{}", test.open.len());
        let mut said: Vec<_> = said.into_iter().map(|trick| trick.rcpt).collect();
        said.dedup();
        said
    }

    #[test]
    fn a_door_that_takes_its_own_people_is_closed() {
        let none = Vec::<String>::new();
        assert_eq!(
            opened(Role::Mx, |local, domain, _| local == "ann"
                && domain == "example.org"),
            none
        );
        // It takes anybody here, and hands him to the platform as he is.
        assert_eq!(
            opened(Role::Mx, |local, domain, _| {
                domain == "example.org" && !local.contains(['%', '!', '@'])
            }),
            none
        );
    }

    #[test]
    fn each_hole_is_found() {
        // Everything for everybody.
        let all = opened(Role::Mx, |_, _, _| true);
        for trick in [
            "<relay-test@elsewhere.example>",
            "<@example.org:relay-test@elsewhere.example>",
            "<relay-test@[192.0.2.25]>",
            "<\"relay-test\"@elsewhere.example>",
            "<relay-test%elsewhere.example@localhost>",
            "<relay-test@example.org.elsewhere.example>",
        ] {
            assert!(all.contains(&trick.to_owned()), "{trick} {all:?}");
        }
        // Anybody at our domain, whatever stands in front of the @.
        let ours = opened(Role::Mx, |_, domain, _| domain == "example.org");
        for trick in [
            "<relay-test%elsewhere.example@example.org>",
            "<relay-test%elsewhere.example@EXAMPLE.ORG>",
            "<\"relay-test@elsewhere.example\"@example.org>",
            "<elsewhere.example!relay-test@example.org>",
        ] {
            assert!(ours.contains(&trick.to_owned()), "{trick} {ours:?}");
        }
        // What ends or begins like ours.
        let alike = opened(Role::Mx, |_, domain, _| domain.ends_with("example.org"));
        assert!(
            alike.contains(&"<relay-test@xexample.org>".to_owned()),
            "{alike:?}"
        );
    }

    /// What stands behind the separator is the stranger's own words.
    #[test]
    fn tags_of_our_people_are_tried() {
        let takes = |local: &str, domain: &str, _: Origin| {
            domain == "example.org" && local.trim_start_matches('"').starts_with("ann+")
        };
        let tagged = opened(Role::Mx, takes);
        for trick in [
            "<ann+relay-test%elsewhere.example@example.org>",
            "<ann+relay-test%elsewhere.example@EXAMPLE.ORG>",
            "<\"ann+relay-test%elsewhere.example\"@example.org>",
            "<\"ann+relay-test@elsewhere.example\"@example.org>",
            "<ann+elsewhere.example!relay-test@example.org>",
            "<ann+elsewhere.example!relay-test%elsewhere.example@example.org>",
        ] {
            assert!(tagged.contains(&trick.to_owned()), "{trick} {tagged:?}");
        }
        assert_eq!(tagged.len(), 12, "{tagged:?}");
        // Where nobody is known by tags there is nothing to try.
        let untagged = OwnDomain {
            tagged: None,
            ..OURS
        };
        let test = test_relay(&options(Role::Mx), &Takes(takes), untagged);
        assert_eq!(test.worked, 0);
        assert!(test.tried > 200, "{}", test.tried);
    }

    #[test]
    fn who_trusts_everybody_is_open() {
        let trusted = |_: &str, _: &str, origin: Origin| origin == Origin::Trusted;
        let allow = |text: &str| Role::Relay {
            allow: vec![text.parse().unwrap()],
        };
        assert!(!opened(allow("0.0.0.0/0"), trusted).is_empty());
        assert!(!opened(allow("::/0"), trusted).is_empty());
        assert!(!opened(allow("128.0.0.0/1"), trusted).is_empty());
        for wide in ["64.0.0.0/2", "45.0.0.0/8", "2a00::/12", "8.8.8.0/24"] {
            assert!(!opened(allow(wide), trusted).is_empty(), "{wide}");
        }
        assert!(opened(allow("10.0.0.0/8"), trusted).is_empty());
        // That is what it is for.
        assert!(opened(allow("203.0.113.0/24"), trusted).is_empty());
        assert!(opened(Role::Mx, trusted).is_empty());
    }

    /// Who may say whose a connection is may say that he is trusted.
    #[test]
    fn strangers_who_speak_for_others_make_an_open_relay() {
        let network = |text: &str| -> Network { text.parse().unwrap() };
        let devices = Role::Relay {
            allow: vec![network("10.0.0.0/8")],
        };
        let door = Takes(|_, _, origin| origin == Origin::Trusted);
        let works = |options: &Options| test_relay(options, &door, OURS).worked;
        let mut narrow = options(devices);
        narrow.spokesmen.proxy = vec![network("203.0.113.7")];
        narrow.spokesmen.xclient = vec![network("192.168.0.0/16")];
        assert_eq!(works(&narrow), 0);
        assert!(wide_networks(&narrow).is_empty());
        let mut wide = narrow.clone();
        wide.spokesmen.xclient.push(network("64.0.0.0/2"));
        assert!(works(&wide) > 0);
        let told = wide_networks(&wide);
        let told: Vec<_> = told.iter().map(ToString::to_string).collect();
        assert_eq!(told, ["64.0.0.0/2 in xclient_from of 192.0.2.1:25"]);
        wide.spokesmen.xclient.clear();
        wide.spokesmen.proxy.push(network("0.0.0.0/1"));
        assert!(works(&wide) > 0);
        // Without anybody who is trusted there is nobody to pass for; it is told all the same.
        wide.role = Role::Mx;
        assert_eq!(works(&wide), 0);
        assert_eq!(wide_networks(&wide).len(), 1);
        wide.role = Role::Lmtp {
            allow: vec![network("128.0.0.0/2")],
        };
        assert_eq!(wide_networks(&wide).len(), 2);
    }

    /// Without a login nothing is taken, not even by a door that would take everything.
    #[test]
    fn who_has_not_logged_in_hands_in_nothing() {
        assert!(opened(Role::Submission, |_, _, _| true).is_empty());
    }
}
