//! `webmail …`: for whom the webmail is open.

use clap::{Args, Subcommand};

use super::home::At;
use super::intent::{Format, Request, escape};
use super::render::Page;
use super::{Asker, Failure, home};
use crate::activation::{ActivationView, Mode, RuleView, Setting, Verdict};
use crate::admin::{SettingQuery, StatusView};
use crate::base::Clock;
use crate::terminal::{Cell, Palette, Table, Tone, duration, moment, visible};

#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub(crate) enum WebmailVerb {
    /// For whom it is open, by which rule, and outages
    Status {
        /// Also: what holds for this user
        #[arg(long, value_name = "ADDRESS")]
        user: Option<String>,
    },
    /// Open it: read, write, everything
    On(Said),
    /// Open it for reading
    ReadOnly(Said),
    /// Close it: who logs in is told so, and keeps what he wrote
    Off(Said),
    /// Open it while the home of a user has an outage, else close it
    Auto(Said),
    /// Open it for some who try it; their pages say that it is a test
    Test(Said),
    /// End rules: what holds for others holds for them, too
    Clear {
        #[command(flatten)]
        whom: Whom,
        /// Why; it is written to the program's log
        #[arg(long)]
        reason: Option<String>,
    },
}

/// Of whom something is said; without any of them: of everybody.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub(crate) struct Whom {
    /// For the users of this domain
    #[arg(long, value_name = "DOMAIN")]
    domain: Vec<String>,
    /// For the people of this group of the directory
    #[arg(long, value_name = "ADDRESS")]
    group: Vec<String>,
    /// For this user
    #[arg(long, value_name = "ADDRESS")]
    user: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub(crate) struct Said {
    #[command(flatten)]
    whom: Whom,
    /// Why, for those who look later
    #[arg(long)]
    reason: String,
}

impl WebmailVerb {
    /// What the server is asked, in the name of `actor`.
    fn request(self, actor: &str) -> Request {
        let say = |setting, whom: Whom, reason| {
            let query = SettingQuery {
                setting,
                domains: whom.domain,
                groups: whom.group,
                users: whom.user,
                actor: actor.to_owned(),
                reason,
            };
            Request::post("/api/webmail", &query)
        };
        let set = |setting, said: Said| say(Some(setting), said.whom, said.reason);
        match self {
            Self::Status { user: None } => Request::get("/api/webmail".to_owned()),
            Self::Status { user: Some(user) } => {
                Request::get(format!("/api/webmail?address={}", escape(&user)))
            }
            Self::On(said) => set(Setting::Full, said),
            Self::ReadOnly(said) => set(Setting::ReadOnly, said),
            Self::Off(said) => set(Setting::Off, said),
            Self::Auto(said) => set(Setting::Auto, said),
            Self::Test(said) => set(Setting::Test, said),
            Self::Clear { whom, reason } => say(None, whom, reason.unwrap_or_default()),
        }
    }
}

/// Does what a verb says, as `actor`.
pub(super) async fn perform(
    config: At<'_>,
    verb: WebmailVerb,
    (format, actor): (Format, String),
) -> Result<(), Failure> {
    let page = Page {
        palette: Palette::of_stdout(),
        now: Clock::system().now(),
    };
    let asker = Asker {
        client: home::client(config)?,
        format,
        page,
        room: config.room.clone(),
    };
    let text = |it: &ActivationView| page.activation(it);
    asker.show(verb.request(&actor), text).await
}

impl Page {
    fn setting(setting: Setting) -> Cell {
        let tone = match setting {
            Setting::Full | Setting::Auto => Tone::Good,
            Setting::ReadOnly | Setting::Test => Tone::Waiting,
            Setting::Off => Tone::Bad,
        };
        Cell::toned(setting.as_str(), tone)
    }

    /// `webmail status`.
    pub(super) fn activation(self, view: &ActivationView) -> String {
        let head = ["WHO", "", "WEBMAIL", "SINCE", "BY", "REASON"];
        let mut table = Table::new(&head, &[1, 5]);
        // In the order in which they count.
        for scope in ["user", "group", "domain", "everybody"] {
            for rule in view.rules.iter().filter(|rule| rule.scope == scope) {
                table.row([
                    rule.scope.as_str().into(),
                    rule.name.as_str().into(),
                    Self::setting(rule.rule.setting),
                    moment(rule.rule.since, self.now).into(),
                    rule.rule.actor.as_str().into(),
                    rule.rule.reason.as_str().into(),
                ]);
            }
        }
        let (config, nothing) = (Self::setting(view.config), || Cell::from(""));
        let by = Cell::from("config");
        table.row([
            "everybody".into(),
            nothing(),
            config,
            nothing(),
            by,
            nothing(),
        ]);
        let mut text = table.render(self.palette);
        text.push_str(&Self::paragraph(
            "the first row counts that is about a user; of several groups, the one that opens most",
        ));
        for one in &view.outages {
            let since = moment(one.outage.since, self.now);
            let mut told = format!("outage of {} since {since}", one.backend);
            if let Some(recovered) = one.outage.recovered {
                let gone = self.now.since(recovered).as_secs();
                let left = view.close_after_seconds.saturating_sub(gone);
                let left = duration(std::time::Duration::from_secs(left));
                told += "; it is back, and the outage is over in ";
                told += &left;
            }
            text.push_str(&Self::paragraph(&told));
        }
        if let Some(verdict) = &view.verdict {
            text.push_str(&Self::paragraph(&verdict_of(verdict)));
        }
        text
    }

