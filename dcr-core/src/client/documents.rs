//! The metadata documents that are known: fetched when an id asks for it, kept in memory for as long as HTTP says within
//! our bounds (CI-8), fetched by one request at a time (CI-11). Nothing here reaches the store.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use http::header::{AGE, CACHE_CONTROL, CONTENT_TYPE, EXPIRES};
use http::{HeaderMap, StatusCode};
use moka::sync::Cache;
use serde::Deserialize;
use serde_json::Value;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc2822;
use tokio::sync::{Mutex, Semaphore};

use super::document::{ClientDocument, DocumentFault, DocumentUrl};
use super::{CanonicalRedirect, ClientId};
use crate::clock::{Clock, Timestamp};
use crate::config::DocumentPolicy;
use crate::guarded::{GuardedFetch, GuardedFetchError};

/// However short HTTP says: a document that may not be cached at all would be fetched by every request of a flow.
const MIN_FRESH: Duration = Duration::from_secs(60);
/// However long HTTP says, and the age up to which a copy is good while its host does not answer.
const MAX_FRESH: Duration = Duration::from_secs(24 * 60 * 60);
/// Where HTTP says nothing.
const DEFAULT_FRESH: Duration = Duration::from_secs(60 * 60);
/// A failure is remembered for this long: enough for a burst, too short to lock anybody out.
const REMEMBER_FAILURE: Duration = Duration::from_secs(5);
/// So many documents and hosts are remembered.
const CAPACITY: u64 = 1_000;
/// One host is asked at most so often in a minute, whatever the number of its documents (CI-11).
const PER_HOST: u32 = 30;
const MINUTE: Duration = Duration::from_secs(60);
/// So many fetches run at once.
const AT_ONCE: usize = 16;
/// How long a probe that went well, or did not, is believed.
const PROBE_GOOD: Duration = Duration::from_secs(15 * 60);
const PROBE_BAD: Duration = Duration::from_secs(5 * 60);
const NEVER: i64 = i64::MIN;

/// Documents by URL.
#[derive(Debug)]
pub(crate) struct Documents {
    policy: DocumentPolicy,
    fetch: Option<Arc<dyn GuardedFetch>>,
    custom_redirects: Vec<String>,
    shipped: Shipped,
    slots: Cache<String, Arc<Mutex<Slot>>>,
    hosts: Cache<String, Arc<Mutex<Window>>>,
    at_once: Semaphore,
    probe: Mutex<usize>,
    /// When anybody out there last answered, and when nobody did, in microseconds.
    reached_at: AtomicI64,
    failed_at: AtomicI64,
}

/// What is known of one URL.
#[derive(Debug, Default)]
struct Slot {
    document: Option<Held>,
    failure: Option<(Timestamp, DocumentFault)>,
    /// The host's last word was that there is no such document, or an invalid one: no copy serves until it has a valid one.
    refused: bool,
}

#[derive(Debug, Clone)]
struct Held {
    document: Arc<ClientDocument>,
    fetched_at: Timestamp,
    fresh_until: Timestamp,
}

/// How often a host was asked since when.
#[derive(Debug)]
struct Window {
    since: Timestamp,
    asked: u32,
}

/// What a fetch came to.
enum Fetched {
    /// A valid document, and how long it is fresh.
    Document(ClientDocument, Duration),
    /// The host does not give it to us now: a copy may serve.
    Withheld(DocumentFault),
    /// There is no such document, or it is not valid: no copy may serve.
    Refused(DocumentFault),
}

impl Documents {
    pub(crate) fn new(
        policy: DocumentPolicy,
        fetch: Option<Arc<dyn GuardedFetch>>,
        custom_redirects: Vec<String>,
    ) -> Self {
        Self {
            policy: if fetch.is_some() { policy } else { DocumentPolicy::Off },
            fetch,
            custom_redirects,
            shipped: Shipped::read(),
            slots: Cache::new(CAPACITY),
            hosts: Cache::new(CAPACITY),
            at_once: Semaphore::new(AT_ONCE),
            probe: Mutex::new(0),
            reached_at: AtomicI64::new(NEVER),
            failed_at: AtomicI64::new(NEVER),
        }
    }

