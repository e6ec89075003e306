use clap::Parser as _;

use super::*;
use crate::cli::args::Arguments;
use crate::cli::render_replay::tests::progress;

/// What is sent for these words; or what is told.
fn sent(words: &[&str]) -> Result<(String, String), String> {
    let words = ["tideover", "replay", "plan", "--to", "onprem"]
        .iter()
        .chain(words);
    let read = Arguments::try_parse_from(words).map_err(|error| error.to_string())?;
    let crate::cli::intent::Work::Replay(verb, _) = crate::cli::intent::Intent::from(read).work
    else {
        panic!("another verb");
    };
    let ReplayVerb::Plan { what } = *verb else {
        panic!("another verb");
    };
    let (path, people) = asked("/p", "root", what).map_err(|failure| failure.text)?;
    Ok((path, String::from_utf8(people).unwrap()))
}

#[test]
fn an_empty_variable_means_nobody_and_not_everybody() {
    for words in [
        ["--recipient", ""],
        ["--recipient", " "],
        ["--recipient", "ann"],
        ["--wave", ""],
        ["--since", ""],
    ] {
        let words = [&words[..], &["--since", "2026-11-20 02:00"]].concat();
        assert!(sent(&words).is_err(), "{words:?}");
    }
}

#[test]
fn an_empty_file_is_refused_by_its_name() {
    let folder = tempfile::tempdir().unwrap();
    for text in ["", "\n\n", "# nobody\n"] {
        let file = folder.path().join("wave.txt");
        std::fs::write(&file, text).unwrap();
        let file = file.to_str().unwrap();
        let words = ["--wave", file, "--recipient", "ann@example.org"];
        let why = sent(&words).unwrap_err();
        assert!(
            why.starts_with(file) && why.contains("names nobody"),
            "{why}"
        );
    }
}

#[test]
fn the_server_is_told_which_people_are_in_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("wave.txt");
    std::fs::write(&file, "bob@example.org\nann@example.org").unwrap();
    let file = file.to_str().unwrap();
    let (path, people) = sent(&["--wave", file, "--recipient", "ann@example.org"]).unwrap();
    assert!(path.contains("&recipients=1&listed=true"), "{path}");
    assert_eq!(people, "bob@example.org\nann@example.org\nann@example.org");
    let (path, people) = sent(&["--wave", "w1", "--recipient", "ann@example.org"]).unwrap();
    assert!(path.contains("&recipients=1&listed=false"), "{path}");
    assert!(path.ends_with("&wave=w1"), "{path}");
    assert_eq!(people, "ann@example.org");
}

#[test]
fn it_ends_well_only_when_all_was_brought() {
    let with = |state, change: fn(&mut Progress)| {
        let mut progress = progress(state);
        progress.replay.counts = crate::queue::replay::Counts::default();
        change(&mut progress);
        verdict(&progress)
    };
    assert!(with(ReplayState::Done, |_| {}).is_ok());
    assert!(with(ReplayState::Done, |it| it.replay.counts.left_out = 3).is_ok());
    for (result, told) in [
        (
            with(ReplayState::Done, |it| it.replay.counts.refused = 2),
            "2 recipients were refused",
        ),
        (
            with(ReplayState::Done, |it| it.replay.counts.not_asked = 5),
            "5 were in mailboxes that cannot be asked",
        ),
        (with(ReplayState::Paused, |_| {}), "paused"),
        (with(ReplayState::Stopped, |_| {}), "stopped"),
        (with(ReplayState::Planned, |_| {}), "nobody has started it"),
    ] {
        let failure = result.unwrap_err();
        assert_eq!(failure.exit, Exit::Failed);
        assert!(failure.text.contains(told), "{}", failure.text);
    }
}
