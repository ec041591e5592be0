//! Everything that tests send and get, for those that search it.

use std::sync::{Mutex, PoisonError};

use reqwest::Method;
use reqwest::header::HeaderMap;

use crate::http::Answer;

static TAP: Mutex<Option<Vec<Exchange>>> = Mutex::new(None);

/// A request and its answer.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Exchange {
    /// The method.
    pub method: Method,
    /// Where it went.
    pub url: String,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: String,
    /// What came back.
    pub answer: Answer,
}

/// Keeps what is exchanged in this process from now on.
pub fn tap() {
    *TAP.lock().unwrap_or_else(PoisonError::into_inner) = Some(Vec::new());
}

/// What was exchanged since [`tap`], which ends with it.
pub fn untap() -> Vec<Exchange> {
    TAP.lock().unwrap_or_else(PoisonError::into_inner).take().unwrap_or_default()
}

/// Keeps an exchange if somebody wants it.
pub(crate) fn keep(exchange: impl FnOnce() -> Exchange) {
    if let Some(all) = TAP.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
        all.push(exchange());
    }
}
