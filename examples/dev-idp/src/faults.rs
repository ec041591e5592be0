//! Misbehaviour on demand: what a hostile or broken provider may do to the party that relies on it.

use std::fmt;
use std::str::FromStr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The step of a login at which a fault shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// The authorization request is answered by an error.
    Authorize,
    /// The redirect that carries the code is malformed.
    Callback,
    /// The token endpoint fails before it looks at the grant.
    Token,
    /// The token endpoint answers with a bad token set.
    Tokens,
    /// The key set cannot be fetched.
    Jwks,
}

macro_rules! faults {
    ($($variant:ident, $name:literal, $stage:ident, $about:literal;)+) => {
        /// One kind of misbehaviour.
        ///
        /// The name on the wire (forms, [`fmt::Display`], [`FromStr`]) is the snake case of the variant.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Fault {
            $(#[doc = $about] $variant,)+
        }

        impl Fault {
            /// Every fault, in the order of the lists that the pages show.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The name on the wire.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)+
                }
            }

            /// What the provider does, in one sentence.
            pub const fn about(self) -> &'static str {
                match self {
                    $(Self::$variant => $about,)+
                }
            }

            pub(crate) const fn stage(self) -> Stage {
                match self {
                    $(Self::$variant => Stage::$stage,)+
                }
            }
        }
    };
}

faults! {
    WrongNonce, "wrong_nonce", Tokens, "The ID token carries a nonce that nobody sent.";
    MissingNonce, "missing_nonce", Tokens, "The ID token carries no nonce.";
    WrongAudience, "wrong_audience", Tokens, "The ID token is meant for another client.";
    WrongIssuer, "wrong_issuer", Tokens, "The ID token names another issuer.";
    Expired, "expired", Tokens, "The ID token expired an hour ago.";
    FutureNbf, "future_nbf", Tokens, "The ID token becomes valid in an hour.";
    FutureIat, "future_iat", Tokens, "The ID token was issued an hour from now.";
    AlgNone, "alg_none", Tokens, "The ID token says `alg: none` and has no signature.";
    Hs256WithPublicKey, "hs256_with_public_key", Tokens,
        "The ID token is an HS256 MAC whose key is the PEM text of the public key.";
    UnknownKid, "unknown_kid", Tokens,
        "The ID token is signed by the published key under a key id that the key set lacks.";
    RotatedKey, "rotated_key", Tokens, "A new key signs from now on; the key set has the old and the new one.";
    RotatedKeyOnly, "rotated_key_only", Tokens, "A new key signs from now on; the key set has only the new one.";
    WrongSignature, "wrong_signature", Tokens, "One bit of the ID token's signature is flipped.";
    WrongTenant, "wrong_tenant", Tokens, "The ID token is of a user of another tenant, and otherwise sound.";
    MissingOid, "missing_oid", Tokens, "The ID token lacks `oid`.";
    NoIdToken, "no_id_token", Tokens, "The token response lacks `id_token`.";
    HugeBody, "huge_body", Tokens, "The token response is sound, but 8 MiB long.";
    Slow, "slow", Token, "The token endpoint takes its time (3 seconds unless set otherwise), then answers.";
    Error500, "error_500", Token, "The token endpoint answers 500 with an HTML page.";
    Error503, "error_503", Token, "The token endpoint answers 503 with `Retry-After: 2`.";
    TokenGarbage, "token_garbage", Token, "The token endpoint answers 200 with something that is not JSON.";
    ConsentRequired, "consent_required", Token, "The token endpoint wants consent (AADSTS65001, `invalid_grant`).";
    InteractionRequired, "interaction_required", Token,
        "The token endpoint wants the user to sign in again (AADSTS50076, `interaction_required`).";
    BadClient, "bad_client", Token, "The token endpoint refuses the client secret (AADSTS7000215).";
    CodeUsed, "code_used", Token, "The token endpoint says that the code was redeemed before (AADSTS54005).";
    Denied, "denied", Authorize, "The authorization request ends in `access_denied` (AADSTS65004).";
    ServerError, "server_error", Authorize, "The authorization request ends in `server_error` (AADSTS90033).";
    DuplicateState, "duplicate_state", Callback, "The redirect with the code carries `state` twice.";
    NoState, "no_state", Callback, "The redirect with the code carries no `state`.";
    Jwks500, "jwks_500", Jwks, "The key set answers 500.";
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The text names no [`Fault`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownFault;

impl fmt::Display for UnknownFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no such fault; GET /dev/faults lists them")
    }
}

