//! What `device add` asks: three questions, from the least dangerous way down, and what is needed
//! for the way that is left.

use std::io::{BufRead as _, IsTerminal as _, Write as _};

use super::device::{DeviceAdd, YesNo, until};
use crate::admin::DeviceQuery;
use crate::base::Timestamp;
use crate::device::{AddressRule, Way};

/// Tries for one answer.
const TRIES: usize = 3;

/// What was settled, and by which reason this way was taken.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) query: DeviceQuery,
    pub(super) why: &'static str,
}

/// Who can be asked.
#[derive(Debug)]
pub(super) enum Somebody {
    /// Somebody at a terminal.
    Person,
    /// A program has to say everything beforehand.
    Nobody,
}

impl Somebody {
    pub(super) fn at_the_terminal() -> Self {
        if std::io::stdin().is_terminal() && std::io::stderr().is_terminal() {
            Self::Person
        } else {
            Self::Nobody
        }
    }

    /// Says something that no program reads.
    pub(super) fn tell(text: &str) {
        // Nobody reads it when stderr is closed.
        writeln!(std::io::stderr().lock(), "{text}").ok();
    }

    pub(super) fn yes_or_no(&mut self, question: &str) -> Result<YesNo, String> {
        ask(self, question, "yes or no", yes_or_no)
    }
}

/// Who answers.
pub(super) trait Answers {
    /// The answer to a question; `None` when nobody answers.
    fn answer(&mut self, question: &str) -> Option<String>;
    /// What was answered is of no use.
    fn complain(&mut self, what: &str);
}

impl Answers for Somebody {
    fn answer(&mut self, question: &str) -> Option<String> {
        match self {
            Self::Nobody => None,
            Self::Person => {
                let mut stderr = std::io::stderr().lock();
                write!(stderr, "{question} ")
                    .and_then(|()| stderr.flush())
                    .ok()?;
                let mut line = String::new();
                let read = std::io::stdin().lock().read_line(&mut line).ok()?;
                (read > 0).then_some(line)
            }
        }
    }

    fn complain(&mut self, what: &str) {
        Self::tell(what);
    }
}

/// Settles what is to be made: by what was said, and by asking for the rest.
pub(super) fn settle(
    args: DeviceAdd,
    somebody: &mut impl Answers,
    now: Timestamp,
) -> Result<Asked, String> {
    let mut questions = Questions(somebody);
    let (way, why) = questions.way(&args)?;
    let senders = questions.rules(
        args.sender,
        ("Which addresses may it write as?", "--sender"),
    )?;
    let networks = match way {
        // It proves who it is, wherever it comes from.
        Way::Login => args.network,
        Way::Internal | Way::Listed => {
            let question = "From which address does it come?";
            questions.words(args.network, (question, "--network"))?
        }
    };
    let (mut recipients, mut expires, mut daily) = (args.to, args.expires, args.daily);
    if way == Way::Listed {
        let who = "To which strangers may it send, addresses or @domains?";
        recipients = questions.rules(recipients, (who, "--to"))?;
        if expires.is_none() {
            let question = "Until when, for example 90d?";
            expires = Some(questions.one((question, "--expires"), until)?);
        }
        if daily.is_none() {
            let number = |text: &str| match text.parse::<u32>() {
                Ok(number) if number > 0 => Ok(number),
                _ => Err("expected a number, for example 100".to_owned()),
            };
            let question = "How many recipients a day, at most?";
            daily = Some(questions.one((question, "--daily"), number)?);
        }
    }
    let reason = match args.reason {
        Some(reason) if !reason.trim().is_empty() => reason,
        _ => questions.one(("What is it for?", "--reason"), |text| Ok(text.to_owned()))?,
    };
    let texts = |rules: Vec<AddressRule>| rules.iter().map(ToString::to_string).collect();
    let query = DeviceQuery {
        name: args.name,
        way,
        senders: texts(senders),
        networks,
        recipients: texts(recipients),
        expires: expires.map(|it| it.moment(now)),
        daily_recipients: daily,
        reason,
        dry_run: false,
    };
    Ok(Asked { query, why })
}

