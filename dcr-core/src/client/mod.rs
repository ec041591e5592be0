//! Who asks: client ids, registrations, redirect URIs, platforms, and the one function that resolves an id.

mod assertion;
mod authenticate;
mod document;
mod documents;
mod fetched;
mod id;
mod imported;
mod keys;
mod metadata;
mod platform;
mod pre_registered;
mod redirect_uri;
mod resolve;
mod sealed_id;
mod software;
mod stored;

pub(crate) use self::assertion::{ClientAssertion, OneTimeUse};
pub(crate) use self::authenticate::{
    ClientCredentials, CredentialFault, Expected, Presented, PresentedSecret, basic_credentials,
};
pub(crate) use self::document::{ClientDocument, DocumentFault, DocumentUrl};
pub(crate) use self::documents::Documents;
#[cfg(fuzzing)]
pub(crate) use self::fetched::freshness;
pub use self::id::{AuthMethod, ClientId, ClientIdError, Provenance};
pub(crate) use self::imported::may_be_imported;
pub use self::imported::{ImportFault, ImportedClient};
pub(crate) use self::keys::{ASSERTION_ALGORITHMS, ClientKeys};
pub(crate) use self::metadata::{RegistrationRequest, ValidRegistration};
pub use self::platform::{Platform, PlatformList, PlatformListError};
pub(crate) use self::pre_registered::Credential;
pub use self::pre_registered::{PinFault, PreRegistered};
pub(crate) use self::redirect_uri::{CanonicalRedirect, custom_redirect_is_sane, has_uri_characters};
pub use self::redirect_uri::{RedirectClass, RedirectFault};
pub(crate) use self::resolve::{ClientRules, LookedUp, ResolvedClient, ValidRedirect};
pub(crate) use self::sealed_id::{SealedClient, SealedId, derive_client_secret, derive_registration_token};
pub use self::software::SoftwareKey;
pub use self::stored::StoredClient;
pub(crate) use self::stored::StoredState;
