//! Any order of operations, restarts, lost indexes, power cuts and cleaning up, against a model
//! that is a map in memory.

use std::collections::BTreeMap;

use proptest::prelude::*;
use tideover::mail::SpoolId;
use tideover::mail::{BackendId, Blame, Failure, HoldReason, RecipientEvent, RecipientState};
use tideover::spool::{LedgerEntry, Spool};

use crate::chance::Chance;
use crate::disk::SimDisk;
use crate::workload::{Machine, delivered, envelope, read};

#[derive(Debug, Clone)]
enum Step {
    Accept {
        recipients: usize,
        size: usize,
    },
    Event {
        message: usize,
        recipient: u16,
        kind: u8,
    },
    Fact {
        key: u8,
        value: Option<u8>,
    },
    Checkpoint,
    Restart,
    LoseIndex,
    PowerCut(u64),
    Days(u64),
    Retire,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => (1..4_usize, 0..4000_usize)
            .prop_map(|(recipients, size)| Step::Accept { recipients, size }),
        10 => (0..40_usize, 0..4_u16, 0..6_u8)
            .prop_map(|(message, recipient, kind)| Step::Event { message, recipient, kind }),
        2 => (0..3_u8, any::<Option<u8>>()).prop_map(|(key, value)| Step::Fact { key, value }),
        1 => Just(Step::Checkpoint),
        1 => Just(Step::Restart),
        1 => Just(Step::LoseIndex),
        1 => any::<u64>().prop_map(Step::PowerCut),
        1 => (1..40_u64).prop_map(Step::Days),
        1 => Just(Step::Retire),
    ];
    proptest::collection::vec(step, 1..80)
}

#[derive(Debug)]
struct Known {
    body: Vec<u8>,
    states: Vec<RecipientState>,
    events: usize,
}

#[derive(Debug, Default)]
struct Model {
    messages: BTreeMap<SpoolId, Known>,
    gone: BTreeMap<SpoolId, Known>,
    facts: BTreeMap<u8, u8>,
}

fn event(kind: u8, id: SpoolId) -> RecipientEvent {
    let backend = BackendId::new("onprem");
    let failure = Failure::without_reply(Blame::Backend, "refused");
    match kind {
        0 | 1 => delivered(),
        2 => RecipientEvent::Deferred {
            backend,
            failure,
            due: id.timestamp(),
            counts: true,
        },
        3 => RecipientEvent::Held {
            reason: HoldReason::NoRoute {
                what: "a home".to_owned(),
            },
        },
        4 => RecipientEvent::Released {
            actor: "ann".to_owned(),
            due: id.timestamp(),
            reason: String::new(),
            past_holds: true,
        },
        _ => RecipientEvent::Rerouted {
            lane: "cloud".to_owned(),
        },
    }
}

impl Model {
    async fn step(&mut self, spool: &Spool, machine: &Machine, step: &Step) {
        match *step {
            Step::Accept { recipients, size } => {
                let body = vec![b'm'; size];
                let mut draft = spool.draft();
                draft.append(&body).await.unwrap();
                let envelope = envelope(recipients);
                let id = spool.accept(draft, envelope).await.unwrap();
                let states = spool.message(id).unwrap().unwrap().states;
                let known = Known {
                    body,
                    states,
                    events: 0,
                };
                self.messages.insert(id, known);
            }
            Step::Event {
                message,
                recipient,
                kind,
            } => {
                self.happen(spool, machine, (message, recipient, kind))
                    .await;
            }
            Step::Fact { key, value } => {
                let json = value.map(Into::into);
                spool
                    .put_fact("room", &key.to_string(), json)
                    .await
                    .unwrap();
                match value {
                    Some(value) => self.facts.insert(key, value),
                    None => self.facts.remove(&key),
                };
            }
            Step::Checkpoint => spool.checkpoint().await.unwrap(),
            Step::Days(days) => machine.hands.days(days),
            Step::Retire => {
                spool.retire().await.unwrap();
            }
            Step::Restart | Step::LoseIndex | Step::PowerCut(_) => {}
        }
    }

