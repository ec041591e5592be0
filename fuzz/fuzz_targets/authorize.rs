//! The query of the authorization endpoint (I-1, I-2, I-13, AUTHZ-02, AUTHZ-04, ADOPT-03, ADOPT-07): whatever it is, nothing
//! is written; what decides comes once or not at all; an error goes to nobody but a redirect URI that is the client's; and
//! `state` comes back byte for byte.
//!
//! Input: the query, as it stands in the request line.

#![no_main]

use std::cell::OnceCell;

use dcr_fuzz::answer::{self, Answer};
use dcr_fuzz::world::{self, World};
use dcr_fuzz::{bounds, query};
use libfuzzer_sys::{Corpus, fuzz_target};

thread_local! {
    static WORLD: OnceCell<World> = const { OnceCell::new() };
}

/// What decides on the answer: each at most once.
const SECURITY: [&str; 11] = [
    "client_id",
    "redirect_uri",
    "response_type",
    "response_mode",
    "code_challenge",
    "code_challenge_method",
    "scope",
    "resource",
    "state",
    "prompt",
    "nonce",
];

fn check(world: &World, encoded: &[u8]) -> Corpus {
    let Ok(text) = std::str::from_utf8(encoded) else { return Corpus::Reject };
    let headers = [("accept", "text/html")];
    let Some(request) = world::request("GET", &format!("/oauth/authorize?{text}"), &headers, b"") else {
        return Corpus::Reject;
    };
    let sent = request.uri().query().unwrap_or_default().as_bytes().to_vec();
    let rows = world.rows();
    let answer = bounds::within(1024 * 1024, || world.send(request));
    assert_eq!(world.rows(), rows, "I-1");
    let judged = answer::judge(&answer, false);
    let all = query::read(&sent);
    let one = |name: &str| match query::values(&all, name).as_slice() {
        [one] => Some(*one),
        _ => None,
    };
    match judged {
        Answer::Page(page) if answer.status() == 200 => {
            for name in SECURITY {
                assert!(query::values(&all, name).len() <= 1, "{name} came twice");
            }
            assert_eq!(one("response_type"), Some(&b"code"[..]));
            assert_eq!(one("code_challenge_method"), Some(&b"S256"[..]));
            let challenge = one("code_challenge").expect("a challenge");
            let plain = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
            assert!(challenge.len() == 43 && challenge.iter().all(plain), "PKCE-05");
            assert!(one("state").is_none_or(|state| state.len() <= 1_024));
            assert!(one("client_id").is_some_and(|id| id.len() <= 1_024));
            // The page names where the code goes (spec row 64).
            let redirect = String::from_utf8_lossy(one("redirect_uri").expect("a redirect URI")).into_owned();
            assert!(page.text.contains(&redirect), "{redirect}");
            assert_eq!(page.value("form", "action"), Some("/oauth/consent"));
        }
        Answer::Page(_) => assert!(answer.headers().get("set-cookie").is_none(), "PAGE sets no cookie"),
        Answer::Sent(location) => {
            let redirect = one("redirect_uri").expect("exactly one redirect URI");
            assert!(one("client_id").is_some(), "exactly one client id");
            let redirect = std::str::from_utf8(redirect).expect("ASCII");
            let rest = location.strip_prefix(redirect).expect("it begins with the redirect URI");
            let got = query::read(&rest.as_bytes()[1..]);
            assert_eq!(query::values(&got, "iss"), [world::ISSUER.as_bytes()], "CB-12");
            assert_eq!(query::values(&got, "error").len(), 1);
            assert!(query::values(&got, "code").is_empty(), "no code without approval");
            let state = one("state").filter(|state| state.len() <= 1_024);
            assert_eq!(query::values(&got, "state"), state.into_iter().collect::<Vec<_>>(), "byte for byte");
        }
        Answer::Error(_) => assert_eq!(answer.status(), 413, "a browser gets pages"),
        other => panic!("{other:?}"),
    }
    Corpus::Keep
}

fuzz_target!(|data: &[u8]| -> Corpus { WORLD.with(|world| check(world.get_or_init(World::new), data)) });
