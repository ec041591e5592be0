//! Internal ids. All but the user id are 16 bytes that begin with the time, so that index pages fill in order.

use std::fmt;
use std::str::FromStr;

use uuid::Uuid;

use crate::clock::Timestamp;
use crate::random::{RandomUnavailable, SecureRandom, bytes};
use crate::seal::{b64, digest};

/// A text is not an id of this kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an id of this kind")]
pub struct NotAnId;

macro_rules! internal_id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; 16]);

        impl $name {
            /// From the 16 bytes that a store kept.
            #[must_use]
            pub const fn from_bytes(bytes: [u8; 16]) -> Self {
                Self(bytes)
            }

            /// The 16 bytes that a store keeps.
            #[must_use]
            pub const fn as_bytes(&self) -> &[u8; 16] {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($prefix, "{}"), Uuid::from_bytes(self.0).simple())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = NotAnId;

            fn from_str(text: &str) -> Result<Self, NotAnId> {
                let hex = text.strip_prefix($prefix).filter(|hex| hex.len() == 32).ok_or(NotAnId)?;
                let id = Uuid::try_parse(hex).map(|uuid| Self(uuid.into_bytes())).map_err(|_| NotAnId)?;
                // One text per id: upper-case hex is refused (HTTP-03).
                if id.to_string() == text { Ok(id) } else { Err(NotAnId) }
            }
        }
    };
}

internal_id! {
    /// A session: one approved sign-in. Also the id of the transaction that opened it. 48 bits of time, 80 of randomness.
    SessionId, "ses_"
}
internal_id! {
    /// A connection: one user's use of one software (UUID version 7).
    ConnectionId, "con_"
}
internal_id! {
    /// An event on the record (UUID version 7).
    EventId, "evt_"
}

internal_id! {
    /// A request in the history of a session (UUID version 7).
    RequestId, "req_"
}

impl SessionId {
    /// A fresh, time-ordered id with 80 random bits.
    pub(crate) fn mint(now: Timestamp, random: &dyn SecureRandom) -> Result<Self, RandomUnavailable> {
        let mut id = [0; 16];
        id[..6].copy_from_slice(&now.unix_millis().to_be_bytes()[2..]);
        id[6..].copy_from_slice(&bytes::<10>(random)?);
        Ok(Self(id))
    }
}

fn uuid_v7(now: Timestamp, random: &dyn SecureRandom) -> Result<[u8; 16], RandomUnavailable> {
    let entropy = bytes::<10>(random)?;
    Ok(uuid::Builder::from_unix_timestamp_millis(now.unix_millis(), &entropy).into_uuid().into_bytes())
}

impl ConnectionId {
    pub(crate) fn mint(now: Timestamp, random: &dyn SecureRandom) -> Result<Self, RandomUnavailable> {
        uuid_v7(now, random).map(Self)
    }
}

impl EventId {
    pub(crate) fn mint(now: Timestamp, random: &dyn SecureRandom) -> Result<Self, RandomUnavailable> {
        uuid_v7(now, random).map(Self)
    }
}

impl RequestId {
    #[cfg(feature = "tower")]
    pub(crate) fn mint(now: Timestamp, random: &dyn SecureRandom) -> Result<Self, RandomUnavailable> {
        uuid_v7(now, random).map(Self)
    }

    /// Before the ids of all requests of this millisecond and later ones: where a store finds what is old.
    #[must_use]
    pub fn first_at(time: Timestamp) -> Self {
        let mut id = [0; 16];
        id[..6].copy_from_slice(&time.unix_millis().to_be_bytes()[2..]);
        Self(id)
    }
}

/// The prefix of every user id; no client id may begin with it (I-7, AD-5).
pub(crate) const USER_ID_PREFIX: &str = "usr_";

/// The prefix of the `sub` of machine clients; no client id may begin with it either.
pub(crate) const MACHINE_ID_PREFIX: &str = "svc_";

/// How what follows the prefix begins of a person who was erased. As long as a hash: no hash in four thousand thousand
/// million begins so.
const ERASED: &str = "erased-";

/// A user: `usr_` and SHA-256 over a label, the upstream issuer, the tenant and the object id. Never keyed, never
/// rotated, never an e-mail address (ME-8). This is the `sub` of access tokens. In those of a machine client, which has
/// tokens without a person, it begins with `svc_`; no row belongs to it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UserId(String);

