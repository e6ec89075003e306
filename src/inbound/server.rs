//! What all connections of a listener share.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use super::Options;
use crate::auth::Checker;
use crate::base::Clock;
use crate::net::AcceptTls;
use crate::route::{Admit, LoopGuard};
use crate::spool::Spool;

/// One listener's server.
#[derive(Debug)]
pub struct Server {
    pub(super) options: Options,
    pub(super) spool: Spool,
    pub(super) admit: Arc<dyn Admit>,
    pub(super) tls: Option<Arc<dyn AcceptTls>>,
    pub(super) clock: Clock,
    pub(super) loops: Option<LoopGuard>,
    pub(super) checker: Option<Arc<Checker>>,
    visitors: Mutex<Visitors>,
}

#[derive(Debug, Default)]
struct Visitors {
    all: usize,
    by_address: HashMap<IpAddr, usize>,
}

/// The right to one connection; given back when dropped.
#[derive(Debug)]
pub(super) struct Permit {
    server: Arc<Server>,
    address: IpAddr,
}

impl Server {
    /// A server. Without `tls` a listener that wants it does not offer it.
    #[must_use]
    pub fn new(
        options: Options,
        spool: Spool,
        admit: Arc<dyn Admit>,
        tls: Option<Arc<dyn AcceptTls>>,
        clock: Clock,
    ) -> Self {
        Self {
            options,
            spool,
            admit,
            tls,
            clock,
            loops: None,
            checker: None,
            visitors: Mutex::default(),
        }
    }

    /// With a guard that knows messages which come back.
    #[must_use]
    pub fn guarded(mut self, loops: LoopGuard) -> Self {
        self.loops = Some(loops);
        self
    }

    /// With somebody who checks the senders of strangers' mail.
    #[must_use]
    pub fn checking(mut self, checker: Arc<Checker>) -> Self {
        self.checker = Some(checker);
        self
    }

    /// A permit for a connection from `peer`, unless there are too many.
    pub(super) fn permit(self: &Arc<Self>, peer: IpAddr) -> Option<Permit> {
        let address = counted(peer);
        let bounds = &self.options.bounds;
        let mut visitors = self.visitors.lock().unwrap_or_else(PoisonError::into_inner);
        let here = visitors.by_address.get(&address).copied().unwrap_or(0);
        if visitors.all >= bounds.connections || here >= bounds.connections_per_address {
            return None;
        }
        visitors.all += 1;
        visitors.by_address.insert(address, here + 1);
        Some(Permit {
            server: Arc::clone(self),
            address,
        })
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let visitors = self.server.visitors.lock();
        let mut visitors = visitors.unwrap_or_else(PoisonError::into_inner);
        visitors.all = visitors.all.saturating_sub(1);
        if let Some(here) = visitors.by_address.get_mut(&self.address) {
            *here -= 1;
            if *here == 0 {
                visitors.by_address.remove(&self.address);
            }
        }
    }
}

/// The address under which connections are counted: of IPv6 a whole /64, which is what one host
/// usually has.
fn counted(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => IpAddr::V6((address.to_bits() & !u128::from(u64::MAX)).into()),
    }
}
