//! What homes said, and when it counts.

use super::*;

const ANN: &str = "ann@example.org";
const SECOND: Duration = Duration::from_secs(1);

struct Case {
    verified: Verified,
    now: Timestamp,
    home: BackendId,
}

impl Case {
    fn new() -> Self {
        Self {
            verified: Verified::default(),
            now: Timestamp::from_millis(1_800_000_000_000),
            home: BackendId::new("onprem"),
        }
    }

    async fn hear(&self, heard: Heard) {
        let noted = self.verified.note(ANN, &self.home, (heard, self.now));
        noted.await.unwrap();
    }

    fn exists(&self) -> bool {
        matches!(self.verified.standing(ANN, self.now), Standing::Exists(_))
    }

    fn due_after(&mut self, wait: Duration) -> bool {
        self.now = self.now.after(wait);
        self.verified.is_due(ANN, self.now)
    }
}

#[tokio::test]
async fn who_exists_goes_on_existing_until_the_home_says_twice_that_he_does_not() {
    let mut case = Case::new();
    assert!(case.due_after(Duration::ZERO));
    case.hear(Heard::Exists).await;
    assert!(case.exists() && !case.due_after(REFRESH.saturating_sub(SECOND)));
    assert!(case.due_after(SECOND));
    // An outage, of any length.
    case.hear(Heard::Nothing).await;
    assert!(!case.due_after(SECOND));
    assert!(case.due_after(REFRESH * 100) && case.exists());
    // Two doors asked at the same time.
    for _ in 0..2 {
        case.hear(Heard::Absent("550 5.1.1".into())).await;
    }
    assert!(case.exists() && !case.due_after(DOUBT.saturating_sub(SECOND)));
    assert!(case.due_after(SECOND));
    case.hear(Heard::Absent("550 5.1.1".into())).await;
    assert!(!case.exists());
}

#[tokio::test]
async fn a_home_that_cannot_be_asked_is_left_alone_for_a_moment() {
    let mut case = Case::new();
    let silent = |case: &Case| case.verified.is_silent(&case.home, case.now);
    case.hear(Heard::Nothing).await;
    assert!(!silent(&case), "one address says nothing of the others");
    case.hear(Heard::Silence).await;
    assert!(silent(&case));
    let other = BackendId::new("cloud");
    assert!(!case.verified.is_silent(&other, case.now));
    case.now = case.now.after(SILENCE);
    assert!(!silent(&case));
    case.hear(Heard::Silence).await;
    case.hear(Heard::Exists).await;
    assert!(!silent(&case));
}

#[test]
fn when_there_are_too_many_the_longest_unheard_are_forgotten() {
    let (mut book, home) = (Book::default(), BackendId::new("onprem"));
    let at = |second: u64| Timestamp::from_millis(second * 1000);
    for number in 0..200 {
        book.note(&format!("p{number}"), &home, (Heard::Exists, at(number)));
    }
    // Confirmed again.
    book.note("p0", &home, (Heard::Exists, at(300)));
    let known = book.make_room_for("p1", &Heard::Exists, 200);
    assert!(known.is_empty() && book.words.len() == 200);
    let denied = book.make_room_for("x", &Heard::Absent(String::new()), 200);
    assert!(denied.is_empty() && book.words.len() == 200);
    let gone = book.make_room_for("x", &Heard::Exists, 200);
    assert_eq!(gone, [("p1".to_owned(), None), ("p2".to_owned(), None)]);
    assert_eq!(book.words.len(), 198);
}

#[tokio::test]
async fn what_was_heard_before_the_log_was_known_is_written_down() {
    let house = crate::directory::generation_tests::House::new();
    let case = Case::new();
    let known = |who: &str| house.spool.fact(ROOM, who).unwrap();
    let earlier = Verified::default();
    earlier.restore(&house.spool).unwrap();
    let long_ago = Timestamp::from_millis(1000);
    for who in [ANN, "bob@example.org", "eve@example.org"] {
        let noted = earlier.note(who, &case.home, (Heard::Exists, long_ago));
        noted.await.unwrap();
    }
    // Another start, and the index is still being made.
    case.hear(Heard::Exists).await;
    case.verified.forget("bob@example.org").await.unwrap();
    case.verified.restore(&house.spool).unwrap();
    let Standing::Exists(word) = case.verified.standing(ANN, case.now) else {
        panic!("gone");
    };
    assert_eq!(word.at, case.now);
    let bob = case.verified.standing("bob@example.org", case.now);
    assert_eq!(bob, Standing::Unknown);
    case.verified.write_what_was_heard().await.unwrap();
    assert_eq!(known(ANN), Some(serde_json::to_value(&word).unwrap()));
    assert_eq!(known("bob@example.org"), None);
    assert!(known("eve@example.org").is_some());
    assert_eq!(case.verified.list().len(), 2);
}

#[tokio::test]
async fn who_is_confirmed_again_is_no_longer_in_doubt() {
    let mut case = Case::new();
    case.hear(Heard::Exists).await;
    let first = case.now;
    case.due_after(REFRESH);
    case.hear(Heard::Absent("550 5.4.1".into())).await;
    case.due_after(DOUBT);
    case.hear(Heard::Exists).await;
    let Standing::Exists(word) = case.verified.standing(ANN, case.now) else {
        panic!("gone");
    };
    assert_eq!((word.since, word.at, word.denied), (first, case.now, None));
}

#[tokio::test]
async fn that_nobody_is_there_counts_for_minutes() {
    let mut case = Case::new();
    case.hear(Heard::Absent("550 5.1.1 who?".into())).await;
    let standing = case.verified.standing(ANN, case.now);
    assert!(matches!(standing, Standing::Absent { reply, .. } if reply == "550 5.1.1 who?"));
    assert!(!case.due_after(ABSENT.saturating_sub(SECOND)));
    assert!(case.due_after(SECOND));
    assert_eq!(case.verified.standing(ANN, case.now), Standing::Unknown);
    assert!(!case.verified.forget("bob@example.org").await.unwrap());
    assert!(case.verified.forget(ANN).await.unwrap());
}
