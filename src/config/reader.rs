//! Reads TOML tables key by key, notes every problem with its line, and knows in the end which
//! keys nobody asked for.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::nearest::nearest;
use super::notes::{Seen, SeenKey, without_login};
use super::problem::{Problem, Problems};

/// A value with the place that it comes from.
#[derive(Debug, Clone)]
pub(super) struct At<T> {
    pub(super) value: T,
    pub(super) line: usize,
    pub(super) key: String,
}

/// The file that is read, and what is wrong in it so far.
pub(super) struct Source<'a> {
    file: &'a Path,
    text: &'a str,
    problems: RefCell<Vec<Problem>>,
    /// Every key that was asked for, names replaced by `NAME`: the reference of all keys.
    asked: RefCell<BTreeSet<String>>,
    /// The sections in the order in which they were read; the first one is the file itself.
    seen: RefCell<Vec<Seen>>,
}

impl<'a> Source<'a> {
    pub(super) fn new(file: &'a Path, text: &'a str) -> Self {
        Self {
            file,
            text,
            problems: RefCell::default(),
            asked: RefCell::default(),
            seen: RefCell::new(vec![Seen::default()]),
        }
    }

    /// Notes a problem.
    pub(super) fn problem(&self, line: usize, key: impl Into<String>, what: impl Into<String>) {
        self.problems.borrow_mut().push(Problem {
            file: self.file.to_owned(),
            line,
            key: key.into(),
            what: what.into(),
        });
    }

    /// Notes a problem of a value.
    pub(super) fn refuse<T>(&self, at: &At<T>, what: impl Into<String>) {
        self.problem(at.line, at.key.as_str(), what);
    }

    /// The file.
    pub(super) const fn file(&self) -> &Path {
        self.file
    }

    /// A path of the file: relative ones are relative to its folder.
    pub(super) fn path(&self, text: &str) -> PathBuf {
        self.file.parent().unwrap_or(Path::new("")).join(text)
    }

    /// The line of a place in the text, from 1.
    pub(super) fn line(&self, offset: usize) -> usize {
        let before = self.text.as_bytes().iter().take(offset);
        1 + before.filter(|byte| **byte == b'\n').count()
    }

    /// What is wrong, in the order of the file.
    pub(super) fn problems(&self) -> Problems {
        let mut problems = self.problems.borrow().clone();
        problems.sort();
        problems.dedup();
        Problems(problems)
    }

    /// What the file says, as far as it was asked for.
    pub(super) fn seen(&self) -> Vec<Seen> {
        self.seen.borrow().clone()
    }

    /// The file as it is.
    pub(super) const fn whole(&self) -> &str {
        self.text
    }

    /// Notes a section, and returns its number.
    fn see(&self, section: Seen) -> usize {
        let mut seen = self.seen.borrow_mut();
        seen.push(section);
        seen.len() - 1
    }

    fn look(&self, number: usize, what: impl FnOnce(&mut Seen)) {
        if let Some(section) = self.seen.borrow_mut().get_mut(number) {
            what(section);
        }
    }

    #[cfg(test)]
    pub(super) fn asked(&self) -> BTreeSet<String> {
        self.asked.borrow().clone()
    }
}

/// One table.
pub(super) struct Section<'a> {
    pub(super) source: &'a Source<'a>,
    /// `backend.onprem.`, or empty for the file itself.
    prefix: String,
    /// `backend.NAME.`.
    generic: String,
    table: &'a DeTable<'a>,
    line: usize,
    known: RefCell<BTreeSet<&'static str>>,
    /// Its number in `Source::seen`.
    number: usize,
}

impl<'a> Section<'a> {
    pub(super) fn root(source: &'a Source<'a>, table: &'a DeTable<'a>) -> Self {
        Self {
            source,
            prefix: String::new(),
            generic: String::new(),
            table,
            line: 0,
            known: RefCell::default(),
            number: 0,
        }
    }

    /// A text, as `parse` understands it; what `parse` says is told with the line.
    pub(super) fn text<T>(
        &self,
        name: &'static str,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Option<At<T>> {
        let value = self.shown(name)?;
        self.parse_text(name, value, &parse)
    }

    /// A text that may be a secret: nobody sees it who looks at the config.
    pub(super) fn secret<T>(
        &self,
        name: &'static str,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Option<At<T>> {
        let value = self.noted(name, SeenKey::hidden)?;
        self.parse_text(name, value, &parse)
    }

