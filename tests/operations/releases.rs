//! What is delivered: the Debian package, the container, and the configs of the examples.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::machine::{PROJECT, loopback, on_a_machine};
use crate::platform::Platform;
use crate::sender;

fn text(path: &str) -> String {
    fs::read_to_string(Path::new(PROJECT).join(path)).unwrap()
}

fn manifest() -> toml::Table {
    text("Cargo.toml").parse().unwrap()
}

fn files(folder: &str, end: &str) -> Vec<PathBuf> {
    let found = fs::read_dir(Path::new(PROJECT).join(folder)).unwrap();
    let mut found: Vec<PathBuf> = found.map(|file| file.unwrap().path()).collect();
    found.retain(|path| path.extension().is_some_and(|it| it == end));
    found.sort();
    found
}

/// A pair of keys where the examples have theirs.
const PAIR: &str = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes \
                    -days 90 -subj /CN=mx.example.org -keyout /etc/tideover/privkey.pem \
                    -out /etc/tideover/fullchain.pem";

#[test]
fn every_example_is_a_good_config() {
    on_a_machine("releases::every_example_is_a_good_config", |machine| {
        fs::create_dir("/etc/tideover").unwrap();
        machine.must(PAIR);
        let config = Path::new(PROJECT).join("config");
        let mut examples = files("config/examples", "toml");
        assert!(examples.len() >= 5, "{examples:?}");
        examples.push(config.join("tideover.toml"));
        let copy = |from: PathBuf, to: &str| {
            fs::copy(from, Path::new("/etc/tideover").join(to)).unwrap();
        };
        copy(config.join("directory.csv"), "directory.csv");
        copy(config.join("examples/standby.csv"), "standby.csv");
        // The package brings a directory of its own: its header.
        for (example, directory) in examples
            .into_iter()
            .map(|example| (example, config.join("directory.csv")))
            .chain([(
                config.join("debian/tideover.toml"),
                config.join("debian/directory.csv"),
            )])
        {
            copy(directory, "directory.csv");
            copy(example.clone(), "tideover.toml");
            let (code, said) = machine.says("tideover check");
            assert_eq!(code, 0, "{}: {said}", example.display());
            assert!(said.contains("good"), "{}: {said}", example.display());
        }
        // A volume that is not there is no empty spool.
        let named = text("config/examples/container.toml").replace(
            "# uuid = \"…\"",
            "uuid = \"00000000-0000-4000-8000-000000000000\"",
        );
        fs::write("/etc/tideover/tideover.toml", named).unwrap();
        let (code, said) = machine.says("tideover check");
        assert_eq!(code, 4, "{said}");
        assert!(said.contains("is the right volume mounted?"), "{said}");
    });
}

/// docs/deployments.md, two MX hosts: the first one is gone for good.
#[test]
fn a_standby_takes_over() {
    on_a_machine("releases::a_standby_takes_over", |machine| {
        let config = Path::new(PROJECT).join("config");
        let mut platforms = String::new();
        machine.install_with(|example| {
            machine.must(PAIR);
            machine.must("chown tideover /etc/tideover/privkey.pem");
            let people = config.join("examples/standby.csv");
            fs::copy(people, "/etc/tideover/standby.csv").unwrap();
            example.clone_into(&mut platforms);
            text("config/examples/standby.toml")
        });
        let door = loopback(25);
        let send = |to: &str| sender::send(door, "eve@example.net", to, "to the standby");
        for to in ["archer@example.org", "bob@example.org"] {
            let reply = send(to);
            assert!(reply.starts_with("250"), "{to}: {reply}");
        }
        let stranger = send("nobody@example.org");
        assert!(stranger.starts_with("550"), "{stranger}");
        machine.wait_for_health("mx1", "down");
        let (onprem, cloud) = (Platform::onprem(), Platform::cloud());
        fs::write("/etc/tideover/tideover.toml", platforms).unwrap();
        machine.must("tideover check && systemctl restart tideover");
        onprem.wait_for("archer@example.org", "to the standby");
        cloud.wait_for("bob@tenant.example", "to the standby");
    });
}

