//! Mail programs that log in with the password of an account.

use std::net::IpAddr;

use super::outbox::forged_envelope;
use super::*;
use crate::credential::{ClientFirst, Scram, ScramKeys};

const ANN: &str = "ann@example.org";

fn from() -> IpAddr {
    "192.0.2.7".parse().unwrap()
}

impl Site {
    pub(super) async fn program(&self, name: &str, password: &str) -> Result<Writer, ProgramError> {
        let verified = self
            .webmail
            .verify_program(name, password.to_owned(), from());
        verified.await
    }

    /// A client that knows this password logs in by SCRAM.
    async fn by_scram(&self, name: &str, password: &str) -> Result<Writer, ProgramError> {
        let (keys, nonce) = self.webmail.program_keys(name, from()).await?;
        let client = Scram::new(name, password, "client");
        let first = ClientFirst::parse(&client.first()).unwrap();
        let (exchange, said) = first.challenge(keys, &nonce);
        let (_, last) = client.answer(&said).unwrap();
        let keys = exchange
            .hear(&last)
            .unwrap()
            .keys
            .ok_or(ProgramError::Wrong)?;
        let verified = self.webmail.verify_program_keys(name, &keys, from());
        verified.await
    }

    async fn keys(&self, name: &str) -> ScramKeys {
        self.webmail.program_keys(name, from()).await.unwrap().0
    }

    /// A message that a program of Ann's has sent.
    async fn submitted(&self) {
        let envelope = Envelope {
            from: ReversePath::Mailbox(ANN.parse().unwrap()),
            authenticity: Authenticity::Local,
            peer: Peer {
                user: Some(ANN.to_owned()),
                ..Peer::default()
            },
            ..forged_envelope()
        };
        let spool = &self.webmail.0.world.spool;
        let mut draft = spool.draft();
        draft
            .append(b"From: ann@example.org\r\n\r\n")
            .await
            .unwrap();
        spool.accept(draft, envelope).await.unwrap();
    }
}

fn keeping() -> Site {
    Site::changed(|world| world.accounts = world.accounts.clone().keeping(KeepKeys::Yes))
}

#[tokio::test]
async fn a_program_writes_as_its_owner() {
    let site = Site::new();
    site.enrolled(ANN).await;
    let writer = site.program(ANN, PASSWORD).await.unwrap();
    assert_eq!(writer.account, ANN);
    let addresses: Vec<_> = writer.addresses.iter().map(Mailbox::key).collect();
    assert_eq!(addresses, [ANN, "sales@example.org"]);
    for (name, password) in [
        (ANN, "wrong password"),
        ("bob@example.org", PASSWORD),
        ("team@example.org", PASSWORD),
        ("", PASSWORD),
        (ANN, ""),
    ] {
        let refused = site.program(name, password).await;
        assert!(
            matches!(refused, Err(ProgramError::Wrong)),
            "{name}: {refused:?}"
        );
    }
    assert_eq!(site.webmail.renew_program(ANN).await.unwrap(), writer);
    let accounts = &site.webmail.0.world.accounts;
    accounts.disable(&ANN.parse().unwrap()).await.unwrap();
    let renewed = site.webmail.renew_program(ANN).await;
    assert!(matches!(renewed, Err(ProgramError::Shut)), "{renewed:?}");
    let refused = site.program(ANN, PASSWORD).await;
    assert!(matches!(refused, Err(ProgramError::Wrong)), "{refused:?}");
}

/// A program cannot take it, and would be a way round it.
#[tokio::test]
async fn who_has_a_second_step_sends_by_no_program() {
    let site = keeping();
    let mut ann = site.enrolled(ANN).await;
    assert!(site.program(ANN, PASSWORD).await.is_ok());
    ann.secured().await;
    let renewed = site.webmail.renew_program(ANN).await;
    assert!(matches!(renewed, Err(ProgramError::Shut)), "{renewed:?}");
    let refused = site.program(ANN, PASSWORD).await;
    assert!(
        matches!(refused, Err(ProgramError::SecondStep)),
        "{refused:?}"
    );
    let refused = site.by_scram(ANN, PASSWORD).await;
    assert!(
        matches!(refused, Err(ProgramError::SecondStep)),
        "{refused:?}"
    );
    // Who does not know the password learns nothing of it.
    let refused = site.program(ANN, "wrong password").await;
    assert!(matches!(refused, Err(ProgramError::Wrong)), "{refused:?}");
}

