//! Every bound of the program that is not in the config file, each with what happens beyond it.

mod content;
mod devices;
mod directory;
mod load;
mod operators;
mod patience;
mod senders;
mod submission;
mod tls;

use std::time::Duration;

pub use content::*;
pub use devices::*;
pub use directory::*;
pub use load::*;
pub use operators::*;
pub use patience::*;
pub use senders::*;
pub use submission::*;
pub use tls::*;

/// Longest command line, CRLF included. RFC 5321 §4.5.3.1.4 asks for 512 plus what extensions
/// add; AUTH (RFC 4954 §4) asks for 12,288. Beyond: 500 5.5.6, and the connection ends: nobody
/// knows what the line was.
pub const COMMAND_LINE: usize = 12_288;
/// Longest line of a message, CRLF included. RFC 5321 §4.5.3.1.6 says 1,000; real mail has
/// longer ones. Beyond: 500 5.6.0 after the end of data.
pub const DATA_LINE: usize = 65_536;
/// Longest address path. RFC 5321 §4.5.3.1.3 says 256. Beyond: 501 5.1.3.
pub const PATH: usize = 512;
/// Longest local part, RFC 5321 §4.5.3.1.1 (64); we take more, platforms do.
pub const LOCAL_PART: usize = 256;
/// Longest domain, RFC 5321 §4.5.3.1.2.
pub const DOMAIN: usize = 255;
/// Size of a config file. Beyond: it is refused.
pub const CONFIG_FILE: u64 = 64 * 1024 * 1024;
/// Size of a file with a certificate, a key or lists of revoked ones. Beyond: it is refused.
pub const PEM_FILE: u64 = 16 * 1024 * 1024;
/// Wait for the config and the files that it names, at a reload. Beyond: it is refused.
pub const CONFIG_READ: Duration = Duration::from_secs(30);
/// Space on the disk of the spool that is kept for what becomes of stored mail; given up when the
/// disk is full, had again when there is twice as much.
pub const SPOOL_RESERVE: u64 = 4 * 1024 * 1024;
/// Less than this free on the disk of the spool, and no mail is taken, whatever `spool.min_free`
/// says: 452 4.3.1.
pub const SPOOL_LEAST_FREE: u64 = 2 * SPOOL_RESERVE;
/// A look through what waits, for the list of it. Beyond: it says how far it came, and lists
/// nothing.
pub const QUEUE_LOOK: Duration = Duration::from_secs(30);
/// Recipients of one transaction, RFC 5321 §4.5.3.1.8. Beyond: 452 4.5.3.
pub const RECIPIENTS: usize = 1_000;
/// Recipients that a stranger names beyond them in one transaction: many clients say all in one go
/// and then read (Postfix has as many: `smtpd_recipient_overshoot_limit`). Beyond: each counts as a
/// rejected one.
pub const RECIPIENT_OVERSHOOT: usize = 1_000;
/// `Received` lines of one message, RFC 5321 §6.3. Beyond: 554 5.4.6.
pub const HOPS: usize = 100;
/// Trace lines of our own that are read of one message. Beyond: `HOPS` ends a loop.
pub const VISITS: usize = 16;
/// Size of the header section of one message. Beyond: 552 5.3.4.
pub const HEADER_SECTION: usize = 1024 * 1024;
/// Bytes in which the header section of a stored message is looked for: the largest that is taken,
/// and what we put in front of it. Beyond: the rest counts as its body.
pub const HEADER_READ: usize = HEADER_SECTION + 128 * 1024;
/// Connections at one time. Beyond: 421 4.7.0 and close.
pub const CONNECTIONS: usize = 1_000;
/// Connections of one address at one time. Beyond: 421 4.7.0 and close.
pub const CONNECTIONS_PER_ADDRESS: usize = 50;
/// Connections of one network at one time: a /24 of IPv4, a /48 of IPv6. Beyond: 421 4.7.0 and
/// close.
pub const CONNECTIONS_PER_NETWORK: usize = 300;
/// Wrong commands of one session, and messages of a stranger that are refused. Beyond: 421 4.7.0
/// and close.
pub const BAD_COMMANDS: usize = 20;
/// Rejected recipients of one session. Beyond: 421 4.7.0 and close.
pub const BAD_RECIPIENTS: usize = 100;
/// Longest header of the PROXY protocol behind its first 16 bytes: addresses and what a proxy adds.
/// Beyond: the connection is closed.
pub const PROXY_HEADER: usize = 4_096;
/// Read buffer of a connection that waits for a command.
pub const READ_IDLE: usize = 4 * 1024;
/// Read buffer of a connection that receives a message.
pub const READ_DATA: usize = 32 * 1024;
/// Replies that wait to be written in one go. Beyond: they are written at once.
pub const REPLIES_PENDING: usize = 16 * 1024;
/// Header field of which a message's list entry is made (`Subject` …). Beyond: cut.
pub const FIELD_KEPT: usize = 8 * 1024;
/// Lines of one multi-line reply that we read from a server, RFC 5321 §4.5.3.1.5 for their
/// length. Beyond: the connection is given up as out of step.
pub const REPLY_LINES: usize = 100;
/// Length of one reply line that we read.
pub const REPLY_LINE: usize = 4_096;

