//! What the tests of clusters share.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use dcr_core::session::SessionId;
use dcr_e2e::{Answer, Cluster, Http, Site};
use serde_json::Value;

use crate::databases::Database;

/// The servers under test.
pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_replica");
pub(crate) const LOOPBACK: &str = "http://127.0.0.1:49152/callback";
/// Claude.ai's callback: a platform, where ids are adopted.
pub(crate) const PLATFORM: &str = "https://claude.ai/api/mcp/auth_callback";
/// May introspect every token.
pub(crate) const RESOURCE_SERVER: (&str, &str) = ("DCR_RESOURCE_SERVER", "rs:rs-secret");

/// How long a random test goes on.
pub(crate) fn duration(seconds: u64) -> Duration {
    Duration::from_secs(number("DCR_CLUSTER_SECONDS").unwrap_or(seconds))
}

/// What decides the choices of a random test.
pub(crate) fn seed() -> u64 {
    number("DCR_CLUSTER_SEED").unwrap_or(20_261_124)
}

pub(crate) fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok().filter(|text| !text.is_empty())?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable}={text} is no number")))
}

pub(crate) async fn cluster(database: &Database, replicas: usize) -> Cluster {
    Cluster::with(PROGRAM, replicas, &database.url(), seed(), &[RESOURCE_SERVER]).await
}

/// What a resource server is told of a token.
pub(crate) async fn introspect(site: &Site, token: &str) -> Answer {
    let credentials = format!("Basic {}", STANDARD.encode("rs:rs-secret"));
    let headers = [("authorization", credentials.as_str())];
    Http::default().post_form(&site.url("/oauth/introspect"), &headers, &[("token", token)]).await
}

/// Session and generation of a refresh token, which are in the open.
pub(crate) fn generation(refresh: &str) -> (SessionId, u32) {
    let bytes = refresh.strip_prefix("dcrr1_").and_then(|text| URL_SAFE_NO_PAD.decode(text).ok());
    let bytes = bytes.filter(|bytes| bytes.len() == 40).unwrap_or_else(|| panic!("no refresh token: {refresh}"));
    let session = SessionId::from_bytes(bytes[4..20].try_into().expect("sixteen bytes"));
    (session, u32::from_be_bytes(bytes[20..24].try_into().expect("four bytes")))
}

/// The claims of an access token, unverified.
pub(crate) fn claims(access: &str) -> Value {
    let payload = access.split('.').nth(1).and_then(|payload| URL_SAFE_NO_PAD.decode(payload).ok());
    serde_json::from_slice(&payload.expect("a JWT")).expect("claims")
}

/// Which replica answered, as the load balancer says; nothing if none did.
pub(crate) fn answered_by(answer: &Answer) -> Option<usize> {
    answer.header("x-replica").and_then(|replica| replica.parse().ok())
}
