use std::sync::Arc;

use super::*;
use crate::backend::{BackendHealth, Healths};
use crate::base::Timestamp;
use crate::directory::generation_tests::{FORCE, House};
use crate::directory::{
    Directory, DisputedHome, FILE, Heard, ImportOptions, Normalise, Rules, Verified, read_csv,
};
use crate::route::{HoldBook, HoldRule, Move, Origin, RouteOptions, Telling, decide};

const PEOPLE: &str = "\
address,home,aliases,x500,type,members,internal_only
Ann@case.example,onprem,,,,,
ann@example.org,onprem,info@example.org,/o=Old/cn=ann,,,
list+x@example.org,,,,,,
list@example.org,,,,,,
bob@example.org,cloud,info@example.org,,,,
müller@example.org,,,,,,
joe@strict.example,,,,,,
team@strict.example,,,,group,ann@example.org,
staff@strict.example,,,,group,ann@example.org,yes
void@strict.example,,,,group,,
";

struct World {
    directory: Arc<Directory>,
    healths: Healths,
    holds: HoldBook,
    words: Verified,
    options: RouteOptions,
}

fn rule(name: &str, failover: &[&str]) -> DomainRule {
    DomainRule {
        name: name.to_owned(),
        kind: DomainKind::InternalRelay,
        home: BackendId::new("onprem"),
        failover: failover.iter().map(|name| BackendId::new(name)).collect(),
        unknown: Unknown::Reject,
    }
}

impl World {
    fn new() -> Self {
        let mut strict = rule("strict.example", &[]);
        strict.kind = DomainKind::Authoritative;
        let mut open = rule("open.example", &[]);
        open.unknown = Unknown::Relay;
        let mut asking = rule("asking.example", &[]);
        asking.unknown = Unknown::Verify;
        let domains = vec![
            rule("example.org", &["cloud"]),
            rule("case.example", &[]),
            strict,
            open,
            asking,
        ];
        let rules = Rules {
            exact_case: ["case.example".to_owned()].into(),
            normalise: Normalise::Report,
            ..Rules::of(domains)
        };
        let backends = vec![BackendId::new("onprem"), BackendId::new("cloud")];
        let options = ImportOptions { rules, backends };
        Self {
            directory: Arc::new(read_csv(PEOPLE.as_bytes(), options).unwrap()),
            healths: Healths::new(),
            holds: HoldBook::default(),
            words: Verified::default(),
            options: RouteOptions::default(),
        }
        .with("onprem", Health::Up)
        .with("cloud", Health::Up)
    }

    fn with(mut self, name: &str, health: Health) -> Self {
        let id = BackendId::new(name);
        let health = BackendHealth {
            id: id.clone(),
            health,
            reason: "refused".to_owned(),
            since: Timestamp::EPOCH,
            operator: None,
            remembered: false,
            failing: false,
        };
        self.healths.insert(id, health);
        self
    }

    fn held(mut self, selection: &str) -> Self {
        let rule = HoldRule {
            name: "h1".to_owned(),
            selection: serde_json::from_str(selection).unwrap(),
            actor: "root".to_owned(),
            reason: String::new(),
            since: Timestamp::EPOCH,
            until: Some(Timestamp::from_millis(1_800_000_000_000)),
        };
        self.holds.rules.insert(rule.name.clone(), rule);
        self
    }

    fn moved(mut self, state: MoveState) -> Self {
        let one = Move {
            state,
            actor: "root".to_owned(),
            ..Move::begun("example.org", Timestamp::EPOCH)
        };
        self.holds.moves.insert(one.domain.clone(), one);
        self
    }

    fn nearly(&self, address: &str) -> Vec<Nearly> {
        let asked = address.parse().unwrap();
        let view = View {
            directory: &self.directory,
            healths: &self.healths,
            holds: &self.holds,
            mail: None,
            options: &self.options,
            origin: Origin::Trusted,
            telling: Telling::Steps,
            accepted: None,
            groups: None,
            words: Some((&self.words, Timestamp::from_millis(1000))),
        };
        let explained = decide(&asked, &view);
        nearly(&asked, &view, &explained)
    }