#[tokio::test]
async fn tries_count_at_both_doors() {
    let site = keeping();
    site.enrolled(ANN).await;
    for _ in 0..3 {
        site.program(ANN, "wrong password").await.unwrap_err();
    }
    for _ in 0..2 {
        site.by_scram(ANN, "wrong password").await.unwrap_err();
    }
    let refused = site.program(ANN, PASSWORD).await;
    assert!(matches!(refused, Err(ProgramError::Wait(_))), "{refused:?}");
    let refused = site.webmail.program_keys(ANN, from()).await;
    assert!(matches!(refused, Err(ProgramError::Wait(_))), "{refused:?}");
    let accounts = &site.webmail.0.world.accounts;
    let page = accounts.verify(ANN, PASSWORD.to_owned(), from()).await;
    assert!(page.is_err());
    site.pass(600);
    assert!(site.by_scram(ANN, PASSWORD).await.is_ok());
}

#[tokio::test]
async fn what_programs_send_counts_with_what_is_written() {
    let site = Site::writing(|writing| {
        writing.messages_per_hour = 2;
        writing.recipients_per_hour = 5;
    });
    site.enrolled(ANN).await;
    let writer = site.program(ANN, PASSWORD).await.unwrap();
    let own: Mailbox = ANN.parse().unwrap();
    let sends = |count| site.webmail.program_sends(&writer, (Some(&own), count));
    sends(2).await.unwrap();
    // Counted before it stands in the log: it may come over two connections at once.
    let refused = sends(4).await;
    assert!(
        matches!(refused, Err(ProgramError::Enough(2, 5))),
        "{refused:?}"
    );
    site.submitted().await;
    sends(3).await.unwrap();
    site.submitted().await;
    let refused = sends(1).await;
    assert!(
        matches!(refused, Err(ProgramError::Enough(2, 5))),
        "{refused:?}"
    );
    site.pass(3700);
    sends(1).await.unwrap();
}

#[tokio::test]
async fn scram_is_offered_when_it_works_for_everybody() {
    let site = Site::new();
    site.enrolled(ANN).await;
    assert!(!site.webmail.offers_scram().await);
    let facts = |site: &Site| site.webmail.0.world.spool.facts("scram-keys", "").unwrap();
    assert!(facts(&site).is_empty());
    // From now on programs log in; Ann's password was set before.
    let Webmail(inner) = &site.webmail;
    let mut world = inner.world.clone();
    world.accounts = world.accounts.clone().keeping(KeepKeys::Yes);
    let site = Site {
        webmail: Webmail::new(world, inner.options.clone()),
        ..site
    };
    assert!(!site.webmail.offers_scram().await);
    site.program(ANN, "wrong password").await.unwrap_err();
    assert!(!site.webmail.offers_scram().await);
    site.program(ANN, PASSWORD).await.unwrap();
    // Anybody may ask, so it is not looked all the time.
    assert!(!site.webmail.offers_scram().await);
    site.pass(11);
    assert!(site.webmail.offers_scram().await);
    assert_eq!(facts(&site).len(), 1);
    assert!(!format!("{:?}", facts(&site)).contains(PASSWORD));
    let writer = site.by_scram(ANN, PASSWORD).await.unwrap();
    assert_eq!(writer, site.program(ANN, PASSWORD).await.unwrap());
    let refused = site.by_scram(ANN, "wrong password").await;
    assert!(matches!(refused, Err(ProgramError::Wrong)), "{refused:?}");
}

/// Keys are those of one password.
#[tokio::test]
async fn keys_go_with_their_password() {
    const NEW: &str = "another good one";
    let site = keeping();
    site.enrolled(ANN).await;
    assert!(site.webmail.offers_scram().await);
    let (before, account) = (site.keys(ANN).await, &site.webmail.0.world.accounts);
    assert!(site.keys(ANN).await.is(&before));
    let ann = account.find(ANN).await.unwrap().unwrap();
    let words = (PASSWORD.to_owned(), NEW.to_owned(), OldPasskeys::Stay);
    account.change_password(&ann, words, from()).await.unwrap();
    assert!(!site.keys(ANN).await.is(&before));
    let refused = site.webmail.verify_program_keys(ANN, &before, from()).await;
    assert!(matches!(refused, Err(ProgramError::Wrong)), "{refused:?}");
    assert!(site.by_scram(ANN, PASSWORD).await.is_err());
    assert!(site.by_scram(ANN, NEW).await.is_ok());
    account.reset(&ANN.parse().unwrap()).await.unwrap();
    assert!(site.by_scram(ANN, NEW).await.is_err());
}

