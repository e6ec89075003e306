//! No address of ours is a pass for the way to somewhere else that it names (I11).

use super::decide::Walk;
use super::refusals::{NOT_KNOWN_YET, ROUTED};
use super::{Decision, Origin, Telling};
use crate::directory::FoundBy;
use crate::smtp::Mailbox;

impl Walk<'_> {
    /// I11: refuses a way to somewhere else at a domain of ours, when it comes from the Internet: a
    /// platform that trusts us could follow it. Behind the separator of a tag it is the stranger's
    /// word as much as in the name of nobody; only who has exactly this address is meant by it.
    /// What was taken is ours to deliver, and is never refused here; its steps say what comes in.
    pub(super) fn routed(&mut self, address: &Mailbox, origin: Origin) -> Option<Decision> {
        // Behind the first address it is the directory that says where mail goes.
        let is_told = self.view.telling == Telling::Steps && self.steps.is_empty();
        if !address.is_routed() || origin == Origin::Trusted && !is_told {
            return None;
        }
        let directory = self.view.directory;
        // Whom an X.500 address means gets his mail under his own.
        let found = directory.find(address);
        if found.is_some_and(|(_, by)| by != FoundBy::Tag) {
            return None;
        }
        // Domains of others are refused for being that.
        directory.domain(address.domain())?;
        if origin == Origin::Trusted {
            self.say(|| {
                format!(
                    "{address} names a way to somewhere else: for who logs in or is trusted; mail \
                     from the Internet is refused"
                )
            });
            return None;
        }
        self.say(|| format!("{address} names a way to somewhere else: reject it"));
        // Perhaps somebody has it once the whole directory is known.
        let is_early = directory.is_provisional();
        let refusal = if is_early { NOT_KNOWN_YET } else { ROUTED };
        Some(Decision::Reject(refusal))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::Board;
    use crate::base::{Clock, Timestamp};
    use crate::directory::{
        Builder, Directory, DirectoryHandle, DomainKind, DomainRule, Record, Rules, Unknown,
    };
    use crate::mail::BackendId;
    use crate::route::{Admission, Admit as _, RouteOptions, Router};
    use crate::smtp::Reply;

    /// Ways to somewhere else that begin as a tag of Ann does.
    const TAGS: [&str; 8] = [
        "ann+x%elsewhere.example@example.org",
        "Ann+x%elsewhere.example@EXAMPLE.org",
        "\"ann+x%elsewhere.example\"@example.org",
        "\"ann+x@elsewhere.example\"@example.org",
        "\"ann+\\@elsewhere.example\"@example.org",
        "ann+elsewhere.example!x@example.org",
        "ann+%elsewhere.example@example.org",
        "a.nn+x%elsewhere.example@example.org",
    ];

    /// Ann, who has an alias, and people whose addresses only look like a way.
    fn directory(separator: Option<char>, unknown: Unknown) -> Directory {
        let rule = DomainRule {
            name: "example.org".to_owned(),
            kind: DomainKind::InternalRelay,
            home: BackendId::new("onprem"),
            failover: Vec::new(),
            unknown,
        };
        let mut builder = Builder::new(Rules {
            tag_separator: separator,
            ..Rules::of(vec![rule])
        });
        let mut ann = Record::new("ann@example.org".parse().unwrap());
        ann.aliases = vec![
            "a.nn@example.org".parse().unwrap(),
            "ann+up%down@example.org".parse().unwrap(),
        ];
        ann.x500 = vec!["/o=Org/ou=100%/cn=Ann".to_owned()];
        builder.add(ann);
        builder.add(Record::new("odd%name@example.org".parse().unwrap()));
        builder.finish()
    }

    fn router(directory: Directory) -> Router {
        let board = Board::new(&[], Clock::system());
        Router::new(
            DirectoryHandle::new(directory),
            board,
            RouteOptions::default(),
        )
    }

    /// `None`: it is taken.
    fn refusal(router: &Router, address: &str, origin: Origin) -> Option<Reply> {
        match router.admit(&address.parse().unwrap(), origin) {
            Admission::Reject(reply) => Some(reply),
            Admission::Accept { .. } => None,
        }
    }

    #[test]
    fn a_tag_is_no_pass_for_somewhere_else() {
        for unknown in [Unknown::Reject, Unknown::Relay] {
            let router = router(directory(Some('+'), unknown));
            for address in TAGS {
                let refused = refusal(&router, address, Origin::Internet);
                assert_eq!(refused, Some(ROUTED), "{address} {unknown:?}");
                // Who logs in or is trusted may write to everybody anyway.
                let refused = refusal(&router, address, Origin::Trusted);
                assert_eq!(refused, None, "{address} {unknown:?}");
            }
        }
    }

    #[test]
    fn tags_that_lead_nowhere_and_exact_addresses_are_taken() {
        let router = router(directory(Some('+'), Unknown::Reject));
        for address in [
            "ann@example.org",
            "ann+shop@example.org",
            "ann+a.b@example.org",
            "\"ann+a b\"@example.org",
            "ann+a=elsewhere.example@example.org",
            "a.nn+shop@example.org",
            "odd%name@example.org",
            "ann+up%down@example.org",
            "Ann+Up%Down@example.org",
            "IMCEAEX-_o=Org_ou=100%_cn=Ann@example.org",
        ] {
            let refused = refusal(&router, address, Origin::Internet);
            assert_eq!(refused, None, "{address}");
        }
        // A tag of who has such an address is a tag: behind it stands what the sender wrote.
        let refused = refusal(&router, "odd%name+x@example.org", Origin::Internet);
        assert_eq!(refused, Some(ROUTED));
    }

    #[test]
    fn where_there_are_no_tags_it_is_refused_as_of_nobody() {
        let router = router(directory(None, Unknown::Relay));
        for address in TAGS {
            let refused = refusal(&router, address, Origin::Internet);
            assert_eq!(refused, Some(ROUTED), "{address}");
        }
        let exact = refusal(&router, "ann+up%down@example.org", Origin::Internet);
        assert_eq!(exact, None);
    }

    /// Who has exactly this address may not be known yet.
    #[test]
    fn nothing_is_final_while_the_directory_is_not_known() {
        let router = router(directory(Some('+'), Unknown::Reject).provisional());
        let refused = refusal(&router, TAGS[0], Origin::Internet);
        assert_eq!(refused, Some(NOT_KNOWN_YET));
    }

    /// Who asks why a sender got 550 hears it, though his own mail would be taken.
    #[test]
    fn it_is_explained_that_outside_it_is_refused() {
        let router = router(directory(Some('+'), Unknown::Relay));
        let tells = |address: &str| {
            let steps = router.explain(&address.parse().unwrap()).steps;
            let told = "mail from the Internet is refused";
            steps.iter().filter(|step| step.contains(told)).count()
        };
        for address in TAGS {
            assert_eq!(tells(address), 1, "{address}");
        }
        assert_eq!(tells("nobody%elsewhere.example@example.org"), 1);
        for address in ["ann+shop@example.org", "odd%name@example.org"] {
            assert_eq!(tells(address), 0, "{address}");
        }
    }

    /// Mail that was taken when it still was is delivered, or waits.
    #[test]
    fn what_was_taken_is_not_refused_afterwards() {
        let router = router(directory(Some('+'), Unknown::Reject));
        for address in TAGS {
            let address: Mailbox = address.parse().unwrap();
            let route = router.route(&address, Timestamp::EPOCH);
            let is_kept = matches!(route.decision, Decision::Hold { .. });
            assert!(is_kept, "{address}: {route:?}");
            assert_eq!(route.mailbox.as_deref(), Some("ann@example.org"));
        }
    }
}
