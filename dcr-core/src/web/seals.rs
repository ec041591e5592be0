//! The two sealed values of a sign-in to pages of this server: on its way to the provider and back, and what comes of it.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Place, WebPerson};
use crate::clock::Timestamp;
use crate::pages::Area;
use crate::random::{RandomUnavailable, SecureRandom, bytes};
use crate::seal::{KeyRing, Purpose, b64, digest, same_bytes, unb64};
use crate::session::{User, UserId};
use crate::text::bounded;

/// The longest name that is shown of who is signed in, in characters.
const MAX_SHOWN: usize = 80;
/// The bytes of a `state`.
const STATE_LEN: usize = 24;

/// A sign-in that is under way.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct WebLogin {
    area: Area,
    id: [u8; 16],
    pub(super) nonce: String,
    pub(super) verifier: String,
    /// Where the person wanted to: a path of the area.
    pub(super) next: String,
    pub(super) begun_at: Timestamp,
}

#[derive(Serialize, Deserialize)]
struct LoginWire<'a> {
    id: [u8; 16],
    nonce: &'a str,
    verifier: &'a str,
    next: &'a str,
    begun_at: i64,
}

#[derive(Serialize, Deserialize)]
struct SessionWire<'a> {
    user: &'a str,
    shown: &'a str,
    signed_in_at: i64,
    form_token: &'a str,
    rules: [u8; 16],
}

const fn login_purpose(area: Area) -> Purpose {
    match area {
        Area::Console => Purpose::ConsoleLogin,
        Area::Connections => Purpose::ConnectionsLogin,
    }
}

const fn session_purpose(area: Area) -> Purpose {
    match area {
        Area::Console => Purpose::ConsoleSession,
        Area::Connections => Purpose::ConnectionsSession,
    }
}

impl WebLogin {
    pub(super) fn begin(
        area: Area,
        next: String,
        now: Timestamp,
        random: &dyn SecureRandom,
    ) -> Result<Self, RandomUnavailable> {
        let text = || Ok(b64(&bytes::<32>(random)?));
        Ok(Self { area, id: bytes(random)?, nonce: text()?, verifier: text()?, next, begun_at: now })
    }

    /// Seals it for the cookie.
    pub(super) fn seal(&self, ring: &KeyRing, random: &dyn SecureRandom) -> Result<String, RandomUnavailable> {
        let Self { area, id, nonce, verifier, next, begun_at } = self;
        let wire = LoginWire { id: *id, nonce, verifier, next, begun_at: begun_at.unix_micros() };
        let plain = postcard::to_allocvec(&wire).map_err(|_| RandomUnavailable)?;
        ring.seal(login_purpose(*area), b"", &plain, random)
    }

    /// Opens a cookie that [`WebLogin::seal`] made for this area.
    pub(super) fn open(area: Area, sealed: &str, ring: &KeyRing) -> Option<Self> {
        let plain = ring.open(login_purpose(area), b"", sealed.as_bytes())?;
        let wire: LoginWire<'_> = postcard::from_bytes(&plain).ok()?;
        Some(Self {
            area,
            id: wire.id,
            nonce: wire.nonce.to_owned(),
            verifier: wire.verifier.to_owned(),
            next: wire.next.to_owned(),
            begun_at: Timestamp::from_unix_micros(wire.begun_at),
        })
    }

    /// The upstream `state`: a keyed hash that means nothing else (UP-9).
    pub(super) fn state(&self, ring: &KeyRing) -> String {
        b64(&ring.sealing().mac(Purpose::WebState, &[&self.id])[..STATE_LEN])
    }

    /// Whether `state` belongs to this sign-in, under any active secret.
    pub(super) fn has_state(&self, state: &str, ring: &KeyRing) -> bool {
        unb64(state.as_bytes()).filter(|mac| mac.len() == STATE_LEN).is_some_and(|mac| {
            ring.active().iter().any(|keys| same_bytes(&keys.mac(Purpose::WebState, &[&self.id])[..STATE_LEN], &mac))
        })
    }

