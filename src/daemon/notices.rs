//! Puts the notices together.

use std::sync::Arc;

use super::StartError;
use super::assemble::Base;
use crate::admin::Admin;
use crate::config::Config;
use crate::mail::{DeliveryTarget, Sign};
use crate::net::{Https, TcpDial, TlsClient};
use crate::notice::{Condition, Find, Kind, Notices, Observe, Parts, Severity};
use crate::outbound::Outbound;
use crate::route::{Decision, Router};
use crate::smtp::Mailbox;
use crate::spool::Recovery;

/// Notices by the config. They go past the queue.
pub(super) fn notices(
    base: &Base,
    config: &Config,
    outbound: &Outbound,
) -> Result<Notices, StartError> {
    let parts = Parts {
        spool: base.spool.clone(),
        transport: Arc::new(outbound.clone()),
        find: Arc::new(NextHop(base.router.clone())),
        sign: Arc::clone(&base.signer) as Arc<dyn Sign>,
        https: Https {
            dial: Arc::new(TcpDial::default()),
            resolve: base.dns.clone(),
            tls: TlsClient::new().map_err(StartError::other("the authorities of the system"))?,
        },
        clock: base.clock.clone(),
        entropy: base.entropy.clone(),
        shutdown: base.shutdown.clone(),
    };
    Ok(Notices::new(config.notice_options(), parts))
}

/// From now on what is wrong is told.
pub(super) fn start(admin: &Arc<Admin>, base: &Base, recovery: &Recovery) {
    let Some(notices) = admin.notices.clone() else {
        return;
    };
    if recovery.rebuilt {
        notices.happened(Condition {
            kind: Kind::Integrity,
            subject: "index, made anew".to_owned(),
            state: String::new(),
            severity: Severity::Warning,
            since: base.clock.now(),
            what: "the index was made anew from the log".to_owned(),
            todo: String::new(),
        });
    }
    let run = notices.run(Arc::clone(admin) as Arc<dyn Observe>);
    base.shutdown.spawn("notices", run);
}

/// An address of ours goes to its platform itself: our own queue may be what waits for it.
#[derive(Debug)]
pub(super) struct NextHop(pub(super) Router);

impl Find for NextHop {
    fn target(&self, to: &Mailbox) -> Result<(DeliveryTarget, Mailbox), String> {
        let domain = to.domain();
        let directory = self.0.directory().current();
        if directory.domain(domain).is_none() {
            return Ok((DeliveryTarget::Domain(domain.key()), to.clone()));
        }
        match self.0.explain(to).decision {
            Decision::Relay {
                targets, address, ..
            } => {
                let first = targets.into_iter().next();
                let target = first.ok_or_else(|| format!("mail for {to} goes nowhere"))?;
                Ok((target, address))
            }
            Decision::Hold { reason, .. } => Err(reason),
            Decision::Expand { .. } => Err(format!("{to} is a group whose home is down")),
            Decision::Reject(reply) => Err(format!("{to} is nobody: {reply}")),
        }
    }
}

#[cfg(test)]
#[path = "notices_tests.rs"]
mod tests;
