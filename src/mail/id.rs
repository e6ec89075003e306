//! Names of things: messages, backends, nodes.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::base::{Clock, Timestamp};

/// 2020-01-01T00:00:00Z, the zero of spool ids.
const ZERO_MILLIS: u64 = 1_577_836_800_000;
const NODE_BITS: u32 = 6;
const COUNTER_BITS: u32 = 16;
/// Crockford's base 32: no I, L, O, U, so that an id survives being read out on the telephone.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const TEXT_LENGTH: usize = 13;

/// Identifies a message. 42 bits of milliseconds since 2020, 6 bits of node, 16 bits of counter:
/// ids of one node ascend in the order of acceptance. Printed as 13 characters of base 32.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct SpoolId(u64);

impl SpoolId {
    /// From its number, as index keys hold it.
    #[must_use]
    pub const fn from_u64(number: u64) -> Self {
        Self(number)
    }

    /// Its number.
    #[must_use]
    pub const fn as_u64(self) -> u64 {
        self.0
    }

    /// When the message was accepted.
    #[must_use]
    pub const fn timestamp(self) -> Timestamp {
        Timestamp::from_millis((self.0 >> (NODE_BITS + COUNTER_BITS)) + ZERO_MILLIS)
    }

    /// The smallest id that a message accepted at `moment` can have; for time windows.
    #[must_use]
    pub const fn first_at(moment: Timestamp) -> Self {
        Self(moment.as_millis().saturating_sub(ZERO_MILLIS) << (NODE_BITS + COUNTER_BITS))
    }
}

impl fmt::Display for SpoolId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = [b'0'; TEXT_LENGTH];
        let mut rest = self.0;
        for digit in text.iter_mut().rev() {
            let index = usize::try_from(rest & 31).unwrap_or_default();
            *digit = ALPHABET.get(index).copied().unwrap_or(b'0');
            rest >>= 5;
        }
        f.pad(std::str::from_utf8(&text).map_err(|_| fmt::Error)?)
    }
}

/// Not 13 characters of base 32.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a spool id, expected 13 letters and digits such as 06J8Z4K2M0001")]
pub struct InvalidId;

impl FromStr for SpoolId {
    type Err = InvalidId;

    /// In either case; O is read as 0, I and L as 1.
    fn from_str(text: &str) -> Result<Self, InvalidId> {
        if text.len() != TEXT_LENGTH {
            return Err(InvalidId);
        }
        let mut number: u64 = 0;
        for byte in text.bytes() {
            let digit = match byte.to_ascii_uppercase() {
                b'O' => b'0',
                b'I' | b'L' => b'1',
                other => other,
            };
            let value = ALPHABET.iter().position(|&symbol| symbol == digit);
            let value = value.and_then(|value| u64::try_from(value).ok());
            number = number
                .checked_mul(32)
                .and_then(|shifted| shifted.checked_add(value?))
                .ok_or(InvalidId)?;
        }
        Ok(Self(number))
    }
}

/// As it is written.
impl JsonSchema for SpoolId {
    fn schema_name() -> Cow<'static, str> {
        "SpoolId".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "^[0-9A-Z]{13}$" })
    }
}

impl Serialize for SpoolId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_str(self)
        } else {
            serializer.serialize_u64(self.0)
        }
    }
}

impl<'de> Deserialize<'de> for SpoolId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            let text = Cow::<'_, str>::deserialize(deserializer)?;
            text.parse().map_err(serde::de::Error::custom)
        } else {
            u64::deserialize(deserializer).map(Self)
        }
    }
}

/// Makes spool ids that ascend, also when the clock steps back.
#[derive(Debug)]
pub struct IdSource {
    clock: Clock,
    node: NodeId,
    last: AtomicU64,
}

impl IdSource {
    /// A source for `node`; ids are larger than `after`, the newest one in the log.
    #[must_use]
    pub const fn new(clock: Clock, node: NodeId, after: SpoolId) -> Self {
        Self {
            clock,
            node,
            last: AtomicU64::new(after.0),
        }
    }

    /// Ids are larger than this one, too, from now on.
    pub fn raise(&self, newest: SpoolId) {
        self.last.fetch_max(newest.0, Ordering::Relaxed);
    }

    /// The next id.
    pub fn next(&self) -> SpoolId {
        let node = u64::from(self.node.0) << COUNTER_BITS;
        let now = SpoolId::first_at(self.clock.now()).0 | node;
        let next = |last: u64| {
            let after_last = if last & 0xffff == 0xffff {
                // The counter of this millisecond is used up: borrow from the next one.
                (((last >> (NODE_BITS + COUNTER_BITS)) + 1) << (NODE_BITS + COUNTER_BITS)) | node
            } else {
                last + 1
            };
            after_last.max(now)
        };
        let previous = self
            .last
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |last| {
                Some(next(last))
            });
        SpoolId(next(previous.unwrap_or_else(|last| last)))
    }
}

/// The node that caused an event; 0 to 63. A single front door is node 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct NodeId(pub u8);

/// The name of a backend as the config writes it (`onprem`). Cheap to clone.
#[derive(
    Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
pub struct BackendId(Arc<str>);

impl BackendId {
    /// From the name in the config.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self(name.into())
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for BackendId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_and_reads_back() {
        for number in [0, 1, u64::MAX, 0x0123_4567_89ab_cdef] {
            let id = SpoolId(number);
            assert_eq!(id.to_string().len(), TEXT_LENGTH);
            assert_eq!(id.to_string().parse(), Ok(id));
            assert_eq!(id.to_string().to_lowercase().parse(), Ok(id));
        }
        assert_eq!("0123456789AB".parse::<SpoolId>(), Err(InvalidId));
        assert_eq!("ZZZZZZZZZZZZZ".parse::<SpoolId>(), Err(InvalidId));
        assert_eq!("000000000000U".parse::<SpoolId>(), Err(InvalidId));
    }

    #[test]
    fn ids_ascend_and_carry_the_time() {
        let source = IdSource::new(Clock::system(), NodeId(3), SpoolId(0));
        let first = source.next();
        let mut last = first;
        for _ in 0..200_000 {
            let next = source.next();
            assert!(next > last);
            last = next;
        }
        let age = Clock::system().now().since(first.timestamp());
        assert!(age < std::time::Duration::from_secs(60), "{age:?}");
    }
}
