//! Keys of the index: one letter for the kind of row, then big-endian numbers, so that they sort.

use crate::base::Timestamp;
use crate::mail::{BackendId, CaseId, CaseKind, SpoolId};
use crate::smtp::nfc;
use crate::spool::segment::Position;

/// Up to which position the store shows the log, and the format of the rows.
pub(crate) const CHECKPOINT: &[u8] = b"!checkpoint";
/// Counters.
pub(crate) const COUNTERS: &[u8] = b"!counters";

/// `m`: a message.
pub(crate) fn message(id: SpoolId) -> Vec<u8> {
    with_id(b'm', id)
}

/// `r`: the state of a recipient.
pub(crate) fn recipient(id: SpoolId, recipient: u16) -> Vec<u8> {
    let mut key = with_id(b'r', id);
    key.extend_from_slice(&recipient.to_be_bytes());
    key
}

/// `q`: a queued recipient, by lane and due time.
pub(crate) fn queued(lane: &str, due: Timestamp, id: SpoolId, recipient: u16) -> Vec<u8> {
    let mut key = lane_prefix(lane);
    key.extend_from_slice(&due.as_millis().to_be_bytes());
    key.extend_from_slice(&id.as_u64().to_be_bytes());
    key.extend_from_slice(&recipient.to_be_bytes());
    key
}

/// All queued recipients of a lane.
pub(crate) fn lane_prefix(lane: &str) -> Vec<u8> {
    with_text(b'q', lane)
}

/// Time, message and recipient of a `q` or `k` key.
pub(crate) fn parse_queued(key: &[u8]) -> Option<(Timestamp, SpoolId, u16)> {
    let (rest, recipient) = key.split_last_chunk::<2>()?;
    let (rest, id) = rest.split_last_chunk::<8>()?;
    let (_, due) = rest.split_last_chunk::<8>()?;
    Some((
        Timestamp::from_millis(u64::from_be_bytes(*due)),
        SpoolId::from_u64(u64::from_be_bytes(*id)),
        u16::from_be_bytes(*recipient),
    ))
}

/// `h`: a held recipient.
pub(crate) fn held(id: SpoolId, recipient: u16) -> Vec<u8> {
    let mut key = with_id(b'h', id);
    key.extend_from_slice(&recipient.to_be_bytes());
    key
}

/// `d`: a recipient that another backend than its home got.
pub(crate) fn diverted(home: &str, id: SpoolId, recipient: u16) -> Vec<u8> {
    let mut key = diverted_prefix(home);
    key.extend_from_slice(&id.as_u64().to_be_bytes());
    key.extend_from_slice(&recipient.to_be_bytes());
    key
}

/// All recipients of a home that another backend got.
pub(crate) fn diverted_prefix(home: &str) -> Vec<u8> {
    with_text(b'd', home)
}

/// `a`: a recipient with an attempt under way.
pub(crate) fn attempting(id: SpoolId, recipient: u16) -> Vec<u8> {
    let mut key = with_id(b'a', id);
    key.extend_from_slice(&recipient.to_be_bytes());
    key
}

/// Message and recipient of an `a`, `d`, `h` or `r` key.
pub(crate) fn parse_recipient(key: &[u8]) -> Option<(SpoolId, u16)> {
    let (rest, recipient) = key.split_last_chunk::<2>()?;
    let (_, id) = rest.split_last_chunk::<8>()?;
    Some((
        SpoolId::from_u64(u64::from_be_bytes(*id)),
        u16::from_be_bytes(*recipient),
    ))
}

/// All states of a message.
pub(crate) fn recipients_prefix(id: SpoolId) -> Vec<u8> {
    with_id(b'r', id)
}

/// `b`: a message in a mailbox, newest first.
pub(crate) fn mailbox(mailbox: &str, id: SpoolId, recipient: u16) -> Vec<u8> {
    let mut key = with_text(b'b', mailbox);
    key.extend_from_slice(&(!id.as_u64()).to_be_bytes());
    key.extend_from_slice(&recipient.to_be_bytes());
    key
}

/// All messages of a mailbox.
pub(crate) fn mailbox_prefix(mailbox: &str) -> Vec<u8> {
    with_text(b'b', mailbox)
}

/// Message and recipient of a `b` key.
pub(crate) fn parse_mailbox(key: &[u8]) -> Option<(SpoolId, u16)> {
    let (rest, recipient) = key.split_last_chunk::<2>()?;
    let (_, id) = rest.split_last_chunk::<8>()?;
    Some((
        SpoolId::from_u64(!u64::from_be_bytes(*id)),
        u16::from_be_bytes(*recipient),
    ))
}

