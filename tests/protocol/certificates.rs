//! Clients of a script that are known by certificates.

use tideover::base::{Boxed, ClientNames, ClientProof, TlsInfo};
use tideover::net::{AcceptTls, BoxedStream, TlsServer};

use super::door::Settings;

/// A setting about certificates.
pub(crate) fn set(settings: &mut Settings, (name, value): (&str, &str)) {
    let rights = &mut settings.options.certificates;
    match name {
        "certificate" => settings.certificate = Some(value.to_owned()),
        "allow_name" => rights.own.push(value.to_owned()),
        "shared_name" => rights.shared.push(value.to_owned()),
        "tenant" => rights.tenants.push(value.to_owned()),
        _ => panic!("unknown setting {name} {value}"),
    }
}

/// Handshakes after which each client has proven to have this name, if there is one.
#[derive(Debug)]
pub(crate) struct Proven(pub(crate) TlsServer, pub(crate) Option<String>);

impl AcceptTls for Proven {
    fn accept(&self, stream: BoxedStream) -> Boxed<'_, std::io::Result<(BoxedStream, TlsInfo)>> {
        Box::pin(async move {
            let (stream, mut info) = self.0.accept(stream).await?;
            if let Some(name) = &self.1 {
                info.client = ClientProof::Names(ClientNames {
                    hosts: vec![name.clone()],
                    subject: Some(format!("The host {name}")),
                    issuer: None,
                });
            }
            Ok((stream, info))
        })
    }
}
