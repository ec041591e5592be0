//! The contract of `dcr_core::store`, of one process, and of two that share the database.

use std::sync::Arc;

use dcr_core::store::Store;
use dcr_core::store::conformance::{self, InTurn};

use crate::Test;
use crate::servers::Database;

macro_rules! one {
    ($($case:ident)*) => {
        vec![$(Test::of(stringify!($case), |database| Box::pin(async move {
            conformance::$case(database.open().await).await;
        }))),*]
    };
}

macro_rules! two {
    ($($case:ident)*) => {
        vec![$(Test::of(stringify!($case), |database| Box::pin(async move {
            conformance::$case(two_processes(&database).await).await;
        }))),*]
    };
}

pub(crate) fn of_one_process() -> Vec<Test> {
    dcr_core::store_conformance!(each one)
}

pub(crate) fn of_two_processes() -> Vec<Test> {
    dcr_core::store_conformance!(each two)
}

async fn two_processes(database: &Database) -> Arc<dyn Store> {
    InTurn::of(vec![database.open().await, database.open().await])
}
