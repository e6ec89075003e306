//! A program of the administrator's: the notice comes on its standard input.

use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use tokio::io::AsyncWriteExt as _;
use tokio::process::{Child, Command};

use super::ways::Missed;

/// Nothing of ours: the environment of a service has secrets.
const PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// Runs it until it has ended, or for `patience`; then it is killed, with all that it started.
pub(super) async fn run(
    command: &[String],
    json: &[u8],
    patience: Duration,
) -> Result<String, Missed> {
    let Some((program, arguments)) = command.split_first() else {
        return Err(Missed::ForGood("no command".to_owned()));
    };
    let begun = Command::new(program)
        .args(arguments)
        .env_clear()
        .env("PATH", PATH)
        .env("LANG", "C.UTF-8")
        .current_dir("/")
        .stdin(Stdio::piped())
        // Nobody reads what it says, and so it cannot hold us up.
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .kill_on_drop(true)
        .spawn();
    let mut child =
        begun.map_err(|error| Missed::ForNow(format!("{program} cannot be started: {error}")))?;
    // A notice may be called back, too.
    let mut group = Group(child.id());
    match tokio::time::timeout(patience, feed(&mut child, json)).await {
        Ok(Ok(status)) => {
            group.0 = None;
            let ended = format!("{program} ended with {status}");
            if status.success() {
                Ok("it ended well".to_owned())
            } else {
                Err(Missed::ForNow(ended))
            }
        }
        Ok(Err(error)) => Err(Missed::ForNow(format!("{program}: {error}"))),
        Err(_) => {
            drop(group);
            child.kill().await.ok();
            let seconds = patience.as_secs_f32();
            let what = format!("{program} was killed: it had not ended after {seconds} s");
            Err(Missed::ForNow(what))
        }
    }
}

async fn feed(child: &mut Child, json: &[u8]) -> std::io::Result<ExitStatus> {
    if let Some(mut input) = child.stdin.take() {
        let written = async {
            input.write_all(json).await?;
            input.write_all(b"\n").await?;
            input.shutdown().await
        };
        // One that does not want to know may end well all the same.
        written.await.ok();
    }
    child.wait().await
}

/// A program that has not been waited for, so that its number is nobody else's, and all that it
/// started. They do not outlive this.
struct Group(Option<u32>);

impl Drop for Group {
    fn drop(&mut self) {
        let id = self.0.and_then(|id| i32::try_from(id).ok());
        if let Some(group) = id.and_then(rustix::process::Pid::from_raw) {
            rustix::process::kill_process_group(group, rustix::process::Signal::KILL).ok();
        }
    }
}
