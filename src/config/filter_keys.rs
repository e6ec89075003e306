//! `[filter.NAME]`: who looks at mail before it is taken.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use super::listener_keys::Listener;
use super::platforms::{domain_name, host_and_port};
use super::reader::{At, Section, Source};
use super::sections::{non_empty, not_one_of, set};
use super::units::{duration, size};
use super::{Config, Problem, verify};
use crate::directory::DomainRule;
use crate::filter::{Deed, OnFailure, Options, OverSize, Place, Protocol, Whose};
use crate::limits;

/// One of them, and its line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilterConfig {
    /// All of it.
    pub options: Options,
    /// Where it begins.
    pub line: usize,
}

/// All of them, in the order of the file.
pub(super) fn filters(
    root: &Section<'_>,
    (listeners, domains): (&[Listener], &[DomainRule]),
) -> Vec<FilterConfig> {
    let sections = root.named("filter");
    if let Some((name, _)) = sections.get(limits::FILTERS) {
        let most = limits::FILTERS;
        let what = format!("is one too many, expected {most} filters or fewer");
        root.source.refuse(name, what);
    }
    let filters = sections.into_iter();
    filters
        .map(|(name, section)| FilterConfig {
            line: name.line,
            options: filter(name, section, (listeners, domains)),
        })
        .collect()
}

fn filter(
    name: At<String>,
    section: Section<'_>,
    (listeners, domains): (&[Listener], &[DomainRule]),
) -> Options {
    let source = section.source;
    let letters = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
    if name.value.is_empty() || name.value.len() > 32 || !name.value.chars().all(letters) {
        let what = "has a name that cannot stand in a field, expected up to 32 letters, digits, \
                    - and _";
        source.refuse(&name, what);
    }
    let kind = section.text("kind", |text| match text {
        "clamd" => Ok(Protocol::Clamd),
        "rspamd" => Ok(Protocol::Rspamd),
        "milter" => Ok(Protocol::Milter),
        _ => Err(not_one_of(text, "clamd, rspamd, milter")),
    });
    if kind.is_none() && !section.has("kind") {
        section.missing("kind", "\"clamd\", \"rspamd\" or \"milter\"");
    }
    let address = section.text("address", place);
    if address.is_none() && !section.has("address") {
        let expected = "a socket file or a host and port, for example \"/run/clamav/clamd.ctl\"";
        section.missing("address", expected);
    }
    let place = address.map_or_else(|| Place::Unix(PathBuf::new()), |at| at.value);
    let protocol = kind.as_ref().map_or(Protocol::Clamd, |at| at.value);
    let mut options = Options::new(name.value, protocol, place);
    set(&mut options.patience, section.text("timeout", patience));
    deeds(&section, &mut options);
    options.password_file = password(&section, protocol);
    let most = section.number("max_connections", 1, 1_000);
    if let Some(most) = most.and_then(|at| usize::try_from(at.value).ok()) {
        options.max_connections = most;
    }
    let whose = section.text("mail", |text| match text {
        "strangers" => Ok(Whose::Strangers),
        "all" => Ok(Whose::All),
        _ => Err(not_one_of(text, "strangers, all")),
    });
    set(&mut options.mail, whose);
    let binds: Vec<_> = listeners
        .iter()
        .map(|it| it.bind.value.to_string())
        .collect();
    let known = |text: &str| {
        let found = binds.iter().find(|bind| *bind == text);
        let names = binds.join(", ");
        found
            .cloned()
            .ok_or_else(|| format!("\"{text}\" is no bind of a [[listener]], expected {names}"))
    };
    if let Some(some) = chosen(&section, "listeners", known) {
        options.listeners = some;
    }
    let ours = |text: &str| {
        let name = domain_name(text)?;
        let is_ours = domains.iter().any(|rule| rule.name == name);
        let what = || format!("\"{text}\" is no [domain.NAME] of this file");
        is_ours.then_some(name).ok_or_else(what)
    };
    if let Some(some) = chosen(&section, "domains", ours) {
        options.domains = some;
    }
    section.finish();
    options
}

