//! Upstream tokens: many who need one while it lapses, and a person who is disabled at the provider.

use std::sync::Arc;
use std::time::{Duration, Instant};

use dcr_e2e::{Browser, Client, Tokens};
use tokio::sync::Barrier;
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::{REPLICAS, Race, TASKS, is_invalid_grant, rounds};
use crate::databases::Database;
use crate::support::LOOPBACK;

/// Of the token that lapses. The last tenth of it does not count.
const LIFE: Duration = Duration::from_secs(2);

pub(super) fn tests() -> Vec<(&'static str, crate::Test)> {
    crate::tests! {
        up_05_a_token_that_lapses_is_refreshed_once_for_64_tasks_on_two_processes
        up_07_a_person_who_is_disabled_upstream_is_out_everywhere
    }
}

/// Each round waits for a token to lapse: a fifth as many as of the others.
async fn up_05_a_token_that_lapses_is_refreshed_once_for_64_tasks_on_two_processes(database: Database) {
    let mut race = Race::new("upstream tokens", &database, &[("DCR_UPSTREAM_SCOPES", "User.Read")]).await;
    let client = Client::register(race.site(), &[LOOPBACK]).await;
    for _ in 0..rounds().div_ceil(5) {
        race.cluster.idp().set_access_lifetime(Some(LIFE));
        let tokens = client.sign_in(&mut Browser::of("ada")).await;
        let lapsed = Instant::now() + LIFE;
        race.cluster.idp().set_access_lifetime(None);
        let mut sessions = Vec::new();
        for replica in 0..REPLICAS {
            sessions.push(race.cluster.replica(replica).mcp_session(&tokens.access).await);
        }
        let before = race.cluster.idp().counters();
        sleep(lapsed.saturating_duration_since(Instant::now())).await;
        let together = Arc::new(Barrier::new(TASKS));
        let mut tasks = JoinSet::new();
        for n in 0..TASKS {
            let (site, session) = (race.cluster.replica(n % REPLICAS), sessions[n % REPLICAS].clone());
            let (access, together) = (tokens.access.clone(), Arc::clone(&together));
            tasks.spawn(async move {
                together.wait().await;
                site.call_in(&access, &session, "profile").await
            });
        }
        for said in tasks.join_all().await {
            assert_eq!(said["result"]["structuredContent"]["displayName"], "Ada Example", "{said}");
        }
        let after = race.cluster.idp().counters();
        assert_eq!(after.refreshes - before.refreshes, 1, "one refresh for all of them");
        assert_eq!(after.graph - before.graph, TASKS as u64, "each by itself");
        assert_eq!(race.store.counts().await.unwrap().upstream_tokens, 1);
        race.rounds += 1;
        race.requests += TASKS;
    }
    race.over("").await;
}

/// At the next refresh of any of their clients, and with it every session and access token that they have.
async fn up_07_a_person_who_is_disabled_upstream_is_out_everywhere(database: Database) {
    let mut race = Race::new("disabled upstream", &database, &[("DCR_RECHECK", "refresh")]).await;
    let client = Client::register(race.site(), &[LOOPBACK]).await;
    for round in 0..rounds().div_ceil(5) {
        let mut all = Vec::new();
        for _ in 0..4 {
            all.push(client.sign_in(&mut Browser::of("ada")).await);
        }
        let bob = client.sign_in(&mut Browser::of("bob")).await;
        let first = Tokens::from(race.at(&client, round).refresh(&all[0].refresh).await);
        assert!(race.cluster.idp().update_user("ada", |user| user.disabled = true));
        let refused = race.at(&client, round + 1).refresh(&first.refresh).await;
        let confirmed = Instant::now();
        is_invalid_grant(&refused);
        let access: Vec<String> = all.iter().chain([&first]).map(|tokens| tokens.access.clone()).collect();
        race.is_dead(&access, confirmed, &[(round + 1) % REPLICAS]).await;
        for tokens in &all {
            is_invalid_grant(&race.at(&client, round).refresh(&tokens.refresh).await);
        }
        assert_eq!(race.at(&client, round).refresh(&bob.refresh).await.status, 200, "nobody else is");
        assert!(race.cluster.idp().update_user("ada", |user| user.disabled = false));
        race.rounds += 1;
        race.requests += 4;
    }
    race.over("").await;
}