    /// Is exactly this said by a rule, or, without words, nothing?
    fn expect(&self, address: &str, rule: NearRule, words: &str) {
        let found = self.nearly(address);
        let of_rule: Vec<&str> = found
            .iter()
            .filter(|one| one.rule == rule)
            .map(|one| one.what.as_str())
            .collect();
        if words.is_empty() {
            assert!(of_rule.is_empty(), "{address}: {of_rule:?}");
        } else {
            assert!(
                of_rule.iter().any(|what| what.contains(words)),
                "{address}: {words}: {found:?}"
            );
        }
    }
}

/// Asked for, which rule, and what it says; without words: nothing.
const UNKNOWN: &[(&str, NearRule, &str)] = &[
    (
        "ann@case.example",
        NearRule::Case,
        "Ann@case.example is in the directory: in case.example",
    ),
    ("Ann@case.example", NearRule::Case, ""),
    ("ANN@example.org", NearRule::Case, ""),
    (
        "ann-shop@example.org",
        NearRule::Tag,
        "ann@example.org is in the directory: with \"-\"",
    ),
    ("ann+shop@example.org", NearRule::Tag, ""),
    (
        "list+x@example.org",
        NearRule::Tag,
        "would be list@example.org with a tag",
    ),
    ("nobody-x@example.org", NearRule::Tag, ""),
    (
        "anne@example.org",
        NearRule::Spelling,
        "ann@example.org is in the directory, one letter apart",
    ),
    ("nan@example.org", NearRule::Spelling, "ann@example.org"),
    ("somebody@example.org", NearRule::Spelling, ""),
    (
        "mueller@example.org",
        NearRule::Normalise,
        "the proper form of müller@example.org",
    ),
    ("maier@example.org", NearRule::Normalise, ""),
    (
        "IMCEAEX-_o=New_cn=Eve@example.org",
        NearRule::X500,
        "/o=New/cn=Eve, which nobody",
    ),
    (
        "IMCEAEX-_o=New_cn=Ann@example.org",
        NearRule::X500,
        "ann@example.org has /o=Old/cn=ann",
    ),
    ("IMCEAEX-_o=Old_cn=Ann@example.org", NearRule::X500, ""),
    (
        "x@example.org",
        NearRule::Domain,
        "with unknown = \"relay\" in example.org onprem would get it",
    ),
    (
        "x@strict.example",
        NearRule::Domain,
        "if strict.example were an internal-relay domain",
    ),
    (
        "x@open.example",
        NearRule::Domain,
        "if open.example were authoritative, it would be rejected",
    ),
    (
        "x@sub.example.org",
        NearRule::Domain,
        "example.org is a domain of ours and stands for itself",
    ),
    (
        "x@exmaple.org",
        NearRule::Domain,
        "example.org is a domain of ours, one letter apart",
    ),
    ("x@elsewhere.test", NearRule::Domain, ""),
    ("ann@example.org", NearRule::Domain, ""),
];

#[test]
fn whom_nobody_knows_is_nearly_somebody() {
    let world = World::new();
    for (address, rule, words) in UNKNOWN {
        world.expect(address, *rule, words);
    }
}

#[test]
fn who_is_known_nearly_goes_elsewhere() {
    use NearRule::*;
    let up = World::new();
    let down = World::new().with("onprem", Health::Down);
    let both = World::new()
        .with("onprem", Health::Down)
        .with("cloud", Health::Down);
    let rejecting = World::new().with("onprem", Health::Rejecting);
    for (world, address, rule, words) in [
        (
            &up,
            "bob@example.org",
            Home,
            "it would be onprem, the home of example.org",
        ),
        (&up, "ann@example.org", Home, ""),
        (
            &up,
            "ann@example.org",
            Failover,
            "if onprem were down, cloud would get its mail",
        ),
        (
            &up,
            "bob@example.org",
            Failover,
            "if cloud were down, its mail would wait",
        ),
        (&up, "x@example.org", Failover, ""),
        (
            &down,
            "ann@example.org",
            Failover,
            "if onprem were up, it would get the mail itself",
        ),
        (
            &down,
            "joe@strict.example",
            Failover,
            "with a failover for strict.example another",
        ),
        (
            &both,
            "ann@example.org",
            Failover,
            "cloud would get its mail meanwhile if it were up",
        ),
        (
            &rejecting,
            "ann@example.org",
            Failover,
            "with backend.onprem.rejecting.failover = true",
        ),
        (
            &up,
            "info@example.org",
            Conflict,
            "bob@example.org claims it, too, and ann@example.org",
        ),
        (&up, "bob@example.org", Conflict, ""),
    ] {
        world.expect(address, rule, words);
    }
}

