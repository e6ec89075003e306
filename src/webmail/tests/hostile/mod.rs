//! What attackers send, and what they ask for.

mod bombs;
mod parts;
mod routes;

use super::*;
