//! Sends reports when they are due: asks who wants them, and writes down what became of them.

use std::sync::{Arc, MutexGuard, PoisonError};

use bytes::Bytes;
use futures_util::StreamExt as _;

use super::super::tls_day::{DAYS, DayOf, day_of};
use super::super::tls_report::TlsReports;
use super::super::{Options, Outbound};
use super::document::TlsReport;
use super::letter::{Letter, PACKED, packed};
use super::plan::{Attempt, End, How, Plan};
use super::record::{Destination, destinations};
use super::view::submitter;
use super::{ReportOptions, ReportParts};
use crate::base::Shutdown;
use crate::limits;
use crate::mail::{Blame, Body, Delivery, Envelope, Failure, Outcome, SpoolId, Transport as _};
use crate::net::{DnsError, HttpAsk, HttpBounds, HttpError, HttpPlace, Https, PublicDial};
use crate::smtp::Mailbox;
use crate::spool::{Spool, SpoolError};

/// The room under which the facts stand in the log.
const ROOM: &str = "outbound";
/// The beginning of their keys; the day's number since 1970 and the domain follow.
const KEY: &str = "tlsrpt/";

/// Why a report is not at a place.
enum Missed {
    /// Another attempt may do.
    ForNow(String),
    /// No other attempt will.
    ForGood(String),
}

impl Outbound {
    /// Sends reports on TLS until the program stops.
    pub async fn report_tls(self, parts: ReportParts) {
        let mut today = day_of(self.now());
        loop {
            tokio::select! {
                biased;
                () = parts.shutdown.stopping() => return,
                () = tokio::time::sleep(limits::TLS_REPORT_LOOK) => {}
            }
            if day_of(self.now()) != today {
                today = day_of(self.now());
                self.forget_what_is_over().await;
            }
            tokio::select! {
                biased;
                () = parts.shutdown.stopping() => return,
                () = self.send_due_reports(&parts) => {}
            }
        }
    }

    /// Sends the reports that are due.
    pub(in crate::outbound) async fn send_due_reports(&self, parts: &ReportParts) {
        let Some(options) = self.options().reports.clone() else {
            return;
        };
        let known = self.tls_reports.days();
        let chance = || self.world.entropy.unit();
        let due = self.plan().due(self.now(), &known, chance);
        let sends = due.into_iter().map(|of| self.report(parts, &options, of));
        let mut sends =
            futures_util::stream::iter(sends).buffer_unordered(limits::TLS_REPORTS_AT_ONCE);
        while sends.next().await.is_some() {}
    }

    async fn report(&self, parts: &ReportParts, options: &ReportOptions, of: DayOf) {
        let attempt = self.attempt(parts, options, &of).await;
        let domain = &of.domain;
        match &attempt {
            Attempt::Ended(How::Sent, to) => {
                tracing::info!(%domain, %to, "a report on TLS is sent");
            }
            Attempt::Ended(How::Unasked, _) => {}
            Attempt::Ended(How::GivenUp, why) | Attempt::Failed(why) => {
                tracing::warn!(%domain, %why, "a report on TLS is not sent");
            }
        }
        let end = self.plan().heard(&of, self.now(), attempt);
        let (Some(end), Some(spool)) = (end, self.memory.get()) else {
            return;
        };
        if end.how == How::Unasked {
            // The next life asks again; the log need not know.
            return;
        }
        let written = match serde_json::to_value(end) {
            Ok(end) => spool.put_fact(ROOM, &of.key(KEY), Some(end)).await,
            Err(error) => Err(SpoolError::Damaged(error.to_string())),
        };
        if let Err(error) = written {
            let domain = &of.domain;
            tracing::warn!(%domain, %error, "that a report on TLS was sent is not written down");
        }
    }

    async fn attempt(&self, parts: &ReportParts, options: &ReportOptions, of: &DayOf) -> Attempt {
        let record = format!("_smtp._tls.{}", of.domain);
        let texts = match self.world.resolve.texts(&record).await {
            Ok(texts) => texts,
            Err(DnsError::NoSuchName | DnsError::NoRecords) => Vec::new(),
            Err(error) => return Attempt::Failed(format!("{record}: {error}")),
        };
        let Some(places) = destinations(&texts) else {
            return Attempt::Ended(How::Unasked, String::new());
        };
        if places.is_empty() {
            let what = format!("{record} names nobody whom we can reach");
            return Attempt::Ended(How::Unasked, what);
        }
        let rows = self.tls_reports.rows(of);
        let report = TlsReport::of(of, &rows, &submitter(options));
        let packed = match packed(&report) {
            Ok(packed) => packed,
            Err(error) => return Attempt::Failed(error.to_string()),
        };
        let (mut sent, mut missed, mut may_help) = (Vec::new(), Vec::new(), false);
        for place in places {
            let letter = (of, &report, packed.as_slice());
            match self.send_to(parts, options, (&place, letter)).await {
                Ok(said) => sent.push(said),
                Err(Missed::ForGood(why)) => missed.push(format!("{place}: {why}")),
                Err(Missed::ForNow(why)) => {
                    may_help = true;
                    missed.push(format!("{place}: {why}"));
                }
            }
        }
        // RFC 8460 §3: it has arrived when one of them has it.
        match (sent.is_empty(), may_help) {
            (false, _) => Attempt::Ended(How::Sent, sent.join("; ")),
            (true, true) => Attempt::Failed(missed.join("; ")),
            (true, false) => Attempt::Ended(How::GivenUp, missed.join("; ")),
        }
    }

