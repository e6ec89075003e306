//! `operator …`: administrators with names, and their tokens.

use std::time::Duration;

use clap::Subcommand;
use clap::builder::{PossibleValuesParser, TypedValueParser};

use super::Failure;
use super::home::At;
use super::intent::{Format, Request, escape};
use super::render::Page;
use super::teller::Teller;
use crate::admin::{
    AddQuery, Enrolment, NewToken, OperatorState, OperatorView, RevokeQuery, Role, RoleQuery,
    SessionQuery, SessionView, TokenQuery, TokenView,
};
use crate::config::units;
use crate::terminal::{Cell, Table, Tone, moment, visible};

#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub(crate) enum OperatorVerb {
    /// All operators, what they may do, and whether they can log in
    List,
    /// Add somebody: prints a code with which he sets his password, once
    Add {
        /// What he is called in the ledger and in the audit log, for example ann
        name: String,
        /// What he may do: viewer, help-desk, operator or admin
        #[arg(long, hide_possible_values = true, value_parser = roles())]
        role: Role,
    },
    /// Give somebody another role, from now on
    Role {
        /// His name
        name: String,
        /// What he may do: viewer, help-desk, operator or admin
        #[arg(hide_possible_values = true, value_parser = roles())]
        role: Role,
    },
    /// End his password, second step, sessions and tokens, and print a new code for him
    Reset {
        /// His name
        name: String,
    },
    /// Shut somebody out, with his sessions and tokens; `reset` lets him in again
    Disable {
        /// His name
        name: String,
    },
    /// Tokens with which programs ask in the name of an operator
    #[command(subcommand)]
    Token(TokenVerb),
    /// Where an operator is logged in with a browser
    #[command(subcommand)]
    Session(SessionVerb),
}

#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub(crate) enum SessionVerb {
    /// The sessions of somebody
    List {
        /// His name
        name: String,
    },
    /// End a session of somebody, or all: he has to log in again
    End {
        /// His name
        name: String,
        /// Its name in the list [default: all of them]
        id: Option<String>,
    },
}

/// The roles, known also to shells that complete them.
fn roles() -> impl TypedValueParser<Value = Role> {
    let names = Role::ALL.map(Role::word);
    PossibleValuesParser::new(names).try_map(|name| name.parse::<Role>())
}

#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub(crate) enum TokenVerb {
    /// The tokens of somebody
    List {
        /// His name
        name: String,
    },
    /// Make a token, and print it: it is not shown again
    Add {
        /// Whose it is
        name: String,
        /// What it is for, for example grafana
        label: String,
        /// What it may do, at most what its owner may [default: that]
        #[arg(long)]
        role: Option<Role>,
        /// After how long it ends, for example 90d [default: never]
        #[arg(long, value_name = "TIME", value_parser = units::duration)]
        expires: Option<Duration>,
    },
    /// End a token
    Revoke {
        /// Whose it is
        name: String,
        /// Its name in the list
        id: String,
    },
}

impl OperatorVerb {
    /// Does it only show something?
    pub(super) const fn is_question(&self) -> bool {
        matches!(
            self,
            Self::List
                | Self::Token(TokenVerb::List { .. })
                | Self::Session(SessionVerb::List { .. })
        )
    }
}

fn of(name: &str, what: &str) -> String {
    format!("/api/operators/{}/{what}", escape(name))
}

