//! The real router, for scripts that name who is in the directory.

use tideover::backend::Board;
use tideover::base::Clock;
use tideover::directory::{Directory, DirectoryHandle, DomainKind, DomainRule, Record, Unknown};
use tideover::mail::BackendId;
use tideover::route::{RouteOptions, Router};

/// It knows these people, and nobody else of example.org; tags are separated by `+`.
pub(crate) fn router(people: &[String]) -> Router {
    let rule = DomainRule {
        name: "example.org".to_owned(),
        kind: DomainKind::InternalRelay,
        home: BackendId::new("onprem"),
        failover: Vec::new(),
        unknown: Unknown::Reject,
    };
    let mut builder = Directory::builder(vec![rule]);
    for person in people {
        builder.add(Record::new(person.parse().unwrap()));
    }
    let directory = DirectoryHandle::new(builder.finish());
    let board = Board::new(&[], Clock::system());
    Router::new(directory, board, RouteOptions::default())
}
