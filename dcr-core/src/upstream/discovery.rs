//! The provider's configuration and keys: fetched when needed, refreshed, and the last good ones kept on trouble.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use jsonwebtoken::jwk::Jwk;
use serde::Deserialize;
use tokio::sync::Mutex;

use super::oidc::check_address;
use super::{HttpFetch, UpstreamError, UpstreamFault, id_token};
use crate::clock::{Clock, Timestamp};

/// How long documents are used before they are looked at again.
const FRESH: Duration = Duration::from_secs(60 * 60);
/// After a failed fetch, and between two fetches because of an unknown key id: no sooner than this.
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

/// A document, as far as it is known.
#[derive(Debug)]
struct Known<T> {
    good: Option<(Arc<T>, Timestamp)>,
    /// The last failure and when it was over: for a while it answers everybody who waited for it.
    failed: Option<(UpstreamError, Timestamp)>,
}

impl<T> Known<T> {
    const NOTHING: Self = Self { good: None, failed: None };

    /// The document if it was fetched less than an hour ago (and not in a future that a clock was set back from).
    fn fresh(&self, now: Timestamp) -> Option<Arc<T>> {
        self.good.as_ref().filter(|(_, at)| *at <= now && now.since(*at) < FRESH).map(|(good, _)| good.clone())
    }

    /// A failure that is so young that asking again would only hammer the provider.
    fn young_failure(&self, now: Timestamp) -> Option<&UpstreamError> {
        self.failed.as_ref().filter(|(_, at)| *at <= now && now.since(*at) < FLOOR).map(|(error, _)| error)
    }

    /// Takes in what a fetch brought; the last good document stays on trouble (RS-11, entra.md).
    fn learn(&mut self, fetched: Result<T, UpstreamError>, now: Timestamp) {
        match fetched {
            Ok(good) => *self = Self { good: Some((Arc::new(good), now)), failed: None },
            Err(error) => {
                tracing::warn!(target: "dcr", %error, kept = self.good.is_some(), "the provider's documents could not be fetched");
                self.failed = Some((error, now));
            }
        }
    }

    /// The best there is: good, however old, or why there is nothing.
    fn best(&self) -> Result<Arc<T>, UpstreamError> {
        match (&self.good, &self.failed) {
            (Some((good, _)), _) => Ok(good.clone()),
            (None, Some((error, _))) => Err(error.clone()),
            (None, None) => Err(UpstreamError::new(UpstreamFault::Busy, "nothing has been fetched yet")),
        }
    }
}

#[derive(Debug)]
struct State {
    document: Known<Document>,
    keys: Known<Vec<SigningKey>>,
    /// When the keys were last fetched because of an unknown key id.
    looked_for_unknown: Option<Timestamp>,
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
    /// How many seconds our clock is ahead of the provider's; the least value there is while nobody knows.
    ahead: AtomicI64,
}

impl Discovery {
    pub(super) fn new(url: String, issuer: Option<String>, fetch: Arc<dyn HttpFetch>, clock: Arc<dyn Clock>) -> Self {
        let state = State { document: Known::NOTHING, keys: Known::NOTHING, looked_for_unknown: None };
        Self { url, issuer, fetch, clock, state: Mutex::new(state), ahead: AtomicI64::new(i64::MIN) }
    }

    /// The discovery document; a stale one if the provider does not answer.
    pub(super) async fn document(&self) -> Result<Arc<Document>, UpstreamError> {
        let mut state = self.state.lock().await;
        let now = self.clock.now();
        if let Some(fresh) = state.document.fresh(now) {
            return Ok(fresh);
        }
        if state.document.young_failure(now).is_none() {
            let fetched =
                self.get::<Document>(&self.url).await.and_then(|document| self.check(&document).map(|()| document));
            state.document.learn(fetched, self.clock.now());
        }
        state.document.best()
    }

    /// Whether both documents could be had when they were last needed; asks for them as a sign-in would.
    pub(super) async fn check_health(&self) -> Result<(), UpstreamError> {
        let document = self.document().await?;
        // Any id that a key has, or none: the set is fetched if it is not fresh, and not because of this id.
        let fresh = self.state.lock().await.keys.fresh(self.clock.now()).is_some();
        if !fresh {
            self.key(&document.jwks_uri, None).await?;
        }
        let state = self.state.lock().await;
        match state.document.failed.as_ref().or(state.keys.failed.as_ref()) {
            Some((error, _)) => Err(error.clone()),
            None => Ok(()),
        }
    }

