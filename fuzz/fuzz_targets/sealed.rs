//! Sealed values (TOK-12, TOK-13, ADOPT-05, CB-10, HTTP-03): what opens was sealed by us, as this kind, for this browser, and has
//! this one text. And what was sealed with our own key, but holds anything, is read without harm.

#![no_main]

use std::cell::OnceCell;

use arbitrary::Arbitrary;
use dcr_core::fuzzing::{Kind, opens, registration, seal};
use dcr_fuzz::world::{self, Browser, World};
use dcr_fuzz::{bounds, query};
use libfuzzer_sys::fuzz_target;

#[derive(Debug, Arbitrary)]
struct Input {
    which: u8,
    changes: Vec<Change>,
    /// Content that is sealed as each kind.
    content: Vec<u8>,
}

#[derive(Debug, Arbitrary)]
enum Change {
    Flip(u16),
    Set(u16, char),
    Cut(u16),
    Drop(u16),
    Append(String),
    Prefix(u8),
    Case(u16),
    Splice(u8, u16),
    Whole(String),
}

const KINDS: [Kind; 6] = [Kind::ClientId, Kind::Code, Kind::Refresh, Kind::Request, Kind::Approved, Kind::Remembered];
const PREFIXES: [&str; 6] = ["", "dcr1_", "dcrc1_", "dcrr1_", "dcrs1_", "dcrm1_"];

/// A server, and genuine values of each kind; the last ones are of a server with another secret.
struct Sealer {
    /// Its ring: a secret that seals, one that opens, and one that is retired.
    world: World,
    csrf: String,
    values: Vec<(Kind, String)>,
    /// Sealed under the secret that still opens, and the one that is retired.
    older: Vec<(Kind, String)>,
    retired: Vec<(Kind, String)>,
    foreign: Vec<String>,
}

fn query_of(location: &str, name: &str) -> String {
    let all = query::read(location.split_once('?').map_or("", |(_, query)| query).as_bytes());
    query::values(&all, name).first().map(|value| String::from_utf8_lossy(value).into_owned()).unwrap_or_default()
}

/// One value of each kind, by signing in with a client that registers first; in a browser that holds this.
fn genuine(world: &World, browser: &mut Browser) -> Vec<(Kind, String)> {
    let metadata =
        serde_json::json!({ "client_name": "App", "redirect_uris": [world::PLATFORM, world::LOCAL] }).to_string();
    let headers = [("content-type", "application/json")];
    let answer =
        world.send(world::request("POST", "/oauth/register", &headers, metadata.as_bytes()).expect("a request"));
    let answer: serde_json::Value = serde_json::from_slice(answer.body()).expect("JSON");
    let id = answer["client_id"].as_str().expect("an id").to_owned();
    let mut values = Vec::new();
    for (client, redirect) in [(id.as_str(), world::LOCAL), (world::PINNED, "https://portal.example/cb")] {
        let page = browser
            .visit(world, &format!("/oauth/authorize?{}", query::write(&world::asking(client, redirect))))
            .expect("a page");
        let Some(request) = world::sealed_request(&page) else { continue };
        let form = query::write(&[("request", request.as_str()), ("decision", "approve")]);
        let answer = browser.post(world, "/oauth/consent", &form).expect("a request");
        let location = answer.headers()["location"].to_str().expect("text").to_owned();
        let approved = browser.cookies.iter().find(|(name, _)| name.contains("-tx-")).map(|(_, value)| value.clone());
        values.push((Kind::Request, request));
        values.push((Kind::Approved, approved.expect("a cookie")));
        let path = format!(
            "/oauth/callback?{}",
            query::write(&[("state", query_of(&location, "state").as_str()), ("code", "Ada")])
        );
        let answer = browser.visit(world, &path).expect("a request");
        let code = query_of(answer.headers()["location"].to_str().expect("text"), "code");
        let redemption = [
            ("grant_type", "authorization_code"),
            ("client_id", client),
            ("redirect_uri", redirect),
            ("code", code.as_str()),
            ("code_verifier", world::VERIFIER),
        ];
        let headers = [("content-type", "application/x-www-form-urlencoded")];
        let body = query::write(&redemption);
        let answer = world.send(world::request("POST", "/oauth/token", &headers, body.as_bytes()).expect("a request"));
        let answer: serde_json::Value = serde_json::from_slice(answer.body()).expect("JSON");
        values.push((Kind::Code, code));
        values.push((Kind::Refresh, answer["refresh_token"].as_str().expect("a token").to_owned()));
    }
    let remembered = browser.cookies.iter().find(|(name, _)| name.contains("-ok-")).map(|(_, value)| value.clone());
    values.extend(remembered.map(|value| (Kind::Remembered, value)));
    values.push((Kind::ClientId, id));
    values
}

