//! The table, and on what machine it was made.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;
use std::process::Command;

use crate::measure::{Case, Run};
use crate::tools::{now, program};

/// All repetitions of one case.
pub(crate) struct Cell {
    pub(crate) case: Case,
    /// Messages per second from source to sink with nothing between.
    pub(crate) raw: f64,
    /// Tideover and Postfix.
    pub(crate) pairs: Vec<(Run, Run)>,
}

/// What was measured where.
pub(crate) struct Report {
    machine: String,
    cells: Vec<Cell>,
}

impl Report {
    /// Looks at the machine and at the disk of `folder`.
    pub(crate) fn new(folder: &Path) -> Self {
        Self {
            machine: machine(folder),
            cells: Vec::new(),
        }
    }

    pub(crate) fn add(&mut self, cell: Cell) {
        self.cells.push(cell);
    }

    /// A page in Markdown.
    pub(crate) fn markdown(&self) -> String {
        let mut page = format!("{}\n\n", self.machine);
        page.push_str(
            "Rates are messages per second, medians; ratios are medians of the paired \
             repetitions, Tideover : Postfix. `of limit` is what is delivered of what goes from \
             source to sink with nothing between.\n\n\
             | mode | bytes | sessions | limit | accepted T / P | ratio | delivered T / P \
             | ratio | of limit | CPU s/1000 T / P | ratio | pairs |\n\
             |---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|\n",
        );
        for cell in &self.cells {
            writeln!(page, "{}", row(cell)).unwrap();
        }
        page
    }
}

fn row(cell: &Cell) -> String {
    let Cell { case, raw, pairs } = cell;
    let pick = |of: fn(&Run) -> f64| {
        let ours = median(pairs.iter().map(|(a, _)| of(a)));
        let theirs = median(pairs.iter().map(|(_, b)| of(b)));
        let ratio = median(pairs.iter().map(|(a, b)| of(a) / of(b)));
        (ours, theirs, ratio)
    };
    let (accepted, accepted_there, accepted_ratio) = pick(|run| run.accepted);
    let (delivered, delivered_there, delivered_ratio) = pick(|run| run.delivered);
    let (cpu, cpu_there, cpu_ratio) = pick(|run| run.cpu);
    format!(
        "| {} | {} | {} | {raw:.0} | {accepted:.0} / {accepted_there:.0} | {accepted_ratio:.2} \
         | {delivered:.0} / {delivered_there:.0} | {delivered_ratio:.2} | {:.0} % \
         | {cpu:.2} / {cpu_there:.2} | {cpu_ratio:.2} | {} |",
        case.mode.name(),
        case.size,
        case.sessions,
        100.0 * delivered / raw,
        pairs.len(),
    )
}

/// The one in the middle; of an even number, between the two.
pub(crate) fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut sorted: Vec<f64> = values.collect();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    let at = |index: usize| sorted.get(index).copied().unwrap_or(f64::NAN);
    if sorted.len().is_multiple_of(2) {
        f64::midpoint(at(middle.wrapping_sub(1)), at(middle))
    } else {
        at(middle)
    }
}

pub(crate) fn machine(folder: &Path) -> String {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let value = |text: &str, key: &str| -> String {
        text.lines()
            .find_map(|line| line.strip_prefix(key))
            .map(|rest| rest.trim_start_matches([' ', '\t', ':']).trim().to_owned())
            .unwrap_or_default()
    };
    let cpu = value(&read("/proc/cpuinfo"), "model name");
    let memory = value(&read("/proc/meminfo"), "MemTotal");
    let kernel = read("/proc/sys/kernel/osrelease");
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let postfix = Command::new(program("postconf"))
        .args(["-d", "-h", "mail_version"])
        .output()
        .map(|output| output.stdout.escape_ascii().to_string().replace("\\n", ""))
        .unwrap_or_default();
    format!(
        "{cpu}, {cores} cores, {memory}, Linux {}, {}; 4 KiB append + fdatasync {} us (median). \
         Tideover {}, Postfix {postfix}.",
        kernel.trim(),
        filesystem(folder),
        sync_micros(folder),
        env!("CARGO_PKG_VERSION"),
    )
}

/// The type of the file system that holds `folder`: the longest mount point above it.
fn filesystem(folder: &Path) -> String {
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    mounts
        .lines()
        .filter_map(|line| {
            let mut fields = line.split(' ').skip(1);
            Some((fields.next()?, fields.next()?))
        })
        .filter(|(point, _)| folder.starts_with(point))
        .max_by_key(|(point, _)| point.len())
        .map_or_else(String::new, |(_, kind)| kind.to_owned())
}

/// What one durable write costs on this disk.
fn sync_micros(folder: &Path) -> u128 {
    let path = folder.join("sync");
    let mut file = File::create(&path).unwrap();
    let mut times: Vec<u128> = (0..300)
        .map(|_| {
            let start = now();
            file.write_all(&[7; 4_096]).unwrap();
            file.sync_data().unwrap();
            start.elapsed().as_micros()
        })
        .collect();
    fs::remove_file(path).unwrap();
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}
