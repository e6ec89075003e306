//! iprev, RFC 8601 §3: does the name of the peer's address lead back to it?

use std::net::IpAddr;

use super::lookup::Lookup;
use crate::mail::{AuthMethod, AuthResult, MethodResult};

/// Names of one address that are looked at.
const NAMES: usize = 5;

/// Checks an address: the result, and the name that leads back to it.
pub(super) async fn check(ip: IpAddr, lookup: &Lookup<'_>) -> (MethodResult, Option<String>) {
    let (result, reason, name) = verify(ip, lookup).await;
    let line = MethodResult::new(AuthMethod::Iprev, result);
    let line = match reason {
        Some(reason) => line.because(reason),
        None => line,
    };
    (line.of("policy.iprev", ip.to_string()), name)
}

async fn verify(
    ip: IpAddr,
    lookup: &Lookup<'_>,
) -> (AuthResult, Option<&'static str>, Option<String>) {
    let Ok(names) = lookup.names(ip).await else {
        return (AuthResult::TempError, None, None);
    };
    if names.is_empty() {
        return (AuthResult::PermError, Some("the address has no name"), None);
    }
    let mut is_silent = false;
    for name in names.iter().take(NAMES) {
        match lookup.addresses(name, ip).await {
            Ok(found) if found.contains(&ip) => {
                return (AuthResult::Pass, None, Some(name.clone()));
            }
            Ok(_) => {}
            Err(_) => is_silent = true,
        }
    }
    if is_silent {
        (AuthResult::TempError, None, None)
    } else {
        (AuthResult::Fail, None, None)
    }
}
