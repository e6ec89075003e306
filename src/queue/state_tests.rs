use super::*;
use crate::queue::samples;

const LIMITS: TargetLimits = TargetLimits::connections(3);

/// Mail for this next hop; does it get one more worker?
fn push(state: &mut State, number: u64, target: &DeliveryTarget) -> bool {
    let id = SpoolId::from_u64(number);
    let mut job = samples::job(id, Source::Fresh, "ann@stranger.example", &[0]);
    job.targets.push_back(target.clone());
    state.push(job, LIMITS) == Some(Pushed::StartWorker)
}

#[test]
fn both_ways_to_a_domain_share_its_connections() {
    let strict = DeliveryTarget::Domain("stranger.example".to_owned());
    let lenient = DeliveryTarget::Lenient("stranger.example".to_owned());
    let other = DeliveryTarget::Lenient("other.example".to_owned());
    let mut state = State::default();
    assert!(push(&mut state, 0, &strict));
    for number in 1..5 {
        assert!(!push(&mut state, number, &strict));
    }
    assert!(state.succeed(&strict, Duration::ZERO));
    assert!(state.succeed(&strict, Duration::ZERO));
    assert!(!state.succeed(&strict, Duration::ZERO), "three may be");
    assert!(!state.is_surplus(&strict));
    // The other way gets one all the same, and one of these goes for it.
    assert!(push(&mut state, 5, &lenient));
    push(&mut state, 6, &lenient);
    assert!(state.is_surplus(&strict));
    assert!(!state.is_surplus(&lenient));
    assert!(!state.end_worker(&strict));
    assert!(!state.is_surplus(&strict));
    assert!(!state.succeed(&lenient, Duration::ZERO), "two and one");
    assert!(!state.succeed(&strict, Duration::ZERO), "two and one");
    // Another domain has its own.
    assert!(push(&mut state, 7, &other));
    push(&mut state, 8, &other);
    assert!(state.succeed(&other, Duration::ZERO));
    // What is over leaves room again.
    while state.pop(&lenient).is_some() {}
    assert!(!state.end_worker(&lenient));
    assert!(state.succeed(&strict, Duration::ZERO));
}

#[tokio::test]
async fn who_waits_is_woken_when_he_is_one_too_many() {
    let strict = DeliveryTarget::Domain("stranger.example".to_owned());
    let lenient = DeliveryTarget::Lenient("stranger.example".to_owned());
    let mut state = State::default();
    for number in 0..4 {
        push(&mut state, number, &strict);
    }
    assert!(state.succeed(&strict, Duration::ZERO));
    assert!(state.succeed(&strict, Duration::ZERO));
    while state.pop(&strict).is_some() {}
    let wake = state.idle(&strict).unwrap();
    assert!(push(&mut state, 9, &lenient));
    wake.notified().await;
    state.busy_again(&strict);
    assert!(state.is_surplus(&strict));
}
