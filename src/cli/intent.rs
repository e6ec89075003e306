//! What is meant: arguments turned into one kind of work.

use std::path::PathBuf;
use std::time::Duration;

use super::actor;
use super::args::{
    Arguments, BackendVerb, CasesVerb, MoveStepArgs, MoveVerb, QueueVerb, SpoolVerb, UserVerb,
    Verb, WaitingState,
};
use super::audit::AuditArgs;
use super::automatic::AutomaticArgs;
use super::bulk::BulkWork;
use super::client::Said;
use super::device::DeviceVerb;
use super::directory::DirectoryVerb;
use super::drill::DrillVerb;
use super::key::KeyVerb;
use super::landing::LandingVerb;
use super::notify::NotifyVerb;
use super::operator::OperatorVerb;
use super::rehearse::RehearseArgs;
use super::replay::ReplayVerb;
use super::report::ReportArgs;
use super::running::ConfigArgs;
use super::setup::SetupArgs;
use super::tls::{self, TlsVerb};
use super::wave::WaveVerb;
use super::webmail::WebmailVerb;
use super::writeback::WritebackVerb;
use crate::admin::{
    AddressQuery, CaseOrder, CheckDepth, Limit, MoveQuery, OverrideQuery, QueueQuery, TraceQuery,
};
use crate::backend::Wish;
pub(super) use crate::base::percent_encoded_part as escape;
use crate::mail::{BackendId, CaseId, CaseKind};
use crate::queue::Deed;
use crate::route::{Force, MoveStep, ShownState};

/// What to do, with which config, and how to say it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Intent {
    pub(crate) config: Option<PathBuf>,
    pub(crate) format: Format,
    /// Ask again so often.
    pub(crate) watch: Option<Duration>,
    /// Who asks, and why.
    pub(crate) said: Said,
    pub(crate) work: Work,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Text,
    Json,
}

/// The kinds of work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Work {
    Serve,
    Check(CheckDepth),
    /// The policy on automatic answers.
    Automatic(Box<AutomaticArgs>),
    /// Say what the administrator of a platform has to do.
    Setup(Box<SetupArgs>),
    Demo(crate::demo::Ending),
    /// Print the document of the API.
    Openapi,
    Completions(clap_complete::Shell),
    /// Write the manual to a folder.
    Man(PathBuf),
    /// Work on a spool that is not in use.
    Key(KeyVerb),
    Spool(SpoolWork),
    Verify(String),
    /// Ask the server that runs.
    Ask(Question),
    /// Let the server that runs do something to mail that waits, page by page.
    Bulk(Box<BulkWork>),
    /// Ask or change the directory of the server that runs, as somebody.
    Directory(Box<DirectoryVerb>, String),
    /// Printers, scanners, applications.
    Device(Box<DeviceVerb>),
    /// Let mail of the past go through another directory.
    Rehearse(Box<RehearseArgs>),
    /// Look whether mail is in the mailboxes, as somebody.
    /// Without a verb it is the plan.
    Writeback(Box<Option<WritebackVerb>>, String),
    Landing(Box<LandingVerb>, String),
    Report(Box<ReportArgs>, String),
    /// Plan, start, watch or end a replay, as somebody.
    Replay(Box<ReplayVerb>, String),
    /// Look at the drills, or run them now.
    Drill(DrillVerb),
    /// Are people told?
    Notify(NotifyVerb, String),
    /// Show or say for whom the webmail is open, as somebody.
    Webmail(Box<WebmailVerb>, String),
    /// Administrators and their tokens.
    Operator(Box<OperatorVerb>),
    /// What runs.
    Config(ConfigArgs),
    /// Who has changed what.
    Audit(Box<AuditArgs>),
    /// Plan, start, watch or take back a wave, as somebody.
    Wave(Box<WaveVerb>, String),
}

/// What to do with a spool that is not in use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum SpoolWork {
    Verify,
    Rebuild,
    Cat(String),
    Export(PathBuf),
}

/// A question to the server that runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Question {
    Status,
    Size,
    Backends,
    Backend(String),
    Override(String, OverrideQuery),
    Probe(String),
    /// One more than is shown is asked for, so that it can be said that there is more.
    Queue(Box<QueueQuery>),
    Message(String),
    Case(CaseQuestion),
    Holds,
    Moves,
    Explain(AddressQuery),
    Trace(TraceQuery),
    Tls(Option<TlsVerb>),
    User(UserVerb),
    Reload,
}

