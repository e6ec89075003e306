//! Asks a backend how it is, the way a delivery would, up to the point where mail would be sent.

use futures_util::future::join_all;

use super::dial::Candidate;
use super::error::{Error, Stage};
use super::greeting::unexpected;
use super::guard::Guard;
use super::link::{Link, timed_out};
use super::outcome::failure;
use super::{Outbound, Route};
use crate::backend::{BackendOptions, Prober, RefusedAtRcpt};
use crate::base::Boxed;
use crate::limits;
use crate::mail::{Blame, Failure};

impl Prober for Outbound {
    fn probe<'a>(&'a self, backend: &'a BackendOptions) -> Boxed<'a, Result<(), Failure>> {
        Box::pin(async move {
            let route = Route::backend(backend);
            let recipient = backend.probe.recipient.as_deref();
            let asked = recipient.map(|recipient| Asked {
                sender: "",
                recipient,
            });
            let candidates = self.candidates(&route).await;
            let candidates = candidates.map_err(|error| blamed(&error, "the backend"))?;
            let probes = candidates
                .iter()
                .map(|candidate| self.probe_host(&route, candidate, asked));
            // All hosts are asked, for each is shown; one good host makes a good backend.
            let results = join_all(probes).await;
            if results.iter().any(Result::is_ok) {
                return Ok(());
            }
            results.into_iter().next().unwrap_or(Ok(()))
        })
    }

    fn would_take<'a>(
        &'a self,
        backend: &'a BackendOptions,
        refused: &'a RefusedAtRcpt,
    ) -> Boxed<'a, Result<(), Failure>> {
        Box::pin(async move {
            let route = Route::backend(backend);
            let candidates = self.candidates(&route).await;
            let candidates = candidates.map_err(|error| blamed(&error, "the backend"))?;
            let asked = Asked {
                sender: &refused.sender,
                recipient: &refused.recipient,
            };
            let mut last = Err(Failure::without_reply(Blame::Backend, "it has no host"));
            for candidate in &candidates {
                last = self.ask_host(&route, candidate, Some(asked)).await;
                if last.is_ok() {
                    break;
                }
            }
            last
        })
    }
}

impl Outbound {
    async fn probe_host(
        &self,
        route: &Route,
        candidate: &Candidate,
        asked: Option<Asked<'_>>,
    ) -> Result<(), Failure> {
        let peer = candidate.address.to_string();
        let result = self.ask_host(route, candidate, asked).await;
        let noted = result
            .as_ref()
            .map(|&()| ())
            .map_err(|bad| bad.what.clone());
        self.note(route, &peer, noted);
        result
    }

    async fn ask_host(
        &self,
        route: &Route,
        candidate: &Candidate,
        asked: Option<Asked<'_>>,
    ) -> Result<(), Failure> {
        let visit = async {
            let mut link = self.reach(route, candidate, &Guard::default()).await?;
            if let Some(asked) = asked {
                ask_for(&mut link, asked).await?;
            }
            link.quit().await;
            Ok(())
        };
        let result = tokio::time::timeout(limits::PROBE_HOST_TIMEOUT, visit).await;
        let result = result.unwrap_or_else(|_| Err(timed_out()));
        result.map_err(|error| blamed(&error, &candidate.address.to_string()))
    }
}

/// Whatever stands in the way of a probe is the backend's.
fn blamed(error: &Error, peer: &str) -> Failure {
    Failure {
        blame: Blame::Backend,
        ..failure(error, peer)
    }
}

/// Whom a host is asked for.
#[derive(Clone, Copy)]
struct Asked<'a> {
    /// Who would write; empty: the null path.
    sender: &'a str,
    recipient: &'a str,
}

/// MAIL, RCPT, RSET: nothing is sent, and no mailbox sees it.
async fn ask_for(link: &mut Link, asked: Asked<'_>) -> Result<(), Error> {
    let Asked { sender, recipient } = asked;
    for (line, stage) in [
        (format!("MAIL FROM:<{sender}>\r\n"), Stage::Mail),
        (format!("RCPT TO:<{recipient}>\r\n"), Stage::Rcpt),
        ("RSET\r\n".to_owned(), Stage::Reset),
    ] {
        link.send(line.as_bytes(), stage).await?;
        let reply = link.reply(stage).await?;
        if !reply.is_success() {
            return Err(unexpected(stage, reply));
        }
    }
    Ok(())
}
