//! What the API says of things: the names and forms of `openapi.json`, which are those of the `dcr` command too.

use serde::Serialize;
use serde_json::Value;

use super::lists::{ListedClient, ListedPlatform, target_text};
use crate::client::PreRegistered;
use crate::clock::Timestamp;
use crate::record::{Event, FunnelCount, RecentRefusal, RequestRecord};
use crate::session::{Connection, Session, User};
use crate::store::{PlatformUse, Target};
use crate::upstream::{Groups, Roles};

/// One page of a list.
#[derive(Serialize)]
pub(super) struct Page<T> {
    pub(super) items: Vec<T>,
    /// Where the next page begins, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) next: Option<String>,
}

#[derive(Serialize)]
pub(super) struct UserView {
    user_id: String,
    issuer: String,
    tenant: String,
    object_id: String,
    name: Option<String>,
    email: Option<String>,
    groups: Groups,
    roles: Roles,
    #[serde(skip_serializing_if = "Option::is_none")]
    blocked: Option<bool>,
}

impl UserView {
    pub(super) fn of(user: User, blocked: Option<bool>) -> Self {
        let User { id, issuer, tenant, object_id, name, email, groups, roles } = user;
        Self { user_id: id.to_string(), issuer, tenant, object_id, name, email, groups, roles, blocked }
    }
}

#[derive(Serialize)]
pub(super) struct ConnectionView {
    connection_id: String,
    user_id: String,
    platform: String,
    software: String,
    created_at: String,
    last_sign_in_at: String,
    client_ids: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    blocked: Option<bool>,
}

impl ConnectionView {
    pub(super) fn of(connection: &Connection, blocked: Option<bool>) -> Self {
        Self {
            connection_id: connection.id.to_string(),
            user_id: connection.user.to_string(),
            platform: connection.platform.to_string(),
            software: connection.software.to_string(),
            created_at: connection.created_at.to_string(),
            last_sign_in_at: connection.last_sign_in_at.to_string(),
            client_ids: connection.aliases.iter().map(ToString::to_string).collect(),
            blocked,
        }
    }
}

#[derive(Serialize)]
pub(super) struct RequestView {
    request_id: String,
    user_id: String,
    session_id: String,
    at: String,
    method: String,
    tool: Option<String>,
    status: u16,
    address: Option<String>,
}

impl RequestView {
    pub(super) fn of(request: &RequestRecord) -> Self {
        Self {
            request_id: request.id.to_string(),
            user_id: request.user.to_string(),
            session_id: request.session.to_string(),
            at: request.at.to_string(),
            method: request.method.clone(),
            tool: request.tool.clone(),
            status: request.status,
            address: request.address.map(|address| address.to_string()),
        }
    }
}

#[derive(Serialize)]
pub(super) struct SessionView {
    session_id: String,
    connection_id: String,
    user_id: String,
    client_id: String,
    provenance: &'static str,
    auth_method: &'static str,
    platform: String,
    redirect_uri: String,
    resource: String,
    scope: String,
    state: &'static str,
    created_at: String,
    last_used_at: String,
    expires_at: String,
    refreshes: u32,
    ended_at: Option<String>,
    end_reason: Option<String>,
}

impl SessionView {
    pub(super) fn of(session: &Session, now: Timestamp) -> Self {
        Self {
            session_id: session.id.to_string(),
            connection_id: session.connection.to_string(),
            user_id: session.user.to_string(),
            client_id: session.client_id.to_string(),
            provenance: session.provenance.as_str(),
            auth_method: session.auth_method.as_str(),
            platform: session.platform.to_string(),
            redirect_uri: session.redirect_uri.clone(),
            resource: session.resource.clone(),
            scope: session.scope.to_string(),
            state: match &session.ended {
                Some(_) => "ended",
                None if session.is_alive(now) => "live",
                None => "lapsed",
            },
            created_at: session.created_at.to_string(),
            last_used_at: session.advanced_at.to_string(),
            expires_at: session.expires_at.to_string(),
            refreshes: session.generation.get().saturating_sub(1),
            ended_at: session.ended.as_ref().map(|end| end.at.to_string()),
            end_reason: session.ended.as_ref().map(|end| end.reason.clone()),
        }
    }
}

/// An event, as its line of JSON has it.
pub(super) fn event(event: &Event) -> Value {
    serde_json::from_str(&event.to_json()).unwrap_or_default()
}

#[derive(Serialize)]
pub(super) struct ClientView {
    client_id: String,
    row: &'static str,
    /// A pinned one as in a file, but for the hash of its secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    pinned: Option<Value>,
    people: u64,
    live_sessions: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    blocked: Option<bool>,
}

impl ClientView {
    pub(super) fn of(listed: &ListedClient, blocked: Option<bool>) -> Self {
        Self {
            client_id: listed.id().to_string(),
            row: listed.kept_as(),
            pinned: listed.pinned().map(without_secret),
            people: listed.used.people,
            live_sessions: listed.used.live_sessions,
            blocked,
        }
    }
}

/// As in a file, but for the hash of its secret.
pub(crate) fn without_secret(client: &PreRegistered) -> Value {
    let mut value = serde_json::to_value(client).unwrap_or_default();
    if let Some(members) = value.as_object_mut() {
        members.remove("client_secret_sha256");
    }
    value
}

#[derive(Serialize)]
pub(super) struct PlatformView {
    platform: String,
    people: u64,
    connections: u64,
    live_sessions: u64,
    blocked: bool,
}

impl PlatformView {
    pub(super) fn of(listed: ListedPlatform) -> Self {
        let ListedPlatform { used: PlatformUse { platform, people, connections, live_sessions }, blocked } = listed;
        Self { platform: platform.to_string(), people, connections, live_sessions, blocked }
    }
}

#[derive(Serialize)]
pub(super) struct BlockView {
    kind: &'static str,
    /// The id, or the name of the platform.
    target: String,
}

impl BlockView {
    /// `None` of what cannot be blocked.
    pub(super) fn of(target: &Target) -> Option<Self> {
        let (kind, _) = target.block_key()?;
        Some(Self { kind: kind.as_str(), target: target_text(target) })
    }
}

#[derive(Serialize)]
pub(super) struct FunnelView {
    hour: String,
    platform: String,
    step: &'static str,
    outcome: String,
    count: u64,
}

impl FunnelView {
    pub(super) fn of(count: FunnelCount) -> Self {
        let FunnelCount { hour, platform, step, outcome, count } = count;
        Self { hour: hour.to_string(), platform: platform.to_string(), step: step.as_str(), outcome, count }
    }
}

/// What a reference was about: one of the two.
#[derive(Serialize)]
pub(super) struct ReferenceView {
    reference: String,
    /// On the record: refused after login.
    #[serde(skip_serializing_if = "Option::is_none")]
    event: Option<Value>,
    /// In memory: refused before login, by this process.
    #[serde(skip_serializing_if = "Option::is_none")]
    recent: Option<RecentView>,
}

#[derive(Serialize)]
struct RecentView {
    at: String,
    step: String,
    reason: &'static str,
    detail: String,
}

impl ReferenceView {
    pub(super) fn of_event(reference: String, found: &Event) -> Self {
        Self { reference, event: Some(event(found)), recent: None }
    }

    pub(super) fn of_recent(recent: RecentRefusal) -> Self {
        let RecentRefusal { reference, at, step, reason, detail } = recent;
        let view = RecentView { at: at.to_string(), step, reason: reason.as_str(), detail };
        Self { reference: reference.to_string(), event: None, recent: Some(view) }
    }
}