impl Sealer {
    fn new() -> Self {
        let mut browser = Browser::default();
        let world = World::with_secrets(&[1, 2], &[3]);
        let values = genuine(&world, &mut browser);
        let csrf = browser.cookies.iter().find(|(name, _)| name.contains("csrf")).map(|(_, value)| value.clone());
        // The same browser, at servers with other secrets: the same value against forged forms.
        let mut others = |secret: u8| genuine(&World::with_secrets(&[secret], &[]), &mut browser);
        let (older, retired, foreign) = (others(2), others(3), others(4));
        Self {
            world,
            csrf: csrf.expect("a cookie"),
            values,
            older,
            retired,
            foreign: foreign.into_iter().map(|(_, value)| value).collect(),
        }
    }

    fn text(&self, which: u8) -> &str {
        let all =
            self.values.iter().chain(&self.older).chain(&self.retired).map(|(_, value)| value).chain(&self.foreign);
        let count = self.values.len() + self.older.len() + self.retired.len() + self.foreign.len();
        all.into_iter().nth(usize::from(which) % count).map_or("", String::as_str)
    }

    /// Whether it may open as this kind.
    fn is_genuine(&self, kind: Kind, text: &str) -> bool {
        let is = |(k, value): &(Kind, String)| *k == kind && value == text;
        let retired = kind == Kind::ClientId && self.retired.iter().any(is);
        retired || self.values.iter().chain(&self.older).any(is)
    }
}

fn change(sealer: &Sealer, mut text: String, change: &Change) -> String {
    let at = |at: &u16| {
        text.char_indices().map(|(at, _)| at).nth(usize::from(*at) % text.chars().count().max(1)).unwrap_or(0)
    };
    match change {
        Change::Flip(place) => {
            let place = at(place);
            let symbols = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
            let next = text.as_bytes().get(place).and_then(|byte| symbols.iter().position(|symbol| symbol == byte));
            if let Some(next) = next {
                text.replace_range(place..=place, &char::from(symbols[next ^ 1]).to_string());
            }
        }
        Change::Set(place, c) => {
            let place = at(place);
            text.insert(place, *c);
        }
        Change::Cut(place) => {
            let place = at(place);
            text.truncate(place);
        }
        Change::Drop(place) => {
            let place = at(place);
            text = text.chars().enumerate().filter(|(n, _)| *n != place).map(|(_, c)| c).collect();
        }
        Change::Append(more) => text.push_str(more),
        Change::Prefix(which) => {
            let bare = text
                .split_once('_')
                .filter(|(prefix, _)| prefix.starts_with("dcr"))
                .map_or(text.as_str(), |(_, rest)| rest);
            text = format!("{}{bare}", PREFIXES[usize::from(*which) % PREFIXES.len()]);
        }
        Change::Case(place) => {
            let place = at(place);
            text = text.chars().enumerate().map(|(n, c)| if n == place { swapped(c) } else { c }).collect();
        }
        Change::Splice(which, place) => {
            let place = at(place);
            let other = sealer.text(*which);
            text.truncate(place);
            text.push_str(other.get(place..).unwrap_or_default());
        }
        Change::Whole(other) => text.clone_from(other),
    }
    text
}

fn swapped(c: char) -> char {
    if c.is_ascii_lowercase() { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() }
}

fn check(sealer: &Sealer, input: &Input) {
    let mut text = sealer.text(input.which).to_owned();
    for one in input.changes.iter().take(8) {
        text = change(sealer, text, one);
    }
    for kind in KINDS {
        let opened =
            bounds::within(text.len() * 16 + 64 * 1024, || opens(&sealer.world.test, kind, &sealer.csrf, &text));
        assert_eq!(opened, sealer.is_genuine(kind, &text), "{kind:?}: {text}");
        let elsewhere = opens(&sealer.world.test, kind, "another browser", &text);
        assert!(!elsewhere || (opened && kind != Kind::Request), "bound to the browser");
    }
    // Our own key, and any content.
    for kind in KINDS {
        let Some(text) = seal(&sealer.world.test, kind, &sealer.csrf, &input.content) else { continue };
        bounds::within(input.content.len() * 64 + 64 * 1024, || opens(&sealer.world.test, kind, &sealer.csrf, &text));
        for other in KINDS.into_iter().filter(|other| *other != kind) {
            assert!(!opens(&sealer.world.test, other, &sealer.csrf, &text), "{kind:?} passes for {other:?}");
        }
        if kind == Kind::ClientId
            && let Some(read) = registration(&sealer.world.test, &text)
        {
            assert!(read.redirects.len() <= input.content.len());
        }
    }
}

thread_local! {
    static SEALER: OnceCell<Sealer> = const { OnceCell::new() };
}

fuzz_target!(|input: Input| SEALER.with(|sealer| check(sealer.get_or_init(Sealer::new), &input)));
