//! What all connections of a listener share.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::Options;
use super::notes::Notes;
use super::submission::Submitters;
use super::visitors::{Visitor, Visitors};
use crate::auth::Checker;
use crate::automatic::Policies;
use crate::base::Clock;
use crate::device::Devices;
use crate::filter::Filters;
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
    pub(super) notes: Notes,
    pub(super) filters: Option<Filters>,
    pub(super) policies: Policies,
    pub(super) submitters: Option<Arc<dyn Submitters>>,
    pub(super) devices: Option<Devices>,
    visitors: Mutex<Visitors>,
}

/// The right to one connection; given back when dropped.
#[derive(Debug)]
pub(super) struct Permit {
    server: Arc<Server>,
    /// Under which it is counted; `None`: whose it is is not known yet.
    visitor: Option<Visitor>,
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
            notes: Notes::default(),
            filters: None,
            policies: Policies::default(),
            submitters: None,
            devices: None,
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

    /// With content filters that look at messages before they are taken.
    #[must_use]
    pub fn filtering(mut self, filters: Filters) -> Self {
        self.filters = Some(filters);
        self
    }

    /// With devices that are known by their addresses.
    #[must_use]
    pub fn knowing(mut self, devices: Devices) -> Self {
        self.devices = Some(devices);
        self
    }

    /// With a policy for automatic answers.
    #[must_use]
    pub fn answering(mut self, policies: Policies) -> Self {
        self.policies = policies;
        self
    }

    /// With somebody who knows who may log in; without him nobody can.
    #[must_use]
    pub fn submitting(mut self, submitters: Arc<dyn Submitters>) -> Self {
        self.submitters = Some(submitters);
        self
    }

    /// A permit for a connection from `peer`, unless there are too many; without an address when a
    /// proxy will say whose it is.
    pub(super) fn permit(self: &Arc<Self>, peer: Option<IpAddr>) -> Option<Permit> {
        let visitor = peer.map(Visitor::of);
        self.visitors().come(visitor, &self.options.bounds)?;
        Some(Permit {
            server: Arc::clone(self),
            visitor,
        })
    }

    fn visitors(&self) -> MutexGuard<'_, Visitors> {
        self.visitors.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Permit {
    /// The connection is counted under this address from now on, unless it has too many.
    pub(super) fn reassign(mut self, peer: IpAddr) -> Option<Self> {
        let visitor = Visitor::of(peer);
        if self.visitor == Some(visitor) {
            return Some(self);
        }
        let server = Arc::clone(&self.server);
        let mut visitors = server.visitors();
        let entered = visitors.enter(visitor, &server.options.bounds);
        if entered.is_some()
            && let Some(before) = self.visitor.replace(visitor)
        {
            visitors.leave(before);
        }
        // Before the permit goes, which wants them, too.
        drop(visitors);
        entered.map(|()| self)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.server.visitors().go(self.visitor);
    }
}
