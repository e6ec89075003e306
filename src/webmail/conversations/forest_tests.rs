use proptest::prelude::*;

use super::*;

fn spool_id(number: u64) -> SpoolId {
    SpoolId::from_u64(number)
}

fn clue(id: u64, references: &[u64]) -> Clue {
    Clue {
        id: Some(id),
        references: references.into(),
        ..Clue::default()
    }
}

fn planted(clues: &[Clue]) -> Forest {
    let numbered = (1..).zip(clues);
    let messages = numbered.map(|(number, clue)| (spool_id(number), Arc::new(clue.clone())));
    Forest::plant(messages.collect())
}

/// The conversation of a message, by numbers that begin with 1.
fn with(forest: &Forest, number: u64) -> Vec<u64> {
    let ids = forest.with(spool_id(number)).iter();
    ids.map(|id| id.as_u64()).collect()
}

#[test]
fn answers_belong_to_what_they_answer() {
    let forest = planted(&[
        clue(10, &[]),
        clue(20, &[]),
        clue(11, &[10]),
        clue(12, &[10, 11]),
        // What it answers was never here; neither was what that answered.
        clue(31, &[29, 30]),
        clue(32, &[29]),
        clue(21, &[20]),
    ]);
    assert_eq!(with(&forest, 1), [1, 3, 4]);
    assert_eq!(with(&forest, 4), [1, 3, 4]);
    assert_eq!(with(&forest, 2), [2, 7]);
    assert_eq!(with(&forest, 5), [5, 6]);
    assert_eq!(with(&planted(&[clue(1, &[])]), 1), [0_u64; 0]);
}

#[test]
fn the_subject_alone_joins_nothing() {
    let named = |id: u64, references: &[u64], is_answer: bool| Clue {
        subject: Some(7),
        is_answer,
        ..clue(id, references)
    };
    // Two of the same subject; an answer to neither; an answer to something that is not here.
    let forest = planted(&[
        named(1, &[], false),
        named(2, &[], false),
        named(3, &[], true),
        named(4, &[99], true),
        clue(5, &[]),
    ]);
    assert_eq!(with(&forest, 1), [0_u64; 0]);
    assert_eq!(with(&forest, 2), [2, 3], "the latest before it");
    assert_eq!(with(&forest, 4), [0_u64; 0], "it says what it answers");
}

#[test]
fn rings_come_to_an_end() {
    let forest = planted(&[
        clue(1, &[1]),
        clue(2, &[3]),
        clue(3, &[2]),
        clue(4, &[5, 6, 5, 6, 4]),
    ]);
    assert_eq!(with(&forest, 1), [0_u64; 0]);
    assert_eq!(with(&forest, 2), [2, 3]);
}

/// Somebody who knows two Message-IDs writes to both: he is in one conversation, and they stay two.
#[test]
fn a_forged_chain_ties_nobody_together() {
    let mut clues = vec![
        clue(10, &[]),
        clue(11, &[10]),
        clue(20, &[]),
        clue(21, &[20]),
    ];
    let honest = planted(&clues);
    clues.push(clue(66, &[10, 20, 11, 21]));
    // The same Message-ID once more, pointing somewhere else.
    clues.push(clue(20, &[10]));
    let forest = planted(&clues);
    assert_eq!(with(&honest, 1), [1, 2]);
    assert_eq!(with(&forest, 1), [1, 2]);
    assert_eq!(with(&forest, 3), [3, 4, 5, 6]);
}

#[test]
fn ten_thousand_in_a_row_are_one() {
    let clues: Vec<Clue> = (0..10_000_u64)
        .map(|n| match n {
            0 => clue(0, &[]),
            n => clue(n, &[n - 1]),
        })
        .collect();
    assert_eq!(with(&planted(&clues), 5_000).len(), 10_000);
}

fn any_clue() -> impl Strategy<Value = Clue> {
    let references = proptest::collection::vec(0..12_u64, 0..5);
    (
        proptest::option::of(0..12_u64),
        references,
        proptest::option::of(0..4_u64),
        any::<bool>(),
    )
        .prop_map(|(id, references, subject, is_answer)| Clue {
            id,
            references: references.into(),
            subject,
            is_answer,
        })
}