/// The command that says all of it, for who has to mend one answer and not to give all again.
pub(super) fn command(query: &DeviceQuery) -> String {
    let way = match query.way {
        Way::Login => "--login yes",
        Way::Internal => "--login no --auth no --internal yes",
        Way::Listed => "--login no --auth no --internal no",
    };
    let mut command = format!("tideover device add {} {way}", word(&query.name));
    let mut add = |option: &str, value: &str| {
        command.extend([" ", option, " ", &word(value)]);
    };
    for (option, values) in [
        ("--sender", &query.senders),
        ("--network", &query.networks),
        ("--to", &query.recipients),
    ] {
        for value in values {
            add(option, value);
        }
    }
    if let Some(end) = query.expires {
        add("--expires", &end.to_string());
    }
    if let Some(daily) = query.daily_recipients {
        add("--daily", &daily.to_string());
    }
    add("--reason", &query.reason);
    command
}

/// As one word for a shell (POSIX.1-2024, Shell Command Language §2.2.2).
fn word(text: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"@._:/+-".contains(&byte);
    if !text.is_empty() && text.bytes().all(is_plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

struct Questions<'a, A>(&'a mut A);

/// A question, and the option that answers it.
type Question = (&'static str, &'static str);

impl<A: Answers> Questions<'_, A> {
    /// The least dangerous way that it can.
    fn way(&mut self, args: &DeviceAdd) -> Result<(Way, &'static str), String> {
        let login = (
            "Can it log in with a name and a password over TLS, on port 587?",
            "--login yes|no",
        );
        let auth = ("Can it at least log in (AUTH) on port 25?", "--auth yes|no");
        if self.decided(login, args.login)? == YesNo::Yes {
            let why = "known by its password, which is the least dangerous way";
            return Ok((Way::Login, why));
        }
        if self.decided(auth, args.auth)? == YesNo::Yes {
            let why = "known by its password, on port 25: the [[listener]] with role = \"mx\" \
                       needs auth = true (docs/devices.md)";
            return Ok((Way::Login, why));
        }
        let internal = ("Does it send to our own people only?", "--internal yes|no");
        Ok(match self.decided(internal, args.internal)? {
            YesNo::Yes => (
                Way::Internal,
                "known by its address, which can harm nobody but us",
            ),
            YesNo::No => (
                Way::Listed,
                "known by its address, which is the most dangerous way: whoever takes that \
                 address over may send what it may send",
            ),
        })
    }

    fn decided(
        &mut self,
        (question, option): Question,
        said: Option<YesNo>,
    ) -> Result<YesNo, String> {
        if let Some(said) = said {
            return Ok(said);
        }
        ask(self.0, question, option, yes_or_no)
    }

    fn rules(
        &mut self,
        said: Vec<AddressRule>,
        question: Question,
    ) -> Result<Vec<AddressRule>, String> {
        if !said.is_empty() {
            return Ok(said);
        }
        self.one(question, |text| {
            let parsed = words(text)?.into_iter().map(str::parse::<AddressRule>);
            let parsed: Result<Vec<_>, _> = parsed.collect();
            parsed.map_err(|error| error.to_string())
        })
    }

    fn words(&mut self, said: Vec<String>, question: Question) -> Result<Vec<String>, String> {
        if !said.is_empty() {
            return Ok(said);
        }
        self.one(question, |text| {
            Ok(words(text)?.into_iter().map(str::to_owned).collect())
        })
    }

    fn one<T>(
        &mut self,
        (question, option): Question,
        read: impl Fn(&str) -> Result<T, String>,
    ) -> Result<T, String> {
        ask(self.0, question, option, read)
    }
}

fn yes_or_no(text: &str) -> Result<YesNo, String> {
    match text.to_ascii_lowercase().as_str() {
        "y" | "yes" => Ok(YesNo::Yes),
        "n" | "no" => Ok(YesNo::No),
        _ => Err("expected yes or no".to_owned()),
    }
}

/// Several in one answer, at least one.
fn words(text: &str) -> Result<Vec<&str>, String> {
    let words = text.split([' ', ',', ';']).filter(|word| !word.is_empty());
    let words: Vec<&str> = words.collect();
    if words.is_empty() {
        return Err("an answer is needed".to_owned());
    }
    Ok(words)
}

fn ask<T>(
    somebody: &mut impl Answers,
    question: &str,
    option: &str,
    read: impl Fn(&str) -> Result<T, String>,
) -> Result<T, String> {
    for _ in 0..TRIES {
        let Some(said) = somebody.answer(question) else {
            return Err(format!("{question} Say it with {option}"));
        };
        let said = said.trim();
        let answer = if said.is_empty() {
            Err("an answer is needed".to_owned())
        } else {
            read(said)
        };
        match answer {
            Ok(answer) => return Ok(answer),
            Err(what) => somebody.complain(&what),
        }
    }
    Err(format!("{question} Say it with {option}"))
}
