//! A large body, read from its own file and checked on the way.

use std::io;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use bytes::Bytes;

use super::disk::DiskFile;
use super::event::BigFile;
use crate::mail::BodySource;

/// A body in a file. Whoever reads it from the beginning to the end in order, some of it perhaps
/// twice, gets an error instead of the last piece when its checksum is wrong, so that damaged mail
/// is never sent.
#[derive(Debug)]
pub(crate) struct BigBody {
    file: Arc<dyn DiskFile>,
    expected: BigFile,
    /// How far it was read in order, and the checksum so far.
    checked: Mutex<(u64, u32)>,
    damage: OnceLock<&'static str>,
}

impl BigBody {
    pub(crate) fn new(file: Arc<dyn DiskFile>, expected: BigFile) -> Self {
        Self {
            file,
            expected,
            checked: Mutex::default(),
            damage: OnceLock::new(),
        }
    }
}

impl BigBody {
    fn damaged(&self, what: &'static str) -> io::Error {
        io::Error::new(
            io::ErrorKind::InvalidData,
            *self.damage.get_or_init(|| what),
        )
    }
}

impl BodySource for BigBody {
    fn len(&self) -> u64 {
        self.expected.size
    }

    fn read_at(&self, offset: u64, limit: usize) -> io::Result<Bytes> {
        let rest = self.expected.size.saturating_sub(offset);
        let mut bytes = vec![0; limit.min(usize::try_from(rest).unwrap_or(usize::MAX))];
        if self.file.read_at(&mut bytes, offset)? < bytes.len() {
            return Err(self.damaged("the message file is shorter than it was"));
        }
        let mut checked = self.checked.lock().unwrap_or_else(PoisonError::into_inner);
        if offset == 0 {
            *checked = (0, 0);
        }
        // Who reads some of it once more, as base64 does at the ends of its lines, reads in order,
        // too.
        let known = usize::try_from(checked.0.saturating_sub(offset)).unwrap_or(usize::MAX);
        if offset <= checked.0
            && let Some(new) = bytes.get(known..).filter(|new| !new.is_empty())
        {
            checked.0 += new.len() as u64;
            checked.1 = crc32c::crc32c_append(checked.1, new);
            if checked.0 == self.expected.size && checked.1 != self.expected.crc32c {
                return Err(self.damaged("the checksum of the message file is wrong"));
            }
        }
        Ok(bytes.into())
    }

    fn damage(&self) -> Option<String> {
        self.damage.get().map(|&what| what.to_owned())
    }
}
