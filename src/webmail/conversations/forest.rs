//! Which messages belong together: the essentials of Jamie Zawinski's threading, as a pure function
//! of a set of messages. In whatever order they are given the result is the same, because the
//! oldest word about something always counts. Nobody can tie two conversations of others together:
//! a message hangs on one other, and what it says about the rest of the chain counts only for
//! messages that are not there.

use std::collections::HashMap;
use std::sync::Arc;

use crate::mail::SpoolId;

/// What is remembered of a message's [`crate::mail::Ties`]: keyed hashes, so that nobody can make
/// two texts look alike.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Clue {
    /// Of its Message-ID.
    pub id: Option<u64>,
    /// Of the Message-IDs that it points back to, oldest first.
    pub references: Box<[u64]>,
    /// Of its subject without prefixes, when something is left.
    pub subject: Option<u64>,
    /// Its subject says that it is an answer.
    pub is_answer: bool,
}

/// Conversations of more than one message.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Forest {
    /// The number of the conversation of each message that has company.
    of: HashMap<SpoolId, usize>,
    /// Their messages, oldest first.
    groups: Vec<Vec<SpoolId>>,
}

impl Forest {
    /// Puts messages together. Work and memory grow with the number of messages and references.
    pub(crate) fn plant(mut messages: Vec<(SpoolId, Arc<Clue>)>) -> Self {
        messages.sort_unstable_by_key(|(id, _)| *id);
        messages.dedup_by_key(|(id, _)| *id);
        let mut sets = Sets::default();
        let mut names: HashMap<u64, usize> = HashMap::new();
        let nodes: Vec<usize> = messages
            .iter()
            .map(|(_, clue)| sets.message(clue.id, &mut names))
            .collect();
        let all = || messages.iter().map(|(_, clue)| clue).zip(&nodes);
        // What a message says about itself counts before what others say about it.
        for (clue, node) in all() {
            if let Some(last) = clue.references.last() {
                let parent = sets.named(*last, &mut names);
                sets.hang(*node, parent);
            }
        }
        for (clue, _) in all() {
            sets.chain(&clue.references, &mut names);
        }
        // By the subject only what says that it is an answer, and not to what.
        let mut latest: HashMap<u64, usize> = HashMap::new();
        for (clue, node) in all() {
            let Some(subject) = clue.subject else {
                continue;
            };
            let older = latest.insert(subject, *node);
            if clue.is_answer
                && clue.references.is_empty()
                && let Some(older) = older
            {
                sets.hang(*node, older);
            }
        }
        Self::of_sets(&messages, &nodes, &mut sets)
    }

    fn of_sets(messages: &[(SpoolId, Arc<Clue>)], nodes: &[usize], sets: &mut Sets) -> Self {
        let mut numbers: HashMap<usize, usize> = HashMap::new();
        let mut all: Vec<Vec<SpoolId>> = Vec::new();
        for ((id, _), node) in messages.iter().zip(nodes) {
            let number = *numbers.entry(sets.root(*node)).or_insert_with(|| {
                all.push(Vec::new());
                all.len() - 1
            });
            if let Some(group) = all.get_mut(number) {
                group.push(*id);
            }
        }
        all.retain(|group| group.len() > 1);
        let rows = all.iter().enumerate();
        let of = rows.flat_map(|(number, group)| group.iter().map(move |id| (*id, number)));
        Self {
            of: of.collect(),
            groups: all,
        }
    }

    /// The conversation of a message, itself among it, oldest first; empty when it is alone.
    pub(crate) fn with(&self, id: SpoolId) -> &[SpoolId] {
        let group = self.of.get(&id).and_then(|number| self.groups.get(*number));
        group.map_or(&[], Vec::as_slice)
    }
}

/// Sets of nodes that are joined (Tarjan): one node for each message, one for each Message-ID that
/// somebody names and nobody has.
#[derive(Debug, Default)]
struct Sets {
    nodes: Vec<Node>,
}

#[derive(Debug)]
struct Node {
    /// Nearer to the root of its set; the root's own number is its own.
    up: usize,
    size: usize,
    /// It hangs on another one already.
    hangs: bool,
    /// There is such a message.
    is_here: bool,
}

impl Sets {
    fn add(&mut self) -> usize {
        let number = self.nodes.len();
        self.nodes.push(Node {
            up: number,
            size: 1,
            hangs: false,
            is_here: false,
        });
        number
    }

    /// The node of a message. A second one with the same Message-ID hangs on the first.
    fn message(&mut self, id: Option<u64>, names: &mut HashMap<u64, usize>) -> usize {
        let node = self.add();
        if let Some(node) = self.nodes.get_mut(node) {
            node.is_here = true;
        }
        if let Some(id) = id {
            let first = *names.entry(id).or_insert(node);
            self.hang(node, first);
        }
        node
    }

    /// The node of a Message-ID.
    fn named(&mut self, id: u64, names: &mut HashMap<u64, usize>) -> usize {
        *names.entry(id).or_insert_with(|| self.add())
    }

    /// What a message says about others: it counts for those that are not there.
    fn chain(&mut self, references: &[u64], names: &mut HashMap<u64, usize>) {
        for pair in references.windows(2) {
            let [parent, child] = pair else { continue };
            let child = self.named(*child, names);
            let parent = self.named(*parent, names);
            if !self.is_here(child) {
                self.hang(child, parent);
            }
        }
    }

    fn is_here(&self, node: usize) -> bool {
        self.nodes.get(node).is_some_and(|node| node.is_here)
    }

    /// Hangs one on another, unless it hangs already or a ring would come of it.
    fn hang(&mut self, child: usize, parent: usize) {
        let (one, other) = (self.root(child), self.root(parent));
        let hangs = self.nodes.get(child).is_none_or(|node| node.hangs);
        if hangs || one == other {
            return;
        }
        if let Some(node) = self.nodes.get_mut(child) {
            node.hangs = true;
        }
        let size = |number: usize| self.nodes.get(number).map_or(0, |node| node.size);
        let sum = size(one) + size(other);
        let (small, large) = if size(one) < size(other) {
            (one, other)
        } else {
            (other, one)
        };
        if let Some(node) = self.nodes.get_mut(small) {
            node.up = large;
        }
        if let Some(node) = self.nodes.get_mut(large) {
            node.size = sum;
        }
    }

    fn root(&mut self, node: usize) -> usize {
        let up = |sets: &Self, at: usize| sets.nodes.get(at).map_or(at, |node| node.up);
        let mut at = node;
        loop {
            let next = up(self, at);
            if next == at {
                return at;
            }
            // Half the way for who comes next.
            let beyond = up(self, next);
            if let Some(node) = self.nodes.get_mut(at) {
                node.up = beyond;
            }
            at = beyond;
        }
    }
}

#[cfg(test)]
#[path = "forest_tests.rs"]
mod tests;
