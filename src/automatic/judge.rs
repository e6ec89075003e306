//! What is done with one message, for each of its recipients.

use super::marks::Marks;
use super::policy::Policy;
use super::recognise::recognise;
use super::requests::{Request, requests};
use super::way::{Party, Sealed, way};
use crate::mail::{
    Automatic, AutomaticDeed, AutomaticKind, AutomaticRuling, AutomaticWay, HoldReason,
};
use crate::smtp::ReversePath;

/// A message that came whole.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// MAIL FROM.
    pub from: &'a ReversePath,
    /// Its header section.
    pub header: &'a [u8],
    /// What that says.
    pub marks: &'a Marks,
    /// The front of its body.
    pub body: &'a [u8],
    /// Whose it is.
    pub sender: &'a Party,
    /// To whom, by number, and whether NOTIFY=SUCCESS was said. Who is exempt is left out.
    pub recipients: &'a [(u16, Party, Wish)],
    /// May its signatures break?
    pub sealed: Sealed,
}

/// Does the envelope wish for a report of success (RFC 3461 §4.1)?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    /// It does.
    Success,
    /// It does not.
    Nothing,
}

/// What follows.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Judged {
    /// For the envelope; `None`: nothing is done.
    pub automatic: Option<Automatic>,
    /// Who is held, by number.
    pub held: Vec<(u16, HoldReason)>,
    /// Whose NOTIFY=SUCCESS goes.
    pub unwished: Vec<u16>,
}

/// Judges a message by the policy.
#[must_use]
pub fn judge(policy: &Policy, asked: &Asked<'_>) -> Judged {
    let found = recognise(asked.from, asked.marks, asked.body);
    // Where no wish is taken off none is looked for.
    let wishes = if policy.strips() {
        requests(asked.header)
    } else {
        Vec::new()
    };
    let mut judged = Judged::default();
    let mut rulings: Vec<AutomaticRuling> = Vec::new();
    for (number, party, wish) in asked.recipients {
        let way = way(asked.sender, party);
        let kind = found.as_ref().map(|found| found.kind);
        let mut ruling = rule((policy, asked.sealed), (kind, way), (&wishes, *wish));
        if ruling.deed == AutomaticDeed::Hold
            && let Some(found) = &found
        {
            let reason = HoldReason::Automatic {
                kind: found.kind,
                rule: Policy::rule(found.kind, way),
                sign: found.sign.clone(),
            };
            judged.held.push((*number, reason));
        }
        if ruling.notify {
            judged.unwished.push(*number);
        }
        if kind.is_none() && ruling.deed == AutomaticDeed::Allow && ruling.left.is_empty() {
            continue;
        }
        if let Some(same) = rulings.iter_mut().find(|it| is_alike(it, &ruling)) {
            same.recipients.push(*number);
        } else {
            ruling.recipients.push(*number);
            rulings.push(ruling);
        }
    }
    judged.automatic = (!rulings.is_empty()).then(|| Automatic {
        kind: found.as_ref().map(|found| found.kind),
        sign: found.map(|found| found.sign).unwrap_or_default(),
        rulings,
    });
    judged
}

fn is_alike(one: &AutomaticRuling, other: &AutomaticRuling) -> bool {
    let AutomaticRuling {
        recipients: _,
        way,
        deed,
        rules,
        stripped,
        notify,
        left,
    } = one;
    (*way, *deed, *notify) == (other.way, other.deed, other.notify)
        && (rules, stripped, left) == (&other.rules, &other.stripped, &other.left)
}

/// What is done for one recipient, whose number is put in later.
fn rule(
    (policy, sealed): (&Policy, Sealed),
    (kind, way): (Option<AutomaticKind>, AutomaticWay),
    (wishes, wish): (&[Request], Wish),
) -> AutomaticRuling {
    let mut ruling = AutomaticRuling {
        recipients: Vec::new(),
        way,
        deed: AutomaticDeed::Allow,
        rules: Vec::new(),
        stripped: Vec::new(),
        notify: false,
        left: Vec::new(),
    };
    if let Some(kind) = kind {
        let deed = policy.deed(kind, way);
        // A report is no wish for one: that is looked for below, in any message.
        if matches!(deed, AutomaticDeed::Drop | AutomaticDeed::Hold) {
            ruling.deed = deed;
            ruling.rules.push(Policy::rule(kind, way));
        }
    }
    if ruling.deed == AutomaticDeed::Drop {
        return ruling;
    }
    for kind in [AutomaticKind::ReadReceipt, AutomaticKind::DeliveryReport] {
        if policy.deed(kind, way) == AutomaticDeed::Strip {
            strip(&mut ruling, (kind, sealed), (wishes, wish));
        }
    }
    let is_stripped = ruling.notify || !ruling.stripped.is_empty();
    if is_stripped && ruling.deed == AutomaticDeed::Allow {
        ruling.deed = AutomaticDeed::Strip;
    }
    ruling
}

/// Takes the wishes for one kind of report off.
fn strip(
    ruling: &mut AutomaticRuling,
    (kind, sealed): (AutomaticKind, Sealed),
    (wishes, wish): (&[Request], Wish),
) {
    let before = (ruling.stripped.len(), ruling.notify);
    for request in wishes.iter().filter(|request| request.kind == kind) {
        match &request.signed {
            Some(signer) if sealed == Sealed::No => {
                let field = request.field;
                let why = format!("{field} stays: signed ({signer}), and not sealed by us");
                ruling.left.push(why);
            }
            Some(_) | None => ruling.stripped.push(request.field.to_owned()),
        }
    }
    ruling.notify |= kind == AutomaticKind::DeliveryReport && wish == Wish::Success;
    if before != (ruling.stripped.len(), ruling.notify) {
        ruling.rules.push(Policy::rule(kind, ruling.way));
    }
}
