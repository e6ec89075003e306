//! `directory.csv`: a header row, one entry a line. All errors at once, each with its line.

use std::fmt;
use std::io::Read;
use std::path::Path;
use std::str::FromStr;

use super::{Directory, DomainRule, Entry, EntryKind};
use crate::limits;
use crate::mail::BackendId;
use crate::smtp::Mailbox;

const COLUMNS: &str = "address, home, delivery_address, delivery_address.BACKEND, name, type, \
                       aliases, x500, second_address, members";

/// What a directory file is read against.
#[derive(Debug, Clone, Default)]
pub struct ImportOptions {
    /// Our domains.
    pub domains: Vec<DomainRule>,
    /// The backends that `home` and `delivery_address.BACKEND` may name.
    pub backends: Vec<BackendId>,
}

/// One thing that is wrong in a directory file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowError {
    /// The line; 1 is the header.
    pub line: u64,
    /// The column, when it is one.
    pub column: Option<String>,
    /// What is wrong and what is expected.
    pub what: String,
}

impl fmt::Display for RowError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: ", self.line)?;
        if let Some(column) = &self.column {
            write!(f, "{column}: ")?;
        }
        f.write_str(&self.what)
    }
}

/// Everything that is wrong in a directory file; nothing of it is used.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ImportErrors {
    /// The first [`limits::IMPORT_ERRORS`] of them, in the order of the file.
    pub errors: Vec<RowError>,
    /// How many more there are.
    pub more: u64,
}

impl fmt::Display for ImportErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, error) in self.errors.iter().enumerate() {
            if place > 0 {
                f.write_str("\n")?;
            }
            error.fmt(f)?;
        }
        if self.more > 0 {
            write!(f, "\nand {} more", self.more)?;
        }
        Ok(())
    }
}

impl std::error::Error for ImportErrors {}

impl ImportErrors {
    fn push(&mut self, line: u64, column: Option<&str>, what: impl Into<String>) {
        if self.errors.len() < limits::IMPORT_ERRORS {
            self.errors.push(RowError {
                line,
                column: column.map(str::to_owned),
                what: what.into(),
            });
        } else {
            self.more += 1;
        }
    }
}

/// Reads the directory file at `path`.
///
/// # Errors
/// Everything that is wrong in it, or that it cannot be read.
pub fn read_csv_file(path: &Path, options: ImportOptions) -> Result<Directory, ImportErrors> {
    match std::fs::File::open(path) {
        Ok(file) => read_csv(std::io::BufReader::new(file), options),
        Err(error) => {
            let mut errors = ImportErrors::default();
            errors.push(0, None, format!("cannot be read: {error}"));
            Err(errors)
        }
    }
}

/// Reads a directory file.
///
/// # Errors
/// Everything that is wrong in it.
pub fn read_csv(input: impl Read, options: ImportOptions) -> Result<Directory, ImportErrors> {
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .from_reader(input);
    let mut errors = ImportErrors::default();
    let mut record = csv::ByteRecord::new();
    if !read_record(&mut reader, &mut record, &mut errors) {
        if errors.errors.is_empty() {
            errors.push(
                1,
                None,
                format!("the file is empty, expected a header row: {COLUMNS}"),
            );
        }
        return Err(errors);
    }
    let header = Header::read(&record, &options.backends, &mut errors);
    if !header.has_address() {
        // What the rows mean is a guess: nothing more is told about them.
        return Err(errors);
    }
    let mut builder = Directory::builder(options.domains);
    while read_record(&mut reader, &mut record, &mut errors) {
        let line = record.position().map_or(0, csv::Position::line);
        let row = Row {
            line,
            header: &header,
            backends: &options.backends,
        };
        if record.iter().any(|field| field.contains(&b'\n')) {
            let what = "a field goes on over the end of the line, expected a closing quote";
            errors.push(line, None, what);
            continue;
        }
        let Some(entry) = row.read(&record, &mut errors) else {
            continue;
        };
        if let Err(error) = builder.add(&entry, line) {
            errors.push(line, None, error.to_string());
            break;
        }
    }
    if errors.errors.is_empty() {
        Ok(builder.finish())
    } else {
        Err(errors)
    }
}