impl From<Arguments> for Intent {
    fn from(arguments: Arguments) -> Self {
        let actor = arguments.actor.unwrap_or_else(actor::terminal_user);
        let format = if arguments.json {
            Format::Json
        } else {
            Format::Text
        };
        Self {
            config: arguments.config,
            watch: arguments
                .watch
                .map(|seconds| Duration::from_secs(seconds.into())),
            format,
            work: work(arguments.verb, format, &actor),
            said: Said {
                actor,
                reason: arguments.reason.unwrap_or_default(),
            },
        }
    }
}

fn work(verb: Verb, format: Format, actor: &str) -> Work {
    match verb {
        Verb::Serve => Work::Serve,
        Verb::Check { online: false } => Work::Check(CheckDepth::File),
        Verb::Check { online: true } => Work::Check(CheckDepth::Online),
        Verb::Drill(verb) => Work::Drill(verb),
        Verb::Notify(verb) => Work::Notify(verb, actor.to_owned()),
        Verb::Automatic(args) => Work::Automatic(Box::new(args)),
        Verb::Setup(args) => Work::Setup(Box::new(args)),
        Verb::Operator(verb) => Work::Operator(Box::new(verb)),
        Verb::Audit(args) => Work::Audit(Box::new(args)),
        Verb::Demo { once: false } => Work::Demo(crate::demo::Ending::CtrlC),
        Verb::Demo { once: true } => Work::Demo(crate::demo::Ending::Once),
        Verb::Status => Work::Ask(Question::Status),
        Verb::Size => Work::Ask(Question::Size),
        Verb::Backend(verb) => Work::Ask(backend(verb, actor)),
        Verb::Queue(verb) => queue(verb, format, actor),
        Verb::Cases { finals, verb } => Work::Ask(Question::Case(match (verb, finals) {
            (Some(verb), _) => case(verb, actor),
            (None, true) => CaseQuestion::List(CaseKind::Final),
            (None, false) => CaseQuestion::List(CaseKind::Open),
        })),
        Verb::Move(verb) => the_move(verb, actor),
        Verb::Rehearse(args) => Work::Rehearse(Box::new(args)),
        Verb::Writeback { verb } => Work::Writeback(Box::new(verb), actor.to_owned()),
        Verb::Landing(verb) => Work::Landing(Box::new(verb), actor.to_owned()),
        Verb::Report(args) => Work::Report(Box::new(args), actor.to_owned()),
        Verb::Replay(verb) => Work::Replay(Box::new(verb), actor.to_owned()),
        Verb::Wave(verb) => Work::Wave(Box::new(verb), actor.to_owned()),
        Verb::Directory(verb) => Work::Directory(Box::new(verb), actor.to_owned()),
        Verb::Device(verb) => Work::Device(Box::new(verb)),
        Verb::Explain { address } => Work::Ask(Question::Explain(AddressQuery { address })),
        Verb::Trace { of, limit } => Work::Ask(Question::Trace(TraceQuery {
            of,
            limit: Some(Limit::of(usize::from(limit))),
        })),
        Verb::Tls { verb } => Work::Ask(Question::Tls(verb)),
        Verb::Webmail(verb) => Work::Webmail(Box::new(verb), actor.to_owned()),
        Verb::User(verb) => Work::Ask(Question::User(verb)),
        Verb::Key(verb) => Work::Key(verb),
        Verb::Spool(SpoolVerb::Verify) => Work::Verify(actor.to_owned()),
        Verb::Spool(verb) => Work::Spool(match verb {
            SpoolVerb::Verify => SpoolWork::Verify,
            SpoolVerb::Rebuild => SpoolWork::Rebuild,
            SpoolVerb::Cat { id } => SpoolWork::Cat(id),
            SpoolVerb::Export { dir } => SpoolWork::Export(dir),
        }),
        Verb::Config(args) => Work::Config(args),
        Verb::Reload => Work::Ask(Question::Reload),
        Verb::Openapi => Work::Openapi,
        Verb::Completions { shell } => Work::Completions(shell),
        Verb::Man { folder } => Work::Man(folder),
    }
}

