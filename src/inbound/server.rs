//! What all connections of a listener share.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

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
    /// Under which it is counted; `None`: whose it is is not known yet.
    address: Option<IpAddr>,
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

    /// A permit for a connection from `peer`, unless there are too many; without an address when a
    /// proxy will say whose it is.
    pub(super) fn permit(self: &Arc<Self>, peer: Option<IpAddr>) -> Option<Permit> {
        let mut visitors = self.visitors();
        if visitors.all >= self.options.bounds.connections {
            return None;
        }
        let address = peer.map(counted);
        if let Some(address) = address {
            visitors.enter(address, self.options.bounds.connections_per_address)?;
        }
        visitors.all += 1;
        Some(Permit {
            server: Arc::clone(self),
            address,
        })
    }

    fn visitors(&self) -> MutexGuard<'_, Visitors> {
        self.visitors.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Visitors {
    fn enter(&mut self, address: IpAddr, most: usize) -> Option<()> {
        let here = self.by_address.get(&address).copied().unwrap_or(0);
        if here >= most {
            return None;
        }
        self.by_address.insert(address, here + 1);
        Some(())
    }

    fn leave(&mut self, address: IpAddr) {
        if let Some(here) = self.by_address.get_mut(&address) {
            *here -= 1;
            if *here == 0 {
                self.by_address.remove(&address);
            }
        }
    }
}

impl Permit {
    /// The connection is counted under this address from now on, unless it has too many.
    pub(super) fn reassign(mut self, peer: IpAddr) -> Option<Self> {
        let address = counted(peer);
        if self.address != Some(address) {
            let server = Arc::clone(&self.server);
            let mut visitors = server.visitors();
            let most = server.options.bounds.connections_per_address;
            let entered = visitors.enter(address, most);
            if entered.is_some()
                && let Some(before) = self.address.replace(address)
            {
                visitors.leave(before);
            }
            // Before the permit goes, which wants them, too.
            drop(visitors);
            entered?;
        }
        Some(self)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut visitors = self.server.visitors();
        visitors.all = visitors.all.saturating_sub(1);
        if let Some(address) = self.address {
            visitors.leave(address);
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