#[test]
fn a_person_with_two_homes_is_no_address_with_two_owners() {
    let says = |home: &str, source: &str| DisputedHome {
        home: BackendId::new(home),
        source: source.to_owned(),
    };
    let mut one = Conflict {
        kind: ConflictKind::TwoMailboxes,
        address: "ann@example.org".to_owned(),
        owner: "ann@example.org".to_owned(),
        owner_record: "hand/ann@example.org".to_owned(),
        claimant: "ann@example.org".to_owned(),
        claimant_record: "file/ann@example.org".to_owned(),
        homes: vec![says("cloud", "hand"), says("onprem", "file")],
        settled: Some("hand".to_owned()),
    };
    let both =
        "ann@example.org has mailboxes on cloud (hand) and on onprem (file): the first counts";
    assert_eq!(contested(&one), format!("{both}; hand settled it"));
    one.settled = None;
    assert_eq!(
        contested(&one),
        format!("{both}, until somebody settles it: `tideover directory settle ann@example.org`")
    );
}

#[test]
fn holds_and_moves_nearly_keep_mail() {
    use NearRule::{Hold, Move};
    let cloud = World::new().held(r#"{"backend":"cloud"}"#);
    cloud.expect(
        "ann@example.org",
        Hold,
        "hold h1 would hold its mail if its home were cloud",
    );
    cloud.expect("bob@example.org", Hold, "hold h1 ends by itself at 2027-");
    let other = World::new().held(r#"{"backend":"cloud","recipient":"eve@example.org"}"#);
    other.expect("ann@example.org", Hold, "");
    let finished = World::new().moved(MoveState::Finished);
    finished.expect(
        "ann@example.org",
        Move,
        "was on the move; root finished that",
    );
    let off = World::new().moved(MoveState::BackedOut);
    off.expect("ann@example.org", Move, "root called it off");
    World::new()
        .moved(MoveState::Moving)
        .expect("ann@example.org", Move, "");
    off.expect("joe@strict.example", Move, "");
}

#[tokio::test]
async fn what_a_home_said_nearly_counts() {
    let world = World::new();
    let onprem = BackendId::new("onprem");
    let at = Timestamp::from_millis(900);
    for (key, heard) in [
        ("eve@example.org", Heard::Exists),
        ("eve@asking.example", Heard::Absent("550 who?".to_owned())),
    ] {
        world.words.note(key, &onprem, (heard, at)).await.unwrap();
    }
    let verify = NearRule::Verify;
    world.expect(
        "eve@example.org",
        verify,
        "with unknown = \"verify\" in example.org that would",
    );
    world.expect(
        "eve@asking.example",
        verify,
        "it does not exist (550 who?): if it does by now",
    );
    world.expect("x@asking.example", verify, "");
    world.expect("x@example.org", verify, "");
}

#[tokio::test]
async fn who_is_gone_is_nearly_unknown() {
    let house = House::new();
    for text in ["address\nann@example.org\n", "address\n"] {
        house.import(FILE, text, FORCE).await.unwrap();
    }
    let world = World {
        directory: house.generations.current(),
        ..World::new()
    };
    world.expect(
        "ann@example.org",
        NearRule::Grace,
        "no source has named ann@example.org since",
    );
}

#[test]
fn the_people_of_a_group_may_get_its_mail() {
    let mut world = World::new();
    let team = "team@strict.example";
    world.expect(
        team,
        NearRule::Group,
        "with directory.expand_groups, and onprem down",
    );
    world.options.expand_groups = Some(std::time::Duration::from_secs(900));
    world.expect(
        team,
        NearRule::Group,
        "if onprem were down for 15 min, its people would",
    );
    let internal = "senders who prove to be internal";
    world.expect("staff@strict.example", NearRule::Group, internal);
    world.expect("void@strict.example", NearRule::Group, "");
    world.expect("joe@strict.example", NearRule::Group, "");
}