/// Wait for a home that is asked whether somebody exists. Beyond: 451 4.4.3 for whom nobody
/// knows yet; the client's own limit for a reply to RCPT is 5 minutes (RFC 5321 §4.5.3.2.3).
pub const VERIFY_TIMEOUT: Duration = Duration::from_secs(20);
/// `check --online` waits for a page of the web for this long.
pub const CHECK_TIMEOUT: Duration = Duration::from_secs(15);
/// Homes are asked about so many addresses at one time. Beyond: the next ones wait for as long.
pub const VERIFY_SESSIONS: usize = 8;
/// Addresses of which a home said that they exist. Beyond: those that it has not confirmed for the
/// longest time are forgotten.
pub const VERIFIED: usize = 200_000;
/// Generations that are looked through for who had an address before, the latest ones.
pub const EXPLAINED_GENERATIONS: usize = 200;
/// Planned waves whose files are looked through for an address, the latest ones.
pub const EXPLAINED_WAVES: usize = 20;
/// X.500 addresses whose use is counted. Beyond: the one that was not used for the longest time is
/// forgotten.
pub const X500_USED: usize = 10_000;
/// Senders of whom each count is kept, for one X.500 address: the latest ones.
pub const X500_SENDERS: usize = 20;
/// Addresses of which a home said just now that they do not exist. Beyond: they are forgotten.
pub const DENIED: usize = 20_000;
/// Wait for a TCP connection. Beyond: the next address is tried.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);
/// Connections that the system keeps until we take them.
pub const LISTEN_BACKLOG: i32 = 1_024;

/// Commands that are sent to a server before its replies are read, in bytes. Beyond: the rest
/// waits for the replies to these.
pub const PIPELINED_BYTES: usize = 16 * 1024;
/// Piece of a body that is sent in one write.
pub const BODY_PIECE: usize = 64 * 1024;
/// Hosts of one domain that are tried in one attempt, RFC 5321 §5.1. Beyond: the next attempt.
pub const HOSTS_PER_ATTEMPT: usize = 10;
/// Messages sent over one connection. Beyond: a new one, so that a balancer can balance.
pub const MESSAGES_PER_CONNECTION: u32 = 1_000;
/// Age of a connection that is used again. Beyond: a new one.
pub const CONNECTION_AGE: Duration = Duration::from_secs(300);
/// Wait for the reply to QUIT, and for a last word of a server that cut a connection.
pub const FAREWELL_TIMEOUT: Duration = Duration::from_secs(2);
/// One probe of one host, from the connection to QUIT. Beyond: it counts as failed.
pub const PROBE_HOST_TIMEOUT: Duration = Duration::from_secs(20);

