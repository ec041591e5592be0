//! The databases that clusters run on.

use std::sync::Arc;

use dcr_core::store::Store;
use dcr_e2e::Directory;

/// What the tests run on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// One file that all processes share.
    Sqlite,
}

impl Kind {
    pub(crate) const ALL: [Self; 1] = [Self::Sqlite];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Sqlite => "sqlite",
        }
    }
}

/// A database of one test, gone after it.
pub(crate) struct Database {
    url: String,
    _directory: Directory,
}

impl Database {
    pub(crate) async fn fresh(_: Kind) -> Self {
        let directory = Directory::new();
        Self { url: format!("sqlite://{}", directory.path().join("dcr.db").display()), _directory: directory }
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// The store, opened by one process more: this one.
    pub(crate) async fn store(&self) -> Arc<dyn Store> {
        dcr_sqlx::connect(&self.url).await.expect("the database of the cluster")
    }
}