/// `s`: a message that one of ours sent, newest first.
pub(crate) fn sent(sender: &str, id: SpoolId) -> Vec<u8> {
    let mut key = sent_prefix(sender);
    key.extend_from_slice(&(!id.as_u64()).to_be_bytes());
    key
}

/// All messages that somebody sent.
pub(crate) fn sent_prefix(sender: &str) -> Vec<u8> {
    with_text(b's', sender)
}

/// The message of an `s` key.
pub(crate) fn parse_sent(key: &[u8]) -> Option<SpoolId> {
    last_number(key).map(|number| SpoolId::from_u64(!number))
}

/// `i`: a hash of the Message-ID of a message. In the order of messages, not of hashes: those come
/// in no order, and with a million of them each new one would write a page of its own again. Who
/// asks for a Message-ID looks through all of them.
pub(crate) fn message_id(id: SpoolId, message_id: &str) -> Vec<u8> {
    let mut key = with_id(b'i', id);
    key.extend_from_slice(&fnv1a(message_id.as_bytes()).to_be_bytes());
    key
}

/// All messages that have a Message-ID.
pub(crate) const MESSAGE_IDS: &[u8] = b"i";

/// The message of an `i` key, when it has the hash of this Message-ID.
pub(crate) fn parse_message_id(key: &[u8], message_id: &str) -> Option<SpoolId> {
    let (rest, hash) = key.split_last_chunk::<4>()?;
    let same = u32::from_be_bytes(*hash) == fnv1a(message_id.as_bytes());
    last_number(rest).filter(|_| same).map(SpoolId::from_u64)
}

/// Kinds of rows by which a message is found: what [`crate::spool::index::names_of`] makes.
pub(crate) const NAMES: [&[u8]; 4] = [b"b", b"g", MESSAGE_IDS, b"s"];

/// The message of a row of [`NAMES`].
pub(crate) fn id_of_name(key: &[u8]) -> Option<SpoolId> {
    match key.first() {
        Some(b'b') => parse_mailbox(key).map(|(id, _)| id),
        Some(b'i') => last_number(key.split_last_chunk::<4>()?.0).map(SpoolId::from_u64),
        Some(b'g') => last_number(key).map(SpoolId::from_u64),
        Some(b's') => parse_sent(key),
        _ => None,
    }
}

/// `g`: the message that went to the people of a group, by the group's.
pub(crate) fn expansion((group, recipient): (SpoolId, u16), people: SpoolId) -> Vec<u8> {
    let mut key = expansions_prefix(group);
    key.extend_from_slice(&recipient.to_be_bytes());
    key.extend_from_slice(&people.as_u64().to_be_bytes());
    key
}

/// All messages that went to people of groups of a message.
pub(crate) fn expansions_prefix(group: SpoolId) -> Vec<u8> {
    with_id(b'g', group)
}

/// The recipient that was expanded, and into which message, of a `g` key.
pub(crate) fn parse_expansion(key: &[u8]) -> Option<(u16, SpoolId)> {
    let (rest, people) = key.split_last_chunk::<8>()?;
    let (_, recipient) = rest.split_last_chunk::<2>()?;
    let people = SpoolId::from_u64(u64::from_be_bytes(*people));
    Some((u16::from_be_bytes(*recipient), people))
}

/// `e`: an event of a message.
pub(crate) fn event(id: SpoolId, at: Position) -> Vec<u8> {
    let mut key = with_id(b'e', id);
    key.extend_from_slice(&at.to_u64().to_be_bytes());
    key
}

/// All events of a message.
pub(crate) fn events_prefix(id: SpoolId) -> Vec<u8> {
    with_id(b'e', id)
}

/// The position in an `e` key.
pub(crate) fn parse_event(key: &[u8]) -> Option<Position> {
    last_number(key).map(Position::from_u64)
}

/// `u`: a message with an unfinished recipient.
pub(crate) fn unfinished(id: SpoolId) -> Vec<u8> {
    with_id(b'u', id)
}

/// `y`: how far the replay of a recipient to a backend is.
pub(crate) fn replayed(id: SpoolId, recipient: u16, backend: &str) -> Vec<u8> {
    about_replay(b'y', (id, recipient, backend))
}

/// All replays of a message.
pub(crate) fn replayed_prefix(id: SpoolId) -> Vec<u8> {
    with_id(b'y', id)
}

