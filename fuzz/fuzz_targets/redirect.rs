//! The redirect gate (security.md 3.6, REDIR-06, REDIR-07, REDIR-12, REDIR-16, REDIR-20): what it lets through, two other
//! readers of URLs take for the same scheme, host, port, path and query; and what is appended arrives as it was.
//!
//! Input: a URI; after a line feed, a `state`.

#![no_main]

use dcr_core::fuzzing::Redirect;
use dcr_fuzz::{bounds, query, urls, world};
use libfuzzer_sys::{Corpus, fuzz_target};

/// A code's form; a text that needs escapes.
const PARAMETERS: [(&str, &str); 2] = [("code", "dcrc1_AbCd-_"), ("error_description", "a b&c=d+%#?\u{e9}")];

fuzz_target!(|data: &[u8]| -> Corpus {
    let (uri, state) = data.split_at(data.iter().position(|byte| *byte == b'\n').unwrap_or(data.len()));
    let Ok(uri) = std::str::from_utf8(uri) else { return Corpus::Reject };
    let custom = [world::CUSTOM.to_owned(), "com.example.app:/cb".to_owned()];
    // A host is unfolded for IDNA, in several copies of four bytes a character, before it is seen to be too long.
    let Some(redirect) = bounds::within(128 * 1024, || Redirect::parse(uri, &custom)) else { return Corpus::Keep };
    assert_eq!(redirect.as_str(), uri, "emitted as it came");
    assert!(uri.len() <= 2_000);
    let state = (!state.is_empty()).then(|| &state[1..]);
    let answered = redirect.answered(&PARAMETERS, state, world::ISSUER);
    assert!(answered.starts_with(uri) && answered.bytes().all(|byte| (0x21..=0x7e).contains(&byte)));
    if custom.iter().any(|listed| listed == uri) {
        return Corpus::Keep;
    }

    let (browser, href) = urls::whatwg(uri).expect("WHATWG reads it");
    let strict = urls::rfc3986(uri);
    // An authority without a path is the one thing that a browser adds to.
    let bare = href == format!("{uri}/");
    assert!(href == uri || bare, "a browser goes to {href}");
    assert!(!browser.has_more);
    let loopback = ["localhost", "127.0.0.1", "[::1]"].contains(&browser.host.as_str());
    assert!(browser.scheme == "https" || (browser.scheme == "http" && loopback), "{browser:?}");
    assert_eq!(redirect.is_loopback(), browser.scheme == "http");
    assert!(!redirect.is_loopback() || browser.port.is_none_or(|port| port >= 1_024), "{browser:?}");
    assert!(!browser.host.is_empty() && !browser.host.ends_with('.') && !browser.host.contains(['%', '@', '\\']));
    for segment in browser.path.split('/') {
        let plain = String::from_utf8_lossy(&query::decode(segment.as_bytes())).into_owned();
        assert!(plain != "." && plain != "..", "a segment that another parser resolves: {segment}");
        assert!(!plain.contains(['/', '\\', '\0']), "a segment that another parser splits: {segment}");
    }
    // WHATWG lets brackets stand in paths and queries, which RFC 3986 wants escaped there: there are no two ways to read them.
    match strict {
        Some(strict) => {
            let path = if bare { "/".to_owned() } else { strict.path.clone() };
            assert_eq!(browser, urls::Parts { path, ..strict });
        }
        None => {
            assert!(browser.path.contains(['[', ']']) || browser.query.as_ref().is_some_and(|q| q.contains(['[', ']'])))
        }
    }

    // The answer goes to the same place, and the client reads what was meant.
    let (went, _) = urls::whatwg(&answered).expect("still a URL");
    assert_eq!(
        (&went.scheme, &went.host, went.port, &went.path),
        (&browser.scheme, &browser.host, browser.port, &browser.path)
    );
    assert!(!went.has_more);
    let own = browser.query.unwrap_or_default();
    let got = query::read(went.query.unwrap_or_default().as_bytes());
    let mut meant: Vec<(Vec<u8>, Vec<u8>)> = query::read(own.as_bytes());
    meant.extend(PARAMETERS.iter().map(|(name, value)| (name.as_bytes().to_vec(), value.as_bytes().to_vec())));
    meant.extend(state.map(|state| (b"state".to_vec(), state.to_vec())));
    meant.push((b"iss".to_vec(), world::ISSUER.as_bytes().to_vec()));
    assert_eq!(got, meant);
    for name in ["code", "state", "iss", "error", "error_description"] {
        assert!(got.iter().filter(|(n, _)| n.eq_ignore_ascii_case(name.as_bytes())).count() <= 1, "{name} comes twice");
    }

    // LO-2: the same but for the port of a loopback address.
    let without = redirect.with_port_removed();
    assert!(redirect.is(&without) && without.is(&redirect));
    assert!(redirect.is_loopback() || without.as_str() == uri);
    assert_eq!(
        Redirect::parse(without.as_str(), &[]).map(|same| same.as_str().to_owned()),
        Some(without.as_str().to_owned())
    );
    let (portless, _) = urls::whatwg(without.as_str()).expect("still a URL");
    assert_eq!((portless.host, portless.path), (browser.host, browser.path));
    Corpus::Keep
});