impl std::error::Error for UnknownFault {}

impl FromStr for Fault {
    type Err = UnknownFault;

    fn from_str(text: &str) -> Result<Self, UnknownFault> {
        Self::ALL.iter().copied().find(|fault| fault.name() == text).ok_or(UnknownFault)
    }
}

/// The fault that is armed, if any, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Armed {
    /// The fault.
    pub fault: Fault,
    /// Whether it goes away when it has shown once.
    pub once: bool,
}

/// The switchboard of a running provider. At most one fault is armed at a time; arming another replaces it.
#[derive(Debug)]
pub struct Faults {
    armed: Mutex<Option<Armed>>,
    delay_ms: AtomicU64,
}

impl Faults {
    const DEFAULT_DELAY_MS: u64 = 3_000;

    pub(crate) const fn new() -> Self {
        Self { armed: Mutex::new(None), delay_ms: AtomicU64::new(Self::DEFAULT_DELAY_MS) }
    }

    /// Arms `fault` until it is cleared or replaced.
    pub fn set(&self, fault: Fault) {
        *self.lock() = Some(Armed { fault, once: false });
    }

    /// Arms `fault` for the next request that it applies to.
    pub fn set_once(&self, fault: Fault) {
        *self.lock() = Some(Armed { fault, once: true });
    }

    /// Disarms whatever is armed.
    pub fn clear(&self) {
        *self.lock() = None;
    }

    /// What is armed now.
    pub fn armed(&self) -> Option<Armed> {
        *self.lock()
    }

    /// How long [`Fault::Slow`] waits.
    pub fn delay(&self) -> Duration {
        Duration::from_millis(self.delay_ms.load(Ordering::Relaxed))
    }

    /// Sets how long [`Fault::Slow`] waits, in whole milliseconds.
    pub fn set_delay(&self, delay: Duration) {
        self.delay_ms.store(u64::try_from(delay.as_millis()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// The armed fault if it belongs to `stage`; a fault armed once is used up by this.
    pub(crate) fn take(&self, stage: Stage) -> Option<Fault> {
        let mut armed = self.lock();
        let current = (*armed).filter(|armed| armed.fault.stage() == stage)?;
        if current.once {
            *armed = None;
        }
        Some(current.fault)
    }

    fn lock(&self) -> MutexGuard<'_, Option<Armed>> {
        self.armed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_distinct_and_parse_back() {
        for fault in Fault::ALL {
            assert_eq!(fault.name().parse(), Ok(*fault));
        }
        assert_eq!("none".parse::<Fault>(), Err(UnknownFault));
    }

    #[test]
    fn a_fault_shows_only_at_its_stage_and_once_means_once() {
        let faults = Faults::new();
        faults.set_once(Fault::Denied);
        assert_eq!(faults.take(Stage::Token), None);
        assert_eq!(faults.take(Stage::Authorize), Some(Fault::Denied));
        assert_eq!(faults.take(Stage::Authorize), None);
        faults.set(Fault::Jwks500);
        assert_eq!(faults.take(Stage::Jwks), Some(Fault::Jwks500));
        assert_eq!(faults.take(Stage::Jwks), Some(Fault::Jwks500));
        faults.clear();
        assert_eq!(faults.armed(), None);
    }
}
