//! Content filters look at a message that came whole.

use std::io;
use std::net::SocketAddr;

use bytes::Bytes;

use super::connection::{Connection, NOT_STORED};
use super::session::Hello;
use super::transaction::Transaction;
use crate::base::Boxed;
use crate::filter::{Bearer, Content, Ruling, Standing, Subject, Taken};
use crate::limits;
use crate::route::Origin;
use crate::spool::Draft;

/// A draft as filters see it.
#[derive(Debug)]
struct Whole<'d>(&'d Draft);

impl Content for Whole<'_> {
    fn len(&self) -> u64 {
        self.0.len()
    }

    fn read(&self, at: u64, most: usize) -> Boxed<'_, io::Result<Bytes>> {
        Box::pin(async move {
            let piece = self.0.read_at(at, most.min(limits::FILTER_PIECE)).await;
            piece.map_err(io::Error::other)
        })
    }
}

impl Connection {
    /// What the filters say, and what follows.
    pub(super) async fn filter(
        &self,
        draft: &Draft,
        transaction: &Transaction,
        (name, hello): (Option<&str>, &Hello),
    ) -> Ruling {
        let Some(filters) = self.server.filters.as_ref().filter(|it| !it.is_empty()) else {
            return Ruling::Take(Taken::default());
        };
        let subject = Subject {
            listener: &self.server.options.listener,
            standing: match self.origin {
                Origin::Internet => Standing::Stranger,
                Origin::Trusted => Standing::Ours,
            },
            recipients: &transaction.recipients,
            postmasters: &transaction.postmasters,
            bearer: Bearer {
                client: self
                    .client()
                    .map(|ip| SocketAddr::new(ip, self.peer.port())),
                name,
                helo: &hello.name,
                from: &transaction.from,
                id: draft.id(),
                hostname: &self.server.options.hostname,
                login: self.login_told(),
                tls: self.tls.as_ref(),
                certificate: self.client_names(),
            },
        };
        // What this takes is taken only while a filter is asked.
        let ruling = Box::pin(filters.check(subject, &Whole(draft))).await;
        ruling.unwrap_or_else(|error| {
            tracing::error!(%error, "a message could not be read");
            Ruling::Refuse(NOT_STORED)
        })
    }
}
