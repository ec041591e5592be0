//! A transaction: one authorize request on its way through consent and upstream login. It is carried by the browser,
//! sealed; there is no table. Two sealed types (CB-10): [`AuthorizeRequest`] in the consent form before approval, bound to
//! this browser's CSRF cookie; [`ApprovedTransaction`] in a cookie after it.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::client::{
    AuthMethod, ClientId, Platform, Provenance, RedirectClass, ResolvedClient, SoftwareKey, ValidRedirect,
};
use crate::clock::Timestamp;
use crate::random::{RandomUnavailable, SecureRandom, bytes};
use crate::seal::{KeyRing, Purpose, b64, same_bytes, sha256};
use crate::session::{CodeChallenge, SessionId, UserId};

/// The longest sealed request, as text: it must fit a cookie of 4,096 bytes with its name and attributes after approval
/// adds its part.
const MAX_SEALED: usize = 3_600;

/// A checked authorize request: every part passed the step that checks it.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct AuthorizeRequest {
    pub(crate) client_id: ClientId,
    pub(crate) provenance: Provenance,
    pub(crate) auth_method: AuthMethod,
    pub(crate) software: SoftwareKey,
    pub(crate) platform: Platform,
    pub(crate) refresh: bool,
    redirect: String,
    redirect_class: RedirectClass,
    pub(crate) state: Option<Vec<u8>>,
    pub(crate) code_challenge: CodeChallenge,
    pub(crate) resource: String,
    /// Granted, not requested.
    pub(crate) scope: String,
    pub(crate) begun_at: Timestamp,
}

/// A transaction that a person approved in this browser. Made only by [`AuthorizeRequest::approve`] and by opening the
/// cookie which that set (I-3).
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct ApprovedTransaction {
    pub(crate) request: AuthorizeRequest,
    pub(crate) session: SessionId,
    pub(crate) nonce: String,
    pub(crate) verifier: String,
    pub(crate) approved_at: Timestamp,
    /// Whose approval was remembered: nobody else's login may end it. `None` if the person was asked.
    pub(crate) approved_before_by: Option<UserId>,
}

/// Where answers of this transaction go: built from nothing but a redirect URI that passed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ReturnAddress {
    uri: String,
    class: RedirectClass,
    state: Option<Vec<u8>>,
}

#[derive(Serialize, Deserialize)]
struct Wire<'a> {
    client_id: &'a str,
    flags: (u8, u8, u8, bool),
    software: &'a str,
    platform: &'a str,
    redirect: &'a str,
    #[serde(borrow)]
    state: Option<&'a [u8]>,
    code_challenge: [u8; 32],
    resource: &'a str,
    scope: &'a str,
    begun_at: i64,
}

#[derive(Serialize, Deserialize)]
struct ApprovedWire<'a> {
    #[serde(borrow)]
    request: Wire<'a>,
    session: [u8; 16],
    nonce: &'a str,
    verifier: &'a str,
    approved_at: i64,
    approved_before_by: Option<&'a str>,
}

impl AuthorizeRequest {
    pub(crate) fn new(
        client: &ResolvedClient,
        redirect: &ValidRedirect,
        state: Option<Vec<u8>>,
        code_challenge: CodeChallenge,
        resource: String,
        scope: String,
        begun_at: Timestamp,
    ) -> Self {
        Self {
            client_id: client.id().clone(),
            provenance: client.provenance(),
            auth_method: client.auth_method(),
            software: client.software().clone(),
            platform: client.platform().clone(),
            refresh: client.refresh(),
            redirect: redirect.as_str().to_owned(),
            redirect_class: redirect.class(),
            state,
            code_challenge,
            resource,
            scope,
            begun_at,
        }
    }

    pub(crate) fn redirect_uri(&self) -> &str {
        &self.redirect
    }

    /// Whether an approval of it may be remembered at all: anything may listen on loopback and on custom schemes (CO-5).
    pub(crate) fn may_be_remembered(&self) -> bool {
        self.provenance == Provenance::PreRegistered
            && self.redirect_class != RedirectClass::Loopback
            && self.redirect.starts_with("https:")
    }

