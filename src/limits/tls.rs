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

/// Different endings of TLS sessions with one domain on one day. Beyond: counted without where and
/// why.
pub const TLS_DETAILS: usize = 20;
/// Bytes that are kept of a stranger's policy of TLS. Beyond: lines that do not fit are left out.
pub const TLS_POLICY_TEXT: usize = 1_024;
/// Letters that are kept of what went wrong with TLS. Beyond: cut off.
pub const TLS_REASON: usize = 240;
/// A report on TLS leaves within so long after its day (RFC 8460 §4.1).
pub const TLS_REPORT_DELAY: Duration = Duration::from_secs(4 * 3_600);
/// The pauses before each further attempt to send one, within a day (RFC 8460 §5.5). Beyond: given
/// up.
pub const TLS_REPORT_AGAIN: [Duration; 5] = [
    Duration::from_secs(15 * 60),
    Duration::from_secs(3_600),
    Duration::from_secs(3 * 3_600),
    Duration::from_secs(6 * 3_600),
    Duration::from_secs(12 * 3_600),
];
/// A report that has not left so long after its day is not sent any more.
pub const TLS_REPORT_OLD: Duration = Duration::from_secs(48 * 3_600);
/// From one look for reports that are due to the next.
pub const TLS_REPORT_LOOK: Duration = Duration::from_secs(60);
/// Reports that are sent at once. Beyond: one after the other.
pub const TLS_REPORTS_AT_ONCE: usize = 4;
/// Places to which a domain may want its report. Beyond: left out.
pub const TLS_REPORT_PLACES: usize = 4;
/// One attempt to send a report to one place. Beyond: another attempt.
pub const TLS_REPORT_SENDING: Duration = Duration::from_secs(300);

/// The pauses after orders of certificates that failed in a row. Authorities let a host fail a few
/// times an hour. Beyond: the last one.
pub const ACME_AGAIN: [Duration; 7] = [
    Duration::from_secs(5 * 60),
    Duration::from_secs(15 * 60),
    Duration::from_secs(30 * 60),
    Duration::from_secs(3_600),
    Duration::from_secs(3 * 3_600),
    Duration::from_secs(8 * 3_600),
    Duration::from_secs(24 * 3_600),
];
/// From one certificate that was made to the next, at least; of one that is good for a shorter time
/// a third of it.
pub const ACME_REST: Duration = Duration::from_secs(12 * 3_600);
/// So long an authority that makes certificates may want to be left alone. Beyond: it is asked.
pub const ACME_LONGEST_WAIT: Duration = Duration::from_secs(7 * 24 * 3_600);
/// One question to it. Beyond: the order has failed.
pub const ACME_EACH: Duration = Duration::from_secs(30);
/// Addresses of it that are tried. Beyond: left out.
pub const ACME_ADDRESSES: usize = 4;
/// Bytes of an answer of it. Beyond: it is refused.
pub const ACME_ANSWER: usize = 256 * 1024;
/// From one look whether it has done its part to the next, at first.
pub const ACME_LOOK: Duration = Duration::from_millis(500);
/// So long it may take over each of its parts. Beyond: the order has failed.
pub const ACME_PATIENCE: Duration = Duration::from_secs(300);
/// Letters that are kept of why an order failed. Beyond: cut off.
pub const ACME_REASON: usize = 1_000;
/// Hosts of one certificate. Beyond: refused; authorities take as many.
pub const ACME_HOSTS: usize = 100;
/// From one look whether a certificate is due to the next, at most: clocks may be set, machines
/// may sleep.
pub const ACME_TURN: Duration = Duration::from_secs(3_600);
/// From one question when it advises to renew to the next (RFC 9773 §4.3.2).
pub const ACME_ADVICE: Duration = Duration::from_secs(6 * 3_600);
