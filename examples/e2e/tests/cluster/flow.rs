//! One flow, every step on another replica.

use dcr_e2e::{Browser, Client, Cluster, Framework, Tokens, at};

use crate::databases::Database;
use crate::support::{LOOPBACK, PLATFORM, answered_by, claims, cluster, generation, introspect};

pub(crate) fn tests() -> Vec<(&'static str, crate::Test)> {
    crate::tests! {
        every_step_is_good_on_any_of_two_replicas
        every_step_is_good_on_any_of_four_replicas
    }
}

async fn every_step_is_good_on_any_of_two_replicas(database: Database) {
    every_step_is_good_on_any_replica(&database, 2).await;
}

async fn every_step_is_good_on_any_of_four_replicas(database: Database) {
    every_step_is_good_on_any_replica(&database, 4).await;
}

/// The replicas start at the same moment on an empty database. Then each flow begins one replica further than the one
/// before it, and each of its steps goes to the replica after the one that took the step before (I-3, I-4, I-5, I-15).
async fn every_step_is_good_on_any_replica(database: &Database, replicas: usize) {
    let cluster = cluster(database, replicas).await;
    assert!(replicas.is_multiple_of(Framework::ALL.len()) || Framework::ALL.len() == 1, "each framework is among them");
    for first in 0..replicas {
        for kind in ["public", "confidential", "adopted"] {
            one_flow(&cluster, first, kind).await;
        }
    }
    let store = database.store().await;
    let counts = store.counts().await.unwrap();
    assert_eq!(counts.sessions, 3 * replicas as u64);
    assert_eq!(counts.users, 1);
    assert_eq!(counts.connections, 2, "I-16: a platform and a local program, however many replicas and ids");
}

async fn one_flow(cluster: &Cluster, first: usize, kind: &str) {
    let mut on = first;
    let mut next = || {
        on = (on + 1) % cluster.size();
        on
    };
    let site = cluster.site();

    let client = match kind {
        "public" => at(next(), Client::register(site, &[LOOPBACK])).await,
        "confidential" => at(next(), Client::register_as(site, &[PLATFORM], "client_secret_basic")).await,
        _ => Client::unregistered(site, "11111111-2222-3333-4444-555555555555", PLATFORM),
    };
    let mut browser = Browser::of("ada");
    let flow = client.authorize();
    let asked = next();
    let consent = at(asked, browser.open(&flow.url)).await.page();
    assert_eq!(answered_by(&consent.answer), Some(asked));
    let login = at(next(), browser.decide(&consent, "approve")).await.page();
    let landed = at(next(), browser.pick(&login)).await.client();
    let code = client.code(&flow, &landed);
    let first = Tokens::from(at(next(), client.redeem(&code, &flow.verifier)).await);
    assert_eq!(claims(&first.access)["client_id"], client.id.as_str(), "the presented id, byte for byte");
    let again = at(next(), client.redeem(&code, &flow.verifier)).await;
    assert_eq!(again.oauth_error(), (400, "invalid_grant".to_owned()));

    let mut tokens = first.clone();
    for _ in 0..cluster.size() {
        let refreshed = Tokens::from(at(next(), client.refresh(&tokens.refresh)).await);
        let again = Tokens::from(at(next(), client.refresh(&tokens.refresh)).await);
        assert_eq!(again.refresh, refreshed.refresh, "RT-2: one successor, whichever replica is asked");
        assert_eq!(generation(&refreshed.refresh).1, generation(&tokens.refresh).1 + 1);
        tokens = refreshed;
    }
    for replica in 0..cluster.size() {
        for access in [&first.access, &tokens.access] {
            assert_eq!(cluster.bearer(replica, access).await, Some(200));
        }
        let who = cluster.replica(replica).whoami(&tokens.access).await;
        assert_eq!(who["client_id"], client.id.as_str());
        assert_eq!(who["name"], "Ada Example");
        let said = at(replica, introspect(site, &tokens.access)).await.expect(200).json();
        assert_eq!((&said["active"], &said["client_id"]), (&true.into(), &client.id.as_str().into()));
    }

    at(next(), client.revoke(&tokens.refresh)).await.expect(200);
    for _ in 0..cluster.size() {
        let said = at(next(), introspect(site, &tokens.access)).await.expect(200).json();
        assert_eq!(said["active"], false, "REV-01");
        let refused = at(next(), client.refresh(&tokens.refresh)).await;
        assert_eq!(refused.oauth_error(), (400, "invalid_grant".to_owned()));
    }
}
