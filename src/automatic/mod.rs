//! Automatic answers: absence notices, replies and forwards that nobody wrote, reports of delivery
//! and reading. What a message is, which way it goes, and what the config does with it. Pure.
//!
//! `marks` reads the few fields that tell something; `recognise` says what they mean together, and
//! in doubt that a message is ordinary mail; `report` looks into reports of delivery; `requests`
//! finds the wishes for such reports, and the signatures over them; `way` says where a message
//! comes from and goes, by what is proven; `policy` is the table of the config, and `judge` puts
//! all of it together. Nothing here is asked while the table allows everything.

mod judge;
mod marks;
mod policy;
mod recognise;
mod report;
mod requests;
mod way;

pub use judge::{Asked, Judged, Wish, judge};
pub use marks::Marks;
pub use policy::{Policies, Policy};
pub use recognise::{Recognised, recognise};
pub use requests::{Request, requests};
pub use way::{Party, Sealed, author, proven, signed_by, way};

#[cfg(test)]
mod samples;
#[cfg(test)]
mod tests;
