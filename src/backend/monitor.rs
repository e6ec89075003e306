//! Sends the probes: one task for each backend.

use std::sync::Arc;
use std::time::Duration;

use super::board::Bells;
use super::{BackendOptions, Board, End, RefusedAtRcpt, Signal};
use crate::base::{Entropy, Shutdown};
use crate::limits;
use crate::mail::{Blame, Boxed, Failure};

/// Asks a backend how it is: connect, banner, EHLO, STARTTLS, and RCPT when configured.
pub trait Prober: Send + Sync {
    /// One probe of the whole backend: good when one of its hosts is.
    ///
    /// # Errors
    /// With what stood in the way.
    fn probe<'a>(&'a self, backend: &'a BackendOptions) -> Boxed<'a, Result<(), Failure>>;

    /// Would one of its hosts take mail for somebody whom it refused? He is named at RCPT, and
    /// nothing is sent.
    ///
    /// # Errors
    /// With what stood in the way at the last host.
    fn would_take<'a>(
        &'a self,
        backend: &'a BackendOptions,
        refused: &'a RefusedAtRcpt,
    ) -> Boxed<'a, Result<(), Failure>>;
}

/// Probes every backend at its interval, and at once when traffic makes it doubtful.
pub struct Monitor {
    /// Where the results go.
    pub board: Board,
    /// Who asks.
    pub prober: Arc<dyn Prober>,
    /// Spreads the probes, so that many front doors do not ask in step.
    pub entropy: Entropy,
}

impl Monitor {
    /// Spawns the tasks; they end with `shutdown`.
    pub fn spawn(&self, backends: &[BackendOptions], shutdown: &Shutdown) {
        for backend in backends {
            let Some(bells) = self.board.bells(&backend.id) else {
                continue;
            };
            let watch = Watch {
                backend: backend.clone(),
                board: self.board.clone(),
                prober: Arc::clone(&self.prober),
                entropy: self.entropy.clone(),
                bells,
            };
            let stop = shutdown.clone();
            shutdown.spawn("backend monitor", async move {
                tokio::select! {
                    biased;
                    () = stop.stopping() => {}
                    () = watch.run() => {}
                }
            });
        }
    }
}

struct Watch {
    backend: BackendOptions,
    board: Board,
    prober: Arc<dyn Prober>,
    entropy: Entropy,
    bells: Bells,
}

impl Watch {
    async fn run(self) {
        loop {
            let probe = self.prober.probe(&self.backend);
            let signal = match tokio::time::timeout(limits::PROBE_TIMEOUT, probe).await {
                Ok(Ok(())) => Signal::Good,
                Ok(Err(failure)) => Signal::Bad(failure),
                Err(_) => {
                    let what = format!("no end of the probe in {:?}", limits::PROBE_TIMEOUT);
                    Signal::Bad(Failure::without_reply(Blame::Backend, what))
                }
            };
            if matches!(signal, Signal::Good) {
                self.ask_for_refused().await;
            }
            self.board.report_probe(&self.backend.id, signal);
            tokio::select! {
                biased;
                () = self.pause() => {}
                () = self.bells.asked.notified() => {}
            }
        }
    }

    /// While it is rejecting and no mail can find out whether it is still: asks for somebody whom
    /// it refused.
    async fn ask_for_refused(&self) {
        let backend = &self.backend.id;
        let Some(refused) = self.board.whom_to_ask_for(backend) else {
            return;
        };
        let answer = self.prober.would_take(&self.backend, &refused);
        let Ok(answer) = tokio::time::timeout(limits::PROBE_TIMEOUT, answer).await else {
            return;
        };
        let recipient = &refused.recipient;
        if let Err(reply) = &answer {
            tracing::debug!(%backend, %recipient, %reply, "it was asked for whom it refused");
        }
        match self.board.report_asked(backend, &refused, &answer) {
            Some(End::Accepted) => {
                tracing::info!(%backend, %recipient, "it takes whom it refused before");
            }
            Some(End::OtherReason) => {
                tracing::info!(%backend, %recipient, "it refuses him for another reason now");
            }
            Some(End::NothingLeft) | None => {}
        }
    }

    /// The interval, a tenth more or less; shorter when somebody doubts. A quarter of it passes in
    /// any case, or failing traffic would become a storm of probes.
    async fn pause(&self) {
        let interval = self.backend.probe.interval.max(Duration::from_millis(10));
        let least = interval / 4;
        tokio::time::sleep(least).await;
        let jitter = 0.9 + self.entropy.unit() / 5.0;
        let rest = interval.mul_f64(jitter).saturating_sub(least);
        tokio::select! {
            biased;
            () = tokio::time::sleep(rest) => {}
            () = self.bells.doubt.notified() => {}
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

    use super::*;
    use crate::backend::{Ground, Health, Hosts};
    use crate::base::Clock;
    use crate::mail::BackendId;

    pub(in crate::backend) fn backend(name: &str) -> BackendOptions {
        let hosts = Hosts::List(vec!["127.0.0.1:25".into()]);
        BackendOptions::new(BackendId::new(name), hosts)
    }

    #[derive(Default)]
    struct Scripted {
        broken: AtomicBool,
        refuses: AtomicBool,
        asked: AtomicU32,
    }

    impl Prober for Scripted {
        fn probe<'a>(&'a self, _: &'a BackendOptions) -> Boxed<'a, Result<(), Failure>> {
            self.asked.fetch_add(1, Ordering::Relaxed);
            let broken = self.broken.load(Ordering::Relaxed);
            Box::pin(async move {
                if broken {
                    Err(Failure::without_reply(Blame::Backend, "refused"))
                } else {
                    Ok(())
                }
            })
        }

        fn would_take<'a>(
            &'a self,
            _: &'a BackendOptions,
            refused: &'a RefusedAtRcpt,
        ) -> Boxed<'a, Result<(), Failure>> {
            // One of them is missing there, whatever else is mended.
            let is_missing = refused.recipient == "E@cloud.example";
            let says_no = is_missing || self.refuses.load(Ordering::Relaxed);
            Box::pin(async move {
                if says_no {
                    Err(Failure::without_reply(Blame::Recipient, "denied"))
                } else {
                    Ok(())
                }
            })
        }
    }

