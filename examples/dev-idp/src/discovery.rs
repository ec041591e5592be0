//! The discovery document and the key set.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use serde_json::{Value, json};

use crate::faults::Stage;
use crate::refusal::{self, Refusal};
use crate::shared::Shared;

pub(crate) async fn document(State(shared): State<Arc<Shared>>, tenant: Option<Path<String>>) -> Response {
    shared.counters().discovery += 1;
    let realm = match shared.realm(tenant) {
        Ok(realm) => realm,
        Err(refusal) => return refusal.json(shared.now()),
    };
    let base = &shared.base;
    let mut document = json!({
        "issuer": realm.advertised_issuer(base, &shared.settings.tenant_id),
        "authorization_endpoint": realm.authorization_endpoint(base),
        "token_endpoint": realm.token_endpoint(base),
        "jwks_uri": realm.jwks_uri(base),
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "subject_types_supported": ["pairwise"],
        "id_token_signing_alg_values_supported": [shared.keys.algorithm().name()],
        "token_endpoint_auth_methods_supported": ["client_secret_post", "client_secret_basic", "private_key_jwt"],
        "scopes_supported": ["openid", "profile", "email", "offline_access"],
        "claims_supported": [
            "sub", "iss", "aud", "exp", "iat", "nbf", "nonce", "ver", "tid", "oid", "name",
            "preferred_username", "email",
        ],
        "request_uri_parameter_supported": false,
    });
    if realm.is_root() {
        // Entra ID keeps silent about these two.
        document["code_challenge_methods_supported"] = json!(["S256"]);
        document["grant_types_supported"] = json!(["authorization_code", "refresh_token"]);
    }
    cacheable(&document)
}

pub(crate) async fn keys(State(shared): State<Arc<Shared>>, tenant: Option<Path<String>>) -> Response {
    shared.counters().jwks += 1;
    let realm = match shared.realm(tenant) {
        Ok(realm) => realm,
        Err(refusal) => return refusal.json(shared.now()),
    };
    if shared.faults.take(Stage::Jwks).is_some() {
        return Refusal::internal().json(shared.now());
    }
    let Ok(keys) = shared.keys.published() else { return Refusal::internal().json(shared.now()) };
    let mut set = Vec::with_capacity(keys.len());
    for key in keys {
        let Ok(mut jwk) = key.jwk() else { return Refusal::internal().json(shared.now()) };
        if !realm.is_root() {
            jwk["issuer"] = realm.advertised_issuer(&shared.base, &shared.settings.tenant_id).into();
        }
        set.push(jwk);
    }
    cacheable(&json!({ "keys": set }))
}

fn cacheable(body: &Value) -> Response {
    let mut response = refusal::json(StatusCode::OK, body.to_string());
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("max-age=86400, private"));
    response
}