    /// The lines of `status`: how many can log in, and for whom it is open unless that is plain.
    pub(super) fn opened(self, status: &StatusView) -> String {
        let enrolled = status.enrolled.as_ref().filter(|it| it.mailboxes > 0);
        let enrolled = enrolled.map_or_else(String::new, |covered| {
            let told = format!(
                "{} % enrolled, {} of {}: `tideover user coverage`",
                covered.percent, covered.enrolled, covered.mailboxes
            );
            self.field("webmail", &told)
        });
        let opened = status.webmail.as_ref().map(|view| self.opened_for(view));
        enrolled + &opened.unwrap_or_default()
    }

    /// Nothing while it is open for everybody, and no outage.
    fn opened_for(self, view: &ActivationView) -> String {
        let is_plain = view.config == Setting::Full && view.rules.is_empty();
        if is_plain && view.outages.is_empty() {
            return String::new();
        }
        let everybody = view.rules.iter().find(|rule| rule.scope == "everybody");
        let everybody = everybody.map_or(view.config, |rule| rule.rule.setting);
        let mut told = format!("{everybody} for everybody");
        let others = view.rules.iter().filter(|rule| rule.scope != "everybody");
        match others.count() {
            0 => {}
            1 => told += ", but for one rule",
            more => {
                told += ", but for ";
                told += &more.to_string();
                told += " rules";
            }
        }
        for one in &view.outages {
            told += "; outage of ";
            told += one.backend.as_str();
        }
        self.field("webmail", &format!("{told}: `tideover webmail status`"))
    }
}

fn verdict_of(verdict: &Verdict) -> String {
    let mode = match verdict.mode {
        Mode::Off => "it is closed",
        Mode::ReadOnly => "it is open for reading",
        Mode::Full => "it is open",
    };
    let by = verdict.by.as_ref();
    let by = by.map_or_else(|| "of the config".to_owned(), rule_name);
    let setting = verdict.setting;
    format!(
        "for {}: {mode}, by \"{setting}\" {by}",
        visible(&verdict.address)
    )
}

fn rule_name(rule: &RuleView) -> String {
    match rule.scope.as_str() {
        "everybody" => "for everybody".to_owned(),
        scope => format!("for {scope} {}", visible(&rule.name)),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::super::args::{Arguments, Verb};
    use super::*;
    use crate::activation::{Outage, OutageView, Rule};
    use crate::base::Timestamp;
    use crate::mail::BackendId;

    fn request(line: &str) -> Request {
        let arguments = Arguments::try_parse_from(line.split(' ')).unwrap();
        let Verb::Webmail(verb) = arguments.verb else {
            panic!("{line} is about something else");
        };
        verb.request("root")
    }

    #[test]
    fn verbs_become_requests() {
        let status = request("tideover webmail status --user ann@x");
        assert_eq!(status.path, "/api/webmail?address=ann%40x");
        let said = request("tideover webmail read-only --domain a.b --user c@d --reason e");
        let body: SettingQuery = serde_json::from_str(&said.body.unwrap()).unwrap();
        assert_eq!(body.setting, Some(Setting::ReadOnly));
        assert_eq!(
            (body.domains, body.users),
            (vec!["a.b".into()], vec!["c@d".into()])
        );
        for (line, reason) in [
            ("tideover webmail clear --group g@x", ""),
            ("tideover webmail clear --group g@x --reason over", "over"),
        ] {
            let body: SettingQuery = serde_json::from_str(&request(line).body.unwrap()).unwrap();
            assert_eq!((body.setting, body.groups), (None, vec!["g@x".into()]));
            assert_eq!(body.reason, reason);
        }
        for line in ["tideover webmail on", "tideover webmail test --user a@b"] {
            assert!(
                Arguments::try_parse_from(line.split(' ')).is_err(),
                "{line}"
            );
        }
    }

    #[test]
    fn it_is_told_who_it_is_open_for_and_why() {
        let at = |seconds: u64| Timestamp::from_millis(1_700_000_000_000 + seconds * 1000);
        let page = Page {
            palette: Palette::Plain,
            now: at(600),
        };
        let rule = |scope: &str, name: &str, setting| RuleView {
            scope: scope.to_owned(),
            name: name.to_owned(),
            rule: Rule {
                setting,
                actor: "root".to_owned(),
                reason: "drill".to_owned(),
                since: at(0),
            },
        };
        let mut view = ActivationView::default();
        assert_eq!(page.opened_for(&view), "");
        view.rules = vec![
            rule("everybody", "", Setting::Off),
            rule("user", "ann@example.org", Setting::Test),
        ];
        view.close_after_seconds = 1800;
        view.outages = vec![OutageView {
            backend: BackendId::new("onprem"),
            outage: Outage {
                since: at(0),
                opened: at(0),
                recovered: Some(at(0)),
            },
        }];
        view.verdict = Some(Verdict {
            address: "ann@example.org".to_owned(),
            mode: Mode::Full,
            setting: Setting::Test,
            by: Some(rule("user", "ann@example.org", Setting::Test)),
        });
        let text = page.activation(&view);
        let user = text.find("user ").unwrap();
        assert!(user < text.find("everybody").unwrap(), "{text}");
        assert!(text.contains("over in 20 min"), "{text}");
        let verdict = "for ann@example.org: it is open, by \"test\" for user ann@example.org";
        assert!(text.contains(verdict), "{text}");
        let line = page.opened_for(&view);
        assert!(
            line.contains("off for everybody, but for one rule; outage of onprem"),
            "{line}"
        );
    }
}
