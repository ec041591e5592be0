//! Client id metadata documents (CI-5 to CI-9, CIMD-01, CIMD-03): a URL that is accepted has one form for everybody; a
//! document that is accepted calls itself by its URL, holds and offers no secret, and has redirect URIs that pass the gate.
//! And how long it may be kept stays within the bounds.
//!
//! Input: the URL; after a line feed, `Cache-Control`, `Age` and `Expires` in a line each; then the document.

#![no_main]

use std::time::Duration;

use dcr_core::fuzzing::{Redirect, document, document_host, document_is_fresh_for, keys_are_usable};
use dcr_core::{AuthMethod, Timestamp};
use dcr_fuzz::json::Json;
use dcr_fuzz::{bounds, urls};
use http::{HeaderMap, HeaderValue};
use libfuzzer_sys::{Corpus, fuzz_target};

fn url(id: &str) {
    let Some(host) = bounds::within(64 * 1024, || document_host(id)) else { return };
    let (browser, href) = urls::whatwg(id).expect("WHATWG reads it");
    assert_eq!(href, id);
    assert_eq!((browser.scheme.as_str(), browser.host.as_str()), ("https", host.as_str()));
    assert!(!browser.has_more && browser.query.is_none() && browser.path.len() > 1);
    assert!(browser.host.parse::<std::net::IpAddr>().is_err() && !browser.host.starts_with('['), "CI-1");
    if let Some(strict) = urls::rfc3986(id) {
        assert_eq!(strict, browser);
    }
}

fn freshness(lines: &[&[u8]]) {
    let mut headers = HeaderMap::new();
    for (name, line) in ["cache-control", "age", "expires"].into_iter().zip(lines) {
        if let Ok(value) = HeaderValue::from_bytes(line) {
            headers.append(name, value);
        }
    }
    let fresh = document_is_fresh_for(&headers, Timestamp::from_unix_seconds(1_790_000_000));
    assert!((Duration::from_secs(60)..=Duration::from_secs(24 * 60 * 60)).contains(&fresh), "CI-8: {fresh:?}");
}

fn content(id: &str, body: &[u8]) {
    keys_are_usable(body);
    let Some(read) = bounds::within(body.len() * 64 + 128 * 1024, || document(id, body)) else { return };
    let whole = Json::read(body).expect("JSON was accepted");
    let one = |name| {
        let mut all = whole.named(name);
        all.next().filter(|_| all.next().is_none())
    };
    assert_eq!(one("client_id").and_then(Json::text), Some(id), "CI-6");
    assert!(whole.named("client_secret").all(|member| *member == Json::Null), "CI-7");
    for member in ["token_endpoint_auth_method", "token_endpoint_auth_methods_supported"] {
        for value in whole.named(member) {
            let list = if let Json::List(list) = value { list.as_slice() } else { std::slice::from_ref(value) };
            assert!(list.iter().filter_map(Json::text).all(|name| !name.starts_with("client_secret")), "CI-7");
        }
    }
    assert!(matches!(read.auth_method, AuthMethod::None | AuthMethod::PrivateKeyJwt));
    assert!((1..=64).contains(&read.name.chars().count()));
    let Some(Json::List(list)) = one("redirect_uris") else { panic!("no list of redirect URIs") };
    let gated: Vec<String> = list
        .iter()
        .filter_map(|entry| Redirect::parse(entry.text()?, &[]))
        .map(|redirect| redirect.with_port_removed().as_str().to_owned())
        .collect();
    assert!((1..=32).contains(&read.redirects.len()));
    assert!(read.redirects.iter().all(|redirect| gated.contains(redirect)));
    assert!(gated.iter().all(|redirect| read.redirects.contains(redirect)));
}

fuzz_target!(|data: &[u8]| -> Corpus {
    let lines: Vec<&[u8]> = data.splitn(5, |byte| *byte == b'\n').collect();
    let [id, rest @ ..] = lines.as_slice() else { return Corpus::Reject };
    let Ok(id) = std::str::from_utf8(id) else { return Corpus::Reject };
    url(id);
    freshness(rest);
    if let [_, _, _, body] = rest {
        content(id, body);
    }
    Corpus::Keep
});
