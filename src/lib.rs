//! Tideover: a continuity spool and failover MTA.
//!
//! The rooms, lowest floor first; a room imports strictly lower floors only (`tests/tidy`).

// floor 0
pub mod base;
pub mod limits;
pub mod smtp;
pub mod telemetry;
// floor 1
pub mod credential;
pub mod frame;
pub mod mail;
pub mod net;
pub mod terminal;
// floor 2
pub mod auth;
pub mod automatic;
pub mod filter;
pub mod imap;
pub mod ldap;
pub mod oidc;
pub mod spool;
// floor 3
pub mod backend;
pub mod device;
pub mod directory;
pub mod notice;
// floor 4
pub mod activation;
pub mod person;
pub mod report;
pub mod route;
// floor 5
pub mod drill;
pub mod inbound;
pub mod outbound;
pub mod queue;
pub mod writeback;
// floor 6
pub mod admin;
pub mod cutover;
pub mod webmail;
// floor 7
pub mod cli;
pub mod config;
pub mod daemon;
pub mod demo;
