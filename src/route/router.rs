//! The decision with everything that it needs at hand.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, OnceLock, PoisonError, RwLock};
use std::time::Duration;

use metrics::counter;
use sha2::{Digest as _, Sha256};

use super::groups::is_down_since;
use super::{
    Admission, Admit, Decision, Explanation, Holds, LastRelayTest, Nearly, Origin, Telling,
    Verifier, View, decide, nearly,
};
use crate::automatic::Party;
use crate::backend::{BackendHealth, Board, Health};
use crate::base::{Boxed, Timestamp, hex};
use crate::directory::{DirectoryHandle, DomainRule, FoundBy, Verified, X500Uses, decapsulate};
use crate::mail::{Authenticity, BackendId, SpoolId};
use crate::smtp::{Domain, Mailbox, ReversePath};
use crate::telemetry::names;

/// What the config says about routes; homes and failover stand with the domains in the directory.
#[derive(Debug, Clone, Default)]
pub struct RouteOptions {
    /// `server.hostname`: `postmaster` at it is ours too.
    pub hostname: Option<Domain>,
    /// `server.postmaster`: who gets the mail for `postmaster` of our domains, unless the
    /// directory names somebody.
    pub postmaster: Option<Mailbox>,
    /// `outbound.relay`, in order.
    pub relay: Vec<OutboundRelay>,
    /// Homes whose `failover` holds while they are rejecting, too.
    pub failover_when_rejecting: BTreeSet<BackendId>,
    /// `directory.expand_groups`: groups are expanded when their home is down for so long; `None`:
    /// never.
    pub expand_groups: Option<Duration>,
    /// `drill.address`: where probes come back to.
    pub drill: Option<Mailbox>,
}

/// One of the ways to strangers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OutboundRelay {
    /// `"mx"`: the hosts that DNS names for the domain.
    Mx,
    /// `"backend:NAME"`; left out while it is down.
    Backend(BackendId),
    /// `"host:port"`.
    Host(String),
}

/// What is known of mail that was accepted.
#[derive(Debug, Clone, Copy)]
pub struct Mail<'a> {
    /// The message.
    pub id: SpoolId,
    /// Its sender.
    pub from: &'a ReversePath,
    /// The recipient's address.
    pub address: &'a Mailbox,
    /// Whether its sender proved to be one of ours.
    pub authenticity: Authenticity,
    /// When the recipient was released past the rules of that time.
    pub exempt: Option<Timestamp>,
}

/// Decides routes; cheap to clone.
#[derive(Clone)]
pub struct Router(Arc<Inner>);

struct Inner {
    directory: DirectoryHandle,
    board: Board,
    holds: Holds,
    options: RwLock<Arc<RouteOptions>>,
    verifier: OnceLock<Verifier>,
    x500_uses: X500Uses,
    relay_test: LastRelayTest,
}

impl fmt::Debug for Router {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Router").field(&self.options()).finish()
    }
}

impl Router {
    /// A router over the present directory and health, whatever they are when it is asked.
    #[must_use]
    pub fn new(directory: DirectoryHandle, board: Board, options: RouteOptions) -> Self {
        Self(Arc::new(Inner {
            directory,
            board,
            holds: Holds::default(),
            options: RwLock::new(Arc::new(options)),
            verifier: OnceLock::new(),
            x500_uses: X500Uses::default(),
            relay_test: LastRelayTest::default(),
        }))
    }

    /// Asks homes through `verifier` from now on. The first one counts.
    pub fn verify_with(&self, verifier: Verifier) {
        self.0.verifier.set(verifier).ok();
    }

    /// Who asks homes; `None`: nobody does.
    #[must_use]
    pub fn verifier(&self) -> Option<&Verifier> {
        self.0.verifier.get()
    }

    /// Who still writes to X.500 addresses.
    #[must_use]
    pub fn x500_uses(&self) -> &X500Uses {
        &self.0.x500_uses
    }

    /// The domains that we take mail for.
    #[must_use]
    pub fn domains(&self) -> Vec<String> {
        let directory = self.0.directory.current();
        directory.domains().map(|rule| rule.name.clone()).collect()
    }

