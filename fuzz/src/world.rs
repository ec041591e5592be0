//! An engine on memory, with a clock that stands, and browsers. Everything goes through `DcrEngine::handle`.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use dcr_core::store::{Counts, Store as _};
use dcr_core::testing::{AssertionKey, TestEngine};
use dcr_core::{AuthMethod, ClientId, DocumentPolicy, PreRegistered, Resource, Secret};
use http::{Request, Response};

use crate::now;
use crate::web::Web;

pub const ISSUER: &str = "https://mcp.example";
pub const RESOURCE: &str = "https://mcp.example/mcp";
pub const NOTES: &str = "https://mcp.example/notes";
/// Claude.ai's callback: a platform.
pub const PLATFORM: &str = "https://claude.ai/api/mcp/auth_callback";
/// A local program.
pub const LOCAL: &str = "http://localhost:3118/callback";
/// Somewhere else.
pub const ELSEWHERE: &str = "https://app.example/cb?tenant=7";
/// An id that this server never saw.
pub const UNKNOWN: &str = "f8e0b7c2-3d94-4a07-9c55-0f2b8ad1c3aa";
/// Clients that the operator pinned.
pub const PINNED: &str = "portal";
pub const PINNED_CONFIDENTIAL: &str = "backend";
pub const PINNED_SECRET: &str = "a secret of thirty-two characters, or more";
pub const MACHINE: &str = "nightly-report";
/// A client that is a document.
pub const DOCUMENT: &str = "https://tool.example/client.json";
pub const CUSTOM: &str = "cursor://anysphere.cursor-mcp/oauth/callback";
pub const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
pub const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

pub struct World {
    pub test: TestEngine,
    pub web: Arc<Web>,
}

/// A key ring of secrets that are these bytes, over and over.
fn secrets(of: &[u8]) -> Vec<Secret> {
    of.iter().map(|byte| Secret::from_bytes([*byte; 32])).collect()
}

impl World {
    /// With the secrets that these bytes make, the first of which seals, and retired ones.
    ///
    /// # Panics
    /// If the configuration here is wrong.
    pub fn with_secrets(active: &[u8], retired: &[u8]) -> Self {
        let web = Web::new();
        let document = serde_json::json!({
            "client_id": DOCUMENT, "client_name": "Tool", "redirect_uris": ["http://127.0.0.1/callback", ELSEWHERE],
        });
        web.put(DOCUMENT, 200, document.to_string());
        let id = |text: &str| ClientId::new(text).expect("an id");
        let portal = PreRegistered::public(id(PINNED)).name("Portal").redirect("https://portal.example/cb");
        let portal = portal.remember_consent(std::time::Duration::from_secs(30 * 24 * 60 * 60));
        let backend =
            PreRegistered::confidential(id(PINNED_CONFIDENTIAL), AuthMethod::ClientSecretBasic, PINNED_SECRET);
        let machine = PreRegistered::with_keys(id(MACHINE), &AssertionKey::seeded(1).jwks()).expect("a public key");
        let test = now(TestEngine::with(|builder| {
            builder
                .resource(Resource::new("/notes", "Notes").scope("notes:read", "Read your notes"))
                .secrets(secrets(active), secrets(retired))
                .metadata_documents(DocumentPolicy::On, web.clone())
                .custom_redirect(CUSTOM)
                .manage_registrations(true)
                .resource_server("resource-server", PINNED_SECRET)
                .client(portal)
                .client(backend.redirect("https://backend.example/cb"))
                .client(machine.client_credentials())
        }));
        Self { test, web }
    }

    pub fn new() -> Self {
        Self::with_secrets(&[7], &[])
    }

    pub fn send(&self, request: Request<Bytes>) -> Response<Bytes> {
        now(self.test.handle(request))
    }

    /// The rows of everything.
    ///
    /// # Panics
    /// If the store was told to fail.
    pub fn rows(&self) -> Counts {
        now(self.test.memory().counts()).expect("memory answers")
    }
}

impl Default for World {
    fn default() -> Self {
        Self::new()
    }
}

/// A browser: cookies by name.
#[derive(Debug, Default, Clone)]
pub struct Browser {
    pub cookies: BTreeMap<String, String>,
}

impl Browser {
    pub fn header(&self) -> String {
        self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("; ")
    }

    /// Keeps and drops what the answer says.
    pub fn keep(&mut self, response: &Response<Bytes>) {
        for cookie in response.headers().get_all("set-cookie") {
            let Ok(cookie) = cookie.to_str() else { continue };
            let (pair, attributes) = cookie.split_once("; ").unwrap_or((cookie, ""));
            let Some((name, value)) = pair.split_once('=') else { continue };
            if attributes.contains("Max-Age=0") {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
    }

    /// A page that a person asks for.
    pub fn visit(&mut self, world: &World, path: &str) -> Option<Response<Bytes>> {
        let cookies = self.header();
        let headers = [
            ("accept", "text/html"),
            ("cookie", cookies.as_str()),
            ("sec-fetch-mode", "navigate"),
            ("sec-fetch-dest", "document"),
            ("sec-fetch-user", "?1"),
        ];
        let response = world.send(request("GET", path, &headers, b"")?);
        self.keep(&response);
        Some(response)
    }

    /// A form of ours that a person sends.
    pub fn post(&mut self, world: &World, path: &str, form: &str) -> Option<Response<Bytes>> {
        let cookies = self.header();
        let headers = [
            ("accept", "text/html"),
            ("cookie", cookies.as_str()),
            ("origin", "null"),
            ("sec-fetch-site", "same-origin"),
            ("content-type", "application/x-www-form-urlencoded"),
        ];
        let response = world.send(request("POST", path, &headers, form.as_bytes())?);
        self.keep(&response);
        Some(response)
    }
}

/// A request, if HTTP can carry it.
pub fn request(method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Option<Request<Bytes>> {
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers.iter().filter(|(_, value)| !value.is_empty()) {
        request = request.header(*name, *value);
    }
    request.body(Bytes::copy_from_slice(body)).ok()
}

/// The parameters of a good authorize request.
pub fn asking<'a>(client: &'a str, redirect: &'a str) -> Vec<(&'static str, &'a str)> {
    vec![
        ("response_type", "code"),
        ("client_id", client),
        ("redirect_uri", redirect),
        ("code_challenge", CHALLENGE),
        ("code_challenge_method", "S256"),
        ("state", "client-state"),
        ("resource", RESOURCE),
    ]
}

/// The sealed request in a consent page.
pub fn sealed_request(page: &Response<Bytes>) -> Option<String> {
    let page = std::str::from_utf8(page.body()).ok()?;
    let (_, after) = page.split_once("name=\"request\" value=\"")?;
    Some(after.split('"').next()?.to_owned())
}
