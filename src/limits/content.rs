//! Bounds of those who look at what is in a message: content filters, automatic answers.

use std::time::Duration;

/// Wait for a content filter to take our goodbye. Beyond: the connection is closed.
pub const FILTER_GOODBYE: Duration = Duration::from_millis(200);
/// Fields of one message by which automatic answers are recognised. Beyond: it counts as ordinary
/// mail.
pub const AUTOMATIC_FIELDS: usize = 10_000;
/// Bytes of a message about which an operator asks what the policy does with it: of its body only
/// the begin is read. Beyond: 413.
pub const AUTOMATIC_MESSAGE: usize = 2 * 1024 * 1024;
/// Bytes of a report in which the actions of RFC 3464 §2.3.3 are looked for. Beyond: not read.
pub const AUTOMATIC_REPORT: usize = 64 * 1024;
/// A message waits so long for the answer of one filter. Beyond: it was not looked at.
pub const FILTER_TIME: Duration = Duration::from_secs(20);
/// The longest that it may wait by the config: a sender waits for the reply to its final dot.
pub const FILTER_TIME_MOST: Duration = Duration::from_secs(60);
/// A filter says so soon whether it is there. Beyond: it is not.
pub const FILTER_PING: Duration = Duration::from_secs(5);
/// From one look at whether a filter that does not answer is there again to the next.
pub const FILTER_UPKEEP: Duration = Duration::from_secs(10);
/// Bytes of the largest message that a filter is asked about, as clamd's `StreamMaxLength` has it.
/// Beyond: `over_size` of the config.
pub const FILTER_SIZE: u64 = 25 * 1024 * 1024;
/// Messages that one filter is asked about at one time. Beyond: they wait, for the same time.
pub const FILTER_AT_ONCE: usize = 10;
/// Bytes of the answer of clamd. Beyond: it is none.
pub const FILTER_ANSWER: usize = 4 * 1024;
/// Bytes of the answer of rspamd, which lists what it found. Beyond: it is none.
pub const FILTER_JSON: usize = 1024 * 1024;
/// Bytes of recipients that rspamd is told of. Beyond: it is not told of the others.
pub const FILTER_RECIPIENTS: usize = 32 * 1024;
/// Bytes of a field of a message that a milter is told. Beyond: cut.
pub const FILTER_FIELD: usize = 60 * 1024;
/// Bytes of a body that go to a milter in one packet, by its protocol.
pub const FILTER_CHUNK: usize = 65_535;
/// Bytes of one packet of a milter. Beyond: it is none.
pub const FILTER_PACKET: usize = 128 * 1024;
/// Packets in which a milter answers what it was told once. Beyond: it has not answered.
pub const FILTER_PACKETS: usize = 1_000;
/// Fields that a milter adds to a message. Beyond: not added.
pub const FILTER_FIELDS: usize = 20;
/// Bytes of the value of a field that a milter adds. Beyond: cut.
pub const FILTER_ADDED: usize = 900;
/// Characters of what a filter says. Beyond: cut.
pub const FILTER_SAID: usize = 200;
/// Bytes of a message that go to a filter in one piece.
pub const FILTER_PIECE: usize = 64 * 1024;
/// One address of the host of a filter has so long to take a connection, while there is another
/// one. Beyond: that one is tried.
pub const FILTER_CONNECT: Duration = Duration::from_secs(3);
/// Addresses of the host of a filter that are tried.
pub const FILTER_HOSTS: usize = 4;