/// Body bytes kept in memory while a message comes in. Beyond: a file of its own.
pub const BODY_IN_MEMORY: usize = 1024 * 1024;
/// Bodies on their way in that are in memory, together. Beyond: they go to files of their own in
/// small pieces.
pub const BODIES_IN_MEMORY: u64 = 64 * 1024 * 1024;
/// Bytes of one log batch: one write and one fdatasync.
pub const BATCH_BYTES: usize = 2 * 1024 * 1024;
/// Records that wait for the log writer. Beyond: the session waits.
pub const BATCH_QUEUE: usize = 1_024;
/// Mailboxes whose size is remembered.
pub const QUOTAS_KNOWN: usize = 4_096;
/// Size of one log segment.
pub const SEGMENT: u64 = 128 * 1024 * 1024;
/// Bytes of the log that a start reads before it takes mail. Beyond: it takes mail at once, and the
/// index follows.
pub const REPLAY_AT_START: u64 = 64 * 1024 * 1024;
/// Index entries held in memory before they are handed to the store, about 200 bytes each. What
/// comes and goes between two hand-overs never reaches the store, and the more of them come at
/// once, the fewer pages are written again. Twice as many: the log's writer waits for the store.
pub const INDEX_PENDING: usize = 65_536;

/// Largest MTA-STS policy, RFC 8461 §3.3. Beyond: it is none.
pub const STS_POLICY: usize = 64 * 1024;
/// Domains whose MTA-STS policy is kept. Beyond: the one that expires first is forgotten.
pub const STS_POLICIES: usize = 4_096;
/// Rows of TLS counts. Beyond: the metrics only.
pub const TLS_COUNTS: usize = 10_000;

/// Largest message that a report returns as a whole, with RET=FULL (RFC 3461 §4.3). Beyond: its
/// header.
pub const RETURNED_MESSAGE: u64 = 10 * 1024 * 1024;

/// Recipients of one backend that are loaded for delivery. The rest waits in the index.
pub const READY_WINDOW: usize = 2_000;
/// Mailboxes, and pairs of sender and mailbox, of one backend whose rates are remembered. Beyond:
/// those that got least lately are forgotten.
pub const PACED_MAILBOXES: usize = 50_000;
/// Committed messages on their way from the spool to the queue. Beyond: the index has them.
pub const COMMITTED_QUEUE: usize = 1_024;
/// Largest body that travels with a committed message. Beyond: it is read from the log.
pub const TRAVELLING_BODY: usize = 16 * 1024;
/// Deliveries whose outcome is not durable yet. Beyond: workers wait.
pub const SETTLING: usize = 256;
/// Messages that a connection marks as begun before their turn, so that it never waits for the
/// disk. After a crash each of them is called uncertain.
pub const MARKED_AHEAD: usize = 4;
/// Connections to one host that is no backend.
pub const CONNECTIONS_PER_STRANGER: usize = 4;
/// Next hops that are no backend and have mail in memory. The mail of others waits in the index.
pub const STRANGERS: usize = 256;

/// Bytes of a refusal's text that tell one case from another. Beyond: the rest is left out.
pub const CASE_TEXT: usize = 160;

/// Body of one document in the log: the largest group has room. Beyond: refused.
pub const DOCUMENT: usize = 16 * 1024 * 1024;

/// Waves that are remembered. Beyond: no new one.
pub const WAVES: usize = 1000;

/// Bytes of the file of a wave. Beyond: 413.
pub const WAVE_FILE: usize = 8 * 1024 * 1024;

