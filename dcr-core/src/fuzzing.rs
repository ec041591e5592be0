//! What the fuzz targets (`fuzz/` in the repository) see of this crate's inside. It is there under `cfg(fuzzing)` only,
//! which `cargo fuzz` sets: no part of the API, and without logic of its own.

#![allow(
    missing_docs,
    clippy::allow_attributes,
    reason = "not for anybody but the targets, which tell what they are for"
)]

use std::time::Duration;

use http::HeaderMap;

use crate::client::{
    AuthMethod, CanonicalRedirect, ClientAssertion, ClientCredentials, ClientDocument, ClientId, ClientKeys,
    DocumentUrl, Presented, SealedId, freshness,
};
use crate::clock::Timestamp;
use crate::engine::DcrEngine;
use crate::http::Params;
use crate::oauth::transaction::{ApprovedTransaction, AuthorizeRequest, ReturnAddress};
use crate::seal::{MAC_LEN, Purpose, b64, sha256};
use crate::session::{GrantKind, GrantToken};

/// A query or form.
pub struct Parameters(Params);

impl Parameters {
    pub fn parse(encoded: &[u8]) -> Option<Self> {
        Params::parse(encoded).ok().map(Self)
    }

    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name)
    }

    pub fn bytes(&self, name: &str) -> Option<&[u8]> {
        self.0.bytes(name)
    }

    pub fn count(&self, name: &str) -> usize {
        self.0.count(name)
    }

    pub fn repeated(&self) -> Option<&str> {
        self.0.repeated()
    }

    pub fn unreadable(&self) -> Option<&str> {
        self.0.unreadable()
    }
}

/// Who a token request says it comes from.
pub struct Credentials {
    pub id: String,
    pub secret: Option<(AuthMethod, String)>,
    pub has_assertion: bool,
}

pub fn credentials(headers: &HeaderMap, form: &Parameters) -> Option<Credentials> {
    let read = ClientCredentials::read(headers, &form.0).ok()?;
    Some(Credentials {
        id: read.id.as_str().to_owned(),
        secret: read.secret().map(|secret| (secret.method(), secret.for_fuzzing().to_owned())),
        has_assertion: matches!(read.presented, Presented::Assertion(_)),
    })
}

/// A redirect URI that passed the gate.
#[derive(Debug)]
pub struct Redirect(CanonicalRedirect);

impl Redirect {
    pub fn parse(text: &str, custom: &[String]) -> Option<Self> {
        CanonicalRedirect::parse(text, custom).ok().map(Self)
    }

    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    pub fn is_loopback(&self) -> bool {
        self.0.is_loopback()
    }

    pub fn with_port_removed(&self) -> Self {
        Self(self.0.with_port_removed())
    }

    pub fn is(&self, registered: &Self) -> bool {
        self.0.is(&registered.0)
    }

    pub fn answered(&self, parameters: &[(&str, &str)], state: Option<&[u8]>, issuer: &str) -> String {
        ReturnAddress::of_gated(&self.0, state.map(<[u8]>::to_vec)).with(parameters, issuer)
    }
}

/// What is read of a metadata document.
pub struct Document {
    pub name: String,
    pub auth_method: AuthMethod,
    pub redirects: Vec<String>,
}

/// The host of a client id that is the URL of a document.
pub fn document_host(id: &str) -> Option<String> {
    let id = ClientId::new(id).ok()?;
    DocumentUrl::parse(&id).ok().map(|url| url.host().to_owned())
}

pub fn document(id: &str, body: &[u8]) -> Option<Document> {
    let id = ClientId::new(id).ok()?;
    let document = ClientDocument::parse(DocumentUrl::parse(&id).ok()?, body, &[]).ok()?;
    Some(Document {
        redirects: document.redirects.iter().map(|redirect| redirect.as_str().to_owned()).collect(),
        auth_method: document.auth_method,
        name: document.name,
    })
}

pub fn document_is_fresh_for(headers: &HeaderMap, now: Timestamp) -> Duration {
    freshness(headers, now)
}

