//! Text for people: tables, times and colours within the width of a terminal.
//!
//! Subjects, addresses and replies come from strangers: what would move the cursor, change
//! colours or reverse the direction of the line is made visible instead.

mod bar;
mod door;

use std::io::IsTerminal as _;

pub use bar::Bar;
pub use door::{beginning, harmless, height};

use crate::base::Timestamp;

/// Columns of a page.
pub const WIDTH: usize = 80;
const GAP: usize = 2;

/// A text of at most about so many characters: the middle of a longer one is left out.
#[must_use]
pub fn clamped(text: &str, most: usize) -> String {
    let letters = text.chars().count();
    if letters <= most {
        return text.to_owned();
    }
    let tail = most / 2;
    let head: String = text.chars().take(most - tail).collect();
    let rest: String = text.chars().skip(letters - tail).collect();
    format!("{head}…{rest}")
}

/// `1 message`, `2 messages`.
#[must_use]
pub fn many(count: u64, what: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {what}{plural}")
}

/// May colours be used on stdout? Only on a terminal that has them, and not when NO_COLOR is set
/// (<https://no-color.org>).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Palette {
    /// None.
    Plain,
    /// ANSI colours.
    Colour,
}

/// What a colour says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// As it should be.
    Good,
    /// Somebody has to act.
    Bad,
    /// Not yet, and nothing is lost.
    Waiting,
    /// Look here.
    Strong,
    /// Beside the point.
    Quiet,
}

/// Would this terminal show sequences instead of obeying them?
#[must_use]
pub fn is_dumb() -> bool {
    std::env::var_os("TERM").is_none_or(|name| name.is_empty() || name == "dumb")
}

impl Palette {
    /// For stdout as it is.
    pub fn of_stdout() -> Self {
        let forbidden = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        if std::io::stdout().is_terminal() && !forbidden && !is_dumb() {
            Self::Colour
        } else {
            Self::Plain
        }
    }

    /// `text` in a tone.
    pub fn paint(self, tone: Tone, text: &str) -> String {
        let code = match tone {
            Tone::Good => "32",
            Tone::Bad => "31",
            Tone::Waiting => "33",
            Tone::Strong => "1",
            Tone::Quiet => "2",
        };
        match self {
            Self::Plain => text.to_owned(),
            Self::Colour => format!("\x1b[{code}m{text}\x1b[0m"),
        }
    }
}

/// A table: a head and rows of as many cells. The columns marked as elastic give way when it is
/// too wide, the widest first.
#[derive(Debug)]
pub struct Table {
    head: Vec<&'static str>,
    elastic: Vec<usize>,
    rows: Vec<Vec<(String, Option<Tone>)>>,
}