/// Replays that are remembered. Beyond: the oldest that has ended, or was only planned, is
/// forgotten.
pub const REPLAYS: usize = 200;
/// Recipients of one replay that wait in memory for their turn. Beyond: they are looked for again.
pub const REPLAY_WAITING: usize = 100_000;
/// Of those, the ones of one mailbox.
pub const REPLAY_OF_MAILBOX: u32 = 2_000;
/// Time that a platform may take from its 250 to the mailbox. What was delivered later is not
/// looked for, unless somebody says until when.
pub const REPLAY_SETTLED: Duration = Duration::from_secs(600);
/// An age that is typed into the console, at most: ten years. Beyond: it is refused.
pub const AGE: Duration = Duration::from_secs(3_650 * 86_400);
/// Recipients of one replay whose mailboxes are to be asked. Beyond: these are asked first.
pub const REPLAY_GATHERED: usize = 100_000;
/// Mailboxes that could not be asked and that a replay tells one by one. Beyond: their number.
pub const REPLAY_UNASKED: usize = 50;
/// Recipients of one replay that are in rows or under way.
pub const REPLAY_UNDER_WAY: usize = 200;
/// Different replies that a replay remembers. Beyond: they are only counted.
pub const REPLAY_REFUSALS: usize = 20;
/// A replay pauses by itself when so many recipients in a row were refused for good.
pub const REPLAY_REFUSED_IN_A_ROW: u64 = 20;
/// Bytes of the list of people of a replay. Beyond: 413.
pub const REPLAY_PEOPLE: usize = 8 * 1024 * 1024;
/// Mailboxes that a plan tells apart. Beyond: its biggest are those of the mail that came first.
pub const PLANNED_MAILBOXES: usize = 100_000;

/// Runs of write-back that are remembered. Beyond: the oldest is forgotten.
pub const WRITEBACKS: usize = 50;

/// Deliveries that are looked for in mailboxes at one time. Beyond: the log tells them again later.
pub const LANDING_PENDING: usize = 50_000;
/// Missing messages that are listed one by one. Beyond: their histories tell it.
pub const LANDING_MISSING: u64 = 10_000;

/// Messages of one mailbox that are looked at to count what waits. Beyond: it says so.
pub const WAITS: usize = 20_000;

/// Bytes of the file of a rehearsal: a directory of 200,000 people has room. Beyond: 413.
pub const REHEARSAL_FILE: usize = 128 * 1024 * 1024;

/// Messages that go through a rehearsal. Beyond: it says so.
pub const REHEARSED: usize = 1_000_000;

/// Addresses that a rehearsal tells one by one. Beyond: their number.
pub const FINDINGS: usize = 500;

/// Steps of a wave's life that are remembered. Beyond: the oldest is forgotten.
pub const WAVE_STEPS: usize = 50;

