//! Operators on a real spool.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::admin::operators::{
    App, LoginOptions, Operators, Origin, Proven, SecondStepRule, TokenQuery, Typed,
};
use crate::admin::{AdminError, Caller, Role};
use crate::base::{Clock, Entropy, TimeSource, Timestamp};
use crate::credential::{from_base32, shown};
use crate::spool::{Options, Spool, World};

pub(in crate::admin) const PASSWORD: &str = "correct horse battery";
pub(in crate::admin) const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));

/// The system's time, and so many milliseconds more.
#[derive(Debug, Clone, Default)]
pub(in crate::admin) struct Ahead(Arc<AtomicU64>);

impl TimeSource for Ahead {
    fn now(&self) -> Timestamp {
        let ahead = Duration::from_millis(self.0.load(Ordering::Relaxed));
        Clock::system().now().after(ahead)
    }
}

pub(in crate::admin) struct Place {
    pub(in crate::admin) operators: Operators,
    pub(in crate::admin) spool: Spool,
    pub(in crate::admin) clock: Clock,
    ahead: Ahead,
    _folder: tempfile::TempDir,
}

impl Place {
    pub(in crate::admin) fn new(second_step: SecondStepRule) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut options = Options::new(folder.path());
        options.min_free = 0;
        let opened = Spool::open(options, World::system()).unwrap();
        #[expect(
            clippy::disallowed_methods,
            reason = "a test has no shutdown to wait for"
        )]
        tokio::spawn(opened.writer.run());
        let ahead = Ahead::default();
        let clock = Clock::new(ahead.clone());
        let options = LoginOptions {
            second_step,
            ..LoginOptions::default()
        };
        let world = (clock.clone(), Entropy::system());
        Self {
            operators: Operators::new(opened.spool.clone(), world, options),
            spool: opened.spool,
            clock,
            ahead,
            _folder: folder,
        }
    }

    /// So much later.
    pub(in crate::admin) fn pass(&self, time: Duration) {
        let millis = u64::try_from(time.as_millis()).unwrap();
        self.ahead.0.fetch_add(millis, Ordering::Relaxed);
    }

    /// Somebody with a password.
    pub(in crate::admin) async fn somebody(&self, name: &str, role: Role) -> Proven {
        let enrolment = self.operators.add((name, role), &root()).await.unwrap();
        let typed = typed(name, PASSWORD, &enrolment.code);
        self.operators.welcome(typed, HERE).await.unwrap()
    }

    pub(in crate::admin) async fn session(&self, proven: &Proven) -> String {
        self.operators.begin(proven, origin()).await.unwrap()
    }

    pub(in crate::admin) async fn is_in(&self, token: &str) -> bool {
        self.operators.session(token).await.unwrap().is_some()
    }
}

pub(in crate::admin) fn root() -> Caller {
    Caller {
        name: "root".to_owned(),
        role: Role::Admin,
        from: "socket".to_owned(),
    }
}

/// A browser.
pub(in crate::admin) fn origin() -> Origin {
    Origin {
        from: HERE,
        agent: "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0".to_owned(),
    }
}

fn over_the_network(name: &str) -> Caller {
    Caller {
        name: name.to_owned(),
        role: Role::Admin,
        from: "192.0.2.1".to_owned(),
    }
}

pub(in crate::admin) fn typed(name: &str, password: &str, code: &str) -> Typed {
    Typed {
        name: name.to_owned(),
        password: password.to_owned(),
        code: code.to_owned(),
    }
}

fn token_query(role: Option<Role>, seconds: Option<u64>) -> TokenQuery {
    TokenQuery {
        label: "grafana".to_owned(),
        role,
        expires_seconds: seconds,
    }
}

#[tokio::test]
async fn a_code_sets_a_password_once_and_in_time() {
    let place = Place::new(SecondStepRule::Optional);
    let operators = &place.operators;
    let first = operators.add(("Ann", Role::Viewer), &root()).await.unwrap();
    assert_eq!(first.name, "ann");
    assert!(operators.add(("ann", Role::Admin), &root()).await.is_err());
    let welcome = async |password: &str, code: &str| {
        let done = operators.welcome(typed("ann", password, code), HERE).await;
        done.map(|proven| proven.name().to_owned())
    };
    let wrong = welcome(PASSWORD, "AAAA-AAAA-AAAA-AAAA").await;
    assert!(matches!(wrong, Err(AdminError::Wrong)));
    let short = welcome("short", &first.code).await;
    assert!(matches!(short, Err(AdminError::Asked { .. })));
    // A new code ends the old one.
    let second = operators.reset("ann", &root()).await.unwrap();
    assert!(matches!(
        welcome(PASSWORD, &first.code).await,
        Err(AdminError::Wrong)
    ));
    let typed_by_hand = second.code.to_lowercase().replace('-', " ");
    assert_eq!(welcome(PASSWORD, &typed_by_hand).await.unwrap(), "ann");
    place.pass(Duration::from_secs(3600));
    let again = welcome("another password", &second.code).await;
    assert!(matches!(again, Err(AdminError::Wrong)));
    let late = operators.reset("ann", &root()).await.unwrap();
    place.pass(Duration::from_secs(25 * 3600));
    assert!(matches!(
        welcome(PASSWORD, &late.code).await,
        Err(AdminError::Wrong)
    ));
}

