//! Errors in the dress of Entra ID: an AADSTS number, an OAuth error code, and ids to quote to support.

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use serde_json::json;
use time::OffsetDateTime;

use crate::{pages, random};

/// Why a request is refused. It becomes a page, a JSON body or the query of a redirect.
#[derive(Clone, Debug)]
pub(crate) struct Refusal {
    /// The number after `AADSTS`.
    pub(crate) number: u32,
    /// The OAuth error code.
    pub(crate) error: &'static str,
    pub(crate) text: String,
    pub(crate) status: StatusCode,
    suberror: Option<&'static str>,
}

impl Refusal {
    pub(crate) fn new(number: u32, error: &'static str, text: impl Into<String>) -> Self {
        Self { number, error, text: text.into(), status: StatusCode::BAD_REQUEST, suberror: None }
    }

    pub(crate) fn invalid_request(text: impl Into<String>) -> Self {
        Self::new(90023, "invalid_request", text)
    }

    pub(crate) fn missing(name: &str) -> Self {
        Self::new(900144, "invalid_request", format!("The request must contain the following parameter: '{name}'."))
    }

    pub(crate) fn internal() -> Self {
        Self::new(90033, "server_error", "A transient error has occurred. Please try again.")
            .with_status(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// A client that sends `resource` to an endpoint of version 2.
    pub(crate) fn resource() -> Self {
        Self::new(
            9010010,
            "invalid_target",
            "The resource parameter provided in the request doesn't match with the requested scopes \
             (AADSTS901002: the 'resource' request parameter is not supported).",
        )
    }

    pub(crate) const fn with_status(mut self, status: StatusCode) -> Self {
        self.status = status;
        self
    }

    pub(crate) const fn with_suberror(mut self, suberror: &'static str) -> Self {
        self.suberror = Some(suberror);
        self
    }

    /// The value of `error_description` without the ids.
    pub(crate) fn description(&self) -> String {
        format!("AADSTS{}: {}", self.number, self.text)
    }

    pub(crate) fn json(&self, now: i64) -> Response {
        let (trace_id, correlation_id, timestamp) = (random::uuid(), random::uuid(), timestamp(now));
        let mut body = json!({
            "error": self.error,
            "error_description": format!(
                "{} Trace ID: {trace_id} Correlation ID: {correlation_id} Timestamp: {timestamp}",
                self.description()
            ),
            "error_codes": [self.number],
            "timestamp": timestamp,
            "trace_id": trace_id,
            "correlation_id": correlation_id,
            "error_uri": format!("https://login.microsoftonline.com/error?code={}", self.number),
        });
        if let Some(suberror) = self.suberror {
            body["suberror"] = suberror.into();
        }
        let mut response = json(self.status, body.to_string());
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(header::RETRY_AFTER, header::HeaderValue::from_static("2"));
        }
        response
    }

    pub(crate) fn page(&self, now: i64) -> Response {
        let body = format!(
            "<p class=error><strong>AADSTS{}</strong> ({}): {}</p>\n\
             <p><small>Trace ID: {}<br>Timestamp: {}</small></p>\n",
            self.number,
            pages::escape(self.error),
            pages::escape(&self.text),
            random::uuid(),
            timestamp(now),
        );
        let title = if self.number == 90094 { "Approval required" } else { "Sorry, that did not work" };
        pages::page(self.status, title, &body)
    }
}

/// A JSON response that nobody may store.
pub(crate) fn json(status: StatusCode, body: String) -> Response {
    let headers = [
        (header::CONTENT_TYPE, "application/json; charset=utf-8"),
        (header::CACHE_CONTROL, "no-store, no-cache"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (status, headers, body).into_response()
}

/// `2026-11-23 16:12:00Z`, as Entra ID writes it.
fn timestamp(now: i64) -> String {
    let Ok(at) = OffsetDateTime::from_unix_timestamp(now) else {
        return now.to_string();
    };
    let (date, hour, minute, second) = (at.date(), at.hour(), at.minute(), at.second());
    format!("{date} {hour:02}:{minute:02}:{second:02}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamps_read_like_those_of_entra() {
        assert_eq!(timestamp(1_790_000_000), "2026-09-21 14:13:20Z");
        assert_eq!(timestamp(i64::MAX), i64::MAX.to_string());
    }
}
