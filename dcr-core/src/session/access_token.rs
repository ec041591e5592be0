//! Access tokens: `at+jwt` (RFC 9068), EdDSA. We issue and verify them ourselves, so the header is not interpreted: it
//! must be, byte for byte, one that we would have written. That leaves nothing to confuse (RS-3).

use std::fmt;

use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
use serde::{Deserialize, Serialize};

use super::{ConnectionId, SessionId, UserId};
use crate::client::ClientId;
use crate::clock::{REPLICA_SKEW, Timestamp, numeric_date};
use crate::error::Reason;
use crate::oauth::ScopeSet;
use crate::seal::{KeyRing, KeySet, b64, unb64};

/// The longest access token that is looked at.
const MAX_TOKEN: usize = 8 * 1024;

/// The claims, on the wire. Every one that belongs to its subject is required, and has one JSON type (RS-4).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Wire {
    iss: String,
    aud: String,
    sub: String,
    client_id: String,
    scope: String,
    /// Session and connection: both for a person, neither for a machine client.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sid: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    con: Option<String>,
    iat: i64,
    exp: i64,
    /// We write none. One that is there all the same counts (RFC 7519 section 4.1.5).
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "numeric_date")]
    nbf: Option<i64>,
    jti: String,
}

/// Who a token speaks for, beside its `sub`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Subject {
    /// A person, in one session.
    Person { connection: ConnectionId, session: SessionId },
    /// The client itself (RFC 6749 section 4.4, RFC 9068 section 5): no person, no session, no row.
    Machine,
}

impl Subject {
    pub(crate) const fn connection(self) -> Option<ConnectionId> {
        match self {
            Self::Person { connection, .. } => Some(connection),
            Self::Machine => None,
        }
    }

    pub(crate) const fn session(self) -> Option<SessionId> {
        match self {
            Self::Person { session, .. } => Some(session),
            Self::Machine => None,
        }
    }
}

/// What an access token says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AccessTokenClaims {
    pub(crate) user: UserId,
    pub(crate) subject: Subject,
    pub(crate) client_id: ClientId,
    pub(crate) resource: String,
    pub(crate) scope: ScopeSet,
    pub(crate) issued_at: Timestamp,
    pub(crate) expires_at: Timestamp,
    pub(crate) token_id: String,
}

/// Why a token is not valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TokenFault {
    /// Not one of ours: form, header, signature, issuer or claims.
    Invalid,
    /// Ours, for another resource.
    OtherAudience,
    /// Ours, lapsed.
    Expired,
}

/// A signed access token. `Debug` shows nothing of it.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct AccessToken(String);

impl TokenFault {
    /// What a request with such a token is told.
    pub(crate) const fn reason(self) -> Reason {
        match self {
            Self::Invalid | Self::OtherAudience => Reason::TokenInvalid,
            Self::Expired => Reason::TokenExpired,
        }
    }
}

/// Where the keys come from that tokens are verified with: the ring, or what an issuer elsewhere publishes.
pub(crate) trait VerifyingKeys {
    /// The Ed25519 public key of this id.
    fn verifying_key(&self, kid: &str) -> Option<&[u8]>;
}

impl VerifyingKeys for KeyRing {
    fn verifying_key(&self, kid: &str) -> Option<&[u8]> {
        self.active().iter().find(|keys| keys.signing_kid() == kid).map(KeySet::signing_public_key)
    }
}

