//! A server process with everything it forks, in one process group.

use std::fs::File;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process, kill_process_group, test_kill_process_group};

use super::wait::eventually;

const STOP: Duration = Duration::from_secs(60);

/// A running process group; killed when dropped.
pub(crate) struct Group {
    child: Child,
    pid: Pid,
    ended: bool,
}

impl Group {
    /// Starts `command` as the leader of a new group, output appended to `log`.
    pub(crate) fn start(mut command: Command, log: &Path) -> Self {
        command.process_group(0);
        Self::start_session(command, log)
    }

    /// Starts `command`, which makes itself the leader of a session (Postfix's master).
    pub(crate) fn start_session(mut command: Command, log: &Path) -> Self {
        let out = File::options().create(true).append(true).open(log).unwrap();
        let err = out.try_clone().unwrap();
        command.stdin(Stdio::null()).stdout(out).stderr(err);
        let child = command
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let pid = Pid::from_child(&child);
        Self {
            child,
            pid,
            ended: false,
        }
    }

    /// The exit status, if the leader is gone.
    pub(crate) fn exited(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().unwrap()
    }

    /// SIGTERM to the leader, and waits for the end of the group.
    pub(crate) fn stop(&mut self) -> ExitStatus {
        if self.exited().is_none() {
            kill_process(self.pid, Signal::TERM).unwrap();
        }
        let status = eventually(STOP, "a server stops after SIGTERM", || self.exited());
        self.gone();
        status
    }

    /// SIGKILL to everything at once, as in a crash.
    pub(crate) fn kill(&mut self) {
        if !self.ended {
            self.kill_all();
            self.gone();
        }
    }

    /// SIGSTOP: connections still open, nobody answers.
    pub(crate) fn freeze(&self) {
        kill_process_group(self.pid, Signal::STOP).unwrap();
    }

    /// SIGCONT.
    pub(crate) fn thaw(&self) {
        kill_process_group(self.pid, Signal::CONT).unwrap();
    }

    fn kill_all(&mut self) {
        // Either may be gone by itself, or not be a group yet.
        kill_process_group(self.pid, Signal::KILL).ok();
        self.child.kill().ok();
        self.child.wait().ok();
    }

    fn gone(&mut self) {
        eventually(STOP, "the children of a server end", || {
            test_kill_process_group(self.pid).err()
        });
        self.ended = true;
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if !self.ended {
            self.kill_all();
        }
    }
}
