//! REDIR-20: mutated redirect URIs, and what other parsers read in those that the gate lets through.

use dcr_e2e::Random;
use serde_json::json;

use crate::ground::Ground;
use crate::support::{is_error, register};

/// How many URIs are made.
const URIS: usize = 2_000;
/// Scheme, host and URI of those that are let through, line by line: a real browser is asked the same
/// (`examples/clients/drivers/chromium.mjs`).
const ALLOWED: &str = include_str!("../allowed-redirects.txt");

/// What a mutation puts somewhere.
const PIECES: &[&str] = &[
    "@",
    ":",
    "/",
    "//",
    "\\",
    "?",
    "#",
    ".",
    "..",
    "%",
    "%2f",
    "%2e",
    "%5c",
    "%40",
    "%00",
    "%0a",
    "%23",
    ";",
    "&",
    "=",
    "+",
    "*",
    "[",
    "]",
    "::1",
    "127.0.0.1",
    "0x7f",
    "localhost",
    "evil.example",
    "a.example",
    "https://",
    "http://",
    "https:",
    "javascript:",
    "xn--",
    "\t",
    "\n",
    "\r",
    " ",
    "\u{0}",
    "\u{2028}",
    "\u{3002}",
    "\u{ff0f}",
    "\u{ad}",
    "\u{e9}",
    "\u{202e}",
    "443",
    ":443",
    ":0",
    "65536",
    "|",
    "^",
    "`",
    "{}",
];
const SEEDS: &[&str] = &[
    "https://a.example/cb",
    "https://claude.ai/api/mcp/auth_callback",
    "https://a.example:8443/cb?tenant=1&x=%20",
    "http://localhost:3118/callback",
    "http://127.0.0.1:3118/callback",
    "http://[::1]:3118/callback",
    "https://xn--bcher-kva.example/cb",
    "https://a.example/a/b/c;v=1/d~e",
    "https://192.0.2.7/cb",
    "https://[2001:db8::7]:8443/cb",
];

fn mutated(random: &mut Random) -> String {
    let one_of = |random: &mut Random, all: &[&'static str]| -> &'static str { all[random.below(all.len())] };
    let mut uri = one_of(random, SEEDS).to_owned();
    for _ in 0..=random.below(3) {
        let places: Vec<usize> = uri.char_indices().map(|(at, _)| at).chain([uri.len()]).collect();
        let at = *random.pick(&places);
        let after = uri[at..].chars().next().map_or(at, |c| at + c.len_utf8());
        let piece = if random.below(4) == 0 { "" } else { one_of(random, PIECES) };
        match random.below(6) {
            0 | 1 => uri.insert_str(at, piece),
            2 | 3 => uri.replace_range(at..after, piece),
            4 => uri = uri[..at].to_owned() + &uri[at..].to_ascii_uppercase(),
            _ => uri = uri[..at].to_owned() + one_of(random, SEEDS),
        }
    }
    uri
}

/// Scheme and host, as one parser reads them.
type Read = Option<(String, String)>;

/// As browsers read (WHATWG). It is also what the gate itself asks.
fn like_a_browser(uri: &str) -> Read {
    let url = url::Url::parse(uri).ok()?;
    Some((url.scheme().to_owned(), url.host_str()?.to_owned()))
}

/// As the generic syntax is written (RFC 3986).
fn by_the_rfc(uri: &str) -> Read {
    let uri = fluent_uri::Uri::parse(uri).ok()?;
    Some((uri.scheme().as_str().to_owned(), uri.authority()?.host().to_owned()))
}

/// As the library does that servers and clients in Rust read requests with.
fn like_an_http_library(uri: &str) -> Read {
    let uri: http::Uri = uri.parse().ok()?;
    Some((uri.scheme_str()?.to_owned(), uri.host()?.to_owned()))
}

/// What a parser does not read at all is a disagreement, too.
pub(super) async fn two_other_parsers(ground: &Ground) {
    let world = ground.world().await;
    let mut random = Random::new(20);
    let mut uris: Vec<String> = SEEDS.iter().map(|seed| (*seed).to_owned()).collect();
    uris.extend((0..URIS).map(|_| mutated(&mut random)));
    let (mut allowed, mut disagreements) = (Vec::new(), Vec::new());
    for uri in &uris {
        let answer = register(&world, &json!({"redirect_uris": [uri]})).await;
        if answer.status == 400 {
            is_error(&answer, 400, "invalid_redirect_uri");
            continue;
        }
        let kept = answer.expect(201).json()["redirect_uris"][0].as_str().unwrap().to_owned();
        assert_eq!(kept, *uri, "what is emitted is the bytes that were compared");
        let browser = like_a_browser(uri);
        let (rfc, library) = (by_the_rfc(uri), like_an_http_library(uri));
        match &browser {
            Some((scheme, host)) if browser == rfc && browser == library => {
                allowed.push(format!("{scheme} {host} {uri}"));
            }
            _ => disagreements.push(format!("{uri:?}: {browser:?}, {rfc:?}, {library:?}")),
        }
    }
    assert!(disagreements.is_empty(), "{} disagreements:\n{}", disagreements.len(), disagreements.join("\n"));
    assert!(allowed.len() > URIS / 10, "only {} were allowed: the corpus asks too little", allowed.len());
    let text = allowed.join("\n") + "\n";
    if std::env::var_os("DCR_CATALOGUE_WRITE").is_some() {
        std::fs::write(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/catalogue/allowed-redirects.txt"), text).unwrap();
    } else {
        assert_eq!(text, ALLOWED, "set DCR_CATALOGUE_WRITE=1 once, and look at what changed");
    }
}
