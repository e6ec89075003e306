//! Where an authority looks whether a host is ours (HTTP-01, RFC 8555 §8.3), and who orders
//! certificates there.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;

use super::StartError;
use super::assemble::Base;
use crate::acme::{Acme, AcmeWorld, Answers};
use crate::admin::{self, Doorway};
use crate::config::Config;
use crate::net::{Https, Listen as _, TcpDial, TcpListen, TlsClient};

fn router(answers: Answers) -> Router {
    Router::new()
        .route("/.well-known/acme-challenge/{token}", get(answer))
        .with_state(answers)
}

async fn answer(State(answers): State<Answers>, Path(token): Path<String>) -> Response {
    match answers.to(&token) {
        Some(text) => ([(CONTENT_TYPE, "application/octet-stream")], text).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

impl Base {
    /// Answers on `socket`, and orders what is due.
    pub(super) fn serve_answers(
        &self,
        config: &Config,
        socket: Option<TcpListen>,
    ) -> Result<Option<Acme>, StartError> {
        let (Some(acme), Some(socket)) = (&config.acme, socket) else {
            return Ok(None);
        };
        let world = AcmeWorld {
            https: Https {
                dial: Arc::new(TcpDial::default()),
                resolve: self.dns.clone(),
                tls: TlsClient::new().map_err(StartError::other("TLS"))?,
            },
            clock: self.clock.clone(),
            entropy: self.entropy.clone(),
        };
        let acme = Acme::new(acme.options.clone(), &config.server.data_dir, world);
        tracing::info!(address = %socket.local_address(), "answers for an authority");
        let shutdown = self.shutdown.clone();
        let doorway = Doorway::new(socket, None, &shutdown);
        let serve = admin::serve_network(doorway, router(acme.answers()), shutdown.clone());
        shutdown.spawn("answers for an authority", serve);
        shutdown.spawn("certificates", acme.clone().keep(shutdown.clone()));
        Ok(Some(acme))
    }
}
