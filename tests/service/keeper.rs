//! What the keeper of services is told, by the protocol of systemd.

use std::os::unix::net::UnixDatagram;
use std::process::Stdio;

use crate::client::Client;
use crate::place::{Place, free_address};
use crate::platform::Platform;
use crate::wait::LONG;

/// Hears what a program tells its keeper.
struct Keeper(UnixDatagram);

impl Keeper {
    fn at(place: &Place) -> Self {
        let socket = UnixDatagram::bind(place.file("notify")).unwrap();
        socket.set_read_timeout(Some(LONG)).unwrap();
        Self(socket)
    }

    fn next(&self) -> String {
        let mut buffer = [0; 4096];
        let read = self
            .0
            .recv(&mut buffer)
            .expect("the keeper is told something");
        String::from_utf8(buffer[..read].to_vec()).unwrap()
    }

    /// The next word that is neither a status nor a sign of life.
    fn next_step(&self) -> String {
        loop {
            let said = self.next();
            if !said.starts_with("STATUS=") && said != "WATCHDOG=1" {
                return said;
            }
        }
    }

    /// Waits until it is said so.
    fn hears(&self, what: impl Fn(&str) -> bool) -> String {
        loop {
            let said = self.next();
            if what(&said) {
                return said;
            }
        }
    }
}

#[test]
fn the_keeper_knows_when_mail_is_taken_how_it_is_and_when_it_ends() {
    let address = free_address();
    let place = Place::new(address, "");
    let keeper = Keeper::at(&place);
    let mut command = place.command();
    command
        .env("NOTIFY_SOCKET", place.file("notify"))
        .env("WATCHDOG_USEC", "1500000")
        .stdout(Stdio::null());
    let mut program = place.start_by(command);
    assert_eq!(keeper.next_step(), "READY=1");
    // It is so: nobody has to try twice.
    let mut client = Client::connect(place.smtp).unwrap();
    keeper.hears(|said| said == "WATCHDOG=1");
    let down = |said: &str| said.contains("onprem is down") && said.contains("nothing waits");
    keeper.hears(down);
    client.send("ann@example.org", "it waits").unwrap();
    keeper.hears(|said| said.starts_with("STATUS=") && said.ends_with("; 1 waits"));
    let _platform = Platform::at(address);
    keeper.hears(|said| said == "STATUS=mail flows; nothing waits");

    for config in ["", "[log]\nlevel = \"loud\"\n", "[log]\nlevel = \"warn\"\n"] {
        place.configure(address, config);
        program.hang_up();
        let begun = keeper.next_step();
        let micros = begun.strip_prefix("RELOADING=1\nMONOTONIC_USEC=");
        assert!(
            micros.is_some_and(|it| it.parse::<u64>().is_ok()),
            "{begun}"
        );
        assert_eq!(keeper.next_step(), "READY=1");
    }
    program.terminate();
    let stopping = keeper.next_step();
    assert!(
        stopping.starts_with("STOPPING=1\nSTATUS=stopping"),
        "{stopping}"
    );
    assert!(program.ended().success());
}

#[test]
fn a_keeper_that_is_gone_stops_nothing() {
    let platform = Platform::start();
    let place = Place::new(platform.address, "");
    let mut command = place.command();
    command
        .env("NOTIFY_SOCKET", place.file("nobody"))
        .env("WATCHDOG_USEC", "300000")
        .stdout(Stdio::null());
    let mut program = place.start_by(command);
    let mut client = place.wait_for_greeting();
    let id = client.send("ann@example.org", "all the same").unwrap();
    place.line_with(&[" delivered ", &id]);
    program.stop();
}
