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
    directory: Directory,
}

impl Database {
    pub(crate) async fn fresh(_: Kind) -> Self {
        let directory = Directory::new();
        Self { url: format!("sqlite://{}", directory.path().join("dcr.db").display()), directory }
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Keeps a copy of everything, while no process has it open.
    pub(crate) async fn save(&self) {
        self.copy("dcr.db", "copy.db");
    }

    /// Puts the copy in its place, while no process has it open.
    pub(crate) async fn restore(&self) {
        self.copy("copy.db", "dcr.db");
    }

    /// With the write-ahead log, which may hold the latest of it also when all processes have ended.
    fn copy(&self, from: &str, to: &str) {
        for suffix in ["", "-wal"] {
            let at = |name: &str| self.directory.path().join(format!("{name}{suffix}"));
            if at(from).exists() {
                std::fs::copy(at(from), at(to)).expect("a copy");
            } else if at(to).exists() {
                std::fs::remove_file(at(to)).expect("an old log that goes");
            }
        }
        // An index of the log, which SQLite makes anew.
        if self.directory.path().join("dcr.db-shm").exists() {
            std::fs::remove_file(self.directory.path().join("dcr.db-shm")).expect("an old index that goes");
        }
    }

    /// The store, opened by one process more: this one.
    pub(crate) async fn store(&self) -> Arc<dyn Store> {
        dcr_sqlx::connect(&self.url).await.expect("the database of the cluster")
    }
}
