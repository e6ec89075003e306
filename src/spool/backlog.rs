//! What an attempt needs of mail that waits, with as few looks at index and log as possible.

use std::sync::Arc;

use super::SpoolError;
use super::draft::blocking;
use super::handle::Spool;
use super::record::Header;
use super::segment::Position;
use crate::mail::{Body, BodySource, Envelope, SpoolId};

/// Where the record of a message stands in the log. A record is never changed, and its place is
/// never given to another one: who knows it finds the body without the index, as long as the
/// segment is there.
#[derive(Debug, Clone, Copy)]
pub struct BodyPlace {
    at: Position,
    header: Header,
}

/// What an attempt needs of a message.
#[derive(Debug, Clone)]
pub struct ForAttempt {
    /// What came with it.
    pub envelope: Arc<Envelope>,
    /// Where its body is, unless that has a file of its own.
    pub body: Option<BodyPlace>,
}

impl Spool {
    /// What came with a message, and where its body is.
    ///
    /// # Errors
    /// When the disk fails or the record is damaged.
    pub fn for_attempt(&self, id: SpoolId) -> Result<Option<ForAttempt>, SpoolError> {
        let found = self.read_message(id)?;
        Ok(found.map(|(row, header, line)| {
            let at = Position::from_u64(row.position);
            ForAttempt {
                body: line.file.is_none().then_some(BodyPlace { at, header }),
                envelope: line.envelope,
            }
        }))
    }

    /// The bytes of a message whose place is known, trace lines included.
    ///
    /// # Errors
    /// When the disk fails or the checksum is wrong.
    pub fn body_in(
        &self,
        id: SpoolId,
        place: &BodyPlace,
    ) -> Result<Option<Arc<dyn BodySource>>, SpoolError> {
        match self.0.reader.body(place.at, &place.header) {
            Ok(bytes) => Ok(Some(Arc::new(Body(bytes)))),
            // Carried forward meanwhile, and the segment is gone; or there is true trouble, which
            // comes again.
            Err(_) => self.body(id),
        }
    }

    /// Reads beside the tasks: the disk may be slow, and connections wait for nobody's backlog.
    ///
    /// # Errors
    /// As the reading does.
    pub async fn beside<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Self) -> Result<T, SpoolError> + Send + 'static,
    ) -> Result<T, SpoolError> {
        let spool = self.clone();
        blocking(move || read(&spool)).await
    }
}
