//! What clients publish at https URLs, as it is known: fetched when a request needs it, kept in memory for as long as HTTP
//! says within our bounds (CI-8), fetched by one request at a time (CI-11). Nothing here reaches the store.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use http::header::{AGE, CACHE_CONTROL, CONTENT_TYPE, EXPIRES};
use http::{HeaderMap, StatusCode};
use moka::sync::Cache;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc2822;
use tokio::sync::{Mutex, Semaphore};

use super::document::DocumentFault;
use crate::clock::{Clock, Timestamp};
use crate::guarded::{GuardedFetch, GuardedFetchError};
use crate::limits::Asker;

/// However short HTTP says: what may not be cached at all would be fetched by every request of a flow.
const MIN_FRESH: Duration = Duration::from_secs(60);
/// However long HTTP says, and the age up to which a copy is good while its host does not answer.
const MAX_FRESH: Duration = Duration::from_secs(24 * 60 * 60);
/// Where HTTP says nothing.
const DEFAULT_FRESH: Duration = Duration::from_secs(60 * 60);
/// A failure is remembered for this long: enough for a burst, too short to lock anybody out.
const REMEMBER_FAILURE: Duration = Duration::from_secs(5);
/// So many URLs and hosts are remembered.
const CAPACITY: u64 = 1_000;
/// One host is asked at most so often in a minute, whatever the number of its URLs (CI-11).
const PER_HOST: u32 = 30;
const MINUTE: Duration = Duration::from_secs(60);
/// So many fetches run at once.
const AT_ONCE: usize = 16;
pub(super) const NEVER: i64 = i64::MIN;

/// The way out, with its limits.
#[derive(Debug)]
pub(super) struct Source {
    fetch: Arc<dyn GuardedFetch>,
    hosts: Cache<String, Arc<Mutex<Window>>>,
    at_once: Semaphore,
    /// When anybody out there last answered, in microseconds.
    pub(super) reached_at: AtomicI64,
}

/// How often a host was asked since when.
#[derive(Debug)]
struct Window {
    since: Timestamp,
    asked: u32,
}

/// What a fetch came to.
enum Fetched<T> {
    /// Valid, and how long it is fresh.
    Good(T, Duration),
    /// The host does not give it to us now: a copy may serve.
    Withheld(DocumentFault),
    /// There is no such thing, or it is not valid: no copy may serve.
    Refused(DocumentFault),
}

impl Source {
    pub(super) fn new(fetch: Arc<dyn GuardedFetch>) -> Self {
        Self { fetch, hosts: Cache::new(CAPACITY), at_once: Semaphore::new(AT_ONCE), reached_at: AtomicI64::new(NEVER) }
    }

    /// Whether the host of `url` answers at all.
    pub(super) async fn answers(&self, url: &str) -> bool {
        self.fetch.get(url).await.is_ok()
    }

