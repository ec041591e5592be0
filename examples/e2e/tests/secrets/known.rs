//! The secrets that a run has used, collected from what was sent and answered, and where a secret may be handed out.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use dcr_e2e::Exchange;
use serde_json::Value;
use url::{Url, form_urlencoded};

use crate::scan::Needle;

/// Shorter values are none that anybody made up to be secret.
const SHORTEST: usize = 16;
/// Parameters of queries and forms, and members of JSON, that are secret.
const NAMES: [&str; 15] = [
    "code",
    "state",
    "nonce",
    "token",
    "access_token",
    "refresh_token",
    "id_token",
    "code_verifier",
    "client_secret",
    "client_assertion",
    "assertion",
    "registration_access_token",
    "request",
    "password",
    "logout_token",
];

/// Everything that was used.
#[derive(Default)]
pub(crate) struct Known(BTreeMap<Vec<u8>, String>);

impl Known {
    pub(crate) fn add(&mut self, kind: &str, value: impl AsRef<[u8]>) {
        let value = value.as_ref();
        if value.len() >= SHORTEST {
            self.0.entry(value.to_vec()).or_insert_with(|| kind.to_owned());
        }
    }

    /// One that is shorter, as the passwords of the tests' database servers are.
    pub(crate) fn add_short(&mut self, kind: &str, value: &str) {
        self.0.entry(value.as_bytes().to_vec()).or_insert_with(|| kind.to_owned());
    }

    pub(crate) fn needles(&self) -> Vec<Needle> {
        self.0.iter().map(|(value, kind)| Needle::new(kind, value)).collect()
    }

    /// How many there are of each kind.
    pub(crate) fn kinds(&self) -> BTreeMap<&str, usize> {
        let mut kinds = BTreeMap::new();
        for kind in self.0.values() {
            *kinds.entry(kind.as_str()).or_default() += 1;
        }
        kinds
    }

    /// What a request and its answer carry.
    pub(crate) fn learn(&mut self, exchange: &Exchange) {
        self.learn_query(&exchange.url);
        let content = |headers: &reqwest::header::HeaderMap| {
            headers.get("content-type").and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned()
        };
        if content(&exchange.headers).contains("form") {
            self.learn_pairs(exchange.body.as_bytes());
        } else if let Ok(body) = serde_json::from_str(&exchange.body) {
            self.learn_json(&body);
        }
        if let Some(authorization) = exchange.headers.get("authorization").and_then(|value| value.to_str().ok()) {
            self.learn_authorization(authorization);
        }
        for cookie in exchange.headers.get_all("cookie").iter().filter_map(|value| value.to_str().ok()) {
            for (_, value) in cookie.split("; ").filter_map(|pair| pair.split_once('=')) {
                self.add("cookie", value);
            }
        }
        for (kind, value) in handed_out(exchange) {
            self.add(kind, value);
        }
        for location in exchange.answer.headers.get_all("location").iter().filter_map(|value| value.to_str().ok()) {
            self.learn_query(location);
        }
    }

    fn learn_query(&mut self, url: &str) {
        if let Some((_, query)) = url.split_once('?') {
            self.learn_pairs(query.as_bytes());
        }
    }

    fn learn_pairs(&mut self, pairs: &[u8]) {
        for (name, value) in form_urlencoded::parse(pairs) {
            if let Some(name) = NAMES.iter().find(|known| **known == name) {
                self.add(name, value.as_bytes());
            }
        }
    }

    fn learn_json(&mut self, value: &Value) {
        match value {
            Value::Object(members) => {
                for (name, value) in members {
                    if let (Some(name), Some(text)) = (NAMES.iter().find(|known| *known == name), value.as_str()) {
                        self.add(name, text);
                    }
                    self.learn_json(value);
                }
            }
            Value::Array(items) => items.iter().for_each(|item| self.learn_json(item)),
            _ => {}
        }
    }