/// Does what a verb says.
pub(super) async fn perform(
    config: At<'_>,
    verb: OperatorVerb,
    format: Format,
) -> Result<(), Failure> {
    let teller = Teller::new(config, (format, String::new()))?;
    let client = &teller.client;
    match verb {
        OperatorVerb::List => {
            let request = Request::get("/api/operators".to_owned());
            let answer = client.ask(request).await?;
            teller.print(&answer, |page, it: &Vec<OperatorView>| page.operators(it))
        }
        OperatorVerb::Add { name, role } => {
            let request = Request::post("/api/operators/add", &AddQuery { name, role });
            let answer = client.ask(request).await?;
            teller.print(&answer, |page, it: &Enrolment| page.enrolment(it))
        }
        OperatorVerb::Role { name, role } => {
            let request = Request::post(&of(&name, "role"), &RoleQuery { role });
            let answer = client.ask(request).await?;
            teller.print(&answer, |_, it: &OperatorView| {
                format!("the role of {} is {} now\n", visible(&it.name), it.role)
            })
        }
        OperatorVerb::Reset { name } => {
            let answer = client.ask(Request::post(&of(&name, "reset"), &())).await?;
            teller.print(&answer, |page, it: &Enrolment| page.enrolment(it))
        }
        OperatorVerb::Disable { name } => {
            let request = Request::post(&of(&name, "disable"), &());
            let answer = client.ask(request).await?;
            teller.print(&answer, |_, it: &OperatorView| {
                format!("{} is shut out\n", visible(&it.name))
            })
        }
        OperatorVerb::Token(verb) => token(&teller, verb).await,
        OperatorVerb::Session(verb) => session(&teller, verb).await,
    }
}

async fn session(teller: &Teller, verb: SessionVerb) -> Result<(), Failure> {
    let client = &teller.client;
    match verb {
        SessionVerb::List { name } => {
            let answer = client.ask(Request::get(of(&name, "sessions"))).await?;
            teller.print(&answer, |page, it: &Vec<SessionView>| page.sessions(it))
        }
        SessionVerb::End { name, id } => {
            let request = Request::post(&of(&name, "sessions/end"), &SessionQuery { id });
            let answer = client.ask(request).await?;
            teller.print(&answer, |_, it: &Vec<SessionView>| {
                let ended = match it.len() {
                    0 => "he is logged in nowhere".to_owned(),
                    1 => "a session has ended".to_owned(),
                    ended => format!("{ended} sessions have ended"),
                };
                format!("{}: {ended}\n", visible(&name))
            })
        }
    }
}

async fn token(teller: &Teller, verb: TokenVerb) -> Result<(), Failure> {
    let client = &teller.client;
    match verb {
        TokenVerb::List { name } => {
            let answer = client.ask(Request::get(of(&name, "tokens"))).await?;
            teller.print(&answer, |page, it: &Vec<TokenView>| page.tokens(it))
        }
        TokenVerb::Add {
            name,
            label,
            role,
            expires,
        } => {
            let query = TokenQuery {
                label,
                role,
                expires_seconds: expires.map(|it| it.as_secs()),
            };
            let request = Request::post(&of(&name, "tokens"), &query);
            let answer = client.ask(request).await?;
            teller.print(&answer, |page, it: &NewToken| page.new_token(it))
        }
        TokenVerb::Revoke { name, id } => {
            let request = Request::post(&of(&name, "tokens/revoke"), &RevokeQuery { id });
            let answer = client.ask(request).await?;
            teller.print(&answer, |_, it: &TokenView| {
                format!("the token {} is dead\n", visible(&it.label))
            })
        }
    }
}

impl Page {
    /// `operator list`.
    fn operators(self, operators: &[OperatorView]) -> String {
        if operators.is_empty() {
            return "no operators: `tideover operator add NAME --role admin` makes one; until \
                    then everything is done on this machine\n"
                .to_owned();
        }
        let head = ["NAME", "ROLE", "STATE", "LOGIN", "CREATED", "BY"];
        let mut table = Table::new(&head, &[0, 5]);
        for one in operators {
            let tone = match one.state {
                OperatorState::Active => Tone::Good,
                OperatorState::Invited => Tone::Waiting,
                OperatorState::Expired | OperatorState::Disabled => Tone::Bad,
            };
            let login = match (one.state, one.second_step) {
                (OperatorState::Active, true) => "password, app",
                (OperatorState::Active, false) => "password",
                _ => "",
            };
            table.row([
                one.name.as_str().into(),
                one.role.word().into(),
                Cell::toned(one.state.as_str(), tone),
                login.into(),
                moment(one.created, self.now).into(),
                one.by.as_str().into(),
            ]);
        }
        table.render(self.palette)
    }