/// Whether `token` proves that its `sub` sent it, by the keys in `jwks`; answers the `sub`.
pub fn assertion(jwks: &str, kind: &str, token: &str, issuer: &str, now: Timestamp) -> Option<String> {
    let keys = ClientKeys::parse(jwks.as_bytes()).ok()?;
    let assertion = ClientAssertion::read(Some(kind), token).ok()?;
    assertion.verify(&keys, issuer, now).ok()?;
    Some(assertion.client().as_str().to_owned())
}

/// Whether a set of keys that a client publishes can be used.
pub fn keys_are_usable(jwks: &[u8]) -> bool {
    ClientKeys::parse(jwks).is_ok()
}

/// What a sealed client id holds.
#[derive(Debug, PartialEq, Eq)]
pub struct Registration {
    pub name: Option<String>,
    pub redirects: Vec<String>,
    pub auth_method: AuthMethod,
    pub refresh: bool,
}

pub fn registration(engine: &DcrEngine, id: &str) -> Option<Registration> {
    match SealedId::open(&ClientId::new(id).ok()?, &engine.inner.ring) {
        SealedId::Genuine(client) => Some(Registration {
            redirects: client.redirects.iter().map(|redirect| redirect.as_str().to_owned()).collect(),
            name: client.name,
            auth_method: client.auth_method,
            refresh: client.refresh,
        }),
        SealedId::Broken | SealedId::Foreign => None,
    }
}

/// The kinds of sealed values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    ClientId,
    Code,
    Refresh,
    Request,
    Approved,
    Remembered,
}

/// Whether `text` opens as this kind in the browser that holds `csrf`.
pub fn opens(engine: &DcrEngine, kind: Kind, csrf: &str, text: &str) -> bool {
    let ring = &engine.inner.ring;
    match kind {
        Kind::ClientId => registration(engine, text).is_some(),
        Kind::Code => GrantToken::open(text, GrantKind::Code, ring).is_some(),
        Kind::Refresh => GrantToken::open(text, GrantKind::Refresh, ring).is_some(),
        Kind::Request => AuthorizeRequest::open(text, csrf, ring).is_some(),
        Kind::Approved => ApprovedTransaction::open(text, ring).is_some(),
        Kind::Remembered => ring.open(Purpose::Remembered, b"", text.as_bytes()).is_some(),
    }
}

/// Seals any content as this kind, with a good key: what a bug elsewhere, or an older version, could have sealed.
pub fn seal(engine: &DcrEngine, kind: Kind, csrf: &str, content: &[u8]) -> Option<String> {
    let (ring, random) = (&engine.inner.ring, engine.inner.random.as_ref());
    let with_mac = |prefix: &str, purpose, labelled: bool| {
        let keys = ring.sealing();
        let mut sealed = keys.id().0.to_vec();
        sealed.extend_from_slice(content);
        let label = Some(prefix.as_bytes()).filter(|_| labelled);
        let parts: Vec<&[u8]> = label.into_iter().chain([sealed.as_slice()]).collect();
        let mac = keys.mac(purpose, &parts);
        sealed.extend_from_slice(&mac[..MAC_LEN]);
        Some(format!("{prefix}{}", b64(&sealed)))
    };
    match kind {
        Kind::ClientId => with_mac("dcr1_", Purpose::ClientId, true),
        Kind::Code => with_mac("dcrc1_", Purpose::Code, false),
        Kind::Refresh => with_mac("dcrr1_", Purpose::Refresh, false),
        Kind::Request => ring.seal(Purpose::Request, &sha256(csrf.as_bytes()), content, random).ok(),
        Kind::Approved => ring.seal(Purpose::Approved, b"", content, random).ok(),
        Kind::Remembered => ring.seal(Purpose::Remembered, b"", content, random).ok(),
    }
}

/// The id of the key that access tokens are signed with.
pub fn signing_kid(engine: &DcrEngine) -> &str {
    engine.inner.ring.sealing().signing_kid()
}

/// A token with any header and content, signed with the key of access tokens.
pub fn signed(engine: &DcrEngine, header: &[u8], payload: &[u8]) -> String {
    let signed = format!("{}.{}", b64(header), b64(payload));
    let signature = b64(&engine.inner.ring.sealing().sign(signed.as_bytes()));
    format!("{signed}.{signature}")
}