proptest! {
    #[test]
    fn the_order_changes_nothing(
        clues in proptest::collection::vec(any_clue(), 0..14),
        keys in proptest::collection::vec(any::<u32>(), 14),
    ) {
        let numbered = (1..).zip(&clues);
        let messages: Vec<_> = numbered
            .map(|(number, clue)| (spool_id(number), Arc::new(clue.clone())))
            .collect();
        let mut mixed: Vec<_> = messages.iter().cloned().zip(&keys).collect();
        mixed.sort_by_key(|(_, key)| **key);
        let mixed: Vec<_> = mixed.into_iter().map(|(message, _)| message).collect();
        prop_assert_eq!(Forest::plant(mixed), Forest::plant(messages));
    }

    /// Each message is in one conversation, with itself, in order.
    #[test]
    fn conversations_share_nothing(clues in proptest::collection::vec(any_clue(), 0..30)) {
        let forest = planted(&clues);
        let numbers = 1..=clues.len() as u64;
        for number in numbers {
            let group = with(&forest, number);
            prop_assert!(group.is_empty() || group.contains(&number) && group.len() > 1);
            prop_assert!(group.is_sorted());
            for other in &group {
                prop_assert_eq!(&with(&forest, *other), &group);
            }
        }
    }

    /// Whatever one more message says: it joins no two conversations whose messages are all here.
    #[test]
    fn one_more_joins_no_two(
        clues in proptest::collection::vec(any_clue(), 1..20),
        forged in any_clue(),
    ) {
        // Nobody points at what is not here, and nobody is guessed by his subject.
        let known: Vec<u64> = clues.iter().filter_map(|clue| clue.id).collect();
        let here = |ids: &[u64]| ids.iter().copied().filter(|id| known.contains(id)).collect();
        let clues: Vec<Clue> = clues
            .into_iter()
            .map(|clue| Clue {
                references: here(&clue.references),
                subject: None,
                ..clue
            })
            .collect();
        let before = planted(&clues);
        let last = clues.len() as u64 + 1;
        let mut more = clues;
        more.push(forged);
        let after = planted(&more);
        for number in 1..last {
            let mut now = with(&after, number);
            now.retain(|one| *one != last);
            let was = with(&before, number);
            prop_assert!(now == was || (was.is_empty() && now == [number]), "{:?} {:?}", was, now);
        }
    }
}

/// Conversations as people lead them, as messages: each answers an earlier one and names those
/// before it, or only the last; some of them never came here.
fn letters(answers: &[(Option<u8>, u8)]) -> Vec<String> {
    let mut chains: Vec<Vec<usize>> = Vec::new();
    let mut letters = Vec::new();
    for (number, (parent, named)) in answers.iter().enumerate() {
        let parent = parent
            .map(usize::from)
            .filter(|_| number > 0)
            .map(|one| one % number);
        let chain = parent.map_or_else(Vec::new, |parent| {
            let mut chain = chains[parent].clone();
            chain.push(parent);
            chain
        });
        let ids = |chain: &[usize]| {
            let ids = chain.iter().map(|one| format!("<{one}@x.example>"));
            ids.collect::<Vec<_>>().join("\r\n ")
        };
        let known = &chain[chain.len().saturating_sub(usize::from(*named).max(1))..];
        let header = match (known, named % 3) {
            ([], _) => String::new(),
            ([.., last], 0) => format!("In-Reply-To: {}\r\n", ids(&[*last])),
            (known, _) => format!("References: {}\r\n", ids(known)),
        };
        letters.push(format!(
            "Message-ID: <{number}@x.example>\r\n{header}Subject: {number}\r\n\r\nText\r\n"
        ));
        chains.push(chain);
    }
    letters
}

/// The conversations of letters that came in this order; a letter that did not come has no place.
fn conversations(letters: &[String], order: &[usize]) -> std::collections::BTreeSet<Vec<usize>> {
    let shared = crate::webmail::conversations::Conversations::default();
    let messages: Vec<_> = (1..)
        .zip(order)
        .map(|(id, letter)| {
            (
                spool_id(id),
                shared.glance(letters[*letter].as_bytes()).clue,
            )
        })
        .collect();
    let forest = Forest::plant(messages);
    let groups = (1..=order.len() as u64).map(|id| {
        let ids = with(&forest, id);
        let mut group: Vec<usize> = ids
            .iter()
            .map(|id| order[usize::try_from(*id).unwrap() - 1])
            .collect();
        group.sort_unstable();
        group
    });
    groups.filter(|group| !group.is_empty()).collect()
}

proptest! {
    /// In whatever order the letters arrive, and whichever do not: the conversations are the same.
    #[test]
    fn the_order_of_arrival_changes_nothing(
        answers in proptest::collection::vec((proptest::option::of(any::<u8>()), 0..9_u8), 1..16),
        keys in proptest::collection::vec(any::<u32>(), 16),
        missing in any::<u16>(),
    ) {
        let letters = letters(&answers);
        let came: Vec<usize> =
            (0..letters.len()).filter(|one| missing >> one & 1 == 0).collect();
        let mut mixed = came.clone();
        mixed.sort_by_key(|one| keys[*one]);
        let in_order = conversations(&letters, &came);
        prop_assert_eq!(conversations(&letters, &mixed), in_order.clone());
        // An answer to a letter that is here is in one conversation with it.
        for (number, (parent, _)) in answers.iter().enumerate() {
            let Some(parent) = parent.filter(|_| number > 0) else { continue };
            let pair = [usize::from(parent) % number, number];
            if pair.iter().all(|one| came.contains(one)) {
                let is_one = |group: &Vec<usize>| pair.iter().all(|one| group.contains(one));
                prop_assert!(in_order.iter().any(is_one), "{:?} in {:?}", pair, in_order);
            }
        }
    }

    /// Rings of any length, each pointing at the next, and at itself, are one conversation.
    #[test]
    fn rings_of_any_length_end(length in 2..400_u64, also_itself: bool) {
        let clues: Vec<Clue> = (0..length)
            .map(|one| {
                let next = (one + 1) % length;
                if also_itself { clue(one, &[one, next]) } else { clue(one, &[next]) }
            })
            .collect();
        prop_assert_eq!(with(&planted(&clues), 1).len() as u64, length);
    }
}