    /// `operator add`, `operator reset`.
    fn enrolment(self, enrolment: &Enrolment) -> String {
        let until = moment(enrolment.expires, self.now);
        let page = if enrolment.page.starts_with('/') {
            format!("{} at the address of [admin] bind", enrolment.page)
        } else {
            enrolment.page.clone()
        };
        format!(
            "{} ({}) opens {page}\nand sets a password with this code, once, until {until}:\n\n  \
             {}\n\nit is not shown again; whoever has it can come in as {0}\n",
            visible(&enrolment.name),
            enrolment.role,
            enrolment.code
        )
    }

    /// `operator session list`.
    fn sessions(self, sessions: &[SessionView]) -> String {
        if sessions.is_empty() {
            return "logged in nowhere\n".to_owned();
        }
        let head = ["SESSION", "FROM", "BROWSER", "BEGUN", "SEEN"];
        let mut table = Table::new(&head, &[1, 2]);
        for one in sessions {
            table.row([
                one.id.as_str().into(),
                one.from.as_str().into(),
                one.device.as_str().into(),
                moment(one.created, self.now).into(),
                moment(one.seen, self.now).into(),
            ]);
        }
        table.render(self.palette)
    }

    /// `operator token list`.
    fn tokens(self, tokens: &[TokenView]) -> String {
        if tokens.is_empty() {
            return "no tokens: `tideover operator token add NAME LABEL` makes one\n".to_owned();
        }
        let head = ["TOKEN", "FOR", "ROLE", "STATE", "CREATED", "ENDS"];
        let mut table = Table::new(&head, &[1]);
        for one in tokens {
            let (state, tone) = if one.good {
                ("good", Tone::Good)
            } else {
                ("dead", Tone::Bad)
            };
            let ends = one.expires.map(|at| moment(at, self.now));
            table.row([
                one.id.as_str().into(),
                one.label.as_str().into(),
                one.role.word().into(),
                Cell::toned(state, tone),
                moment(one.created, self.now).into(),
                ends.unwrap_or_else(|| "never".to_owned()).into(),
            ]);
        }
        table.render(self.palette)
    }

    /// `operator token add`.
    fn new_token(self, made: &NewToken) -> String {
        let view = &made.view;
        let ends = view.expires.map_or_else(
            || "it does not end by itself".to_owned(),
            |at| format!("it ends {}", moment(at, self.now)),
        );
        format!(
            "{}\n\nfor `Authorization: Bearer …`, in the name of {} as {}; {ends}; it is not \
             shown again\n",
            made.token,
            visible(&view.operator),
            view.role
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Timestamp;
    use crate::terminal::Palette;

    #[test]
    fn a_code_is_shown_with_what_to_do_and_the_list_says_who_can_come_in() {
        let page = Page {
            palette: Palette::Plain,
            now: Timestamp::from_millis(0),
        };
        let mut enrolment = Enrolment {
            name: "ann".to_owned(),
            role: Role::HelpDesk,
            code: "ABCD-EFGH".to_owned(),
            page: "/welcome".to_owned(),
            expires: Timestamp::from_millis(0),
        };
        let text = page.enrolment(&enrolment);
        assert!(
            text.contains("ann (help-desk) opens /welcome at the address"),
            "{text}"
        );
        assert!(text.contains("\n\n  ABCD-EFGH\n\n"), "{text}");
        enrolment.page = "https://console.example.org/welcome".to_owned();
        assert!(page.enrolment(&enrolment).contains("opens https://console"));
        assert!(
            page.operators(&[])
                .contains("operator add NAME --role admin")
        );
        let view = |state, second_step| OperatorView {
            name: "ann".to_owned(),
            role: Role::Admin,
            state,
            second_step,
            created: Timestamp::from_millis(0),
            by: "root".to_owned(),
        };
        for (view, told) in [
            (
                view(OperatorState::Active, true),
                "ann admin active password, app ",
            ),
            (
                view(OperatorState::Active, false),
                "ann admin active password ",
            ),
            (
                view(OperatorState::Disabled, false),
                "ann admin disabled 00:00",
            ),
        ] {
            let text = page.operators(&[view]);
            let words: Vec<&str> = text.split_whitespace().collect();
            assert!(words.join(" ").contains(told), "{text}");
        }
    }
}