#[tokio::test]
async fn a_login_needs_the_password_and_tries_are_counted() {
    let place = Place::new(SecondStepRule::Optional);
    place.somebody("ann", Role::Operator).await;
    let log_in =
        |name: &str, password: &str| place.operators.log_in(typed(name, password, ""), HERE);
    assert_eq!(log_in(" ANN", PASSWORD).await.unwrap().name(), "ann");
    for _ in 0..5 {
        let wrong = log_in("ann", "wrong password").await;
        assert!(matches!(wrong, Err(AdminError::Wrong)));
    }
    let waits = log_in("ann", PASSWORD).await;
    assert!(matches!(waits, Err(AdminError::Wait(_))));
    place.pass(Duration::from_secs(3600));
    assert!(log_in("ann", PASSWORD).await.is_ok());
    for nobody in ["bob", "", "../x", "socket"] {
        let wrong = log_in(nobody, PASSWORD).await;
        assert!(matches!(wrong, Err(AdminError::Wrong)), "{nobody}");
    }
}

#[tokio::test]
async fn no_code_of_an_app_is_good_twice() {
    let place = Place::new(SecondStepRule::Required);
    let proven = place.somebody("ann", Role::Admin).await;
    let operators = &place.operators;
    let token = place.session(&proven).await;
    assert!(
        operators
            .session(&token)
            .await
            .unwrap()
            .unwrap()
            .lacks_second
    );
    let secret = operators.new_secret();
    let code = |place: &Place| shown(&from_base32(&secret).unwrap(), place.clock.now());
    let unproven = typed("ann", "wrong password", &code(&place));
    let app = |secret: &str, old_code: &str| App {
        secret: secret.to_owned(),
        old_code: old_code.to_owned(),
    };
    let set = |typed, app| operators.set_second(typed, app, HERE);
    assert!(set(unproven, app(&secret, "")).await.is_err());
    let first = code(&place);
    let right = typed("ann", PASSWORD, &first);
    set(right.clone(), app(&secret, "")).await.unwrap();
    assert!(!place.is_in(&token).await, "it was begun without the app");
    // Nobody puts his own app in the place of another one.
    let another = operators.new_secret();
    let shown_by = |secret: &str| shown(&from_base32(secret).unwrap(), place.clock.now());
    for old_code in ["", "000000", &first] {
        let theirs = typed("ann", PASSWORD, &shown_by(&another));
        let told = set(theirs, app(&another, old_code)).await;
        assert!(matches!(told, Err(AdminError::Wrong)), "{old_code}");
    }
    let log_in = |code: &str| operators.log_in(typed("ann", PASSWORD, code), HERE);
    assert!(log_in(&first).await.is_err(), "it was used to set it up");
    assert!(log_in("").await.is_err());
    place.pass(Duration::from_secs(60));
    let next = code(&place);
    let proven = log_in(&next).await.unwrap();
    assert!(log_in(&next).await.is_err(), "replayed");
    let token = place.session(&proven).await;
    assert!(
        !operators
            .session(&token)
            .await
            .unwrap()
            .unwrap()
            .lacks_second
    );
    // The app is lost.
    let enrolment = operators.reset("ann", &root()).await.unwrap();
    assert!(!place.is_in(&token).await);
    let typed = typed("ann", PASSWORD, &enrolment.code);
    let proven = operators.welcome(typed, HERE).await.unwrap();
    let token = place.session(&proven).await;
    assert!(
        operators
            .session(&token)
            .await
            .unwrap()
            .unwrap()
            .lacks_second
    );
}

#[tokio::test]
async fn sessions_end_by_idleness_by_age_and_by_hand() {
    let place = Place::new(SecondStepRule::Optional);
    let proven = place.somebody("ann", Role::Viewer).await;
    let idle = place.session(&proven).await;
    place.pass(Duration::from_secs(29 * 60));
    assert!(place.is_in(&idle).await, "and seen again");
    place.pass(Duration::from_secs(29 * 60));
    assert!(place.is_in(&idle).await);
    place.pass(Duration::from_secs(31 * 60));
    assert!(!place.is_in(&idle).await);
    let old = place.session(&proven).await;
    for _ in 0..25 {
        place.pass(Duration::from_secs(29 * 60));
        place.is_in(&old).await;
    }
    assert!(!place.is_in(&old).await, "12 hours are over");
    let token = place.session(&proven).await;
    let session = place.operators.session(&token).await.unwrap().unwrap();
    assert!(session.allows(session.csrf()) && !session.allows(""));
    place.operators.end(&session).await.unwrap();
    assert!(!place.is_in(&token).await);
    for odd in ["", "x", &"0".repeat(64), &"g".repeat(64)] {
        assert!(!place.is_in(odd).await, "{odd}");
    }
    let many: Vec<String> = {
        let mut many = Vec::new();
        for _ in 0..=crate::limits::OPERATOR_SESSIONS {
            many.push(place.session(&proven).await);
            place.pass(Duration::from_millis(2));
        }
        many
    };
    assert!(
        !place.is_in(many.first().unwrap()).await,
        "the oldest makes room"
    );
    assert!(place.is_in(many.last().unwrap()).await);
}