const HEADER: (&str, &str) = (r#"{"typ":"at+jwt","alg":"EdDSA","kid":""#, r#""}"#);

fn header(keys: &KeySet) -> String {
    format!("{}{}{}", HEADER.0, keys.signing_kid(), HEADER.1)
}

/// The key id of a header that this server would have written, byte for byte; of nothing else.
fn kid_of_header(head: &[u8]) -> Option<&str> {
    let kid = std::str::from_utf8(head).ok()?.strip_prefix(HEADER.0)?.strip_suffix(HEADER.1)?;
    let plain = kid.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
    (plain && (1..=64).contains(&kid.len())).then_some(kid)
}

impl AccessToken {
    /// Signs `claims` under the ring's first secret.
    pub(crate) fn sign(claims: &AccessTokenClaims, issuer: &str, ring: &KeyRing) -> Option<Self> {
        let keys = ring.sealing();
        let (sid, con) = match claims.subject {
            Subject::Person { connection, session } => (Some(session.to_string()), Some(connection.to_string())),
            Subject::Machine => (None, None),
        };
        let wire = Wire {
            iss: issuer.to_owned(),
            aud: claims.resource.clone(),
            sub: claims.user.as_str().to_owned(),
            client_id: claims.client_id.as_str().to_owned(),
            scope: claims.scope.to_string(),
            sid,
            con,
            iat: claims.issued_at.unix_seconds(),
            exp: claims.expires_at.unix_seconds(),
            nbf: None,
            jti: claims.token_id.clone(),
        };
        let payload = serde_json::to_vec(&wire).ok()?;
        let signed = format!("{}.{}", b64(header(keys).as_bytes()), b64(&payload));
        let signature = b64(&keys.sign(signed.as_bytes()));
        Some(Self(format!("{signed}.{signature}")))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// Verifies `token` for `audience` at `now`; any resource of this server if there is no audience (introspection).
    pub(crate) fn verify(
        token: &str,
        issuer: &str,
        audience: Option<&str>,
        now: Timestamp,
        keys: &impl VerifyingKeys,
    ) -> Result<AccessTokenClaims, TokenFault> {
        let wire = Self::open(token, keys).ok_or(TokenFault::Invalid)?;
        let from_the_future = |at: i64| at > (now + REPLICA_SKEW).unix_seconds();
        if wire.iss != issuer || from_the_future(wire.iat) || wire.exp <= wire.iat {
            return Err(TokenFault::Invalid);
        }
        if wire.nbf.is_some_and(from_the_future) {
            return Err(TokenFault::Invalid);
        }
        if audience.is_some_and(|audience| wire.aud != audience) {
            return Err(TokenFault::OtherAudience);
        }
        if wire.exp <= now.unix_seconds() {
            return Err(TokenFault::Expired);
        }
        wire.claims().ok_or(TokenFault::Invalid)
    }

    /// The session of a token that this server signed, lapsed or not: for its revocation.
    pub(crate) fn session_of(token: &str, issuer: &str, ring: &KeyRing) -> Option<SessionId> {
        Self::open(token, ring).filter(|wire| wire.iss == issuer)?.sid?.parse().ok()
    }

    /// Whether it is a token that this server signed for a machine client, lapsed or not.
    pub(crate) fn is_machines(token: &str, issuer: &str, ring: &KeyRing) -> bool {
        Self::open(token, ring).is_some_and(|wire| wire.iss == issuer && wire.sid.is_none())
    }

    /// The id of the key that a token says it is signed with; nothing if it cannot be one of this kind of server's.
    pub(crate) fn kid(token: &str) -> Option<String> {
        let head = token.split('.').next().filter(|_| token.len() <= MAX_TOKEN)?;
        kid_of_header(&unb64(head.as_bytes())?).map(str::to_owned)
    }

    fn open(token: &str, keys: &impl VerifyingKeys) -> Option<Wire> {
        if token.len() > MAX_TOKEN {
            return None;
        }
        let (signed, signature) = token.rsplit_once('.')?;
        let (head, payload) = signed.split_once('.')?;
        let head = unb64(head.as_bytes())?;
        let key = keys.verifying_key(kid_of_header(&head)?)?;
        UnparsedPublicKey::new(&ED25519, key).verify(signed.as_bytes(), &unb64(signature.as_bytes())?).ok()?;
        serde_json::from_slice(&unb64(payload.as_bytes())?).ok()
    }
}

impl Wire {
    fn claims(self) -> Option<AccessTokenClaims> {
        let user: UserId = self.sub.parse().ok()?;
        let subject = match (self.sid, self.con) {
            (Some(sid), Some(con)) if !user.is_machine() => {
                Subject::Person { connection: con.parse().ok()?, session: sid.parse().ok()? }
            }
            (None, None) if user.is_machine() => Subject::Machine,
            _ => return None,
        };
        Some(AccessTokenClaims {
            user,
            subject,
            client_id: ClientId::new(self.client_id).ok()?,
            resource: self.aud,
            scope: ScopeSet::parse_lossy(&self.scope),
            issued_at: Timestamp::from_unix_seconds(self.iat),
            expires_at: Timestamp::from_unix_seconds(self.exp),
            token_id: self.jti,
        })
    }
}

/// The public keys (RFC 7517): those of every active secret.
pub(crate) fn jwks(ring: &KeyRing) -> serde_json::Value {
    let keys: Vec<_> = ring
        .active()
        .iter()
        .map(|keys| {
            serde_json::json!({
                "kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig",
                "kid": keys.signing_kid(), "x": b64(keys.signing_public_key()),
            })
        })
        .collect();
    serde_json::json!({ "keys": keys })
}

impl fmt::Debug for AccessToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AccessToken(redacted)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seal::Secret;

    const ISSUER: &str = "https://mcp.example";
    const AUDIENCE: &str = "https://mcp.example/mcp";

    fn ring(n: u8) -> KeyRing {
        KeyRing::new(&[Secret::from_bytes([n; 32])], &[]).unwrap()
    }

    fn claims() -> AccessTokenClaims {
        AccessTokenClaims {
            user: UserId::derive("i", "t", "o"),
            subject: Subject::Person {
                connection: ConnectionId::from_bytes([1; 16]),
                session: SessionId::from_bytes([2; 16]),
            },
            client_id: ClientId::new("client-1").unwrap(),
            resource: AUDIENCE.to_owned(),
            scope: ScopeSet::parse_lossy("mcp"),
            issued_at: Timestamp::from_unix_seconds(1_000),
            expires_at: Timestamp::from_unix_seconds(1_900),
            token_id: "j".to_owned(),
        }
    }

    fn verify(token: &str, now: i64) -> Result<AccessTokenClaims, TokenFault> {
        AccessToken::verify(token, ISSUER, Some(AUDIENCE), Timestamp::from_unix_seconds(now), &ring(1))
    }

    /// A token with our key's true signature over any header and payload.
    fn forge(head: &str, payload: &str) -> String {
        let signed = format!("{}.{}", b64(head.as_bytes()), b64(payload.as_bytes()));
        format!("{signed}.{}", b64(&ring(1).sealing().sign(signed.as_bytes())))
    }

    #[test]
    fn what_was_signed_verifies_for_its_audience_and_time() {
        let token = AccessToken::sign(&claims(), ISSUER, &ring(1)).unwrap();
        assert_eq!(verify(token.as_str(), 1_000), Ok(claims()));
        assert_eq!(verify(token.as_str(), 1_899), Ok(claims()));
        assert_eq!(verify(token.as_str(), 1_900), Err(TokenFault::Expired));
        assert_eq!(verify(token.as_str(), 994), Err(TokenFault::Invalid));
        let at = |issuer, audience, ring: &KeyRing| {
            AccessToken::verify(token.as_str(), issuer, audience, Timestamp::from_unix_seconds(1_000), ring)
        };
        assert_eq!(at(ISSUER, Some("https://mcp.example/other"), &ring(1)), Err(TokenFault::OtherAudience));
        assert_eq!(at("https://mcp.example/", Some(AUDIENCE), &ring(1)), Err(TokenFault::Invalid));
        assert_eq!(at(ISSUER, Some(AUDIENCE), &ring(2)), Err(TokenFault::Invalid));
    }

    #[test]
    fn rs_03_only_our_exact_header_is_read() {
        let payload = serde_json::to_string(&serde_json::json!({
            "iss": ISSUER, "aud": AUDIENCE, "sub": claims().user.as_str(), "client_id": "client-1", "scope": "mcp",
            "sid": SessionId::from_bytes([2; 16]).to_string(), "con": ConnectionId::from_bytes([1; 16]).to_string(), "iat": 1000, "exp": 1900, "jti": "j",
        }))
        .unwrap();
        let kid = ring(1).sealing().signing_kid().to_owned();
        assert!(verify(&forge(&header(ring(1).sealing()), &payload), 1_000).is_ok());
        for head in [
            format!(r#"{{"typ":"JWT","alg":"EdDSA","kid":"{kid}"}}"#),
            format!(r#"{{"typ":"at+jwt","alg":"none","kid":"{kid}"}}"#),
            format!(r#"{{"typ":"at+jwt","alg":"HS256","kid":"{kid}"}}"#),
            format!(r#"{{"typ":"at+jwt","alg":"EdDSA","kid":"{kid}","jku":"https://evil.example"}}"#),
            r#"{"typ":"at+jwt","alg":"EdDSA","kid":"../../etc/passwd"}"#.to_owned(),
        ] {
            assert_eq!(verify(&forge(&head, &payload), 1_000), Err(TokenFault::Invalid), "{head}");
        }
        for text in ["", ".", "..", "a.b.c", &"a".repeat(20_000)] {
            assert_eq!(verify(text, 1_000), Err(TokenFault::Invalid));
        }
        let long = payload.replace(r#""jti":"j""#, &format!(r#""jti":"{}""#, "j".repeat(6_000)));
        let token = forge(&header(ring(1).sealing()), &long);
        assert!(token.len() > MAX_TOKEN && long.len() > payload.len());
        assert_eq!(verify(&token, 1_000), Err(TokenFault::Invalid), "our own, and longer than any");
    }

    /// What an issuer elsewhere is asked for keys about.
    #[test]
    fn rs_03_a_key_id_is_up_to_64_plain_characters() {
        let of = |kid: &str| AccessToken::kid(&forge(&format!("{}{kid}{}", HEADER.0, HEADER.1), "{}"));
        for good in ["a", "A-z_0", &"k".repeat(64)] {
            assert_eq!(of(good).as_deref(), Some(good));
        }
        for bad in ["", "a b", "../x", "a\\u0062", &"k".repeat(65)] {
            assert_eq!(of(bad), None, "{bad}");
        }
    }

    #[test]
    fn rs_04_claims_of_the_wrong_type_or_missing_are_refused() {
        let good = serde_json::json!({
            "iss": ISSUER, "aud": AUDIENCE, "sub": claims().user.as_str(), "client_id": "client-1", "scope": "mcp",
            "sid": SessionId::from_bytes([2; 16]).to_string(), "con": ConnectionId::from_bytes([1; 16]).to_string(), "iat": 1000, "exp": 1900, "jti": "j",
        });
        let head = header(ring(1).sealing());
        for (name, value) in [
            ("exp", serde_json::json!("1900")),
            ("exp", serde_json::json!(-1)),
            ("exp", serde_json::json!(null)),
            ("exp", serde_json::json!(1e300)),
            ("iat", serde_json::json!(1006)),
            ("nbf", serde_json::json!(1006)),
            ("nbf", serde_json::json!("1000")),
            ("nbf", serde_json::json!(null)),
            ("aud", serde_json::json!([AUDIENCE])),
            ("sub", serde_json::json!("client-1")),
            ("client_id", serde_json::json!(claims().user.as_str())),
        ] {
            let mut changed = good.clone();
            changed[name] = value;
            assert!(verify(&forge(&head, &changed.to_string()), 1_000).is_err(), "{changed}");
        }
        for name in ["iat", "nbf"] {
            let mut changed = good.clone();
            changed[name] = serde_json::json!(1005);
            assert!(verify(&forge(&head, &changed.to_string()), 1_000).is_ok(), "another replica's clock: {name}");
        }
        for name in ["iss", "aud", "sub", "client_id", "scope", "sid", "con", "iat", "exp", "jti"] {
            let mut changed = good.clone();
            changed.as_object_mut().unwrap().remove(name);
            assert!(verify(&forge(&head, &changed.to_string()), 1_000).is_err(), "{name}");
        }
    }

    #[test]
    fn i_07_a_machine_has_no_session_and_a_person_has_one() {
        let machine =
            AccessTokenClaims { user: UserId::of_machine(ISSUER, "client-1"), subject: Subject::Machine, ..claims() };
        let token = AccessToken::sign(&machine, ISSUER, &ring(1)).unwrap();
        assert_eq!(verify(token.as_str(), 1_000), Ok(machine.clone()));
        assert!(AccessToken::is_machines(token.as_str(), ISSUER, &ring(1)));
        assert_eq!(AccessToken::session_of(token.as_str(), ISSUER, &ring(1)), None);
        for mixed in [
            AccessTokenClaims { user: claims().user, ..machine.clone() },
            AccessTokenClaims { subject: claims().subject, ..machine },
        ] {
            let token = AccessToken::sign(&mixed, ISSUER, &ring(1)).unwrap();
            assert_eq!(verify(token.as_str(), 1_000), Err(TokenFault::Invalid));
        }
    }
}
