//! Rows of clients: pinned, changed, deleted.

use dcr_core::record::Event;
use dcr_core::store::PutClient;
use dcr_core::{ClientId, StoredClient};

use crate::SqlStore;
use crate::dialect::Dialect;
use crate::failure::Failure;
use crate::rows::{Word, of_event, values};

pub(crate) async fn put<DB: Dialect>(store: &SqlStore<DB>, change: &PutClient) -> Result<bool, Failure> {
    let PutClient { client, instead_of, event } = change;
    let (kind, body) = (Word(client.kind()), client.body());
    let mut transaction = store.begin().await?;
    let matched = match instead_of {
        None => {
            let row = values![client.id(), kind, client.version(), &body];
            transaction.execute(DB::SQL.add_client, row).await?
        }
        Some(version) => {
            let row = values![kind, client.version(), &body, client.id(), *version];
            transaction.execute(DB::SQL.change_client, row).await?
        }
    };
    if matched > 0 {
        transaction.execute(DB::SQL.add_event, of_event(event)).await?;
        transaction.commit().await?;
    }
    Ok(matched > 0)
}

pub(crate) async fn unpin<DB: Dialect>(store: &SqlStore<DB>, id: &ClientId, event: &Event) -> Result<bool, Failure> {
    let mut transaction = store.begin().await?;
    let matched = transaction.execute(DB::SQL.drop_client, values![id, Word(StoredClient::PINNED)]).await?;
    if matched > 0 {
        transaction.execute(DB::SQL.add_event, of_event(event)).await?;
        transaction.commit().await?;
    }
    Ok(matched > 0)
}
