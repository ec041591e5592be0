//! Codes and refresh tokens: redemption, refresh, replay, and refresh against revocation.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use dcr_core::store::EventQuery;
use dcr_e2e::{Browser, Client, Shot, Tokens, Volley};
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::{Chain, Newest, REPLICAS, Race, TASKS, is_invalid_grant, rounds, the_only_winner};
use crate::databases::Database;
use crate::support::{LOOPBACK, PLATFORM, generation};

/// A code that comes again later than this is a replay.
const DOUBLE_SUBMIT: Duration = Duration::from_millis(10_200);

/// Sessions that a person has at a time, of the twenty that a connection may have; others outlived their replay.
const PER_PERSON: usize = 5;

pub(super) fn tests() -> Vec<(&'static str, crate::Test)> {
    crate::tests! {
        race_01_tk_04_of_many_redemptions_of_a_code_one_wins
        race_02_rt_02_a_refresh_token_has_one_successor
        rev_01_no_refresh_that_begins_after_a_revocation_succeeds
        tk_04_rt_01_replays_end_a_session_that_is_refreshed_meanwhile
    }
}

/// RACE-01, TK-4, I-4, I-12: 64 redemptions of one code, and with them two by a client whose code it is not.
async fn race_01_tk_04_of_many_redemptions_of_a_code_one_wins(database: Database) {
    let mut race = Race::new("redemption", &database, &[]).await;
    let client = Client::register(race.site(), &[LOOPBACK]).await;
    let thief = Client::register(race.site(), &["http://127.0.0.1:49152/elsewhere"]).await;
    let mut browser = Browser::of("ada");
    for round in 0..rounds() {
        let (flow, code) = race.code(&client, &mut browser).await;
        let by = |client: &Client, count: usize| {
            race.shots(count, |site| client.asking(site).shot("token", &client.redemption(&code, &flow.verifier)))
        };
        let (honest, stolen) = (by(&client, TASKS), by(&thief, REPLICAS));
        let mut fired = race.fire(honest.into_iter().chain(stolen).collect::<Volley>()).await;
        for fired in fired.split_off(TASKS) {
            is_invalid_grant(&fired.answer);
        }
        let tokens = the_only_winner(fired, (400, "invalid_grant"));
        // What stands then: a session at its first generation, alive at both, and its token works.
        let (session, at) = generation(&tokens.refresh);
        let row = race.session(session).await;
        assert_eq!((at, row.generation.get()), (1, 1), "round {round}");
        assert!(row.redeemed_at.is_some() && row.ended.is_none(), "TK-5: nobody's mistake ends it");
        for replica in 0..REPLICAS {
            assert_eq!(race.cluster.bearer(replica, &tokens.access).await, Some(200));
        }
        client.refresh(&tokens.refresh).await.expect(200);
        race.rounds += 1;
    }
    let counts = race.store.counts().await.unwrap();
    assert_eq!((counts.sessions, counts.connections, counts.users), (race.rounds as u64, 1, 1));
    race.over("").await;
}