    /// Sends a report to one place; what it said.
    async fn send_to(
        &self,
        parts: &ReportParts,
        options: &ReportOptions,
        (place, (of, report, packed)): (&Destination, (&DayOf, &TlsReport, &[u8])),
    ) -> Result<String, Missed> {
        let sending = async {
            match place {
                Destination::Post(place) => self.post(place, packed).await,
                Destination::Mail(to) => {
                    let letter = Letter {
                        of,
                        report,
                        packed,
                        from: &options.from,
                        to,
                        date: self.now(),
                        token: &self.world.entropy.token(),
                    };
                    let signed = signed(parts, &letter)?;
                    self.mail(parts, to, signed).await
                }
            }
        };
        let sent = tokio::time::timeout(limits::TLS_REPORT_SENDING, sending).await;
        sent.unwrap_or_else(|_| Err(Missed::ForNow("it took too long".to_owned())))
    }

    /// RFC 8460 §5.4.
    async fn post(&self, place: &HttpPlace, packed: &[u8]) -> Result<String, Missed> {
        let https = Https {
            // A stranger says where this goes.
            dial: Arc::new(PublicDial(Arc::clone(&self.world.dial))),
            resolve: Arc::clone(&self.world.resolve),
            tls: self.world.tls.clone(),
        };
        let ask = HttpAsk {
            body: Some((PACKED, packed.to_vec())),
            fields: vec![("user-agent", "tideover".to_owned())],
        };
        let bounds = HttpBounds {
            each: limits::CHECK_TIMEOUT,
            addresses: limits::NOTICE_HOSTS,
            answer: 0,
        };
        let host = place.name();
        match https.fetch(place, None, ask, bounds).await {
            Ok((status @ 200..=299, _)) => Ok(format!("{host} says {status}")),
            // RFC 9110 §15.5.9, RFC 6585 §4: later it may.
            Ok((status @ (408 | 429 | 500..), _)) => {
                Err(Missed::ForNow(format!("{host} says {status}")))
            }
            Ok((status, _)) => Err(Missed::ForGood(format!("{host} says {status}"))),
            Err(HttpError::Away(why) | HttpError::Refused(why)) => Err(Missed::ForNow(why)),
        }
    }

    /// RFC 8460 §3: also when TLS fails, and not counted in the next report.
    async fn mail(
        &self,
        parts: &ReportParts,
        to: &Mailbox,
        message: Vec<u8>,
    ) -> Result<String, Missed> {
        let (target, address) = parts.find.target(to).map_err(Missed::ForNow)?;
        let delivery = Delivery {
            id: SpoolId::first_at(self.now()),
            envelope: Arc::new(Envelope::one_way(to)),
            recipients: vec![(0, address)],
            body: Arc::new(Body(Bytes::from(message))),
            stop: Shutdown::new(),
        };
        let undemanding = self.undemanding();
        let mut channel = undemanding.open(&target).await.map_err(missed)?;
        let outcomes = channel
            .deliver(&delivery, Box::pin(std::future::ready(Ok(()))))
            .await;
        let peer = channel.peer().to_owned();
        channel.quit().await;
        match outcomes.into_iter().next() {
            Some(Outcome::Delivered { reply }) => Ok(format!("{peer} says {reply}")),
            Some(Outcome::Failed(failure)) => Err(missed(failure)),
            None => Err(missed(Failure::without_reply(Blame::Message, "no answer"))),
        }
    }

    /// The same client, which demands nothing of hosts and counts for itself.
    fn undemanding(&self) -> Self {
        let options = Options {
            protection: Vec::new(),
            ..(*self.options()).clone()
        };
        Self {
            world: Arc::clone(&self.world),
            options: Arc::new(std::sync::RwLock::new(Arc::new(options))),
            sts: Arc::default(),
            memory: Arc::default(),
            tls_reports: Arc::new(TlsReports::default()),
        }
    }

    fn plan(&self) -> MutexGuard<'_, Plan> {
        let plan = self.tls_reports.plan.lock();
        plan.unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes over what became of reports in earlier lives.
    pub(in crate::outbound) fn recall_reports(&self, spool: &Spool) -> Result<(), SpoolError> {
        for (key, value) in spool.facts(ROOM, KEY)? {
            let (Some(of), Ok(end)) = (
                DayOf::of_key(KEY, &key),
                serde_json::from_value::<End>(value),
            ) else {
                tracing::error!(%key, "what became of a report on TLS cannot be read");
                continue;
            };
            self.plan().restore(of, end);
        }
        Ok(())
    }

    /// Takes what became of old reports out of the log.
    pub(in crate::outbound) async fn forget_old_reports(&self, spool: &Spool) {
        let today = day_of(self.now());
        for (key, _) in spool.facts(ROOM, KEY).unwrap_or_default() {
            if DayOf::of_key(KEY, &key).is_some_and(|of| of.day + DAYS > today) {
                continue;
            }
            if let Err(error) = spool.put_fact(ROOM, &key, None).await {
                tracing::warn!(%key, %error, "that an old report on TLS was sent stays");
                return;
            }
        }
    }
}

fn missed(failure: Failure) -> Missed {
    if failure.is_permanent() {
        Missed::ForGood(failure.what)
    } else {
        Missed::ForNow(failure.what)
    }
}

/// RFC 8460 §3: without a signature nobody reads it.
fn signed(parts: &ReportParts, letter: &Letter<'_>) -> Result<Vec<u8>, Missed> {
    let message = letter.compose();
    let mut signed = Vec::new();
    if let Some(mut signing) = parts.sign.begin() {
        signing.push(&message);
        signed = signing.finish();
    }
    if signed.is_empty() {
        let domain = letter.from.domain().key();
        return Err(Missed::ForNow(format!(
            "no key signs for {domain}: `tideover key make {domain} SELECTOR`"
        )));
    }
    signed.extend_from_slice(&message);
    Ok(signed)
}