    /// Whether strangers could send through us, as it was found last.
    #[must_use]
    pub fn relay_test(&self) -> &LastRelayTest {
        &self.0.relay_test
    }

    /// The home of a domain: what a finished move gave it, else what the config says.
    pub(super) fn home_of(&self, rule: &DomainRule) -> BackendId {
        let book = self.0.holds.book();
        book.home(&rule.name).unwrap_or(&rule.home).clone()
    }

    pub(super) fn words(&self) -> Option<(&Verified, Timestamp)> {
        let verifier = self.verifier()?;
        Some((&verifier.verified, verifier.now()))
    }

    /// Takes over the options of a new config.
    pub fn configure(&self, options: RouteOptions) {
        let mut present = self
            .0
            .options
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        *present = Arc::new(options);
    }

    /// What is decided for `address` now, and why. Whoever was accepted may be delivered to:
    /// strangers are no reason to reject here.
    #[must_use]
    pub fn explain(&self, address: &Mailbox) -> Explanation {
        self.decide(address, None, Origin::Trusted, (Telling::Steps, None))
    }

    /// The same, with the rules that nearly applied. Blocks for a moment.
    #[must_use]
    pub fn explain_nearly(&self, address: &Mailbox) -> (Explanation, Vec<Nearly>) {
        let view = View {
            directory: &self.0.directory.current(),
            healths: &self.0.board.healths(),
            holds: &self.0.holds.book(),
            mail: None,
            options: &self.options(),
            origin: Origin::Trusted,
            telling: Telling::Steps,
            accepted: None,
            groups: self.groups_since(),
            words: self.words(),
        };
        let explanation = decide(address, &view);
        let found = nearly(address, &view, &explanation);
        (explanation, found)
    }

    /// As [`Self::explain`], without the steps: for each message, which was accepted then.
    #[must_use]
    pub fn route(&self, address: &Mailbox, accepted: Timestamp) -> Explanation {
        let telling = (Telling::Decision, Some(accepted));
        self.decide(address, None, Origin::Trusted, telling)
    }

    /// The route of one recipient of a message: also rules about senders and messages count.
    #[must_use]
    pub fn route_mail(&self, mail: &Mail<'_>) -> Explanation {
        let telling = (Telling::Decision, Some(mail.id.timestamp()));
        self.decide(mail.address, Some(mail), Origin::Trusted, telling)
    }

    /// As [`Self::route`], as if `backend` took mail: for the one message that finds out whether
    /// it does again.
    #[must_use]
    pub fn route_trial(
        &self,
        address: &Mailbox,
        backend: &BackendId,
        accepted: Timestamp,
    ) -> Explanation {
        let mut healths = (*self.0.board.healths()).clone();
        if let Some(health) = healths.get_mut(backend) {
            health.health = Health::Up;
        }
        let view = View {
            directory: &self.0.directory.current(),
            healths: &healths,
            holds: &self.0.holds.book(),
            mail: None,
            options: &self.options(),
            origin: Origin::Trusted,
            telling: Telling::Decision,
            accepted: Some(accepted),
            groups: None,
            words: self.words(),
        };
        decide(address, &view)
    }

    /// Does all mail in the lane of a backend wait, whoever it is for? Nobody has to look at it
    /// then.
    #[must_use]
    pub fn lane_waits(&self, lane: &str) -> bool {
        let healths = self.0.board.healths();
        let home = BackendId::new(lane);
        let takes =
            |backend: &BackendId| healths.get(backend).is_some_and(BackendHealth::takes_mail);
        if !healths.contains_key(&home) || takes(&home) {
            return false;
        }
        let directory = self.0.directory.current();
        let mut others = directory.domains().flat_map(|rule| rule.failover.clone());
        !others.any(|other| other != home && takes(&other))
    }

