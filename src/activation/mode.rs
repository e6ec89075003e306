//! What somebody may do in the webmail, decided from all rules: a pure function.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::base::Timestamp;

/// What somebody may do; the later, the more.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// Log in, and see that it is not open.
    Off,
    /// Read, and look after one's own login.
    ReadOnly,
    /// Everything.
    Full,
}

impl Mode {
    /// The word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::ReadOnly => "read-only",
            Self::Full => "full",
        }
    }
}

/// What a rule says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Setting {
    /// Not open.
    Off,
    /// Open for reading.
    ReadOnly,
    /// Open.
    #[default]
    Full,
    /// Open during an outage of the home, else not.
    Auto,
    /// Open, for some who try it while it is not for others. Their pages say so.
    Test,
}

impl Setting {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Off,
        Self::ReadOnly,
        Self::Full,
        Self::Auto,
        Self::Test,
    ];

    /// The word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::ReadOnly => "read-only",
            Self::Full => "full",
            Self::Auto => "auto",
            Self::Test => "test",
        }
    }

    /// What it comes to for somebody whose home has an outage, or has none.
    const fn mode(self, is_out: IsOut) -> Mode {
        match (self, is_out) {
            (Self::Off, _) | (Self::Auto, IsOut::No) => Mode::Off,
            (Self::ReadOnly, _) => Mode::ReadOnly,
            (Self::Full | Self::Test, _) | (Self::Auto, IsOut::Yes) => Mode::Full,
        }
    }
}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Is there an outage?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum IsOut {
    No,
    Yes,
}

/// Whom a rule is about; names are keys ([`crate::smtp::Mailbox::key`], domains alike).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// Everybody: in the place of what the config says.
    Everybody,
    /// The users of a domain.
    Domain(String),
    /// The people of a group, nested groups included.
    Group(String),
    /// One user.
    User(String),
}

/// A text that names no scope.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" names nobody")]
pub struct Unscoped(pub String);

impl Scope {
    /// The kind, as one word.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Everybody => "everybody",
            Self::Domain(_) => "domain",
            Self::Group(_) => "group",
            Self::User(_) => "user",
        }
    }

    /// Whom of that kind; empty for everybody.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Everybody => "",
            Self::Domain(name) | Self::Group(name) | Self::User(name) => name,
        }
    }
}

/// As the log has it: `user/ann@example.org`.
impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Everybody => f.write_str("everybody"),
            Self::Domain(name) | Self::Group(name) | Self::User(name) => {
                write!(f, "{}/{name}", self.kind())
            }
        }
    }
}

impl FromStr for Scope {
    type Err = Unscoped;

    fn from_str(text: &str) -> Result<Self, Unscoped> {
        let wrong = || Unscoped(text.to_owned());
        if text == "everybody" {
            return Ok(Self::Everybody);
        }
        let (kind, name) = text.split_once('/').ok_or_else(wrong)?;
        let name = Some(name.to_owned()).filter(|name| !name.is_empty());
        let name = name.ok_or_else(wrong)?;
        match kind {
            "domain" => Ok(Self::Domain(name)),
            "group" => Ok(Self::Group(name)),
            "user" => Ok(Self::User(name)),
            _ => Err(wrong()),
        }
    }
}

/// What an operator said of somebody.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Rule {
    /// What.
    pub setting: Setting,
    /// Who said so.
    pub actor: String,
    /// Why.
    #[serde(default)]
    pub reason: String,
    /// Since when.
    pub since: Timestamp,
}

/// All rules.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Book {
    /// By whom they are about.
    pub rules: BTreeMap<Scope, Rule>,
}

/// Somebody who wants to use the webmail.
#[derive(Debug, Clone, Copy)]
pub struct Person<'a> {
    /// The key of his mailbox.
    pub mailbox: &'a str,
    /// The key of the domain of his address.
    pub domain: &'a str,
    /// Has his home an outage?
    pub home_is_out: bool,
}

/// What holds for somebody, and by which rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ruling {
    /// What he may do.
    pub mode: Mode,
    /// What was said.
    pub setting: Setting,
    /// Whom the rule is about; with [`Scope::Everybody`] and without a rule the config speaks.
    pub scope: Scope,
    /// The rule; `None`: the config.
    pub rule: Option<Rule>,
}

