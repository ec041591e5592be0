//! The authorization endpoint: checks the request, lets the user choose an account, and sends the browser back.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse as _, Response};
use url::form_urlencoded;

use crate::faults::{Fault, Stage};
use crate::grants::CodeGrant;
use crate::params::Params;
use crate::realm::Realm;
use crate::refusal::Refusal;
use crate::shared::Shared;
use crate::{pages, random};

/// An authorization request that passed the checks.
struct Request {
    realm: Realm,
    back: Back,
    scope: String,
    nonce: Option<String>,
    challenge: Option<String>,
    prompt: Option<String>,
}

/// Where the browser goes when all is said.
struct Back {
    redirect_uri: String,
    state: Option<String>,
}

/// How a request that fails the checks is answered.
enum Failure {
    /// By a page, since the redirect URI cannot be trusted or Entra ID would not redirect either.
    Page(Refusal),
    /// By a redirect with `error`.
    Redirect(Back, Refusal),
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self::Page(refusal)
    }
}

/// GET: the page with the users, or the redirect if a user signs in by itself.
pub(crate) async fn show(State(shared): State<Arc<Shared>>, tenant: Option<Path<String>>, uri: Uri) -> Response {
    let params = Params::parse(uri.query().unwrap_or_default().as_bytes());
    {
        let mut counters = shared.counters();
        counters.authorize += 1;
        counters.last_authorize = params.pairs().to_vec();
    }
    let request = match check(&shared, tenant, &params) {
        Ok(request) => request,
        Err(failure) => return fail(&shared, failure),
    };
    if let Some(fault) = shared.faults.take(Stage::Authorize) {
        return refuse(&shared, &request.back, fault);
    }
    let auto_login = shared.auto_login().clone();
    if let Some(user) = auto_login {
        return sign_in(&shared, request, &user, None);
    }
    if request.prompt.as_deref() == Some("none") {
        let refusal =
            Refusal::new(50058, "login_required", "A silent sign-in request was sent but no user is signed in.");
        return redirect(&shared, &request.back, &error_pairs(&refusal), None);
    }
    let action = uri.path_and_query().map(ToString::to_string).unwrap_or_default();
    let users = shared.users().clone();
    pages::picker(&action, &shared.settings.client_id, request.prompt.as_deref(), &users)
}

/// POST: what the user chose on the page. The query is that of the GET and is checked again.
pub(crate) async fn pick(
    State(shared): State<Arc<Shared>>,
    tenant: Option<Path<String>>,
    uri: Uri,
    body: Bytes,
) -> Response {
    shared.counters().picks += 1;
    let params = Params::parse(uri.query().unwrap_or_default().as_bytes());
    let request = match check(&shared, tenant, &params) {
        Ok(request) => request,
        Err(failure) => return fail(&shared, failure),
    };
    let form = Params::parse(&body);
    if form.has("cancel") {
        return refuse(&shared, &request.back, Fault::Denied);
    }
    let Some(user) = form.get("user") else { return Refusal::missing("user").page(shared.now()) };
    let fault = match form.get("fault") {
        None | Some("none") => None,
        Some(name) => match name.parse::<Fault>() {
            Ok(fault) => Some(fault),
            Err(error) => return Refusal::invalid_request(error.to_string()).page(shared.now()),
        },
    };
    sign_in(&shared, request, user, fault)
}

