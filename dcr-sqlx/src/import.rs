//! The transaction of an import: user, connection, aliases and clients, as far as they are not there yet.

use dcr_core::record::Event;
use dcr_core::store::{Import, Imported, StoreError};

use crate::SqlStore;
use crate::dialect::Dialect;
use crate::failure::Failure;
use crate::rows::{Columns, of_event, of_imported_client, of_user, values};
use crate::terms;

pub(crate) async fn import<DB: Dialect>(store: &SqlStore<DB>, import: &Import) -> Result<Imported, Failure> {
    let Import { user, software, platform, new_connection, clients, first_used_at, last_used_at, event } = import;
    // As a sign-in does, so that no client id is forgotten that is about to get an alias.
    let mut transaction = store.begin_for(store.sign_in_lock).await?;
    let new_user = transaction.execute(DB::SQL.import_user, of_user(user)).await? > 0;
    let row = values![new_connection, &user.id, software, platform, *first_used_at, *last_used_at];
    let new_connection = transaction.execute(DB::SQL.import_connection, row).await? > 0;
    let under = values![&user.id, software];
    let found = transaction.fetch_one(DB::SQL.find_connection, under, Columns::connection_id).await?;
    let connection = found.ok_or_else(|| {
        Failure::Store(StoreError::Inconsistent("the connection that was imported is not there".to_owned()))
    })?;
    let (mut new_aliases, mut new_clients) = (0, 0);
    for client in clients {
        let number = terms::client(&mut transaction, client.id()).await?;
        let alias = values![&connection, number, *first_used_at, *last_used_at];
        new_aliases += transaction.execute(DB::SQL.import_alias, alias).await?;
        new_clients += transaction.execute(DB::SQL.import_client, of_imported_client(client)).await?;
    }
    let imported = Imported { connection, new_user, new_connection, new_aliases, new_clients };
    if imported.changed() {
        let event = Event { connection: Some(connection), ..event.clone() };
        transaction.execute(DB::SQL.add_event, of_event(&event)).await?;
        transaction.commit().await?;
    }
    Ok(imported)
}
