//! The table of the config: what is done with each kind on each way, and who is a partner.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, PoisonError, RwLock};

use crate::mail::{AutomaticDeed, AutomaticKind, AutomaticWay};

/// What the config says. What it does not name is allowed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Policy {
    /// `[partners]`, as keys of domains.
    pub partners: BTreeSet<String>,
    /// What is not allowed.
    deeds: BTreeMap<(AutomaticKind, AutomaticWay), AutomaticDeed>,
}

impl Policy {
    /// Says what is done with a kind on a way.
    pub fn set(&mut self, kind: AutomaticKind, way: AutomaticWay, deed: AutomaticDeed) {
        if deed == AutomaticDeed::Allow {
            self.deeds.remove(&(kind, way));
        } else {
            self.deeds.insert((kind, way), deed);
        }
    }

    /// What is done with a kind on a way.
    #[must_use]
    pub fn deed(&self, kind: AutomaticKind, way: AutomaticWay) -> AutomaticDeed {
        self.deeds.get(&(kind, way)).copied().unwrap_or_default()
    }

    /// Is everything allowed?
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.deeds.is_empty()
    }

    /// Are wishes for reports taken off anywhere?
    pub(super) fn strips(&self) -> bool {
        self.deeds
            .values()
            .any(|deed| *deed == AutomaticDeed::Strip)
    }

    /// What is not allowed, in the order of the kinds.
    pub fn rules(&self) -> impl Iterator<Item = (AutomaticKind, AutomaticWay, AutomaticDeed)> {
        let rules = self.deeds.iter();
        rules.map(|((kind, way), deed)| (*kind, *way, *deed))
    }

    /// The key of the config for a kind and a way.
    #[must_use]
    pub fn rule(kind: AutomaticKind, way: AutomaticWay) -> String {
        format!("automatic.{kind}.{way}")
    }

    /// May this be said at all? A wish can be taken off for reports only.
    #[must_use]
    pub const fn makes_sense(kind: AutomaticKind, deed: AutomaticDeed) -> bool {
        match deed {
            AutomaticDeed::Allow | AutomaticDeed::Hold | AutomaticDeed::Drop => true,
            AutomaticDeed::Strip => matches!(
                kind,
                AutomaticKind::ReadReceipt | AutomaticKind::DeliveryReport
            ),
        }
    }
}

/// The policy that holds now; cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Policies(Arc<RwLock<Arc<Policy>>>);

impl Policies {
    /// With this one.
    #[must_use]
    pub fn new(policy: Policy) -> Self {
        Self(Arc::new(RwLock::new(Arc::new(policy))))
    }

    /// Takes another one over: it holds for messages that come in from now on.
    pub fn configure(&self, policy: Policy) {
        let mut present = self.0.write().unwrap_or_else(PoisonError::into_inner);
        *present = Arc::new(policy);
    }

    /// The present one.
    #[must_use]
    pub fn present(&self) -> Arc<Policy> {
        let present = self.0.read().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&present)
    }
}
