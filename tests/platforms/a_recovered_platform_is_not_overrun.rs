//! A platform that comes back to a backlog counts by itself what it gets: Postfix complains of
//! whoever opens more connections, or sends more messages, than it allows.

use std::net::TcpStream;

use crate::harness::{Client, Lab, SHORT, Settings, eventually};

const ANN: &str = "ann@example.org";
const COUNT: usize = 400;
/// Beside the three of the config: a probe, and one that is just being closed.
const CONNECTIONS: usize = 3 + 2;
/// In a window of ten seconds, which Postfix counts in whole ones and so ends up to a second
/// late: a tenth of the minute's 1,200 at once, then 18 a second, and what each connection had
/// begun when the window opened.
const MESSAGES: usize = 120 + 11 * 18 + CONNECTIONS;

fn complaints(lab: &Lab) -> usize {
    lab.onprem.log().matches("limit exceeded").count()
}

#[test]
fn it_never_sees_more_than_its_connections_and_its_rate() {
    let mut lab = Lab::new();
    lab.onprem.reconfigure(&format!(
        "smtpd_client_connection_count_limit = {CONNECTIONS}\n\
         smtpd_client_message_rate_limit = {MESSAGES}\n\
         anvil_rate_time_unit = 10s\n\
         smtpd_client_event_limit_exceptions ="
    ));
    // That it complains can be seen.
    let many = (0..CONNECTIONS + 2).map(|_| TcpStream::connect(lab.onprem.smtp()));
    let many: Vec<_> = many.collect();
    eventually(SHORT, "it complains", || {
        (complaints(&lab) > 0).then_some(())
    });
    drop(many);

    let tideover = lab.tideover_with(Settings {
        onprem: "tls = \"opportunistic\"\nmax_connections = 3\nmessages_per_minute = 1200"
            .to_owned(),
        ..lab.settings()
    });
    tideover.wait_health("onprem", "up");
    lab.onprem.stop();
    tideover.wait_health("onprem", "down");
    let before = complaints(&lab);
    let mut client = Client::connect(tideover.smtp());
    for number in 0..COUNT {
        let message = format!("Message-ID: <{number}@sender.example>\r\n\r\nbody\r\n");
        client.send("eve@sender.example", &[ANN], message.as_bytes());
    }
    lab.onprem.start_again();
    tideover.wait_idle();
    assert_eq!(complaints(&lab), before, "{}", lab.onprem.log());
    let arrived = lab.onprem.settled().message_ids(ANN);
    assert_eq!(arrived.len(), COUNT);
    assert!(arrived.values().all(|copies| *copies == 1), "each once");
}
