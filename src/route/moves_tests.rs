use super::*;

fn facts() -> MoveFacts {
    MoveFacts {
        domain: "example.org".to_owned(),
        known: true,
        state: None,
        home: Some(BackendId::new("cloud")),
        home_changes: true,
        homes: vec![MoveHome {
            backend: BackendId::new("cloud"),
            known: true,
            trouble: None,
            people: 2,
        }],
        people: 2,
        accounts: 1,
        webmail: true,
        ..MoveFacts::default()
    }
}

#[test]
fn nobody_is_sent_to_a_webmail_that_is_not_there() {
    let note = |facts: &MoveFacts| facts.checks(MoveStep::Start).pop().unwrap();
    let with = note(&facts());
    assert!(!with.ok && with.detail.contains("1 of 2 people can log in"));
    assert!(with.detail.contains("`user invite`"), "{}", with.detail);
    let all = note(&MoveFacts {
        accounts: 2,
        ..facts()
    });
    assert!(
        all.ok && !all.detail.contains("invite"),
        "nobody is left out"
    );
    let nobody = note(&MoveFacts {
        accounts: 0,
        people: 0,
        ..facts()
    });
    assert!(!nobody.ok, "where nobody is known nobody reads");
    let without = note(&MoveFacts {
        webmail: false,
        ..facts()
    });
    assert!(!without.ok && without.weight == Weight::Note);
    assert!(!without.detail.contains("invite"), "{}", without.detail);
    assert!(without.detail.contains("no [web]"), "{}", without.detail);
}

fn may(facts: &MoveFacts, step: MoveStep, force: Force) -> bool {
    permits(&facts.checks(step), force)
}

#[test]
fn each_step_has_its_time() {
    let at = |state| MoveFacts { state, ..facts() };
    let moving = Some(MoveState::Moving);
    for (state, start, finish, back_out) in [
        (None, true, false, false),
        (moving, false, true, true),
        (Some(MoveState::Finished), true, false, true),
        (Some(MoveState::BackedOut), true, false, false),
    ] {
        let facts = at(state);
        for force in [Force::No, Force::Yes] {
            assert_eq!(may(&facts, MoveStep::Start, force), start, "{state:?}");
            assert_eq!(may(&facts, MoveStep::Finish, force), finish, "{state:?}");
            assert_eq!(may(&facts, MoveStep::BackOut, force), back_out, "{state:?}");
        }
    }
    // Who comes too late hears who was first.
    let late = MoveFacts {
        actor: "ann".to_owned(),
        ..at(moving)
    };
    let checks = late.checks(MoveStep::Start);
    assert!(
        checks[1].detail.contains("ann has started it"),
        "{checks:?}"
    );
    let late = MoveFacts {
        state: Some(MoveState::Finished),
        ..late
    };
    for step in [MoveStep::Finish, MoveStep::Start] {
        let told = late.checks(step)[1].detail.clone();
        assert_eq!(
            told.contains("ann has finished it"),
            step == MoveStep::Finish
        );
    }
    let stranger = MoveFacts {
        known: false,
        ..facts()
    };
    assert!(!may(&stranger, MoveStep::Start, Force::Yes));
}

#[test]
fn what_should_be_so_can_be_forced() {
    let mut facts = facts();
    facts.spool_trouble = Some("the disk is full".to_owned());
    assert!(!may(&facts, MoveStep::Start, Force::No));
    assert!(may(&facts, MoveStep::Start, Force::Yes));
    facts.state = Some(MoveState::Moving);
    facts.homes[0].trouble = Some("cloud is down".to_owned());
    assert!(!may(&facts, MoveStep::Finish, Force::No));
    assert!(may(&facts, MoveStep::Finish, Force::Yes));
    assert!(
        may(&facts, MoveStep::BackOut, Force::No),
        "its mail waits as before"
    );
}

/// Its answer would be "it is where it was", and its mail would go elsewhere.
#[test]
fn the_way_back_sees_who_lives_elsewhere_by_now() {
    let at = |since| MoveFacts {
        state: Some(MoveState::Moving),
        since,
        ..facts()
    };
    let last = |facts: &MoveFacts| facts.checks(MoveStep::BackOut).pop().unwrap();
    let same = at(HomesSince::Same);
    assert!(last(&same).ok && may(&same, MoveStep::BackOut, Force::No));
    let changed = at(HomesSince::Changed {
        people: 1,
        gone: 2,
        then: 4,
    });
    let check = last(&changed);
    assert!(check.detail.contains("1 with another home and 2 who are"));
    assert!(!check.ok && check.detail.contains("directory revert 4"));
    assert!(!may(&changed, MoveStep::BackOut, Force::No));
    assert!(may(&changed, MoveStep::BackOut, Force::Yes));
    let unknown = at(HomesSince::Unknown("nothing was there yet".to_owned()));
    assert!(!last(&unknown).ok && last(&unknown).detail.contains("nothing was there"));
    assert!(
        may(&unknown, MoveStep::BackOut, Force::No),
        "it helps nobody to wait"
    );
    let mut configured = at(HomesSince::Same);
    configured.home_then = configured.home.clone();
    assert!(last(&configured).ok);
    configured.home_then = Some(BackendId::new("before"));
    let check = last(&configured);
    assert!(check.detail.contains("its home was before and is"));
    assert!(!may(&configured, MoveStep::BackOut, Force::No));
    for step in [MoveStep::Start, MoveStep::Finish] {
        assert_eq!(changed.checks(step), same.checks(step), "{step}");
    }
}

#[test]
fn notes_say_what_is_easily_forgotten() {
    let mut facts = facts();
    facts.state = Some(MoveState::Moving);
    let note = |facts: &MoveFacts| facts.checks(MoveStep::Finish).pop().unwrap();
    assert!(note(&facts).ok);
    facts.home_changes = false;
    assert!(note(&facts).detail.contains("--home NAME"));
    facts.homes.push(MoveHome {
        backend: BackendId::new("onprem"),
        known: true,
        trouble: None,
        people: 3,
    });
    assert!(note(&facts).detail.contains("3 at onprem"));
}
