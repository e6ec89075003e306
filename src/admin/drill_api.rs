//! Drills: their lights, and a run now.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use metrics::gauge;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Admin, AdminError};
use crate::base::Timestamp;
use crate::directory::{Grade, Obstacle, ObstacleKind};
use crate::drill::{LegReport, Light};
use crate::telemetry::names;

/// `drill status`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DrillView {
    /// Where probes come back to; `None`: nothing is drilled.
    pub address: Option<String>,
    /// From one probe of a leg to the next, in seconds.
    pub every_seconds: u64,
    /// A probe that takes longer is lost.
    pub deadline_seconds: u64,
    /// May a wave start? All are green, or there are none.
    pub green: bool,
    /// Each leg.
    pub legs: Vec<LegReport>,
}

/// A leg whose last probe did not come back in time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RedDrill {
    /// Its name.
    pub leg: String,
    /// Since when.
    pub since: Option<Timestamp>,
    /// Why.
    pub reason: String,
}

pub(super) async fn status(State(admin): State<Arc<Admin>>) -> Result<Json<DrillView>, AdminError> {
    admin.blocking(Admin::drill_view).await.map(Json)
}

/// Probes leave at once; whoever asked looks again until none is under way.
pub(super) async fn run(State(admin): State<Arc<Admin>>) -> Result<Json<DrillView>, AdminError> {
    if admin.drills.options().is_none() {
        return Err(AdminError::Asked {
            what: "nothing is drilled".to_owned(),
            hint: "docs/drills.md says how [drill] is configured",
        });
    }
    admin.drills.hurry();
    admin.blocking(Admin::drill_view).await.map(Json)
}

impl Admin {
    fn drill_view(&self) -> Result<DrillView, AdminError> {
        let options = self.drills.options();
        Ok(DrillView {
            address: options.map(|it| it.address.to_string()),
            every_seconds: options.map_or(0, |it| it.every.as_secs()),
            deadline_seconds: options.map_or(0, |it| it.deadline.as_secs()),
            green: self.drills.refusals().is_empty(),
            legs: self.drills.report()?,
        })
    }

    /// A wave needs both ways.
    pub(super) fn drill_obstacles(&self) -> impl Iterator<Item = Obstacle> {
        let refusals = self.drills.refusals().into_iter();
        refusals.map(|why| {
            let text = format!("{why}; --despite-drill starts all the same");
            Obstacle::new(ObstacleKind::Drill, Grade::Warns, text)
        })
    }

    /// The reason of a start that overlooks drills: whoever looks later sees what was known.
    pub(super) fn overlooking_drills(&self, reason: String) -> String {
        let refusals = self.drills.refusals();
        if refusals.is_empty() {
            return reason;
        }
        let known = format!("despite: {}", refusals.join("; "));
        if reason.is_empty() {
            known
        } else {
            format!("{reason} ({known})")
        }
    }

    /// The legs that are red, for `/api/status`.
    pub(super) fn red_drills(&self) -> impl Iterator<Item = RedDrill> {
        let lights = self.drills.lights().into_iter();
        lights
            .filter(|(_, state)| state.light == Light::Red)
            .map(|(leg, state)| RedDrill {
                leg,
                since: state.since,
                reason: state.reason,
            })
    }

    pub(super) fn drill_problems(&self) -> impl Iterator<Item = String> {
        self.red_drills()
            .map(|red| format!("drill {} is red: {}", red.leg, red.reason))
    }

    pub(super) fn set_drill_gauges(&self) {
        for (name, state) in self.drills.lights() {
            let green = f64::from(u8::from(state.light == Light::Green));
            gauge!(names::DRILL_GREEN, "leg" => name.clone()).set(green);
            let took = state.latency_ms.and_then(|took| u32::try_from(took).ok());
            let seconds = took.map_or(-1.0, |took| f64::from(took) / 1000.0);
            gauge!(names::DRILL_LATENCY, "leg" => name).set(seconds);
        }
    }
}
