//! Registration (DC-1, DC-6, DCR-02, DCR-03, CONS-09, I-1): what is accepted is sealed into an id of at most 1,024 bytes that
//! opens to the same registration; registering the answer again changes nothing; its redirect URIs can be used, and no others.
//!
//! Input: the body.

#![no_main]

use std::cell::OnceCell;

use dcr_core::AuthMethod;
use dcr_core::fuzzing::{Redirect, registration};
use dcr_fuzz::answer::{self, Answer};
use dcr_fuzz::world::{self, World};
use dcr_fuzz::{bounds, query};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

thread_local! {
    static WORLD: OnceCell<World> = const { OnceCell::new() };
}

fn register(world: &World, body: &[u8]) -> Option<Value> {
    let headers = [("content-type", "application/json")];
    let request = world::request("POST", "/oauth/register", &headers, body).expect("a request");
    let answer = bounds::within(body.len() * 64 + 512 * 1024, || world.send(request));
    match answer::judge(&answer, false) {
        Answer::Good(answered) => {
            assert_eq!(answer.status(), 201);
            Some(answered)
        }
        Answer::Error(error) => {
            let is_right = match answer.status().as_u16() {
                400 => error.starts_with("invalid_") && error != "invalid_request",
                413 => body.len() > 16 * 1024,
                _ => false,
            };
            assert!(is_right, "{error}");
            None
        }
        other => panic!("{other:?}"),
    }
}

fn texts(answer: &Value, name: &str) -> Vec<String> {
    let list = answer[name].as_array().expect("a list");
    list.iter().map(|entry| entry.as_str().expect("a text").to_owned()).collect()
}

fn can_use(world: &World, id: &str, redirect: &str) -> bool {
    let query = query::write(&world::asking(id, redirect));
    let request = world::request("GET", &format!("/oauth/authorize?{query}"), &[("accept", "text/html")], b"");
    let Some(request) = request else { return false };
    let answer = world.send(request);
    let page = String::from_utf8_lossy(answer.body()).into_owned();
    answer::judge(&answer, false);
    // Long ids and long redirect URIs together do not fit into a cookie; that is said to the client, or on a page.
    let too_large = page.contains("request_too_large") || (answer.status() == 303 && id.len() + redirect.len() > 1_500);
    answer.status() == 200 || too_large
}

fn check(world: &World, body: &[u8]) {
    let rows = world.rows();
    let answered = register(world, body);
    assert_eq!(world.rows(), rows, "I-1");
    let Some(answered) = answered else { return };
    let asked: Value = serde_json::from_slice(body).expect("JSON was accepted");

    let id = answered["client_id"].as_str().expect("an id");
    assert!(id.len() <= 1_024 && id.starts_with("dcr1_"));
    let sealed = registration(&world.test, id).expect("ours");
    let redirects = texts(&answered, "redirect_uris");
    let asked_for: Vec<&str> =
        asked["redirect_uris"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    assert!(!redirects.is_empty() && redirects.iter().all(|redirect| asked_for.contains(&redirect.as_str())));
    let canonical = |text: &str| {
        let custom = [world::CUSTOM.to_owned()];
        Redirect::parse(text, &custom).expect("it passed the gate").with_port_removed().as_str().to_owned()
    };
    let mut without_ports: Vec<String> = redirects.iter().map(|redirect| canonical(redirect)).collect();
    without_ports.sort_unstable();
    without_ports.dedup();
    assert_eq!(sealed.redirects, without_ports);

    let method = answered["token_endpoint_auth_method"].as_str().expect("a method");
    assert_eq!(sealed.auth_method.as_str(), method);
    assert_eq!(method, asked["token_endpoint_auth_method"].as_str().unwrap_or("none"));
    assert!(sealed.auth_method != AuthMethod::PrivateKeyJwt);
    assert_eq!(answered.get("client_secret").is_some(), method != "none");
    assert_eq!(sealed.refresh, texts(&answered, "grant_types").contains(&"refresh_token".to_owned()));
    assert_eq!(sealed.name.as_deref(), answered.get("client_name").and_then(Value::as_str));
    if let Some(name) = &sealed.name {
        assert!((1..=64).contains(&name.chars().count()));
        let odd = |c: char| {
            c.is_control() || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
        };
        assert!(!name.contains(odd) && name.trim() == name, "{name:?}");
    }

    // A fixed point.
    let again = register(world, answered.to_string().as_bytes()).expect("what was answered can be registered");
    let other = registration(&world.test, again["client_id"].as_str().expect("an id"));
    assert_eq!(other.as_ref(), Some(&sealed));
    assert_eq!(again["client_id"] == answered["client_id"], method == "none");

    for redirect in redirects.iter().take(2) {
        assert!(can_use(world, id, redirect), "{redirect}");
        let more = format!("{redirect}x");
        assert!(redirects.contains(&more) || !can_use_other(world, id, &more), "{more}");
    }
    assert!(
        without_ports.iter().any(|own| own == "https://stranger.example/cb")
            || !can_use(world, id, "https://stranger.example/cb")
    );
}

/// The same for a URI that may be none.
fn can_use_other(world: &World, id: &str, redirect: &str) -> bool {
    let own = registration(&world.test, id).map(|own| own.redirects).unwrap_or_default();
    let custom = [world::CUSTOM.to_owned()];
    let Some(gated) = Redirect::parse(redirect, &custom) else { return false };
    let is_own = own.iter().any(|own| *own == gated.with_port_removed().as_str());
    !is_own && can_use(world, id, redirect) && id.len() + redirect.len() <= 1_500
}

fuzz_target!(|data: &[u8]| WORLD.with(|world| check(world.get_or_init(World::new), data)));
