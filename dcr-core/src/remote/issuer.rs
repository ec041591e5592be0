//! What an issuer publishes: its metadata (RFC 8414) and its keys (RFC 7517). Fetched when needed and kept on trouble.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use http::header::ACCEPT;
use http::{Request, StatusCode};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::sync::Mutex;

use crate::clock::{Clock, Timestamp};
use crate::error::{Reason, Refusal};
use crate::seal::unb64;
use crate::session::VerifyingKeys;
use crate::text;
use crate::upstream::HttpFetch;

/// How long documents are used before they are looked at again: as long as the issuer lets them be cached.
const FRESH: Duration = Duration::from_secs(5 * 60);
/// A key that is not known has them fetched, but no sooner than this after the last time.
const UNKNOWN_KEY_FLOOR: Duration = Duration::from_secs(10);
/// After a failed fetch no sooner than this.
const RETRY: Duration = Duration::from_secs(5);
/// More keys than any ring has.
const MAX_KEYS: usize = 64;

/// What is used of the documents.
#[derive(Debug)]
pub(super) struct Published {
    /// Ed25519 public keys by id.
    keys: HashMap<String, [u8; 32]>,
    pub(super) introspection_endpoint: Option<String>,
}

impl VerifyingKeys for Published {
    fn verifying_key(&self, kid: &str) -> Option<&[u8]> {
        self.keys.get(kid).map(<[u8; 32]>::as_slice)
    }
}

#[derive(Debug, Clone, Default)]
struct Known {
    good: Option<(Arc<Published>, Timestamp)>,
    /// When the last fetch failed, if it did.
    failed: Option<Timestamp>,
}

/// The documents of one issuer. One fetch at a time; nobody waits for it who has what he needs.
pub(super) struct IssuerDocuments {
    issuer: String,
    resource: String,
    fetch: Arc<dyn HttpFetch>,
    clock: Arc<dyn Clock>,
    known: RwLock<Known>,
    fetching: Mutex<()>,
}

impl IssuerDocuments {
    pub(super) fn new(issuer: String, resource: String, fetch: Arc<dyn HttpFetch>, clock: Arc<dyn Clock>) -> Self {
        Self { issuer, resource, fetch, clock, known: RwLock::default(), fetching: Mutex::new(()) }
    }

    /// What is published, with the key `kid` in it if the issuer has such a key. Unknown ids have the documents fetched
    /// again, since keys roll at any time.
    pub(super) async fn with_key(&self, kid: &str) -> Result<Arc<Published>, Refusal> {
        if let Some((known, at)) = self.known().good
            && known.keys.contains_key(kid)
        {
            if !is_younger(Some(at), self.clock.now(), FRESH)
                && let Ok(_guard) = self.fetching.try_lock()
            {
                // Whoever gets the lock looks; all others go on with what there is.
                self.renew(FRESH).await;
            }
            return Ok(self.known().good.map_or(known, |(renewed, _)| renewed));
        }
        let _guard = self.fetching.lock().await;
        self.renew(UNKNOWN_KEY_FLOOR).await;
        let Known { good, failed } = self.known();
        match (good, failed) {
            (Some((known, _)), None) => Ok(known),
            (Some((known, _)), Some(_)) if known.keys.contains_key(kid) => Ok(known),
            // Perhaps it is a new key: that is for the issuer to say.
            _ => Err(Reason::IssuerUnavailable.into()),
        }
    }

    /// Fetches, unless the last good answer is younger than `floor` or the last failure too young. With the lock held.
    async fn renew(&self, floor: Duration) {
        let now = self.clock.now();
        let Known { good, failed } = self.known();
        let answered = good.as_ref().map(|(_, at)| *at);
        if is_younger(failed, now, RETRY) || (failed.is_none() && is_younger(answered, now, floor)) {
            return;
        }
        let fetched = self.fetch_both().await;
        // When it ended: those who waited for a fetch that hung do not each try again.
        let now = self.clock.now();
        let known = match fetched {
            Ok(published) => Known { good: Some((Arc::new(published), now)), failed: None },
            Err(error) => {
                tracing::warn!(target: "dcr", issuer = self.issuer, error, kept = good.is_some(), "the issuer's documents could not be fetched");
                Known { good, failed: Some(now) }
            }
        };
        *self.known.write().unwrap_or_else(PoisonError::into_inner) = known;
    }

