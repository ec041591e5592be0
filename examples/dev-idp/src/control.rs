//! `/dev/faults` and `/dev/tokens`: arming faults, and shortening what people have, from outside the process.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Redirect, Response};
use serde_json::json;

use crate::faults::Fault;
use crate::pages;
use crate::params::Params;
use crate::realm::Realm;
use crate::refusal::{self, Refusal};
use crate::shared::Shared;

/// The faults as JSON, or as a page if the caller is a browser.
pub(crate) async fn show(State(shared): State<Arc<Shared>>, headers: HeaderMap) -> Response {
    if wants_html(&headers) {
        let tenant = Realm::Tenant(shared.settings.tenant_id.clone());
        let issuers = [shared.base.clone(), tenant.issuer(&shared.base, &shared.settings.tenant_id)];
        return pages::faults(&issuers, &shared.users(), shared.faults.armed());
    }
    status(&shared)
}

/// Takes `fault` (a name, or `none`), and optionally `once=1` and `delay_ms`.
pub(crate) async fn set(State(shared): State<Arc<Shared>>, headers: HeaderMap, body: Bytes) -> Response {
    let form = Params::parse(&body);
    let delay = match form.get("delay_ms").map(str::parse) {
        Some(Ok(millis)) => Some(Duration::from_millis(millis)),
        Some(Err(_)) => return bad(&shared, "delay_ms must be a whole number of milliseconds"),
        None => None,
    };
    match (form.get("fault"), form.get("once")) {
        (Some("none"), _) => shared.faults.clear(),
        (Some(name), once) => match (name.parse::<Fault>(), once) {
            (Ok(fault), None | Some("0")) => shared.faults.set(fault),
            (Ok(fault), Some("1")) => shared.faults.set_once(fault),
            (Ok(_), Some(_)) => return bad(&shared, "once must be 0 or 1"),
            (Err(error), _) => return bad(&shared, &error.to_string()),
        },
        (None, _) if delay.is_none() => return bad(&shared, "fault or delay_ms is missing"),
        (None, _) => {}
    }
    if let Some(delay) = delay {
        shared.faults.set_delay(delay);
    }
    if wants_html(&headers) {
        return Redirect::to("/dev/faults").into_response();
    }
    status(&shared)
}

/// How tokens live, who is disabled, and how often there was a refresh.
pub(crate) async fn tokens(State(shared): State<Arc<Shared>>) -> Response {
    let tokens = *shared.tokens();
    let disabled: Vec<_> = shared.users().iter().filter(|user| user.disabled).map(|user| user.id.clone()).collect();
    let (refreshes, graph) = {
        let counters = shared.counters();
        (counters.refreshes, counters.graph)
    };
    let body = json!({
        "access_seconds": tokens.access_seconds,
        "strict": tokens.strict,
        "disabled": disabled,
        "refreshes": refreshes,
        "graph": graph,
    });
    refusal::json(StatusCode::OK, body.to_string())
}

/// Takes `access_seconds` (a number, or `none`), `strict` (0 or 1), `disable` and `enable` (the id of a user).
pub(crate) async fn set_tokens(State(shared): State<Arc<Shared>>, body: Bytes) -> Response {
    let form = Params::parse(&body);
    match form.get("access_seconds").map(|text| (text, text.parse())) {
        None => {}
        Some(("none", _)) => shared.tokens().access_seconds = None,
        Some((_, Ok(seconds))) => shared.tokens().access_seconds = Some(seconds),
        Some(_) => return bad(&shared, "access_seconds must be a whole number of seconds, or none"),
    }
    match form.get("strict") {
        None => {}
        Some("0") => shared.tokens().strict = false,
        Some("1") => shared.tokens().strict = true,
        Some(_) => return bad(&shared, "strict must be 0 or 1"),
    }
    for (name, disabled) in [("disable", true), ("enable", false)] {
        let Some(id) = form.get(name) else { continue };
        match shared.users().iter_mut().find(|user| user.id == id) {
            Some(user) => user.disabled = disabled,
            None => return bad(&shared, "there is no such user"),
        }
    }
    tokens(State(shared)).await
}

fn status(shared: &Shared) -> Response {
    let armed = shared.faults.armed();
    let all: Vec<_> = Fault::ALL.iter().map(|fault| json!({ "name": fault.name(), "about": fault.about() })).collect();
    let body = json!({
        "active": armed.map(|armed| armed.fault.name()),
        "once": armed.is_some_and(|armed| armed.once),
        "delay_ms": u64::try_from(shared.faults.delay().as_millis()).unwrap_or(u64::MAX),
        "faults": all,
    });
    refusal::json(StatusCode::OK, body.to_string())
}

fn bad(shared: &Shared, text: &str) -> Response {
    Refusal::invalid_request(text).json(shared.now())
}

fn wants_html(headers: &HeaderMap) -> bool {
    headers
        .get(header::ACCEPT)
        .and_then(|accept| accept.to_str().ok())
        .is_some_and(|accept| accept.contains("text/html"))
}
