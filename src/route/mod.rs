//! One pure function: recipient + directory + health + holds → decision and its explanation.
//!
//! [`decide`] is the function, [`Router`] hands it the present directory, health and options.

mod admit;
mod decide;
mod decision;
mod drill;
mod groups;
mod hold_store;
mod holds;
mod loops;
mod moves;
mod nearly;
mod parties;
mod placed;
mod refusals;
mod rehearsal;
mod rehearsal_report;
mod relay_test;
mod routed;
mod router;
mod selection;
mod shown;
mod verify;

pub use admit::{Admission, Admit, Origin};
pub use decide::{Telling, View, decide};
pub use decision::{Decision, Explanation};
pub use drill::DRILL;
pub use hold_store::{HoldError, HoldWish, Holds, StepError, StepWish};
pub use holds::{HoldBook, HoldRule, Move, MoveState};
pub use loops::LoopGuard;
pub use moves::{
    Check, Force, HOMES_AS_THEN, HomesSince, MoveFacts, MoveHome, MoveStep, Weight, overtaken,
    permits, unmet,
};
pub use nearly::{NearRule, Nearly, nearly};
pub use placed::Placed;
pub use rehearsal::Rehearsal;
pub use rehearsal_report::{Becomes, Finding, Flow, Load, RehearsalReport};
pub use relay_test::{LastRelayTest, OpenTrick, RelayTest, RelayTested, WideNetwork};
pub use router::{Mail, OutboundRelay, RouteOptions, Router};
pub use selection::{Candidate, NoPattern, Pattern, Selection};
pub use shown::{Shown, ShownState, paused, paused_for};
pub use verify::Verifier;

#[cfg(test)]
mod public_tests;
