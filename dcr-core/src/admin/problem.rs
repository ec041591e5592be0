//! What goes wrong, as a problem document (RFC 9457).

use ::http::header::{ALLOW, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use ::http::{Response, StatusCode};
use bytes::Bytes;
use serde_json::json;

use crate::error::{Reason, Refusal};
use crate::http::plain_response;
use crate::operator::OperatorError;
use crate::random::RandomUnavailable;
use crate::store::StoreError;

/// A refusal of the admin API.
#[derive(Debug)]
pub(crate) struct Problem {
    status: StatusCode,
    /// Stable.
    code: &'static str,
    detail: String,
    allow: Option<String>,
    retry_after: Option<u32>,
}

impl Problem {
    fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        Self { status, code, detail: detail.into(), allow: None, retry_after: None }
    }

    /// Whatever it is that is not there, and whatever the form of its id is (OP-1).
    pub(crate) fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", "There is nothing of this name.")
    }

    pub(super) fn unauthorized(code: &'static str, detail: &'static str) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, code, detail)
    }

    pub(super) fn method_not_allowed(allow: String) -> Self {
        let problem = Self::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", "Not with this method.");
        Self { allow: Some(allow), ..problem }
    }

    pub(super) fn media_type() -> Self {
        let detail = "Send application/json, not compressed.";
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "media_type", detail)
    }

    /// A parameter is unknown, repeated, or not what it should be.
    pub(crate) fn parameter(name: &str, what: &str) -> Self {
        let name = crate::text::bounded(name, 40);
        Self::new(StatusCode::BAD_REQUEST, "parameter", format!("{name}: {what}"))
    }

    pub(super) fn query(detail: &'static str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "query", detail)
    }

    pub(crate) fn body(detail: &str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "body", crate::text::bounded(detail, 300))
    }

    /// A cursor that no answer of ours has.
    pub(crate) fn cursor() -> Self {
        Self::new(StatusCode::NOT_FOUND, "cursor", "No page begins at this cursor: it is not one that an answer had.")
    }

    pub(crate) fn pin(detail: &str) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "pin", crate::text::bounded(detail, 300))
    }

    pub(crate) const fn status(&self) -> StatusCode {
        self.status
    }

    /// For those who read English.
    pub(crate) fn detail(&self) -> &str {
        &self.detail
    }

    pub(crate) const fn retry_after(&self) -> Option<u32> {
        self.retry_after
    }

    pub(super) fn response(self) -> Response<Bytes> {
        let body = json!({
            "type": "about:blank",
            "title": self.status.canonical_reason().unwrap_or("Error"),
            "status": self.status.as_u16(),
            "code": self.code,
            "detail": self.detail,
        });
        let mut response = plain_response(self.status, "application/problem+json", body.to_string().into());
        let headers = response.headers_mut();
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"admin\""));
        }
        if let Some(allow) = self.allow.and_then(|allow| HeaderValue::try_from(allow).ok()) {
            headers.insert(ALLOW, allow);
        }
        if let Some(seconds) = self.retry_after {
            headers.insert(RETRY_AFTER, seconds.into());
        }
        response
    }
}

impl From<Reason> for Problem {
    fn from(reason: Reason) -> Self {
        Refusal::from(reason).into()
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let reason = refusal.reason();
        let status = StatusCode::from_u16(reason.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let retry_after = refusal.retry_after();
        Self { retry_after, ..Self::new(status, reason.as_str(), refusal.description()) }
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        Refusal::from(error).into()
    }
}

impl From<RandomUnavailable> for Problem {
    fn from(error: RandomUnavailable) -> Self {
        Refusal::from(error).into()
    }
}

impl From<OperatorError> for Problem {
    fn from(error: OperatorError) -> Self {
        match error {
            OperatorError::Pin(fault) => Self::pin(&fault.to_string()),
            OperatorError::NotAPin(_) => Self::new(
                StatusCode::CONFLICT,
                "not_a_pin",
                "A client that registered itself changed or deleted its registration under this id.",
            ),
            other => Refusal::from(other).into(),
        }
    }
}
