//! What the front door says to those whom it does not take.

use crate::smtp::Reply;

pub(super) const NO_SUCH_USER: Reply = Reply::new(550, (5, 1, 1), "No such user here");
/// RFC 3463 §3.4: a directory that cannot be asked.
pub(super) const NOT_KNOWN_YET: Reply = Reply::new(
    451,
    (4, 4, 3),
    "The directory does not know yet who exists, try again later",
);
pub(super) const NO_RELAY: Reply = Reply::new(
    550,
    (5, 7, 1),
    "Relaying denied: this server takes no mail for that domain",
);
/// `victim%elsewhere.example@example.org`: a platform that trusts us could take it for a route.
pub(super) const ROUTED: Reply = Reply::new(
    550,
    (5, 7, 1),
    "Relaying denied: the address names a way to somewhere else",
);
