//! A server from outside, and MCP by hand where a test looks at single requests. The revision with sessions, which most clients still speak.

use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Value, json};

use crate::http::{Answer, Http};

const ACCEPT: (&str, &str) = ("accept", "application/json, text/event-stream");
const VERSION: &str = "2025-06-18";

/// Ids of requests: of five digits, which the comparison of the two frameworks takes for what they are.
static NEXT: AtomicU64 = AtomicU64::new(10_000);

/// A server, by its base URL: one of a [`World`](crate::World), or a program of its own.
#[derive(Debug, Clone)]
pub struct Site(String);

impl Site {
    /// The server whose base URL, and issuer, this is.
    pub fn at(base: &str) -> Self {
        Self(base.to_owned())
    }

    /// The base URL, which is the issuer.
    pub fn base(&self) -> &str {
        &self.0
    }

    /// The address that it listens on, if its base URL is one.
    ///
    /// # Panics
    /// If the base URL has a host name.
    pub fn address(&self) -> std::net::SocketAddr {
        self.0.trim_start_matches("http://").parse().expect("a base URL of an address")
    }

    /// The URL of a path.
    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.0)
    }

    /// One MCP request at `/mcp`, with an access token and perhaps in a session.
    pub async fn mcp(&self, token: &str, session: Option<&str>, message: &Value) -> Answer {
        self.mcp_at("/mcp", token, session, message).await
    }

    /// The same at another path.
    pub async fn mcp_at(&self, path: &str, token: &str, session: Option<&str>, message: &Value) -> Answer {
        let bearer = format!("Bearer {token}");
        let mut headers = vec![ACCEPT, ("authorization", bearer.as_str()), ("mcp-protocol-version", VERSION)];
        headers.extend(session.map(|session| ("mcp-session-id", session)));
        Http::default().post_json(&self.url(path), &headers, message).await
    }

    /// Opens a session of MCP at `/mcp` and answers its id.
    pub async fn mcp_session(&self, token: &str) -> String {
        self.mcp_session_at("/mcp", token).await
    }

    /// The same at another path.
    pub async fn mcp_session_at(&self, path: &str, token: &str) -> String {
        let hello = json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {
            "protocolVersion": VERSION, "capabilities": {}, "clientInfo": {"name": "test", "version": "0"}
        }});
        let answer = self.mcp_at(path, token, None, &hello).await.expect(200);
        let session = answer.header("mcp-session-id").expect("a session of MCP").to_owned();
        let ready = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
        self.mcp_at(path, token, Some(&session), &ready).await.expect(202);
        session
    }

    /// What the tool `whoami` says to this token.
    pub async fn whoami(&self, token: &str) -> Value {
        let session = self.mcp_session(token).await;
        self.whoami_in(token, &session).await
    }

    /// The same in a session that is open.
    pub async fn whoami_in(&self, token: &str, session: &str) -> Value {
        self.call_in(token, session, "whoami").await["result"]["structuredContent"].clone()
    }

    /// What a tool without arguments says in a session that is open: the whole message, a result or an error.
    pub async fn call_in(&self, token: &str, session: &str, tool: &str) -> Value {
        // Of its own, since calls of one session may be under way together.
        let mut request = call(tool);
        request["id"] = NEXT.fetch_add(1, Ordering::Relaxed).into();
        let answer = self.mcp(token, Some(session), &request).await.expect(200);
        last_event(&answer.body)
    }
}

/// The request that calls a tool without arguments.
pub fn call(tool: &str) -> Value {
    json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": tool, "arguments": {}}})
}

/// The last message of an event stream.
fn last_event(body: &str) -> Value {
    let data = body.lines().filter_map(|line| line.strip_prefix("data:")).map(str::trim).rfind(|data| !data.is_empty());
    serde_json::from_str(data.unwrap_or(body)).unwrap_or_else(|error| panic!("{error}: {body}"))
}
