//! What the hosts of clients answer, in place of the internet.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use dcr_core::guarded::{GuardedFetch, GuardedFetchError};
use http::Response;
use serde_json::{Value, json};

/// Status, type and body; or nothing.
pub type Answer = Result<(u16, String, String), GuardedFetchError>;

/// What a host answers, and how often it was asked.
#[derive(Debug, Default)]
pub struct Web {
    pub answers: Mutex<HashMap<String, Answer>>,
    pub asked: AtomicUsize,
    pub slow: bool,
}

impl Web {
    /// With these documents.
    pub fn with(documents: &[Value]) -> Arc<Self> {
        let web = Self::default();
        for document in documents {
            web.serve(document["client_id"].as_str().unwrap(), document);
        }
        Arc::new(web)
    }

    pub fn answer(&self, url: &str, status: u16, kind: &str, body: &str) {
        self.answers.lock().unwrap().insert(url.to_owned(), Ok((status, kind.to_owned(), body.to_owned())));
    }

    pub fn serve(&self, url: &str, document: &Value) {
        self.answer(url, 200, "application/json", &document.to_string());
    }

    pub fn fail(&self, url: &str, error: GuardedFetchError) {
        self.answers.lock().unwrap().insert(url.to_owned(), Err(error));
    }

    pub fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

#[async_trait]
impl GuardedFetch for Web {
    async fn get(&self, url: &str) -> Result<Response<Vec<u8>>, GuardedFetchError> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        if self.slow {
            tokio::task::yield_now().await;
        }
        let answer = self.answers.lock().unwrap().get(url).cloned();
        let unreachable = || GuardedFetchError::Unreachable("no such host".to_owned());
        let (status, kind, body) = answer.ok_or_else(unreachable)??;
        let response = Response::builder().status(status).header("content-type", kind);
        Ok(response.header("cache-control", "max-age=600").body(body.into_bytes()).unwrap())
    }
}

pub fn document(url: &str, name: &str, redirects: &[&str]) -> Value {
    json!({ "client_id": url, "client_name": name, "redirect_uris": redirects, "token_endpoint_auth_method": "none" })
}
