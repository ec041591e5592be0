//! Events as JSON lines: one object on one line, times in RFC 3339, ids as they are shown everywhere. What `dcr events`
//! exports, and what a recovery replays.

use serde::{Deserialize, Serialize};

use super::{Actor, Event, EventKind};
use crate::client::{ClientId, Platform};

/// A line that is no event.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not an event: {0}")]
pub struct NotAnEvent(String);

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    id: String,
    at: String,
    kind: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    reason: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    user: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    connection: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    session: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    client_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    platform: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    actor: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reference: Option<String>,
}

impl Event {
    /// The event as one line of JSON, without the line's end.
    ///
    /// ```
    /// use dcr_core::Timestamp;
    /// use dcr_core::record::{Event, EventKind};
    /// use dcr_core::session::EventId;
    ///
    /// let event = Event::new(EventId::from_bytes([1; 16]), Timestamp::from_unix_seconds(0), EventKind::Revoked);
    /// let line = event.to_json();
    /// assert!(line.contains(r#""at":"1970-01-01T00:00:00Z","kind":"revoked""#));
    /// assert_eq!(Event::from_json(&line), Ok(event));
    /// ```
    #[must_use]
    pub fn to_json(&self) -> String {
        fn text(value: &impl ToString) -> String {
            value.to_string()
        }
        let line = Line {
            id: self.id.to_string(),
            at: self.at.to_string(),
            kind: self.kind.as_str().to_owned(),
            reason: self.reason.clone(),
            user: self.user.as_ref().map(text),
            connection: self.connection.as_ref().map(text),
            session: self.session.as_ref().map(text),
            client_id: self.client_id.as_ref().map(text),
            platform: self.platform.as_ref().map(text),
            actor: (self.actor != Actor::Unknown).then(|| self.actor.to_string()),
            reference: self.reference.as_ref().map(text),
        };
        // A struct of texts always serialises.
        serde_json::to_string(&line).unwrap_or_default()
    }

    /// The event that a line of JSON is.
    ///
    /// # Errors
    /// [`NotAnEvent`] says which part is wrong.
    pub fn from_json(line: &str) -> Result<Self, NotAnEvent> {
        fn parsed<T: std::str::FromStr>(name: &str, text: &str) -> Result<T, NotAnEvent> {
            text.parse().map_err(|_| NotAnEvent(format!("its {name} does not parse")))
        }
        fn optional<T: std::str::FromStr>(name: &str, text: Option<&str>) -> Result<Option<T>, NotAnEvent> {
            text.map(|text| parsed(name, text)).transpose()
        }
        let line: Line = serde_json::from_str(line).map_err(|error| NotAnEvent(error.to_string()))?;
        let kind = EventKind::from_name(&line.kind).ok_or_else(|| NotAnEvent("its kind is unknown".to_owned()))?;
        let client_id = line.client_id.map(ClientId::new).transpose();
        Ok(Self {
            reason: line.reason,
            user: optional("user", line.user.as_deref())?,
            connection: optional("connection", line.connection.as_deref())?,
            session: optional("session", line.session.as_deref())?,
            client_id: client_id.map_err(|error| NotAnEvent(error.to_string()))?,
            platform: line.platform.as_deref().map(Platform::named),
            actor: optional("actor", line.actor.as_deref())?.unwrap_or_default(),
            reference: optional("reference", line.reference.as_deref())?,
            ..Self::new(parsed("id", &line.id)?, parsed("time", &line.at)?, kind)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;
    use crate::session::{ConnectionId, EventId, SessionId, UserId};

    #[test]
    fn an_event_reads_back_as_it_was_written() {
        for kind in EventKind::ALL {
            let event = Event {
                reason: "with \"quotes\"\nand a line".to_owned(),
                user: Some(UserId::derive("i", "t", "o")),
                connection: Some(ConnectionId::from_bytes([2; 16])),
                session: Some(SessionId::from_bytes([3; 16])),
                client_id: Some(ClientId::new("a'b\"c").unwrap()),
                platform: Some(Platform::other()),
                actor: Actor::Token,
                reference: "ABCD-1234".parse().ok(),
                ..Event::new(EventId::from_bytes([1; 16]), Timestamp::from_unix_micros(1_700_000_000_123_456), kind)
            };
            let line = event.to_json();
            assert!(!line.contains('\n'));
            assert_eq!(Event::from_json(&line), Ok(event));
        }
    }

    #[test]
    fn what_is_wrong_with_a_line_is_said() {
        let good =
            Event::new(EventId::from_bytes([1; 16]), Timestamp::from_unix_seconds(1), EventKind::Revoked).to_json();
        for (from, to, word) in [
            ("evt_", "ses_", "id"),
            ("1970", "soon", "time"),
            ("revoked", "forgiven", "kind"),
            ("{", "{\"session\":\"ses_1\",", "session"),
            ("{", "{\"actor\":\"ada\",", "actor"),
            ("{", "{\"reference\":\"?\",", "reference"),
            ("{", "{\"colour\":\"red\",", "colour"),
            ("{", "", "expected"),
        ] {
            let error = Event::from_json(&good.replacen(from, to, 1)).unwrap_err();
            assert!(error.to_string().contains(word), "{error}");
        }
    }
}