fn password(section: &Section<'_>, protocol: Protocol) -> Option<PathBuf> {
    let source = section.source;
    let file = section.text("password_file", |text| {
        non_empty(text).map(|text| source.path(text))
    })?;
    if protocol != Protocol::Rspamd {
        let what = "is asked for by nobody, expected it with kind = \"rspamd\" only";
        source.refuse(&file, what);
    }
    Some(file.value)
}

/// Can the files that they name be read?
pub(super) fn check_files(source: &Source<'_>, filters: &[FilterConfig]) {
    for filter in filters {
        let name = &filter.options.name;
        if let Some(file) = filter.options.password_file.clone() {
            let file = At {
                value: file,
                line: filter.line,
                key: format!("filter.{name}.password_file"),
            };
            verify::readable(source, &file);
        }
    }
}

fn deeds(section: &Section<'_>, options: &mut Options) {
    let on_failure = section.text("on_failure", |text| match text {
        "accept" => Ok(OnFailure::Accept),
        "defer" => Ok(OnFailure::Defer),
        _ => Err(not_one_of(text, "accept, defer")),
    });
    set(&mut options.on_failure, on_failure);
    let bad = section.text("bad", |text| match text {
        "mark" => Ok(Deed::Mark),
        "hold" => Ok(Deed::Hold),
        "reject" => Ok(Deed::Reject),
        _ => Err(not_one_of(text, "mark, hold, reject")),
    });
    set(&mut options.bad, bad);
    let suspicious = section.text("suspicious", |text| match text {
        "mark" => Ok(Deed::Mark),
        "hold" => Ok(Deed::Hold),
        "reject" => Ok(Deed::Reject),
        _ => Err(not_one_of(text, "mark, hold, reject")),
    });
    let is_said = options.protocol == Protocol::Rspamd;
    only_if_said(section, suspicious.as_ref(), (is_said, "\"rspamd\""));
    set(&mut options.suspicious, suspicious);
    let later = section.text("later", |text| match text {
        "mark" => Ok(Deed::Mark),
        "hold" => Ok(Deed::Hold),
        "defer" => Ok(Deed::Defer),
        _ => Err(not_one_of(text, "mark, hold, defer")),
    });
    let is_said = is_said || options.protocol == Protocol::Milter;
    only_if_said(
        section,
        later.as_ref(),
        (is_said, "\"rspamd\" or \"milter\""),
    );
    set(&mut options.later, later);
    set(&mut options.max_size, section.text("max_size", size));
    let over_size = section.text("over_size", |text| match text {
        "accept" => Ok(OverSize::Accept),
        "hold" => Ok(OverSize::Hold),
        _ => Err(not_one_of(text, "accept, hold")),
    });
    set(&mut options.over_size, over_size);
}

/// A deed for a verdict that a filter of this kind never gives would protect nobody.
fn only_if_said(section: &Section<'_>, deed: Option<&At<Deed>>, (is_said, by): (bool, &str)) {
    if let Some(deed) = deed.filter(|deed| !is_said && deed.value != Deed::Mark) {
        let what = format!("does nothing here, expected it with kind = {by} only");
        section.source.refuse(deed, what);
    }
}

/// Some of what there is; an empty list would mean nobody, and is a mistake.
fn chosen(
    section: &Section<'_>,
    name: &'static str,
    parse: impl Fn(&str) -> Result<String, String>,
) -> Option<BTreeSet<String>> {
    let some = section.texts(name, parse)?;
    if some.value.is_empty() {
        let what = "names nothing, expected it to be left out: then all count";
        section.source.refuse(&some, what);
    }
    Some(some.value.into_iter().map(|at| at.value).collect())
}

