//! What an envelope says of its message beside its addresses.

use tideover::mail::Envelope;

/// Has it this word; with `!`: has it not? Else what it has.
pub(crate) fn check(envelope: &Envelope, text: &str) -> Result<(), String> {
    let mut told = envelope.parameters.to_string().to_ascii_lowercase();
    if envelope.tls_optional {
        told.push_str(" tls-optional");
    }
    let certificate = envelope.peer.certificate.iter();
    told.extend(certificate.map(|name| format!(" certificate={name}")));
    let is_as_said = match text.strip_prefix('!') {
        Some(other) => !told.contains(other),
        None => told.contains(text),
    };
    is_as_said.then_some(()).ok_or(told)
}
