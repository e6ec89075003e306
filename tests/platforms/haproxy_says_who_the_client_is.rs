//! Behind a real HAProxy the client's address is known, and HAProxy's own is not taken for it.

use crate::harness::{Client, HAPROXY, Haproxy, Lab, Settings, free_port};

#[test]
fn both_versions_of_the_proxy_protocol() {
    let lab = Lab::new();
    let address = lab.address();
    let port = free_port(address);
    let settings = Settings {
        more: format!(
            "[[listener]]\nbind = \"{address}:{port}\"\nproxy_protocol = true\n\
             proxy_from = [\"{HAPROXY}\"]\n"
        ),
        ..lab.settings()
    };
    let tideover = lab.tideover_with(settings);
    let server = format!("{address}:{port}").parse().unwrap();
    for (number, words) in [
        "send-proxy",
        "send-proxy-v2 check check-send-proxy inter 100ms",
    ]
    .into_iter()
    .enumerate()
    {
        let haproxy = Haproxy::start(&lab.path(""), server, words);
        let id = format!("<haproxy-{number}@sender.example>");
        let message = format!("Message-ID: {id}\r\n\r\nbody\r\n");
        let mut client = Client::connect(haproxy.address());
        client.send(
            "eve@sender.example",
            &["ann@example.org"],
            message.as_bytes(),
        );
        let stored = lab.onprem.wait_for("ann@example.org", &id);
        let traces = stored.headers("Received");
        let ours = traces
            .iter()
            .find(|trace| trace.contains("by mx.example.org"));
        let ours = ours.unwrap_or_else(|| panic!("{traces:?}"));
        assert!(ours.contains("([127.0.0.1])"), "{words}: {ours}");
        assert!(!traces.concat().contains(HAPROXY), "{words}: {traces:?}");
    }
    // Who is no proxy needs no header.
    Client::connect(server).send(
        "eve@sender.example",
        &["ann@example.org"],
        b"Message-ID: <direct@sender.example>\r\n\r\nbody\r\n",
    );
    lab.onprem
        .wait_for("ann@example.org", "<direct@sender.example>");
    tideover.wait_idle();
}