    /// Whether the upstream must show an account chooser: loopback, other, and every adopted id (SR-12).
    pub(crate) fn must_select_account(&self) -> bool {
        self.redirect_class != RedirectClass::Platform || self.provenance == Provenance::Adopted
    }

    pub(crate) fn return_address(&self) -> ReturnAddress {
        ReturnAddress { uri: self.redirect.clone(), class: self.redirect_class, state: self.state.clone() }
    }

    fn wire(&self) -> Wire<'_> {
        Wire {
            client_id: self.client_id.as_str(),
            flags: (
                index(&PROVENANCES, self.provenance),
                index(&AuthMethod::ALL, self.auth_method),
                index(&CLASSES, self.redirect_class),
                self.refresh,
            ),
            software: self.software.as_str(),
            platform: self.platform.as_str(),
            redirect: &self.redirect,
            state: self.state.as_deref(),
            code_challenge: *self.code_challenge.as_bytes(),
            resource: &self.resource,
            scope: &self.scope,
            begun_at: self.begun_at.unix_micros(),
        }
    }

    fn from_wire(wire: &Wire<'_>) -> Option<Self> {
        Some(Self {
            client_id: ClientId::new(wire.client_id).ok()?,
            provenance: *PROVENANCES.get(usize::from(wire.flags.0))?,
            auth_method: *AuthMethod::ALL.get(usize::from(wire.flags.1))?,
            software: SoftwareKey::from_stored(wire.software),
            platform: Platform::named(wire.platform),
            refresh: wire.flags.3,
            redirect: wire.redirect.to_owned(),
            redirect_class: *CLASSES.get(usize::from(wire.flags.2))?,
            state: wire.state.map(<[u8]>::to_vec),
            code_challenge: CodeChallenge::from_bytes(wire.code_challenge),
            resource: wire.resource.to_owned(),
            scope: wire.scope.to_owned(),
            begun_at: Timestamp::from_unix_micros(wire.begun_at),
        })
    }

    /// Seals it for the consent form of the browser that holds `csrf`. `None` if it would not fit the cookie later.
    pub(crate) fn seal(
        &self,
        csrf: &str,
        ring: &KeyRing,
        random: &dyn SecureRandom,
    ) -> Result<Option<String>, RandomUnavailable> {
        let plain = postcard::to_allocvec(&self.wire()).map_err(|_| RandomUnavailable)?;
        let sealed = ring.seal(Purpose::Request, &sha256(csrf.as_bytes()), &plain, random)?;
        Ok((sealed.len() <= MAX_SEALED).then_some(sealed))
    }

    /// Opens the form field, if it was made for the browser that holds `csrf`.
    pub(crate) fn open(sealed: &str, csrf: &str, ring: &KeyRing) -> Option<Self> {
        let plain = ring.open(Purpose::Request, &sha256(csrf.as_bytes()), sealed.as_bytes())?;
        Self::from_wire(&postcard::from_bytes(&plain).ok()?)
    }

    /// The person approved, now or before (and then it is said who): mints the session id and what goes upstream.
    pub(crate) fn approve(
        self,
        approved_before_by: Option<UserId>,
        now: Timestamp,
        random: &dyn SecureRandom,
    ) -> Result<ApprovedTransaction, RandomUnavailable> {
        Ok(ApprovedTransaction {
            request: self,
            session: SessionId::mint(now, random)?,
            nonce: b64(&bytes::<32>(random)?),
            verifier: b64(&bytes::<32>(random)?),
            approved_at: now,
            approved_before_by,
        })
    }
}

impl ApprovedTransaction {
    /// Seals it for the cookie.
    pub(crate) fn seal(&self, ring: &KeyRing, random: &dyn SecureRandom) -> Result<String, RandomUnavailable> {
        let wire = ApprovedWire {
            request: self.request.wire(),
            session: *self.session.as_bytes(),
            nonce: &self.nonce,
            verifier: &self.verifier,
            approved_at: self.approved_at.unix_micros(),
            approved_before_by: self.approved_before_by.as_ref().map(UserId::as_str),
        };
        let plain = postcard::to_allocvec(&wire).map_err(|_| RandomUnavailable)?;
        ring.seal(Purpose::Approved, b"", &plain, random)
    }

