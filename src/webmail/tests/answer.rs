//! What a page answered.

use super::*;

pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: axum::http::HeaderMap,
    pub(super) text: String,
}

impl Answer {
    pub(super) async fn of(response: Response) -> Self {
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        Self {
            status: parts.status,
            headers: parts.headers,
            text: String::from_utf8(bytes.to_vec()).unwrap_or_default(),
        }
    }

    pub(super) fn location(&self) -> &str {
        assert_eq!(self.status, StatusCode::SEE_OTHER, "{}", self.text);
        self.headers[LOCATION].to_str().unwrap()
    }

    pub(super) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }

    /// The value of a form field, still escaped.
    pub(super) fn field(&self, name: &str) -> String {
        let mark = format!("name=\"{name}\"");
        let at = self
            .text
            .find(&mark)
            .unwrap_or_else(|| panic!("no {name} in {}", self.text));
        let (_, rest) = self.text.split_at(at).1.split_once("value=\"").unwrap();
        rest.split('"')
            .next()
            .unwrap()
            .replace("&#34;", "\"")
            .replace("&#60;", "<")
            .replace("&#62;", ">")
    }

    /// The text of a letter, as the form has it.
    pub(super) fn written(&self) -> String {
        let (_, rest) = self.text.split_once("<textarea id=\"text\"").unwrap();
        let (_, rest) = rest.split_once(">\n").unwrap();
        let text = rest.split("</textarea>").next().unwrap();
        text.replace("&#62;", ">")
            .replace("&#60;", "<")
            .replace("&#34;", "\"")
            .replace("&#38;", "&")
    }

    pub(super) fn has(&self, text: &str) -> bool {
        self.text.contains(text)
    }
}
