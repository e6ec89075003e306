//! The verbs: arguments in, text or JSON out, an exit code that can be relied on.
//!
//! `args` is what is typed, `intent` what is meant. Verbs about a running server ask it over the
//! unix socket in its `data_dir`.

mod actor;
mod args;
mod audit;
mod automatic;
mod broken_off;
mod bulk;
mod cases;
mod check;
mod client;
mod device;
mod device_questions;
mod directory;
mod directory_normalised;
mod directory_sync;
mod directory_x500;
mod drill;
mod export;
mod holding;
mod home;
mod intent;
mod invite;
mod key;
mod landing;
mod look;
mod manual;
mod notify;
mod offline;
mod operator;
mod rehearse;
mod render;
mod render_backend;
mod render_cutover;
mod render_directory;
mod render_holds;
mod render_landing;
mod render_rehearsal;
mod render_relay;
mod render_replay;
mod render_report;
mod render_size;
#[cfg(test)]
mod render_verbs_tests;
mod render_wave;
mod render_writeback;
mod replay;
mod report;
mod running;
mod setup;
mod teller;
mod tls;
mod tls_certificates;
mod users;
mod watch;
mod wave;
mod webmail;
mod writeback;

use std::fmt;
use std::io::{IsTerminal as _, Write as _};
use std::process::ExitCode;

use clap::Parser as _;
use clap::error::ErrorKind;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::admin::{
    BackendDetails, BackendView, ExplainView, HoldView, MessageView, MoveView, QueueItem,
    ReloadView, SizeView, StatusView, TraceView,
};
use crate::base::Clock;
use crate::telemetry::log;
use crate::terminal::{Palette, folded, harmless};
use args::Arguments;
use client::{Client, ClientError};
use home::At;
use intent::{Format, Intent, Question, Work};
use render::Page;
use watch::Room;

/// How the program ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// It was done.
    Done = 0,
    /// It was refused, not found, or failed.
    Failed = 1,
    /// The arguments are wrong.
    Usage = 2,
    /// The server cannot be reached.
    Unreachable = 3,
    /// The config is refused.
    Config = 4,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Why a verb was not done, for people.
#[derive(Debug)]
pub(crate) struct Failure {
    exit: Exit,
    text: String,
}

impl Failure {
    fn new(exit: Exit, text: impl fmt::Display) -> Self {
        Self {
            exit,
            text: text.to_string(),
        }
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        let exit = if error.is_unreachable() {
            Exit::Unreachable
        } else if matches!(error, ClientError::BadConfig(_)) {
            Exit::Config
        } else {
            Exit::Failed
        };
        Self::new(exit, error)
    }
}

/// Runs the program with the arguments of the process.
#[must_use]
pub fn run() -> ExitCode {
    match Arguments::try_parse() {
        Ok(arguments) => {
            let result = perform(arguments.into());
            log::flush();
            finish(result)
        }
        Err(error) => {
            let asked = matches!(
                error.kind(),
                ErrorKind::DisplayHelp | ErrorKind::DisplayVersion
            );
            let told = error.render();
            // Help has its own width; what was typed wrong is as wide as what was typed.
            if error.use_stderr() && std::io::stderr().is_terminal() {
                let told = match Palette::of_stdout() {
                    Palette::Colour => told.ansi().to_string(),
                    Palette::Plain => told.to_string(),
                };
                // Nobody reads it when stderr is closed.
                write!(std::io::stderr().lock(), "{}", folded(&told)).ok();
            } else {
                // Nor when stdout is.
                error.print().ok();
            }
            ExitCode::from(if asked { Exit::Done } else { Exit::Usage })
        }
    }
}

fn finish(result: Result<(), Failure>) -> ExitCode {
    let Err(failure) = result else {
        return ExitCode::from(Exit::Done);
    };
    complain(&failure.text);
    ExitCode::from(failure.exit)
}

/// Says what went wrong; within the width of a terminal where one is.
fn complain(text: &str) {
    let mut stderr = std::io::stderr().lock();
    let text = harmless(&format!("tideover: {}", with_a_way_out(text)));
    let text = if stderr.is_terminal() {
        folded(&text)
    } else {
        text
    };
    // Nobody reads it when stderr is closed.
    writeln!(stderr, "{text}").ok();
}

/// What the system refuses says nothing of who may.
fn with_a_way_out(text: &str) -> String {
    if text.contains("Permission denied (os error") {
        let way = "become the user who runs tideover, or root: sudo -u tideover tideover …";
        return format!("{text}\n  {way}");
    }
    text.to_owned()
}

fn perform(intent: Intent) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(Exit::Failed, format!("no threads: {error}")))?;
    let Intent {
        config,
        format,
        watch,
        said,
        work,
    } = intent;
    let room = Room::default();
    let config = At {
        file: config.as_deref(),
        said: &said,
        room: &room,
    };
    let done = runtime.block_on(async {
        match watch {
            None => Box::pin(once(config, format, work)).await,
            Some(every) if watch::is_question(&work) => {
                let again = || Box::pin(once(config, format, work.clone()));
                let reader = watch::Reader::of_stdout();
                watch::watch((every, format), (reader, &room), again).await
            }
            Some(_) => Err(Failure::new(
                Exit::Usage,
                "--watch is for verbs that show something, and this one does not, or waits already",
            )),
        }
    });
    // What has to be finished was waited for; a look at a slow disk must not keep us from ending.
    runtime.shutdown_background();
    done
}