    fn learn_authorization(&mut self, authorization: &str) {
        let Some((scheme, value)) = authorization.split_once(' ') else { return };
        if scheme == "Basic" {
            // Those of a test may be none.
            let Some(pair) = STANDARD.decode(value).ok().and_then(|pair| String::from_utf8(pair).ok()) else { return };
            self.add("Basic credentials", value);
            let (_, secret) = pair.split_once(':').unwrap_or_default();
            self.add("client_secret", secret);
            for (secret, _) in form_urlencoded::parse(secret.as_bytes()) {
                self.add("client_secret", secret.as_bytes());
            }
        } else {
            self.add("bearer token", value);
        }
    }
}

/// What an answer of the server hands out, each at the one place where that is right.
pub(crate) fn handed_out(exchange: &Exchange) -> Vec<(&'static str, String)> {
    let mut all = Vec::new();
    let path = Url::parse(&exchange.url).map(|url| url.path().to_owned()).unwrap_or_default();
    let answer = &exchange.answer;
    for cookie in answer.headers.get_all("set-cookie").iter().filter_map(|value| value.to_str().ok()) {
        let value = cookie.split(';').next().and_then(|pair| pair.split_once('=')).map(|(_, value)| value);
        all.extend(value.map(|value| ("cookie", value.to_owned())));
    }
    // To the provider with its `state` and nonce, and to the client with its code and state.
    let to_the_provider = path.ends_with("/consent") || path.ends_with("/authorize");
    if let Some(location) = answer.headers.get("location").and_then(|value| value.to_str().ok()) {
        let names: &[&'static str] = match () {
            () if to_the_provider => &["state", "nonce"],
            () if path.ends_with("/callback") => &["code", "state"],
            () => &[],
        };
        let query = location.split_once('?').map_or("", |(_, query)| query);
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            all.extend(names.iter().find(|known| **known == name).map(|name| (*name, value.into_owned())));
        }
    }
    let members: &[&'static str] = match () {
        () if answer.status == 200 && path.ends_with("/token") => &["access_token", "refresh_token"],
        () if answer.status.is_success() && path.ends_with("/register") => {
            &["client_secret", "registration_access_token"]
        }
        () => &[],
    };
    if !members.is_empty()
        && let Ok(body) = serde_json::from_str::<Value>(&answer.body)
    {
        all.extend(members.iter().filter_map(|name| Some((*name, body[name].as_str()?.to_owned()))));
    }
    // The consent form; and where a page has a way back to the client, that has the client's own `state`.
    if answer.headers.get("content-type").is_some_and(|kind| kind.as_bytes().starts_with(b"text/html")) {
        let value =
            |rest: &str| rest.split("value=\"").nth(1).and_then(|rest| rest.split('"').next()).map(str::to_owned);
        let sealed = answer.body.split("name=\"request\"").nth(1).and_then(value);
        all.extend(sealed.map(|sealed| ("request", sealed)));
        if path.ends_with("/callback") {
            let links = answer.body.split("href=\"").skip(1).filter_map(|rest| rest.split('"').next());
            for link in links.map(|link| link.replace("&#38;", "&").replace("&amp;", "&")) {
                let query = link.split_once('?').map_or("", |(_, query)| query).to_owned();
                let pairs = form_urlencoded::parse(query.as_bytes()).filter(|(name, _)| name == "state");
                all.extend(pairs.map(|(_, value)| ("state", value.into_owned())));
            }
        }
    }
    all
}

/// An answer as bytes, with everything blanked that it hands out.
pub(crate) fn without_what_is_handed_out(exchange: &Exchange) -> Vec<u8> {
    let mut text = String::new();
    for (name, value) in &exchange.answer.headers {
        text.push_str(&format!("{name}: {}\n", String::from_utf8_lossy(value.as_bytes())));
    }
    text.push_str(&exchange.answer.body);
    for (_, value) in handed_out(exchange) {
        let encoded: String = form_urlencoded::byte_serialize(value.as_bytes()).collect();
        text = text.replace(&value, "…").replace(&encoded, "…");
        // Names of cookies begin like the value, or like the `state`, that they belong to.
        if let Some(start) = value.get(..16) {
            for cookie in ["dcr-csrf-", "dcr-tx-"] {
                let named =
                    |line: &str| if line.contains(cookie) { line.replace(start, "…") } else { line.to_owned() };
                text = text.lines().map(named).collect::<Vec<_>>().join("\n");
            }
        }
    }
    text.into_bytes()
}
