//! Keys by purpose, and the ring of them.

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM_SIV, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use aws_lc_rs::{hkdf, hmac};

use super::{Secret, b64, sha256, to_32};
use crate::random::{RandomUnavailable, SecureRandom, bytes};

/// Length of the truncated HMAC-SHA-256 in sealed ids and tokens: 128 bits.
pub(crate) const MAC_LEN: usize = 16;
const KEY_ID_LEN: usize = 4;

/// Names a secret inside a sealed value. Not secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct KeyId(pub(crate) [u8; KEY_ID_LEN]);

/// What a key is for. Each has an HKDF label of its own; a value sealed for one never opens for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// MAC of a sealed client id.
    ClientId,
    /// Derives the secret of a confidential registration from its id.
    ClientSecret,
    /// MAC of an authorization code.
    Code,
    /// MAC of a refresh token.
    Refresh,
    /// The upstream `state`: a keyed hash of the transaction id.
    State,
    /// Hash of a secret that an adopted client brought along (SR-16).
    AdoptedSecret,
    /// Derives the token by which a registration manages itself.
    RegistrationToken,
    /// Binds an MCP session id to a principal (RS-9).
    McpSession,
    /// AEAD of a transaction before approval (consent form).
    Request,
    /// AEAD of a transaction after approval (cookie).
    Approved,
    /// AEAD of an approval that is remembered (cookie).
    Remembered,
    /// AEAD of what a user may have from the upstream provider (store).
    UpstreamToken,
    /// The upstream `state` of somebody who signs in to pages of this server.
    WebState,
    /// AEAD of a sign-in to the console that is under way (cookie).
    ConsoleLogin,
    /// AEAD of who is signed in to the console (cookie).
    ConsoleSession,
    /// AEAD of a sign-in to the page of one's own connections that is under way (cookie).
    ConnectionsLogin,
    /// AEAD of who is signed in to the page of their own connections (cookie).
    ConnectionsSession,
}