async fn once(config: At<'_>, format: Format, work: Work) -> Result<(), Failure> {
    match work {
        Work::Serve => home::serve(config.file).await,
        Work::Check(depth) => check::check(config.file, depth, format).await,
        Work::Automatic(args) => automatic::perform(config.file, &args, format),
        Work::Setup(args) => setup::perform(config.file, *args, format).await,
        Work::Drill(verb) => drill::perform(config, verb, format).await,
        Work::Notify(verb, actor) => notify::perform(config, verb, (format, actor)).await,
        Work::Demo(ending) => Box::pin(crate::demo::run(ending))
            .await
            .map_err(|error| Failure::new(Exit::Failed, error)),
        Work::Openapi => print(&format!("{:#}\n", crate::admin::document())),
        Work::Completions(shell) => manual::completions(shell),
        Work::Man(folder) => manual::write_pages(&folder),
        Work::Key(verb) => key::perform(config, &verb, format).await,
        Work::Verify(actor) => look::verify(config, (format, actor)).await,
        Work::Spool(work) => offline::perform(config.file, &work, format),
        Work::Device(verb) => device::perform(config, *verb, format).await,
        Work::Operator(verb) => operator::perform(config, *verb, format).await,
        Work::Config(args) => running::perform(config, args, format).await,
        Work::Audit(args) => audit::perform(config, *args, format).await,
        Work::Ask(question) => ask(config, question, format).await,
        Work::Bulk(work) => bulk::perform(config, *work, format).await,
        Work::Rehearse(args) => rehearse::perform(config, *args, format).await,
        Work::Writeback(verb, actor) => writeback::perform(config, *verb, (format, actor)).await,
        Work::Landing(verb, actor) => landing::perform(config, *verb, (format, actor)).await,
        Work::Report(args, actor) => report::perform(config, *args, (format, actor)).await,
        Work::Replay(verb, actor) => replay::perform(config, *verb, (format, actor)).await,
        Work::Webmail(verb, actor) => webmail::perform(config, *verb, (format, actor)).await,
        Work::Wave(verb, actor) => wave::perform(config, *verb, (format, actor)).await,
        Work::Directory(verb, actor) => directory::perform(config, *verb, (format, actor)).await,
    }
}

async fn ask(config: At<'_>, question: Question, format: Format) -> Result<(), Failure> {
    let asker = Asker {
        client: home::client(config)?,
        format,
        page: Page {
            palette: Palette::of_stdout(),
            now: Clock::system().now(),
        },
        room: config.room.clone(),
    };
    let page = asker.page;
    let request = question.request();
    match question {
        Question::Status => asker.show(request, |it: &StatusView| page.status(it)).await,
        Question::Size => asker.show(request, |it: &SizeView| page.size(it)).await,
        Question::Backends => {
            asker
                .show(request, |it: &Vec<BackendView>| page.backends(it))
                .await
        }
        Question::Backend(_) | Question::Override(..) | Question::Probe(_) => {
            asker
                .show(request, |it: &BackendDetails| page.backend(it))
                .await
        }
        Question::Queue(query) => {
            let limit = query.limit.map_or(0, |limit| limit.get().saturating_sub(1));
            let text = |it: &Vec<QueueItem>| page.queue(it, query.skip, limit);
            asker.show(request, text).await
        }
        Question::Message(_) => {
            let text = |it: &MessageView| page.message(it);
            asker.show(request, text).await
        }
        Question::Case(question) => asker.about_cases(question, request).await,
        Question::Holds => {
            let text = |it: &Vec<HoldView>| page.holds(it);
            asker.show(request, text).await
        }
        Question::Moves => {
            let text = |it: &Vec<MoveView>| page.moves(it);
            asker.show(request, text).await
        }
        Question::Explain(_) => {
            asker
                .show(request, |it: &ExplainView| page.explain(it))
                .await
        }
        Question::Trace(_) => asker.show(request, |it: &TraceView| page.trace(it)).await,
        Question::Tls(verb) => asker.about_tls(verb.as_ref(), request).await,
        Question::User(verb) => asker.about_users(verb, request).await,
        Question::Reload => {
            let text = |_: &ReloadView| "the server runs with the config as it is now\n".to_owned();
            asker.show(request, text).await
        }
    }
}

struct Asker {
    client: Client,
    format: Format,
    page: Page,
    room: Room,
}

impl Asker {
    async fn show<T: DeserializeOwned + Serialize>(
        &self,
        request: intent::Request,
        text: impl FnOnce(&T) -> String,
    ) -> Result<(), Failure> {
        match self.format {
            Format::Text => self.room.show(&text(&self.client.ask(request).await?)),
            Format::Json => {
                // As the server said it: a newer one may say more than this program knows.
                let answer: serde_json::Value = self.client.ask(request).await?;
                print(&format!("{answer:#}\n"))
            }
        }
    }
}

/// Prints what is for people, all of it.
fn show(text: &str) -> Result<(), Failure> {
    Room::default().show(text)
}

/// A closed pipe (`tideover queue list | head`) is no failure.
fn print(text: &str) -> Result<(), Failure> {
    let mut stdout = std::io::stdout().lock();
    match stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.flush())
    {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Failure::new(Exit::Failed, format!("stdout: {error}")))
        }
        Ok(()) | Err(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_may_not_hears_who_may() {
        let denied = std::io::Error::from_raw_os_error(13);
        let told = with_a_way_out(&format!("locking ./data/lock: {denied}"));
        assert!(told.ends_with("sudo -u tideover tideover …"), "{told}");
        let gone = std::io::Error::from_raw_os_error(2);
        let text = format!("./data: {gone}");
        assert_eq!(with_a_way_out(&text), text);
    }
}