impl UserId {
    /// The id of the person that `issuer` knows as `object_id` in `tenant` (empty where the provider has no tenants).
    #[must_use]
    pub fn derive(issuer: &str, tenant: &str, object_id: &str) -> Self {
        let hash = digest("dcr/v1/user", &[issuer.as_bytes(), tenant.as_bytes(), object_id.as_bytes()]);
        Self(format!("{USER_ID_PREFIX}{}", b64(&hash)))
    }

    /// The `sub` of the machine client that `issuer`, this server, knows as `client_id`.
    /// What stands for a person on the record who was erased. It is random.
    pub(crate) fn of_erased(random: &dyn SecureRandom) -> Result<Self, RandomUnavailable> {
        Ok(Self(format!("{USER_ID_PREFIX}{ERASED}{}", b64(&bytes::<27>(random)?))))
    }

    /// Whether it stands for a person who was erased.
    #[must_use]
    pub fn is_erased(&self) -> bool {
        self.0.strip_prefix(USER_ID_PREFIX).is_some_and(|rest| rest.starts_with(ERASED))
    }

    pub(crate) fn of_machine(issuer: &str, client_id: &str) -> Self {
        let hash = digest("dcr/v1/machine", &[issuer.as_bytes(), client_id.as_bytes()]);
        Self(format!("{MACHINE_ID_PREFIX}{}", b64(&hash)))
    }

    /// Whether it is the `sub` of a machine client and no person's.
    #[must_use]
    pub fn is_machine(&self) -> bool {
        self.0.starts_with(MACHINE_ID_PREFIX)
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for UserId {
    type Err = NotAnId;

    fn from_str(text: &str) -> Result<Self, NotAnId> {
        let prefixed = text.strip_prefix(USER_ID_PREFIX).or_else(|| text.strip_prefix(MACHINE_ID_PREFIX));
        let hash = prefixed.ok_or(NotAnId)?;
        let shaped = hash.len() == 43 && hash.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
        if shaped { Ok(Self(text.to_owned())) } else { Err(NotAnId) }
    }
}

impl fmt::Display for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::SystemRandom;

    #[test]
    fn ids_are_time_ordered_and_read_back_what_they_print() {
        let early = SessionId::mint(Timestamp::from_unix_seconds(1_000), &SystemRandom).unwrap();
        let late = SessionId::mint(Timestamp::from_unix_seconds(1_001), &SystemRandom).unwrap();
        assert!(early < late);
        assert_eq!(early.to_string().parse(), Ok(early));
        assert_eq!(early.to_string().to_uppercase().parse::<SessionId>(), Err(NotAnId));
        assert_eq!(early.to_string().parse::<ConnectionId>(), Err(NotAnId));
    }

    #[test]
    fn who_was_erased_is_told_from_everybody_else() {
        let erased = UserId::of_erased(&SystemRandom).unwrap();
        assert!(erased.is_erased() && !UserId::derive("i", "t", "o").is_erased());
        assert_eq!(erased.as_str().parse(), Ok(erased.clone()));
        assert_ne!(erased, UserId::of_erased(&SystemRandom).unwrap());
    }

    #[test]
    fn a_user_id_depends_on_every_part_and_on_where_the_parts_end() {
        let id = UserId::derive("https://idp", "t", "o");
        assert_eq!(id.as_str().len(), 47);
        assert_eq!(id.as_str().parse(), Ok(id.clone()));
        assert_ne!(id, UserId::derive("https://idp", "to", ""));
        assert_ne!(id, UserId::derive("https://idp", "", "to"));
    }

    /// I-7: nothing else is read as one.
    #[test]
    fn a_user_id_has_one_form() {
        let hash = "A-z_0".repeat(9);
        for prefix in [USER_ID_PREFIX, MACHINE_ID_PREFIX] {
            assert!(format!("{prefix}{}", &hash[..43]).parse::<UserId>().is_ok());
            for bad in [&hash[..42], &hash[..44], "", &format!("{}+", &hash[..42]), &format!("{} ", &hash[..42])] {
                assert_eq!(format!("{prefix}{bad}").parse::<UserId>(), Err(NotAnId), "{prefix}{bad}");
            }
        }
        assert_eq!(hash[..43].parse::<UserId>(), Err(NotAnId));
    }
}
