//! Bounds of TLS.

use std::time::Duration;

/// Wait for a TLS handshake, either side. Beyond: the connection is closed.
pub const TLS_TIMEOUT: Duration = Duration::from_secs(30);
/// Certificates of `tls.more`: their files are looked at for each handshake. Beyond: refused.
pub const MORE_CERTIFICATES: usize = 100;
/// Configs of TLS towards servers that prove who they are in a way of their own, each with the
/// sessions that can go on. Beyond: the one that was used least lately goes, with its sessions.
pub const TLS_CONFIGS: usize = 32;
/// Servers whose TLS sessions can go on, over all configs. Beyond: the one that was met least
/// lately begins anew.
pub const TLS_SERVERS: usize = 64;
/// Sessions of one server that can go on. Each may take 128 KiB, what others send us; most take
/// two. Beyond: the oldest goes.
pub const TLS_SESSIONS: usize = 2;
/// So long what a server has proven counts for sessions that go on. Beyond: it proves it again.
pub const TLS_PROVEN: Duration = Duration::from_secs(3_600);
