//! The contract of `dcr_core::store`, on SQLite: in a file, in memory, and in a file that two processes share.
#![cfg(feature = "sqlite")]

mod common;
#[path = "common/two.rs"]
mod two;

use std::sync::Arc;

use dcr_core::store::Store;

use self::common::TempDir;
use self::two::TwoProcesses;

mod in_a_file {
    use super::*;

    async fn fresh() -> (Arc<dyn Store>, TempDir) {
        let dir = TempDir::new();
        (dcr_sqlx::connect(&dir.url()).await.unwrap(), dir)
    }

    dcr_core::store_conformance!(fresh());
}

mod in_memory {
    use super::*;

    async fn fresh() -> (Arc<dyn Store>, ()) {
        (dcr_sqlx::connect("sqlite::memory:").await.unwrap(), ())
    }

    dcr_core::store_conformance!(fresh());
}

mod in_a_file_of_two_processes {
    use super::*;

    async fn fresh() -> (Arc<dyn Store>, TempDir) {
        let dir = TempDir::new();
        let stores = [dcr_sqlx::connect(&dir.url()).await.unwrap(), dcr_sqlx::connect(&dir.url()).await.unwrap()];
        (Arc::new(TwoProcesses::new(stores)), dir)
    }

    dcr_core::store_conformance!(fresh());
}
