//! Asks, and puts the verdict together. The only part of the room that waits.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use futures_util::future::{join, join_all, join3};
use metrics::counter;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::arc::{self, Chain};
use super::author::authors;
use super::blocklist::Lists;
use super::client::{peer, spf_results};
use super::dkim::{self, Checked as CheckedSignature};
use super::dmarc::{self, By, Discovery, Proof};
use super::flaw::{Flaw, bound};
use super::lookup::Lookups;
use super::name;
use super::reading::{Read, Reading};
use super::results::results_value;
use super::ruling::{Enforcement, Enforcements, Listed};
use super::sign::Signer;
use crate::base::{Clock, Entropy, Timestamp};
use crate::limits;
use crate::mail::{AuthMethod, AuthResult, MethodResult, ParsedMessage, Verdict};
use crate::net::{Ask, Network};
use crate::smtp::ReversePath;
use crate::telemetry::names;

/// `[auth]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Is anything checked?
    pub verify: bool,
    /// Peers whose mail is not checked: what is in front of us on this machine.
    pub exempt: Vec<Network>,
    /// Sealers (RFC 8617) whose word counts when DMARC fails here, in lower case.
    pub trusted_sealers: Vec<String>,
    /// What happens to mail that fails DMARC.
    pub dmarc: Enforcement,
    /// The same for single domains of ours.
    pub domains: Enforcements,
    /// Lists in the DNS that are asked about the addresses of clients (RFC 5782).
    pub blocklists: Vec<String>,
    /// What happens to mail from an address that is on one of them.
    pub listed: Listed,
    /// The domain whose key seals what was found (RFC 8617).
    pub seal: Option<String>,
    /// A message waits for the name servers so long and no longer.
    pub patience: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            verify: true,
            exempt: Vec::new(),
            trusted_sealers: Vec::new(),
            dmarc: Enforcement::Mark,
            domains: Enforcements::new(),
            blocklists: Vec::new(),
            listed: Listed::default(),
            seal: None,
            patience: limits::AUTH_TIME,
        }
    }
}

/// Who hands a message in.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'s> {
    /// The client's address; `None`: nobody knows it.
    pub ip: Option<IpAddr>,
    /// What it calls itself.
    pub helo: &'s str,
    /// MAIL FROM.
    pub from: &'s ReversePath,
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked {
    /// The verdict.
    pub verdict: Verdict,
    /// The ARC set that seals it, if something does.
    pub seal: Option<String>,
    /// The name of the client's address, if it leads back to it.
    pub name: Option<String>,
}

/// Checks messages.
#[derive(Debug)]
pub struct Checker {
    signer: Option<Arc<Signer>>,
    ask: Arc<dyn Ask>,
    clock: Clock,
    entropy: Entropy,
    hostname: String,
    options: RwLock<Arc<Options>>,
    places: Semaphore,
    silence: Mutex<Silence>,
    lists: Lists,
}

/// Name servers that do not answer must not slow the door down.
#[derive(Debug, Default)]
struct Silence {
    /// Messages with a silence since our own question was answered; any sender can make one.
    messages: u32,
    /// Nobody is asked until then.
    until: Option<Instant>,
}

/// What came of a name of our own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Probed {
    Answered,
    Silent,
}

/// Messages with a silence, after which the name servers themselves are asked.
const DOUBT: u32 = 3;
/// Silent name servers are left alone for so long.
const PAUSE: Duration = Duration::from_secs(30);

impl Checker {
    /// A checker. `hostname` is ours: a name below it shows whether the name servers live.
    #[must_use]
    pub fn new(
        ask: Arc<dyn Ask>,
        (clock, entropy): (Clock, Entropy),
        hostname: String,
        options: Options,
    ) -> Self {
        Self {
            signer: None,
            ask,
            clock,
            entropy,
            hostname,
            options: RwLock::new(Arc::new(options)),
            places: Semaphore::new(limits::AUTH_AT_ONCE),
            silence: Mutex::default(),
            lists: Lists::default(),
        }
    }

    /// With somebody who seals what was found.
    #[must_use]
    pub fn sealing(mut self, signer: Arc<Signer>) -> Self {
        self.signer = Some(signer);
        self
    }