/// RACE-02, RT-2, RT-4: 64 refreshes of one token inside the grace, and with them eight of another client.
async fn race_02_rt_02_a_refresh_token_has_one_successor(database: Database) {
    let mut race = Race::new("refresh", &database, &[]).await;
    let client = Client::register(race.site(), &[LOOPBACK]).await;
    let stranger = Client::unregistered(race.site(), "99999999-2222-3333-4444-555555555555", PLATFORM);
    let mut tokens = client.sign_in(&mut Browser::of("ada")).await;
    let first = tokens.clone();
    for round in 0..rounds() {
        let form = [("grant_type", "refresh_token"), ("refresh_token", tokens.refresh.as_str())];
        let by = |client: &Client, count| race.shots(count, |site| client.asking(site).shot("token", &form));
        let (honest, strangers) = (by(&client, TASKS), by(&stranger, 8));
        let mut fired = race.fire(honest.into_iter().chain(strangers).collect::<Volley>()).await;
        for fired in fired.split_off(TASKS) {
            is_invalid_grant(&fired.answer);
        }
        let answers: Vec<Tokens> = fired.into_iter().map(|fired| Tokens::from(fired.answer)).collect();
        let successors: BTreeSet<&str> = answers.iter().map(|answer| answer.refresh.as_str()).collect();
        let accesses: BTreeSet<&str> = answers.iter().map(|answer| answer.access.as_str()).collect();
        assert_eq!((answers.len(), successors.len(), accesses.len()), (TASKS, 1, TASKS), "round {round}");
        tokens = answers.into_iter().next().unwrap();
        race.rounds += 1;
    }
    let (session, last) = generation(&tokens.refresh);
    assert_eq!(last as usize, race.rounds + 1);
    let row = race.session(session).await;
    assert_eq!((row.generation.get(), row.ended), (last, None), "one row, one counter");
    for replica in 0..REPLICAS {
        for access in [&first.access, &tokens.access] {
            assert_eq!(race.cluster.bearer(replica, access).await, Some(200));
        }
    }
    let counts = race.store.counts().await.unwrap();
    assert_eq!((counts.sessions, counts.connections), (1, 1), "one lineage");
    race.over("").await;
}

/// REV-01, RS-7: 63 programs refresh and refresh at both processes while the client revokes at one. What was revoked is
/// dead: no refresh that begins after the answer to the revocation succeeds, no token of the session is good for longer
/// than the bound, at either process.
async fn rev_01_no_refresh_that_begins_after_a_revocation_succeeds(database: Database) {
    let mut race = Race::new("refresh against revocation", &database, &[]).await;
    let client = Client::register(race.site(), &[LOOPBACK]).await;
    let mut browser = Browser::of("ada");
    let (mut before, mut crossed) = (0, 0);
    for round in 0..rounds() {
        let first = client.sign_in(&mut browser).await;
        for replica in 0..REPLICAS {
            assert_eq!(race.cluster.bearer(replica, &first.access).await, Some(200), "both know it");
        }
        let (volley, newest) = (Volley::default(), Newest::of(&first.refresh));
        let mut chains = JoinSet::new();
        for n in 0..TASKS - 1 {
            chains.spawn(Chain::run(race.at(&client, n), newest.clone(), volley.moment()));
        }
        let (revoking, moment) = (race.at(&client, round), volley.moment());
        // A little later in each round, so that it meets the refreshes at all of their steps.
        let delay = Duration::from_millis(3 * (round % 20) as u64);
        let token = if round % 4 < 2 { first.refresh.clone() } else { first.access.clone() };
        let revoked = tokio::spawn(async move {
            moment.await;
            sleep(delay).await;
            let answer = loop {
                let answer = revoking.revoke(&token).await;
                if answer.status != 503 {
                    break answer;
                }
            };
            answer.expect(200);
            Instant::now()
        });
        volley.fire().await;
        let revoked = revoked.await.unwrap();
        let chain = Chain::join(chains.join_all().await);
        race.requests += chain.requests + 1;
        race.busy += chain.busy;
        if let Some(last) = chain.last_won {
            assert!(last <= revoked, "round {round}: it began {:?} after the revocation", last - revoked);
            before += 1;
            crossed += usize::from(last + Duration::from_millis(20) > revoked);
        }
        let (session, _) = generation(&first.refresh);
        let row = race.session(session).await;
        assert_eq!(row.ended.expect("it ended").reason, "revoked_by_client");
        for (n, token) in chain.refresh.iter().chain([&first.refresh]).enumerate() {
            is_invalid_grant(&race.at(&client, n).refresh(token).await);
        }
        assert_eq!(race.session(session).await.generation, row.generation, "nothing moves any more");
        // The first ones, which are in everybody's caches, and the last ones, which are in nobody's.
        let (early, late) = chain.access.split_at(chain.access.len() / 2);
        let access = early.iter().take(1).chain(late.iter().rev().take(2)).chain([&first.access]);
        let access: Vec<String> = access.cloned().collect();
        race.is_dead(&access, revoked, &[round % REPLICAS]).await;
        let query = EventQuery { session: Some(session), limit: 100, ..EventQuery::default() };
        let kinds: Vec<_> = race.store.events(&query).await.unwrap().into_iter().map(|event| event.kind).collect();
        assert_eq!(kinds.iter().filter(|kind| kind.as_str() == "revoked").count(), 1, "{kinds:?}");
        race.rounds += 1;
    }
    race.over(&format!(", refreshed before it in {before} rounds, within 20 ms of it in {crossed}")).await;
}