#[tokio::test]
async fn nobody_learns_from_a_salt_who_exists() {
    let site = keeping();
    site.enrolled(ANN).await;
    let nobody = site.keys("nobody@example.org").await;
    assert!(site.keys("Nobody@example.org").await.is(&nobody));
    assert!(!site.keys(ANN).await.is(&nobody));
    assert!(!site.keys("bob@example.org").await.is(&nobody));
    let refused = site
        .webmail
        .verify_program_keys("nobody@example.org", &nobody, from());
    assert!(matches!(refused.await, Err(ProgramError::Wrong)));
    let site = site.crash().await;
    assert!(site.keys("nobody@example.org").await.is(&nobody));
}

const ALIAS: &str = "sales@example.org";

/// At both doors, by password and by SCRAM; and what is counted is counted for one.
#[tokio::test]
async fn an_alias_logs_in_as_its_mailbox() {
    let site = keeping();
    site.enrolled(ANN).await;
    let writer = site.program(ANN, PASSWORD).await.unwrap();
    for name in [ALIAS, "Sales@Example.org"] {
        assert_eq!(site.program(name, PASSWORD).await.unwrap(), writer);
        assert_eq!(site.by_scram(name, PASSWORD).await.unwrap(), writer);
    }
    let (mut page, done) = whose::log_in(&site, ALIAS, PASSWORD).await;
    done.location();
    assert!(page.get("/settings").await.has(ANN));
    for name in ["sales+tag@example.org", "team@example.org"] {
        let refused = site.program(name, PASSWORD).await;
        assert!(
            matches!(refused, Err(ProgramError::Wrong)),
            "{name}: {refused:?}"
        );
    }
    // Who is shut out is so by all his names.
    let accounts = &site.webmail.0.world.accounts;
    accounts.disable(&ANN.parse().unwrap()).await.unwrap();
    let refused = site.program(ALIAS, PASSWORD).await;
    assert!(matches!(refused, Err(ProgramError::Wrong)), "{refused:?}");
}

#[tokio::test]
async fn aliases_are_one_name_for_who_guesses() {
    let site = keeping();
    site.enrolled(ANN).await;
    for name in [ALIAS, ANN, ALIAS] {
        site.program(name, "wrong password").await.unwrap_err();
    }
    for name in [ANN, ALIAS] {
        site.by_scram(name, "wrong password").await.unwrap_err();
    }
    for name in [ANN, ALIAS] {
        let refused = site.program(name, PASSWORD).await;
        assert!(matches!(refused, Err(ProgramError::Wait(_))), "{refused:?}");
        let refused = site.webmail.program_keys(name, from()).await;
        assert!(matches!(refused, Err(ProgramError::Wait(_))), "{refused:?}");
    }
    // Another one's are not counted with them.
    let other = site.program("bob@example.org", PASSWORD).await;
    assert!(matches!(other, Err(ProgramError::Wrong)), "{other:?}");
}

/// What is looked up has no quotes, and is the same address.
#[tokio::test]
async fn an_alias_with_quotes_logs_in_as_any_other() {
    let site = Site::new();
    site.enrolled(ANN).await;
    let rows = "ann@example.org,\"\"\"odd one\"\"@example.org\",mailbox\n";
    whose::change(&site, rows);
    site.judge().await;
    let entered = site.program("\"odd one\"@example.org", PASSWORD).await;
    assert!(entered.is_ok(), "{entered:?}");
}

/// Whose it is, is not known: nobody comes in by it, and each by his own address.
#[tokio::test]
async fn an_alias_that_two_dispute_is_nobodys_name() {
    let site = Site::new();
    site.enrolled(ANN).await;
    let rows = "ann@example.org,info@example.org,mailbox\n\
                bob@example.org,info@example.org,mailbox\n";
    whose::change(&site, rows);
    site.judge().await;
    let refused = site.program("info@example.org", PASSWORD).await;
    assert!(matches!(refused, Err(ProgramError::Wrong)), "{refused:?}");
    assert!(site.program(ANN, PASSWORD).await.is_ok());
    let rows = "ann@example.org,info@example.org,mailbox\nbob@example.org,,mailbox\n";
    whose::change(&site, rows);
    site.judge().await;
    assert!(site.program("info@example.org", PASSWORD).await.is_ok());
}

/// An account under the address itself comes first, also one that nobody may use any more.
#[tokio::test]
async fn an_account_of_its_own_comes_before_an_alias() {
    let site = Site::new();
    site.enrolled(ANN).await;
    site.enrolled("bob@example.org").await;
    let accounts = &site.webmail.0.world.accounts;
    let bob: Mailbox = "bob@example.org".parse().unwrap();
    accounts.disable(&bob).await.unwrap();
    whose::change(&site, "ann@example.org,bob@example.org,mailbox\n");
    let refused = site.program("bob@example.org", PASSWORD).await;
    assert!(matches!(refused, Err(ProgramError::Wrong)), "{refused:?}");
}
