//! The record, with filters, and what a reference meant that a page showed.

use askama::Template;

use super::Answer;
use super::frame::{Frame, When, long, name};
use super::query::{Given, encoded};
use super::texts::ConsoleTexts;
use crate::admin::{Problem, WhatWas};
use crate::engine::Inner;
use crate::record::{Actor, Event, EventKind, Reference};

/// What is looked for, in the order of the form.
const FILTERS: [&str; 11] = [
    "kind",
    "platform",
    "reason",
    "actor",
    "user_id",
    "client_id",
    "session_id",
    "connection_id",
    "reference",
    "since",
    "until",
];

#[derive(Template)]
#[template(path = "console/events.html")]
struct EventsPage<'a> {
    f: &'a Frame,
    kinds: Vec<(&'static str, &'static str, bool)>,
    platforms: Vec<(String, String, bool)>,
    fields: Vec<Field>,
    since: String,
    until: String,
    is_filtered: bool,
    events: Vec<EventRow>,
    next: Option<String>,
}

struct Field {
    name: &'static str,
    label: &'static str,
    value: String,
    /// Shown while nothing is typed; may be empty.
    help: &'static str,
}

#[derive(Template)]
#[template(path = "console/reference.html")]
struct ReferencePage<'a> {
    f: &'a Frame,
    reference: String,
    event: Option<EventRow>,
    recent: Option<RecentPart>,
}

struct RecentPart {
    at: When,
    step: String,
    reason: &'static str,
    detail: String,
}

/// One event, as a row.
pub(super) struct EventRow {
    pub(super) id: String,
    pub(super) at: When,
    pub(super) kind: &'static str,
    pub(super) code: &'static str,
    pub(super) is_alarm: bool,
    pub(super) reason: String,
    pub(super) actor: String,
    pub(super) actor_href: String,
    pub(super) user: String,
    pub(super) user_href: String,
    pub(super) platform: String,
    pub(super) client_id: String,
    pub(super) session: String,
    pub(super) connection: String,
    pub(super) reference: String,
}

impl EventRow {
    /// On the page of its person, who need not be named in each row.
    pub(super) fn without_user(self) -> Self {
        Self { user: String::new(), ..self }
    }
}

const fn kind_words(t: &ConsoleTexts, kind: EventKind) -> &'static str {
    match kind {
        EventKind::SignedIn => t.event_signed_in,
        EventKind::Adopted => t.event_adopted,
        EventKind::Refused => t.event_refused,
        EventKind::Evicted => t.event_evicted,
        EventKind::Revoked => t.event_revoked,
        EventKind::Blocked => t.event_blocked,
        EventKind::Unblocked => t.event_unblocked,
        EventKind::Imported => t.event_imported,
        EventKind::RecoveryOpened => t.event_recovery_opened,
        EventKind::Recovered => t.event_recovered,
        EventKind::MachineSignedIn => t.event_machine,
        EventKind::AdminSignedIn => t.event_admin_in,
        EventKind::ClientPinned => t.event_pinned,
        EventKind::ClientChanged => t.event_changed,
        EventKind::Erased => t.event_erased,
        EventKind::Anomaly => t.event_anomaly,
    }
}

/// `2026-11-26T12:30`, which is how browsers send a time, is meant in UTC; the API's own form stays.
fn utc(value: &str) -> String {
    match value.len() {
        16 => format!("{value}:00Z"),
        19 => format!("{value}Z"),
        _ => value.to_owned(),
    }
}

/// The other way, for the field.
fn local(value: &str) -> String {
    utc(value).get(..16).unwrap_or_default().to_owned()
}

impl Inner {
    pub(super) fn event_row(&self, f: &Frame, event: &Event) -> EventRow {
        let actor_href = match &event.actor {
            Actor::Admin(user) => f.link(&format!("people/{user}")),
            _ => String::new(),
        };
        let text = |id: Option<String>| id.unwrap_or_default();
        let linked = event.user.as_ref().filter(|user| !user.is_erased() && !user.is_machine());
        EventRow {
            id: event.id.to_string(),
            at: When(event.at),
            kind: kind_words(f.t, event.kind),
            code: event.kind.as_str(),
            is_alarm: matches!(event.kind, EventKind::Anomaly | EventKind::Refused),
            reason: name(&event.reason),
            actor: event.actor.to_string(),
            actor_href,
            user: text(event.user.as_ref().map(ToString::to_string)),
            user_href: text(linked.map(|user| f.link(&format!("people/{user}")))),
            platform: text(event.platform.as_ref().map(|platform| self.platform_label(f.t, platform))),
            client_id: text(event.client_id.as_ref().map(|id| long(id.as_str()))),
            session: text(event.session.map(|id| id.to_string())),
            connection: text(event.connection.map(|id| id.to_string())),
            reference: text(event.reference.map(|reference| reference.to_string())),
        }
    }

