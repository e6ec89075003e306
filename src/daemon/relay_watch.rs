//! Once a day, and at the start, it is tried whether strangers could send through us.

use std::sync::Arc;
use std::time::Duration;

use metrics::gauge;

use super::assemble::Base;
use crate::config::Config;
use crate::inbound::{self, OwnDomain, TRICK_TAG, test_relay, wide_networks};
use crate::route::{RelayTest, Router};
use crate::telemetry::names;

/// From one test to the next.
const DAY: Duration = Duration::from_secs(24 * 3600);

/// Begins with the listeners of `config`.
pub(super) fn spawn(base: &Base, config: &Config) {
    let listeners = config.inbound_options().into_iter();
    let listeners: Arc<[_]> = listeners.map(|(_, options)| options).collect();
    let (router, clock, shutdown) = (
        base.router.clone(),
        base.clock.clone(),
        base.shutdown.clone(),
    );
    base.shutdown.spawn("open-relay test", async move {
        loop {
            let (all, admit) = (Arc::clone(&listeners), router.clone());
            // Many listeners and domains take a while.
            let tested = tokio::task::spawn_blocking(move || all_tests(&all, &admit)).await;
            match tested {
                Ok(test) => {
                    note(&test);
                    router.relay_test().note(clock.now(), test);
                }
                Err(error) => tracing::error!(%error, "the open-relay test failed"),
            }
            tokio::select! {
                biased;
                () = shutdown.stopping() => return,
                () = tokio::time::sleep(DAY) => {}
            }
        }
    });
}

/// Each listener, with each domain that the directory has now.
#[must_use]
pub(super) fn all_tests(listeners: &[inbound::Options], router: &Router) -> RelayTest {
    let mut all = RelayTest::default();
    all.trusts(listeners.iter().flat_map(wide_networks));
    let tagged = router.directory().current().tagged(TRICK_TAG);
    for name in router.domains() {
        let own = OwnDomain {
            name: &name,
            tagged: tagged.get(&name).map(String::as_str),
        };
        for options in listeners {
            all.add(test_relay(options, router, own));
        }
    }
    all
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a gauge that is off by one part in 2^53 is as good"
)]
fn note(test: &RelayTest) {
    gauge!(names::OPEN_RELAY).set(test.worked as f64);
    if let Some(problem) = test.problem() {
        tracing::error!(%problem, "strangers are trusted");
    }
}
