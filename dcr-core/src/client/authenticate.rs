//! Client authentication at the token, revocation and introspection endpoints (RFC 6749 section 2.3).

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;
use http::header::AUTHORIZATION;

use super::{AuthMethod, ClientId, ClientRules, Provenance, derive_client_secret};
use crate::http::Params;
use crate::seal::{KeyRing, Purpose, same_bytes, sha256};

/// A secret as it was presented, and how.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct PresentedSecret {
    method: AuthMethod,
    secret: String,
}

/// Who a request says it comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ClientCredentials {
    pub(crate) id: ClientId,
    pub(crate) secret: Option<PresentedSecret>,
}

/// Why credentials are not accepted. The client's fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CredentialFault {
    #[error("client_id is missing")]
    NoClientId,
    #[error("client_id is malformed")]
    ClientId,
    #[error("the Authorization header is not well-formed Basic credentials")]
    Basic,
    #[error("credentials are sent in more than one way")]
    TwoMethods,
    #[error("client assertions are not supported")]
    Assertion,
}

impl ClientCredentials {
    /// Reads the form and the `Authorization` header. Two ways at once, or two ids that differ, are refused (TK-6).
    pub(crate) fn read(headers: &HeaderMap, form: &Params) -> Result<Self, CredentialFault> {
        if form.get("client_assertion").is_some() || form.get("client_assertion_type").is_some() {
            return Err(CredentialFault::Assertion);
        }
        let in_form = form.get("client_id");
        let post = form.get("client_secret").map(str::to_owned);
        let mut authorization = headers.get_all(AUTHORIZATION).iter();
        let (id, secret) = match (authorization.next(), authorization.next()) {
            (None, _) => {
                let id = in_form.ok_or(CredentialFault::NoClientId)?.to_owned();
                (id, post.map(|secret| PresentedSecret { method: AuthMethod::ClientSecretPost, secret }))
            }
            (Some(header), None) => {
                let (id, secret) = basic(header.as_bytes()).ok_or(CredentialFault::Basic)?;
                if post.is_some() || in_form.is_some_and(|other| other != id) {
                    return Err(CredentialFault::TwoMethods);
                }
                // An empty password is how some clients say that they have none.
                let secret =
                    (!secret.is_empty()).then_some(PresentedSecret { method: AuthMethod::ClientSecretBasic, secret });
                (id, secret)
            }
            (Some(_), Some(_)) => return Err(CredentialFault::TwoMethods),
        };
        Ok(Self { id: ClientId::new(id).map_err(|_| CredentialFault::ClientId)?, secret })
    }
}

/// The credentials of exactly one `Authorization: Basic` header.
pub(crate) fn basic_credentials(headers: &HeaderMap) -> Option<(String, String)> {
    let mut all = headers.get_all(AUTHORIZATION).iter();
    match (all.next(), all.next()) {
        (Some(header), None) => basic(header.as_bytes()),
        _ => None,
    }
}

/// `Basic base64(form-urlencoded id ":" form-urlencoded secret)`, RFC 6749 section 2.3.1.
fn basic(header: &[u8]) -> Option<(String, String)> {
    let (scheme, credentials) = header.split_at_checked(6)?;
    if !scheme.eq_ignore_ascii_case(b"basic ") {
        return None;
    }
    let decoded = String::from_utf8(STANDARD.decode(credentials.trim_ascii()).ok()?).ok()?;
    let (id, secret) = decoded.split_once(':')?;
    Some((form_decode(id)?, form_decode(secret)?))
}

fn form_decode(text: &str) -> Option<String> {
    let spaced = text.replace('+', " ");
    percent_encoding::percent_decode_str(&spaced).decode_utf8().ok().map(std::borrow::Cow::into_owned)
}

/// What a session remembers of how its client authenticates.
pub(crate) struct Expected {
    pub(crate) provenance: Provenance,
    pub(crate) auth_method: AuthMethod,
    /// Hash of the secret that an adopted client brought to the code redemption. `None` at the redemption itself.
    pub(crate) adopted_secret: Option<Option<[u8; 32]>>,
}

