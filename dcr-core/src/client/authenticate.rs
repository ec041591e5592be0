//! Client authentication at the token, revocation and introspection endpoints (RFC 6749 section 2.3).

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;
use http::header::AUTHORIZATION;

use super::assertion::ClientAssertion;
use super::{AuthMethod, ClientId, PreRegistered, Provenance, derive_client_secret};
use crate::http::Params;
use crate::seal::{KeyRing, Purpose, same_bytes, sha256};

/// A secret as it was presented, and how.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct PresentedSecret {
    method: AuthMethod,
    secret: String,
}

/// What a request brings to prove whom it comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Presented {
    Nothing,
    Secret(PresentedSecret),
    Assertion(Box<ClientAssertion>),
}

/// Who a request says it comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ClientCredentials {
    pub(crate) id: ClientId,
    pub(crate) presented: Presented,
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
    #[error(
        "the client assertion is malformed, of another type than jwt-bearer, or not signed with RS256, PS256, ES256, ES384, EdDSA or RS512"
    )]
    Assertion,
}

impl ClientCredentials {
    /// Reads the form and the `Authorization` header. Two ways at once, or two ids that differ, are refused (TK-6).
    pub(crate) fn read(headers: &HeaderMap, form: &Params) -> Result<Self, CredentialFault> {
        let in_form = form.get("client_id");
        let post = form.get("client_secret").map(str::to_owned);
        if let Some(token) = form.get("client_assertion") {
            if post.is_some() || headers.contains_key(AUTHORIZATION) {
                return Err(CredentialFault::TwoMethods);
            }
            let assertion = ClientAssertion::read(form.get("client_assertion_type"), token)?;
            // RFC 7521 section 4.2: the id may be left out, and must be the same if it is not.
            if in_form.is_some_and(|other| other != assertion.client().as_str()) {
                return Err(CredentialFault::TwoMethods);
            }
            return Ok(Self { id: assertion.client().clone(), presented: Presented::Assertion(Box::new(assertion)) });
        }
        if form.get("client_assertion_type").is_some() {
            return Err(CredentialFault::Assertion);
        }
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
        let id = ClientId::new(id).map_err(|_| CredentialFault::ClientId)?;
        Ok(Self { id, presented: secret.map_or(Presented::Nothing, Presented::Secret) })
    }

    /// The secret that came along.
    pub(crate) const fn secret(&self) -> Option<&PresentedSecret> {
        match &self.presented {
            Presented::Secret(secret) => Some(secret),
            Presented::Nothing | Presented::Assertion(_) => None,
        }
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

/// How the client of a session, or of no session, is expected to authenticate.
pub(crate) struct Expected {
    pub(crate) provenance: Provenance,
    pub(crate) auth_method: AuthMethod,
    /// Hash of the secret that an adopted client brought to the code redemption. `None` at the redemption itself.
    pub(crate) adopted_secret: Option<Option<[u8; 32]>>,
}

impl Expected {
    /// Whether `credentials` are those of a client whose secret proves nothing and is only remembered (SR-16).
    pub(crate) fn remembers(&self, ring: &KeyRing, credentials: &ClientCredentials) -> bool {
        let secret = match &credentials.presented {
            Presented::Nothing => None,
            Presented::Secret(secret) => Some(secret),
            Presented::Assertion(_) => return false,
        };
        match self.adopted_secret {
            // At the redemption anything goes: it is no authentication, only remembered.
            None => true,
            Some(None) => secret.is_none(),
            Some(Some(hash)) => secret.is_some_and(|secret| {
                // Also under a retired key: the session outlives it with tokens of a newer one.
                ring.for_client_secrets().any(|keys| {
                    let parts = [credentials.id.as_str().as_bytes(), secret.secret.as_bytes()];
                    keys.mac_is(Purpose::AdoptedSecret, &parts, &hash)
                })
            }),
        }
    }
}

impl PresentedSecret {
    /// The keyed hash that a session of an adopted client keeps.
    pub(crate) fn adopted_hash(&self, ring: &KeyRing, id: &ClientId) -> [u8; 32] {
        ring.sealing().mac(Purpose::AdoptedSecret, &[id.as_str().as_bytes(), self.secret.as_bytes()])
    }
}

impl PresentedSecret {
    /// How it came.
    pub(crate) const fn method(&self) -> AuthMethod {
        self.method
    }

    #[cfg(fuzzing)]
    pub(crate) fn for_fuzzing(&self) -> &str {
        &self.secret
    }

    /// Whether it is the secret of this pinned client.
    pub(crate) fn is_of(&self, client: &PreRegistered) -> bool {
        client.secret_is(&self.secret)
    }

    /// Whether it is the secret that was derived from this sealed id. Hashes have one length, so that the comparison tells
    /// nothing of the secret (TK-7).
    pub(crate) fn is_derived_from(&self, id: &ClientId, ring: &KeyRing) -> bool {
        derive_client_secret(id, ring)
            .is_some_and(|want| same_bytes(&sha256(want.as_bytes()), &sha256(self.secret.as_bytes())))
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
    use crate::clock::Timestamp;

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
        assert_eq!(read(None, "client_id=abc").unwrap().presented, Presented::Nothing);
        let post = read(None, "client_id=abc&client_secret=s").unwrap();
        assert_eq!(post.secret().unwrap().method, AuthMethod::ClientSecretPost);
        let basic = read(Some(&basic_of("a%2Bb:s%25")), "").unwrap();
        assert_eq!((basic.id.as_str(), basic.secret().unwrap().secret.as_str()), ("a+b", "s%"));
        assert_eq!(read(Some(&basic_of("abc:")), "client_id=abc").unwrap().presented, Presented::Nothing);
    }

    #[test]
    fn rfc_7521_an_assertion_says_whose_it_is() {
        let key = crate::testing::AssertionKey::seeded(1);
        let token = key.assertion("https://a.example/c", "https://mcp.example", Timestamp::from_unix_seconds(1), "1");
        let kind = "urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer";
        let form = format!("client_assertion_type={kind}&client_assertion={token}");
        assert_eq!(read(None, &form).unwrap().id.as_str(), "https://a.example/c");
        assert!(read(None, &format!("{form}&client_id=https%3A%2F%2Fa.example%2Fc")).is_ok());
        for more in ["&client_id=other", "&client_secret=s"] {
            assert_eq!(read(None, &format!("{form}{more}")), Err(CredentialFault::TwoMethods), "{more}");
        }
        assert_eq!(read(Some(&basic_of("a:b")), &form), Err(CredentialFault::TwoMethods));
        assert_eq!(read(None, "client_id=a&client_assertion_type=x"), Err(CredentialFault::Assertion));
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
