//! Is this the password of somebody? A search for his name, and a bind with both (RFC 4513 §5.1).

use std::panic::AssertUnwindSafe;

use futures_util::FutureExt as _;
use ldap3::{Ldap, Scope, SearchOptions, ldap_escape};

use super::session::{LdapServer, broken, driven, in_time, plain, read_entry};
use super::{LdapError, Search};
use crate::limits;

/// The password is wrong, or the account is shut (RFC 4511 §4.1.9).
const INVALID_CREDENTIALS: u32 = 49;
/// There are more objects than we asked for.
const SIZE_LIMIT: u32 = 4;
/// RFC 4511 §4.5.1.8: no attributes, the name only.
const NAME_ONLY: &str = "1.1";

impl LdapServer {
    /// Is this the password of who has this address? Never without TLS, and never without a
    /// password.
    ///
    /// # Errors
    /// When no server says so in time.
    pub async fn verify(&self, address: &str, password: &str) -> Result<bool, LdapError> {
        // RFC 4513 §5.1.2: a bind without password succeeds, and proves nothing.
        if password.is_empty() {
            return Ok(false);
        }
        // The library panics when an answer is no LDAP. What it leaves behind is dropped whole.
        let verified = AssertUnwindSafe(self.verify_first(address, password)).catch_unwind();
        let verified = tokio::time::timeout(limits::LDAP_LOGIN, verified).await;
        let verified = verified.map_err(|_| LdapError::Late)?;
        verified.unwrap_or(Err(LdapError::Odd))
    }

    async fn verify_first(&self, address: &str, password: &str) -> Result<bool, LdapError> {
        if !self.options().has_tls() {
            return Err(LdapError::Tls("a password goes over TLS only".to_owned()));
        }
        let own = self.password()?;
        let mut last = LdapError::Odd;
        for server in &self.options().servers {
            match self.connect(server).await {
                Err(error) => last = error,
                Ok((connection, mut ldap)) => {
                    let work = async {
                        self.log_in(&mut ldap, (server, own.as_deref())).await?;
                        let found = self.find(&mut ldap, address).await?;
                        let verified = match found {
                            Some(dn) => bind(&mut ldap, (server, &dn), password).await?,
                            None => false,
                        };
                        in_time(ldap.unbind()).await.ok();
                        Ok(verified)
                    };
                    return driven(connection, work).await;
                }
            }
        }
        Err(last)
    }

    /// The name of the one object with this address.
    async fn find(&self, ldap: &mut Ldap, address: &str) -> Result<Option<String>, LdapError> {
        for search in &self.options().searches {
            let names = named(ldap, search, address).await?;
            match names.as_slice() {
                [] => {}
                [dn] if !dn.is_empty() => return Ok(Some(dn.clone())),
                // Whose password would it be?
                _ => return Ok(None),
            }
        }
        Ok(None)
    }
}

async fn named(ldap: &mut Ldap, search: &Search, address: &str) -> Result<Vec<String>, LdapError> {
    let filter = filter(&search.filter, address);
    ldap.with_search_options(SearchOptions::new().sizelimit(2));
    let asked = ldap.search(&search.base, Scope::Subtree, &filter, vec![NAME_ONLY]);
    let answer = in_time(asked).await?;
    let answer = answer.map_err(|error| broken(&search.base, &error))?;
    let ldap3::SearchResult(entries, result) = answer;
    if result.rc != SIZE_LIMIT {
        let finished = result.success();
        finished.map_err(|error| broken(&search.base, &error))?;
    }
    let entries = entries.into_iter().filter(|entry| !entry.is_ref());
    let names = entries.map(|entry| read_entry(entry, usize::MAX).map(|object| object.dn));
    names.collect::<Option<_>>().ok_or(LdapError::Odd)
}

/// What the search finds, with this address.
fn filter(of_search: &str, address: &str) -> String {
    let of_search = match of_search.strip_prefix('(') {
        Some(_) => of_search.to_owned(),
        None => format!("({of_search})"),
    };
    // RFC 4515 §3.
    let address = ldap_escape(address);
    let proxy = |kind: &str| format!("(proxyAddresses={kind}:{address})");
    let (first, other) = (proxy("SMTP"), proxy("smtp"));
    format!("(&{of_search}(|(mail={address}){first}{other}))")
}

async fn bind(
    ldap: &mut Ldap,
    (server, dn): (&str, &str),
    password: &str,
) -> Result<bool, LdapError> {
    let refused = |why: String| LdapError::Login {
        server: server.to_owned(),
        name: dn.to_owned(),
        why,
    };
    let bound = in_time(ldap.simple_bind(dn, password)).await?;
    let bound = bound.map_err(|error| refused(plain(&error)))?;
    match bound.rc {
        0 => Ok(true),
        INVALID_CREDENTIALS => Ok(false),
        _ => {
            let why = bound.success().err();
            Err(refused(why.map_or_else(String::new, |error| plain(&error))))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ldap::LdapOptions;
    use crate::net::TlsClient;

    #[tokio::test]
    async fn a_password_goes_over_tls_only_and_never_empty() {
        let options = LdapOptions {
            servers: vec!["ldap://127.0.0.1:1".to_owned()],
            starttls: false,
            authorities: None,
            login: None,
            searches: Vec::new(),
        };
        let server = |starttls| {
            let options = LdapOptions {
                starttls,
                ..options.clone()
            };
            LdapServer::new(options, TlsClient::new().unwrap())
        };
        let plain = server(false).verify("ann@example.org", "secret").await;
        assert!(matches!(plain, Err(LdapError::Tls(_))), "{plain:?}");
        let nobody_there = server(true).verify("ann@example.org", "secret").await;
        let is_away = matches!(nobody_there, Err(LdapError::Unreachable { .. }));
        assert!(is_away, "{nobody_there:?}");
        let empty = server(true).verify("ann@example.org", "").await;
        assert!(matches!(empty, Ok(false)), "{empty:?}");
    }

    #[test]
    fn an_address_is_no_part_of_the_filter() {
        let found = filter("(mail=*)", "ann*)(cn=\\@example.org");
        let escaped = "ann\\2a\\29\\28cn=\\5c@example.org";
        assert_eq!(
            found,
            format!(
                "(&(mail=*)(|(mail={escaped})(proxyAddresses=SMTP:{escaped})\
                 (proxyAddresses=smtp:{escaped})))"
            )
        );
        assert!(filter("cn=ann", "x").starts_with("(&(cn=ann)(|"));
    }
}