/// TK-4, TOK-11, RT-1, RT-03: late replays of a code, or of a refresh token, against the rightful refresh. A replay of the
/// code ends the session, whoever comes first. One of an old token does, unless the rightful one was faster: then it is a
/// straggler inside the grace of that refresh, and refused.
async fn tk_04_rt_01_replays_end_a_session_that_is_refreshed_meanwhile(database: Database) {
    let mut race = Race::new("replay", &database, &[("DCR_REFRESH_GRACE", "1")]).await;
    let client = Client::register(race.site(), &[LOOPBACK]).await;
    let mut stragglers = 0;
    while race.rounds < rounds() {
        // Of four people, so that nobody has more than a connection may have.
        let mut sessions = Vec::new();
        for round in race.rounds..rounds().min(race.rounds + 4 * PER_PERSON) {
            let mut browser = Browser::of(["ada", "bob", "carol", "dan"][round % 4]);
            let (flow, code) = race.code(&client, &mut browser).await;
            let first = Tokens::from(client.redeem(&code, &flow.verifier).await);
            let second = Tokens::from(client.refresh(&first.refresh).await);
            sessions.push((flow, code, first, second));
        }
        sleep(DOUBLE_SUBMIT).await;
        for (round, (flow, code, first, second)) in sessions.into_iter().enumerate() {
            let of_code = round % 2 == 0;
            let refresh = |token: &str, site: &_| {
                client.asking(site).shot("token", &[("grant_type", "refresh_token"), ("refresh_token", token)])
            };
            let replay = |site: &_| match of_code {
                true => client.asking(site).shot("token", &client.redemption(&code, &flow.verifier)),
                false => refresh(&first.refresh, site),
            };
            let replays = race.shots(TASKS / 2, replay);
            let rightful = race.shots(TASKS / 2, |site| refresh(&second.refresh, site));
            let shots: Vec<Shot> = replays.into_iter().zip(rightful).flat_map(|(one, other)| [one, other]).collect();
            let mut all = vec![first.access.clone(), second.access.clone()];
            let mut newest = second.refresh.clone();
            for (n, fired) in race.fire(shots.into_iter().collect::<Volley>()).await.into_iter().enumerate() {
                if n % 2 == 1 && fired.answer.status == 200 {
                    let tokens = Tokens::from(fired.answer);
                    assert_eq!(generation(&tokens.refresh).1, 3, "one successor");
                    newest = tokens.refresh;
                    all.push(tokens.access);
                } else {
                    is_invalid_grant(&fired.answer);
                }
            }
            let (session, _) = generation(&second.refresh);
            let row = race.session(session).await;
            if row.ended.is_none() {
                assert!(!of_code, "a code that comes again late ends what it issued");
                assert_eq!(row.generation.get(), 3, "the rightful refresh was the first");
                client.refresh(&newest).await.expect(200);
                stragglers += 1;
            } else {
                for (n, token) in [&newest, &second.refresh, &first.refresh].into_iter().enumerate() {
                    is_invalid_grant(&race.at(&client, n).refresh(token).await);
                }
                race.is_dead(&all, Instant::now(), &[]).await;
            }
            race.rounds += 1;
        }
    }
    race.over(&format!(", {stragglers} sessions outran the replay")).await;
}