    fn known(&self) -> Known {
        self.known.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Both documents. The error is for the log: whatever the issuer sent, it is bounded text.
    async fn fetch_both(&self) -> Result<Published, String> {
        self.read_both().await.map_err(|error| text::bounded(&error, text::LOGGED))
    }

    async fn read_both(&self) -> Result<Published, String> {
        let url = format!("{}/.well-known/oauth-authorization-server", self.issuer);
        let metadata: Metadata = self.get(&url).await?;
        // RFC 8414 section 3.3: byte for byte.
        if metadata.issuer != self.issuer {
            return Err(format!("the issuer calls itself {:?}", metadata.issuer));
        }
        for endpoint in [Some(&metadata.jwks_uri), metadata.introspection_endpoint.as_ref()].into_iter().flatten() {
            // Its own origin and no other (RS-11): what checked the issuer's address then holds for these.
            if !endpoint.strip_prefix(&self.issuer).is_some_and(|path| path.starts_with('/')) {
                return Err(format!("{endpoint:?} is not of the issuer's origin"));
            }
        }
        if !metadata.protected_resources.as_ref().is_none_or(|all| all.contains(&self.resource)) {
            // No token will ever be for it. Not a reason to stop: tokens say whom they are for.
            tracing::error!(target: "dcr", issuer = self.issuer, resource = self.resource, "the issuer does not list this resource");
        }
        let set: KeySet = self.get(&metadata.jwks_uri).await?;
        let keys: HashMap<_, _> = set.keys.iter().take(MAX_KEYS).filter_map(usable).collect();
        if keys.is_empty() {
            return Err("the issuer publishes no Ed25519 key".to_owned());
        }
        Ok(Published { keys, introspection_endpoint: metadata.introspection_endpoint })
    }

    async fn get<T: DeserializeOwned>(&self, url: &str) -> Result<T, String> {
        let request = Request::get(url).header(ACCEPT, "application/json").body(Vec::new());
        let request = request.map_err(|_| format!("{url:?} is no URL"))?;
        let response = self.fetch.fetch(request).await.map_err(|error| error.to_string())?;
        if response.status() != StatusCode::OK {
            return Err(format!("{url} answered {}", response.status()));
        }
        serde_json::from_slice(response.body()).map_err(|error| format!("{url} is not the expected JSON: {error}"))
    }
}

/// Whether `at` is less than `bound` ago; a time from the future says that the clock was set back, and counts as old.
pub(super) fn is_younger(at: Option<Timestamp>, now: Timestamp, bound: Duration) -> bool {
    at.is_some_and(|at| at <= now && now.since(at) < bound)
}

#[derive(Deserialize)]
struct Metadata {
    issuer: String,
    jwks_uri: String,
    introspection_endpoint: Option<String>,
    protected_resources: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct KeySet {
    keys: Vec<serde_json::Value>,
}

/// A key that signs access tokens here; keys of other kinds are left out and spoil nothing.
fn usable(key: &serde_json::Value) -> Option<(String, [u8; 32])> {
    let text = |name: &str| key.get(name).and_then(serde_json::Value::as_str);
    let is_ours = text("kty") == Some("OKP")
        && text("crv") == Some("Ed25519")
        && text("alg").is_none_or(|alg| alg == "EdDSA")
        && text("use").is_none_or(|usage| usage == "sig");
    let bytes = unb64(text("x")?.as_bytes()).filter(|_| is_ours)?;
    Some((text("kid")?.to_owned(), bytes.try_into().ok()?))
}

impl fmt::Debug for IssuerDocuments {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IssuerDocuments").field("issuer", &self.issuer).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use async_trait::async_trait;
    use http::Response;

    use super::*;
    use crate::testing::ManualClock;
    use crate::upstream::FetchError;

    /// Answers everything with this.
    #[derive(Debug)]
    struct Says(String);

    #[async_trait]
    impl HttpFetch for Says {
        async fn fetch(&self, _: Request<Vec<u8>>) -> Result<Response<Vec<u8>>, FetchError> {
            Ok(Response::new(self.0.clone().into_bytes()))
        }
    }

    #[tokio::test]
    async fn i_10_what_an_issuer_sent_reaches_the_log_as_bounded_visible_text() {
        let long = "x\\n\\u202e".repeat(20_000);
        for (says, begins) in [
            (format!(r#"{{"issuer":"{long}","jwks_uri":"u"}}"#), "the issuer calls itself \"x\\n"),
            (format!(r#"{{"issuer":"https://i.example","jwks_uri":"{long}"}}"#), "\"x\\n"),
            (format!(r#"{{"issuer":"https://i.example","jwks_uri":["{long}"]}}"#), "https://i.example/.well-known/"),
            (
                format!(r#""{long}""#),
                "https://i.example/.well-known/oauth-authorization-server is not the expected JSON",
            ),
        ] {
            let (issuer, resource) = ("https://i.example".to_owned(), "https://r.example/mcp".to_owned());
            let documents = IssuerDocuments::new(issuer, resource, Arc::new(Says(says)), ManualClock::at(0));
            let error = documents.fetch_both().await.unwrap_err();
            assert!(error.chars().count() <= text::LOGGED && !error.contains(['\n', '\u{202e}']), "{error}");
            assert!(error.starts_with(begins), "{error}");
        }
    }
}
