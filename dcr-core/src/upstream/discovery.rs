//! The provider's configuration and keys: fetched when needed, refreshed, and the last good ones kept on trouble.

use std::sync::Arc;
use std::time::Duration;

use jsonwebtoken::jwk::Jwk;
use serde::Deserialize;
use tokio::sync::Mutex;

use super::oidc::check_address;
use super::{HttpFetch, UpstreamError, UpstreamFault};
use crate::clock::{Clock, Timestamp};

/// How long documents are used before they are looked at again.
const FRESH: Duration = Duration::from_secs(60 * 60);
/// After a failed refresh, and between two look-ups because of an unknown key id: no sooner than this.
const FLOOR: Duration = Duration::from_secs(10);

/// What is read of the discovery document (OpenID Connect Discovery 1.0 section 3).
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Document {
    pub(super) issuer: String,
    pub(super) authorization_endpoint: String,
    pub(super) token_endpoint: String,
    pub(super) jwks_uri: String,
    #[serde(default)]
    pub(super) token_endpoint_auth_methods_supported: Vec<String>,
    #[serde(default)]
    pub(super) authorization_response_iss_parameter_supported: bool,
}

/// A signing key, with the issuer that Entra limits it to.
#[derive(Debug, Clone)]
pub(super) struct SigningKey {
    pub(super) jwk: Jwk,
    pub(super) issuer: Option<String>,
}

#[derive(Debug)]
struct State {
    document: Option<(Arc<Document>, Timestamp)>,
    keys: Option<(Arc<Vec<SigningKey>>, Timestamp)>,
    /// When a refresh last failed or was forced by an unknown key id.
    last_document_try: Option<Timestamp>,
    last_keys_try: Option<Timestamp>,
}

/// Both documents of one provider. One fetch at a time: the lock is held across it, so callers share the answer.
#[derive(Debug)]
pub(super) struct Discovery {
    url: String,
    /// What the document must call itself; nothing where that is a template.
    issuer: Option<String>,
    fetch: Arc<dyn HttpFetch>,
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
}

impl Discovery {
    pub(super) fn new(url: String, issuer: Option<String>, fetch: Arc<dyn HttpFetch>, clock: Arc<dyn Clock>) -> Self {
        let state = State { document: None, keys: None, last_document_try: None, last_keys_try: None };
        Self { url, issuer, fetch, clock, state: Mutex::new(state) }
    }

    /// The discovery document; a stale one if the provider does not answer.
    pub(super) async fn document(&self) -> Result<Arc<Document>, UpstreamError> {
        let mut state = self.state.lock().await;
        let now = self.clock.now();
        let last_good = match &state.document {
            Some((document, at)) if now.since(*at) < FRESH || too_soon(state.last_document_try, now) => {
                return Ok(document.clone());
            }
            Some((document, _)) => Some(document.clone()),
            None => None,
        };
        state.last_document_try = Some(now);
        let fetched: Result<Document, UpstreamError> = self.get(&self.url).await.and_then(|document| {
            self.check(&document)?;
            Ok(document)
        });
        match (fetched, last_good) {
            (Ok(document), _) => {
                let document = Arc::new(document);
                state.document = Some((document.clone(), now));
                Ok(document)
            }
            (Err(error), Some(document)) => {
                tracing::warn!(target: "dcr", %error, "the provider's configuration could not be refreshed; using the last good one");
                Ok(document)
            }
            (Err(error), None) => Err(error),
        }
    }

    fn check(&self, document: &Document) -> Result<(), UpstreamError> {
        let wrong = |text: String| Err(UpstreamError::new(UpstreamFault::Configuration, text));
        // OpenID Connect Discovery 1.0 section 4.3; Entra's templates never satisfy it.
        if let Some(issuer) = self.issuer.as_ref().filter(|issuer| **issuer != document.issuer) {
            return wrong(format!("the provider calls itself {:?}, configured is {issuer:?}", document.issuer));
        }
        for endpoint in [&document.authorization_endpoint, &document.token_endpoint, &document.jwks_uri] {
            if let Err(error) = check_address(endpoint) {
                return wrong(error.to_string());
            }
        }
        Ok(())
    }

    /// The key with this id (any key without an id if there is none), refetching the set at most once per floor for an
    /// unknown one. The last good set is kept on trouble.
    pub(super) async fn key(&self, jwks_uri: &str, kid: Option<&str>) -> Result<Option<SigningKey>, UpstreamError> {
        let mut state = self.state.lock().await;
        let now = self.clock.now();
        if let Some((keys, at)) = &state.keys {
            let found = find(keys, kid);
            let fresh = now.since(*at) < FRESH && found.is_some();
            if fresh || too_soon(state.last_keys_try, now) {
                return Ok(found);
            }
            // The first fetch does not count against an unknown key id: keys roll at any time.
            state.last_keys_try = Some(now);
        }
        match self.get::<RawKeys>(jwks_uri).await {
            Ok(raw) => {
                let keys = Arc::new(raw.usable());
                let found = find(&keys, kid);
                state.keys = Some((keys, now));
                Ok(found)
            }
            Err(error) => match &state.keys {
                Some((keys, _)) => {
                    tracing::warn!(target: "dcr", %error, "the provider's keys could not be refreshed; using the last good set");
                    Ok(find(keys, kid))
                }
                None => Err(error),
            },
        }
    }

    async fn get<T: serde::de::DeserializeOwned>(&self, url: &str) -> Result<T, UpstreamError> {
        let request = http::Request::get(url)
            .header(http::header::ACCEPT, "application/json")
            .body(Vec::new())
            .map_err(|_| UpstreamError::new(UpstreamFault::Configuration, "a provider address is not a URL"))?;
        let response =
            self.fetch.fetch(request).await.map_err(|e| UpstreamError::new(UpstreamFault::Busy, e.to_string()))?;
        let status = response.status();
        if status != http::StatusCode::OK {
            let fault = if status.is_server_error() || status == http::StatusCode::TOO_MANY_REQUESTS {
                UpstreamFault::Busy
            } else {
                UpstreamFault::Configuration
            };
            return Err(UpstreamError::new(fault, format!("the provider answered {status} to {url}")));
        }
        serde_json::from_slice(response.body())
            .map_err(|e| UpstreamError::new(UpstreamFault::Invalid, format!("{url} is not the expected JSON: {e}")))
    }
}

fn too_soon(last: Option<Timestamp>, now: Timestamp) -> bool {
    last.is_some_and(|last| now.since(last) < FLOOR)
}

#[derive(Deserialize)]
struct RawKeys {
    keys: Vec<serde_json::Value>,
}

impl RawKeys {
    /// Keys of kinds that we do not know are left out; they do not spoil the others.
    fn usable(self) -> Vec<SigningKey> {
        self.keys
            .into_iter()
            .filter(|key| key.get("use").is_none_or(|usage| usage == "sig"))
            .filter_map(|key| {
                let issuer = key.get("issuer").and_then(serde_json::Value::as_str).map(str::to_owned);
                serde_json::from_value::<Jwk>(key).ok().map(|jwk| SigningKey { jwk, issuer })
            })
            .collect()
    }
}

fn find(keys: &[SigningKey], kid: Option<&str>) -> Option<SigningKey> {
    match kid {
        Some(kid) => keys.iter().find(|key| key.jwk.common.key_id.as_deref() == Some(kid)).cloned(),
        // Without a key id there must be no choice.
        None => match keys {
            [only] => Some(only.clone()),
            _ => None,
        },
    }
}
