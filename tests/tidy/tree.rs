//! The files of the project, real or made up.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// Files beside the folders that a reader is sent to.
const PAGES: [&str; 9] = [
    "ARCHITECTURE.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "Cargo.toml",
    "LICENSE-APACHE",
    "LICENSE-MIT",
    "README.md",
    "SECURITY.md",
    "deny.toml",
];

/// Texts by path, relative to the root of the project, with `/`.
pub(crate) struct Tree {
    files: BTreeMap<String, String>,
}

impl Tree {
    /// Everything that people write here.
    pub(crate) fn of_this_project() -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut files = BTreeMap::new();
        for folder in [
            "src", "tests", "benches", "docs", "config", "webmail", "fuzz",
        ] {
            read(root, &root.join(folder), &mut files);
        }
        for page in PAGES {
            let text = fs::read_to_string(root.join(page)).unwrap();
            files.insert(page.to_owned(), text);
        }
        assert!(files.len() > 50, "this is not the project: {}", files.len());
        Self { files }
    }

    /// A tree for a test.
    pub(crate) fn of(files: &[(&str, &str)]) -> Self {
        let files = files
            .iter()
            .map(|(path, text)| ((*path).to_owned(), (*text).to_owned()))
            .collect();
        Self { files }
    }

    /// All files, by path.
    pub(crate) fn files(&self) -> impl Iterator<Item = (&str, &str)> {
        self.files
            .iter()
            .map(|(path, text)| (path.as_str(), text.as_str()))
    }

    /// Rust files below a folder (`src/`).
    pub(crate) fn rust(&self, folder: &str) -> impl Iterator<Item = (&str, &str)> {
        self.files()
            .filter(move |(path, _)| path.starts_with(folder))
            .filter(|(path, _)| Path::new(path).extension().is_some_and(|end| end == "rs"))
    }

    /// The text of one file.
    pub(crate) fn text(&self, path: &str) -> Option<&str> {
        self.files.get(path).map(String::as_str)
    }
}

fn read(root: &Path, folder: &Path, files: &mut BTreeMap<String, String>) {
    // A folder that the project does not have yet.
    let Ok(entries) = fs::read_dir(folder) else {
        return;
    };
    for entry in entries {
        let path = entry.unwrap().path();
        if path.is_dir() {
            if !path.ends_with("target") {
                read(root, &path, files);
            }
        } else if let Ok(text) = fs::read_to_string(&path) {
            let name = path.strip_prefix(root).unwrap().to_str().unwrap();
            files.insert(name.to_owned(), text);
        }
    }
}