    /// For a message that comes in.
    #[must_use]
    pub fn reading(&self) -> Reading {
        if self.options().seal.is_some() {
            Reading::to_sign()
        } else {
            Reading::default()
        }
    }

    /// Takes over other options.
    pub fn configure(&self, options: Options) {
        let mut current = self.options.write().unwrap_or_else(PoisonError::into_inner);
        *current = Arc::new(options);
    }

    /// The present options.
    #[must_use]
    pub fn options(&self) -> Arc<Options> {
        let current = self.options.read().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&current)
    }

    /// Is mail of a stranger with this address checked? Whose address is not known has no rights
    /// by it.
    #[must_use]
    pub fn checks(&self, ip: Option<IpAddr>) -> bool {
        let options = self.options();
        let is_exempt = |ip| options.exempt.iter().any(|network| network.contains(ip));
        options.verify && !ip.is_some_and(is_exempt)
    }

    /// Finds out what can be found out in time.
    pub async fn check(&self, reading: Reading, subject: Subject<'_>) -> Checked {
        let options = self.options();
        let read = reading.finish();
        let deadline = Instant::now() + options.patience;
        let place = tokio::time::timeout_at(deadline, self.places.acquire()).await;
        let is_free = matches!(place, Ok(Ok(_))) && !self.is_paused();
        let ask = is_free.then(|| Arc::clone(&self.ask));
        let lookups = Lookups::new(ask, deadline);
        let ((verdict, chain, name), probed) = join(
            verify(
                &read,
                subject,
                (&options, self.clock.now()),
                (&lookups, &self.lists),
            ),
            self.probe(&lookups),
        )
        .await;
        if is_free {
            self.learn(&lookups, probed);
        }
        for line in &verdict.results {
            let (method, result) = (line.method.as_str(), line.result.as_str());
            counter!(names::AUTH_RESULTS, "method" => method, "result" => result).increment(1);
        }
        let seal = options.seal.as_ref().zip(self.signer.as_ref());
        let seal = seal.and_then(|(domain, signer)| {
            let results = results_value(&self.hostname, &verdict);
            signer.seal(domain, (&read, &chain), &results)
        });
        Checked {
            verdict,
            seal,
            name,
        }
    }

    fn is_paused(&self) -> bool {
        let silence = self.silence.lock().unwrap_or_else(PoisonError::into_inner);
        silence.until.is_some_and(|until| Instant::now() < until)
    }

    /// In doubt (else `None`) a name of our own is asked for, which no sender has power over and
    /// nobody can have kept. Any answer will do.
    async fn probe(&self, lookups: &Lookups) -> Option<Probed> {
        let doubtful = {
            let silence = self.silence.lock().unwrap_or_else(PoisonError::into_inner);
            silence.messages >= DOUBT
        };
        if !doubtful {
            return None;
        }
        let token: String = self.entropy.token().chars().take(16).collect();
        let name = format!("{}.{}", token.to_ascii_lowercase(), self.hostname);
        let answer = lookups.method(1).texts(&name, |_| true).await;
        Some(if answer.is_ok() {
            Probed::Answered
        } else {
            Probed::Silent
        })
    }

    /// Our own question decides: senders have silent name servers, and kept answers show nothing.
    fn learn(&self, lookups: &Lookups, probed: Option<Probed>) {
        let mut silence = self.silence.lock().unwrap_or_else(PoisonError::into_inner);
        match probed {
            None if lookups.was_silent() => silence.messages = silence.messages.saturating_add(1),
            None => {}
            Some(Probed::Answered) => {
                if silence.until.take().is_some() {
                    tracing::info!("the name servers answer again: senders are checked");
                }
                silence.messages = 0;
            }
            Some(Probed::Silent) => {
                if silence.until.is_none() {
                    tracing::warn!(
                        "the name servers do not answer: mail is taken with temperror, senders \
                         are not checked"
                    );
                }
                silence.until = Some(Instant::now() + PAUSE);
            }
        }
    }
}