/// `z`: a replay of a recipient with an attempt under way.
pub(crate) fn replaying(id: SpoolId, recipient: u16, backend: &str) -> Vec<u8> {
    about_replay(b'z', (id, recipient, backend))
}

/// Message, recipient and backend of a `y` or `z` key.
pub(crate) fn parse_replayed(key: &[u8]) -> Option<(SpoolId, u16, BackendId)> {
    let (id, rest) = key.get(1..)?.split_first_chunk::<8>()?;
    let (recipient, backend) = rest.split_first_chunk::<2>()?;
    Some((
        SpoolId::from_u64(u64::from_be_bytes(*id)),
        u16::from_be_bytes(*recipient),
        BackendId::new(std::str::from_utf8(backend).ok()?),
    ))
}

fn about_replay(kind: u8, (id, recipient, backend): (SpoolId, u16, &str)) -> Vec<u8> {
    let mut key = with_id(kind, id);
    key.extend_from_slice(&recipient.to_be_bytes());
    key.extend_from_slice(backend.as_bytes());
    key
}

/// `c`: a case.
pub(crate) fn case(kind: CaseKind, case: CaseId) -> Vec<u8> {
    let mut key = cases_prefix(kind);
    key.extend_from_slice(&case.as_u64().to_be_bytes());
    key
}

/// All cases of a kind.
pub(crate) fn cases_prefix(kind: CaseKind) -> Vec<u8> {
    vec![b'c', letter(kind)]
}

/// `k`: a recipient of a case, by the time since when it is. Ends like a `q` key.
pub(crate) fn case_member(
    kind: CaseKind,
    case: CaseId,
    since: Timestamp,
    (id, recipient): (SpoolId, u16),
) -> Vec<u8> {
    let mut key = case_members_prefix(kind, case);
    key.extend_from_slice(&since.as_millis().to_be_bytes());
    key.extend_from_slice(&id.as_u64().to_be_bytes());
    key.extend_from_slice(&recipient.to_be_bytes());
    key
}

/// All recipients of a case.
pub(crate) fn case_members_prefix(kind: CaseKind, case: CaseId) -> Vec<u8> {
    let mut key = vec![b'k', letter(kind)];
    key.extend_from_slice(&case.as_u64().to_be_bytes());
    key
}

const fn letter(kind: CaseKind) -> u8 {
    match kind {
        CaseKind::Open => b'o',
        CaseKind::Final => b'f',
    }
}

/// `f`: a fact of a room.
pub(crate) fn fact(room: &str, key: &str) -> Vec<u8> {
    let mut bytes = with_text(b'f', room);
    bytes.extend_from_slice(nfc(key).as_bytes());
    bytes
}

/// The number at the end of an `u` or `m` key.
pub(crate) fn parse_id(key: &[u8]) -> Option<SpoolId> {
    last_number(key).map(SpoolId::from_u64)
}

fn last_number(key: &[u8]) -> Option<u64> {
    key.last_chunk::<8>().copied().map(u64::from_be_bytes)
}

fn with_id(kind: u8, id: SpoolId) -> Vec<u8> {
    let mut key = Vec::with_capacity(24);
    key.push(kind);
    key.extend_from_slice(&id.as_u64().to_be_bytes());
    key
}

/// Texts end with a zero byte, which none of them contains. Of addresses that earlier versions
/// wrote with letters and accents apart they are the composed ones, as everybody asks for them.
fn with_text(kind: u8, text: &str) -> Vec<u8> {
    let text = nfc(text);
    let mut key = Vec::with_capacity(text.len() + 24);
    key.push(kind);
    key.extend(text.bytes().filter(|&byte| byte != 0));
    key.push(0);
    key
}

/// A hash that stays the same between versions; what it finds is compared in full.
pub(super) fn fnv1a(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0x811c_9dc5, |hash, &byte| {
        (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What stands under a key that earlier versions wrote is found by the one of now.
    #[test]
    fn letters_and_accents_apart_are_the_same_key() {
        let (apart, composed) = ("jo\u{308}rg@example.org", "jörg@example.org");
        let id = SpoolId::from_u64(7);
        assert_eq!(mailbox(apart, id, 1), mailbox(composed, id, 1));
        assert_eq!(mailbox_prefix(apart), mailbox_prefix(composed));
        assert_eq!(sent(apart, id), sent(composed, id));
        assert_eq!(fact("accounts", apart), fact("accounts", composed));
        assert_ne!(
            fact("accounts", "jorg@example.org"),
            fact("accounts", composed)
        );
    }
}