    /// What is used up when it has signed somebody in (I-12).
    pub(super) fn used_as(&self) -> [u8; 32] {
        digest("dcr/v1/web-login", &[&self.id])
    }
}

impl WebPerson {
    /// Somebody whom the provider identified and `place` let in.
    pub(super) fn signed_in(
        place: &Place,
        user: &User,
        now: Timestamp,
        random: &dyn SecureRandom,
    ) -> Result<Self, RandomUnavailable> {
        let shown = user.email.as_deref().or(user.name.as_deref()).unwrap_or(&user.object_id);
        Ok(Self {
            area: place.area,
            user: user.id.clone(),
            shown: bounded(shown, MAX_SHOWN),
            signed_in_at: now,
            form_token: b64(&bytes::<24>(random)?),
            rules: place.rules,
        })
    }

    /// Seals it for the cookie.
    pub(super) fn seal(&self, ring: &KeyRing, random: &dyn SecureRandom) -> Result<String, RandomUnavailable> {
        let Self { area, user, shown, signed_in_at, form_token, rules } = self;
        let wire = SessionWire {
            user: user.as_str(),
            shown,
            signed_in_at: signed_in_at.unix_micros(),
            form_token,
            rules: *rules,
        };
        let plain = postcard::to_allocvec(&wire).map_err(|_| RandomUnavailable)?;
        ring.seal(session_purpose(*area), b"", &plain, random)
    }

    /// Opens a cookie that [`WebPerson::seal`] made for this place, under the same rules, less than an hour ago.
    pub(super) fn open(place: &Place, sealed: &str, now: Timestamp, ring: &KeyRing) -> Option<Self> {
        let plain = ring.open(session_purpose(place.area), b"", sealed.as_bytes())?;
        let wire: SessionWire<'_> = postcard::from_bytes(&plain).ok()?;
        let person = Self {
            area: place.area,
            user: wire.user.parse::<UserId>().ok()?,
            shown: wire.shown.to_owned(),
            signed_in_at: Timestamp::from_unix_micros(wire.signed_in_at),
            form_token: wire.form_token.to_owned(),
            rules: wire.rules,
        };
        (now < person.until() && person.rules == place.rules).then_some(person)
    }
}