#[test]
fn the_package_makes_its_user_and_spoils_nothing() {
    on_a_machine(
        "releases::the_package_makes_its_user_and_spoils_nothing",
        |machine| {
            let script = |name: &str, word: &str| {
                machine.must(&format!("{PROJECT}/config/debian/{name} {word}"))
            };
            script("postinst", "configure");
            let folder = fs::metadata("/var/lib/tideover").unwrap();
            let user = machine.must("id -u tideover");
            assert_eq!(folder.uid().to_string(), user.trim());
            assert_eq!(folder.permissions().mode() & 0o7777, 0o700);
            // An upgrade, a removal and a purge leave what is there.
            fs::write("/var/lib/tideover/mail", "mail").unwrap();
            fs::set_permissions("/var/lib/tideover", fs::Permissions::from_mode(0o750)).unwrap();
            script("prerm", "upgrade");
            script("postinst", "configure 0.1.0");
            let folder = fs::metadata("/var/lib/tideover").unwrap();
            assert_eq!(folder.permissions().mode() & 0o7777, 0o750);
            script("prerm", "remove");
            script("postrm", "remove");
            let said = script("postrm", "purge");
            assert!(said.contains("stay"), "{said}");
            assert_eq!(machine.must("id -u tideover"), user);
            assert_eq!(
                fs::read_to_string("/var/lib/tideover/mail").unwrap(),
                "mail"
            );
        },
    );
}

#[test]
fn all_files_of_the_package_are_there() {
    let manifest = manifest();
    let deb = &manifest["package"]["metadata"]["deb"];
    let assets: Vec<Vec<&str>> = deb["assets"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| {
            it.as_array()
                .unwrap()
                .iter()
                .map(|it| it.as_str().unwrap())
                .collect()
        })
        .collect();
    assert!(assets.len() > 10);
    let build = text("config/debian/build");
    for asset in &assets {
        let from = asset[0];
        let (folder, name) = from.rsplit_once('/').unwrap_or((".", from));
        if folder.starts_with("target/release") {
            continue;
        }
        if folder.starts_with("target/package") {
            let made = if name.contains('*') { folder } else { from };
            assert!(
                build.contains(made),
                "{from} is not made by config/debian/build"
            );
        } else if let Some(end) = name.strip_prefix("*.") {
            assert!(!files(folder, end).is_empty(), "{from}");
        } else if name != "*" {
            assert!(Path::new(PROJECT).join(from).is_file(), "{from}");
        }
    }
    for kept in deb["conf-files"].as_array().unwrap() {
        let kept = kept.as_str().unwrap();
        let is_there = assets.iter().any(|asset| {
            let name = asset[0].rsplit('/').next().unwrap_or_default();
            format!("/{}{name}", asset[1]) == kept
        });
        assert!(is_there, "{kept}");
    }
    let unit = "usr/lib/systemd/system/";
    assert!(assets.iter().any(|asset| asset[1] == unit), "no unit");
}

#[test]
fn the_container_is_as_its_example_says() {
    let manifest = manifest();
    let container = text("config/Containerfile");
    let rust = manifest["package"]["rust-version"].as_str().unwrap();
    assert!(
        container.contains(&format!("library/rust:{rust}-")),
        "rust {rust}"
    );
    let (_, last) = container.rsplit_once("\nFROM ").unwrap();
    let said = |word: &str| -> Vec<&str> {
        let lines = last.lines().filter_map(|line| line.strip_prefix(word));
        lines.flat_map(str::split_whitespace).collect()
    };
    let user = said("USER ");
    let number: u32 = user[0].split(':').next().unwrap().parse().unwrap();
    assert!(number > 0, "root");
    let example: toml::Table = text("config/examples/container.toml").parse().unwrap();
    let data_dir = example["server"]["data_dir"].as_str().unwrap();
    assert_eq!(said("VOLUME "), [data_dir]);
    let mut ports = BTreeSet::new();
    let listeners = example["listener"].as_array().unwrap();
    for room in listeners.iter().chain([&example["web"], &example["admin"]]) {
        let (_, port) = room["bind"].as_str().unwrap().rsplit_once(':').unwrap();
        assert!(
            port.parse::<u16>().unwrap() >= 1024,
            "{port} needs a capability"
        );
        ports.insert(port);
    }
    assert_eq!(said("EXPOSE ").into_iter().collect::<BTreeSet<_>>(), ports);
}