    async fn get<T>(
        &self,
        url: &str,
        host: &str,
        clock: &dyn Clock,
        parse: impl FnOnce(&[u8]) -> Result<T, DocumentFault>,
    ) -> Fetched<T> {
        if !self.may_ask(host, clock.now()).await {
            return Fetched::Withheld(DocumentFault::Busy);
        }
        // Whoever would have to wait is told to come again: a queue would outlast the patience of all in it.
        let Ok(_permit) = self.at_once.try_acquire() else { return Fetched::Withheld(DocumentFault::Busy) };
        let response = match self.fetch.get(url).await {
            Ok(response) => {
                self.reached_at.store(clock.now().unix_micros(), Ordering::Relaxed);
                response
            }
            Err(error @ GuardedFetchError::Unreachable(_)) => {
                return Fetched::Withheld(DocumentFault::Unreachable(error.to_string()));
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
        match parse(response.body()) {
            Ok(good) => Fetched::Good(good, freshness(response.headers(), clock.now())),
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
}

/// What is known, by URL.
pub(super) struct Known<T> {
    slots: Cache<String, Arc<Mutex<Slot<T>>>>,
}

/// What is known of one URL.
struct Slot<T> {
    good: Option<Held<T>>,
    failure: Option<(Timestamp, DocumentFault)>,
    /// The host's last word was that there is no such thing, or an invalid one: no copy serves until it has a valid one.
    refused: bool,
}

struct Held<T> {
    value: Arc<T>,
    fetched_at: Timestamp,
    fresh_until: Timestamp,
}

impl<T> Default for Slot<T> {
    fn default() -> Self {
        Self { good: None, failure: None, refused: false }
    }
}

/// What is asked for.
pub(super) struct Wanted<'a, F, P, C> {
    pub(super) url: &'a str,
    pub(super) host: &'a str,
    /// Whether it has what the request needs. If not it is fetched anew unless it was just fetched: it may have changed.
    pub(super) fits: F,
    pub(super) parse: P,
    /// A copy that serves while the host withholds it and nothing of its own is known.
    pub(super) copy: C,
    /// On whose behalf.
    pub(super) asker: Asker<'a>,
}

impl<T: Send + Sync + 'static> Known<T> {
    pub(super) fn new() -> Self {
        Self { slots: Cache::new(CAPACITY) }
    }

    pub(super) async fn find<F, P, C>(
        &self,
        source: &Source,
        wanted: Wanted<'_, F, P, C>,
        clock: &dyn Clock,
    ) -> Result<Arc<T>, DocumentFault>
    where
        F: Fn(&T) -> bool + Send,
        P: FnOnce(&[u8]) -> Result<T, DocumentFault> + Send,
        C: Fn() -> Option<Arc<T>> + Send,
    {
        let Wanted { url, host, fits, parse, copy, asker } = wanted;
        // The first who asks fetches; the others wait for it, at most as long as a fetch may take.
        let slot = self.slots.get_with(url.to_owned(), Arc::default);
        let mut slot = slot.lock().await;
        let now = clock.now();
        if let Some(held) = slot.good.as_ref().filter(|held| now < held.fresh_until)
            && (fits(&held.value) || now < held.fetched_at + MIN_FRESH)
        {
            return Ok(Arc::clone(&held.value));
        }
        if let Some((at, fault)) = &slot.failure
            && now < *at + REMEMBER_FAILURE
        {
            return slot.instead(now, copy).filter(|held| fits(held)).ok_or_else(|| fault.clone());
        }
        let fetched = if asker.may_fetch(now) {
            source.get(url, host, clock, parse).await
        } else {
            // Not remembered as a failure: the next who asks may be somebody else.
            return slot.instead(now, copy).filter(|held| fits(held)).ok_or(DocumentFault::Busy);
        };
        let now = clock.now();
        match fetched {
            Fetched::Good(value, fresh) => {
                let value = Arc::new(value);
                let held = Held { value: Arc::clone(&value), fetched_at: now, fresh_until: now + fresh };
                *slot = Slot { good: Some(held), ..Slot::default() };
                Ok(value)
            }
            Fetched::Withheld(fault) => {
                // Not a warning: whoever sends an id can cause it.
                tracing::info!(target: "dcr", url, %fault, "what a client publishes is withheld");
                slot.failure = Some((now, fault.clone()));
                // One that lacks what is needed does not serve: perhaps the host has a newer one, and that is not known.
                slot.instead(now, copy).filter(|held| fits(held)).ok_or(fault)
            }
            Fetched::Refused(fault) => {
                *slot = Slot { good: None, failure: Some((now, fault.clone())), refused: true };
                Err(fault)
            }
        }
    }
}

impl<T> Slot<T> {
    /// What serves while the host withholds it: our last one if it is not too old, else the copy.
    fn instead(&self, now: Timestamp, copy: impl Fn() -> Option<Arc<T>>) -> Option<Arc<T>> {
        match &self.good {
            _ if self.refused => None,
            Some(held) if now < held.fetched_at + MAX_FRESH => Some(Arc::clone(&held.value)),
            _ => copy(),
        }
    }
}

impl<T> fmt::Debug for Known<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Known({})", self.slots.entry_count())
    }
}

/// `application/json`, or another type that ends in `+json`.
fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    kind == "application/json" || (kind.starts_with("application/") && kind.ends_with("+json"))
}

/// How long a document is fresh (RFC 9111 section 4.2), within our bounds.
pub(crate) fn freshness(headers: &HeaderMap, now: Timestamp) -> Duration {
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
