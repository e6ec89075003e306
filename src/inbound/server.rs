//! What all connections of a listener share.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::connection::too_many;
use super::load::{Hold, Load, come_later};
use super::notes::Notes;
use super::policy::{Guest, Standing};
use super::submission::Submitters;
use super::tarpit::Tarpit;
use super::visitors::{Visitor, Visitors};
use super::{Bounds, CurrentBounds, Options};
use crate::auth::Checker;
use crate::automatic::Policies;
use crate::base::Clock;
use crate::device::Devices;
use crate::filter::Filters;
use crate::limits;
use crate::net::AcceptTls;
use crate::route::{Admit, LoopGuard, Origin};
use crate::smtp::Reply;
use crate::spool::Spool;

/// One listener's server, as a connection sees it: with the bounds of the time when it came.
#[derive(Debug, Clone)]
pub struct Server {
    pub(super) options: Options,
    pub(super) spool: Spool,
    pub(super) admit: Arc<dyn Admit>,
    pub(super) tls: Option<Arc<dyn AcceptTls>>,
    pub(super) clock: Clock,
    pub(super) loops: Option<LoopGuard>,
    pub(super) checker: Option<Arc<Checker>>,
    pub(super) notes: Arc<Notes>,
    pub(super) filters: Option<Filters>,
    pub(super) policies: Policies,
    pub(super) submitters: Option<Arc<dyn Submitters>>,
    pub(super) devices: Option<Devices>,
    pub(super) load: Load,
    pub(super) tarpit: Arc<Tarpit>,
    visitors: Arc<Mutex<Visitors>>,
    /// Where others may come from, and those that it has.
    bounds: Option<(CurrentBounds, Arc<Bounds>)>,
}

/// The right to one connection; given back when dropped.
#[derive(Debug)]
pub(super) struct Permit {
    server: Arc<Server>,
    /// Under which it is counted; `None`: whose it is is not known yet.
    visitor: Option<Visitor>,
    /// What every connection takes.
    _hold: Hold,
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
            tarpit: Arc::default(),
            load: Load::new(spool.clone(), clock.clone(), &options.bounds),
            options,
            spool,
            admit,
            tls,
            clock,
            loops: None,
            checker: None,
            notes: Arc::default(),
            filters: None,
            policies: Policies::default(),
            submitters: None,
            devices: None,
            visitors: Arc::default(),
            bounds: None,
        }
    }

    /// With bounds that may change.
    #[must_use]
    pub fn bounded(mut self, current: CurrentBounds) -> Self {
        let present = current.present();
        self.options.bounds = Bounds::clone(&present);
        self.bounds = Some((current, present));
        self
    }

    /// The server for the next connection: the same one, unless the bounds have changed. Who is
    /// there is counted on.
    pub(super) fn for_next(self: Arc<Self>) -> Arc<Self> {
        let Some((current, had)) = &self.bounds else {
            return self;
        };
        if Arc::ptr_eq(&current.present(), had) {
            return self;
        }
        let current = current.clone();
        Arc::new(Self::clone(&self).bounded(current))
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

    /// Which shares what it measures with other listeners.
    #[must_use]
    pub fn sharing(mut self, load: Load) -> Self {
        self.load = load;
        self
    }

    /// A permit for a connection from `peer`, unless there are too many, or too much to do; without
    /// an address when a proxy will say whose it is.
    ///
    /// # Errors
    /// The last word to it.
    pub(super) fn permit(self: &Arc<Self>, peer: Option<IpAddr>) -> Result<Permit, Reply> {
        let guest = peer.map_or(Guest::Awaited, |peer| self.guest(peer, Standing::Own));
        self.has_time_for(guest)?;
        let visitor = peer.map(Visitor::of);
        let bounds = &self.options.bounds;
        let (is_full, came) = {
            let mut visitors = self.visitors();
            let is_full = visitors.is_full(guest, bounds);
            (is_full, visitors.come((visitor, guest), bounds))
        };
        // Behind a proxy nobody has said yet who he is.
        let is_unknown = peer.is_none() && came.is_none() && self.takes_strangers();
        if is_full && (guest == Guest::Stranger || is_unknown) {
            self.load.note_full();
        }
        if !self.has_many_places() {
            self.tarpit.clear();
        }
        came.ok_or_else(|| too_many(&self.options.hostname))?;
        Ok(Permit {
            server: Arc::clone(self),
            visitor,
            _hold: self.load.hold(limits::CONNECTION_MEMORY),
        })
    }

    fn has_time_for(&self, guest: Guest) -> Result<(), Reply> {
        if self.load.sends_away(guest) {
            self.tarpit.clear();
            return Err(come_later(&self.options.hostname));
        }
        Ok(())
    }

    /// Is there a place for whoever comes next, and some more?
    pub(super) fn has_many_places(&self) -> bool {
        self.visitors().has_many_places(&self.options.bounds)
    }

    /// Does anybody hand mail in here who likes to?
    const fn takes_strangers(&self) -> bool {
        !self.options.role.wants_login() && !self.options.role.is_lmtp()
    }

    /// Are places kept for who is at this address?
    pub(super) fn guest(&self, peer: IpAddr, standing: Standing) -> Guest {
        let reserved = &self.options.bounds.reserved_for;
        let is_named = || reserved.iter().any(|network| network.contains(peer));
        let is_awaited = !self.takes_strangers()
            || standing == Standing::Own && is_named()
            || self.know(peer, standing).1 == Origin::Trusted;
        if is_awaited {
            Guest::Awaited
        } else {
            Guest::Stranger
        }
    }

    fn visitors(&self) -> MutexGuard<'_, Visitors> {
        self.visitors.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Permit {
    /// The connection is counted under this address from now on, unless it has too many.
    ///
    /// # Errors
    /// The last word to it.
    pub(super) fn reassign(mut self, peer: IpAddr, standing: Standing) -> Result<Self, Reply> {
        let server = Arc::clone(&self.server);
        let guest = server.guest(peer, standing);
        server.has_time_for(guest)?;
        let visitor = Visitor::of(peer);
        if self.visitor == Some(visitor) {
            return Ok(self);
        }
        let bounds = &server.options.bounds;
        let mut visitors = server.visitors();
        if guest == Guest::Stranger && visitors.is_overfull(guest, bounds) {
            server.load.note_full();
        }
        let entered = visitors.enter((visitor, guest), bounds);
        if entered.is_some()
            && let Some(before) = self.visitor.replace(visitor)
        {
            visitors.leave(before);
        }
        // Before the permit goes, which wants them, too.
        drop(visitors);
        let entered = entered.map(|()| self);
        entered.ok_or_else(|| too_many(&server.options.hostname))
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.server.visitors().go(self.visitor);
    }
}