    /// Time of the runtime, which stands still but when all tasks wait.
    #[derive(Debug)]
    struct TokioTime(tokio::time::Instant);

    impl crate::base::TimeSource for TokioTime {
        fn now(&self) -> crate::base::Timestamp {
            crate::base::Timestamp::EPOCH.after(self.0.elapsed())
        }
    }

    async fn wait_for(board: &Board, health: Health) {
        let onprem = BackendId::new("onprem");
        let mut changes = board.changes();
        let reached = changes.wait_for(|healths| healths[&onprem].health == health);
        let reached = tokio::time::timeout(Duration::from_secs(600), reached).await;
        assert!(reached.is_ok(), "the backend did not become {health}");
    }

    #[tokio::test(start_paused = true)]
    async fn sees_a_backend_fall_and_rise() {
        let start = tokio::time::Instant::now();
        let options = [backend("onprem")];
        let board = Board::new(&options, Clock::new(TokioTime(start)));
        let prober = Arc::new(Scripted::default());
        let monitor = Monitor {
            board: board.clone(),
            prober: Arc::clone(&prober) as Arc<dyn Prober>,
            entropy: Entropy::system(),
        };
        let shutdown = Shutdown::new();
        monitor.spawn(&options, &shutdown);
        tokio::time::sleep(Duration::from_secs(60)).await;
        assert_eq!(board.snapshot()[0].reason, "");
        prober.broken.store(true, Ordering::Relaxed);
        wait_for(&board, Health::Down).await;
        prober.broken.store(false, Ordering::Relaxed);
        wait_for(&board, Health::Up).await;
        assert!(board.evidence(&options[0].id).unwrap().last_probe.is_some());
        shutdown.stop().await;
    }

    /// All its mail is held, so none can be the trial.
    #[tokio::test(start_paused = true)]
    async fn one_that_is_rejecting_and_gets_no_mail_is_asked_for_whom_it_refused() {
        let start = tokio::time::Instant::now();
        let options = [backend("onprem")];
        let board = Board::new(&options, Clock::new(TokioTime(start)));
        let id = &options[0].id;
        let reply = crate::smtp::Reply::parse(&["550 5.4.1 Access denied"]).unwrap();
        let failure = Failure::refused(crate::mail::Said::Rcpt, reply);
        let case = crate::mail::CaseKey::of(id, &failure);
        for name in ["a", "b", "c", "d", "E"] {
            let refused = RefusedAtRcpt {
                person: name.to_owned(),
                sender: String::new(),
                recipient: format!("{name}@cloud.example"),
            };
            board.note_refused_at_rcpt(id, &case, refused);
            board.report_refused(id, (&case, Ground::Recipient), name);
        }
        let prober = Arc::new(Scripted::default());
        prober.refuses.store(true, Ordering::Relaxed);
        let monitor = Monitor {
            board: board.clone(),
            prober: Arc::clone(&prober) as Arc<dyn Prober>,
            entropy: Entropy::system(),
        };
        let shutdown = Shutdown::new();
        monitor.spawn(&options, &shutdown);
        tokio::time::sleep(Duration::from_secs(600)).await;
        assert_eq!(board.health(id).unwrap().health, Health::Rejecting);
        prober.refuses.store(false, Ordering::Relaxed);
        wait_for(&board, Health::Up).await;
        shutdown.stop().await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_failure_in_traffic_calls_for_a_probe() {
        let mut options = [backend("onprem")];
        options[0].probe.interval = Duration::from_secs(3600);
        let board = Board::new(&options, Clock::system());
        let prober = Arc::new(Scripted::default());
        let monitor = Monitor {
            board: board.clone(),
            prober: Arc::clone(&prober) as Arc<dyn Prober>,
            entropy: Entropy::system(),
        };
        let shutdown = Shutdown::new();
        monitor.spawn(&options, &shutdown);
        tokio::time::sleep(Duration::from_secs(1000)).await;
        assert_eq!(prober.asked.load(Ordering::Relaxed), 1);
        let failure = Failure::without_reply(Blame::Backend, "refused");
        board.report(&options[0].id, Signal::Bad(failure));
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(prober.asked.load(Ordering::Relaxed), 2);
        shutdown.stop().await;
    }
}