impl Table {
    /// An empty table; `elastic` are numbers of columns.
    pub fn new(head: &[&'static str], elastic: &[usize]) -> Self {
        Self {
            head: head.to_vec(),
            elastic: elastic.to_vec(),
            rows: Vec::new(),
        }
    }

    /// Adds a row.
    pub fn row(&mut self, cells: impl IntoIterator<Item = Cell>) {
        let cells = cells
            .into_iter()
            .map(|cell| (visible(&cell.text), cell.tone));
        self.rows.push(cells.collect());
    }

    /// The lines, each ending in a newline.
    pub fn render(&self, palette: Palette) -> String {
        let widths = self.widths();
        let head = self.head.iter().map(|name| ((*name).to_owned(), None));
        let head: Vec<_> = head.collect();
        let mut text = line(&head, &widths, palette);
        text = format!("{}\n", palette.paint(Tone::Quiet, text.trim_end()));
        for row in &self.rows {
            text.push_str(line(row, &widths, palette).trim_end());
            text.push('\n');
        }
        text
    }

    fn widths(&self) -> Vec<usize> {
        let mut widths: Vec<usize> = self.head.iter().map(|name| columns(name)).collect();
        for row in &self.rows {
            for (width, (cell, _)) in widths.iter_mut().zip(row) {
                *width = (*width).max(columns(cell));
            }
        }
        let gaps = GAP * widths.len().saturating_sub(1);
        while widths.iter().sum::<usize>() + gaps > WIDTH {
            let widest = self
                .elastic
                .iter()
                .copied()
                .max_by_key(|&column| widths.get(column).copied().unwrap_or_default());
            match widest.and_then(|column| widths.get_mut(column)) {
                Some(width) if *width > 8 => *width -= 1,
                Some(_) | None => break,
            }
        }
        widths
    }
}

/// A cell of a table.
#[derive(Debug)]
pub struct Cell {
    text: String,
    tone: Option<Tone>,
}

impl Cell {
    /// A cell in a tone.
    pub fn toned(text: impl Into<String>, tone: Tone) -> Self {
        Self {
            text: text.into(),
            tone: Some(tone),
        }
    }
}

impl<T: Into<String>> From<T> for Cell {
    fn from(text: T) -> Self {
        Self {
            text: text.into(),
            tone: None,
        }
    }
}

fn line(cells: &[(String, Option<Tone>)], widths: &[usize], palette: Palette) -> String {
    let mut line = String::new();
    for ((cell, tone), &width) in cells.iter().zip(widths) {
        let shown = cut(cell, width);
        let pad = width.saturating_sub(columns(&shown)) + GAP;
        line.push_str(&tone.map_or_else(|| shown.clone(), |tone| palette.paint(tone, &shown)));
        line.extend(std::iter::repeat_n(' ', pad));
    }
    line
}

/// The first `width` columns, with an ellipsis when something is missing.
pub fn cut(text: &str, width: usize) -> String {
    if columns(text) <= width {
        return text.to_owned();
    }
    let mut shown = String::new();
    let mut used = 1;
    for character in text.chars() {
        used += columns_of(character);
        if used > width {
            break;
        }
        shown.push(character);
    }
    shown.push('…');
    shown
}

/// Columns that a text takes.
pub fn columns(text: &str) -> usize {
    text.chars().map(columns_of).sum()
}

/// The same of text that may have been painted: colours take none.
fn painted_columns(text: &str) -> usize {
    let mut parts = text.split('\u{1b}');
    let plain = parts.next().map_or(0, columns);
    let behind = |part: &str| {
        let paint = part.strip_prefix('[').and_then(|part| part.split_once('m'));
        columns(paint.map_or(part, |(_, rest)| rest))
    };
    plain + parts.map(behind).sum::<usize>()
}

/// Columns of one character: East Asian wide characters and emoji take two, marks that combine
/// with the character before them none. By ranges of the blocks; exact enough for a table.
const fn columns_of(character: char) -> usize {
    match character {
        '\u{300}'..='\u{36f}' | '\u{fe00}'..='\u{fe0f}' | '\u{200d}' => 0,
        '\u{1100}'..='\u{115f}'
        | '\u{2e80}'..='\u{303e}'
        | '\u{3041}'..='\u{a4cf}'
        | '\u{ac00}'..='\u{d7a3}'
        | '\u{f900}'..='\u{faff}'
        | '\u{fe30}'..='\u{fe6f}'
        | '\u{ff00}'..='\u{ff60}'
        | '\u{ffe0}'..='\u{ffe6}'
        | '\u{1f300}'..='\u{1f64f}'
        | '\u{1f900}'..='\u{1f9ff}'
        | '\u{20000}'..='\u{3fffd}' => 2,
        _ => 1,
    }
}

/// `text` without characters that do something to a terminal, turn text around (UAX #9), or have no
/// width, so that two names look the same.
pub fn visible(text: &str) -> String {
    text.chars()
        .map(|character| match character {
            '\n' | '\t' => ' ',
            '\u{61c}'
            | '\u{200b}'..='\u{200f}'
            | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{2069}'
            | '\u{feff}' => '?',
            character if character.is_control() => '?',
            character => character,
        })
        .collect()
}

/// Lines that are too wide for a terminal go on below, further in; a word is never broken, so that
/// what is copied stays whole.
#[must_use]
pub fn folded(text: &str) -> String {
    let lines = text.split('\n').map(|line| {
        if painted_columns(line) <= WIDTH {
            return line.to_owned();
        }
        let rest = line.trim_start_matches(' ');
        let indent = line.len() - rest.len();
        let mut shown = " ".repeat(indent);
        let mut used = indent;
        for (number, word) in rest.split(' ').enumerate() {
            let wide = painted_columns(word);
            if number > 0 && used + 1 + wide > WIDTH {
                shown.push('\n');
                shown.push_str(&" ".repeat(indent + 2));
                used = indent + 2;
            } else if number > 0 {
                shown.push(' ');
                used += 1;
            }
            shown.push_str(word);
            used += wide;
        }
        shown
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// A moment in the time zone of the terminal; the date is left out when it is today's.
pub fn moment(at: Timestamp, now: Timestamp) -> String {
    moment_in(at, now, &jiff::tz::TimeZone::system())
}

fn moment_in(at: Timestamp, now: Timestamp, zone: &jiff::tz::TimeZone) -> String {
    let local = at.to_jiff().to_zoned(zone.clone());
    let today = now.to_jiff().to_zoned(zone.clone()).date();
    if local.date() == today {
        local.strftime("%H:%M:%S").to_string()
    } else {
        local.strftime("%Y-%m-%d %H:%M").to_string()
    }
}

/// The time of day in the time zone of the terminal: `10:02:03`.
#[must_use]
pub fn clock_time(at: Timestamp) -> String {
    moment_in(at, at, &jiff::tz::TimeZone::system())
}

/// How long: `12 s`, `4 min`, `3 h`, `2 days`.
pub fn duration(duration: std::time::Duration) -> String {
    match duration.as_secs() {
        seconds @ ..120 => format!("{seconds} s"),
        seconds @ 120..7_200 => format!("{} min", seconds / 60),
        seconds @ 7_200..172_800 => format!("{} h", seconds / 3_600),
        seconds => format!("{} days", seconds / 86_400),
    }
}

/// `1.5 GiB`.
pub fn bytes(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    // Tenths of the unit, so that no floating point is needed.
    let mut tenths = u128::from(bytes) * 10 / 1024;
    let mut unit = "KiB";
    for larger in UNITS.into_iter().skip(1) {
        if tenths < 10_240 {
            break;
        }
        tenths /= 1024;
        unit = larger;
    }
    format!("{}.{} {unit}", tenths / 10, tenths % 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_keeps_its_begin_and_its_end() {
        assert_eq!(clamped("short", 5), "short");
        assert_eq!(clamped("begin and end", 5), "beg…nd");
        assert_eq!(clamped("äöüäöü", 4), "äö…öü");
        assert!(clamped(&"x".repeat(1_000_000), 300).chars().count() <= 301);
    }

    #[test]
    fn wide_tables_give_way_in_the_elastic_columns() {
        let mut table = Table::new(&["ID", "RECIPIENT", "REASON"], &[1, 2]);
        table.row([
            "06J8Z4K2M0001".into(),
            "ann.with.a.very.long.name@a-department.example.org".into(),
            Cell::toned("onprem is down since 10:02: connection refused", Tone::Bad),
        ]);
        table.row(["06J8Z4K2M0002".into(), "bob@example.org".into(), "".into()]);
        let text = table.render(Palette::Plain);
        assert_eq!(
            text,
            "\
ID             RECIPIENT                         REASON
06J8Z4K2M0001  ann.with.a.very.long.name@a-dep…  onprem is down since 10:02: co…
06J8Z4K2M0002  bob@example.org
"
        );
        assert!(text.lines().all(|line| line.chars().count() <= WIDTH));
        assert!(table.render(Palette::Colour).contains("\x1b[31monprem is"));
    }

    #[test]
    fn strangers_cannot_drive_the_terminal() {
        assert_eq!(visible("a\x1b[2J\u{202e}b\nc"), "a?[2J?b c");
        for hidden in ['\u{61c}', '\u{200b}', '\u{200f}', '\u{2066}', '\u{feff}'] {
            assert_eq!(visible(&format!("a{hidden}b")), "a?b", "{hidden:?}");
        }
    }

    #[test]
    fn long_lines_go_on_below() {
        let short = "tideover: refused\n    | as it is |";
        assert_eq!(folded(short), short);
        let long = format!(
            "tideover: {}\n  hint: {}",
            "so it is ".repeat(20),
            "do ".repeat(50)
        );
        let shown = folded(&long);
        assert!(shown.lines().count() > 4, "{shown}");
        assert!(shown.lines().all(|line| columns(line) <= WIDTH), "{shown}");
        let words = |text: &str| {
            text.split_whitespace()
                .map(str::to_owned)
                .collect::<Vec<_>>()
        };
        assert_eq!(words(&shown), words(&long));
        assert!(
            shown.lines().nth(1).unwrap().starts_with("  is so it"),
            "{shown}"
        );
        assert!(shown.contains("\n    do do"), "{shown}");
        let link = format!("open https://mail.example.org/{}", "a".repeat(100));
        assert!(folded(&link).contains(&"a".repeat(100)), "it can be copied");
        // Colours take no room.
        let row = format!("{} {}", "x".repeat(10), "y".repeat(WIDTH - 11));
        let painted = row.replace("xxxxx", &Palette::Colour.paint(Tone::Bad, "xxxxx"));
        assert!(painted.len() > WIDTH);
        assert_eq!(folded(&painted), painted);
        assert_ne!(folded(&format!("{painted} z")), painted);
    }

    #[test]
    fn wide_characters_take_two_columns() {
        assert_eq!(cut("会議の予定", 10), "会議の予定");
        assert_eq!(cut("会議の予定", 9), "会議の予…");
        assert_eq!(cut("Grüße", 4), "Grü…");
    }

    #[test]
    fn numbers_are_short() {
        assert_eq!(bytes(1023), "1023 B");
        assert_eq!(bytes(1536), "1.5 KiB");
        assert_eq!(bytes(5 * 1024 * 1024 * 1024), "5.0 GiB");
        assert_eq!(duration(std::time::Duration::from_secs(300)), "5 min");
        let at = Timestamp::from_millis(36_120_000);
        let zone = jiff::tz::TimeZone::UTC;
        assert_eq!(moment_in(at, at, &zone), "10:02:00");
        let later = at.after(std::time::Duration::from_secs(86_400));
        assert_eq!(moment_in(at, later, &zone), "1970-01-01 10:02");
    }
}
