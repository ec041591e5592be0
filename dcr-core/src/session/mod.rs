//! What was granted: users, connections, sessions, and the sealed values that stand for a session.
//!
//! A session is one row and one counter. The authorization code is generation 0, each refresh token a later generation;
//! redeeming is a compare-and-swap on the counter ([`crate::store::Store::advance`]).

mod access_token;
mod grant;
mod ids;
mod known;
mod principal;
mod records;

pub use crate::oauth::CodeChallenge;

pub(crate) use self::access_token::{AccessToken, AccessTokenClaims, Subject, TokenFault, VerifyingKeys, jwks};
pub(crate) use self::grant::{GrantKind, GrantToken};
pub use self::ids::{ConnectionId, EventId, NotAnId, RequestId, SessionId, UserId};
pub(crate) use self::ids::{MACHINE_ID_PREFIX, USER_ID_PREFIX};
pub(crate) use self::known::KnownSessions;
pub(crate) use self::principal::Inner as PrincipalInner;
pub use self::principal::Principal;
pub use self::records::{Connection, Generation, Session, SessionEnd, User};
