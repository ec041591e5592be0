//! What hosts out there answer, in place of the internet.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use dcr_core::guarded::{GuardedFetch, GuardedFetchError};
use dcr_core::upstream::{FetchError, HttpFetch};
use http::{Request, Response};

/// Answers by the end of the URL.
#[derive(Debug, Default)]
pub struct Web {
    answers: Mutex<HashMap<String, (u16, Vec<u8>)>>,
}

impl Web {
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    /// From now on this is at `url`.
    pub fn put(&self, url: impl Into<String>, status: u16, body: impl Into<Vec<u8>>) {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner).insert(url.into(), (status, body.into()));
    }

    fn answer(&self, url: &str) -> Option<Response<Vec<u8>>> {
        let (status, body) = self.answers.lock().unwrap_or_else(PoisonError::into_inner).get(url)?.clone();
        Response::builder().status(status).header("content-type", "application/json").body(body).ok()
    }
}

#[async_trait]
impl HttpFetch for Web {
    async fn fetch(&self, request: Request<Vec<u8>>) -> Result<Response<Vec<u8>>, FetchError> {
        self.answer(&request.uri().to_string()).ok_or_else(|| FetchError("no such host".to_owned()))
    }
}

#[async_trait]
impl GuardedFetch for Web {
    async fn get(&self, url: &str) -> Result<Response<Vec<u8>>, GuardedFetchError> {
        self.answer(url).ok_or_else(|| GuardedFetchError::Unreachable("no such host".to_owned()))
    }
}