    async fn happen(
        &mut self,
        spool: &Spool,
        machine: &Machine,
        (message, recipient, kind): (usize, u16, u8),
    ) {
        let count = self.messages.len().max(1);
        let Some((&id, known)) = self.messages.iter_mut().nth(message % count) else {
            return;
        };
        let Some(state) = known.states.get_mut(usize::from(recipient)) else {
            return;
        };
        let event = event(kind, id);
        let now = tideover::base::TimeSource::now(&machine.hands);
        // What cannot happen is asked by nobody.
        if let Ok(next) = state.apply(&event, now) {
            *state = next;
            known.events += 1;
            spool.record(id, vec![recipient], event).await.unwrap();
        }
    }

    fn check(&mut self, spool: &Spool) {
        let ids: Vec<SpoolId> = self.messages.keys().copied().collect();
        for id in ids {
            let known = &self.messages[&id];
            let Some(message) = spool.message(id).unwrap() else {
                assert!(
                    known.states.iter().all(RecipientState::is_finished),
                    "I2: {id}"
                );
                let known = self.messages.remove(&id).unwrap();
                self.gone.insert(id, known);
                continue;
            };
            assert_eq!(message.states, known.states);
            assert_eq!(read(spool, id).as_ref(), Ok(&known.body));
            assert_eq!(happened(&spool.history(id).unwrap()), known.events);
        }
        for (id, known) in &self.gone {
            let found = spool.ledger_find(&id.to_string(), 10).unwrap();
            assert_eq!(found.len(), 1, "{id}");
            assert_eq!(found[0].states, known.states);
            assert_eq!(happened(&found[0].history), known.events);
            assert!(spool.message(*id).unwrap().is_none());
        }
        let facts = spool.facts("room", "").unwrap();
        let facts: BTreeMap<u8, u8> = facts
            .into_iter()
            .map(|(key, value)| (key.parse().unwrap(), serde_json::from_value(value).unwrap()))
            .collect();
        assert_eq!(facts, self.facts);
        let stats = spool.stats();
        let all = || self.messages.values().flat_map(|known| &known.states);
        let count = |name: &str| all().filter(|state| state.name() == name).count() as u64;
        assert_eq!(stats.accepted, self.messages.len() as u64);
        assert_eq!(stats.held, count("held"));
        assert_eq!(stats.queued.values().sum::<u64>(), count("queued"));
        assert_eq!(stats.delivered, count("delivered"));
    }
}

/// Closes, and compares the index with one made anew (I13).
fn compare(machine: &Machine) {
    let rebuilt = machine.copy_without_index();
    rebuilt.run(async |_| {});
    assert_eq!(machine.index.rows(), rebuilt.index.rows(), "I13");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn any_order_of_operations_is_as_the_model_says(steps in steps()) {
        let mut machine = Machine::new(SimDisk::default());
        let mut model = Model::default();
        let mut rest = steps.as_slice();
        while !rest.is_empty() {
            let restart = |step: &Step| {
                matches!(step, Step::Restart | Step::LoseIndex | Step::PowerCut(_))
            };
            let end = rest.iter().position(restart).map_or(rest.len(), |at| at + 1);
            let (life, later) = rest.split_at(end);
            rest = later;
            machine.run(async |spool| {
                for step in life {
                    model.step(&spool, &machine, step).await;
                }
                model.check(&spool);
                if let Some(Step::PowerCut(seed)) = life.last() {
                    machine.disk.power_cut(&mut Chance::new(*seed));
                }
            });
            if matches!(life.last(), Some(Step::LoseIndex)) {
                machine = machine.copy_without_index();
            }
            machine.run(async |spool| model.check(&spool));
            compare(&machine);
        }
    }
}

/// Events of a history, those that are not listed among them.
fn happened(history: &[LedgerEntry]) -> usize {
    let counted = history.iter().map(|entry| 1 + entry.left_out);
    usize::try_from(counted.sum::<u64>()).unwrap()
}
