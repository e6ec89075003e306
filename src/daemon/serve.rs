//! `tideover serve`: starts, waits for signals, stops.

use tokio::signal::unix::{SignalKind, signal};

use super::assemble::start_with;
use super::keeper::Keeper;
use super::sockets::Handed;
use super::{Running, StartError};
use crate::admin::Reload as _;
use crate::config::Config;

/// Runs until SIGTERM or SIGINT; SIGHUP reads the config again.
///
/// # Errors
/// [`StartError`].
pub async fn serve(config: Config) -> Result<(), StartError> {
    let hear = |kind| signal(kind).map_err(StartError::other("waiting for signals"));
    let mut terminate = hear(SignalKind::terminate())?;
    let mut interrupt = hear(SignalKind::interrupt())?;
    let mut hang_up = hear(SignalKind::hangup())?;
    let keeper = Keeper::of_process();
    let running = start_with(config, Handed::to_us()?).await?;
    running.reloader.tell(keeper.clone());
    announce(&running);
    // Not earlier: all ports are open, and who connects gets his greeting.
    keeper.ready().await;
    keeper.attend(&running);
    loop {
        tokio::select! {
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
            _ = hang_up.recv() => {
                // A refusal is logged there; the old config stays.
                running.reloader.reload().await.ok();
            }
        }
    }
    keeper.stopping();
    tracing::info!("stopping: what is under way is finished first");
    running.stop().await?;
    tracing::info!("stopped");
    Ok(())
}

fn announce(running: &Running) {
    for address in &running.listeners {
        tracing::info!(%address, "taking mail");
    }
    if let Some(address) = running.web {
        tracing::info!(%address, "webmail");
    }
    if let Some(address) = running.admin {
        tracing::info!(%address, "operators, metrics and health");
    }
}