#[tokio::test]
async fn a_token_never_may_more_than_its_owner() {
    let place = Place::new(SecondStepRule::Optional);
    place.somebody("ann", Role::Operator).await;
    let operators = &place.operators;
    let root = root();
    let issue = |query| operators.make_token(("ann", query), &root);
    assert!(issue(token_query(Some(Role::Admin), None)).await.is_err());
    let made = issue(token_query(None, None)).await.unwrap();
    let weak = issue(token_query(Some(Role::Viewer), Some(60)))
        .await
        .unwrap();
    let role = async |token: &str| {
        let found = operators.by_token(token).await.unwrap();
        found.map(|(name, role)| (name, role.word()))
    };
    let is = |role| Some(("ann".to_owned(), role));
    assert_eq!(role(&made.token).await, is("operator"));
    assert_eq!(role(&weak.token).await, is("viewer"));
    operators
        .set_role(("ann", Role::HelpDesk), &root)
        .await
        .unwrap();
    assert_eq!(role(&made.token).await, is("help-desk"));
    place.pass(Duration::from_secs(61));
    assert_eq!(role(&weak.token).await, None, "it ended");
    // The digest is no token, and what is kept is not one either.
    let facts = place.spool.facts("operator-token", "").unwrap();
    for (key, value) in facts {
        assert_eq!(role(&format!("tdo_{key}")).await, None);
        assert!(
            !value
                .to_string()
                .contains(made.token.trim_start_matches("tdo_"))
        );
    }
    operators.disable("ann", &root).await.unwrap();
    assert_eq!(role(&made.token).await, None);
    operators.reset("ann", &root).await.unwrap();
    assert_eq!(role(&made.token).await, None, "it does not come back");
    let tokens = operators.tokens("ann").await.unwrap();
    assert!(tokens.iter().all(|token| !token.good));
    let made = issue(token_query(None, None)).await.unwrap();
    operators.revoke("ann", &made.view.id).await.unwrap();
    assert_eq!(role(&made.token).await, None);
    assert!(operators.revoke("ann", &made.view.id).await.is_err());
}

#[tokio::test]
async fn over_the_network_the_last_admin_stays() {
    let place = Place::new(SecondStepRule::Optional);
    place.somebody("ann", Role::Admin).await;
    let operators = &place.operators;
    // Bob has not set his password: he could not help.
    let bob = operators.add(("bob", Role::Admin), &root()).await.unwrap();
    let by = over_the_network("ann");
    assert!(operators.disable("ann", &by).await.is_err());
    assert!(operators.reset("ann", &by).await.is_err());
    assert!(
        operators
            .set_role(("ann", Role::Viewer), &by)
            .await
            .is_err()
    );
    let typed_code = typed("bob", PASSWORD, &bob.code);
    operators.welcome(typed_code, HERE).await.unwrap();
    operators
        .set_role(("ann", Role::Viewer), &by)
        .await
        .unwrap();
    assert!(operators.disable("bob", &by).await.is_err());
    operators.disable("bob", &root()).await.unwrap();
}

/// Who has never set a password rules with a token all the same.
#[tokio::test]
async fn over_the_network_the_last_admin_with_a_token_stays() {
    let place = Place::new(SecondStepRule::Optional);
    let operators = &place.operators;
    for name in ["ann", "bob"] {
        operators.add((name, Role::Admin), &root()).await.unwrap();
    }
    let issue = async |name, role| {
        let query = token_query(role, None);
        operators.make_token((name, query), &root()).await.unwrap()
    };
    issue("ann", None).await;
    issue("bob", Some(Role::Viewer)).await;
    let by = over_the_network("ann");
    assert!(operators.disable("ann", &by).await.is_err());
    assert!(
        operators
            .set_role(("ann", Role::Viewer), &by)
            .await
            .is_err()
    );
    // Bob rules by nothing: he can go, and come again.
    operators.disable("bob", &by).await.unwrap();
    operators.reset("bob", &root()).await.unwrap();
    issue("bob", None).await;
    operators.disable("ann", &by).await.unwrap();
    assert!(operators.disable("bob", &by).await.is_err());
    operators.disable("bob", &root()).await.unwrap();
}

#[tokio::test]
async fn who_is_shut_out_or_reset_is_out_at_once() {
    let place = Place::new(SecondStepRule::Optional);
    let proven = place.somebody("ann", Role::Admin).await;
    let token = place.session(&proven).await;
    assert!(place.is_in(&token).await);
    place.operators.disable("ann", &root()).await.unwrap();
    assert!(!place.is_in(&token).await);
    let log_in = place
        .operators
        .log_in(typed("ann", PASSWORD, ""), HERE)
        .await;
    assert!(matches!(log_in, Err(AdminError::Wrong)));
    // A session that is begun with a proof of before is none.
    let token = place.session(&proven).await;
    assert!(!place.is_in(&token).await);
}
