//! One pure function: recipient + directory + health → decision and its explanation.
//!
//! [`decide`] is the function, [`Router`] hands it the present directory, health and options.

mod admit;
mod decide;
mod decision;
mod loops;
mod router;
mod selection;
mod shown;

pub use admit::{Admission, Admit, Origin};
pub use decide::{Telling, View, decide};
pub use decision::{Decision, Explanation};
pub use loops::LoopGuard;
pub use router::{OutboundRelay, RouteOptions, Router};
pub use selection::{Candidate, NoPattern, Pattern, Selection};
pub use shown::{Shown, ShownState, paused};
