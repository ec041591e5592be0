//! An interface behind the provider, like Microsoft Graph: who the bearer of an access token is.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Response;
use serde_json::json;

use crate::refusal;
use crate::shared::Shared;

/// The scope that it wants.
const SCOPE: &str = "User.Read";

/// `GET /graph/v1.0/me`.
pub(crate) async fn me(State(shared): State<Arc<Shared>>, headers: HeaderMap) -> Response {
    shared.counters().graph += 1;
    let bearer = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
    let Some(grant) = bearer.and_then(|token| shared.grants().access(token, shared.now())) else {
        return fail(StatusCode::UNAUTHORIZED, "InvalidAuthenticationToken");
    };
    if !grant.scope.split(' ').any(|scope| scope == SCOPE) {
        return fail(StatusCode::FORBIDDEN, "Authorization_RequestDenied");
    }
    let Ok(user) = shared.user(&grant.user) else {
        return fail(StatusCode::UNAUTHORIZED, "InvalidAuthenticationToken");
    };
    let identity = user.identity(&shared.settings.tenant_id, grant.realm.is_multi_tenant());
    let body = json!({
        "id": identity.oid,
        "displayName": user.name,
        "userPrincipalName": user.preferred_username,
        "mail": user.email,
    });
    refusal::json(StatusCode::OK, body.to_string())
}

fn fail(status: StatusCode, code: &str) -> Response {
    refusal::json(status, json!({ "error": { "code": code, "message": code } }).to_string())
}