impl ClientRules {
    /// Whether `credentials` are those of the client that a session belongs to. Exactly the registered method, and a
    /// secret where none is expected is as wrong as the reverse.
    pub(crate) fn authenticates(&self, ring: &KeyRing, credentials: &ClientCredentials, expected: &Expected) -> bool {
        let secret = credentials.secret.as_ref();
        if expected.provenance.has_unproven_secret() {
            return match expected.adopted_secret {
                // At the redemption anything goes: it is no authentication, only remembered (SR-16).
                None => true,
                Some(None) => secret.is_none(),
                Some(Some(hash)) => secret.is_some_and(|secret| {
                    // Also under a retired key: the session outlives it with tokens of a newer one.
                    ring.for_client_secrets().any(|keys| {
                        let parts = [credentials.id.as_str().as_bytes(), secret.secret.as_bytes()];
                        keys.mac_is(Purpose::AdoptedSecret, &parts, &hash)
                    })
                }),
            };
        }
        match (expected.auth_method, secret) {
            (AuthMethod::None, None) => true,
            (method, Some(presented)) if method.is_confidential() && presented.method == method => {
                self.secret_is(ring, &credentials.id, presented)
            }
            _ => false,
        }
    }

    /// Whether `credentials` authenticate a pre-registered or sealed confidential client.
    pub(crate) fn authenticates_confidential(&self, ring: &KeyRing, credentials: &ClientCredentials) -> bool {
        match (self.auth_method_of(ring, &credentials.id), &credentials.secret) {
            (Some(method), Some(presented)) => {
                method.is_confidential()
                    && presented.method == method
                    && self.secret_is(ring, &credentials.id, presented)
            }
            _ => false,
        }
    }

    fn secret_is(&self, ring: &KeyRing, id: &ClientId, presented: &PresentedSecret) -> bool {
        if let Some(client) = self.pre_registered.get(id) {
            return client.secret_is(&presented.secret);
        }
        // Hashes have one length, so the comparison tells nothing of the secret (TK-7).
        derive_client_secret(id, ring)
            .is_some_and(|want| same_bytes(&sha256(want.as_bytes()), &sha256(presented.secret.as_bytes())))
    }
}

impl PresentedSecret {
    /// The keyed hash that a session of an adopted client keeps.
    pub(crate) fn adopted_hash(&self, ring: &KeyRing, id: &ClientId) -> [u8; 32] {
        ring.sealing().mac(Purpose::AdoptedSecret, &[id.as_str().as_bytes(), self.secret.as_bytes()])
    }
}

impl fmt::Debug for PresentedSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PresentedSecret({}, redacted)", self.method.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(header: Option<&str>, form: &str) -> Result<ClientCredentials, CredentialFault> {
        let mut headers = HeaderMap::new();
        if let Some(header) = header {
            headers.insert(AUTHORIZATION, header.parse().unwrap());
        }
        ClientCredentials::read(&headers, &Params::parse(form.as_bytes()).unwrap())
    }

    fn basic_of(text: &str) -> String {
        format!("Basic {}", STANDARD.encode(text))
    }

    #[test]
    fn credentials_are_read_from_one_place() {
        assert_eq!(read(None, "client_id=abc").unwrap().secret, None);
        let post = read(None, "client_id=abc&client_secret=s").unwrap();
        assert_eq!(post.secret.unwrap().method, AuthMethod::ClientSecretPost);
        let basic = read(Some(&basic_of("a%2Bb:s%25")), "").unwrap();
        assert_eq!((basic.id.as_str(), basic.secret.unwrap().secret.as_str()), ("a+b", "s%"));
        assert_eq!(read(Some(&basic_of("abc:")), "client_id=abc").unwrap().secret, None);
    }

    #[test]
    fn tk_06_two_methods_and_malformed_credentials_are_refused() {
        assert_eq!(read(None, ""), Err(CredentialFault::NoClientId));
        assert_eq!(read(None, "client_id=a%20b"), Err(CredentialFault::ClientId));
        assert_eq!(read(Some(&basic_of("a:b")), "client_secret=b"), Err(CredentialFault::TwoMethods));
        assert_eq!(read(Some(&basic_of("a:b")), "client_id=c"), Err(CredentialFault::TwoMethods));
        assert_eq!(read(None, "client_id=a&client_assertion=x"), Err(CredentialFault::Assertion));
        for header in ["Bearer x", "Basic", "Basic !!!", &basic_of("no-colon"), &basic_of("a:%ff")] {
            assert_eq!(read(Some(header), "client_id=a"), Err(CredentialFault::Basic), "{header}");
        }
    }
}
