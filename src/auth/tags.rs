//! `name=value; name=value`, as DKIM, DMARC and TLS-RPT write their records.

/// Tags of one list. Real ones have a dozen; each more costs a comparison with all before it.
const TAGS: usize = 64;

/// A list of tags.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Tags<'t>(Vec<(&'t str, &'t str)>);

impl<'t> Tags<'t> {
    /// Reads a record; names are made of letters in lower case.
    ///
    /// # Errors
    /// What is no tag, a tag that is there twice, too many.
    pub(crate) fn parse(text: &'t str) -> Result<Self, String> {
        let parts = text.split(';').map(str::trim).filter(|it| !it.is_empty());
        let tag = |part: &'t str| {
            let tag = part.split_once('=');
            let tag = tag.map(|(name, value)| (name.trim(), value.trim()));
            tag.filter(|(name, _)| !name.is_empty() && !name.contains(char::is_whitespace))
                .ok_or_else(|| format!("\"{part}\" is no tag, expected name=value"))
        };
        let some = parts.take(TAGS + 1).map(tag);
        let tags: Vec<_> = some.collect::<Result<_, _>>()?;
        if tags.len() > TAGS {
            return Err(format!("more than {TAGS} tags"));
        }
        for (at, (name, _)) in tags.iter().enumerate() {
            // RFC 6376 §3.2: a name that is there twice makes the whole list void.
            if tags.iter().take(at).any(|(earlier, _)| earlier == name) {
                return Err(format!("the tag {name} is there twice"));
            }
        }
        Ok(Self(tags))
    }

    /// The value of a tag.
    pub(crate) fn get(&self, name: &str) -> Option<&'t str> {
        let found = self.0.iter().find(|(known, _)| *known == name);
        found.map(|(_, value)| *value)
    }

    /// Does the list begin with this tag?
    pub(crate) fn begins(&self, name: &str, value: &str) -> bool {
        self.0.first().is_some_and(|first| *first == (name, value))
    }
}

/// Is `text` a record that begins with the tag `version`, such as `v=DMARC1`?
pub(crate) fn is_version(text: &str, version: &str) -> bool {
    let first = text.split(';').next().unwrap_or_default();
    let bare: String = first.chars().filter(|c| !c.is_whitespace()).collect();
    bare == version
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_read() {
        let tags = Tags::parse(" v=DKIM1 ; k = rsa;p=a=b==; ").unwrap();
        assert_eq!(tags.get("k"), Some("rsa"));
        assert_eq!(tags.get("p"), Some("a=b=="));
        assert_eq!(tags.get("t"), None);
        assert!(tags.begins("v", "DKIM1") && !tags.begins("k", "rsa"));
        assert!(Tags::parse("v=1; none").is_err());
        assert!(Tags::parse("v=1; v=2").unwrap_err().contains("twice"));
        // Nobody is kept busy with a list without an end.
        let tags: Vec<String> = (0..200_000).map(|at| format!("t{at}=x;")).collect();
        let list = |count: usize| tags.iter().take(count).cloned().collect::<String>();
        assert!(Tags::parse(&list(TAGS)).is_ok());
        for count in [TAGS + 1, 200_000] {
            assert!(Tags::parse(&list(count)).unwrap_err().contains("more than"));
        }
        assert!(is_version("v = DMARC1 ; p=none", "v=DMARC1"));
        assert!(!is_version("v=DMARC11; p=none", "v=DMARC1"));
    }
}