    /// Since when a backend is down, if for so long that its groups are expanded.
    #[must_use]
    pub fn expands_since(&self, backend: &BackendId) -> Option<Timestamp> {
        let healths = self.0.board.healths();
        let health = healths.get(backend)?;
        is_down_since(health, self.groups_since()).then_some(health.since)
    }

    fn groups_since(&self) -> Option<Timestamp> {
        let after = self.options().expand_groups?;
        Some(self.0.board.now().before(after))
    }

    /// Our name, if the config says it.
    #[must_use]
    pub fn hostname(&self) -> Option<String> {
        self.options().hostname.as_ref().map(ToString::to_string)
    }

    /// The backends of `outbound.relay`, in order: through them mail goes to strangers.
    #[must_use]
    pub fn smart_hosts(&self) -> Vec<BackendId> {
        let options = self.options();
        let backends = options.relay.iter().filter_map(|relay| match relay {
            OutboundRelay::Backend(backend) => Some(backend.clone()),
            OutboundRelay::Mx | OutboundRelay::Host(_) => None,
        });
        backends.collect()
    }

    /// Does mail to strangers go through this backend?
    #[must_use]
    pub fn relays_through(&self, backend: &BackendId) -> bool {
        self.smart_hosts().contains(backend)
    }

    fn decide(
        &self,
        address: &Mailbox,
        mail: Option<&Mail<'_>>,
        origin: Origin,
        (telling, accepted): (Telling, Option<Timestamp>),
    ) -> Explanation {
        let view = View {
            directory: &self.0.directory.current(),
            healths: &self.0.board.healths(),
            holds: &self.0.holds.book(),
            mail,
            options: &self.options(),
            origin,
            telling,
            accepted,
            groups: self.groups_since(),
            words: self.words(),
        };
        decide(address, &view)
    }