fn queue(verb: QueueVerb, format: Format, actor: &str) -> Work {
    match verb {
        QueueVerb::List(list) => {
            let state = list.state.map(|state| match state {
                WaitingState::Queued => ShownState::Queued,
                WaitingState::Held => ShownState::Held,
            });
            // One more says whether there is more.
            let limit = usize::from(list.limit) + usize::from(format == Format::Text);
            let part = (list.skip, limit);
            Work::Ask(Question::Queue(Box::new(QueueQuery::new(
                list.filter.into(),
                state,
                part,
            ))))
        }
        QueueVerb::Show { id } => Work::Ask(Question::Message(id)),
        QueueVerb::Hold(hold) => Work::Bulk(Box::new(BulkWork::hold(hold, actor))),
        QueueVerb::Holds => Work::Ask(Question::Holds),
        QueueVerb::Release(deed) => {
            Work::Bulk(Box::new(BulkWork::deed(Deed::Release, deed, actor)))
        }
        QueueVerb::Retry(deed) => Work::Bulk(Box::new(BulkWork::deed(Deed::Retry, deed, actor))),
        QueueVerb::Drop { deed, yes: true } => {
            Work::Bulk(Box::new(BulkWork::deed(Deed::Drop, deed, actor)))
        }
        QueueVerb::Drop { deed, yes: false } => Work::Bulk(Box::new(BulkWork::show(deed.which))),
        QueueVerb::Export { dir, which } => Work::Bulk(Box::new(BulkWork::export(dir, which))),
    }
}

fn the_move(verb: MoveVerb, actor: &str) -> Work {
    let step = |step, args: MoveStepArgs, home: Option<String>| {
        let query = MoveQuery {
            step,
            actor: actor.to_owned(),
            reason: args.reason,
            home: home.map(|name| BackendId::new(&name)),
            force: if args.force { Force::Yes } else { Force::No },
            seen: None,
            dry_run: args.dry_run,
        };
        Work::Bulk(Box::new(BulkWork::step(args.domain.key(), query)))
    };
    match verb {
        MoveVerb::Start(args) => step(MoveStep::Start, args, None),
        MoveVerb::Status => Work::Ask(Question::Moves),
        MoveVerb::Finish { step: args, home } => step(MoveStep::Finish, args, home),
        MoveVerb::BackOut(args) => step(MoveStep::BackOut, args, None),
    }
}

fn case(verb: CasesVerb, actor: &str) -> CaseQuestion {
    let order = |reason| CaseOrder {
        actor: actor.to_owned(),
        reason,
    };
    match verb {
        CasesVerb::Show { id } => CaseQuestion::Show(id),
        CasesVerb::Release { id, reason } => CaseQuestion::Release(id, order(reason)),
        CasesVerb::Bounce { id, reason } => CaseQuestion::Bounce(id, order(reason)),
    }
}

fn backend(verb: BackendVerb, actor: &str) -> Question {
    let said = |name, wish, reason| {
        let actor = actor.to_owned();
        let query = OverrideQuery {
            wish,
            actor,
            reason,
        };
        Question::Override(name, query)
    };
    match verb {
        BackendVerb::List => Question::Backends,
        BackendVerb::Show { name } => Question::Backend(name),
        BackendVerb::Hold { name, reason } => said(name, Wish::Hold, reason),
        BackendVerb::Drain { name, reason } => said(name, Wish::Drain, reason),
        BackendVerb::Resume {
            name,
            force: false,
            reason,
        } => said(name, Wish::Resume, reason),
        BackendVerb::Resume {
            name,
            force: true,
            reason,
        } => said(name, Wish::Up, reason),
        BackendVerb::Probe { name } => Question::Probe(name),
    }
}

