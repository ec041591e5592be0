//! Clients that are rows: pinned with the operator's command, or changed or deleted by themselves (RFC 7592). Everything
//! else that is known of clients is in their ids, in documents, or in the configuration.

use serde::{Deserialize, Serialize};

use super::redirect_uri::custom_redirect_is_sane;
use super::{AuthMethod, CanonicalRedirect, ClientId, PreRegistered, SealedClient};

/// A client that is a row of the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredClient {
    id: ClientId,
    version: u32,
    state: StoredState,
}

/// What the row says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum StoredState {
    /// The operator pinned it.
    Pinned(Box<PreRegistered>),
    /// A registered client changed its registration (RFC 7592 section 2.2).
    Changed(SealedClient),
    /// A registered client deleted itself (RFC 7592 section 2.3), for ever.
    Deleted,
}

#[derive(Serialize, Deserialize)]
struct Wire {
    #[serde(skip_serializing_if = "Option::is_none")]
    client_name: Option<String>,
    redirect_uris: Vec<String>,
    token_endpoint_auth_method: String,
    refresh: bool,
}

impl StoredClient {
    /// The kind of a client that the operator pinned.
    pub const PINNED: &'static str = "pinned";

    /// A client that the operator pins.
    #[must_use]
    pub fn pinned(client: PreRegistered) -> Self {
        Self { id: client.id().clone(), version: 1, state: StoredState::Pinned(Box::new(client)) }
    }

    /// The same as the `version`-th change of its row.
    pub(crate) const fn at_version(mut self, version: u32) -> Self {
        self.version = version;
        self
    }

    pub(crate) const fn changed(id: ClientId, version: u32, registration: SealedClient) -> Self {
        Self { id, version, state: StoredState::Changed(registration) }
    }

    pub(crate) const fn deleted(id: ClientId, version: u32) -> Self {
        Self { id, version, state: StoredState::Deleted }
    }

    /// From what [`StoredClient::kind`] and [`StoredClient::body`] gave; `None` if that does not fit together.
    #[must_use]
    pub fn from_row(id: ClientId, version: u32, kind: &str, body: &str) -> Option<Self> {
        let state = match kind {
            Self::PINNED => {
                let client: PreRegistered = serde_json::from_str(body).ok()?;
                (*client.id() == id).then(|| StoredState::Pinned(Box::new(client)))?
            }
            "changed" => StoredState::Changed(read(body)?),
            "deleted" => StoredState::Deleted,
            _ => return None,
        };
        Some(Self { id, version, state })
    }

    /// Its id, byte for byte.
    #[must_use]
    pub const fn id(&self) -> &ClientId {
        &self.id
    }

    /// Counts the changes of the row, from 1.
    #[must_use]
    pub const fn version(&self) -> u32 {
        self.version
    }

    /// `pinned`, `changed` or `deleted`.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self.state {
            StoredState::Pinned(_) => Self::PINNED,
            StoredState::Changed(_) => "changed",
            StoredState::Deleted => "deleted",
        }
    }

    /// The rest of the row, as text.
    #[must_use]
    pub fn body(&self) -> String {
        match &self.state {
            StoredState::Pinned(client) => serde_json::to_string(client).unwrap_or_default(),
            StoredState::Changed(registration) => write(registration),
            StoredState::Deleted => String::new(),
        }
    }

    /// The pinned client, if that is what it is.
    #[must_use]
    pub fn as_pinned(&self) -> Option<&PreRegistered> {
        match &self.state {
            StoredState::Pinned(client) => Some(client),
            StoredState::Changed(_) | StoredState::Deleted => None,
        }
    }

    pub(crate) const fn state(&self) -> &StoredState {
        &self.state
    }
}

fn write(registration: &SealedClient) -> String {
    let wire = Wire {
        client_name: registration.name.clone(),
        redirect_uris: registration.redirects.iter().map(|redirect| redirect.as_str().to_owned()).collect(),
        token_endpoint_auth_method: registration.auth_method.as_str().to_owned(),
        refresh: registration.refresh,
    };
    serde_json::to_string(&wire).unwrap_or_default()
}

fn read(body: &str) -> Option<SealedClient> {
    let wire: Wire = serde_json::from_str(body).ok()?;
    // They passed the gate before they were written; `resolve` checks custom schemes against today's list.
    let redirect = |text: &String| {
        let custom = if custom_redirect_is_sane(text) { std::slice::from_ref(text) } else { &[] };
        CanonicalRedirect::parse(text, custom).ok()
    };
    Some(SealedClient {
        name: wire.client_name,
        redirects: wire.redirect_uris.iter().map(redirect).collect::<Option<_>>()?,
        auth_method: AuthMethod::from_name(&wire.token_endpoint_auth_method)?,
        refresh: wire.refresh,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_read_back_and_one_that_does_not_fit_is_refused() {
        let id = ClientId::new("portal").unwrap();
        let pinned = StoredClient::pinned(PreRegistered::public(id.clone()).redirect("https://portal.example/cb"));
        let redirect = CanonicalRedirect::parse("https://a.example/cb", &[]).unwrap();
        let changed = StoredClient::changed(
            id.clone(),
            3,
            SealedClient {
                name: Some("A".to_owned()),
                redirects: vec![redirect],
                auth_method: AuthMethod::ClientSecretPost,
                refresh: true,
            },
        );
        for client in [pinned.clone(), changed, StoredClient::deleted(id.clone(), 4)] {
            let back = StoredClient::from_row(id.clone(), client.version(), client.kind(), &client.body());
            assert_eq!(back, Some(client));
        }
        let other = ClientId::new("other").unwrap();
        assert_eq!(StoredClient::from_row(other, 1, "pinned", &pinned.body()), None);
        assert_eq!(StoredClient::from_row(id.clone(), 1, "changed", &pinned.body()), None);
        assert_eq!(StoredClient::from_row(id, 1, "gone", ""), None);
    }
}