/// The identity that SPF speaks for in the eyes of DMARC: of a null path it is the HELO name.
fn sender(subject: Subject<'_>) -> Option<String> {
    match subject.from.mailbox() {
        Some(mailbox) => name::key(&mailbox.domain().key()),
        None => name::key(subject.helo).filter(|helo| helo.contains('.')),
    }
}

async fn verify(
    read: &Read,
    subject: Subject<'_>,
    (options, now): (&Options, Timestamp),
    (lookups, lists): (&Lookups, &Lists),
) -> (Verdict, Chain, Option<String>) {
    let sender = sender(subject);
    let signed = read.dkim().filter_map(|it| it.signature.as_ref().ok());
    let mut candidates: Vec<String> = signed.map(|it| it.domain.clone()).collect();
    candidates.extend(sender.clone());
    candidates.sort_unstable();
    candidates.dedup();
    let authors = authors(read);
    let discoveries = async {
        let ways = authors.as_deref().unwrap_or_default().iter();
        let discover = ways.map(|author| {
            let candidates = &candidates;
            // Each has its own budget.
            async move {
                let lookup = lookups.method(limits::AUTH_QUESTIONS);
                dmarc::discover(author, candidates, &lookup).await
            }
        });
        join_all(discover).await
    };
    let own = async {
        let sender = subject.from.mailbox().and(sender.as_deref())?;
        let lookup = lookups.method(limits::AUTH_QUESTIONS);
        Some(dmarc::discover(sender, &candidates, &lookup).await)
    };
    let of_client = join3(
        peer(subject, lookups),
        spf_results(subject, lookups),
        lists.check(subject.ip, &options.blocklists, lookups),
    );
    let of_message = join(signatures(read, now, lookups), seals(read, lookups));
    let ((iprev, spf, listed), (dkim, chain), (discoveries, own)) =
        join3(of_client, of_message, join(discoveries, own)).await;
    let (iprev, name) = iprev.unzip();
    let proofs = proofs(sender, &spf, &dkim);
    let mut verdict = Verdict {
        results: [Vec::from_iter(iprev), listed, spf, lines(read, dkim)].concat(),
        proves_sender: own.is_some_and(|own| proves(&own, &proofs, (read, subject))),
        ..Verdict::default()
    };
    let known = authors.clone().map(|_| discoveries);
    conclude(&mut verdict, read, known, &proofs);
    if is_of(&chain, read, authors.as_deref().unwrap_or_default()) {
        vouch(&mut verdict, &chain, options);
    }
    verdict.results.push(arc_line(&chain));
    (verdict, chain, name.flatten())
}

async fn signatures(read: &Read, now: Timestamp, lookups: &Lookups) -> Vec<CheckedSignature> {
    let lookup = lookups.method(limits::AUTH_SIGNATURES);
    let lookup = &lookup;
    let all = read
        .dkim()
        .map(|signed| dkim::check(read, signed, now, lookup));
    join_all(all).await
}

async fn seals(read: &Read, lookups: &Lookups) -> Chain {
    let lookup = lookups.method(limits::AUTH_QUESTIONS);
    arc::check(read, &lookup).await
}

fn proofs(sender: Option<String>, spf: &[MethodResult], dkim: &[CheckedSignature]) -> Vec<Proof> {
    // The first line is MAIL FROM's; without one, HELO's.
    let by_spf = sender.zip(spf.first()).map(|(domain, line)| Proof {
        domain,
        result: line.result,
        by: By::Spf,
    });
    let by_dkim = dkim.iter().filter_map(|checked| {
        Some(Proof {
            domain: checked.domain.clone()?,
            result: checked.result.result,
            by: By::Dkim,
        })
    });
    by_spf.into_iter().chain(by_dkim).collect()
}

/// Is the mailbox of MAIL FROM the one in `From`?
fn is_author(read: &Read, subject: Subject<'_>) -> bool {
    let fields = read.fields();
    let mut from = fields.iter().filter(|field| field.is("From"));
    let (Some(field), None, Some(mailbox)) = (from.next(), from.next(), subject.from.mailbox())
    else {
        return false;
    };
    let header = [field.raw, b"\r\n\r\n"].concat();
    let parsed = ParsedMessage::parse(&header).unwrap_or_default();
    let mailbox = mailbox.to_string();
    matches!(parsed.from.as_slice(), [one] if one.address.eq_ignore_ascii_case(&mailbox))
}

