//! A full disk: 452 4.3.1, nothing harmed, and it goes on by itself.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::harness::{Client, Lab, SHORT, Settings, eventually};

const EVE: &str = "eve@sender.example";
const ANN: [&str; 1] = ["ann@example.org"];

#[test]
fn below_min_free_mail_is_put_off() {
    let lab = Lab::new();
    let settings = Settings {
        min_free: "1000000GiB",
        ..lab.settings()
    };
    let tideover = lab.tideover_with(settings);
    let mut client = Client::connect(tideover.smtp());
    client
        .offer(EVE, &ANN, &message(1, 0))
        .assert_is(452, "4.3.1");
    client.command("NOOP").assert_is(250, "2.0.0");
    for verb in ["status", "size"] {
        let told = tideover.json(&[verb]);
        let why = told["refusing"].as_str().unwrap_or_default();
        assert!(why.contains("TiB are kept free"), "{verb}: {told}");
    }
}

#[test]
fn a_disk_that_fills_up_and_empties_again() {
    let lab = Lab::new();
    let Some(disk) = Disk::mount(lab.path("disk")) else {
        return;
    };
    let settings = Settings {
        data_dir: disk.0.join("data"),
        min_free: "16MiB",
        ..lab.settings()
    };
    let tideover = lab.tideover_with(settings);
    let mut client = Client::connect(tideover.smtp());
    client.send(EVE, &ANN, &message(1, 0));
    assert!(tideover.json(&["status"])["refusing"].is_null());

    let ballast = disk.fill(8 * 1024 * 1024);
    let refused = eventually(SHORT, "mail is refused", || {
        let reply = client.offer(EVE, &ANN, &message(2, 0));
        (reply.code != 250).then_some(reply)
    });
    refused.assert_is(452, "4.3.1");

    fs::remove_file(ballast).unwrap();
    eventually(SHORT, "mail is taken again, without a restart", || {
        (client.offer(EVE, &ANN, &message(3, 0)).code == 250).then_some(())
    });
    lab.onprem.wait_for(ANN[0], "<3@sender.example>");
}

#[test]
fn a_write_that_fails_is_told_after_the_final_dot() {
    let lab = Lab::new();
    let Some(disk) = Disk::mount(lab.path("disk")) else {
        return;
    };
    let settings = Settings {
        data_dir: disk.0.join("data"),
        min_free: "1B",
        ..lab.settings()
    };
    let mut tideover = lab.tideover_with(settings);
    let mut client = Client::connect(tideover.smtp());
    client.send(EVE, &ANN, &message(1, 0));
    let ballast = disk.fill(512 * 1024);
    // Larger than what is left: the message cannot be written.
    client
        .offer(EVE, &ANN, &message(2, 4))
        .assert_is(452, "4.3.1");

    fs::remove_file(ballast).unwrap();
    eventually(SHORT, "mail is taken again, without a restart", || {
        let reply = Client::connect(tideover.smtp()).offer(EVE, &ANN, &message(3, 4));
        (reply.code == 250).then_some(())
    });
    lab.onprem.wait_for(ANN[0], "<3@sender.example>");
    tideover.wait_idle();
    // The failed write left nothing behind that a restart stumbles over.
    tideover.kill();
    tideover.start_again();
    tideover.wait_idle();
    let ids = lab.onprem.settled().message_ids(ANN[0]);
    assert!(!ids.contains_key("<2@sender.example>"), "{ids:?}");
}

fn message(number: u32, megabytes: usize) -> Vec<u8> {
    let head = format!("Message-ID: <{number}@sender.example>\r\n\r\nbody\r\n");
    let line = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcd\r\n";
    [head, line.repeat(megabytes * 16_384)]
        .concat()
        .into_bytes()
}

/// A small disk of its own.
struct Disk(PathBuf);

impl Disk {
    /// `None`, and says so, where mounting is not allowed (a container without that right).
    #[expect(clippy::print_stderr, reason = "a test that cannot run says so")]
    fn mount(at: PathBuf) -> Option<Self> {
        fs::create_dir(&at).unwrap();
        let output = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=400m,mode=755", "tmpfs"])
            .arg(&at)
            .output()
            .unwrap();
        if !output.status.success() {
            eprintln!("not tested: no disk can be mounted here: {output:?}");
            return None;
        }
        Some(Self(at))
    }

    /// Leaves so many bytes free; the file to remove.
    fn fill(&self, leave: u64) -> PathBuf {
        let ballast = self.0.join("ballast");
        let mut file = File::create(&ballast).unwrap();
        let block = vec![0; 256 * 1024];
        while free(&self.0) > leave {
            file.write_all(&block).unwrap();
        }
        ballast
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Lazily: the server on it ends after this.
        drop(Command::new("umount").arg("-l").arg(&self.0).output());
    }
}

fn free(path: &Path) -> u64 {
    let found = rustix::fs::statvfs(path).unwrap();
    found.f_bavail * found.f_frsize
}
