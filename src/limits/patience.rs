//! How long others may keep us waiting: clients, those who are silent and those who say something
//! all the time, and platforms that have mail in their hands.

use std::time::Duration;

/// Wait for the header of the PROXY protocol. Beyond: the connection is closed.
pub const PROXY_TIMEOUT: Duration = Duration::from_secs(10);
/// Wait for the whole of the next command, RFC 5321 §4.5.3.2.7. Beyond: 421 4.4.2 and close.
pub const COMMAND_TIMEOUT: Duration = Duration::from_secs(300);
/// Wait for the next piece of data, RFC 5321 §4.5.3.2.5. Beyond: 421 4.4.2 and close.
pub const DATA_TIMEOUT: Duration = Duration::from_secs(180);
/// Time in which a message that is refused already may be sent to its end. Beyond: the reply and
/// close.
pub const DISCARD_TIMEOUT: Duration = Duration::from_secs(300);
/// Bytes of a message in a second, on average, as Postfix has it (`smtpd_min_data_rate`): who is
/// slower falls behind. When he is behind by [`DATA_TIMEOUT`]: 421 4.4.2 and close.
pub const DATA_RATE: u64 = 500;
/// Commands of a stranger since his last message that was taken which bring none, greetings,
/// refused senders and messages that are put off among them, as Postfix has it
/// (`smtpd_junk_command_limit`). Beyond: each is a wrong command.
pub const IDLE_COMMANDS: usize = 100;
/// Time for which a stranger keeps us waiting for commands since his last message that was taken.
/// Beyond: 421 4.4.2 and close.
pub const IDLE_SESSION: Duration = Duration::from_secs(1800);
/// While places are scarce, a stranger has so long for one command line, to take its replies, and
/// for the TLS handshake. Beyond: 421 4.4.2, as far as he reads, and close.
pub const SCARCE_LINE: Duration = Duration::from_secs(10);
/// While places are scarce, a stranger may be so far behind with a message. Beyond: the same.
pub const SCARCE_DATA: Duration = Duration::from_secs(30);
/// While places are scarce, a stranger keeps us waiting for so long since his last message that was
/// taken. Beyond: the same.
pub const SCARCE_SESSION: Duration = Duration::from_secs(60);
/// Wait for an answer behind the final dot. Beyond: the attempt goes on, and speaks against the
/// platform: it fails mail when it lets five people's hang, and takes none.
pub const HANGS_BEHIND_END: Duration = Duration::from_secs(120);
/// Wait for an answer behind the final dot from a platform that is down. Beyond: the attempt ends
/// as if the platform had cut the connection.
pub const IN_HAND_WHEN_DOWN: Duration = Duration::from_secs(60);
