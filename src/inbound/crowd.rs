//! What one connection may hold while there are many.

use super::connection::Connection;
use super::load::CROWDED;
use super::session::Rules as _;
use crate::limits;
use crate::smtp::Reply;

impl Connection {
    /// Returns when it has to go because it holds too much, with what it holds beside.
    pub(super) async fn squeezed(&self, beside: u64) {
        let held = self.hold.bytes() + beside;
        if held <= limits::FAIR_SHARE || self.is_awaited() {
            std::future::pending::<()>().await;
        }
        self.server.load.squeezed().await;
    }

    /// Is there room for more of what it says?
    pub(super) fn memory(&self) -> Result<(), Reply> {
        let has_room = self.server.load.has_room();
        has_room.then_some(()).ok_or(CROWDED)
    }
}
