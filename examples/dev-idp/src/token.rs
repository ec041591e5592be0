//! The token endpoint: codes and refresh tokens against ID tokens.

use std::sync::Arc;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use url::form_urlencoded;

use crate::faults::{Fault, Stage};
use crate::grants::{AccessGrant, redeemed};
use crate::params::Params;
use crate::realm::Realm;
use crate::refusal::{self, Refusal};
use crate::shared::Shared;
use crate::{assertion, claims, pages, random};

const HUGE: usize = 8 * 1024 * 1024;

/// What a grant that passed all checks entitles to.
struct Entitlement {
    realm: Realm,
    user: String,
    scope: String,
    nonce: Option<String>,
    fault: Option<Fault>,
}

pub(crate) async fn handle(
    State(shared): State<Arc<Shared>>,
    tenant: Option<Path<String>>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let form = Params::parse(&body);
    let basic = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    {
        let mut counters = shared.counters();
        counters.token += 1;
        counters.refreshes += u64::from(form.get("grant_type") == Some("refresh_token"));
        counters.last_token = form.pairs().to_vec();
        counters.last_token_basic = basic.is_some();
    }
    if let Some(told) = shared.told().as_mut() {
        told.extend(form.pairs().iter().map(|(_, value)| value.clone()));
    }
    let meeting = shared.meeting().clone();
    let gathered = match meeting {
        Some(meeting) => meeting.join().await,
        None => false,
    };
    let of_code =
        form.get("code").and_then(|code| shared.grants().take_code_fault(code, |fault| fault.stage() == Stage::Token));
    if let Some(fault) = of_code.or_else(|| shared.faults.take(Stage::Token)) {
        if fault == Fault::Slow {
            tokio::time::sleep(shared.faults.delay()).await;
        } else {
            return fail(fault, shared.now());
        }
    }
    let tokens = shared.realm(tenant).and_then(|realm| {
        check_form(&headers, &form)?;
        authenticate(&shared, &realm, basic, &form)?;
        let entitlement = match form.get("grant_type") {
            Some("authorization_code") => redeem_code(&shared, realm, &form, gathered)?,
            Some("refresh_token") => use_refresh_token(&shared, realm, &form)?,
            Some(other) => {
                let text = format!("The app requested an unsupported grant type '{other}'.");
                return Err(Refusal::new(70003, "unsupported_grant_type", text));
            }
            None => return Err(Refusal::missing("grant_type")),
        };
        tokens(&shared, entitlement)
    });
    if let (Ok(Value::Object(tokens)), Some(told)) = (&tokens, shared.told().as_mut()) {
        told.extend(tokens.values().filter_map(Value::as_str).map(str::to_owned));
    }
    match tokens {
        Ok(tokens) => refusal::json(StatusCode::OK, tokens.to_string()),
        Err(refusal) => refusal.json(shared.now()),
    }
}

/// The answers of the faults that come before any look at the request.
fn fail(fault: Fault, now: i64) -> Response {
    let refusal = match fault {
        Fault::Error500 => return pages::page(StatusCode::INTERNAL_SERVER_ERROR, "Internal server error", ""),
        Fault::TokenGarbage => return refusal::json(StatusCode::OK, "<html>not JSON at all".to_owned()),
        Fault::Error503 => Refusal::new(90033, "temporarily_unavailable", "The service is temporarily unavailable.")
            .with_status(StatusCode::SERVICE_UNAVAILABLE),
        Fault::ConsentRequired => {
            Refusal::new(65001, "invalid_grant", "The user or administrator has not consented to use the application.")
                .with_suberror("consent_required")
        }
        Fault::InteractionRequired => {
            Refusal::new(50076, "interaction_required", "You must use multi-factor authentication to access this.")
                .with_suberror("basic_action")
        }
        Fault::BadClient => bad_secret(),
        Fault::CodeUsed => redeemed(),
        _ => Refusal::internal(),
    };
    refusal.json(now)
}

fn check_form(headers: &HeaderMap, form: &Params) -> Result<(), Refusal> {
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let media_type = content_type.split(';').next().unwrap_or_default().trim();
    if !media_type.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
        return Err(Refusal::invalid_request("The body must be of type 'application/x-www-form-urlencoded'."));
    }
    if let Some(name) = form.repeated() {
        return Err(Refusal::invalid_request(format!("The parameter '{name}' occurs more than once.")));
    }
    if form.has("resource") {
        return Err(Refusal::resource());
    }
    Ok(())
}

/// `client_secret_basic`, `client_secret_post` or an assertion, and exactly one of them.
fn authenticate(shared: &Shared, realm: &Realm, basic: Option<&str>, form: &Params) -> Result<(), Refusal> {
    let by_assertion = assertion::is_in(form);
    let (id, secret) = match basic {
        Some(_) if by_assertion => {
            return Err(Refusal::invalid_request("The request contains more than one client credential."));
        }
        None if by_assertion && form.has("client_secret") => {
            return Err(Refusal::invalid_request("The request contains more than one client credential."));
        }
        None if by_assertion => (assertion::check(shared, realm, form)?, None),
        Some(_) if form.has("client_secret") => {
            return Err(Refusal::invalid_request("The request contains more than one client credential."));
        }
        Some(header) => {
            let (id, secret) =
                basic_credentials(header).ok_or_else(|| Refusal::invalid_request("Malformed credentials."))?;
            if form.get("client_id").is_some_and(|in_form| in_form != id) {
                return Err(Refusal::invalid_request("The request names two clients."));
            }
            (id, Some(secret))
        }
        None => {
            let id = form.get("client_id").ok_or_else(|| Refusal::missing("client_id"))?;
            (id.to_owned(), form.get("client_secret").map(str::to_owned))
        }
    };
    if id != shared.settings.client_id {
        let text = format!("Application with identifier '{id}' was not found in the directory.");
        return Err(Refusal::new(700016, "unauthorized_client", text));
    }
    if by_assertion {
        return Ok(());
    }
    let Some(secret) = secret else {
        let text = "The request body must contain the following parameter: 'client_assertion' or 'client_secret'.";
        return Err(Refusal::new(7000218, "invalid_client", text).with_status(StatusCode::UNAUTHORIZED));
    };
    verify_slices_are_equal(secret.as_bytes(), shared.settings.client_secret.as_bytes()).map_err(|_| bad_secret())
}