    /// Whether ids of this form are clients at all, known or not. Asks nobody.
    pub(crate) fn may_be_client(&self, id: &ClientId) -> bool {
        self.policy != DocumentPolicy::Off && DocumentUrl::parse(id).is_ok()
    }

    /// The document that `id` leads to. One whose redirect URIs lack `redirect` is fetched anew if it is not just fetched:
    /// they may have changed (CI-8).
    pub(crate) async fn find(
        &self,
        id: &ClientId,
        redirect: &str,
        clock: &dyn Clock,
    ) -> Result<Arc<ClientDocument>, DocumentFault> {
        let Some(fetch) = self.fetch.as_deref().filter(|_| self.policy != DocumentPolicy::Off) else {
            return Err(DocumentFault::Off);
        };
        let url = DocumentUrl::parse(id)?;
        // The first who asks fetches; the others wait for it, at most as long as a fetch may take.
        let slot = self.slots.get_with(url.as_str().to_owned(), Arc::default);
        let mut slot = slot.lock().await;
        let now = clock.now();
        if let Some(held) = slot.document.as_ref().filter(|held| now < held.fresh_until) {
            let redirect = CanonicalRedirect::parse(redirect, &self.custom_redirects);
            let fits = redirect.is_ok_and(|redirect| held.document.has(&redirect));
            if fits || now < held.fetched_at + MIN_FRESH {
                return Ok(Arc::clone(&held.document));
            }
        }
        if let Some((at, fault)) = &slot.failure
            && now < *at + REMEMBER_FAILURE
        {
            return self.copy(url, &slot, now).ok_or_else(|| fault.clone());
        }
        let fetched = self.fetch(fetch, url, clock).await;
        let now = clock.now();
        match fetched {
            Fetched::Document(document, fresh) => {
                let document = Arc::new(document);
                let held = Held { document: Arc::clone(&document), fetched_at: now, fresh_until: now + fresh };
                *slot = Slot { document: Some(held), ..Slot::default() };
                Ok(document)
            }
            Fetched::Withheld(fault) => {
                // Not a warning: whoever sends an id can cause it.
                tracing::info!(target: "dcr", url = url.as_str(), %fault, "a client's metadata document is withheld");
                slot.failure = Some((now, fault.clone()));
                self.copy(url, &slot, now).ok_or(fault)
            }
            Fetched::Refused(fault) => {
                *slot = Slot { document: None, failure: Some((now, fault.clone())), refused: true };
                Err(fault)
            }
        }
    }

    /// A copy that serves while the host withholds the document: our last one if it is not too old, else the shipped one.
    fn copy(&self, url: DocumentUrl<'_>, slot: &Slot, now: Timestamp) -> Option<Arc<ClientDocument>> {
        match &slot.document {
            _ if slot.refused => None,
            Some(held) if now < held.fetched_at + MAX_FRESH => Some(Arc::clone(&held.document)),
            _ => self.shipped.document(url, &self.custom_redirects),
        }
    }

    async fn fetch(&self, fetch: &dyn GuardedFetch, url: DocumentUrl<'_>, clock: &dyn Clock) -> Fetched {
        if !self.may_ask(url.host(), clock.now()).await {
            return Fetched::Withheld(DocumentFault::Busy);
        }
        // Whoever would have to wait is told to come again: a queue would outlast the patience of all in it.
        let Ok(_permit) = self.at_once.try_acquire() else { return Fetched::Withheld(DocumentFault::Busy) };
        let response = match fetch.get(url.as_str()).await {
            Ok(response) => {
                self.reached_at.store(clock.now().unix_micros(), Ordering::Relaxed);
                response
            }
            Err(error @ GuardedFetchError::Unreachable(_)) => {
                return Fetched::Withheld(DocumentFault::Fetch(error.to_string()));
            }
            Err(error) => return Fetched::Refused(DocumentFault::Fetch(error.to_string())),
        };
        match response.status() {
            StatusCode::OK => {}
            // A bot filter, or trouble. A redirect is neither, and never followed (CI-4).
            StatusCode::FORBIDDEN | StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT => {
                return Fetched::Withheld(DocumentFault::Status(response.status().as_u16()));
            }
            status if status.is_server_error() => return Fetched::Withheld(DocumentFault::Status(status.as_u16())),
            status => return Fetched::Refused(DocumentFault::Status(status.as_u16())),
        }
        if !is_json(response.headers()) {
            return Fetched::Refused(DocumentFault::Invalid("it is not sent as JSON"));
        }
        match ClientDocument::parse(url, response.body(), &self.custom_redirects) {
            Ok(document) => Fetched::Document(document, freshness(response.headers(), clock.now())),
            Err(fault) => Fetched::Refused(fault),
        }
    }

