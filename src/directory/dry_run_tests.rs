//! What is told of a change that is only looked at: what the change itself comes to.

use super::generation_tests::{FORCE, House, note};
use super::*;

const ONE: &str = "address,aliases\na@example.org,\nb@example.org,info@example.org\n";
/// Two claim an address.
const BOTH: &str =
    "address,aliases\na@example.org,info@example.org\nb@example.org,info@example.org\n";

fn would_be_open(outcome: &Outcome) -> usize {
    let Outcome::Would { open_conflicts, .. } = outcome else {
        panic!("it was not only looked at: {outcome:?}");
    };
    *open_conflicts
}

#[tokio::test]
async fn a_look_tells_the_conflicts_that_would_be_open() {
    let house = House::new();
    house.import(FILE, ONE, FORCE).await.unwrap();
    let look = house.import(FILE, BOTH, Mode::DryRun).await.unwrap();
    assert_eq!(would_be_open(&look), 1);
    assert_eq!(house.generations.current().open_conflicts(), 0);
    house.import(FILE, BOTH, FORCE).await.unwrap();
    assert_eq!(house.generations.current().open_conflicts(), 1);

    let back = |mode| house.generations.revert(1, note(Cause::Revert), mode);
    let look = back(Mode::DryRun).await.unwrap();
    assert_eq!(would_be_open(&look), 0);
    assert_eq!(house.generations.current().open_conflicts(), 1);
    back(FORCE).await.unwrap();
    assert_eq!(house.generations.current().open_conflicts(), 0);
}