    /// A list of texts. `None` when the key is not there; texts that are wrong are left out.
    pub(super) fn texts<T>(
        &self,
        name: &'static str,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Option<At<Vec<At<T>>>> {
        let value = self.shown(name)?;
        self.parse_texts(name, value, &parse)
    }

    /// A program and its arguments, which may be secrets.
    pub(super) fn program(&self, name: &'static str) -> Option<At<Vec<At<String>>>> {
        let value = self.noted(name, SeenKey::program)?;
        self.parse_texts(name, value, &|text| Ok(text.to_owned()))
    }

    fn parse_texts<T>(
        &self,
        name: &str,
        value: &Spanned<DeValue<'_>>,
        parse: &impl Fn(&str) -> Result<T, String>,
    ) -> Option<At<Vec<At<T>>>> {
        let Some(list) = value.get_ref().as_array() else {
            self.wrong_type(name, value, "a list of strings");
            return None;
        };
        let texts = list.iter();
        let texts = texts.filter_map(|text| self.parse_text(name, text, parse));
        Some(self.at(name, value, texts.collect()))
    }

    /// `true` or `false`.
    pub(super) fn switch(&self, name: &'static str) -> Option<At<bool>> {
        let value = self.shown(name)?;
        let Some(on) = value.get_ref().as_bool() else {
            self.wrong_type(name, value, "true or false");
            return None;
        };
        Some(self.at(name, value, on))
    }

    /// A whole number from `least` to `most`.
    pub(super) fn number(&self, name: &'static str, least: u32, most: u32) -> Option<At<u32>> {
        let value = self.shown(name)?;
        let Some(number) = value.get_ref().as_integer() else {
            self.wrong_type(name, value, "a number");
            return None;
        };
        let parsed = i64::from_str_radix(number.as_str(), number.radix());
        let parsed = parsed.ok().and_then(|number| u32::try_from(number).ok());
        let fits = parsed.filter(|number| (least..=most).contains(number));
        if fits.is_none() {
            let what = format!("{number} is out of range, expected {least} to {most}");
            self.source
                .problem(self.line_of(value), self.key(name), what);
        }
        fits.map(|number| self.at(name, value, number))
    }

    /// A table.
    pub(super) fn section(&self, name: &'static str) -> Option<Self> {
        let value = self.value(name)?;
        self.table(name, value, None)
    }

    /// A table whose keys are names: the name and the table of each, in the order of the file.
    pub(super) fn named(&self, name: &'static str) -> Vec<(At<String>, Self)> {
        let Some(value) = self.value(name) else {
            return Vec::new();
        };
        let Some(table) = value.get_ref().as_table() else {
            self.wrong_type(name, value, "a table");
            return Vec::new();
        };
        let mut sections: Vec<_> = table
            .iter()
            .filter_map(|(key, value)| {
                let text = key.get_ref().to_string();
                let line = self.source.line(key.span().start);
                let section = self.table(name, value, Some(&text))?;
                let key = section.prefix.trim_end_matches('.').to_owned();
                let name = At {
                    value: text,
                    line,
                    key,
                };
                Some((name, Self { line, ..section }))
            })
            .collect();
        sections.sort_by_key(|(name, _)| name.line);
        sections
    }

    /// A list of tables.
    pub(super) fn list(&self, name: &'static str) -> Vec<Self> {
        let Some(value) = self.value(name) else {
            return Vec::new();
        };
        let Some(list) = value.get_ref().as_array() else {
            self.wrong_type(name, value, "a list of tables ([[…]])");
            return Vec::new();
        };
        let sections = list.iter().zip(1..);
        sections
            .filter_map(|(value, place)| {
                let section = self.table(name, value, None)?;
                let number = section.number;
                self.source.look(number, |seen| seen.place = Some(place));
                Some(section)
            })
            .collect()
    }

    /// Says what holds here when a key is left out, where that is not what the reference says.
    pub(super) fn usually(&self, name: &'static str, value: &str) {
        let value = value.to_owned();
        self.source.look(self.number, |seen| {
            seen.usual.insert(name, value);
        });
    }

    /// A key that the contract has and this version cannot do yet: better refused than ignored.
    pub(super) fn not_yet(&self, name: &'static str, what: &str) {
        self.known.borrow_mut().insert(name);
        if let Some((key, _)) = self.table.iter().find(|(key, _)| *key.get_ref() == name) {
            let line = self.source.line(key.span().start);
            let what =
                format!("{what} is not possible in this version, expected the key to be left out");
            self.source.problem(line, self.key(name), what);
        }
    }

    /// Is the key there, right or wrong?
    pub(super) fn has(&self, name: &str) -> bool {
        self.table.iter().any(|(key, _)| *key.get_ref() == name)
    }

