//! A server that does as little as one can: what the machine gives to anybody. Figures of the engine are ratios to these.

use std::net::SocketAddr;

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde_json::Value;

/// Of the length of an access token: the signature is over all of it.
const MESSAGE: [u8; 640] = [0x2e; 640];

/// A message with its signature.
#[derive(Clone, Copy)]
struct Signed {
    key: [u8; 32],
    signature: [u8; 64],
}

impl Signed {
    fn new() -> Option<Self> {
        let pair = Ed25519KeyPair::from_seed_unchecked(&[7; 32]).ok()?;
        let key = pair.public_key().as_ref().try_into().ok()?;
        Some(Self { key, signature: pair.sign(&MESSAGE).as_ref().try_into().ok()? })
    }

    fn is_good(&self) -> bool {
        UnparsedPublicKey::new(&ED25519, self.key).verify(&MESSAGE, &self.signature).is_ok()
    }
}

/// `GET /hello` is one line; `POST /echo` parses JSON and writes it again, with 201; `GET /verify` verifies one EdDSA
/// signature by aws-lc-rs.
pub fn router() -> Router {
    Router::new()
        .route("/hello", get(|| async { "Hello from the example server.\n" }))
        .route("/echo", post(echo))
        .route("/verify", get(verify))
        .with_state(Signed::new())
}

/// The server, as the example servers are served.
///
/// # Errors
/// If the system refuses to go on listening.
pub async fn serve(listener: tokio::net::TcpListener) -> std::io::Result<()> {
    axum::serve(listener, router().into_make_service_with_connect_info::<SocketAddr>()).await
}

async fn echo(body: Bytes) -> Response {
    let Ok(json) = serde_json::from_slice::<Value>(&body) else { return StatusCode::BAD_REQUEST.into_response() };
    (StatusCode::CREATED, [(header::CONTENT_TYPE, "application/json")], json.to_string()).into_response()
}

async fn verify(State(signed): State<Option<Signed>>) -> Response {
    match signed {
        Some(signed) if signed.is_good() => "Hello from the example server.\n".into_response(),
        _ => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}
