//! Puts together what tells strangers how TLS with them went.

use std::sync::Arc;

use super::assemble::Base;
use super::notices::NextHop;
use crate::mail::Sign;
use crate::outbound::{Outbound, ReportParts};

/// Reports leave from now on, if the config names somebody who sends them.
pub(super) fn start(base: &Base, outbound: Outbound) {
    let parts = ReportParts {
        find: Arc::new(NextHop(base.router.clone())),
        sign: Arc::clone(&base.signer) as Arc<dyn Sign>,
        shutdown: base.shutdown.clone(),
    };
    base.shutdown
        .spawn("TLS reports", outbound.report_tls(parts));
}