impl Purpose {
    const MACS: [(Self, &'static [u8]); 9] = [
        (Self::ClientId, b"dcr/v1/client-id"),
        (Self::ClientSecret, b"dcr/v1/client-secret"),
        (Self::Code, b"dcr/v1/code"),
        (Self::Refresh, b"dcr/v1/refresh"),
        (Self::State, b"dcr/v1/upstream-state"),
        (Self::AdoptedSecret, b"dcr/v1/adopted-secret"),
        (Self::McpSession, b"dcr/v1/mcp-session"),
        (Self::RegistrationToken, b"dcr/v1/registration-token"),
        (Self::WebState, b"dcr/v1/web-state"),
    ];

    /// Cookies of pages that people sign in to.
    const WEB: [(Self, &'static [u8]); 4] = [
        (Self::ConsoleLogin, b"dcr/v1/console-login"),
        (Self::ConsoleSession, b"dcr/v1/console-session"),
        (Self::ConnectionsLogin, b"dcr/v1/connections-login"),
        (Self::ConnectionsSession, b"dcr/v1/connections-session"),
    ];
}

/// Every key that one secret gives.
pub(crate) struct KeySet {
    id: KeyId,
    macs: [hmac::Key; Purpose::MACS.len()],
    request: LessSafeKey,
    approved: LessSafeKey,
    remembered: LessSafeKey,
    upstream_token: LessSafeKey,
    web: [LessSafeKey; Purpose::WEB.len()],
    signing: Ed25519KeyPair,
    signing_kid: String,
}

struct Length(usize);

impl hkdf::KeyType for Length {
    fn len(&self) -> usize {
        self.0
    }
}

fn derive(prk: &hkdf::Prk, label: &[u8]) -> Result<[u8; 32], KeyRingError> {
    let mut out = [0; 32];
    prk.expand(&[label], Length(32)).and_then(|okm| okm.fill(&mut out)).map_err(|_| KeyRingError::Derivation)?;
    Ok(out)
}

fn aead(prk: &hkdf::Prk, label: &[u8]) -> Result<LessSafeKey, KeyRingError> {
    let key = derive(prk, label)?;
    UnboundKey::new(&AES_256_GCM_SIV, &key).map(LessSafeKey::new).map_err(|_| KeyRingError::Derivation)
}

impl KeySet {
    fn new(secret: &Secret) -> Result<Self, KeyRingError> {
        let prk = hkdf::Salt::new(hkdf::HKDF_SHA256, b"dcr/v1").extract(secret.expose());
        let mut id = [0; KEY_ID_LEN];
        id.copy_from_slice(&derive(&prk, b"dcr/v1/key-id")?[..KEY_ID_LEN]);
        let mut macs = Vec::with_capacity(Purpose::MACS.len());
        for (_, label) in Purpose::MACS {
            macs.push(hmac::Key::new(hmac::HMAC_SHA256, &derive(&prk, label)?));
        }
        let macs = macs.try_into().map_err(|_| KeyRingError::Derivation)?;
        let mut web = Vec::with_capacity(Purpose::WEB.len());
        for (_, label) in Purpose::WEB {
            web.push(aead(&prk, label)?);
        }
        let web = web.try_into().map_err(|_| KeyRingError::Derivation)?;
        let signing = Ed25519KeyPair::from_seed_unchecked(&derive(&prk, b"dcr/v1/access-token")?)
            .map_err(|_| KeyRingError::Derivation)?;
        // RFC 7638 thumbprint of the public JWK, members in lexicographic order.
        let jwk = format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{}"}}"#, b64(signing.public_key().as_ref()));
        Ok(Self {
            id: KeyId(id),
            macs,
            // Of version 1 the challenge was a text: whoever is in the middle of a sign-in then begins it anew.
            request: aead(&prk, b"dcr/v2/transaction-request")?,
            approved: aead(&prk, b"dcr/v2/transaction-approved")?,
            remembered: aead(&prk, b"dcr/v1/consent-remembered")?,
            upstream_token: aead(&prk, b"dcr/v1/upstream-token")?,
            web,
            signing,
            signing_kid: b64(&sha256(jwk.as_bytes())),
        })
    }

    pub(crate) const fn id(&self) -> KeyId {
        self.id
    }

    /// HMAC-SHA-256 over `parts`, each prefixed by its length.
    pub(crate) fn mac(&self, purpose: Purpose, parts: &[&[u8]]) -> [u8; 32] {
        let slot = Purpose::MACS.iter().position(|(p, _)| *p == purpose);
        debug_assert!(slot.is_some(), "{purpose:?} is an AEAD purpose");
        let mut context = hmac::Context::with_key(&self.macs[slot.unwrap_or(0)]);
        for part in parts {
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part);
        }
        to_32(context.sign().as_ref())
    }

    /// Whether `mac` is the (possibly truncated) MAC of `parts`; constant time.
    pub(crate) fn mac_is(&self, purpose: Purpose, parts: &[&[u8]], mac: &[u8]) -> bool {
        mac.len() >= MAC_LEN && self.mac(purpose, parts).get(..mac.len()).is_some_and(|want| same_bytes(want, mac))
    }

    fn aead(&self, purpose: Purpose) -> Option<&LessSafeKey> {
        match purpose {
            Purpose::Request => Some(&self.request),
            Purpose::Approved => Some(&self.approved),
            Purpose::Remembered => Some(&self.remembered),
            Purpose::UpstreamToken => Some(&self.upstream_token),
            _ => Purpose::WEB.iter().position(|(known, _)| *known == purpose).and_then(|at| self.web.get(at)),
        }
    }

    pub(crate) fn signing_kid(&self) -> &str {
        &self.signing_kid
    }

    pub(crate) fn signing_public_key(&self) -> &[u8] {
        self.signing.public_key().as_ref()
    }

    /// Ed25519 signature (RFC 8032).
    pub(crate) fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.signing.sign(message).as_ref().to_vec()
    }
}

/// Constant-time equality. Lengths may differ openly: everything compared here has a public, fixed length.
pub(crate) fn same_bytes(a: &[u8], b: &[u8]) -> bool {
    aws_lc_rs::constant_time::verify_slices_are_equal(a, b).is_ok()
}

/// Why a ring cannot be made. The operator's fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyRingError {
    /// No active secret.
    #[error("at least one secret is needed to seal with")]
    Empty,
    /// The same secret twice.
    #[error("the same secret is listed twice")]
    Duplicate,
    /// The crypto library refused to derive a key.
    #[error("a key could not be derived")]
    Derivation,
}

