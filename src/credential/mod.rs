//! What people prove themselves with: passwords, codes of an app, tokens; and how often they may
//! try. Of users of the webmail and of operators alike; whose they are is known above.

mod code;
mod digest;
mod password;
mod scram;
mod throttle;
mod totp;

pub(crate) use code::{grouped, letters_of};
pub(crate) use digest::{digest, is_token, same};
pub(crate) use password::{HashError, LONGEST, Passwords, SHORTEST};
pub use scram::ScramKeys;
pub(crate) use scram::{
    ClientFirst, Proven, Scram, ScramFlaw, ServerExchange, ServerProof, prepared,
};
pub(crate) use throttle::Throttle;
#[cfg(test)]
pub(crate) use totp::shown;
pub(crate) use totp::{SECRET, accepted, base32, from_base32, picture, uri};
