//! One code, and one refresh token, presented 64 times at once to four processes.

use std::collections::BTreeSet;

use dcr_e2e::{Answer, Browser, Client, Cluster, Tokens};
use tokio::task::JoinSet;

use crate::databases::Database;
use crate::support::{LOOPBACK, answered_by, cluster, generation};

const TASKS: usize = 64;
const ROUNDS: usize = 20;
const REPLICAS: usize = 4;

pub(crate) fn tests() -> Vec<(&'static str, crate::Test)> {
    crate::tests! {
        a_code_is_redeemed_once_over_all_processes
        a_refresh_token_has_one_successor_over_all_processes
    }
}

/// So many answers to one request, wherever the load balancer sends it.
async fn at_once<F>(send: impl Fn() -> F) -> Vec<Answer>
where
    F: Future<Output = Answer> + Send + 'static,
{
    let mut tasks = JoinSet::new();
    for _ in 0..TASKS {
        tasks.spawn(send());
    }
    tasks.join_all().await
}

fn everybody_answered(cluster: &Cluster, by: &BTreeSet<usize>) {
    assert_eq!(by.len(), REPLICAS, "the load was spread");
    let errors = cluster.balancer().server_errors();
    assert!(errors.is_empty(), "{errors:?}");
}

/// RACE-01, I-4, I-12.
async fn a_code_is_redeemed_once_over_all_processes(database: Database) {
    let cluster = cluster(&database, REPLICAS).await;
    let client = Client::register(cluster.site(), &[LOOPBACK]).await;
    let mut browser = Browser::of("ada");
    let (mut by, mut winners) = (BTreeSet::new(), BTreeSet::new());
    for round in 0..ROUNDS {
        let flow = client.authorize();
        let landed = browser.sign_in(&flow.url).await.client();
        let code = client.code(&flow, &landed);
        let redeem = || {
            let (client, code, verifier) = (client.clone(), code.clone(), flow.verifier.clone());
            async move { client.redeem(&code, &verifier).await }
        };
        let answers = at_once(redeem).await;
        by.extend(answers.iter().filter_map(answered_by));
        let (won, lost): (Vec<_>, Vec<_>) = answers.into_iter().partition(|answer| answer.status == 200);
        assert_eq!((won.len(), lost.len()), (1, TASKS - 1), "round {round}");
        for answer in lost {
            assert_eq!(answer.oauth_error(), (400, "invalid_grant".to_owned()));
        }
        winners.extend(won.first().and_then(answered_by));
        let tokens = won.into_iter().map(Tokens::from).next().unwrap();
        for replica in 0..REPLICAS {
            assert_eq!(cluster.bearer(replica, &tokens.access).await, Some(200), "the winner's session lives");
        }
        client.refresh(&tokens.refresh).await.expect(200);
    }
    assert!(winners.len() > 1, "not always the same process wins");
    everybody_answered(&cluster, &by);
}

/// RACE-02, RT-2: the answers are from different processes and carry one and the same successor.
async fn a_refresh_token_has_one_successor_over_all_processes(database: Database) {
    let cluster = cluster(&database, REPLICAS).await;
    let client = Client::register(cluster.site(), &[LOOPBACK]).await;
    let mut tokens = client.sign_in(&mut Browser::of("ada")).await;
    let mut by = BTreeSet::new();
    for round in 0..ROUNDS {
        let refresh = || {
            let (client, token) = (client.clone(), tokens.refresh.clone());
            async move { client.refresh(&token).await }
        };
        let answers = at_once(refresh).await;
        by.extend(answers.iter().filter_map(answered_by));
        let answers: Vec<Tokens> = answers.into_iter().map(Tokens::from).collect();
        let successors: BTreeSet<&str> = answers.iter().map(|answer| answer.refresh.as_str()).collect();
        assert_eq!((answers.len(), successors.len()), (TASKS, 1), "round {round}");
        let accesses: BTreeSet<&str> = answers.iter().map(|answer| answer.access.as_str()).collect();
        assert_eq!(accesses.len(), TASKS, "each gets a fresh access token");
        tokens = answers.into_iter().next().unwrap();
    }
    everybody_answered(&cluster, &by);
    let (session, last) = generation(&tokens.refresh);
    assert_eq!(last as usize, ROUNDS + 1);
    let row = database.store().await.session(session).await.unwrap().unwrap().session;
    assert_eq!(row.generation.get(), last, "one row, one counter");
}