/// Whether a ring can be made of these secrets, as [`DcrEngineBuilder::secrets`](crate::DcrEngineBuilder::secrets) does.
///
/// # Errors
/// [`KeyRingError`] when there is no active secret, or one is listed twice.
///
/// ```
/// use dcr_core::{KeyRingError, Secret, SystemRandom, check_secrets};
///
/// let secret = Secret::generate(&SystemRandom).unwrap();
/// assert_eq!(check_secrets(&[secret.clone()], &[secret]), Err(KeyRingError::Duplicate));
/// ```
pub fn check_secrets(active: &[Secret], retired: &[Secret]) -> Result<(), KeyRingError> {
    KeyRing::new(active, retired).map(|_| ())
}

/// The ring: the first secret seals, every active one opens, retired ones verify client ids and client secrets (derived and
/// remembered ones) only.
pub(crate) struct KeyRing {
    active: Vec<KeySet>,
    retired: Vec<KeySet>,
}

impl KeyRing {
    /// Derives all keys. `active` in the operator's order, the sealing secret first.
    ///
    /// # Errors
    /// [`KeyRingError`] when there is no active secret or one is listed twice.
    pub(crate) fn new(active: &[Secret], retired: &[Secret]) -> Result<Self, KeyRingError> {
        if active.is_empty() {
            return Err(KeyRingError::Empty);
        }
        let active: Vec<KeySet> = active.iter().map(KeySet::new).collect::<Result<_, _>>()?;
        let retired: Vec<KeySet> = retired.iter().map(KeySet::new).collect::<Result<_, _>>()?;
        let mut ids: Vec<_> = active.iter().chain(&retired).map(|k| k.id.0).collect();
        ids.sort_unstable();
        if ids.windows(2).any(|pair| pair[0] == pair[1]) {
            return Err(KeyRingError::Duplicate);
        }
        Ok(Self { active, retired })
    }

    /// The set that seals.
    pub(crate) fn sealing(&self) -> &KeySet {
        &self.active[0]
    }

    /// The sets that open, the sealing one first.
    pub(crate) fn retired(&self) -> &[KeySet] {
        &self.retired
    }

    pub(crate) fn active(&self) -> &[KeySet] {
        &self.active
    }

    /// An active set by its id.
    pub(crate) fn find(&self, id: &[u8]) -> Option<&KeySet> {
        self.active.iter().find(|k| k.id.0 == id)
    }

    /// An active or retired set by its id: for client ids and the secrets derived from them.
    pub(crate) fn find_for_client_id(&self, id: &[u8]) -> Option<&KeySet> {
        self.for_client_secrets().find(|k| k.id.0 == id)
    }

    /// Active and retired sets: for what says how a client authenticates.
    pub(crate) fn for_client_secrets(&self) -> impl Iterator<Item = &KeySet> {
        self.active.iter().chain(&self.retired)
    }

    /// Encrypts with AES-256-GCM-SIV: misuse-resistant, because anonymous requests can cause many of these.
    pub(crate) fn seal(
        &self,
        purpose: Purpose,
        aad: &[u8],
        plaintext: &[u8],
        random: &dyn SecureRandom,
    ) -> Result<String, RandomUnavailable> {
        self.seal_bytes(purpose, aad, plaintext, random).map(|sealed| b64(&sealed))
    }

    /// [`KeyRing::seal`], not as text: for what is kept in the store.
    pub(crate) fn seal_bytes(
        &self,
        purpose: Purpose,
        aad: &[u8],
        plaintext: &[u8],
        random: &dyn SecureRandom,
    ) -> Result<Vec<u8>, RandomUnavailable> {
        let set = self.sealing();
        let nonce: [u8; NONCE_LEN] = bytes(random)?;
        let mut body = plaintext.to_vec();
        let key = set.aead(purpose).ok_or(RandomUnavailable)?;
        key.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(aad), &mut body)
            .map_err(|_| RandomUnavailable)?;
        let mut out = Vec::with_capacity(KEY_ID_LEN + NONCE_LEN + body.len());
        out.extend_from_slice(&set.id.0);
        out.extend_from_slice(&nonce);
        out.extend_from_slice(&body);
        Ok(out)
    }

    /// Opens what [`KeyRing::seal`] made for the same purpose and associated data; `None` for anything else.
    pub(crate) fn open(&self, purpose: Purpose, aad: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
        self.open_bytes(purpose, aad, &unb64_bounded(sealed)?)
    }

    /// Opens what [`KeyRing::seal_bytes`] made.
    pub(crate) fn open_bytes(&self, purpose: Purpose, aad: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
        let (id, rest) = sealed.split_at_checked(KEY_ID_LEN)?;
        let (nonce, body) = rest.split_at_checked(NONCE_LEN)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let mut body = body.to_vec();
        let plain = self.find(id)?.aead(purpose)?.open_in_place(nonce, Aad::from(aad), &mut body).ok()?;
        Some(plain.to_vec())
    }
}

