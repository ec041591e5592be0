//! What a test asked and what it was answered, for a comparison of two runs of it.

use std::sync::{Arc, Mutex, PoisonError};

use reqwest::Method;

use crate::http::Answer;
use crate::raw;
use crate::site::Site;

/// One request and its answer, as text.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Recorded {
    /// Method, URL and body.
    pub asked: String,
    /// Status, headers in alphabetical order, and body.
    pub answered: String,
}

type Exchanges = Arc<Mutex<Vec<Recorded>>>;

tokio::task_local! {
    static RECORD: Exchanges;
}

/// Runs a test and keeps every exchange that it makes itself, in order. What tasks of its own ask is not kept: their order
/// would be chance.
pub async fn recorded<T>(test: impl Future<Output = T>) -> (T, Vec<Recorded>) {
    let exchanges = Exchanges::default();
    let outcome = RECORD.scope(Arc::clone(&exchanges), test).await;
    let exchanges = std::mem::take(&mut *exchanges.lock().unwrap_or_else(PoisonError::into_inner));
    (outcome, exchanges)
}

/// What is asked, if anybody wants to know.
pub(crate) fn asked(method: &Method, url: &str, body: &str) -> Option<String> {
    RECORD.try_with(|_| format!("{method} {url} [{body}]")).ok()
}

pub(crate) fn asked_raw(site: &Site, request: &raw::Raw) -> Option<String> {
    RECORD.try_with(|_| format!("{} {}", site.base(), request.describe())).ok()
}

pub(crate) fn answered(asked: Option<String>, answer: &Answer) {
    let head =
        answer.headers.iter().map(|(name, value)| format!("{name}: {}", String::from_utf8_lossy(value.as_bytes())));
    keep(asked, &answer.status.to_string(), head, &answer.body);
}

pub(crate) fn answered_raw(asked: Option<String>, answer: &raw::Answer) {
    let mut head = answer.head.iter().cloned();
    let status = head.next().unwrap_or_default();
    keep(asked, &status, head, &answer.text());
}

fn keep(asked: Option<String>, status: &str, head: impl Iterator<Item = String>, body: &str) {
    let Some(asked) = asked else { return };
    let mut head: Vec<String> = head.filter(|line| !line.starts_with("date: ")).collect();
    // Several of one name keep their order.
    head.sort_by_key(|line| line.split(':').next().map(str::to_owned));
    let exchange = Recorded { asked, answered: format!("{status}\n{}\n\n{body}", head.join("\n")) };
    // Whoever asked has a record, or there would be no text.
    let _: Result<(), _> = RECORD.try_with(|record| {
        record.lock().unwrap_or_else(PoisonError::into_inner).push(exchange);
    });
}

impl Recorded {
    /// The same with every text changed.
    #[must_use]
    pub fn with(&self, change: &mut impl FnMut(&str) -> String) -> Self {
        Self { asked: change(&self.asked), answered: change(&self.answered) }
    }
}