/// Errors of one directory file that are told one by one. Beyond: their number.
pub const IMPORT_ERRORS: usize = 100;
/// Objects of one page of a directory server's answer: as many as Active Directory gives at most.
pub const LDAP_PAGE: i32 = 1_000;
/// Wait for a directory server to be connected, TLS included. Beyond: the next one is tried.
pub const LDAP_CONNECT: Duration = Duration::from_secs(30);
/// Wait for the next word of a directory server. Beyond: the synchronisation failed.
pub const LDAP_SILENCE: Duration = Duration::from_secs(60);
/// Wait for the whole of a directory server. Beyond: the synchronisation failed.
pub const LDAP_READ: Duration = Duration::from_secs(1800);
/// Wait for one directory server to say whether a password is right. Beyond: the next is asked.
pub const LDAP_LOGIN_EACH: Duration = Duration::from_secs(3);
/// Wait for all directory servers to say so. Beyond: they count as away.
pub const LDAP_LOGIN: Duration = Duration::from_secs(8);
/// Passwords that directory servers are asked about at one time. Beyond: it waits for its turn.
pub const LDAP_LOGINS: usize = 16;
/// Wait for that turn. Beyond: they count as away.
pub const LDAP_LOGIN_TURN: Duration = Duration::from_secs(3);
/// Wait for one answer of a login provider. Beyond: it counts as away.
pub const OIDC_EACH: Duration = Duration::from_secs(5);
/// Wait for all answers of a login provider that a login needs. Beyond: it counts as away.
pub const OIDC_LOGIN: Duration = Duration::from_secs(10);
/// Logins that a provider is asked about at one time. Beyond: it counts as away.
pub const OIDC_LOGINS: usize = 32;
/// Bytes of an answer of a login provider. Beyond: it is not believed.
pub const OIDC_ANSWER: usize = 256 * 1024;
/// Bytes of an ID token. Beyond: it is not believed.
pub const OIDC_TOKEN: usize = 16 * 1024;
/// Addresses of a login provider's host that are tried.
pub const OIDC_ADDRESSES: usize = 4;
/// Wait for an IMAP server to be connected, TLS and greeting included. Beyond: it is unreachable.
pub const IMAP_CONNECT: Duration = Duration::from_secs(30);
/// Wait for the next word of an IMAP server. Beyond: the mailbox was not asked.
pub const IMAP_SILENCE: Duration = Duration::from_secs(60);
/// Wait for the whole of one mailbox. Beyond: it was not asked.
pub const IMAP_MAILBOX: Duration = Duration::from_secs(1800);
/// Bytes of one answer of an IMAP server, literals included. Beyond: the mailbox was not asked.
pub const IMAP_ANSWER: usize = 256 * 1024;
/// Bytes that are read of an IMAP connection in one go.
pub const IMAP_READ: usize = 16 * 1024;
/// Answers of an IMAP server to one command. Beyond: the mailbox was not asked.
pub const IMAP_ANSWERS: u32 = 100_000;
/// Folders of one mailbox. Beyond: it was not asked.
pub const IMAP_FOLDERS: usize = 10_000;
/// Messages of one mailbox, all folders together. Beyond: it was not asked.
pub const IMAP_MESSAGES: u64 = 5_000_000;
/// Messages whose headers are asked for in one command.
pub const IMAP_FETCH: u32 = 500;
/// Newest messages of a folder among which one is looked for that was delivered just now.
pub const IMAP_NEWEST: u32 = 1_000;
/// Bytes of the header fields that are asked for of one message. Beyond: cut.
pub const IMAP_HEADER: usize = 16 * 1024;
/// Places of one message in folders of one kind of a mailbox that are told apart: so many with our
/// trace line, and so many without.
pub const IMAP_SPOTS: usize = 8;
/// Members of groups that no search found and that are asked for one by one. Beyond: they are
/// left out, and that is told.
pub const LDAP_MEMBERS: usize = 10_000;
/// Delivery addresses that lead from one entry to another. Beyond: the recipient is held.
pub const DELIVERY_ADDRESS_STEPS: usize = 8;
/// Rules that hold mail: each is looked at for each recipient. Beyond: refused.
pub const HOLDS: usize = 200;
/// Wait for the whole of one probe. Beyond: it failed.
pub const PROBE_TIMEOUT: Duration = Duration::from_secs(60);

/// A backend that is slow and takes nothing. Beyond: its reason says so.
pub const SLOW_WITHOUT_SUCCESS: Duration = Duration::from_secs(600);
/// A backend that asked mail to come slower is slow for at least this long after it asked last:
/// else it would be slow and up in turns.
pub const SLOW_DWELL: Duration = Duration::from_secs(60);
/// Attempts with mail in a row that fail at a backend whose probes are answered, or so many
/// recipients whom it puts off. Then it is slow.
pub const FAILING_MAIL: u32 = 5;
/// People whose mailboxes a backend calls full, or their senders no addresses, while it takes no
/// mail: so many are no chance, and its store is full.
pub const FAILING_MAILBOXES: usize = 50;
/// It is slow for at least so long after the last such attempt, unless it takes mail: longer than
/// any wait of a recipient.
pub const FAILING_DWELL: Duration = Duration::from_secs(2 * 3600);
/// Records of the log that are read at a start for what mailboxes got in the last hour. Beyond:
/// what is older is not counted.
pub const RECALLED_RECORDS: usize = 500_000;
/// Senders that are remembered of one backend when it refuses content. Beyond: the oldest are
/// forgotten.
pub const CONTENT_SENDERS: usize = 64;
/// Holds of one backend, ended by an operator, whose time is remembered. Beyond: the oldest ones
/// are time like any other.
pub const HELD_SPANS: usize = 64;
/// Changes of health of one backend that are remembered; older ones are in the program's log only.
pub const HEALTH_CHANGES: usize = 64;