/// Sealed transactions are small; anything longer is not ours and is not decoded.
fn unb64_bounded(text: &[u8]) -> Option<Vec<u8>> {
    (text.len() <= 8 * 1024).then(|| super::unb64(text)).flatten()
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyRing").field("active", &self.active.len()).field("retired", &self.retired.len()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::SystemRandom;

    fn ring(active: &[u8], retired: &[u8]) -> KeyRing {
        let secret = |b: &u8| Secret::from_bytes([*b; 32]);
        KeyRing::new(&active.iter().map(secret).collect::<Vec<_>>(), &retired.iter().map(secret).collect::<Vec<_>>())
            .unwrap()
    }

    #[test]
    fn a_sealed_value_opens_for_its_own_purpose_and_associated_data_only() {
        let ring = ring(&[1], &[]);
        let sealed = ring.seal(Purpose::Request, b"cookie", b"hello", &SystemRandom).unwrap();
        assert_eq!(ring.open(Purpose::Request, b"cookie", sealed.as_bytes()).as_deref(), Some(b"hello".as_slice()));
        assert_eq!(ring.open(Purpose::Approved, b"cookie", sealed.as_bytes()), None);
        assert_eq!(ring.open(Purpose::Request, b"other", sealed.as_bytes()), None);
        assert_eq!(ring.open(Purpose::Code, b"cookie", sealed.as_bytes()), None);
        assert_eq!(ring.open(Purpose::Request, b"cookie", b""), None);
    }

    #[test]
    fn the_ring_opens_what_any_active_secret_sealed_and_nothing_of_a_retired_one() {
        let old = ring(&[1], &[]);
        let sealed = old.seal(Purpose::Approved, b"", b"x", &SystemRandom).unwrap();
        assert!(ring(&[2, 1], &[]).open(Purpose::Approved, b"", sealed.as_bytes()).is_some());
        let retired = ring(&[2], &[1]);
        assert!(retired.open(Purpose::Approved, b"", sealed.as_bytes()).is_none());
        assert!(retired.find(&old.sealing().id.0).is_none());
        assert!(retired.find_for_client_id(&old.sealing().id.0).is_some());
    }

    #[test]
    fn a_ring_without_a_secret_or_with_one_twice_is_refused() {
        let one = Secret::from_bytes([1; 32]);
        assert_eq!(KeyRing::new(&[], &[]).unwrap_err(), KeyRingError::Empty);
        assert_eq!(
            KeyRing::new(std::slice::from_ref(&one), std::slice::from_ref(&one)).unwrap_err(),
            KeyRingError::Duplicate
        );
        // What an operator's tool asks before it writes a configuration.
        assert_eq!(check_secrets(&[], std::slice::from_ref(&one)), Err(KeyRingError::Empty));
        assert_eq!(check_secrets(&[one], &[Secret::from_bytes([2; 32])]), Ok(()));
    }

    /// The longest request has a client id, a redirect URI and a state of their longest, and opens again.
    #[test]
    fn what_is_sealed_opens_up_to_8_kib_and_longer_text_is_not_read() {
        let ring = ring(&[1], &[]);
        for (length, opens) in [(5_000, true), (6_000, true), (6_200, false)] {
            let sealed = ring.seal(Purpose::Request, b"", &vec![7; length], &SystemRandom).unwrap();
            assert_eq!(sealed.len() <= 8 * 1024, opens);
            assert_eq!(ring.open(Purpose::Request, b"", sealed.as_bytes()).is_some(), opens, "{length}");
        }
    }

    #[test]
    fn short_macs_never_verify() {
        let ring = ring(&[1], &[]);
        let mac = ring.sealing().mac(Purpose::Code, &[b"a"]);
        assert!(ring.sealing().mac_is(Purpose::Code, &[b"a"], &mac[..MAC_LEN]));
        assert!(!ring.sealing().mac_is(Purpose::Code, &[b"a"], &mac[..MAC_LEN - 1]));
        assert!(!ring.sealing().mac_is(Purpose::Code, &[b"a"], b""));
        assert!(!ring.sealing().mac_is(Purpose::Refresh, &[b"a"], &mac));
    }
}
