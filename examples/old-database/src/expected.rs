//! What an importer has to find, counted while the rows were written.

use std::collections::{BTreeMap, BTreeSet};

use crate::Software;

/// The outcome of a correct import.
///
/// Every client row is counted exactly once: with the person that it is kept for, as an orphan, or as unreadable.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Expected {
    /// Rows in all client tables.
    pub rows: usize,
    /// Rows in each table that was made, also in those without clients.
    pub rows_by_table: BTreeMap<&'static str, usize>,
    /// Client rows without a user, whatever else is wrong with them.
    pub orphans: usize,
    /// Those of the orphans that have an e-mail address, by address. People whom the plan gave one address share a count.
    pub orphans_by_email: BTreeMap<String, usize>,
    /// Client rows that have a user and cannot be read. Each has one fault only.
    pub unreadable: BTreeMap<Unreadable, usize>,
    /// In the order of the plan.
    pub people: Vec<ExpectedPerson>,
}

/// What is to be found of one person.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ExpectedPerson {
    /// Client rows that can be read. An id that is there twice counts twice.
    pub rows: usize,
    /// Rows that are this person's by their object id and cannot be read for another reason. They are in the total of
    /// [`Expected::unreadable`], too, and not in `rows`.
    pub unreadable: BTreeMap<Unreadable, usize>,
    /// The connections, each with the client ids that must be kept for it. An id is in one of them only.
    pub connections: BTreeMap<Software, BTreeSet<String>>,
}

/// What makes a client row unreadable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Unreadable {
    /// The object id is no GUID.
    ObjectId,
    /// The client id is NULL or empty, has a space, or has more than 1,024 bytes.
    ClientId,
    /// The redirect URIs are no JSON array of texts.
    Redirects,
    /// They are, but none of them is acceptable, or there is none.
    NoRedirect,
}

impl Unreadable {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::ObjectId, Self::ClientId, Self::Redirects, Self::NoRedirect];
}

impl ExpectedPerson {
    /// The distinct client ids that must be kept for this person.
    pub fn ids(&self) -> BTreeSet<&str> {
        self.connections.values().flatten().map(String::as_str).collect()
    }
}

impl Expected {
    /// The distinct client ids that must resolve afterwards: fewer than people have together, who may share some.
    pub fn ids(&self) -> BTreeSet<&str> {
        self.people.iter().flat_map(ExpectedPerson::ids).collect()
    }

    /// Connections of all people.
    pub fn connections(&self) -> usize {
        self.people.iter().map(|person| person.connections.len()).sum()
    }

    /// Unreadable rows, for whatever reason.
    pub fn unreadable(&self) -> usize {
        self.unreadable.values().sum()
    }
}