/// Does the domain of MAIL FROM answer for the message?
fn proves(own: &Discovery, proofs: &[Proof], (read, subject): (&Read, Subject<'_>)) -> bool {
    proofs.iter().any(|proof| {
        let is_own = match proof.by {
            By::Spf => proof.domain == own.author,
            // It signs what is in `From`, and says nothing of another mailbox.
            By::Dkim => own.is_related(&proof.domain) == Some(true) && is_author(read, subject),
        };
        is_own && proof.result == AuthResult::Pass
    })
}

fn lines(read: &Read, dkim: Vec<CheckedSignature>) -> Vec<MethodResult> {
    if read.is_too_large {
        let line = MethodResult::new(AuthMethod::Dkim, AuthResult::Policy);
        return vec![line.because(bound::HEADER)];
    }
    if dkim.is_empty() {
        return vec![MethodResult::new(AuthMethod::Dkim, AuthResult::None)];
    }
    let more = MethodResult::new(AuthMethod::Dkim, AuthResult::Policy).because(bound::SIGNATURES);
    let more = read.left_out.then_some(more);
    dkim.into_iter()
        .map(|checked| checked.result)
        .chain(more)
        .collect()
}

/// The line of DMARC. Of several authors the worst counts.
fn conclude(
    verdict: &mut Verdict,
    read: &Read,
    discoveries: Result<Vec<Discovery>, Flaw>,
    proofs: &[Proof],
) {
    let is_too_large = read.is_too_large;
    let discoveries = match discoveries {
        Ok(discoveries) => discoveries,
        Err(flaw) => {
            let line = MethodResult::new(AuthMethod::Dmarc, flaw.result);
            verdict.results.push(line.because(flaw.reason));
            return;
        }
    };
    let bad = [AuthResult::Fail, AuthResult::TempError, AuthResult::None];
    let rank = |result| bad.iter().rev().position(|it| *it == result);
    let results = discoveries.iter().map(|it| (it.result(proofs), it));
    let worst = results.max_by_key(|(result, it)| (rank(*result), it.asked()));
    let Some((result, discovery)) = worst else {
        return;
    };
    verdict.policy = discovery.asked();
    let mut line = MethodResult::new(AuthMethod::Dmarc, result);
    if result == AuthResult::Fail && is_too_large {
        line = line.because(bound::HEADER);
    } else if result == AuthResult::Fail && discoveries.iter().any(|it| it.is_unsure(proofs)) {
        line = line.because(bound::UNSURE);
    }
    verdict
        .results
        .push(line.of("header.from", &discovery.author));
}

/// Did the sealer see DMARC pass for the author whom a reader sees?
fn is_of(chain: &Chain, read: &Read, authors: &[String]) -> bool {
    let fields = read.fields();
    let count = fields.iter().filter(|field| field.is("From")).count();
    count == 1
        && chain
            .passed
            .as_deref()
            .is_some_and(|passed| authors == [passed])
}

/// RFC 8617 §7.2.1: a sealer that we trust saw DMARC pass before the message was changed.
fn vouch(verdict: &mut Verdict, chain: &Chain, options: &Options) {
    let sealer = chain.sealer.as_ref();
    let Some(sealer) = sealer.filter(|it| options.trusted_sealers.contains(it)) else {
        return;
    };
    let line = verdict.results.last_mut();
    let failed = line.filter(|it| it.method == AuthMethod::Dmarc && it.result == AuthResult::Fail);
    if let Some(line) = failed {
        line.reason = Some(format!("{sealer}, which is trusted, saw it pass"));
        verdict.vouched_by = Some(sealer.clone());
    }
}

fn arc_line(chain: &Chain) -> MethodResult {
    let line = MethodResult::new(AuthMethod::Arc, chain.result);
    let line = match chain.reason {
        Some(reason) => line.because(reason),
        None => line,
    };
    match &chain.sealer {
        Some(sealer) => line.of("header.d", sealer),
        None => line,
    }
}