fn bad_secret() -> Refusal {
    Refusal::new(7000215, "invalid_client", "Invalid client secret provided.").with_status(StatusCode::UNAUTHORIZED)
}

/// Both parts are form-encoded before they are joined (RFC 6749, section 2.3.1).
fn basic_credentials(header: &str) -> Option<(String, String)> {
    let (scheme, encoded) = header.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let text = String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?;
    let (id, secret) = text.split_once(':')?;
    Some((form_decode(id)?, form_decode(secret)?))
}

fn form_decode(text: &str) -> Option<String> {
    if text.contains(['&', '=']) {
        return None;
    }
    form_urlencoded::parse(text.as_bytes()).next().map(|(decoded, _)| decoded.into_owned())
}

fn redeem_code(shared: &Shared, realm: Realm, form: &Params, again: bool) -> Result<Entitlement, Refusal> {
    let code = form.get("code").ok_or_else(|| Refusal::missing("code"))?;
    let mut grants = shared.grants();
    let grant = grants.code(code, shared.now())?;
    if grant.realm != realm {
        let text = "The provided authorization code was issued at another authority.";
        return Err(Refusal::new(700005, "invalid_grant", text));
    }
    if form.get("redirect_uri") != Some(grant.redirect_uri.as_str()) {
        let text = "The reply address does not match the reply address of the authorization request.";
        return Err(Refusal::new(500112, "invalid_grant", text));
    }
    let challenge = form.get("code_verifier").map(|verifier| random::sha256_base64url(verifier.as_bytes()));
    if challenge != grant.challenge {
        let text = "The Code_Verifier does not match the code_challenge supplied in the authorization request.";
        return Err(Refusal::new(501481, "invalid_grant", text));
    }
    if !again {
        grants.redeem(code)?;
    }
    Ok(Entitlement { realm, user: grant.user, scope: grant.scope, nonce: grant.nonce, fault: grant.fault })
}

fn use_refresh_token(shared: &Shared, realm: Realm, form: &Params) -> Result<Entitlement, Refusal> {
    let token = form.get("refresh_token").ok_or_else(|| Refusal::missing("refresh_token"))?;
    let grant = shared.grants().refresh(token, shared.now())?;
    if grant.realm != realm {
        return Err(Refusal::new(700005, "invalid_grant", "The refresh token was issued at another authority."));
    }
    // Who is gone gets nothing, and keeps what they have: the account may come back.
    shared.user(&grant.user)?;
    if shared.tokens().strict {
        shared.grants().drop_refresh(token);
    }
    Ok(Entitlement { realm, user: grant.user, scope: grant.scope, nonce: None, fault: None })
}

/// The token response. The fault chosen at login goes before the armed one.
fn tokens(shared: &Shared, entitlement: Entitlement) -> Result<Value, Refusal> {
    let Entitlement { realm, user: user_id, scope, nonce, fault } = entitlement;
    let user = shared.user(&user_id)?;
    let fault = fault.or_else(|| shared.faults.take(Stage::Tokens));
    let asked = |name: &str| scope.split(' ').any(|asked| asked == name);
    // Access tokens live 60 to 90 minutes, as Entra ID sees fit.
    let by_chance = || 3_600 + u32::from(u16::from_be_bytes(random::bytes())) % 1_800;
    let lifetime = shared.tokens().access_seconds.unwrap_or_else(by_chance);
    let granted: Vec<_> = scope.split(' ').filter(|name| *name != "offline_access").collect();
    let expires = shared.now() + i64::from(lifetime);
    let access = AccessGrant { realm: realm.clone(), user: user_id.clone(), scope: scope.clone(), expires };
    let access = shared.grants().add_access(access, shared.now());
    let mut tokens = json!({
        "token_type": "Bearer",
        "scope": granted.join(" "),
        "expires_in": lifetime,
        "ext_expires_in": lifetime,
        "access_token": access,
    });
    if asked("openid") && fault != Some(Fault::NoIdToken) {
        let claims = claims::id_token(shared, &realm, &user, &scope, nonce.as_deref(), fault);
        tokens["id_token"] = shared.keys.jwt(&claims, fault).map_err(|_| Refusal::internal())?.into();
    }
    if asked("offline_access") {
        tokens["refresh_token"] = shared.grants().add_refresh(realm, user_id, scope, shared.now()).into();
    }
    if fault == Some(Fault::HugeBody) {
        tokens["padding"] = "x".repeat(HUGE).into();
    }
    Ok(tokens)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn basic_credentials_are_form_decoded() {
        let header = |text: &str| format!("Basic {}", STANDARD.encode(text));
        let parsed = basic_credentials(&header("id:a%2Bb%2Fc+d"));
        assert_eq!(parsed, Some(("id".to_owned(), "a+b/c d".to_owned())));
        assert_eq!(basic_credentials(&header("no colon")), None);
        assert_eq!(basic_credentials("Basic ???"), None);
        assert_eq!(basic_credentials("Bearer x"), None);
    }
}