impl Question {
    /// Method, path with query, and body of the request.
    pub(crate) fn request(&self) -> Request {
        match self {
            Self::Status => Request::get("/api/status".to_owned()),
            Self::Size => Request::get("/api/size".to_owned()),
            Self::Backends => Request::get("/api/backends".to_owned()),
            Self::Backend(name) => Request::get(format!("/api/backends/{}", escape(name))),
            Self::Override(name, query) => {
                Request::post(&format!("/api/backends/{}/override", escape(name)), query)
            }
            Self::Probe(name) => {
                Request::post(&format!("/api/backends/{}/probe", escape(name)), &())
            }
            Self::Queue(query) => Request::get(format!("/api/queue?{}", query.words())),
            Self::Holds => Request::get("/api/holds".to_owned()),
            Self::Moves => Request::get("/api/moves".to_owned()),
            Self::Message(id) => Request::get(format!("/api/messages/{}", escape(id))),
            Self::Case(question) => question.request(),
            Self::Explain(query) => {
                Request::get(format!("/api/explain?address={}", escape(&query.address)))
            }
            Self::Trace(query) => Request::get(format!(
                "/api/trace?of={}&limit={}",
                escape(&query.of),
                query.limit.map_or(20, Limit::get)
            )),
            Self::Tls(verb) => tls::request(verb.as_ref()),
            Self::User(verb) => verb.request(),
            Self::Reload => Request::post("/api/reload", &()),
        }
    }
}

/// A question about refusals that are alike, or a decision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum CaseQuestion {
    List(CaseKind),
    Show(CaseId),
    Release(CaseId, CaseOrder),
    Bounce(CaseId, CaseOrder),
}

impl CaseQuestion {
    fn request(&self) -> Request {
        match self {
            Self::List(kind) => {
                let finals = *kind == CaseKind::Final;
                Request::get(format!("/api/cases?final={finals}"))
            }
            Self::Show(id) => Request::get(format!("/api/cases/{id}")),
            Self::Release(id, order) => Request::post(&format!("/api/cases/{id}/release"), order),
            Self::Bounce(id, order) => Request::post(&format!("/api/cases/{id}/bounce"), order),
        }
    }
}

/// A request as the client sends it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Request {
    pub(crate) path: String,
    /// JSON; `None` for GET.
    pub(crate) body: Option<String>,
}

impl Request {
    pub(super) const fn get(path: String) -> Self {
        Self { path, body: None }
    }

    pub(super) fn post(path: &str, body: &impl serde::Serialize) -> Self {
        Self {
            path: path.to_owned(),
            // Plain structs of texts have a JSON form.
            body: Some(serde_json::to_string(body).unwrap_or_default()),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory as _, Parser as _};

    use super::*;

    fn intent(line: &str) -> Intent {
        Arguments::try_parse_from(line.split(' ')).unwrap().into()
    }

    #[test]
    fn the_arguments_are_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn global_options_stand_anywhere() {
        for line in [
            "tideover -c x.toml --json status",
            "tideover status --json -c x.toml",
        ] {
            let intent = intent(line);
            assert_eq!(intent.config, Some("x.toml".into()));
            assert_eq!(intent.format, Format::Json);
            assert_eq!(intent.work, Work::Ask(Question::Status));
        }
    }

    #[test]
    fn questions_become_requests() {
        let request = |line: &str| {
            let Work::Ask(question) = intent(line).work else {
                panic!("{line} asks nobody");
            };
            question.request()
        };
        assert_eq!(
            request("tideover queue list --backend a/b --state held --limit 5").path,
            "/api/queue?skip=0&limit=6&state=held&backend=a%2Fb"
        );
        assert_eq!(
            request("tideover trace <a&b=c@x>").path,
            "/api/trace?of=%3Ca%26b%3Dc%40x%3E&limit=20"
        );
        assert_eq!(
            request("tideover cases --final").path,
            "/api/cases?final=true"
        );
        let release = request("tideover --actor ann cases release f993269bb666");
        assert_eq!(release.path, "/api/cases/f993269bb666/release");
        assert_eq!(
            release.body.as_deref(),
            Some(r#"{"actor":"ann","reason":""}"#)
        );
        let invite = request("tideover user invite ann@example.org");
        assert_eq!(invite.path, "/api/users/invite");
        assert_eq!(
            invite.body.as_deref(),
            Some(r#"{"address":"ann@example.org"}"#)
        );
        assert_eq!(request("tideover backend list").body, None);
    }

    #[test]
    fn nonsense_is_refused() {
        for line in [
            "tideover",
            "tideover queue",
            "tideover queue list --limit 0",
            "tideover queue list --all",
            "tideover queue list --state delivered",
            "tideover queue drop 17",
            "tideover queue retry --recipient ann",
            "tideover queue export",
            "tideover explain",
            "tideover cases show 17",
            "tideover cases bounce f993269bb666",
        ] {
            assert!(
                Arguments::try_parse_from(line.split(' ')).is_err(),
                "{line}"
            );
        }
    }
}