    /// Tells that a key is missing.
    pub(super) fn missing(&self, name: &str, expected: &str) {
        let what = format!("is missing, expected {expected}");
        self.source.problem(self.line, self.key(name), what);
    }

    /// Tells of the keys that nobody asked for.
    pub(super) fn finish(self) {
        let known = self.known.borrow();
        for (key, _) in self.table {
            let name = key.get_ref().as_ref();
            if known.contains(name) {
                continue;
            }
            let names: Vec<_> = known.iter().copied().collect();
            let what = match nearest(name, &names) {
                Some(near) => format!("unknown key, did you mean {near}?"),
                None => format!("unknown key, expected one of {}", names.join(", ")),
            };
            let line = self.source.line(key.span().start);
            self.source.problem(line, self.key(name), what);
        }
    }

    fn value(&self, name: &'static str) -> Option<&'a Spanned<DeValue<'a>>> {
        self.known.borrow_mut().insert(name);
        let asked = format!("{}{name}", self.generic);
        self.source.asked.borrow_mut().insert(asked);
        let entry = self.table.iter().find(|(key, _)| *key.get_ref() == name);
        entry.map(|(_, value)| value)
    }

    /// A value that is no secret.
    fn shown(&self, name: &'static str) -> Option<&'a Spanned<DeValue<'a>>> {
        self.noted(name, SeenKey::plain)
    }

    fn noted(
        &self,
        name: &'static str,
        note: fn(usize, &DeValue<'_>) -> SeenKey,
    ) -> Option<&'a Spanned<DeValue<'a>>> {
        let value = self.value(name)?;
        let key = note(self.line_of(value), value.get_ref());
        self.source.look(self.number, |seen| {
            seen.keys.insert(name, key);
        });
        Some(value)
    }

    fn parse_text<T>(
        &self,
        name: &str,
        value: &Spanned<DeValue<'_>>,
        parse: &impl Fn(&str) -> Result<T, String>,
    ) -> Option<At<T>> {
        let Some(text) = value.get_ref().as_str() else {
            self.wrong_type(name, value, "a string in quotes");
            return None;
        };
        match parse(text) {
            Ok(parsed) => Some(self.at(name, value, parsed)),
            Err(what) => {
                // Problems are shown to whoever may see the config.
                let what = what.replace(text, &without_login(text));
                self.source
                    .problem(self.line_of(value), self.key(name), what);
                None
            }
        }
    }

    fn table(
        &self,
        name: &str,
        value: &'a Spanned<DeValue<'a>>,
        inner: Option<&str>,
    ) -> Option<Self> {
        let (mut prefix, mut generic) = (
            format!("{}{name}.", self.prefix),
            format!("{}{name}.", self.generic),
        );
        if let Some(inner) = inner {
            prefix.push_str(&quoted(inner));
            prefix.push('.');
            generic.push_str("NAME.");
        }
        let Some(table) = value.get_ref().as_table() else {
            let key = prefix.trim_end_matches('.');
            let what = format!("is {}, expected a table", value.get_ref().type_str());
            self.source.problem(self.line_of(value), key, what);
            return None;
        };
        let line = self.line_of(value);
        let number = self.source.see(Seen {
            path: prefix.trim_end_matches('.').to_owned(),
            generic: generic.trim_end_matches('.').to_owned(),
            parent: Some(self.number),
            line,
            ..Seen::default()
        });
        Some(Self {
            source: self.source,
            prefix,
            generic,
            table,
            line,
            known: RefCell::default(),
            number,
        })
    }

    fn wrong_type(&self, name: &str, value: &Spanned<DeValue<'_>>, expected: &str) {
        let kind = value.get_ref().type_str();
        let what = format!("is of type {kind}, expected {expected}");
        self.source
            .problem(self.line_of(value), self.key(name), what);
    }

    fn at<T>(&self, name: &str, value: &Spanned<DeValue<'_>>, parsed: T) -> At<T> {
        At {
            value: parsed,
            line: self.line_of(value),
            key: self.key(name),
        }
    }

    fn line_of(&self, value: &Spanned<DeValue<'_>>) -> usize {
        self.source.line(value.span().start)
    }

    fn key(&self, name: &str) -> String {
        format!("{}{}", self.prefix, quoted(name))
    }
}

/// A name as TOML writes it.
fn quoted(name: &str) -> String {
    let bare = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if !name.is_empty() && name.chars().all(bare) {
        name.to_owned()
    } else {
        format!("\"{}\"", name.escape_debug())
    }
}