fn check(shared: &Shared, tenant: Option<Path<String>>, params: &Params) -> Result<Request, Failure> {
    let settings = &shared.settings;
    let realm = shared.realm(tenant)?;
    if let Some(name) = params.repeated() {
        return Err(Refusal::invalid_request(format!("The parameter '{name}' occurs more than once.")).into());
    }
    let client_id = params.get("client_id").ok_or_else(|| Refusal::missing("client_id"))?;
    if client_id != settings.client_id {
        let text = format!("Application with identifier '{client_id}' was not found in the directory.");
        return Err(Refusal::new(700016, "unauthorized_client", text).into());
    }
    let redirect_uri = params.get("redirect_uri").ok_or_else(|| Refusal::missing("redirect_uri"))?;
    if !settings.allows_redirect(redirect_uri) {
        let text = format!("The redirect URI '{redirect_uri}' does not match the redirect URIs of the application.");
        return Err(Refusal::new(50011, "invalid_request", text).into());
    }
    if params.has("resource") {
        return Err(Refusal::resource().into());
    }
    let prompt = params.get("prompt");
    match prompt {
        None | Some("login" | "none" | "select_account") => {}
        Some("consent") => {
            let text = "An administrator has to approve this application before you can use it.";
            return Err(Refusal::new(90094, "access_denied", text).into());
        }
        Some(other) => {
            return Err(Refusal::invalid_request(format!("Unsupported 'prompt' value '{other}'.")).into());
        }
    }

    let back = || Back { redirect_uri: redirect_uri.to_owned(), state: params.get("state").map(str::to_owned) };
    let failure = |number, error, text: &str| Failure::Redirect(back(), Refusal::new(number, error, text));
    match params.get("response_type") {
        Some("code") => {}
        Some(_) => {
            let text = "The provided value for the parameter 'response_type' is not allowed; expected 'code'.";
            return Err(failure(700054, "unsupported_response_type", text));
        }
        None => return Err(Failure::Redirect(back(), Refusal::missing("response_type"))),
    }
    if params.get("response_mode").is_some_and(|mode| mode != "query") {
        return Err(failure(90023, "invalid_request", "This provider knows only the response mode 'query'."));
    }
    let Some(scope) = params.get("scope") else {
        return Err(Failure::Redirect(back(), Refusal::missing("scope")));
    };
    let challenge = params.get("code_challenge");
    match (challenge, params.get("code_challenge_method")) {
        (Some(challenge), Some("S256")) if is_s256_challenge(challenge) => {}
        (Some(_), Some("S256")) => {
            return Err(failure(501491, "invalid_request", "The size or alphabet of 'code_challenge' is wrong."));
        }
        (Some(_), _) => {
            return Err(failure(501491, "invalid_request", "The 'code_challenge_method' must be 'S256'."));
        }
        (None, None) if !settings.pkce_required => {}
        (None, _) => return Err(failure(50147, "invalid_request", "The parameter 'code_challenge' is missing.")),
    }
    Ok(Request {
        realm,
        back: back(),
        scope: scope.to_owned(),
        nonce: params.get("nonce").map(str::to_owned),
        challenge: challenge.map(str::to_owned),
        prompt: prompt.map(str::to_owned),
    })
}

/// SHA-256 in base64url is 43 characters.
fn is_s256_challenge(text: &str) -> bool {
    text.len() == 43 && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
}

/// Sends the browser back with a code for `user`. The fault chosen for this login goes before the armed one.
fn sign_in(shared: &Shared, request: Request, user: &str, chosen: Option<Fault>) -> Response {
    if let Err(refusal) = shared.user(user) {
        return refusal.page(shared.now());
    }
    let mut kept = None;
    let mut callback = None;
    match chosen.map(|fault| (fault, fault.stage())) {
        None => callback = shared.faults.take(Stage::Callback),
        Some((fault, Stage::Authorize)) => return refuse(shared, &request.back, fault),
        Some((fault, Stage::Callback)) => callback = Some(fault),
        Some((fault, Stage::Token | Stage::Tokens)) => kept = Some(fault),
        Some((fault, Stage::Jwks)) => shared.faults.set_once(fault),
    }
    let now = shared.now();
    let Request { realm, back, scope, nonce, challenge, .. } = request;
    let grant = CodeGrant {
        realm,
        user: user.to_owned(),
        redirect_uri: back.redirect_uri.clone(),
        challenge,
        nonce,
        scope,
        fault: kept,
        expires: now.saturating_add(shared.settings.code_lifetime),
    };
    let code = shared.grants().add_code(grant, now);
    redirect(shared, &back, &[("code", code), ("session_state", random::uuid())], callback)
}

fn fail(shared: &Shared, failure: Failure) -> Response {
    match failure {
        Failure::Page(refusal) => refusal.page(shared.now()),
        Failure::Redirect(back, refusal) => redirect(shared, &back, &error_pairs(&refusal), None),
    }
}

/// The answer of the faults that end an authorization request.
fn refuse(shared: &Shared, back: &Back, fault: Fault) -> Response {
    let refusal = if fault == Fault::Denied {
        Refusal::new(65004, "access_denied", "The user declined to consent to access the app.")
    } else {
        Refusal::internal()
    };
    redirect(shared, back, &error_pairs(&refusal), None)
}

fn error_pairs(refusal: &Refusal) -> [(&'static str, String); 2] {
    [("error", refusal.error.to_owned()), ("error_description", refusal.description())]
}

/// The way back to the client: 303, since it may answer a POST.
fn redirect(shared: &Shared, back: &Back, pairs: &[(&str, String)], fault: Option<Fault>) -> Response {
    let mut query = form_urlencoded::Serializer::new(String::new());
    for (name, value) in pairs {
        query.append_pair(name, value);
    }
    let times = match fault {
        Some(Fault::NoState) => 0,
        Some(Fault::DuplicateState) => 2,
        _ => 1,
    };
    for state in back.state.iter().flat_map(|state| std::iter::repeat_n(state, times)) {
        query.append_pair("state", state);
    }
    let joint = if back.redirect_uri.contains('?') { '&' } else { '?' };
    let Ok(location) = HeaderValue::try_from(format!("{}{joint}{}", back.redirect_uri, query.finish())) else {
        return Refusal::internal().page(shared.now());
    };
    let headers = [
        (header::LOCATION, location),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    ];
    (StatusCode::SEE_OTHER, headers).into_response()
}