/// Body of a web form without attachments; the text of a letter with its formatting. Beyond:
/// refused with 413, a letter with what was written in it.
pub const FORM: usize = 1024 * 1024;
/// Bytes of what a browser, or an authenticator, says about a passkey. Beyond: refused.
pub const PASSKEY_DATA: usize = 4 * 1024;
/// Bytes of a passkey's id (WebAuthn §7.1 step 25). Beyond: refused.
pub const PASSKEY_ID: usize = 1023;
/// Bytes of a passkey's signature: RSA with 4096 bits has 512. Beyond: refused.
pub const PASSKEY_SIGNATURE: usize = 1024;
/// Passkeys of one account. Beyond: one must be removed before another is added.
pub const PASSKEYS: usize = 20;
/// Text of a letter that is read although it is too long, so that it can be shown again and kept.
/// Beyond: the end is gone, and the page says so.
pub const WEB_TYPED: usize = 4 * 1024 * 1024;
/// Text of an original that an answer quotes, or that is passed on; far below [`FORM`], because the
/// writer's own words and the formatted form have to fit beside it. Beyond: a line says how much
/// more there was.
pub const WEB_QUOTED: usize = 96 * 1024;
/// Files of one letter. Beyond: they are not attached, and the page says so.
pub const WEB_FILES: usize = 50;
/// So many times `web.max_attachments` an account may store within an hour: files of letters, and
/// long drafts. Beyond: refused with 429 until the hour is over.
pub const WEB_UPLOADS: u64 = 20;
/// Messages that the webmail parses at one time. Beyond: the page waits.
pub const WEB_PARSING: usize = 4;
/// Pages of the console that are kept up to date at one time. Beyond: they are refused with 503,
/// and such a page is brought up to date by its link.
pub const CONSOLE_STREAMS: usize = 32;
/// Of them one operator has at most so many, so that nobody takes them all. Beyond: the same.
pub const OPERATOR_STREAMS: usize = 8;
/// What the webmail remembers of messages, so that they need not be read for each search. Beyond:
/// the oldest are forgotten, and read again.
pub const WEB_SIGNATURES: usize = 64 * 1024 * 1024;
/// What the lists of the webmail remember of messages: attachments, and what they answer; about 150
/// bytes for each. Beyond: the oldest are forgotten, and looked at again.
pub const WEB_GLANCES: usize = 32 * 1024 * 1024;
/// Largest message that the webmail parses; of larger ones it shows headers and source.
pub const WEB_MESSAGE: u64 = 64 * 1024 * 1024;

/// People of a group that we expand because its home is down. Beyond: its mail waits for the home.
pub const GROUP_PEOPLE: usize = 10_000;

/// People of a group for which the webmail is opened. Beyond: the others are as if not in it.
pub const ACTIVATION_GROUP: usize = 200_000;

/// Notices to second addresses that are sent at one look. Beyond: at the next one.
pub const NOTICES_AT_ONCE: usize = 200;

/// Rules that say for whom the webmail is open. Beyond: a new one is refused.
pub const ACTIVATION_RULES: usize = 10_000;

/// Messages that a report counts. Beyond: it says that there were more.
pub const REPORTED: usize = 20_000_000;
/// Recipients without their mail that a report names. Beyond: the rows as CSV have all.
pub const REPORT_OPEN: usize = 200;

/// Entries of one answer of the operators' API. Beyond: ask for the next page.
pub const PAGE: usize = 1_000;
/// JSON that an operator sends, in bytes. Beyond: 413.
pub const ORDER: usize = 2 * 1024 * 1024;
/// Connections to a door of pages (webmail, operators) at one time. Beyond: closed at once, so that
/// they do not take the file descriptors with which mail is taken.
pub const WEB_CONNECTIONS: usize = 1000;
/// Of them from one address. A proxy in front has one address for all.
pub const WEB_CONNECTIONS_EACH: usize = 250;
/// One over which nothing moves for so long is closed.
pub const WEB_SILENCE: Duration = Duration::from_secs(300);
/// The body of a small request must be there after so long.
pub const ORDER_TIME: Duration = Duration::from_secs(30);

const _: () = assert!(
    COMMAND_LINE <= DATA_LINE,
    "a data line holds a command line"
);
const _: () = assert!(BODY_IN_MEMORY <= BATCH_BYTES, "a batch holds a body");
const _: () = assert!((BATCH_BYTES as u64) < SEGMENT, "a segment holds a batch");