    /// Opens a cookie that [`ApprovedTransaction::seal`] made.
    pub(crate) fn open(sealed: &str, ring: &KeyRing) -> Option<Self> {
        let plain = ring.open(Purpose::Approved, b"", sealed.as_bytes())?;
        let wire: ApprovedWire<'_> = postcard::from_bytes(&plain).ok()?;
        Some(Self {
            request: AuthorizeRequest::from_wire(&wire.request)?,
            session: SessionId::from_bytes(wire.session),
            nonce: wire.nonce.to_owned(),
            verifier: wire.verifier.to_owned(),
            approved_at: Timestamp::from_unix_micros(wire.approved_at),
            approved_before_by: match wire.approved_before_by {
                Some(user) => Some(user.parse().ok()?),
                None => None,
            },
        })
    }

    /// The upstream `state`: a keyed hash of the transaction's id that means nothing else (UP-9).
    pub(crate) fn state(&self, ring: &KeyRing) -> String {
        b64(&ring.sealing().mac(Purpose::State, &[self.session.as_bytes()])[..24])
    }

    /// Whether `state` belongs to this transaction, under any active secret.
    pub(crate) fn has_state(&self, state: &str, ring: &KeyRing) -> bool {
        crate::seal::unb64(state.as_bytes()).filter(|mac| mac.len() == 24).is_some_and(|mac| {
            ring.active().iter().any(|keys| {
                let want = keys.mac(Purpose::State, &[self.session.as_bytes()]);
                same_bytes(&want[..24], &mac)
            })
        })
    }
}

impl ReturnAddress {
    pub(crate) fn of(redirect: &ValidRedirect, state: Option<Vec<u8>>) -> Self {
        Self { uri: redirect.as_str().to_owned(), class: redirect.class(), state }
    }

    #[cfg(fuzzing)]
    pub(crate) fn of_gated(redirect: &crate::client::CanonicalRedirect, state: Option<Vec<u8>>) -> Self {
        Self { uri: redirect.as_str().to_owned(), class: RedirectClass::Other, state }
    }

    /// Whether errors may go there by themselves before the person approved (DC-12, CO-8).
    pub(crate) const fn is_trusted(&self) -> bool {
        !matches!(self.class, RedirectClass::Other)
    }

    /// The URI with `parameters`, the client's `state` and our `iss` (RFC 9207) appended to its query.
    pub(crate) fn with(&self, parameters: &[(&str, &str)], issuer: &str) -> String {
        let mut out = self.uri.clone();
        let mut separator = if out.contains('?') { '&' } else { '?' };
        let state = self.state.iter().map(|state| ("state", state.as_slice()));
        let parameters = parameters.iter().map(|(name, value)| (*name, value.as_bytes()));
        for (name, value) in parameters.chain(state).chain([("iss", issuer.as_bytes())]) {
            out.push(separator);
            out.push_str(name);
            out.push('=');
            out.extend(percent_encoding::percent_encode(value, crate::http::UNRESERVED));
            separator = '&';
        }
        out
    }
}

/// Part of the sealed format: only added to, at the end.
const PROVENANCES: [Provenance; 5] = [
    Provenance::PreRegistered,
    Provenance::Sealed,
    Provenance::MetadataDocument,
    Provenance::Adopted,
    Provenance::Imported,
];
const CLASSES: [RedirectClass; 3] = [RedirectClass::Platform, RedirectClass::Loopback, RedirectClass::Other];

fn index<T: PartialEq>(all: &[T], one: T) -> u8 {
    all.iter().position(|x| *x == one).and_then(|i| u8::try_from(i).ok()).unwrap_or(u8::MAX)
}

impl fmt::Debug for AuthorizeRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthorizeRequest")
            .field("client_id", &self.client_id)
            .field("platform", &self.platform)
            .field("resource", &self.resource)
            .field("scope", &self.scope)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for ApprovedTransaction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApprovedTransaction")
            .field("request", &self.request)
            .field("session", &self.session)
            .finish_non_exhaustive()
    }
}
