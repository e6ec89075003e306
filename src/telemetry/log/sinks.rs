//! The thread that writes the lines.

use std::io::{self, IsTerminal as _, Write};
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use tracing::Level;

use super::layer::now;
use super::line::{Line, Paint, Value};
use super::queue::{Batch, Queue};
use super::{LogFormat, LogOptions, LogStream};

/// Form and place, which a reload can change.
#[derive(Debug)]
pub(super) struct Settings(Mutex<(LogFormat, LogStream)>);

impl Settings {
    pub(super) fn new(options: &LogOptions) -> Self {
        Self(Mutex::new((options.format, options.to)))
    }

    pub(super) fn set(&self, options: &LogOptions) {
        let mut both = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *both = (options.format, options.to);
    }

    fn get(&self) -> (LogFormat, LogStream) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A stream of lines.
pub(super) struct Stream {
    pub(super) out: Box<dyn Write + Send>,
    pub(super) paint: Paint,
}

/// Where lines can go.
pub(super) struct Sinks {
    pub(super) stderr: Stream,
    pub(super) stdout: Stream,
    /// Where journald listens.
    pub(super) journal: PathBuf,
    socket: Option<UnixDatagram>,
    settings: Arc<Settings>,
}

impl Sinks {
    pub(super) fn new(
        (stderr, stdout): (Stream, Stream),
        journal: PathBuf,
        settings: Arc<Settings>,
    ) -> Self {
        Self {
            stderr,
            stdout,
            journal,
            socket: None,
            settings,
        }
    }

    /// Those of the process.
    pub(super) fn of_process(journal: PathBuf, settings: Arc<Settings>) -> Self {
        let paint = |is_terminal| {
            if is_terminal {
                Paint::Colour
            } else {
                Paint::Plain
            }
        };
        let stderr = Stream {
            paint: paint(io::stderr().is_terminal()),
            out: Box::new(io::stderr()),
        };
        let stdout = Stream {
            paint: paint(io::stdout().is_terminal()),
            out: Box::new(io::stdout()),
        };
        Self::new((stderr, stdout), journal, settings)
    }

    /// Writes what comes, as long as the process lives.
    pub(super) fn spawn(mut self, queue: Arc<Queue>) -> io::Result<()> {
        let thread = std::thread::Builder::new().name("log".to_owned());
        let run = move || {
            loop {
                let batch = queue.take();
                let lost = self.write(&batch);
                queue.done(&batch, lost);
            }
        };
        thread.spawn(run).map(drop)
    }

    /// Writes lines; says how many of them nobody took.
    fn write(&mut self, batch: &Batch) -> u64 {
        let (format, to) = self.settings.get();
        let mut lost = 0;
        for line in &batch.lines {
            lost += u64::from(self.write_one(line, (format, to)).is_err());
        }
        if batch.left_out > 0 {
            let told = left_out(batch.left_out);
            self.write_one(&told, (format, to)).ok();
        }
        lost
    }

    fn write_one(&mut self, line: &Line, (format, to): (LogFormat, LogStream)) -> io::Result<()> {
        // Without a journal people still want to read it.
        if format == LogFormat::Journald && self.send(line).is_ok() {
            return Ok(());
        }
        let stream = match to {
            LogStream::Stderr => &mut self.stderr,
            LogStream::Stdout => &mut self.stdout,
        };
        let text = match format {
            LogFormat::Text | LogFormat::Journald => line.to_text(stream.paint),
            LogFormat::Json => line.to_json(),
        };
        // One call: who reads beside us sees whole lines.
        stream.out.write_all(text.as_bytes())?;
        stream.out.flush()
    }

    /// Not connected: journald may be started anew at any time.
    fn send(&mut self, line: &Line) -> io::Result<()> {
        let socket = match self.socket.take() {
            Some(socket) => socket,
            None => UnixDatagram::unbound()?,
        };
        let sent = socket.send_to(line.to_journal().as_bytes(), &self.journal);
        self.socket = Some(socket);
        sent.map(drop)
    }
}

/// Lines that nobody will see are told of.
fn left_out(lines: u64) -> Line {
    let mut line = Line::new(now(), Level::WARN, module_path!());
    line.message
        .push_str("lines of the log are left out: who reads it is too slow");
    line.fields = vec![("left_out", Value::Plain(lines.to_string()))];
    line
}
