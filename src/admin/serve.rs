//! Serving the API, over the unix socket or over TCP.

use axum::Router;
use axum::serve::Listener;

use crate::base::Shutdown;

/// Serves `router` until the stop is asked for; open requests are answered first.
pub async fn serve<L>(listener: L, router: Router, shutdown: Shutdown)
where
    L: Listener,
    L::Addr: std::fmt::Debug,
{
    let stopping = {
        let shutdown = shutdown.clone();
        async move { shutdown.stopping().await }
    };
    let served = axum::serve(listener, router).with_graceful_shutdown(stopping);
    if let Err(error) = served.await {
        tracing::error!(%error, "the operators' door is closed");
    }
}
