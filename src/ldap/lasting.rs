//! What an object is known by, also when it was renamed or moved in the tree, and how it is found
//! again by that.

use super::Object;
use crate::base::hex;

/// What stays when the object is renamed or moved: its objectGUID, else its entryUUID. Of a server
/// that has neither it is the name.
#[must_use]
pub fn lasting_id(object: &Object) -> String {
    if let Some(guid) = object.bytes("objectguid") {
        return hex(guid);
    }
    match object.text("entryuuid") {
        Some(uuid) => uuid.to_lowercase(),
        None => object.dn.to_lowercase(),
    }
}

/// How an object is found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Sought {
    /// By a filter.
    By(String),
    /// By its name.
    At(String),
}

/// How the object with this id is found. Nothing of the id gets into a filter as it is.
pub(super) fn sought(id: &str) -> Sought {
    if let Some(bytes) = from_hex(id) {
        // RFC 4515 §3: a value may be written as the codes of its bytes.
        return Sought::By(format!("(objectGUID={})", escaped(&bytes)));
    }
    let is_uuid = |c: char| c.is_ascii_hexdigit() || c == '-';
    if !id.is_empty() && id.chars().all(is_uuid) {
        return Sought::By(format!("(entryUUID={id})"));
    }
    Sought::At(id.to_owned())
}

fn escaped(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        text.push('\\');
        text.push_str(&hex(&[*byte]));
        text
    })
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let pairs = text.as_bytes().chunks(2);
    let byte = |pair: &[u8]| {
        let pair = std::str::from_utf8(pair).ok().filter(|it| it.len() == 2)?;
        // It would take "+1", too.
        let is_hex = pair.bytes().all(|byte| byte.is_ascii_hexdigit());
        u8::from_str_radix(pair, 16).ok().filter(|_| is_hex)
    };
    let bytes: Option<Vec<u8>> = pairs.map(byte).collect();
    bytes.filter(|bytes| !bytes.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(attributes: &[(&str, &[u8])]) -> Object {
        let mut object = Object {
            dn: "CN=Ann,DC=Example".to_owned(),
            ..Object::default()
        };
        for (name, value) in attributes {
            let values = vec![value.to_vec()];
            object.attributes.insert((*name).to_owned(), values);
        }
        object
    }

    #[test]
    fn an_object_is_sought_by_what_stays() {
        let uuid = b"3B1F2c00-0000-4000-8000-0000000000aa".as_slice();
        let both = object(&[("objectguid", b"\x01\x00*"), ("entryuuid", uuid)]);
        assert_eq!(lasting_id(&both), "01002a");
        let found = Sought::By("(objectGUID=\\01\\00\\2a)".to_owned());
        assert_eq!(sought("01002a"), found);
        let by_uuid = lasting_id(&object(&[("entryuuid", uuid)]));
        let found = "(entryUUID=3b1f2c00-0000-4000-8000-0000000000aa)";
        assert_eq!(sought(&by_uuid), Sought::By(found.to_owned()));
        let by_name = lasting_id(&object(&[]));
        let found = Sought::At("cn=ann,dc=example".to_owned());
        assert_eq!(sought(&by_name), found);
    }

    #[test]
    fn an_id_is_no_part_of_a_filter_as_it_is() {
        for odd in ["", "*", "a)(cn=*", "+1+1", "01020", "é"] {
            let found = sought(odd);
            let is_plain = matches!(&found, Sought::At(name) if name == odd);
            assert!(is_plain || odd == "01020", "{found:?}");
        }
    }
}
