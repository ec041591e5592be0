//! The metadata documents of clients, and the keys that they lead to.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;
use tokio::sync::Mutex;
use url::Url;

use super::document::{ClientDocument, DocumentFault, DocumentKeys, DocumentUrl};
use super::fetched::{Known, NEVER, Source, Wanted};
use super::keys::ClientKeys;
use super::{CanonicalRedirect, ClientId};
use crate::clock::{Clock, Timestamp};
use crate::config::DocumentPolicy;
use crate::guarded::GuardedFetch;
use crate::limits::Asker;

/// How long a probe that went well, or did not, is believed.
const PROBE_GOOD: Duration = Duration::from_secs(15 * 60);
const PROBE_BAD: Duration = Duration::from_secs(5 * 60);

/// Documents and keys by URL.
#[derive(Debug)]
pub(crate) struct Documents {
    policy: DocumentPolicy,
    source: Option<Source>,
    custom_redirects: Vec<String>,
    shipped: Shipped,
    documents: Known<ClientDocument>,
    keys: Known<ClientKeys>,
    probe: Mutex<usize>,
    /// When nobody out there last answered, in microseconds.
    failed_at: AtomicI64,
}

impl Documents {
    pub(crate) fn new(
        policy: DocumentPolicy,
        fetch: Option<Arc<dyn GuardedFetch>>,
        custom_redirects: Vec<String>,
    ) -> Self {
        Self {
            policy: if fetch.is_some() { policy } else { DocumentPolicy::Off },
            source: fetch.map(Source::new),
            custom_redirects,
            shipped: Shipped::read(),
            documents: Known::new(),
            keys: Known::new(),
            probe: Mutex::new(0),
            failed_at: AtomicI64::new(NEVER),
        }
    }

    /// Whether ids of this form are clients at all, known or not. Asks nobody.
    pub(crate) fn may_be_client(&self, id: &ClientId) -> bool {
        self.are_supported() && DocumentUrl::parse(id).is_ok()
    }

    /// Whether documents are looked at, whatever the metadata says of them at this moment.
    pub(crate) fn are_supported(&self) -> bool {
        self.policy != DocumentPolicy::Off
    }

    fn source(&self) -> Result<&Source, DocumentFault> {
        self.source.as_ref().filter(|_| self.are_supported()).ok_or(DocumentFault::Off)
    }

    /// The document that `id` leads to. One whose redirect URIs lack `redirect` is fetched anew if it is not just fetched:
    /// they may have changed (CI-8).
    pub(crate) async fn find(
        &self,
        id: &ClientId,
        redirect: Option<&str>,
        clock: &dyn Clock,
        asker: Asker<'_>,
    ) -> Result<Arc<ClientDocument>, DocumentFault> {
        let source = self.source()?;
        let url = DocumentUrl::parse(id)?;
        let custom = self.custom_redirects.as_slice();
        let redirect = redirect.map(|redirect| CanonicalRedirect::parse(redirect, custom).ok());
        let wanted = Wanted {
            url: url.as_str(),
            host: url.host(),
            fits: |document: &ClientDocument| match &redirect {
                None => true,
                Some(redirect) => redirect.as_ref().is_some_and(|redirect| document.has(redirect)),
            },
            parse: |body: &[u8]| ClientDocument::parse(url, body, custom),
            copy: || self.shipped.document(url, custom),
            asker,
        };
        self.documents.find(source, wanted, clock).await
    }

    /// The keys of the client `id`, by its document; fetched anew if `kid` is none of them: keys roll at any time.
    pub(crate) async fn keys_of(
        &self,
        id: &ClientId,
        kid: Option<&str>,
        clock: &dyn Clock,
    ) -> Result<Arc<ClientKeys>, DocumentFault> {
        let document = self.find(id, None, clock, Asker::KNOWN).await?;
        let uri = match &document.keys {
            Some(DocumentKeys::Here(keys)) => return Ok(Arc::new(keys.clone())),
            Some(DocumentKeys::At(uri)) => uri,
            None if document.is_copy => return Err(DocumentFault::Copy),
            None => return Err(DocumentFault::Invalid("it leads to no keys")),
        };
        let url = Url::parse(uri).map_err(|_| DocumentFault::Url)?;
        let wanted = Wanted {
            url: uri,
            host: url.host_str().unwrap_or_default(),
            fits: |keys: &ClientKeys| keys.has(kid),
            parse: |body: &[u8]| {
                ClientKeys::parse(body).map_err(|_| DocumentFault::Invalid("its jwks_uri has no usable keys"))
            },
            copy: || None,
            asker: Asker::KNOWN,
        };
        self.keys.find(self.source()?, wanted, clock).await
    }

    /// Whether the metadata says that documents are supported.
    pub(crate) fn is_advertised(&self) -> bool {
        match self.policy {
            DocumentPolicy::Off => false,
            DocumentPolicy::On => true,
            DocumentPolicy::Auto => {
                let reached = self.source.as_ref().map_or(NEVER, |source| source.reached_at.load(Ordering::Relaxed));
                reached != NEVER && reached >= self.failed_at.load(Ordering::Relaxed)
            }
        }
    }

    /// Asks a well-known host whether anybody out there answers, if that is not known for long enough. One request of
    /// many does; the others go on with what is known.
    pub(crate) async fn probe(&self, clock: &dyn Clock) {
        let (DocumentPolicy::Auto, Some(source)) = (self.policy, &self.source) else { return };
        let Ok(mut next) = self.probe.try_lock() else { return };
        let now = clock.now();
        let known = |at: &AtomicI64, long: Duration| {
            let at = at.load(Ordering::Relaxed);
            at != NEVER && now.since(Timestamp::from_unix_micros(at)) < long
        };
        let advertised = self.is_advertised();
        if known(
            if advertised { &source.reached_at } else { &self.failed_at },
            if advertised { PROBE_GOOD } else { PROBE_BAD },
        ) {
            return;
        }
        let Some(url) = self.shipped.urls.get(*next % self.shipped.urls.len().max(1)) else { return };
        // Another one the next time: each may have its own trouble.
        *next += 1;
        // Any answer at all says that fetches get through. Only a probe says that they do not: what a stranger's id leads
        // to may be down, or made up to look like it.
        let at = if source.answers(url).await { &source.reached_at } else { &self.failed_at };
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
        ClientDocument::parse(url, body, custom).ok().map(|document| Arc::new(document.into_copy()))
    }
}

#[cfg(test)]
mod tests {
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
}
