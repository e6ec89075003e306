//! `directory.csv`: a header row, one entry a line; or an export of a platform. All errors at once,
//! each with its line.

use std::fmt;
use std::io::Read;
use std::path::Path;

use super::encoding::Decoded;
use super::exports::Layout;
use super::reading::{Oddities, Taker};
use super::{Builder, Directory, EntryKind, Record, Rules};
use crate::base::open_regular;
use crate::limits;
use crate::mail::BackendId;
use crate::smtp::Mailbox;
use crate::terminal::{clamped, visible};

const COLUMNS: &str = "address, home, delivery_address, delivery_address.BACKEND, name, type, \
                       aliases, receive_only, x500, second_address, members, hidden, internal_only";

/// Characters that are said of a bad row, which may be long: its begin, and what is expected.
const SAID: usize = 300;

/// What a directory file is read against.
#[derive(Debug, Clone, Default)]
pub struct ImportOptions {
    /// By which rules its rows become a directory.
    pub rules: Rules,
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
    pub(super) fn push(&mut self, line: u64, column: Option<&str>, what: impl Into<String>) {
        if self.errors.len() < limits::IMPORT_ERRORS {
            self.errors.push(RowError {
                line,
                column: column.map(visible),
                what: clamped(&visible(&what.into()), SAID),
            });
        } else {
            self.more += 1;
        }
    }
}

/// What came of reading a file.
#[derive(Debug, Clone, Default)]
pub struct Reading {
    /// Rows that were good.
    pub good: u64,
    /// What is wrong.
    pub errors: ImportErrors,
    /// Addresses that platforms refuse.
    pub odd: Oddities,
    /// Bad rows of which nobody knows whom they name.
    pub nameless: u64,
    /// The file as a whole cannot be understood, or not be read to its end: no row of it counts.
    pub hopeless: bool,
}

/// A row of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Row {
    /// What it says.
    Good(Box<Record>),
    /// It is bad; whom it names, if that can be read.
    Bad(Option<Mailbox>),
}

/// Takes the rows of a file.
pub type Sink<'a> = dyn FnMut(Row) + 'a;

/// Reads the directory file at `path`.
///
/// # Errors
/// Everything that is wrong in it, or that it cannot be read.
pub fn read_csv_file(path: &Path, options: ImportOptions) -> Result<Directory, ImportErrors> {
    match open_regular(path) {
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
    let ImportOptions { rules, backends } = options;
    let mut builder = Builder::new(rules.clone());
    let against = Against {
        rules: &rules,
        backends: &backends,
    };
    let reading = read_rows(input, against, &mut |row| {
        if let Row::Good(record) = row {
            builder.add(*record);
        }
    });
    if reading.errors.errors.is_empty() {
        Ok(builder.finish())
    } else {
        Err(reading.errors)
    }
}

/// What rows are read against.
#[derive(Debug, Clone, Copy)]
pub struct Against<'a> {
    /// By which rules they become a directory.
    pub rules: &'a Rules,
    /// The backends that they may name.
    pub backends: &'a [BackendId],
}

/// Reads a directory file row by row.
pub fn read_rows(input: impl Read, against: Against<'_>, sink: &mut Sink<'_>) -> Reading {
    let mut reading = Reading::default();
    let errors = &mut reading.errors;
    let input = match Decoded::new(input) {
        Ok(input) => input,
        Err(error) => {
            errors.push(1, None, format!("cannot be read: {error}"));
            reading.hopeless = true;
            return reading;
        }
    };
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .from_reader(input);
    let mut record = csv::ByteRecord::new();
    let mut first = read_record(&mut reader, &mut record, errors);
    // What PowerShell says of its objects.
    if first == More::Yes && names_a_type(&record) {
        first = read_record(&mut reader, &mut record, errors);
    }
    if first != More::Yes {
        if errors.errors.is_empty() {
            let what = format!("the file is empty, expected a header row: {COLUMNS}");
            errors.push(1, None, what);
        }
        reading.hopeless = true;
        return reading;
    }
    let layout = Layout::of(&record);
    let header = if layout.is_some() {
        Header(Vec::new())
    } else {
        Header::read(&record, against.backends, errors)
    };
    reading.hopeless = !errors.errors.is_empty();
    if layout.is_none() && !header.has_address() {
        // What the rows mean is a guess: nothing more is told about them.
        return reading;
    }
    let mut taker = Taker::new(against.rules);
    loop {
        match read_record(&mut reader, &mut record, errors) {
            More::Yes => {}
            More::End => return reading,
            More::Broken => {
                reading.hopeless = true;
                return reading;
            }
        }
        let line = record.position().map_or(0, csv::Position::line);
        let fields = Fields {
            line,
            header: &header,
            backends: against.backends,
        };
        let row = match &layout {
            Some(layout) => layout.row(line, &record, (&mut taker, errors)),
            None => fields.row(&record, (&mut taker, errors)),
        };
        let mut good = None;
        match &row {
            Row::Good(record) => {
                reading.good += 1;
                good = Some(&**record);
            }
            Row::Bad(Some(_)) => {}
            Row::Bad(None) => reading.nameless += 1,
        }
        taker.tell(line, good, &mut reading.odd);
        sink(row);
    }
}