/// The next record; false at the end of the file, also when it cannot be read any further.
fn read_record(
    reader: &mut csv::Reader<impl Read>,
    record: &mut csv::ByteRecord,
    errors: &mut ImportErrors,
) -> bool {
    match reader.read_byte_record(record) {
        Ok(more) => more,
        Err(error) => {
            let line = reader.position().line();
            errors.push(line, None, format!("cannot be read: {error}"));
            false
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Column {
    Address,
    Home,
    DeliveryAddress,
    DeliveryAddressOf(BackendId),
    Name,
    Kind,
    Aliases,
    X500,
    SecondAddress,
    Members,
}

/// The columns of a file, `None` where one is unknown.
struct Header(Vec<(String, Option<Column>)>);

impl Header {
    fn read(record: &csv::ByteRecord, backends: &[BackendId], errors: &mut ImportErrors) -> Self {
        let mut columns: Vec<(String, Option<Column>)> = Vec::new();
        for field in record {
            let name = std::str::from_utf8(field).unwrap_or_default();
            // Spreadsheets put a byte order mark in front.
            let name = name.trim_start_matches('\u{feff}').trim();
            let column = match column(name, backends) {
                Ok(column) => Some(column),
                Err(what) => {
                    errors.push(1, None, what);
                    None
                }
            };
            if column.is_some() && columns.iter().any(|(_, other)| *other == column) {
                errors.push(1, Some(name), "the column is there twice, expected once");
            }
            columns.push((name.to_owned(), column));
        }
        let header = Self(columns);
        if !header.has_address() {
            let what = format!("the column address is missing, expected a header row: {COLUMNS}");
            errors.push(1, None, what);
        }
        header
    }

    fn has_address(&self) -> bool {
        let mut columns = self.0.iter();
        columns.any(|(_, column)| *column == Some(Column::Address))
    }
}

fn column(name: &str, backends: &[BackendId]) -> Result<Column, String> {
    if let Some(backend) = name.strip_prefix("delivery_address.") {
        return backend_named(backend, backends).map(Column::DeliveryAddressOf);
    }
    Ok(match name {
        "address" => Column::Address,
        "home" => Column::Home,
        "delivery_address" => Column::DeliveryAddress,
        "name" => Column::Name,
        "type" => Column::Kind,
        "aliases" => Column::Aliases,
        "x500" => Column::X500,
        "second_address" => Column::SecondAddress,
        "members" => Column::Members,
        joined if joined.contains([';', '\t']) => {
            let what = "the header is separated by semicolons or tabs, expected commas";
            return Err(what.to_owned());
        }
        unknown => return Err(format!("unknown column \"{unknown}\", expected {COLUMNS}")),
    })
}

fn backend_named(name: &str, backends: &[BackendId]) -> Result<BackendId, String> {
    let known = backends.iter().find(|backend| backend.as_str() == name);
    known.cloned().ok_or_else(|| {
        let names: Vec<_> = backends.iter().map(BackendId::as_str).collect();
        format!(
            "\"{name}\" is no backend, expected one of {}",
            names.join(", ")
        )
    })
}

struct Row<'a> {
    line: u64,
    header: &'a Header,
    backends: &'a [BackendId],
}

impl Row<'_> {
    /// The entry of a row; `None` when it has none, after telling why.
    fn read(&self, record: &csv::ByteRecord, errors: &mut ImportErrors) -> Option<Entry> {
        let columns = &self.header.0;
        if record.len() != columns.len() {
            let what = format!(
                "{} fields, expected {} as in the header",
                record.len(),
                columns.len()
            );
            errors.push(self.line, None, what);
            return None;
        }
        let mut draft = EntryDraft::default();
        let mut good = true;
        for ((name, column), field) in columns.iter().zip(record) {
            let text = std::str::from_utf8(field)
                .map_err(|_| "is not UTF-8, expected the file to be saved as UTF-8".to_owned());
            let Some(column) = column else { continue };
            let set = text.and_then(|text| match text.trim() {
                "" => Ok(()),
                text => draft.set(column, text, self.backends),
            });
            if let Err(what) = set {
                errors.push(self.line, Some(name), what);
                good = false;
            }
        }
        let entry = draft.finish();
        if entry.is_none() && good {
            let what = "is empty, expected an address such as ann@example.org";
            errors.push(self.line, Some("address"), what);
        }
        entry.filter(|_| good)
    }
}

#[derive(Default)]
struct EntryDraft {
    address: Option<Mailbox>,
    home: Option<BackendId>,
    delivery_address: Option<Mailbox>,
    delivery_addresses: std::collections::BTreeMap<BackendId, Mailbox>,
    name: String,
    kind: EntryKind,
    aliases: Vec<Mailbox>,
    x500: Vec<String>,
    second_address: Option<Mailbox>,
    members: Vec<Mailbox>,
}

impl EntryDraft {
    fn set(&mut self, column: &Column, text: &str, backends: &[BackendId]) -> Result<(), String> {
        match column {
            Column::Address => self.address = Some(mailbox(text)?),
            Column::Home => self.home = Some(backend_named(text, backends)?),
            Column::DeliveryAddress => self.delivery_address = Some(mailbox(text)?),
            Column::DeliveryAddressOf(backend) => {
                let address = mailbox(text)?;
                self.delivery_addresses.insert(backend.clone(), address);
            }
            Column::Name => text.clone_into(&mut self.name),
            Column::Kind => self.kind = kind(text)?,
            Column::Aliases => self.aliases = mailboxes(text)?,
            Column::X500 => self.x500 = values(text).map(str::to_owned).collect(),
            Column::SecondAddress => self.second_address = Some(mailbox(text)?),
            Column::Members => self.members = mailboxes(text)?,
        }
        Ok(())
    }

    fn finish(self) -> Option<Entry> {
        Some(Entry {
            address: self.address?,
            home: self.home,
            delivery_address: self.delivery_address,
            delivery_addresses: self.delivery_addresses,
            name: self.name,
            kind: self.kind,
            aliases: self.aliases,
            x500: self.x500,
            second_address: self.second_address,
            members: self.members,
        })
    }
}

fn mailbox(text: &str) -> Result<Mailbox, String> {
    Mailbox::from_str(text).map_err(|error| format!("\"{text}\": {error}"))
}

fn mailboxes(text: &str) -> Result<Vec<Mailbox>, String> {
    values(text).map(mailbox).collect()
}

fn kind(text: &str) -> Result<EntryKind, String> {
    let kind = EntryKind::ALL
        .into_iter()
        .find(|kind| kind.as_str().eq_ignore_ascii_case(text));
    kind.ok_or_else(|| {
        let kinds = EntryKind::ALL.map(EntryKind::as_str).join(", ");
        format!("\"{text}\" is no type, expected one of {kinds}")
    })
}

/// Several values in one field.
fn values(text: &str) -> impl Iterator<Item = &str> {
    text.split(';')
        .map(str::trim)
        .filter(|text| !text.is_empty())
}

#[cfg(test)]
#[path = "import_tests.rs"]
mod tests;
