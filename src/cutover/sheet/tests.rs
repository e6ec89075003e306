use super::*;

fn facts() -> Facts {
    let domain = |name: &str, home| DomainFacts {
        name: name.to_owned(),
        home,
        relays_unknown: home,
    };
    Facts {
        hostname: "mx.example.org".to_owned(),
        addresses: ["192.0.2.1", "2001:db8::1"]
            .map(|it| it.parse().unwrap())
            .to_vec(),
        doors: vec!["10.0.0.5:2525".to_owned()],
        backend: "cloud".to_owned(),
        title: "Ann's \u{201c}new\u{201d} mail\n$x".to_owned(),
        hosts: vec!["example-org.mail.protection.outlook.com:25".to_owned()],
        tls: Tls::Weak,
        certificate: Certificate::None,
        max_connections: 8,
        sealer: None,
        domains: vec![domain("example.org", true), domain("example.net", false)],
    }
}

fn all(sheet: &Sheet) -> String {
    let lines = sheet
        .steps
        .iter()
        .flat_map(|it| it.commands.iter().chain(&it.notes));
    lines.cloned().collect::<Vec<_>>().join("\n")
}

#[test]
fn every_sheet_is_filled_with_the_values_of_the_installation() {
    for kind in [
        SheetKind::ExchangeOnline,
        SheetKind::Google,
        SheetKind::Exchange,
        SheetKind::Postfix,
    ] {
        let text = all(&sheet(kind, &facts()));
        for value in [
            "mx.example.org",
            "192.0.2.1",
            "example.org",
            "10.0.0.5:2525",
            "PTR",
        ] {
            assert!(text.contains(value), "{kind:?} lacks {value}: {text}");
        }
        assert!(!text.contains(UNKNOWN), "{text}");
        // No value breaks a line, and each quote has its partner.
        for command in sheet(kind, &facts())
            .steps
            .iter()
            .flat_map(|it| &it.commands)
        {
            assert!(!command.contains('\n'), "{command}");
            if kind != SheetKind::Postfix {
                assert_eq!(command.matches('\'').count() % 2, 0, "{command}");
            }
        }
        let nobody = Facts {
            addresses: Vec::new(),
            ..facts()
        };
        let text = all(&sheet(kind, &nobody));
        assert!(text.contains("say --address"), "{text}");
    }
}

#[test]
fn exchange_online_goes_by_the_certificate_if_there_is_one() {
    let by_address = all(&sheet(SheetKind::ExchangeOnline, &facts()));
    assert!(
        by_address.contains("-SenderIPAddresses '192.0.2.1' -Comment"),
        "{by_address}"
    );
    assert!(by_address.contains("-RestrictDomainsToIPAddresses $true"));
    assert!(by_address.contains("knows IPv4 only"));
    // A quote in the title stays inside of the comment.
    assert!(
        by_address.contains("(Ann''s \u{201c}new\u{201d} mail $x)'"),
        "{by_address}"
    );
    assert!(by_address.contains("-EFSkipIPs '192.0.2.1','2001:db8::1'"));
    assert!(by_address.contains("'example.net' -DomainType InternalRelay"));
    assert!(by_address.contains("this server seals nothing"));
    assert!(!by_address.contains("Set-ArcConfig"), "{by_address}");
    assert!(by_address.contains("tls must be \"required\""));
    assert!(by_address.contains("[domain.\"example.org\"] relays"));
    assert!(!by_address.contains("[domain.\"example.net\"] relays"));

    let good = Facts {
        certificate: Certificate::Hostname,
        tls: Tls::Always,
        sealer: Some("example.org".to_owned()),
        ..facts()
    };
    let by_name = all(&sheet(SheetKind::ExchangeOnline, &good));
    assert!(
        by_name.contains("-TlsSenderCertificateName 'mx.example.org'"),
        "{by_name}"
    );
    assert!(by_name.contains("-RestrictDomainsToCertificate $true"));
    assert!(by_name.contains("-ArcTrustedSealers 'example.org'"));
    assert!(!by_name.contains("-SenderIPAddresses") && !by_name.contains("tls must be"));
}

