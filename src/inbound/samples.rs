//! Options for the tests of this room.

use super::{Bounds, CertificateRights, Options, Role, Spokesmen, TlsMode};

/// A door of this role, for messages of 1,000 bytes.
pub(super) fn options(role: Role) -> Options {
    Options {
        listener: "test".to_owned(),
        hostname: "mx.example.org".to_owned(),
        postmaster: "admin@example.org".parse().unwrap(),
        role,
        tls: TlsMode::StartTls,
        spokesmen: Spokesmen::default(),
        require_tls_from: super::TlsOnly::default(),
        requiretls: false,
        device_login: false,
        certificates: CertificateRights::default(),
        max_message_size: 1000,
        bounds: Bounds::default(),
    }
}
