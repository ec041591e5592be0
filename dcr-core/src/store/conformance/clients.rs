//! Cases of rows of clients, and of what counts once.

use super::fixtures::*;
use crate::client::{AuthMethod, CanonicalRedirect, PreRegistered, SealedClient, StoredClient};
use crate::record::EventKind;
use crate::store::PutClient;

fn pin(id: &str) -> StoredClient {
    let client = PreRegistered::confidential(client_id(id), AuthMethod::ClientSecretPost, "s3cret");
    StoredClient::pinned(
        client.name("Caf\u{e9} \u{1F980} 'x' \"y\"").redirect("https://portal.example/cb").redirect("app://x/cb"),
    )
}

fn changed(id: &str, version: u32) -> StoredClient {
    let registration = SealedClient {
        name: Some(format!("version {version}")),
        redirects: vec![CanonicalRedirect::parse("https://a.example/cb", &[]).unwrap()],
        auth_method: AuthMethod::ClientSecretBasic,
        refresh: true,
    };
    StoredClient::changed(client_id(id), version, registration)
}

fn put(n: u32, client: StoredClient, instead_of: Option<u32>) -> PutClient {
    PutClient { client, instead_of, event: event(n, EventKind::ClientPinned) }
}

/// As bytes: no lookalike finds it, and each lookalike is one of its own.
pub async fn client_rows_are_read_back_by_bytes(store: AnyStore) {
    assert!(!store.has_clients().await.unwrap());
    assert_eq!(store.client(&client_id("portal")).await.unwrap(), None);
    for (n, id) in (1..).zip(LOOKALIKES) {
        assert_eq!(store.client(&client_id(id)).await.unwrap(), None, "{id}");
        assert!(store.put_client(put(n, pin(id), None)).await.unwrap());
        assert_eq!(store.client(&client_id(id)).await.unwrap(), Some(pin(id)), "{id}");
        assert!(store.has_clients().await.unwrap());
    }
    for client in [changed("dcr1_changed", 7), StoredClient::deleted(client_id("dcr1_deleted"), 2)] {
        let n = client.version() + 100;
        assert!(store.put_client(put(n, client.clone(), None)).await.unwrap());
        assert_eq!(store.client(client.id()).await.unwrap(), Some(client));
    }
    let counted = counts(&store).await;
    assert_eq!((counted.clients, counted.events), (LOOKALIKES.len() as u64 + 2, LOOKALIKES.len() as u64 + 2));
}

/// A change that does not know what it replaces changes nothing, and is not on the record.
pub async fn a_client_row_is_replaced_only_where_its_version_is_known(store: AnyStore) {
    assert!(!store.put_client(put(1, changed("dcr1_a", 2), Some(1))).await.unwrap(), "there is none yet");
    assert!(store.put_client(put(2, changed("dcr1_a", 1), None)).await.unwrap());
    assert!(!store.put_client(put(3, changed("dcr1_a", 1), None)).await.unwrap(), "there is one already");
    assert!(!store.put_client(put(4, changed("dcr1_a", 3), Some(2))).await.unwrap(), "it is another");
    assert!(store.put_client(put(5, changed("dcr1_a", 2), Some(1))).await.unwrap());
    assert_eq!(store.client(&client_id("dcr1_a")).await.unwrap(), Some(changed("dcr1_a", 2)));
    assert_eq!(counts(&store).await.events, 2);
}

/// What a client deleted of itself stays dead (AD-8).
pub async fn only_pins_are_taken_away(store: AnyStore) {
    assert!(!store.unpin_client(&client_id("portal"), event(1, EventKind::ClientPinned)).await.unwrap());
    store.put_client(put(2, pin("portal"), None)).await.unwrap();
    store.put_client(put(3, StoredClient::deleted(client_id("dcr1_gone"), 1), None)).await.unwrap();
    assert!(!store.unpin_client(&client_id("PORTAL"), event(4, EventKind::ClientPinned)).await.unwrap());
    assert!(!store.unpin_client(&client_id("dcr1_gone"), event(4, EventKind::ClientPinned)).await.unwrap());
    assert!(store.unpin_client(&client_id("portal"), event(5, EventKind::ClientPinned)).await.unwrap());
    assert_eq!(store.client(&client_id("portal")).await.unwrap(), None);
    assert!(store.client(&client_id("dcr1_gone")).await.unwrap().is_some());
    assert_eq!(counts(&store).await.events, 3);
}

/// In the order of their bytes.
pub async fn client_rows_come_in_pages(store: AnyStore) {
    let mut ids: Vec<_> = ["b", "a", "B", "a-1", "aa", "~", "!"].into_iter().map(client_id).collect();
    for (n, id) in (1..).zip(&ids) {
        store.put_client(put(n, pin(id.as_str()), None)).await.unwrap();
    }
    ids.sort_unstable();
    let mut read = Vec::new();
    loop {
        let page = store.clients(read.last(), 3).await.unwrap();
        assert!(page.len() <= 3);
        if page.is_empty() {
            break;
        }
        read.extend(page.iter().map(|client| client.id().clone()));
    }
    assert_eq!(read, ids);
    assert_eq!(store.clients(None, 0).await.unwrap().len(), 1, "a limit is at least 1");
}

/// An id, by all of its bytes.
pub async fn what_counts_once_is_used_once(store: AnyStore) {
    let mut other = [7; 32];
    other[31] = 8;
    assert!(store.use_up(&[7; 32], at(60)).await.unwrap());
    assert!(store.use_up(&other, at(60)).await.unwrap());
    assert!(!store.use_up(&[7; 32], at(60)).await.unwrap());
    assert!(!store.use_up(&[7; 32], at(120)).await.unwrap());
    assert_eq!(counts(&store).await.used_up, 2);
}

/// Only those whose time is over before the given one, and no more than ten times as many as sessions.
pub async fn a_sweep_forgets_what_need_not_be_remembered(store: AnyStore) {
    for n in 0..26 {
        assert!(store.use_up(&[n; 32], at(i64::from(n))).await.unwrap());
    }
    assert_eq!(store.sweep(at(24), 2).await.unwrap(), 0, "no sessions");
    assert_eq!(counts(&store).await.used_up, 6);
    store.sweep(at(24), 100).await.unwrap();
    assert_eq!(counts(&store).await.used_up, 2);
    assert!(!store.use_up(&[24; 32], at(60)).await.unwrap());
    assert!(store.use_up(&[0; 32], at(60)).await.unwrap());
}

/// I-12: of 64 concurrent changes of one version one counts.
pub async fn race_one_of_many_changes_of_a_client_counts(store: AnyStore) {
    for round in 0..10_u32 {
        let instead_of = (round > 0).then_some(round);
        let answers = together(64, |n| {
            let store = AnyStore::clone(&store);
            let change = put(1 + round * 64 + n, changed("dcr1_a", round + 1), instead_of);
            async move { store.put_client(change).await.unwrap() }
        })
        .await;
        assert_eq!(answers.into_iter().filter(|done| *done).count(), 1, "round {round}");
    }
    assert_eq!(counts(&store).await.events, 10);
}

/// I-12: of 64 concurrent uses one counts.
pub async fn race_one_of_many_uses_counts(store: AnyStore) {
    for round in 0..20 {
        let answers = together(64, |_| {
            let store = AnyStore::clone(&store);
            async move { store.use_up(&[round; 32], at(60)).await.unwrap() }
        })
        .await;
        assert_eq!(answers.into_iter().filter(|first| *first).count(), 1, "round {round}");
    }
}
