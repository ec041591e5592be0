//! How long a revocation takes to reach every replica.

use std::time::{Duration, Instant};

use dcr_core::store::Target;
use dcr_core::{Operator, SystemClock, SystemRandom};
use dcr_e2e::{Browser, Client, Cluster, Tokens, at};
use std::sync::Arc;
use tokio::time::sleep;

use crate::databases::Database;
use crate::support::{LOOPBACK, cluster, generation, introspect};

/// What was promised.
const BOUND: Duration = Duration::from_secs(5);
const ROUNDS: usize = 4;

pub(crate) fn tests() -> Vec<(&'static str, crate::Test)> {
    crate::tests! {
        a_revocation_is_seen_by_every_replica_within_five_seconds
        an_operators_revocation_is_seen_by_every_replica_within_five_seconds
    }
}

/// RS-7, REV-01: at once by the replica that did it, within the bound by the others, which were in use all the time.
async fn a_revocation_is_seen_by_every_replica_within_five_seconds(database: Database) {
    let cluster = cluster(&database, 4).await;
    let client = Client::register(cluster.site(), &[LOOPBACK]).await;
    let mut worst = Duration::ZERO;
    for round in 0..ROUNDS {
        let tokens = signed_in_and_known(&cluster, &client).await;
        let on = round % cluster.size();
        at(on, client.revoke(&tokens.refresh)).await.expect(200);
        let confirmed = Instant::now();
        assert_eq!(cluster.bearer(on, &tokens.access).await, Some(401), "at once in this process");
        for replica in 0..cluster.size() {
            let said = at(replica, introspect(cluster.site(), &tokens.access)).await;
            assert_eq!(said.json()["active"], false, "it asks the store");
        }
        worst = worst.max(until_refused_everywhere(&cluster, &tokens.access, confirmed).await);
    }
    eprintln!("  {ROUNDS} rounds, the slowest seen everywhere after {worst:.2?}");
}

/// The same for a process that serves nobody, as the operator's command is one.
async fn an_operators_revocation_is_seen_by_every_replica_within_five_seconds(database: Database) {
    let cluster = cluster(&database, 2).await;
    let client = Client::register(cluster.site(), &[LOOPBACK]).await;
    let operator = Operator::new(database.store().await, Arc::new(SystemClock), Arc::new(SystemRandom));
    let mut worst = Duration::ZERO;
    for _ in 0..ROUNDS {
        let tokens = signed_in_and_known(&cluster, &client).await;
        let (session, _) = generation(&tokens.refresh);
        assert_eq!(operator.revoke(&Target::Session(session), "stolen laptop").await.unwrap(), [session]);
        worst = worst.max(until_refused_everywhere(&cluster, &tokens.access, Instant::now()).await);
    }
    eprintln!("  {ROUNDS} rounds, the slowest seen everywhere after {worst:.2?}");
}

/// Every replica has the session in its caches.
async fn signed_in_and_known(cluster: &Cluster, client: &Client) -> Tokens {
    let tokens = client.sign_in(&mut Browser::of("ada")).await;
    for replica in 0..cluster.size() {
        assert_eq!(cluster.bearer(replica, &tokens.access).await, Some(200));
    }
    tokens
}

async fn until_refused_everywhere(cluster: &Cluster, access: &str, confirmed: Instant) -> Duration {
    let mut open: Vec<usize> = (0..cluster.size()).collect();
    let mut took = Duration::ZERO;
    while !open.is_empty() {
        let mut still = Vec::new();
        for replica in open {
            match cluster.bearer(replica, access).await {
                Some(401) => took = confirmed.elapsed(),
                Some(200) => still.push(replica),
                other => panic!("replica {replica}: {other:?}"),
            }
        }
        assert!(confirmed.elapsed() < BOUND, "{still:?} still let a revoked session in");
        open = still;
        sleep(Duration::from_millis(10)).await;
    }
    took
}
