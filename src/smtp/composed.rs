//! Letters and their accents.

use std::borrow::Cow;

use icu_normalizer::ComposingNormalizerBorrowed;

/// Each letter with its accent as one character (NFC): two ways to type a name are no two
/// names.
#[must_use]
pub fn nfc(text: &str) -> Cow<'_, str> {
    if text.is_ascii() {
        return Cow::Borrowed(text);
    }
    ComposingNormalizerBorrowed::new_nfc().normalize(text)
}