fn place(text: &str) -> Result<Place, String> {
    let path = text.strip_prefix("unix:").unwrap_or(text);
    if path.starts_with('/') {
        return Ok(Place::Unix(PathBuf::from(path)));
    }
    let expected = || {
        format!(
            "\"{text}\" is no whole path and no host and port, expected for example \
             \"/run/clamav/clamd.ctl\" or \"127.0.0.1:3310\""
        )
    };
    let valid = host_and_port(text).map_err(|_| expected())?;
    let (host, port) = valid.rsplit_once(':').ok_or_else(expected)?;
    let port = port.parse().map_err(|_| expected())?;
    Ok(Place::Tcp(host.trim_matches(['[', ']']).to_owned(), port))
}

fn patience(text: &str) -> Result<Duration, String> {
    match duration(text)? {
        short if short < Duration::from_millis(100) => {
            Err(format!("\"{text}\" is too short, expected 100ms or more"))
        }
        long if long > limits::FILTER_TIME_MOST => {
            let most = limits::FILTER_TIME_MOST.as_secs();
            Err(format!("\"{text}\" is too long, expected {most}s or less"))
        }
        patience => Ok(patience),
    }
}

impl Config {
    /// The options of the room `filter`.
    #[must_use]
    pub fn filter_options(&self) -> Vec<Options> {
        let filters = self.filters.iter();
        filters.map(|filter| filter.options.clone()).collect()
    }

