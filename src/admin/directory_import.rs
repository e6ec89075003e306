//! A directory file that an operator sends: it is read while it comes.

use std::io::{self, Read};
use std::sync::Arc;

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::State;
use futures_util::StreamExt as _;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

use super::directory_api::{ChangeQuery, ChangeView};
use super::extract::Query;
use super::{Admin, AdminError};
use crate::directory::{BadRows, Cause, Extent, HAND, Import};
use crate::mail::BackendId;

/// An import.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct ImportQuery {
    /// The source.
    pub(crate) source: String,
    /// Who is not named stays.
    pub(crate) add: bool,
    /// Bad rows are left out.
    pub(crate) skip_bad: bool,
    /// The home of those of whom the file says none.
    #[serde(default)]
    pub(crate) home: Option<BackendId>,
    /// Who.
    pub(crate) actor: String,
    /// Why; may be empty.
    pub(crate) reason: String,
    /// Also when it deletes or moves many.
    pub(crate) yes: bool,
    /// Only look.
    pub(crate) dry_run: bool,
}

/// A source has a name that can be typed again, and is not the one of what is said by hand.
fn expect_name(source: &str) -> Result<(), AdminError> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let is_name = source.starts_with(|c: char| c.is_ascii_alphanumeric());
    if source != HAND && is_name && source.chars().all(plain) {
        return Ok(());
    }
    Err(AdminError::Asked {
        what: format!("{source:?} is no name of a source"),
        hint: "use letters, digits, - _ and . (not \"hand\"), for example --source file",
    })
}

pub(super) async fn import(
    State(admin): State<Arc<Admin>>,
    Query(query): Query<ImportQuery>,
    body: Body,
) -> Result<Json<ChangeView>, AdminError> {
    expect_name(&query.source)?;
    let change = ChangeQuery {
        actor: query.actor,
        reason: query.reason,
        yes: query.yes,
        dry_run: query.dry_run,
    };
    let import = Import {
        source: query.source.clone(),
        extent: if query.add { Extent::More } else { Extent::All },
        bad: if query.skip_bad {
            BadRows::Skip
        } else {
            BadRows::Refuse
        },
        home: query.home,
    };
    let note = change.note(Cause::Import, Some(&query.source));
    let (send, pipe) = pipe();
    let fill = async move {
        let mut pieces = body.into_data_stream();
        while let Some(piece) = pieces.next().await {
            if send
                .send(Some(piece.map_err(io::Error::other)))
                .await
                .is_err()
            {
                return;
            }
        }
        send.send(None).await.ok();
    };
    let work = admin.directory.import(pipe, import, (note, change.mode()));
    let (imported, ()) = tokio::join!(work, fill);
    let imported = imported?;
    let (errors, odd) = (imported.reading.errors, imported.reading.odd);
    Ok(Json(ChangeView {
        rows: imported.reading.good,
        nobody_departs: imported.reading.nameless > 0,
        bad_rows: errors.errors.iter().map(ToString::to_string).collect(),
        more_bad_rows: errors.more,
        odd: odd.first,
        more_odd: odd.more,
        ..admin.changed(imported.outcome)
    }))
}

type Piece = Option<io::Result<Bytes>>;

/// From the async connection to the thread that reads the file. A connection that breaks off is
/// an error, and not the end of the file.
struct Pipe {
    pieces: mpsc::Receiver<Piece>,
    piece: Bytes,
    ended: bool,
}

fn pipe() -> (mpsc::Sender<Piece>, Pipe) {
    let (send, pieces) = mpsc::channel(16);
    let pipe = Pipe {
        pieces,
        piece: Bytes::new(),
        ended: false,
    };
    (send, pipe)
}

impl Read for Pipe {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.piece.is_empty() && !self.ended {
            match self.pieces.blocking_recv() {
                Some(Some(piece)) => self.piece = piece?,
                Some(None) => self.ended = true,
                None => return Err(io::ErrorKind::UnexpectedEof.into()),
            }
        }
        let length = buffer.len().min(self.piece.len());
        let piece = self.piece.split_to(length);
        if let Some(start) = buffer.get_mut(..length) {
            start.copy_from_slice(&piece);
        }
        Ok(length)
    }
}
