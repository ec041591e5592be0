//! What an import says at the end, for people and as JSON.

use std::collections::BTreeMap;

use dcr_core::{ClientId, RedirectFault};
use serde::Serialize;

/// Everything that was read, kept and left.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Report {
    pub(crate) tables: Vec<TableRead>,
    /// Rows of all client tables: those of people, those without one, and those whose person cannot be read.
    pub(crate) rows: u64,
    pub(crate) people: Vec<PersonReport>,
    /// Rows without a user. They are dropped.
    pub(crate) orphans: u64,
    pub(crate) unreadable: Vec<Unreadable>,
    /// Redirect URIs that were left out, of clients that have others.
    pub(crate) refused_redirects: Vec<RefusedRedirect>,
    /// Dates that could not be read. Their rows were.
    pub(crate) odd_dates: u64,
    /// People whom the old system knew and who have no row of a client. They are made when they sign in.
    pub(crate) people_without_clients: u64,
    /// What was written; nothing on a dry run.
    pub(crate) written: Option<Written>,
}

#[derive(Debug, Clone, Serialize)]
pub(crate) struct TableRead {
    pub(crate) name: String,
    pub(crate) rows: u64,
}

/// One person, before and after.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct PersonReport {
    pub(crate) object_id: String,
    pub(crate) user_id: String,
    pub(crate) name: Option<String>,
    pub(crate) email: Option<String>,
    /// Rows of clients before.
    pub(crate) rows: u64,
    /// Connections after.
    pub(crate) connections: usize,
    /// Client ids that go on.
    pub(crate) ids: usize,
    /// Rows without a user that have this person's e-mail address and nobody else's. They are dropped.
    pub(crate) orphans: u64,
    /// Rows that could not be read, by reason.
    pub(crate) unreadable: BTreeMap<&'static str, u64>,
}

/// Rows that could not be read for one reason.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Unreadable {
    pub(crate) reason: &'static str,
    pub(crate) explanation: &'static str,
    pub(crate) rows: u64,
    /// A few of their client ids.
    pub(crate) examples: Vec<String>,
}

#[derive(Debug, Clone, Serialize)]
pub(crate) struct RefusedRedirect {
    pub(crate) client_id: String,
    pub(crate) redirect_uri: String,
    pub(crate) explanation: String,
}

/// What an import wrote; nothing if all of it was there.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Written {
    pub(crate) users: u64,
    pub(crate) connections: u64,
    /// Client ids that resolve from now on.
    pub(crate) client_ids: u64,
    /// Client ids that connections did not have.
    pub(crate) aliases: u64,
}

pub(super) fn refused(((client_id, redirect_uri), fault): ((ClientId, String), RedirectFault)) -> RefusedRedirect {
    RefusedRedirect {
        client_id: client_id.to_string(),
        redirect_uri: redirect_uri.chars().take(200).collect(),
        explanation: fault.to_string(),
    }
}
