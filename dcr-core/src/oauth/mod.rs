//! The steps of the protocol, in the order of a flow: metadata, register, authorize, consent, callback, token, bearer,
//! revoke, introspect; machine clients beside them. Each takes a typed request and ends in one typed outcome.

pub(crate) mod authenticate_client;
pub(crate) mod authorize;
pub(crate) mod bearer;
pub(crate) mod callback;
pub(crate) mod challenge;
pub(crate) mod consent;
pub(crate) mod introspect;
pub(crate) mod machine;
pub(crate) mod manage;
pub(crate) mod metadata;
pub(crate) mod pkce;
pub(crate) mod register;
pub(crate) mod remembered;
pub(crate) mod revoke;
mod scope;
pub(crate) mod stored;
pub(crate) mod token;
pub(crate) mod transaction;

pub use self::pkce::CodeChallenge;
pub use self::scope::ScopeSet;
pub(crate) use self::scope::{OFFLINE_ACCESS, ScopeHierarchy};
