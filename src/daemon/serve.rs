//! `tideover serve`: starts, waits for signals, stops.

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::assemble::start_with;
use super::keeper::Keeper;
use super::sockets::Handed;
use super::{Running, StartError};
use crate::admin::Reload as _;
use crate::config::Config;

/// Runs until SIGTERM or SIGINT; SIGHUP reads the config again. A stop before mail is taken leaves
/// everything as it stands, as a crash does.
///
/// # Errors
/// [`StartError`].
pub async fn serve(config: Config) -> Result<(), StartError> {
    let hear = |kind| signal(kind).map_err(StartError::other("waiting for signals"));
    let mut stop = Stop(
        hear(SignalKind::terminate())?,
        hear(SignalKind::interrupt())?,
    );
    let mut hang_up = hear(SignalKind::hangup())?;
    let keeper = Keeper::of_process();
    // On a thread of its own: a file on a disk that hangs must not keep it from stopping.
    #[expect(clippy::disallowed_methods, reason = "it is waited for right here")]
    let starting = tokio::spawn(start_with(config, Handed::to_us()?));
    let running = tokio::select! {
        biased;
        () = stop.asked() => {
            keeper.stopping();
            tracing::info!("stopped before mail was taken");
            return Ok(());
        }
        running = starting => running.map_err(StartError::other("the start"))??,
    };
    running.reloader.tell(keeper.clone());
    announce(&running);
    // Not earlier: all ports are open, and who connects gets his greeting.
    keeper.ready().await;
    keeper.attend(&running);
    tokio::select! {
        biased;
        // A reload that waits for a slow disk or directory must not keep it from stopping.
        () = stop.asked() => {}
        () = reload_when_asked(&running, &mut hang_up) => {}
    }
    keeper.stopping();
    tracing::info!("stopping: what is under way is finished first");
    running.stop().await?;
    tracing::info!("stopped");
    Ok(())
}

/// What ends the program.
struct Stop(Signal, Signal);

impl Stop {
    async fn asked(&mut self) {
        tokio::select! {
            _ = self.0.recv() => {}
            _ = self.1.recv() => {}
        }
    }
}

/// Never ends.
async fn reload_when_asked(running: &Running, hang_up: &mut Signal) {
    loop {
        hang_up.recv().await;
        // A refusal is logged there; the old config stays.
        let reload = running.reloader.reload(None);
        let audit = &running.audit;
        audit.signalled("Read the config again", reload).await;
    }
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