    /// A filter that does not answer now, as a warning.
    #[must_use]
    pub fn filter_warning(&self, name: &str, why: &str) -> Problem {
        let of = |filter: &&FilterConfig| filter.options.name == name;
        Problem {
            file: self.file.clone(),
            line: self.filters.iter().find(of).map_or(0, |it| it.line),
            key: format!("filter.{name}"),
            what: format!("does not answer from here: {why}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Problems;

    fn read(filter: &str) -> Result<Config, Problems> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("tideover.toml");
        let text = format!(
            "[server]\nhostname = \"mx.example.org\"\n[[listener]]\nbind = \"127.0.0.1:2525\"\n\
             [backend.onprem]\nhosts = [\"127.0.0.1:2601\"]\n[domain.\"example.org\"]\n\
             home = \"onprem\"\nunknown = \"relay\"\n{filter}\n"
        );
        std::fs::write(&file, text).unwrap();
        crate::config::load(&file)
    }

    #[test]
    fn a_deed_that_could_never_happen_is_refused() {
        let others = ["suspicious = \"hold\"", "later = \"defer\""].map(|deed| {
            let clamd = "[filter.c]\nkind = \"clamd\"\naddress = \"127.0.0.1:3310\"\n";
            read(&format!("{clamd}{deed}")).unwrap_err().to_string()
        });
        assert!(
            others[0].contains("suspicious: does nothing here"),
            "{others:?}"
        );
        assert!(
            others[1].contains("\"rspamd\" or \"milter\" only"),
            "{others:?}"
        );
    }

    #[test]
    fn a_filter_is_read() {
        let config = read(
            "[filter.z]\nkind = \"clamd\"\naddress = \"unix:/run/clamd\"\n\
             [filter.clamav]\nkind = \"clamd\"\naddress = \"[::1]:3310\"\ntimeout = \"5s\"\n\
             on_failure = \"defer\"\nbad = \"reject\"\nmax_size = \"1MiB\"\nover_size = \"hold\"\n\
             max_connections = 2\nmail = \"all\"\nlisteners = [\"127.0.0.1:2525\"]\n\
             domains = [\"Example.org\"]",
        );
        let options = config.unwrap().filter_options();
        let names: Vec<_> = options.iter().map(|it| it.name.as_str()).collect();
        assert_eq!(names, ["z", "clamav"], "in the order of the file");
        let one = |text: &str| BTreeSet::from([text.to_owned()]);
        let expected = Options {
            patience: Duration::from_secs(5),
            on_failure: OnFailure::Defer,
            bad: Deed::Reject,
            max_size: 1 << 20,
            over_size: OverSize::Hold,
            mail: Whose::All,
            listeners: one("127.0.0.1:2525"),
            domains: one("example.org"),
            max_connections: 2,
            ..Options::new(
                "clamav".to_owned(),
                Protocol::Clamd,
                Place::Tcp("::1".to_owned(), 3310),
            )
        };
        assert_eq!(options[1], expected);
        assert_eq!(options[1].place.to_string(), "[::1]:3310");
        let rspamd = "[filter.r]\nkind = \"rspamd\"\naddress = \"127.0.0.1:11333\"\n\
            suspicious = \"hold\"\nlater = \"defer\"\npassword_file = \"tideover.toml\"";
        let expected = Options {
            suspicious: Deed::Hold,
            later: Deed::Defer,
            ..Options::new(
                "r".to_owned(),
                Protocol::Rspamd,
                Place::Tcp("127.0.0.1".to_owned(), 11_333),
            )
        };
        let mut found = read(rspamd).unwrap().filter_options();
        let file = found[0].password_file.take().unwrap();
        assert!(file.ends_with("tideover.toml"), "{file:?}");
        assert_eq!(found, [expected]);
        let told = read(&rspamd.replace("tideover.toml", "absent")).unwrap_err();
        assert!(
            told.to_string().contains("filter.r.password_file"),
            "{told}"
        );
        let plain = Options::new(
            "z".to_owned(),
            Protocol::Clamd,
            Place::Unix("/run/clamd".into()),
        );
        assert_eq!(options[0], plain);
        assert_eq!(
            (plain.bad, plain.on_failure),
            (Deed::Hold, OnFailure::Accept)
        );
    }

    #[test]
    fn what_would_look_at_nothing_is_refused() {
        let good = "kind = \"clamd\"\naddress = \"/run/clamd\"\n";
        for (text, expected) in [
            ("address = \"/run/clamd\"", ":10: filter.a.kind: is missing"),
            ("kind = \"clamd\"", ":10: filter.a.address: is missing"),
            (
                "kind = \"amavis\"\naddress = \"/a\"",
                "expected one of clamd, rspamd, milter",
            ),
            ("kind = \"clamd\"\naddress = \"run/clamd\"", "no whole path"),
            (
                "kind = \"clamd\"\naddress = \"localhost\"",
                "no host and port",
            ),
            (&format!("{good}timeout = \"5m\""), "60s or less"),
            (&format!("{good}timeout = \"0s\""), "too short"),
            (&format!("{good}on_failure = \"reject\""), "accept, defer"),
            (&format!("{good}bad = \"drop\""), "mark, hold, reject"),
            (
                &format!("{good}suspicious = \"defer\""),
                "mark, hold, reject",
            ),
            (&format!("{good}later = \"reject\""), "mark, hold, defer"),
            (
                &format!("{good}password_file = \"a\""),
                "with kind = \"rspamd\" only",
            ),
            (&format!("{good}max_connections = 0"), "out of range"),
            (&format!("{good}listeners = []"), "names nothing"),
            (
                &format!("{good}listeners = [\"127.0.0.1:25\"]"),
                "no bind of a [[listener]], expected 127.0.0.1:2525",
            ),
            (
                &format!("{good}domains = [\"b.example\"]"),
                "no [domain.NAME]",
            ),
            (&format!("{good}timeot = \"5s\""), "did you mean timeout?"),
        ] {
            let told = read(&format!("[filter.a]\n{text}")).unwrap_err();
            assert!(told.to_string().contains(expected), "{text}: {told}");
        }
        let told = read(&format!("[filter.\"a b\"]\n{good}")).unwrap_err();
        assert!(told.to_string().contains("has a name"), "{told}");
        let many: Vec<_> = (0..9).map(|n| format!("[filter.f{n}]\n{good}")).collect();
        let told = read(&many.concat()).unwrap_err().to_string();
        assert!(told.contains("filter.f8: is one too many"), "{told}");
    }
}
