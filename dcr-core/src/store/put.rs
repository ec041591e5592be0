//! What operators bring in: an older system, and clients.

use crate::client::{ImportedClient, Platform, SoftwareKey, StoredClient};
use crate::clock::Timestamp;
use crate::record::Event;
use crate::session::{ConnectionId, User};

/// One person's use of one software, as an older system knew it: what [`Store::import`](super::Store::import) writes.
#[derive(Debug, Clone)]
#[expect(clippy::exhaustive_structs, reason = "stores outside this crate read every field of it")]
pub struct Import {
    /// Inserted if there is no such user; otherwise untouched.
    pub user: User,
    /// The software; the connection is the one under `(user.id, software)`.
    pub software: SoftwareKey,
    /// The platform of a connection that has to be made.
    pub platform: Platform,
    /// The id of the connection, if it has to be made.
    pub new_connection: ConnectionId,
    /// The clients, each an alias of the connection and resolvable from now on. One that is there already is untouched.
    pub clients: Vec<ImportedClient>,
    /// `created_at` of a connection that has to be made, and the first use of the aliases.
    pub first_used_at: Timestamp,
    /// `last_sign_in_at` of a connection that has to be made, and the last use of the aliases.
    pub last_used_at: Timestamp,
    /// Written with the transaction if it changes anything, its `connection` filled in.
    pub event: Event,
}

/// What a [`Store::import`](super::Store::import) changed. All zero and false: everything was there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "stores outside this crate build it")]
pub struct Imported {
    /// The connection.
    pub connection: ConnectionId,
    /// Whether the user was new.
    pub new_user: bool,
    /// Whether the connection was new.
    pub new_connection: bool,
    /// Client ids that the connection did not have.
    pub new_aliases: u64,
    /// Client ids that did not resolve by an import before.
    pub new_clients: u64,
}

impl Imported {
    /// Whether anything was written.
    #[must_use]
    pub const fn changed(&self) -> bool {
        self.new_user || self.new_connection || self.new_aliases > 0 || self.new_clients > 0
    }
}

/// What [`Store::put_client`](super::Store::put_client) writes.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "stores outside this crate read every field of it")]
pub struct PutClient {
    /// The row as it will be.
    pub client: StoredClient,
    /// The version of the row that it replaces; `None` if there must be none.
    pub instead_of: Option<u32>,
    /// Written with the transaction.
    pub event: Event,
}
