//! The reference of all keys, `docs/config.md`, as the program reads it: what holds when a key is
//! left out, and what it means. A test proves that each default in it is the one of the code.

const PAGE: &str = include_str!("../../docs/config.md");

/// A row of the table of keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Row {
    /// `backend.NAME.tls`.
    pub(super) key: String,
    pub(super) usual: Usual,
    /// One or more sentences, with backticks around code.
    pub(super) meaning: String,
}

/// What holds when a key is not in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Usual {
    /// It is in the file, or something else is instead.
    Needed,
    /// Nothing.
    Nothing,
    /// This value, as TOML writes it.
    Value(String),
    /// Something that depends on other things, in words.
    Words(String),
}

/// All rows, in the order of the page.
pub(super) fn rows() -> Vec<Row> {
    let table = PAGE.split("\n## ").find(|part| part.starts_with("Keys"));
    table.unwrap_or_default().lines().filter_map(row).collect()
}

/// A line of the table; a pipe inside of a cell stands behind a backslash.
fn row(line: &str) -> Option<Row> {
    let line = line.strip_prefix("| `")?.strip_suffix('|')?;
    let line = line.replace("\\|", "\u{0}");
    let mut cells = line.splitn(3, '|').map(|cell| cell.replace('\u{0}', "|"));
    let (key, default, meaning) = (cells.next()?, cells.next()?, cells.next()?);
    Some(Row {
        key: key.trim().trim_end_matches('`').to_owned(),
        usual: usual(default.trim()),
        meaning: without_links(meaning.trim()),
    })
}

fn usual(cell: &str) -> Usual {
    let code = cell
        .strip_prefix('`')
        .and_then(|rest| rest.strip_suffix('`'))
        .filter(|code| !code.contains('`'));
    if cell.is_empty() {
        return Usual::Nothing;
    }
    if ["needed", "this or", "at least one"]
        .iter()
        .any(|word| cell.starts_with(word))
    {
        return Usual::Needed;
    }
    match code {
        Some(code) => Usual::Value(toml_form(code)),
        None if cell.bytes().all(|byte| byte.is_ascii_digit()) => Usual::Value(cell.to_owned()),
        None => Usual::Words(cell.replace('`', "")),
    }
}

/// The page leaves the quotes of texts out.
fn toml_form(code: &str) -> String {
    let is_bare = code.starts_with('[')
        || code == "true"
        || code == "false"
        || code.bytes().all(|byte| byte.is_ascii_digit());
    if is_bare && !code.starts_with("[Sent") {
        code.to_owned()
    } else {
        super::notes::quote(code)
    }
}

/// `[text](target)` becomes `text`.
fn without_links(text: &str) -> String {
    let mut plain = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("](") {
        let Some((head, word)) = before.rsplit_once('[') else {
            break;
        };
        let Some((_, behind)) = after.split_once(')') else {
            break;
        };
        plain.push_str(head);
        plain.push_str(word);
        rest = behind;
    }
    plain + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_is_understood() {
        let rows = rows();
        assert!(rows.len() > 150, "{}", rows.len());
        let of = |key: &str| rows.iter().find(|row| row.key == key).unwrap();
        assert_eq!(of("server.hostname").usual, Usual::Needed);
        assert_eq!(of("spool.uuid").usual, Usual::Nothing);
        assert_eq!(of("spool.retain").usual, Usual::Value("\"30d\"".to_owned()));
        assert_eq!(
            of("limits.recipients").usual,
            Usual::Value("1000".to_owned())
        );
        assert_eq!(
            of("outbound.relay").usual,
            Usual::Value("[\"mx\"]".to_owned())
        );
        let words = Usual::Words("the best offered".to_owned());
        assert_eq!(of("backend.NAME.auth").usual, words);
        let filter = of("directory.ldap.NAME.search.filter");
        let value = "\"(|(proxyAddresses=*)(mail=*))\"".to_owned();
        assert_eq!(filter.usual, Usual::Value(value));
        for row in &rows {
            assert!(!row.meaning.is_empty(), "{row:?}");
            assert!(!row.meaning.contains("]("), "{row:?}");
        }
    }
}
