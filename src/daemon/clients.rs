//! What asks others: platforms and hosts of strangers, content filters, mailboxes.

use std::sync::Arc;

use super::StartError;
use super::assemble::Base;
use crate::base::Clock;
use crate::config::Config;
use crate::filter::{self, Filters};
use crate::imap::{self, ImapHomes};
use crate::net::{Dns, TcpDial, TlsClient};
use crate::outbound::{self, Outbound};

/// The client of all next hops.
pub(super) fn client(config: &Config, base: &Base) -> Result<Outbound, StartError> {
    let world = outbound::World {
        dial: Arc::new(TcpDial::default()),
        resolve: base.dns.clone(),
        tls: TlsClient::new().map_err(StartError::other("the authorities of the system"))?,
        clock: base.clock.clone(),
        entropy: base.entropy.clone(),
        board: Some(base.board.clone()),
    };
    Ok(Outbound::new(config.outbound_options(), world))
}

/// The content filters.
pub(super) fn filters(config: &Config, dns: Arc<Dns>, clock: &Clock) -> Filters {
    let world = filter::World {
        dial: Arc::new(TcpDial::default()),
        resolve: dns,
        clock: clock.clone(),
    };
    Filters::new(world, config.filter_options())
}

/// The mailboxes that can be asked what they have.
pub(super) fn mailboxes(config: &Config, dns: Arc<Dns>) -> Result<ImapHomes, StartError> {
    let world = imap::World {
        dial: Arc::new(TcpDial::default()),
        resolve: dns,
        tls: TlsClient::new().map_err(StartError::other("the authorities of the system"))?,
    };
    Ok(ImapHomes::new(world, config.imap_options()))
}