    pub(super) async fn events_page(&self, f: &Frame, query: &Given) -> Result<Answer, Problem> {
        let pairs: Vec<(&str, String)> = FILTERS
            .iter()
            .filter_map(|name| {
                let value = query.get(name)?;
                let is_time = matches!(*name, "since" | "until");
                Some((*name, if is_time { utc(value) } else { value.to_owned() }))
            })
            .collect();
        let kept = encoded(pairs.iter().map(|(name, value)| (*name, value.as_str())));
        let asked = match query.get("cursor") {
            Some(cursor) => format!("{kept}&{}", encoded([("cursor", cursor)])),
            None => kept.clone(),
        };
        let (found, next) = self.find_events(&asked, None).await?;
        let kind = query.text("kind");
        let platform = query.text("platform");
        let classes = [crate::client::Platform::loopback(), crate::client::Platform::other()];
        let platforms = self.rules.platforms.names().cloned().chain(classes);
        let field = |name, label| Field { name, label, value: query.text(name), help: "" };
        let page = EventsPage {
            f,
            kinds: EventKind::ALL
                .iter()
                .map(|one| (one.as_str(), kind_words(f.t, *one), one.as_str() == kind))
                .collect(),
            platforms: platforms
                .map(|one| (one.to_string(), self.platform_label(f.t, &one), one.as_str() == platform))
                .collect(),
            fields: vec![
                field("reason", f.t.reason),
                Field { help: f.t.actor_help, ..field("actor", f.t.by_whom) },
                field("user_id", f.t.user_id),
                field("client_id", f.t.client_id),
                field("session_id", f.t.session),
                field("connection_id", f.t.connection),
                field("reference", f.t.reference),
            ],
            since: local(&query.text("since")),
            until: local(&query.text("until")),
            is_filtered: !pairs.is_empty(),
            events: found.iter().map(|event| self.event_row(f, event)).collect(),
            next: next.map(|next| f.link(&format!("events?{kept}&{}", encoded([("cursor", next.as_str())])))),
        };
        Answer::page(&page)
    }

    /// What a page meant that showed this reference. None of that name is an answer, too: it may be another replica's.
    pub(super) async fn reference_page(&self, f: &Frame, query: &Given) -> Result<Answer, Problem> {
        let typed = query.get("reference").unwrap_or_default();
        let (mut event, mut recent) = (None, None);
        if let Ok(reference) = typed.parse::<Reference>() {
            match self.find_reference(reference).await {
                Ok(WhatWas::Event(found)) => event = Some(self.event_row(f, &found)),
                Ok(WhatWas::Recent(found)) => {
                    recent = Some(RecentPart {
                        at: When(found.at),
                        step: name(&found.step),
                        reason: found.reason.as_str(),
                        detail: crate::text::bounded(&found.detail, 400),
                    });
                }
                Err(problem) if problem.status() == ::http::StatusCode::NOT_FOUND => {}
                Err(problem) => return Err(problem),
            }
        }
        Answer::page(&ReferencePage { f, reference: name(typed), event, recent })
    }
}

#[cfg(test)]
mod event_tests {
    use super::*;

    #[test]
    fn times_of_a_browser_are_utc_and_come_back_as_they_were() {
        assert_eq!(utc("2026-11-26T12:30"), "2026-11-26T12:30:00Z");
        assert_eq!(utc("2026-11-26T12:30:05"), "2026-11-26T12:30:05Z");
        assert_eq!(utc("2026-11-26T12:30:00Z"), "2026-11-26T12:30:00Z");
        assert_eq!(local("2026-11-26T12:30"), "2026-11-26T12:30");
        assert_eq!(local(""), "");
    }
}
