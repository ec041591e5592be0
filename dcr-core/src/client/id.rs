//! Client ids: bytes that a client presents, compared as bytes, never trimmed, folded or replaced.

use std::fmt;

use crate::session::{MACHINE_ID_PREFIX, USER_ID_PREFIX};

/// The longest client id that is looked at, in bytes.
pub(crate) const MAX_CLIENT_ID: usize = 1_024;

/// A well-formed client id, as it was presented.
///
/// ```
/// use dcr_core::ClientId;
///
/// assert!(ClientId::new("f8e0b7c2-3d94-4a07-9c55-0f2b8ad1c3aa").is_ok());
/// assert!(ClientId::new("").is_err());
/// assert!(ClientId::new("with space").is_err());
/// assert!(ClientId::new("usr_looks-like-a-user").is_err());
/// assert_ne!(ClientId::new("abcdefgh"), ClientId::new("ABCDEFGH"));
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClientId(String);

/// Why a text is no client id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ClientIdError {
    /// Empty or longer than 1,024 bytes.
    #[error("a client id has 1 to 1,024 bytes")]
    Length,
    /// A byte outside visible ASCII (0x21 to 0x7E).
    #[error("a client id consists of visible ASCII characters")]
    Bytes,
    /// Looks like a user id (I-7).
    #[error("a client id may not look like a user id")]
    UserNamespace,
}

impl ClientId {
    /// Checks length, bytes and namespace; changes nothing.
    ///
    /// # Errors
    /// [`ClientIdError`] says what is wrong with it.
    pub fn new(text: impl Into<String>) -> Result<Self, ClientIdError> {
        let text = text.into();
        if text.is_empty() || text.len() > MAX_CLIENT_ID {
            return Err(ClientIdError::Length);
        }
        if !text.bytes().all(|b| (0x21..=0x7e).contains(&b)) {
            return Err(ClientIdError::Bytes);
        }
        if text.starts_with(USER_ID_PREFIX) || text.starts_with(MACHINE_ID_PREFIX) {
            return Err(ClientIdError::UserNamespace);
        }
        Ok(Self(text))
    }

    /// The text, byte for byte as presented.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is looked for as a metadata document, and nowhere else: it is a URL that says https.
    pub(crate) fn names_a_document(&self) -> bool {
        self.0.starts_with("https:")
    }

    /// Whether it begins like `scheme:`, as URLs and URNs do.
    pub(crate) fn looks_like_a_uri(&self) -> bool {
        self.0.split_once(':').is_some_and(|(scheme, _)| {
            scheme.starts_with(|c: char| c.is_ascii_alphabetic())
                && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'))
        })
    }

    /// Whether adoption may take it (SR-3): 8 bytes or more of unreserved characters.
    pub(crate) fn is_adoptable(&self) -> bool {
        self.0.len() >= 8 && self.0.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'~' | b'-'))
    }
}

impl fmt::Display for ClientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ClientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Ids are public, but a stranger chose the text: escaped and bounded in logs.
        write!(f, "{:?}", self.0.get(..64).unwrap_or(&self.0))
    }
}

/// How a client authenticates at the token endpoint (RFC 7591 section 2, `token_endpoint_auth_method`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AuthMethod {
    /// A public client.
    None,
    /// `client_secret` in the form.
    ClientSecretPost,
    /// HTTP Basic.
    ClientSecretBasic,
    /// A signed assertion (RFC 7523 section 2.2), for clients whose keys are known: from their metadata document, or from
    /// the operator.
    PrivateKeyJwt,
}

impl AuthMethod {
    /// Every method that this server supports. Sealed transactions hold the place in this list: it is only added to, at
    /// the end.
    pub const ALL: [Self; 4] = [Self::None, Self::ClientSecretPost, Self::ClientSecretBasic, Self::PrivateKeyJwt];

    /// Its registered name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::ClientSecretPost => "client_secret_post",
            Self::ClientSecretBasic => "client_secret_basic",
            Self::PrivateKeyJwt => "private_key_jwt",
        }
    }

    /// The method with this registered name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|method| method.as_str() == name)
    }

    /// Whether clients of this method hold a secret or a private key.
    #[must_use]
    pub const fn is_confidential(self) -> bool {
        !matches!(self, Self::None)
    }

    /// Whether what they hold is a secret that this server knows, too.
    #[must_use]
    pub const fn has_secret(self) -> bool {
        matches!(self, Self::ClientSecretPost | Self::ClientSecretBasic)
    }
}

/// How an id was resolved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Provenance {
    /// By the operator.
    PreRegistered,
    /// Sealed by us at registration.
    Sealed,
    /// Fetched from the URL that it is.
    MetadataDocument,
    /// Registered with an older system, and imported from it.
    Imported,
    /// Never registered here; accepted under the adoption policy, for one user's session.
    Adopted,
}

impl Provenance {
    const ALL: [Self; 5] = [Self::PreRegistered, Self::Sealed, Self::MetadataDocument, Self::Imported, Self::Adopted];

    /// Its stable name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::PreRegistered => "pre_registered",
            Self::Sealed => "sealed",
            Self::MetadataDocument => "metadata_document",
            Self::Imported => "imported",
            Self::Adopted => "adopted",
        }
    }

    /// Whether a secret that such a client brings along proves nothing, and is only remembered for the session (SR-16).
    #[must_use]
    pub(crate) const fn has_unproven_secret(self) -> bool {
        matches!(self, Self::Adopted | Self::Imported)
    }

    /// The provenance with this stable name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|provenance| provenance.as_str() == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What looks like a URI is never adopted and never imported; what merely has a colon may be.
    #[test]
    fn a_uri_begins_with_a_scheme() {
        let looks = |id: &str| ClientId::new(id).unwrap().looks_like_a_uri();
        for uri in ["https://a.example/x", "urn:x:y", "a+b-c.1:x", "javascript:"] {
            assert!(looks(uri), "{uri}");
        }
        for plain in ["app", "1app:x", "my_app:x", ":x", "+a:x"] {
            assert!(!looks(plain), "{plain}");
        }
    }

    #[test]
    fn a_provenance_is_read_back_by_its_name() {
        for (provenance, name) in
            Provenance::ALL.into_iter().zip(["pre_registered", "sealed", "metadata_document", "imported", "adopted"])
        {
            assert_eq!((provenance.as_str(), Provenance::from_name(name)), (name, Some(provenance)));
        }
        assert_eq!(Provenance::from_name("Adopted"), None);
    }
}