impl fmt::Debug for WebLogin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebLogin").field("area", &self.area).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;
    use crate::config::Issuer;
    use crate::random::SystemRandom;
    use crate::seal::Secret;
    use crate::upstream::{Groups, Roles};

    const EVERY: [Purpose; 8] = [
        Purpose::Request,
        Purpose::Approved,
        Purpose::Remembered,
        Purpose::UpstreamToken,
        Purpose::ConsoleLogin,
        Purpose::ConsoleSession,
        Purpose::ConnectionsLogin,
        Purpose::ConnectionsSession,
    ];

    fn ring(secrets: &[u8]) -> KeyRing {
        let secrets: Vec<_> = secrets.iter().map(|byte| Secret::from_bytes([*byte; 32])).collect();
        KeyRing::new(&secrets, &[]).unwrap()
    }

    fn places() -> [Place; 2] {
        let issuer = Issuer::parse("https://mcp.example").unwrap();
        [Place::connections(&issuer, "/oauth"), Place::console(&issuer, None, "/oauth", [7; 16])]
    }

    fn ada() -> User {
        User {
            id: UserId::derive("i", "t", "ada"),
            issuer: "i".to_owned(),
            tenant: "t".to_owned(),
            object_id: "ada".to_owned(),
            name: Some("Ada".to_owned()),
            email: None,
            groups: Groups::Unsaid,
            roles: Roles::default(),
        }
    }

    fn person(place: &Place, ring: &KeyRing) -> (WebPerson, String) {
        let person = WebPerson::signed_in(place, &ada(), Timestamp::from_unix_seconds(1_000), &SystemRandom).unwrap();
        let sealed = person.seal(ring, &SystemRandom).unwrap();
        (person, sealed)
    }

    #[test]
    fn who_is_signed_in_opens_in_their_own_area_for_an_hour_and_with_a_rotated_key() {
        let (old, now) = (ring(&[1]), Timestamp::from_unix_seconds(1_000));
        for place in places() {
            let (person, sealed) = person(&place, &old);
            let open = |place: &Place, at, ring: &KeyRing| WebPerson::open(place, &sealed, at, ring);
            assert_eq!(open(&place, now, &old).as_ref(), Some(&person));
            assert_eq!(open(&place, now, &ring(&[2, 1])).as_ref(), Some(&person));
            assert_eq!(open(&place, now, &ring(&[2])), None);
            assert_eq!(open(&place, now + Duration::from_secs(3_599), &old).as_ref(), Some(&person));
            assert_eq!(open(&place, now + Duration::from_secs(3_600), &old), None);
            for other in places().iter().filter(|other| other.area != place.area) {
                assert_eq!(open(other, now, &old), None);
            }
        }
    }

    #[test]
    fn who_was_let_in_by_other_lists_is_so_no_longer() {
        let [_, console] = places();
        let (_, sealed) = person(&console, &ring(&[1]));
        let issuer = Issuer::parse("https://mcp.example").unwrap();
        let changed = Place::console(&issuer, None, "/oauth", [8; 16]);
        assert_eq!(WebPerson::open(&changed, &sealed, Timestamp::from_unix_seconds(1_000), &ring(&[1])), None);
    }

    #[test]
    fn a_state_is_of_its_own_sign_in_and_survives_a_rotation() {
        let (old, now) = (ring(&[1]), Timestamp::from_unix_seconds(1));
        let begin = |area| WebLogin::begin(area, "/oauth/admin".to_owned(), now, &SystemRandom).unwrap();
        let (one, other) = (begin(Area::Console), begin(Area::Console));
        let state = one.state(&old);
        assert!(one.has_state(&state, &old) && one.has_state(&state, &ring(&[2, 1])));
        assert!(!one.has_state(&state, &ring(&[2])) && !other.has_state(&state, &old));
        for wrong in ["", "AAAA", &state[1..], &format!("{state}AAAA")] {
            assert!(!one.has_state(wrong, &old), "{wrong}");
        }
    }

    proptest! {
        /// Whatever was sealed for one purpose opens for no other, and nothing that is no seal opens.
        #[test]
        fn cb_10_each_seal_opens_as_itself_alone(content in proptest::collection::vec(any::<u8>(), 0..200), noise in "\\PC{0,80}") {
            let (ring, now) = (ring(&[1]), Timestamp::from_unix_seconds(1_000));
            for purpose in EVERY {
                let sealed = ring.seal(purpose, b"", &content, &SystemRandom).unwrap();
                for other in EVERY {
                    prop_assert_eq!(ring.open(other, b"", sealed.as_bytes()).is_some(), other == purpose);
                }
                // And content that nobody of ours sealed is read without harm.
                for place in places() {
                    let _ = WebPerson::open(&place, &sealed, now, &ring);
                    let _ = WebLogin::open(place.area, &sealed, &ring);
                }
            }
            for place in places() {
                prop_assert!(WebPerson::open(&place, &noise, now, &ring).is_none());
                prop_assert!(WebLogin::open(place.area, &noise, &ring).is_none());
                // A sign-in that is under way is nobody who is signed in, and the other way about.
                let login = WebLogin::begin(place.area, noise.clone(), now, &SystemRandom).unwrap();
                let sealed = login.seal(&ring, &SystemRandom).unwrap();
                prop_assert!(WebPerson::open(&place, &sealed, now, &ring).is_none());
                prop_assert_eq!(WebLogin::open(place.area, &sealed, &ring), Some(login));
                prop_assert!(WebLogin::open(place.area, &person(&place, &ring).1, &ring).is_none());
            }
        }
    }
}
