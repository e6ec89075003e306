//! Bounds of operators: who they are, what they say, what is written down of it.

/// Characters of an operator's name at the command line. Beyond: cut.
pub const ACTOR: usize = 200;
/// Characters of a reason. Beyond: 400.
pub const REASON: usize = 500;
/// Operators. Beyond: nobody is added.
pub const OPERATORS: usize = 500;
/// Sessions of one operator. Beyond: the oldest ends.
pub const OPERATOR_SESSIONS: usize = 20;
/// Tokens of one operator that are good. Beyond: none is made.
pub const OPERATOR_TOKENS: usize = 100;
/// The longest life of a token that ends, in seconds. Beyond: this.
pub const TOKEN_SECONDS: u64 = 100 * 366 * 86_400;
/// Characters of one text in an entry of the audit log. Beyond: cut.
pub const AUDIT_TEXT: usize = 200;
/// Arguments in an entry of the audit log. Beyond: it says that there were more.
pub const AUDIT_ARGUMENTS: usize = 40;
/// Entries of the audit log that are looked at for one page. Beyond: the page is short.
pub const AUDIT_LOOKED: usize = 10_000;
/// Deeds that go page by page and whose next page the audit log waits for. Beyond: the next page of
/// the one that waits for the longest is an entry of its own.
pub const AUDIT_DEEDS: usize = 100;
/// Bytes of a file with a private key. Beyond: 413.
pub const KEY_FILE: usize = 16 * 1024;