    /// The same while everybody has the same home: of the directory, the moves and the config, as
    /// this version of the program understands them.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        let mut hash = Sha256::new();
        hash.update(env!("CARGO_PKG_VERSION"));
        hash.update(self.0.directory.current().fingerprint());
        hash.update(format!("{:?}\0", self.0.holds.book().homes()));
        let backends: Vec<_> = self.0.board.healths().keys().cloned().collect();
        hash.update(format!("{backends:?}\0{:?}", self.options()));
        hex(&hash.finalize())
    }

    /// The directory that it asks.
    #[must_use]
    pub fn directory(&self) -> &DirectoryHandle {
        &self.0.directory
    }

    /// The board that it asks.
    #[must_use]
    pub fn board(&self) -> &Board {
        &self.0.board
    }

    /// What operators said about mail that is to wait.
    #[must_use]
    pub fn holds(&self) -> &Holds {
        &self.0.holds
    }

    pub(super) fn options(&self) -> Arc<RouteOptions> {
        let options = self.0.options.read();
        options.unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Admit for Router {
    fn admit(&self, address: &Mailbox, origin: Origin) -> Admission {
        let explanation = self.decide(address, None, origin, (Telling::Decision, None));
        match explanation.decision {
            Decision::Reject(reply) => Admission::Reject(reply),
            // Mail that has to wait is taken: that is what the program is for.
            Decision::Relay { .. } | Decision::Hold { .. } | Decision::Expand { .. } => {
                Admission::Accept {
                    address: address.clone(),
                    lane: explanation.lane,
                    mailbox: explanation.mailbox,
                }
            }
        }
    }

    fn encapsulated(&self, address: &Mailbox, from: &str, at: Timestamp) {
        // Somebody may have an address of exactly this name.
        let found = self.0.directory.current().find(address);
        if found.is_some_and(|(_, by)| by == FoundBy::X500)
            && let Some(x500) = decapsulate(address)
        {
            counter!(names::X500_RECIPIENTS).increment(1);
            self.0.x500_uses.note(&x500, from, at);
        }
    }

    fn party(&self, address: &Mailbox) -> Option<Party> {
        self.party_of(address)
    }

    fn prepare<'a>(&'a self, address: &'a Mailbox) -> Boxed<'a, ()> {
        Box::pin(self.ask_about(address))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Clock;
    use crate::directory::{Directory, DomainKind, DomainRule, Record, Unknown};

    #[test]
    fn the_front_door_gets_its_answer() {
        let rule = DomainRule {
            name: "example.org".into(),
            kind: DomainKind::ExternalRelay,
            home: BackendId::new("onprem"),
            failover: Vec::new(),
            unknown: Unknown::Reject,
        };
        let directory = DirectoryHandle::new(Directory::builder(vec![rule]).finish());
        let router = Router::new(
            directory.clone(),
            Board::new(&[], Clock::system()),
            RouteOptions::default(),
        );
        let ann: Mailbox = "Ann@example.org".parse().unwrap();
        // Even while nothing can be delivered, mail for a known domain is taken.
        assert_eq!(
            router.admit(&ann, Origin::Internet),
            Admission::Accept {
                address: ann.clone(),
                lane: "onprem".into(),
                mailbox: Some("ann@example.org".into()),
            }
        );
        directory.replace(Directory::default());
        let Admission::Reject(reply) = router.admit(&ann, Origin::Internet) else {
            panic!("a stranger was taken");
        };
        assert_eq!(reply.code, 550);
        let trusted = router.admit(&ann, Origin::Trusted);
        assert!(matches!(trusted, Admission::Accept { mailbox: None, .. }));
    }

    /// I11: what stands behind the `%` may be a stranger, and the home trusts us.
    #[test]
    fn a_domain_of_ours_is_no_pass_for_somewhere_else() {
        let mut rule = DomainRule {
            name: "example.org".into(),
            kind: DomainKind::InternalRelay,
            home: BackendId::new("onprem"),
            failover: Vec::new(),
            unknown: Unknown::Relay,
        };
        for unknown in [Unknown::Relay, Unknown::Verify] {
            rule.unknown = unknown;
            let mut builder = Directory::builder(vec![rule.clone()]);
            builder.add(Record::new("odd%name@example.org".parse().unwrap()));
            let directory = DirectoryHandle::new(builder.finish());
            let board = Board::new(&[], Clock::system());
            let router = Router::new(directory, board, RouteOptions::default());
            let refused = |address: &str, origin: Origin| {
                let admission = router.admit(&address.parse().unwrap(), origin);
                matches!(admission, Admission::Reject(reply) if reply.code == 550)
            };
            for address in [
                "victim%elsewhere.example@example.org",
                "elsewhere.example!victim@example.org",
                "\"victim@elsewhere.example\"@example.org",
                "\"a\\@b\"@EXAMPLE.org",
            ] {
                assert!(refused(address, Origin::Internet), "{address} {unknown:?}");
                assert!(!refused(address, Origin::Trusted), "{address} {unknown:?}");
            }
            for address in [
                "odd%name@example.org",
                "anybody@example.org",
                "a=b#c@example.org",
            ] {
                assert!(!refused(address, Origin::Internet), "{address} {unknown:?}");
            }
        }
    }

    #[test]
    fn only_x500_addresses_of_somebody_count() {
        let mut builder = Directory::builder(Vec::new());
        let mut ann = Record::new("ann@example.org".parse().unwrap());
        ann.x500 = vec!["/o=Org/cn=Ann".to_owned()];
        ann.aliases = vec!["IMCEAEX-_o=Org_cn=Alias@example.org".parse().unwrap()];
        builder.add(ann);
        let directory = DirectoryHandle::new(builder.finish());
        let board = Board::new(&[], Clock::system());
        let router = Router::new(directory, board, RouteOptions::default());
        for text in [
            "IMCEAEX-_O=ORG_CN=ANN@example.org",
            "IMCEAEX-_o=Org_cn=Alias@example.org",
            "IMCEAEX-_o=Org_cn=Nobody@example.org",
            "ann@example.org",
        ] {
            router.encapsulated(&text.parse().unwrap(), "b@x.example", Timestamp::EPOCH);
        }
        let (_, uses) = router.x500_uses().list();
        assert_eq!(uses.keys().collect::<Vec<_>>(), ["/o=org/cn=ann"]);
    }
}