#[test]
fn a_sheet_says_what_the_platform_takes() {
    for (kind, most) in [(SheetKind::ExchangeOnline, 500), (SheetKind::Google, 100)] {
        let sheet = sheet(kind, &facts());
        let mut steps = sheet.steps.iter();
        let limits = steps.find(|it| it.place.starts_with("[backend.cloud] in the config"));
        let lines = limits.unwrap().commands.join("\n");
        let told: toml::Table = lines.parse().unwrap();
        assert_eq!(told["max_recipients"].as_integer(), Some(most));
        assert_eq!(told["sender_messages_per_minute"].as_integer(), Some(30));
        assert_eq!(told["sender_recipients_per_day"].as_integer(), Some(10_000));
    }
    let exchange = all(&sheet(SheetKind::Exchange, &facts()));
    assert!(!exchange.contains("sender_recipients_per_day"));
}

#[test]
fn what_locks_the_platform_up_comes_after_the_cutover() {
    for kind in [
        SheetKind::ExchangeOnline,
        SheetKind::Google,
        SheetKind::Postfix,
    ] {
        let sheet = sheet(kind, &facts());
        let at = |words: &str| {
            let mut steps = sheet.steps.iter();
            steps.position(|it| it.title.starts_with(words)).unwrap()
        };
        assert_eq!(at("After the cutover"), sheet.steps.len() - 2, "{kind:?}");
        assert_eq!(at("Names, ports"), 0);
    }
}

#[test]
fn postfix_gets_its_words_quoted() {
    let text = all(&sheet(SheetKind::Postfix, &facts()));
    assert!(
        text.contains(r"'# cloud (Ann'\''s “new” mail $x)'"),
        "{text}"
    );
    assert!(
        text.contains(
            "\"smtpd_client_event_limit_exceptions = $(postconf -h \
             smtpd_client_event_limit_exceptions) \"'192.0.2.1 [2001:db8::1]'"
        ),
        "{text}"
    );
}

/// A shell runs the lines with a `postconf` that has values: none is lost, and nobody's mail goes
/// another way by an example.
#[test]
fn postfix_keeps_what_it_has() {
    let sheet = sheet(SheetKind::Postfix, &facts());
    // Without the lock and the looks at the end.
    let before = sheet.steps.iter().take(sheet.steps.len() - 2);
    let commands: Vec<&str> = before
        .flat_map(|it| it.commands.iter().map(String::as_str))
        .collect();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().display().to_string();
    let fakes = "postconf() { if [ \"$1\" = -h ]; then printf '%s\\n' '$of_'\"$2\"; \
                 else printf '%s\\n' \"$2\"; fi; }\npostfix() { :; }\npostmap() { :; }\n";
    let script = format!("{fakes}{}", commands.join("\n")).replace("/etc/postfix", &path);
    let ran = std::process::Command::new("sh")
        .args(["-euc", &script])
        .output()
        .unwrap();
    assert!(ran.status.success(), "{ran:?}");
    let printed = String::from_utf8(ran.stdout).unwrap();
    let expected = [
        "smtpd_client_event_limit_exceptions = $of_smtpd_client_event_limit_exceptions 192.0.2.1 \
         [2001:db8::1]"
            .to_owned(),
        format!("postscreen_access_list = cidr:{path}/tideover.cidr, $of_postscreen_access_list"),
        format!(
            "smtpd_client_restrictions = check_client_access cidr:{path}/tideover.cidr, \
             $of_smtpd_client_restrictions"
        ),
        format!("transport_maps = hash:{path}/tideover-moved, $of_transport_maps"),
    ];
    let lines: Vec<&str> = printed.lines().collect();
    for line in &expected {
        assert!(lines.contains(&line.as_str()), "{line}: {printed}");
    }
    let moved = std::fs::read_to_string(folder.path().join("tideover-moved")).unwrap();
    assert_eq!(moved, "# ann@example.org smtp:[mx.example.org]:25\n");
}

#[test]
fn a_backend_is_recognised_by_its_hosts() {
    let platform = |host: &str| Platform {
        backend: "x".to_owned(),
        hosts: vec![host.to_owned()],
        mx: None,
    };
    let tenant = platform("example-org.mail.protection.outlook.com");
    assert!(SheetKind::ExchangeOnline.fits(&tenant) && !SheetKind::Exchange.fits(&tenant));
    assert!(SheetKind::Google.fits(&platform("smtp.google.com")));
    assert!(SheetKind::Postfix.fits(&platform("10.0.0.9")));
}