/// What holds for `person`. The nearest rule counts, whatever the others say: one about the user
/// himself; else about groups of his, of several the one that opens most; else about his domain;
/// else about everybody; else `base`, which the config says.
#[must_use]
pub fn rule_for(
    person: Person<'_>,
    (book, base): (&Book, Setting),
    is_in_group: impl Fn(&str) -> bool,
) -> Ruling {
    let is_out = if person.home_is_out {
        IsOut::Yes
    } else {
        IsOut::No
    };
    let ruling = |scope: &Scope, rule: &Rule| Ruling {
        mode: rule.setting.mode(is_out),
        setting: rule.setting,
        scope: scope.clone(),
        rule: Some(rule.clone()),
    };
    let of = |scope: Scope| book.rules.get(&scope).map(|rule| ruling(&scope, rule));
    let groups = || {
        let mut widest: Option<Ruling> = None;
        for (scope, rule) in &book.rules {
            if !matches!(scope, Scope::Group(name) if is_in_group(name)) {
                continue;
            }
            let one = ruling(scope, rule);
            // A test is told on the pages: who is let in without one sees nothing of it.
            let rank = |one: &Ruling| (one.mode, one.setting != Setting::Test);
            if widest.as_ref().is_none_or(|best| rank(&one) > rank(best)) {
                widest = Some(one);
            }
        }
        widest
    };
    of(Scope::User(person.mailbox.to_owned()))
        .or_else(groups)
        .or_else(|| of(Scope::Domain(person.domain.to_owned())))
        .or_else(|| of(Scope::Everybody))
        .unwrap_or_else(|| Ruling {
            mode: base.mode(is_out),
            setting: base,
            scope: Scope::Everybody,
            rule: None,
        })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rule(setting: Setting) -> Rule {
        Rule {
            setting,
            actor: "root".to_owned(),
            reason: "test".to_owned(),
            since: Timestamp::EPOCH,
        }
    }

    fn outs() -> impl Strategy<Value = IsOut> {
        prop::sample::select(vec![IsOut::No, IsOut::Yes])
    }

    fn settings() -> impl Strategy<Value = Setting> {
        prop::sample::select(Setting::ALL.to_vec())
    }

    /// Two names of each kind; the person is `a`, and in the groups that `b` of the mask names.
    fn scopes() -> impl Strategy<Value = Scope> {
        let names = prop::sample::select(vec!["a", "b", "c"]);
        (0..4_u8, names).prop_map(|(kind, name)| match kind {
            0 => Scope::Everybody,
            1 => Scope::Domain(name.to_owned()),
            2 => Scope::Group(name.to_owned()),
            _ => Scope::User(name.to_owned()),
        })
    }

    fn books() -> impl Strategy<Value = Book> {
        let pairs = prop::collection::btree_map(scopes(), settings().prop_map(rule), 0..8);
        pairs.prop_map(|rules| Book { rules })
    }

    const GROUPS: [&str; 2] = ["a", "b"];

    fn decided(book: &Book, base: Setting, out: IsOut) -> Ruling {
        let home_is_out = out == IsOut::Yes;
        let person = Person {
            mailbox: "a",
            domain: "a",
            home_is_out,
        };
        rule_for(person, (book, base), |name| GROUPS.contains(&name))
    }

    /// How near a rule is to the person; `None`: it is about others.
    fn nearness(scope: &Scope) -> Option<u8> {
        match scope {
            Scope::Everybody => Some(0),
            Scope::Domain(name) => (name == "a").then_some(1),
            Scope::Group(name) => GROUPS.contains(&name.as_str()).then_some(2),
            Scope::User(name) => (name == "a").then_some(3),
        }
    }

    proptest! {
        #[test]
        fn the_nearest_rule_counts_and_no_other(
            book in books(), base in settings(), out in outs(),
        ) {
            let found = decided(&book, base, out);
            let nearest = book.rules.keys().filter_map(nearness).max();
            prop_assert_eq!(found.rule.as_ref().and(nearness(&found.scope)), nearest);
            // Rules that are farther, and those about others, change nothing.
            let mut only = book.clone();
            only.rules.retain(|scope, _| nearness(scope).is_some() && nearness(scope) == nearest);
            prop_assert_eq!(&decided(&only, base, out), &found);
            match &found.rule {
                None => prop_assert_eq!(found.setting, base),
                Some(rule) => prop_assert_eq!(Some(rule), book.rules.get(&found.scope)),
            }
        }

        #[test]
        fn of_several_groups_the_widest_counts(
            groups in prop::collection::vec(settings(), 2), base in settings(), out in outs(),
        ) {
            let names = GROUPS.map(|name| Scope::Group(name.to_owned()));
            let rules = names.into_iter().zip(groups.iter().copied().map(rule)).collect();
            let found = decided(&Book { rules }, base, out);
            let wide = |setting: &Setting| {
                setting.mode(out)
            };
            prop_assert_eq!(Some(found.mode), groups.iter().map(wide).max());
            let is_let_in = groups.iter().any(|it| *it != Setting::Test && wide(it) == found.mode);
            prop_assert_eq!(found.setting == Setting::Test, !is_let_in);
        }

        #[test]
        fn an_outage_opens_and_never_closes(book in books(), base in settings()) {
            let (calm, out) = (decided(&book, base, IsOut::No), decided(&book, base, IsOut::Yes));
            if calm.scope == out.scope {
                prop_assert!(calm.mode <= out.mode);
            }
            let changed = calm.mode != out.mode;
            prop_assert!(!changed || out.setting == Setting::Auto);
        }

        #[test]
        fn scopes_are_read_as_they_are_written(scope in scopes()) {
            prop_assert_eq!(scope.to_string().parse(), Ok(scope));
        }
    }

    #[test]
    fn nonsense_names_nobody() {
        for text in ["", "user", "user/", "room/a", "everybody/a"] {
            assert_eq!(text.parse::<Scope>(), Err(Unscoped(text.to_owned())));
        }
    }
}
