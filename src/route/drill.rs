//! The address to which probes of drills come back.

use super::Decision;
use super::decide::Walk;
use crate::mail::DeliveryTarget;
use crate::smtp::Mailbox;

/// The next hop of what comes back from a drill, as a relay: no host has a name without a port. And
/// who takes out probes for which nobody waits any more.
pub const DRILL: &str = "drill";

impl Walk<'_> {
    /// It beats the directory: nobody else has this address.
    pub(super) fn drill(&mut self, address: &Mailbox) -> Option<Decision> {
        let drill = self.view.options.drill.as_ref()?;
        if drill.key() != address.key() {
            return None;
        }
        self.say(|| format!("{address} is the address of drills: probes end here"));
        Some(Decision::Relay {
            targets: vec![DeliveryTarget::Relay(DRILL.to_owned())],
            address: address.clone(),
            diverted_from: None,
        })
    }
}
