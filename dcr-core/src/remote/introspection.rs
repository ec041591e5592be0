//! Asking the issuer whether a token is still active (RFC 7662), so that a revocation is seen before the token lapses.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderValue, Request, StatusCode};
use moka::sync::Cache;
use serde_json::Value;
use tokio::sync::Mutex;

use super::issuer::{Published, is_younger};
use crate::clock::{Clock, Timestamp};
use crate::error::{Reason, Refusal};
use crate::seal::sha256;
use crate::upstream::HttpFetch;

/// After a failure the issuer is not asked about the same token again for this long.
const RETRY: Duration = Duration::from_secs(1);
const CACHED: u64 = 50_000;

/// What is known of one token; locked while it is being asked about.
type Cell = Arc<Mutex<Option<Answer>>>;

#[derive(Debug, Clone, Copy)]
enum Answer {
    Active { is_active: bool, at: Timestamp },
    Failed { at: Timestamp },
}

/// Asks, at most every few seconds about each token, and once for all who ask at the same time.
pub(super) struct Introspection {
    authorization: String,
    keep: Duration,
    fetch: Arc<dyn HttpFetch>,
    clock: Arc<dyn Clock>,
    /// By SHA-256 of the token: the token itself is nowhere.
    answers: Cache<[u8; 32], Cell>,
}

impl Introspection {
    pub(super) fn new(
        id: &str,
        secret: &str,
        keep: Duration,
        fetch: Arc<dyn HttpFetch>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        use base64::Engine as _;
        // RFC 6749 section 2.3.1: both are form-encoded before they are joined.
        let encoded = |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
        let credentials = format!("{}:{}", encoded(id), encoded(secret));
        let authorization = format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(credentials));
        Self { authorization, keep, fetch, clock, answers: Cache::new(CACHED) }
    }

    /// Whether the issuer calls `token` active. No answer is never taken for a yes.
    pub(super) async fn is_active(&self, token: &str, published: &Published) -> Result<bool, Refusal> {
        let cell = self.answers.get_with(sha256(token.as_bytes()), Cell::default);
        let mut known = cell.lock().await;
        let now = self.clock.now();
        match *known {
            Some(Answer::Active { is_active, at }) if is_younger(Some(at), now, self.keep) => return Ok(is_active),
            Some(Answer::Failed { at }) if is_younger(Some(at), now, RETRY) => {
                return Err(Reason::IssuerUnavailable.into());
            }
            _ => {}
        }
        match self.ask(token, published).await {
            Ok(is_active) => {
                // What was true when it was asked, not when the answer came.
                *known = Some(Answer::Active { is_active, at: now });
                Ok(is_active)
            }
            Err(error) => {
                tracing::warn!(target: "dcr", error, "the issuer could not be asked about a token");
                *known = Some(Answer::Failed { at: self.clock.now() });
                Err(Reason::IssuerUnavailable.into())
            }
        }
    }

    async fn ask(&self, token: &str, published: &Published) -> Result<bool, String> {
        let url = published.introspection_endpoint.as_ref().ok_or("the issuer names no introspection endpoint")?;
        let form: String = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("token", token)
            .append_pair("token_type_hint", "access_token")
            .finish();
        let mut authorization =
            HeaderValue::try_from(&self.authorization).map_err(|_| "the credentials are no header")?;
        authorization.set_sensitive(true);
        let request = Request::post(url)
            .header(ACCEPT, "application/json")
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(AUTHORIZATION, authorization)
            .body(form.into_bytes())
            .map_err(|_| "the introspection endpoint is no URL")?;
        let response = self.fetch.fetch(request).await.map_err(|error| error.to_string())?;
        match response.status() {
            // Exactly as RFC 7662 section 2.2 has it: a member of an object, and a boolean.
            StatusCode::OK => serde_json::from_slice::<Value>(response.body())
                .ok()
                .and_then(|answer| answer.get("active")?.as_bool())
                .ok_or_else(|| "what came is no introspection answer".to_owned()),
            StatusCode::UNAUTHORIZED => Err("the issuer does not accept these introspection credentials".to_owned()),
            status => Err(format!("introspection answered {status}")),
        }
    }
}

impl fmt::Debug for Introspection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Introspection").field("keep", &self.keep).finish_non_exhaustive()
    }
}
