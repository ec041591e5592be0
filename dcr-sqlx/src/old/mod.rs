//! The old system: its tables are read as they are, and folded into people, software and client ids.
//!
//! It kept a row for each registration, with or without a person, and another one for each session and device. What counts
//! here is who (`azure_object_id`), which id the client was given, and which redirect URIs were recorded for that id. Its
//! secrets and tokens are encrypted with a key that is not ours: nobody reads them.

mod fold;
mod report;
mod source;
mod time;

use std::collections::BTreeSet;

use dcr_core::Timestamp;

pub(crate) use self::fold::Fold;
pub(crate) use self::report::{PersonReport, RefusedRedirect, Report, Written};
pub(crate) use self::source::Source;
use self::source::Table;

const CLIENTS: &str = "dcr_clients";
const TOKENS: &str = "dcr_tokens";
/// The second is what it was called before.
const USERS: [&str; 2] = ["dcr_azure_users", "dcr_azure_tokens"];

/// Why an old system was not read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OldError {
    #[error(transparent)]
    Open(#[from] crate::OpenError),
    #[error("there is no file {0}")]
    NoFile(std::path::PathBuf),
    #[error("{0} cannot be looked at: {1}")]
    File(std::path::PathBuf, std::io::Error),
    #[error("the old system cannot be read: {0}")]
    Read(#[from] sqlx::Error),
    #[error(
        "there is no table `dcr_clients`: is it the right database (and, on PostgreSQL, the right search_path, as in \
         `?options[search_path]=old`)? It has: {0}"
    )]
    NotOld(String),
}

/// Reads all of it, in one snapshot. `seen` hears of each table and how many of its rows were read.
pub(crate) async fn read(
    source: &mut Source,
    now: Timestamp,
    mut seen: impl FnMut(&str, u64),
) -> Result<Fold, OldError> {
    let tables = source.tables().await?;
    let is_module = |table: &Table, base: &str| {
        table.name == base || table.name.strip_prefix(base).is_some_and(|rest| rest.starts_with('_'))
    };
    let clients: Vec<&Table> = tables.iter().filter(|table| is_module(table, CLIENTS)).collect();
    if clients.iter().all(|table| table.name != CLIENTS) {
        let names: BTreeSet<&str> = tables.iter().map(|table| table.name.as_str()).collect();
        let names = names.into_iter().take(20).collect::<Vec<_>>().join(", ");
        return Err(OldError::NotOld(if names.is_empty() { "no table at all".to_owned() } else { names }));
    }
    let users = tables.iter().filter(|table| USERS.contains(&table.name.as_str()));
    let tokens = tables.iter().filter(|table| is_module(table, TOKENS));

    let mut fold = Fold::new(now);
    // Tokens first: where clients do not say whose they are, tokens do.
    for (tables, kind) in [(users.collect(), Kind::User), (tokens.collect(), Kind::Token), (clients, Kind::Client)] {
        let tables: Vec<&Table> = tables;
        for table in tables {
            let mut rows = 0;
            source
                .each(table, kind.columns(), |fields| {
                    match kind {
                        Kind::User => fold.user(fields),
                        Kind::Token => fold.token(fields),
                        Kind::Client => fold.client(table, fields),
                    }
                    rows += 1;
                    if rows % 1_000 == 0 {
                        seen(&table.name, rows);
                    }
                })
                .await?;
            seen(&table.name, rows);
            fold.table(&table.name, rows);
        }
    }
    Ok(fold)
}

/// The three kinds of tables, and what is read of each.
#[derive(Clone, Copy)]
enum Kind {
    User,
    Token,
    Client,
}

impl Kind {
    /// In the order in which [`Fold`] takes them. `issued_at` was the older name of `created_at`.
    const fn columns(self) -> &'static [&'static str] {
        match self {
            Self::User => &["object_id", "user_email", "user_name", "updated_at", "created_at", "issued_at"],
            Self::Token => &["dcr_client_id", "azure_object_id", "updated_at", "created_at", "issued_at"],
            Self::Client => &[
                "dcr_client_id",
                "azure_object_id",
                "dcr_redirect_uris",
                "dcr_client_name",
                "user_email",
                "updated_at",
                "created_at",
                "issued_at",
            ],
        }
    }
}
