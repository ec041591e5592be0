//! Where a case runs: a framework and a store.

use std::fmt;
use std::sync::{Mutex, PoisonError};

use dcr_dev_idp::{Algorithm, DevIdp};
use dcr_e2e::{Framework, SECRETS, World};
use dcr_examples_common::Options;

use crate::databases::{Database, Kind};

/// Where the server keeps what it must remember.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kept {
    InMemory,
    In(Kind),
}

/// A framework and a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) framework: Framework,
    pub(crate) kept: Kept,
}

impl Place {
    /// Where every case always runs.
    pub(crate) const HOME: Self = Self { framework: Framework::Axum, kept: Kept::In(Kind::Sqlite) };

    /// All places, the one where every case runs first.
    pub(crate) fn all() -> Vec<Self> {
        let stores = [Kept::In(Kind::Sqlite), Kept::InMemory, Kept::In(Kind::Postgres), Kept::In(Kind::MySql)];
        let on = |framework: &Framework| stores.map(|kept| Self { framework: *framework, kept });
        Framework::ALL.iter().flat_map(on).collect()
    }

    /// Whether there is no server of its database.
    pub(crate) fn is_missing(self) -> bool {
        matches!(self.kept, Kept::In(kind) if kind.is_missing())
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let framework = match self.framework {
            Framework::Axum => "axum",
            _ => "warp",
        };
        let store = match self.kept {
            Kept::InMemory => "memory",
            Kept::In(kind) => kind.name(),
        };
        write!(f, "{framework}-{store}")
    }
}

/// What a case gets: worlds on its place, each with a database of its own.
pub(crate) struct Ground {
    place: Place,
    databases: Mutex<Vec<Database>>,
}

impl Ground {
    /// One on this place. Its databases go with it.
    pub(crate) const fn new(place: Place) -> Self {
        Self { place, databases: Mutex::new(Vec::new()) }
    }

    pub(crate) const fn framework(&self) -> Framework {
        self.place.framework
    }

    /// A server as a newcomer starts it, but with a secret that is not in its database, and with a resource server that may
    /// introspect (`rs:rs-secret`).
    pub(crate) async fn world(&self) -> World {
        self.world_with(|_| {}).await
    }

    /// The same, with the options changed.
    pub(crate) async fn world_with(&self, change: impl FnOnce(&mut Options)) -> World {
        // Its keys are made in no time; those of RSA take longer than most cases.
        self.world_behind(DevIdp::builder().algorithm(Algorithm::Es256), change).await
    }

    /// The same behind a provider that signs as Entra ID does.
    pub(crate) async fn world_like_entra(&self, change: impl FnOnce(&mut Options)) -> World {
        self.world_behind(DevIdp::builder(), change).await
    }

    async fn world_behind(&self, idp: DevIdp, change: impl FnOnce(&mut Options)) -> World {
        let database = self.fresh().await;
        World::behind(self.place.framework, idp, |options| {
            options.database_url = Some(database);
            options.secret = Some(SECRETS[0].to_owned());
            options.resource_server = Some("rs:rs-secret".to_owned());
            change(options);
        })
        .await
    }

    /// RESET: the same server with an empty database, its keys kept.
    pub(crate) async fn reset(&self, world: World) -> World {
        let mut stopped = world.stop().await;
        stopped.options.database_url = Some(self.fresh().await);
        stopped.start().await
    }

    /// The URL of an empty database.
    pub(crate) async fn fresh(&self) -> String {
        let Kept::In(kind) = self.place.kept else { return "memory:".to_owned() };
        let database = Database::fresh(kind).await;
        let url = database.url();
        self.databases.lock().unwrap_or_else(PoisonError::into_inner).push(database);
        url
    }
}