    /// How many seconds our clock is ahead of the provider's, by the `Date` of its last answer (RFC 9110 section 6.6.1).
    pub(super) fn clock_ahead(&self) -> Option<i64> {
        Some(self.ahead.load(Ordering::Relaxed)).filter(|ahead| *ahead != i64::MIN)
    }

    fn compare_clocks(&self, headers: &http::HeaderMap) {
        let date = headers.get(http::header::DATE).and_then(|date| date.to_str().ok());
        if let Some(theirs) = date.and_then(Timestamp::from_http_date) {
            self.ahead.store(self.clock.now().unix_seconds() - theirs.unix_seconds(), Ordering::Relaxed);
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

    /// The key with this id (the only key, without one). An unknown id has the set fetched again, since keys roll at any
    /// time, but no sooner than a floor after the last time that this happened.
    pub(super) async fn key(&self, jwks_uri: &str, kid: Option<&str>) -> Result<Option<SigningKey>, UpstreamError> {
        let mut state = self.state.lock().await;
        let now = self.clock.now();
        if let Some(found) = state.keys.fresh(now).and_then(|keys| find(&keys, kid)) {
            return Ok(Some(found));
        }
        let unknown = state.keys.fresh(now).is_some();
        let looked = state.looked_for_unknown.is_some_and(|at| at <= now && now.since(at) < FLOOR);
        if state.keys.young_failure(now).is_none() && !(unknown && looked) {
            if unknown {
                state.looked_for_unknown = Some(now);
            }
            let fetched = self.get::<RawKeys>(jwks_uri).await.map(RawKeys::usable);
            state.keys.learn(fetched, self.clock.now());
        }
        Ok(find(&state.keys.best()?, kid))
    }

    async fn get<T: serde::de::DeserializeOwned>(&self, url: &str) -> Result<T, UpstreamError> {
        let request = http::Request::get(url)
            .header(http::header::ACCEPT, "application/json")
            .body(Vec::new())
            .map_err(|_| UpstreamError::new(UpstreamFault::Configuration, "a provider address is not a URL"))?;
        let response =
            self.fetch.fetch(request).await.map_err(|e| UpstreamError::new(UpstreamFault::Busy, e.to_string()))?;
        self.compare_clocks(response.headers());
        let status = response.status();
        if status != http::StatusCode::OK {
            let fault = if status.is_server_error() || status == http::StatusCode::TOO_MANY_REQUESTS {
                UpstreamFault::Busy
            } else {
                UpstreamFault::Configuration
            };
            return Err(UpstreamError::new(fault, format!("the provider answered {status} to {url}")));
        }
        serde_json::from_slice(response.body()).map_err(|e| {
            // Where, not what: the error repeats what it found there, at any length.
            let (line, column) = (e.line(), e.column());
            let text = format!("{url} is not the expected JSON, at line {line}, column {column}");
            UpstreamError::new(UpstreamFault::Invalid, text)
        })
    }
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
            .filter(id_token::is_usable)
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

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

    use async_trait::async_trait;

    use super::super::FetchError;
    use super::*;
    use crate::testing::ManualClock;

    /// A provider that answers, or hangs for ten seconds of the test's clock.
    #[derive(Debug)]
    struct Provider {
        clock: Arc<ManualClock>,
        hangs: AtomicBool,
        asked: AtomicU32,
    }

    #[async_trait]
    impl HttpFetch for Provider {
        async fn fetch(&self, _: http::Request<Vec<u8>>) -> Result<http::Response<Vec<u8>>, FetchError> {
            self.asked.fetch_add(1, Ordering::SeqCst);
            if self.hangs.load(Ordering::SeqCst) {
                self.clock.advance(Duration::from_secs(10));
                return Err(FetchError("timed out".to_owned()));
            }
            let document = r#"{"issuer":"https://idp.example","authorization_endpoint":"https://idp.example/a",
                "token_endpoint":"https://idp.example/t","jwks_uri":"https://idp.example/k","keys":[]}"#;
            Ok(http::Response::new(document.as_bytes().to_vec()))
        }
    }

    fn discovery() -> (Discovery, Arc<Provider>) {
        let clock = ManualClock::at(1_790_000_000);
        let provider = Arc::new(Provider { clock: clock.clone(), hangs: false.into(), asked: AtomicU32::new(0) });
        let issuer = Some("https://idp.example".to_owned());
        (Discovery::new("https://idp.example/d".to_owned(), issuer, provider.clone(), clock), provider)
    }

    /// A provider that says one thing.
    #[derive(Debug)]
    struct Says(u16, &'static str);

    #[async_trait]
    impl HttpFetch for Says {
        async fn fetch(&self, _: http::Request<Vec<u8>>) -> Result<http::Response<Vec<u8>>, FetchError> {
            Ok(http::Response::builder().status(self.0).body(self.1.as_bytes().to_vec()).unwrap())
        }
    }

    #[tokio::test]
    async fn up_10_whose_fault_it_is_follows_the_status() {
        for (status, fault) in [
            (500, UpstreamFault::Busy),
            (503, UpstreamFault::Busy),
            (429, UpstreamFault::Busy),
            (404, UpstreamFault::Configuration),
            (400, UpstreamFault::Configuration),
            (302, UpstreamFault::Configuration),
            (204, UpstreamFault::Configuration),
            (200, UpstreamFault::Invalid),
        ] {
            let clock = ManualClock::at(1_790_000_000);
            let discovery =
                Discovery::new("https://idp.example/d".to_owned(), None, Arc::new(Says(status, "no JSON")), clock);
            assert_eq!(discovery.document().await.unwrap_err().fault(), fault, "{status}");
        }
    }

    #[tokio::test]
    async fn up_10_an_error_repeats_nothing_of_what_was_answered() {
        let (url, clock) = ("https://idp.example/d".to_owned(), ManualClock::at(1_790_000_000));
        let discovery = Discovery::new(url, None, Arc::new(Says(200, r#"{"keys":"eyJ-a-token"}"#)), clock);
        let error = discovery.key("https://idp.example/k", None).await.unwrap_err();
        assert!(!error.to_string().contains("eyJ"), "{error}");
    }

    #[tokio::test]
    async fn a_provider_that_hangs_is_asked_once_for_everybody_and_the_last_good_document_serves() {
        let (discovery, provider) = discovery();
        discovery.document().await.unwrap();
        discovery.document().await.unwrap();
        assert_eq!(provider.asked.load(Ordering::SeqCst), 1);
        provider.hangs.store(true, Ordering::SeqCst);
        provider.clock.advance(FRESH);
        for _ in 0..8 {
            discovery.document().await.expect("the last good document");
        }
        assert_eq!(provider.asked.load(Ordering::SeqCst), 2);
        // A clock that is set back does not make it fresh for ever.
        provider.hangs.store(false, Ordering::SeqCst);
        provider.clock.set_back(FRESH * 2);
        discovery.document().await.unwrap();
        assert_eq!(provider.asked.load(Ordering::SeqCst), 3);
    }

    #[tokio::test]
    async fn with_nothing_good_a_failure_answers_for_a_while() {
        let (discovery, provider) = discovery();
        provider.hangs.store(true, Ordering::SeqCst);
        for _ in 0..8 {
            assert_eq!(discovery.document().await.unwrap_err().fault(), UpstreamFault::Busy);
        }
        assert_eq!(provider.asked.load(Ordering::SeqCst), 1);
        provider.hangs.store(false, Ordering::SeqCst);
        provider.clock.advance(FLOOR);
        discovery.document().await.expect("it is asked again");
    }

    #[tokio::test]
    async fn health_is_what_the_last_fetch_said_and_asks_no_more_than_sign_ins_do() {
        let (discovery, provider) = discovery();
        discovery.check_health().await.unwrap();
        let asked = provider.asked.load(Ordering::SeqCst);
        discovery.check_health().await.unwrap();
        assert_eq!(provider.asked.load(Ordering::SeqCst), asked, "both are fresh");
        provider.hangs.store(true, Ordering::SeqCst);
        provider.clock.advance(FRESH);
        assert_eq!(discovery.check_health().await.unwrap_err().fault(), UpstreamFault::Busy);
        discovery.document().await.expect("the last good document serves all the same");
    }

    #[test]
    fn the_clocks_are_compared_by_the_date_of_an_answer() {
        let (discovery, provider) = discovery();
        assert_eq!(discovery.clock_ahead(), None);
        let now = provider.clock.now().unix_seconds();
        let mut headers = http::HeaderMap::new();
        for (date, ahead) in [
            (http_date(now - 90), Some(90)),
            ("yesterday".to_owned(), Some(90)),
            (http_date(now + 3_600), Some(-3_600)),
        ] {
            headers.insert(http::header::DATE, date.parse().unwrap());
            discovery.compare_clocks(&headers);
            assert_eq!(discovery.clock_ahead(), ahead, "{date}");
        }
    }

    fn http_date(seconds: i64) -> String {
        let format = time::macros::format_description!(
            "[weekday repr:short], [day] [month repr:short] [year] [hour]:[minute]:[second] GMT"
        );
        time::OffsetDateTime::from_unix_timestamp(seconds).unwrap().format(format).unwrap()
    }
}
