//! Assertions from the identity that Azure gives to a machine or an app: nothing secret to configure, nothing that expires.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde::Deserialize;
use serde_json::Value;
use tokio::sync::Mutex;
use url::Url;

use super::{AssertionSource, HttpFetch, UpstreamError, UpstreamFault, UpstreamSecret};
use crate::clock::{Clock, Timestamp};

/// The instance metadata service: a link-local address that is no secret and needs no TLS.
const IMDS: &str = "http://169.254.169.254/metadata/identity/oauth2/token";
/// For what the assertion is: exchanging it at Entra ID.
const AUDIENCE: &str = "api://AzureADTokenExchange";
/// It is asked for anew so long before it lapses.
const MARGIN: Duration = Duration::from_secs(5 * 60);

/// The user-assigned managed identity of this machine, as an [`AssertionSource`]: the application at Entra ID lists it as a
/// federated credential, with the identity's object id as the subject.
///
/// The request goes to a link-local address: with a proxy in the environment, except that address (`NO_PROXY=169.254.169.254`).
///
/// ```
/// # use std::sync::Arc;
/// use dcr_core::SystemClock;
/// use dcr_core::upstream::{EntraConfig, ManagedIdentity, ReqwestFetch, UpstreamCredential};
///
/// # fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let identity = ManagedIdentity::new("identity's client id", Arc::new(ReqwestFetch::new()?), Arc::new(SystemClock));
/// let credential = UpstreamCredential::Assertion(Arc::new(identity));
/// let entra = EntraConfig::with_credential("72f988bf-86f1-41af-91ab-2d7cd011db47", "application id", credential);
/// # let _ = entra;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct ManagedIdentity {
    client_id: String,
    endpoint: String,
    audience: String,
    fetch: Arc<dyn HttpFetch>,
    clock: Arc<dyn Clock>,
    kept: Mutex<Option<(UpstreamSecret, Timestamp)>>,
}

#[derive(Deserialize)]
struct Answer {
    access_token: String,
    /// Seconds since the Unix epoch, as a number or as text.
    expires_on: Value,
}

impl ManagedIdentity {
    /// The identity of this client id. Nothing is asked yet.
    #[must_use]
    pub fn new(client_id: impl Into<String>, fetch: Arc<dyn HttpFetch>, clock: Arc<dyn Clock>) -> Self {
        Self {
            client_id: client_id.into(),
            endpoint: IMDS.to_owned(),
            audience: AUDIENCE.to_owned(),
            fetch,
            clock,
            kept: Mutex::new(None),
        }
    }

    /// Another address than that of the instance metadata service.
    #[must_use]
    pub fn endpoint(mut self, endpoint: impl Into<String>) -> Self {
        self.endpoint = endpoint.into();
        self
    }

    /// Another audience: `api://AzureADTokenExchangeUSGov`, `api://AzureADTokenExchangeChina`.
    #[must_use]
    pub fn audience(mut self, audience: impl Into<String>) -> Self {
        self.audience = audience.into();
        self
    }

    async fn ask(&self) -> Result<(UpstreamSecret, Timestamp), UpstreamError> {
        let wrong = |text: &str| UpstreamError::new(UpstreamFault::Configuration, format!("managed identity: {text}"));
        let mut url = Url::parse(&self.endpoint).map_err(|_| wrong("its address is no URL"))?;
        url.query_pairs_mut()
            .append_pair("api-version", "2018-02-01")
            .append_pair("resource", &self.audience)
            .append_pair("client_id", &self.client_id);
        let request = http::Request::get(url.as_str())
            .header("metadata", "true")
            .body(Vec::new())
            .map_err(|_| wrong("its address is no URL"))?;
        let busy = |text: String| UpstreamError::new(UpstreamFault::Busy, format!("managed identity: {text}"));
        let response = self.fetch.fetch(request).await.map_err(|error| busy(error.to_string()))?;
        let status = response.status().as_u16();
        match status {
            200 => {}
            // 404 and 410 while it is updated (its documentation: try again).
            404 | 410 | 429 | 500.. => return Err(busy(format!("it answers {status}"))),
            _ => return Err(wrong(&format!("it answers {status}; is the identity assigned to this machine?"))),
        }
        // The body holds a token: nothing of it is repeated.
        let answer: Answer =
            serde_json::from_slice(response.body()).map_err(|_| busy("an unreadable answer".to_owned()))?;
        let seconds = answer.expires_on.as_i64().or_else(|| answer.expires_on.as_str()?.parse().ok());
        let until = seconds.map_or_else(|| self.clock.now(), Timestamp::from_unix_seconds);
        Ok((UpstreamSecret::new(answer.access_token), until))
    }
}

#[async_trait]
impl AssertionSource for ManagedIdentity {
    async fn assertion(&self) -> Result<UpstreamSecret, UpstreamError> {
        // Across the request: whoever comes meanwhile shares the answer.
        let mut kept = self.kept.lock().await;
        let now = self.clock.now();
        if let Some((assertion, _)) = kept.as_ref().filter(|(_, until)| now + MARGIN < *until) {
            return Ok(assertion.clone());
        }
        let fresh = self.ask().await?;
        let assertion = fresh.0.clone();
        *kept = Some(fresh);
        Ok(assertion)
    }
}