fn names_a_type(record: &csv::ByteRecord) -> bool {
    let first = record.get(0).unwrap_or_default();
    let first = first.strip_prefix(b"\xef\xbb\xbf").unwrap_or(first);
    first.starts_with(b"#TYPE")
}

/// Is there another record?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum More {
    Yes,
    End,
    /// The file ends before its end.
    Broken,
}

/// The next record.
fn read_record(
    reader: &mut csv::Reader<impl Read>,
    record: &mut csv::ByteRecord,
    errors: &mut ImportErrors,
) -> More {
    match reader.read_byte_record(record) {
        Ok(true) => More::Yes,
        Ok(false) => More::End,
        Err(error) => {
            let line = reader.position().line();
            errors.push(line, None, format!("cannot be read: {error}"));
            More::Broken
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
    Hidden,
    InternalOnly,
    ReceiveOnly,
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
        "hidden" => Column::Hidden,
        "internal_only" => Column::InternalOnly,
        "receive_only" => Column::ReceiveOnly,
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

/// Where it is told what is odd and what is wrong.
pub(super) type Telling<'a, 'r> = (&'a mut Taker<'r>, &'a mut ImportErrors);

/// The fields of a row, by its header.
struct Fields<'a> {
    line: u64,
    header: &'a Header,
    backends: &'a [BackendId],
}

impl Fields<'_> {
    fn row(&self, record: &csv::ByteRecord, (taker, errors): Telling<'_, '_>) -> Row {
        if record.iter().any(|field| field.contains(&b'\n')) {
            let what = "a field goes on over the end of the line, expected a closing quote";
            errors.push(self.line, None, what);
            // Other rows are swallowed.
            return Row::Bad(None);
        }
        match self.read(record, (taker, errors)) {
            Some(record) => Row::Good(Box::new(record)),
            // In a row that is too short or too long any field may be any column.
            None if record.len() != self.header.0.len() => Row::Bad(None),
            None => Row::Bad(self.address(record, &mut taker.quiet())),
        }
    }

    fn address(&self, record: &csv::ByteRecord, taker: &mut Taker<'_>) -> Option<Mailbox> {
        let mut columns = self.header.0.iter().zip(record);
        let found = columns.find(|((_, column), _)| *column == Some(Column::Address));
        let ((name, _), field) = found?;
        let text = std::str::from_utf8(field).ok()?.trim();
        taker.mailbox(name, text).ok()
    }

    /// What a row says; `None` when it is bad, after telling why.
    fn read(&self, record: &csv::ByteRecord, (taker, errors): Telling<'_, '_>) -> Option<Record> {
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
        let mut good = true;
        let own = columns.iter().zip(record);
        let own = own.filter(|((_, column), _)| *column == Some(Column::Address));
        let empty = own
            .into_iter()
            .all(|(_, field)| field.iter().all(u8::is_ascii_whitespace));
        if empty {
            let what = "is empty, expected an address such as ann@example.org";
            errors.push(self.line, Some("address"), what);
            good = false;
        }
        let mut draft = NOBODY.parse().ok().map(Record::new)?;
        for ((name, column), field) in columns.iter().zip(record) {
            let text = std::str::from_utf8(field)
                .map_err(|_| "is not UTF-8, expected the file to be saved as UTF-8".to_owned());
            let Some(column) = column else { continue };
            let set = text.and_then(|text| match text.trim() {
                "" => Ok(()),
                text => set((&mut draft, taker), (name, column), text, self.backends),
            });
            if let Err(what) = set {
                errors.push(self.line, Some(name), what);
                good = false;
            }
        }
        good.then_some(draft)
    }
}

/// Stands where the address of a row comes.
const NOBODY: &str = "nobody@localhost";

fn set(
    (record, taker): (&mut Record, &mut Taker<'_>),
    (name, column): (&str, &Column),
    text: &str,
    backends: &[BackendId],
) -> Result<(), String> {
    let mut one = |text: &str| taker.mailbox(name, text);
    match column {
        Column::Address => record.address = one(text)?,
        Column::Home => record.home = Some(backend_named(text, backends)?),
        Column::DeliveryAddress => record.delivery_address = Some(one(text)?),
        Column::DeliveryAddressOf(backend) => {
            let address = one(text)?;
            record.delivery_addresses.insert(backend.clone(), address);
        }
        Column::Name => text.clone_into(&mut record.name),
        Column::Kind => record.kind = Some(kind(text)?),
        Column::Aliases => record.aliases = values(text).map(one).collect::<Result<_, _>>()?,
        Column::X500 => record.x500 = values(text).map(str::to_owned).collect(),
        Column::SecondAddress => record.second_address = Some(one(text)?),
        Column::Members => record.members = values(text).map(one).collect::<Result<_, _>>()?,
        Column::ReceiveOnly => {
            record.receive_only = values(text).map(one).collect::<Result<_, _>>()?;
        }
        Column::Hidden => record.hidden = Some(yes_or_no(text)?),
        Column::InternalOnly => record.internal_only = Some(yes_or_no(text)?),
    }
    Ok(())
}

fn yes_or_no(text: &str) -> Result<bool, String> {
    match text.to_ascii_lowercase().as_str() {
        "yes" | "true" | "1" => Ok(true),
        "no" | "false" | "0" => Ok(false),
        _ => Err(format!("\"{text}\" is neither yes nor no")),
    }
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
