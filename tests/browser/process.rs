//! A child process that is gone when its owner is.

use std::fs::File;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process_group};

/// A process and what it starts; killed when dropped.
pub(crate) struct Process(Child);

impl Process {
    /// Starts `command` as the leader of a group of its own, with its output in `log`.
    pub(crate) fn start(mut command: Command, log: &Path) -> Self {
        let out = File::create(log).unwrap();
        let errors = out.try_clone().unwrap();
        command.process_group(0).stdin(Stdio::null());
        command.stdout(out).stderr(errors);
        let child = command.spawn();
        Self(child.unwrap_or_else(|error| {
            panic!("{command:?}: {error}; `tests/run` names and installs the packages")
        }))
    }

    /// Panics with the log when the process has ended.
    pub(crate) fn assert_alive(&mut self, log: &Path) {
        if let Some(status) = self.0.try_wait().unwrap() {
            let log = std::fs::read_to_string(log).unwrap_or_default();
            panic!("it ended: {status}\n{log}");
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may be gone by itself.
        kill_process_group(Pid::from_child(&self.0), Signal::KILL).ok();
        self.0.wait().ok();
    }
}
