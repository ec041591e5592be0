//! What every answer must be, whatever was asked (security.md 7: PAGE, ERR, BACK; CONS-03, CB-09, HTTP semantics).

use bytes::Bytes;
use http::{HeaderMap, Response};
use serde_json::Value;

use crate::html::Page;

/// The errors of RFC 6749, 6750, 7009, 7591, 8707, 9101 and OpenID Connect that this server uses.
const ERRORS: [&str; 21] = [
    "access_denied",
    "insufficient_scope",
    "interaction_required",
    "invalid_client",
    "invalid_client_metadata",
    "invalid_grant",
    "invalid_redirect_uri",
    "invalid_request",
    "invalid_scope",
    "invalid_software_statement",
    "invalid_target",
    "invalid_token",
    "request_not_supported",
    "request_uri_not_supported",
    "server_error",
    "temporarily_unavailable",
    "unauthorized_client",
    "unsupported_grant_type",
    "unsupported_response_type",
    "unsupported_token_type",
    "",
];

/// What an answer turned out to be.
#[derive(Debug)]
pub enum Answer {
    /// A page, inert.
    Page(Page),
    /// JSON of a success.
    Good(Value),
    /// JSON of an error: its code.
    Error(String),
    /// To somewhere else.
    Sent(String),
    Empty,
}

fn one<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    let mut all = headers.get_all(name).iter();
    let value = all.next().and_then(|value| value.to_str().ok()).unwrap_or_default();
    assert!(all.next().is_none(), "{name} comes twice");
    value
}

/// Judges an answer. `may_fail`: the store, or the login, was made to fail.
///
/// # Panics
/// If it is none that this server may give.
pub fn judge(response: &Response<Bytes>, may_fail: bool) -> Answer {
    let (status, headers) = (response.status().as_u16(), response.headers());
    let statuses = [200, 201, 204, 303, 400, 401, 403, 404, 405, 413, 415];
    let failed = may_fail && [500, 502, 503].contains(&status);
    assert!(statuses.contains(&status) || failed, "{status}: {}", String::from_utf8_lossy(response.body()));
    for (name, value) in headers {
        // RFC 9110 section 5.5, and nothing outside of ASCII.
        assert!(value.as_bytes().iter().all(|byte| (0x20..=0x7e).contains(byte)), "{name}: {value:?}");
    }
    cookies(headers);
    let (kind, cache) = (one(headers, "content-type"), one(headers, "cache-control"));
    if cache != "public, max-age=300" {
        assert_eq!(cache, "no-store");
        assert_eq!(
            (one(headers, "referrer-policy"), one(headers, "x-content-type-options")),
            ("no-referrer", "nosniff")
        );
    }
    if status == 503 {
        assert_eq!(one(headers, "retry-after"), "5");
    }
    if status == 405 {
        assert!(!one(headers, "allow").is_empty());
    }
    let location = one(headers, "location");
    assert_eq!(status == 303, !location.is_empty(), "a redirect and a location belong together");
    match kind {
        _ if status == 303 => {
            assert!(response.body().is_empty());
            Answer::Sent(location.to_owned())
        }
        "text/html; charset=utf-8" => Answer::Page(page(response)),
        "application/json" if status < 300 => Answer::Good(parsed(response)),
        "application/json" => Answer::Error(error(response)),
        "" if response.body().is_empty() => Answer::Empty,
        other => panic!("{status} with {other:?}"),
    }
}

fn parsed(response: &Response<Bytes>) -> Value {
    let value: Value = serde_json::from_slice(response.body()).expect("JSON");
    let object = value.as_object().expect("an object");
    // claude-code#52565.
    assert!(object.values().all(|member| !member.is_null()), "a member that is null: {value}");
    value
}

fn error(response: &Response<Bytes>) -> String {
    let value = parsed(response);
    let code = value.get("error").and_then(Value::as_str).unwrap_or_default();
    assert!(ERRORS.contains(&code), "{code}");
    let described = value.get("error_description").and_then(Value::as_str).expect("a description");
    assert!((1..=1_000).contains(&described.len()), "{} bytes of description", described.len());
    code.to_owned()
}

fn page(response: &Response<Bytes>) -> Page {
    let headers = response.headers();
    let policy = one(headers, "content-security-policy");
    for part in ["default-src 'none'", "base-uri 'none'", "frame-ancestors 'none'", "form-action "] {
        assert!(policy.contains(part), "{policy}");
    }
    assert!(!policy.contains("script-src") && !policy.contains("'unsafe-inline'"), "{policy}");
    // One policy: what a stranger named could not add another directive, or another policy.
    assert!(policy.matches(';').count() <= 6 && !policy.contains(','), "{policy}");
    assert_eq!(one(headers, "x-frame-options"), "DENY");
    Page::inert(std::str::from_utf8(response.body()).expect("UTF-8"))
}

/// CB-09.
fn cookies(headers: &HeaderMap) {
    for cookie in headers.get_all("set-cookie") {
        let cookie = cookie.to_str().expect("text");
        let mut parts = cookie.split("; ");
        let (name, value) = parts.next().and_then(|pair| pair.split_once('=')).expect("a cookie");
        let word = |text: &str| text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
        assert!(name.starts_with("__Host-dcr-") && word(name), "{cookie}");
        assert!(name.len() + value.len() <= 4_096, "{} bytes of cookie", name.len() + value.len());
        assert!(word(value), "{cookie}");
        let attributes: Vec<&str> = parts.collect();
        let [path, age, only, site, secure] = attributes.as_slice() else { panic!("{cookie}") };
        // Who is signed in to a page of this server.
        let is_session = ["__Host-dcr-console", "__Host-dcr-connections"].contains(&name);
        let expected = if is_session { "SameSite=Strict" } else { "SameSite=Lax" };
        assert_eq!((*path, *only, *site, *secure), ("Path=/", "HttpOnly", expected, "Secure"));
        let age: u64 = age.strip_prefix("Max-Age=").and_then(|age| age.parse().ok()).expect("an age");
        assert!(age <= 600 || is_session && age <= 3_600 || name.starts_with("__Host-dcr-ok-"), "{cookie}");
    }
}