    async fn may_ask(&self, host: &str, now: Timestamp) -> bool {
        let window = self.hosts.get_with(host.to_owned(), || Arc::new(Mutex::new(Window { since: now, asked: 0 })));
        let mut window = window.lock().await;
        if now.since(window.since) >= MINUTE || now < window.since {
            *window = Window { since: now, asked: 0 };
        }
        window.asked = window.asked.saturating_add(1);
        window.asked <= PER_HOST
    }

    /// Whether the metadata says that documents are supported.
    pub(crate) fn is_advertised(&self) -> bool {
        match self.policy {
            DocumentPolicy::Off => false,
            DocumentPolicy::On => true,
            DocumentPolicy::Auto => {
                let reached = self.reached_at.load(Ordering::Relaxed);
                reached != NEVER && reached >= self.failed_at.load(Ordering::Relaxed)
            }
        }
    }

    /// Asks a well-known host whether anybody out there answers, if that is not known for long enough. One request of
    /// many does; the others go on with what is known.
    pub(crate) async fn probe(&self, clock: &dyn Clock) {
        let (DocumentPolicy::Auto, Some(fetch)) = (self.policy, self.fetch.as_deref()) else { return };
        let Ok(mut next) = self.probe.try_lock() else { return };
        let now = clock.now();
        let known = |at: &AtomicI64, long: Duration| {
            let at = at.load(Ordering::Relaxed);
            at != NEVER && now.since(Timestamp::from_unix_micros(at)) < long
        };
        let advertised = self.is_advertised();
        if known(
            if advertised { &self.reached_at } else { &self.failed_at },
            if advertised { PROBE_GOOD } else { PROBE_BAD },
        ) {
            return;
        }
        let Some(url) = self.shipped.urls.get(*next % self.shipped.urls.len().max(1)) else { return };
        // Another one the next time: each may have its own trouble.
        *next += 1;
        // Any answer at all says that fetches get through. Only a probe says that they do not: what a stranger's id leads
        // to may be down, or made up to look like it.
        let at = if fetch.get(url).await.is_ok() { &self.reached_at } else { &self.failed_at };
        at.store(clock.now().unix_micros(), Ordering::Relaxed);
        let works = self.is_advertised();
        if works && !advertised {
            tracing::info!(target: "dcr", url, "the internet is reached: client id metadata documents are advertised");
        } else if !works {
            tracing::warn!(target: "dcr", url, "no answer: client id metadata documents are not advertised");
        }
    }
}

/// The copies that this release ships, for hosts that refuse addresses of data centres.
#[derive(Debug)]
struct Shipped {
    by_url: HashMap<String, Vec<u8>>,
    /// In the order of the list.
    urls: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawShipped {
    #[serde(rename = "dated")]
    _dated: String,
    documents: Vec<Value>,
}

impl Shipped {
    /// A test reads the same text, so that it is never the empty list.
    fn read() -> Self {
        let raw: Option<RawShipped> = serde_json::from_str(include_str!("documents.json")).ok();
        let (mut by_url, mut urls) = (HashMap::new(), Vec::new());
        for document in raw.into_iter().flat_map(|raw| raw.documents) {
            if let Some(url) = document["client_id"].as_str() {
                urls.push(url.to_owned());
                by_url.insert(url.to_owned(), document.to_string().into_bytes());
            }
        }
        Self { by_url, urls }
    }

