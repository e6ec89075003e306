//! What somebody who has certificates made must know of them, and what he asks for one with.

use std::net::IpAddr;

use rcgen::{CertificateParams, DistinguishedName, KeyPair};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;

use super::certificate;
use crate::base::Timestamp;

/// A certificate, as far as its renewal goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateFacts {
    /// The hosts that it is for, lower case.
    pub names: Vec<String>,
    /// From when on it is good.
    pub begins: Timestamp,
    /// Until when.
    pub ends: Timestamp,
    /// It has signed itself: no authority stands behind it.
    pub is_self_signed: bool,
    /// The `keyIdentifier` of its authority (RFC 5280 §4.2.1.1), and its serial number, as both
    /// stand there; `None`: it does not name its authority's key.
    pub renewal_id: Option<(Vec<u8>, Vec<u8>)>,
}

impl CertificateFacts {
    /// Of the first certificate in a PEM text; `None`: there is none that can be read.
    #[must_use]
    pub fn of_pem(pem: &[u8]) -> Option<Self> {
        let der = CertificateDer::pem_slice_iter(pem).next()?.ok()?;
        Some(Self {
            names: certificate::names(&der),
            begins: certificate::begins(&der)?,
            ends: certificate::ends(&der)?,
            is_self_signed: certificate::is_self_signed(&der),
            renewal_id: certificate::authority_key(&der).zip(certificate::serial(&der)),
        })
    }
}

/// A request for a certificate.
#[derive(Debug)]
pub struct CertificateRequest {
    /// PKCS #10, DER (RFC 2986).
    pub der: Vec<u8>,
    /// The private key, PEM.
    pub key: String,
}

impl CertificateRequest {
    /// One for these hosts, with this key (PEM), or a new one (ECDSA, P-256).
    ///
    /// # Errors
    /// When the key cannot be used, or a host is none.
    pub fn new(hosts: &[String], key: Option<&str>) -> Result<Self, String> {
        if let Some(host) = hosts.iter().find(|host| host.parse::<IpAddr>().is_ok()) {
            return Err(format!("{host} is an address, expected a host"));
        }
        let told = |error: rcgen::Error| error.to_string();
        let key = match key {
            Some(pem) => KeyPair::from_pem(pem),
            None => KeyPair::generate(),
        };
        let key = key.map_err(told)?;
        let mut params = CertificateParams::new(hosts).map_err(told)?;
        // The names stand in the extension; authorities make the rest.
        params.distinguished_name = DistinguishedName::new();
        let request = params.serialize_request(&key).map_err(told)?;
        Ok(Self {
            der: request.der().to_vec(),
            key: key.serialize_pem(),
        })
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{BasicConstraints, IsCa, Issuer, SerialNumber};

    use super::*;

    #[test]
    fn what_renewal_needs_is_read() {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params
            .distinguished_name
            .push(rcgen::DnType::CommonName, "An authority");
        let issuer = Issuer::new(params, KeyPair::generate().unwrap());
        let mut params = CertificateParams::new(vec!["MX.example.org".to_owned()]).unwrap();
        params.not_before = rcgen::date_time_ymd(2026, 1, 2);
        params.not_after = rcgen::date_time_ymd(2050, 4, 2);
        // RFC 9773 §4.1: with its leading zero.
        params.serial_number = Some(SerialNumber::from_slice(&[0x87, 0x65]));
        params.use_authority_key_identifier_extension = true;
        let key = KeyPair::generate().unwrap();
        let made = params.signed_by(&key, &issuer).unwrap();
        let facts = CertificateFacts::of_pem(made.pem().as_bytes()).unwrap();
        assert_eq!(facts.names, ["mx.example.org"]);
        assert_eq!(facts.begins, "2026-01-02T00:00:00Z".parse().unwrap());
        assert_eq!(facts.ends, "2050-04-02T00:00:00Z".parse().unwrap());
        assert!(!facts.is_self_signed);
        let (authority, serial) = facts.renewal_id.unwrap();
        assert_eq!(serial, [0, 0x87, 0x65]);
        assert_eq!(authority.len(), 20);
        let alone = params.self_signed(&key).unwrap().pem();
        assert!(
            CertificateFacts::of_pem(alone.as_bytes())
                .unwrap()
                .is_self_signed
        );
        assert_eq!(CertificateFacts::of_pem(b"junk"), None);
    }

    #[test]
    fn a_request_names_hosts_and_keeps_its_key() {
        let hosts = ["mx.example.org", "mta-sts.example.org"].map(str::to_owned);
        let first = CertificateRequest::new(&hosts, None).unwrap();
        let again = CertificateRequest::new(&hosts, Some(&first.key)).unwrap();
        assert_eq!(again.key, first.key);
        assert_ne!(
            CertificateRequest::new(&hosts, None).unwrap().key,
            first.key
        );
        for host in hosts {
            let is_there = |der: &[u8]| der.windows(host.len()).any(|it| it == host.as_bytes());
            assert!(is_there(&first.der) && is_there(&again.der));
        }
        let address = ["192.0.2.1".to_owned()];
        assert!(CertificateRequest::new(&address, None).is_err());
        assert!(CertificateRequest::new(&["a.example".to_owned()], Some("junk")).is_err());
    }
}
