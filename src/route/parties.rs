//! Whose an address is, for the policy on automatic answers.

use super::Router;
use crate::automatic::Party;
use crate::smtp::Mailbox;

impl Router {
    /// Whose it is; `None`: probes of drills come back to it, to which no policy applies.
    pub(super) fn party_of(&self, address: &Mailbox) -> Option<Party> {
        let options = self.options();
        let drill = options.drill.as_ref();
        if drill.is_some_and(|drill| drill.key() == address.key()) {
            return None;
        }
        let directory = self.directory().current();
        if let Some((entry, _)) = directory.find(address) {
            let rule = directory.domain(entry.address.domain());
            let home = entry.home.or_else(|| rule.map(|rule| self.home_of(&rule)));
            return Some(Party::Ours { home });
        }
        if let Some(rule) = directory.domain(address.domain()) {
            let home = Some(self.home_of(&rule));
            return Some(Party::Ours { home });
        }
        // Servers of ours have names below our domains, and send reports in them.
        let key = address.domain().key();
        let is_below = |name: &str| {
            let front = key.strip_suffix(name);
            front.is_some_and(|front| front.ends_with('.'))
        };
        Some(if directory.domains().any(|rule| is_below(&rule.name)) {
            Party::Ours { home: None }
        } else {
            Party::Stranger
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::Board;
    use crate::base::Clock;
    use crate::directory::{Directory, DirectoryHandle, DomainKind, DomainRule, Record, Unknown};
    use crate::mail::BackendId;
    use crate::route::{Admit as _, RouteOptions};

    #[test]
    fn people_servers_and_strangers_are_told_apart() {
        let rule = DomainRule {
            name: "example.org".into(),
            kind: DomainKind::InternalRelay,
            home: BackendId::new("onprem"),
            failover: Vec::new(),
            unknown: Unknown::Reject,
        };
        let mut builder = Directory::builder(vec![rule]);
        let mut dee = Record::new("dee@example.org".parse().unwrap());
        dee.home = Some(BackendId::new("cloud"));
        builder.add(dee);
        builder.add(Record::new("ann@example.org".parse().unwrap()));
        let directory = DirectoryHandle::new(builder.finish());
        let options = RouteOptions {
            drill: Some("drill@example.org".parse().unwrap()),
            ..RouteOptions::default()
        };
        let router = Router::new(directory, Board::new(&[], Clock::system()), options);
        let ours = |home: Option<&str>| {
            let home = home.map(BackendId::new);
            Some(Party::Ours { home })
        };
        for (address, expected) in [
            ("Dee@example.org", ours(Some("cloud"))),
            ("ann+tag@EXAMPLE.org", ours(Some("onprem"))),
            ("MicrosoftExchange329e@example.org", ours(Some("onprem"))),
            ("mailer-daemon@ex1.example.org", ours(None)),
            ("eve@notexample.org", Some(Party::Stranger)),
            ("eve@example.org.evil.example", Some(Party::Stranger)),
            ("Drill@example.org", None),
        ] {
            assert_eq!(
                router.party(&address.parse().unwrap()),
                expected,
                "{address}"
            );
        }
    }
}