    fn document(&self, url: DocumentUrl<'_>, custom: &[String]) -> Option<Arc<ClientDocument>> {
        let body = self.by_url.get(url.as_str())?;
        ClientDocument::parse(url, body, custom).ok().map(Arc::new)
    }
}

/// `application/json`, or another type that ends in `+json`.
fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    kind == "application/json" || (kind.starts_with("application/") && kind.ends_with("+json"))
}

/// How long a document is fresh (RFC 9111 section 4.2), within our bounds.
fn freshness(headers: &HeaderMap, now: Timestamp) -> Duration {
    let text = |name| headers.get(name).and_then(|value: &http::HeaderValue| value.to_str().ok());
    let directives: Vec<&str> = headers
        .get_all(CACHE_CONTROL)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .collect();
    let is = |name: &str| directives.iter().any(|directive| directive.eq_ignore_ascii_case(name));
    let max_age = directives.iter().find_map(|directive| {
        let (name, value) = directive.split_once('=')?;
        let seconds = value.trim_matches('"').parse::<u64>().ok()?;
        name.eq_ignore_ascii_case("max-age").then(|| Duration::from_secs(seconds))
    });
    let expires = || {
        let at = OffsetDateTime::parse(text(EXPIRES)?, &Rfc2822).map_or(0, OffsetDateTime::unix_timestamp);
        Some(Timestamp::from_unix_seconds(at).since(now))
    };
    let age = text(AGE).and_then(|age| age.trim().parse().ok()).map_or(Duration::ZERO, Duration::from_secs);
    let fresh = if is("no-store") || is("no-cache") { Some(Duration::ZERO) } else { max_age.or_else(expires) };
    fresh.map_or(DEFAULT_FRESH, |fresh| fresh.saturating_sub(age)).clamp(MIN_FRESH, MAX_FRESH)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn every_shipped_document_is_valid_and_dated() {
        let shipped = Shipped::read();
        assert!(shipped.urls.len() >= 5);
        for url in &shipped.urls {
            let id = ClientId::new(url.as_str()).unwrap();
            assert!(shipped.document(DocumentUrl::parse(&id).unwrap(), &[]).is_some(), "{url}");
        }
    }

    #[test]
    fn ci_08_freshness_is_what_http_says_within_bounds() {
        let now = Timestamp::from_unix_seconds(1_700_000_000);
        let fresh = |headers: &[(&'static str, &'static str)]| {
            let mut map = HeaderMap::new();
            for (name, value) in headers {
                map.append(*name, HeaderValue::from_static(value));
            }
            freshness(&map, now).as_secs()
        };
        assert_eq!(fresh(&[]), 3_600);
        assert_eq!(fresh(&[("cache-control", "public, max-age=600")]), 600);
        assert_eq!(fresh(&[("cache-control", "public"), ("cache-control", "Max-Age=\"600\"")]), 600);
        assert_eq!(fresh(&[("cache-control", "max-age=600"), ("age", "200")]), 400);
        assert_eq!(fresh(&[("cache-control", "max-age=31536000")]), 86_400);
        assert_eq!(fresh(&[("cache-control", "no-store, max-age=600")]), 60);
        assert_eq!(fresh(&[("cache-control", "max-age=0")]), 60);
        assert_eq!(fresh(&[("cache-control", "max-age=nonsense")]), 3_600);
        assert_eq!(fresh(&[("expires", "Tue, 14 Nov 2023 22:23:20 GMT")]), 600);
        assert_eq!(fresh(&[("expires", "0")]), 60);
        assert_eq!(fresh(&[("expires", "Tue, 14 Nov 2023 22:23:20 GMT"), ("cache-control", "max-age=900")]), 900);
    }

    #[test]
    fn json_is_told_by_its_type() {
        let is = |kind: &'static str| {
            let mut map = HeaderMap::new();
            map.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
            is_json(&map)
        };
        assert!(is("application/json") && is("Application/JSON; charset=utf-8") && is("application/oauth-client+json"));
        assert!(!is("text/html") && !is("text/json+x") && !is("application/jsonp"));
        assert!(!is_json(&HeaderMap::new()));
    }
}