/// A message waits so long for what the DNS says of its sender. Beyond: `temperror` for what is not
/// known, and the message is taken.
pub const AUTH_TIME: Duration = Duration::from_secs(6);
/// The longest that `auth.patience` may be: a sender waits for the reply to its final dot.
pub const AUTH_TIME_MOST: Duration = Duration::from_secs(60);
/// Messages whose senders are checked at one time. Beyond: they wait, for the same time.
pub const AUTH_AT_ONCE: usize = 512;
/// Header section of which signatures are checked. Beyond: `policy`, not checked.
pub const AUTH_HEADER: usize = 256 * 1024;
/// Fields of a header whose signatures are checked. Beyond: `policy`, not checked.
pub const AUTH_FIELDS: usize = 2_000;
/// DKIM signatures of one message that are checked, from above. Beyond: not looked at.
pub const AUTH_SIGNATURES: usize = 10;
/// Fields that one signature may name. Beyond: `policy`, not checked.
pub const AUTH_SIGNED_FIELDS: usize = 200;
/// Different sums of one body (canonicalization and `l=`). Beyond: `policy`, not checked.
pub const AUTH_BODY_SUMS: usize = 4;
/// Questions to the DNS for one method and one message. Beyond: `temperror`.
pub const AUTH_QUESTIONS: usize = 120;
/// Blocklists that are asked about a client. Beyond: the config is refused.
pub const AUTH_BLOCKLISTS: usize = 8;
/// Records of one answer that are looked at. Beyond: cut.
pub const AUTH_RECORDS: usize = 100;
/// Longest text record that is looked at, in bytes. Beyond: as if it was not there.
pub const AUTH_TEXT: usize = 8 * 1024;
/// Domains in `From` that are checked. Beyond: `permerror`.
pub const AUTH_AUTHORS: usize = 4;

/// A whole SMTP session with a notice; then it is tried again.
pub const NOTICE_MAIL: Duration = Duration::from_secs(180);
/// The pauses before each further attempt to send a notice one way; then that way is given up, and
/// without any other way it waits for its next turn.
pub const NOTICE_AGAIN: [Duration; 5] = [
    Duration::from_secs(30),
    Duration::from_secs(120),
    Duration::from_secs(360),
    Duration::from_secs(900),
    Duration::from_secs(1800),
];
/// A look at what is wrong that takes longer is news itself.
pub const NOTICE_LOOK: Duration = Duration::from_secs(60);
/// Conditions that notices know of at one time. Beyond: the worst of them, and the number of the
/// others.
pub const NOTICE_CONDITIONS: usize = 64;
/// Conditions that one notice names; the others get the next one.
pub const NOTICE_ITEMS: usize = 20;
/// Notices that `notify status` shows.
pub const NOTICE_RECENT: usize = 10;
/// Addresses that notices go to; more are refused.
pub const NOTICE_ADDRESSES: usize = 10;
/// Cases that notices name one by one; the others are one condition.
pub const NOTICE_CASES: usize = 10;
/// Addresses of the host of a webhook that are tried.
pub const NOTICE_HOSTS: usize = 4;

/// Bytes of a value in a line of the program's log. Beyond: cut, and the line says so.
pub const LOG_VALUE: usize = 1_024;
/// Bytes of lines that wait to be written to the program's log. Beyond: left out, counted and told.
pub const LOG_WAITING: usize = 8 * 1024 * 1024;
/// Lines about refusals that each listener writes at once, and then in a second. Beyond: the next
/// line says how many were left out.
pub const LOG_REFUSALS: (u64, u64) = (200, 5);
/// The same of connections that came to nothing.
pub const LOG_CONNECTIONS: (u64, u64) = (50, 1);
/// Lines that were left out and that no other line tells of are told after this long.
pub const LOG_REST: Duration = Duration::from_secs(10);
/// Recipients that the line about an accepted message names. Beyond: their number only.
pub const LOG_RECIPIENTS: usize = 20;

/// Content filters. Beyond: the config is refused.
pub const FILTERS: usize = 8;
