use super::*;

#[tokio::test]
async fn literals_and_localhost_need_no_name_server() {
    // Nobody answers on this port.
    let dns = Dns::with_servers(&["127.0.0.1:9".parse().unwrap()]).unwrap();
    for (host, first) in [
        ("192.0.2.1", "192.0.2.1"),
        ("[192.0.2.1]", "192.0.2.1"),
        ("[IPv6:2001:db8::1]", "2001:db8::1"),
        ("::1", "::1"),
        ("LocalHost", "127.0.0.1"),
        ("localhost.", "127.0.0.1"),
    ] {
        let found = dns.addresses(host).await.unwrap();
        assert_eq!(found.first(), Some(&first.parse().unwrap()), "{host}");
    }
}

#[tokio::test]
async fn a_text_that_is_no_name_does_not_exist() {
    let dns = Dns::with_servers(&["127.0.0.1:9".parse().unwrap()]).unwrap();
    let long = format!("{}.example", "a".repeat(64));
    assert_eq!(dns.addresses(&long).await, Err(DnsError::NoSuchName));
    assert_eq!(dns.mail_exchangers(&long).await, Err(DnsError::NoSuchName));
}
