//! Callbacks: one twice, many first ones together, on an empty database, above the cap, and beside an import.

use std::collections::BTreeSet;

use dcr_core::session::{User, UserId};
use dcr_core::store::UserQuery;
use dcr_core::upstream::{Groups, Roles};
use dcr_core::{ClientId, ImportedClient, ImportedUse, PlatformList, Timestamp};
use dcr_e2e::{Browser, Client, Http, Shot, Tokens, Volley};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::{REPLICAS, Race, TASKS, code_in, is_invalid_grant, rounds};
use crate::databases::Database;
use crate::operator::dcr_json;
use crate::support::{LOOPBACK, PLATFORM, claims, generation};

const PEOPLE: [&str; 4] = ["ada", "bob", "carol", "dan"];
/// Live sessions that a connection may have.
const CAP: usize = 20;

pub(super) fn tests() -> Vec<(&'static str, crate::Test)> {
    crate::tests! {
        cb_05_i_03_of_many_callbacks_of_one_sign_in_one_gets_a_code
        race_06_me_10_first_sign_ins_make_one_connection_for_each_person
        race_06_first_sign_ins_on_a_database_without_tables_and_keys
        mg_10_sign_ins_above_the_cap_end_the_idle_ones_and_harm_no_refresh
        mg_13_i_16_sign_ins_beside_an_import_end_in_its_connection
    }
}

/// Everybody is somebody that this server has never seen. Answers who, in the order of [`PEOPLE`].
fn newcomers(race: &Race, round: usize) -> Vec<String> {
    let mut all = Vec::new();
    for (n, person) in PEOPLE.iter().enumerate() {
        let oid = format!("{:08x}-0000-4000-8000-{:012x}", std::process::id(), round * PEOPLE.len() + n);
        assert!(race.cluster.idp().update_user(person, |user| user.oid.clone_from(&oid)));
        all.push(oid);
    }
    all
}

fn user(race: &Race, oid: &str) -> User {
    let (issuer, tenant) = (race.cluster.idp().entra_issuer(), race.cluster.idp().tenant_id().to_owned());
    let id = UserId::derive(&issuer, &tenant, oid);
    User {
        id,
        issuer,
        tenant,
        object_id: oid.to_owned(),
        name: None,
        email: None,
        groups: Groups::Unsaid,
        roles: Roles::default(),
    }
}

/// A public client of this name.
async fn registered(race: &Race, name: &str) -> Client {
    let metadata = json!({"client_name": name, "redirect_uris": [LOOPBACK], "token_endpoint_auth_method": "none"});
    let answer = Http::default().post_json(&race.site().url("/oauth/register"), &[], &metadata).await.expect(201);
    let mut client = Client::registered(race.site(), &answer.json());
    LOOPBACK.clone_into(&mut client.redirect);
    client
}

/// CB-1, CB-2, CB-5, I-3, I-12: one sign-in that the provider has answered, 64 callbacks of it at both processes, and eight
/// more from browsers that did not approve it. The provider answers all 64, so that they meet at the store.
async fn cb_05_i_03_of_many_callbacks_of_one_sign_in_one_gets_a_code(database: Database) {
    let mut race = Race::new("one callback", &database, &[]).await;
    let client = Client::register(race.site(), &[LOOPBACK]).await;
    let mut winners = BTreeSet::new();
    for round in 0..rounds() {
        let approved = race.approved(2, &["ada", "bob"], &[&client]).await;
        let [(_, flow, ours), (_, _, others)] = &approved[..] else { panic!("two") };
        race.cluster.idp().gather(TASKS);
        let right = race.shots(TASKS, |site| Shot::callback(ours, site));
        let without = race.shots(4, |site| Shot::callback_with(ours, site, &[]));
        let elsewhere = race.shots(4, |site| Shot::callback_with(ours, site, &[("cookie", &others.cookie)]));
        let volley: Volley = right.into_iter().chain(without).chain(elsewhere).collect();
        let mut fired = race.fire(volley).await;
        for fired in fired.split_off(TASKS) {
            assert_eq!((fired.answer.status.as_u16(), fired.answer.header("location")), (403, None), "CB-2, CB-3");
        }
        let mut codes = Vec::new();
        for (n, fired) in fired.iter().enumerate() {
            match code_in(&fired.answer, &client, flow) {
                Some(code) => {
                    codes.push(code);
                    winners.insert(n % REPLICAS);
                }
                None => assert_eq!((fired.answer.status.as_u16(), fired.answer.header("location")), (400, None)),
            }
        }
        assert_eq!(codes.len(), 1, "round {round}: one sign-in, one code");
        let tokens = Tokens::from(client.redeem(&codes[0], &flow.verifier).await);
        for replica in 0..REPLICAS {
            assert_eq!(race.cluster.bearer(replica, &tokens.access).await, Some(200));
        }
        race.rounds += 1;
        let counts = race.store.counts().await.unwrap();
        // A connection keeps its ended sessions until they are swept.
        assert_eq!((counts.sessions, counts.connections, counts.users), (race.rounds as u64, 1, 1), "I-16");
    }
    assert!(winners.len() == REPLICAS || race.rounds < 10, "not always the same process wins");
    race.over("").await;
}

/// RACE-06, ME-10, MG-13, I-16: four people whom nobody has seen before, sixteen devices each, with two ids of one software
/// that nobody has seen before: four connections, and every device is signed in.
async fn race_06_me_10_first_sign_ins_make_one_connection_for_each_person(database: Database) {
    let mut race = Race::new("first sign-ins", &database, &[]).await;
    for round in 0..rounds() {
        let oids = newcomers(&race, round);
        let clients = [
            registered(&race, &format!("Race {round}")).await,
            registered(&race, &format!("Race {round} (at work)")).await,
        ];
        assert_ne!(clients[0].id, clients[1].id);
        let approved = race.approved(TASKS, &PEOPLE, &[&clients[0], &clients[1]]).await;
        race.cluster.idp().gather(TASKS);
        let fired = race.fire(race.callbacks(&approved).into_iter().collect::<Volley>()).await;
        let mut connections = vec![BTreeSet::new(); PEOPLE.len()];
        for (n, answer) in race.redeemed(&fired, &approved).await.into_iter().enumerate() {
            let claims = claims(&Tokens::from(answer).access);
            assert_eq!(claims["client_id"], approved[n].0.id.as_str(), "the presented id, byte for byte");
            connections[n % PEOPLE.len()].insert(claims["con"].to_string());
        }
        for (oid, connections) in oids.iter().zip(connections) {
            assert_eq!(connections.len(), 1, "round {round}: one person, one software, one connection");
            let rows = race.store.connections_of(&user(&race, oid).id).await.unwrap();
            let [row] = &rows[..] else { panic!("{rows:?}") };
            assert_eq!(row.aliases.len(), 2);
            let sessions = race.store.sessions_of(row.id).await.unwrap();
            assert_eq!(sessions.len(), TASKS / PEOPLE.len());
            assert!(sessions.iter().all(|session| session.ended.is_none() && session.generation.get() == 1));
        }
        race.rounds += 1;
    }
    let counts = race.store.counts().await.unwrap();
    let people = (race.rounds * PEOPLE.len()) as u64;
    assert_eq!((counts.users, counts.connections, counts.aliases), (people, people, 2 * people));
    assert_eq!((counts.sessions, counts.events), ((race.rounds * TASKS) as u64, (race.rounds * TASKS) as u64));
    race.over("").await;
}

/// RACE-06 where nothing is there yet: two processes start at once on a database without tables, whose secret the first of
/// them makes, and 64 people and devices come at once. Whatever one process seals, the other opens.
async fn race_06_first_sign_ins_on_a_database_without_tables_and_keys(database: Database) {
    let (began, count) = (std::time::Instant::now(), rounds().div_ceil(5));
    let mut earlier = (0, 0);
    for round in 1..=count {
        let fresh = Database::fresh(database.kind()).await;
        let mut race = Race::new("an empty database", &fresh, &[("DCR_SECRET", "store")]).await;
        let clients = [
            Client::register(race.site(), &[LOOPBACK]).await,
            Client::unregistered(race.site(), "11111111-2222-3333-4444-555555555555", PLATFORM),
        ];
        let approved = race.approved(TASKS, &PEOPLE, &[&clients[0], &clients[1]]).await;
        race.cluster.idp().gather(TASKS);
        let fired = race.fire(race.callbacks(&approved).into_iter().collect::<Volley>()).await;
        for (n, answer) in race.redeemed(&fired, &approved).await.into_iter().enumerate() {
            let tokens = Tokens::from(answer);
            if n < 2 * PEOPLE.len() {
                for replica in 0..REPLICAS {
                    assert_eq!(race.cluster.bearer(replica, &tokens.access).await, Some(200));
                }
            }
        }
        let counts = race.store.counts().await.unwrap();
        assert_eq!((counts.users, counts.connections, counts.sessions), (4, 8, TASKS as u64), "I-16");
        earlier = (earlier.0 + race.requests, earlier.1 + race.busy);
        if round == count {
            (race.began, race.rounds, race.requests, race.busy) = (began, count, earlier.0, earlier.1);
            race.over(", each with a start of both processes").await;
        }
    }
}

/// MG-10, ME-9, ME-10: 64 sign-ins of one connection at once, while an older device refreshes. Twenty sessions are left, the
/// others are over and say so; whoever got a code of one that is left goes on; the device goes on or was among the idle
/// ones, and never forks.
async fn mg_10_sign_ins_above_the_cap_end_the_idle_ones_and_harm_no_refresh(database: Database) {
    let mut race = Race::new("above the cap", &database, &[]).await;
    let client = Client::register(race.site(), &[LOOPBACK]).await;
    let mut outlived = 0;
    for round in 0..rounds() {
        newcomers(&race, round);
        let device = client.sign_in(&mut Browser::of("ada")).await;
        let approved = race.approved(TASKS, &["ada"], &[&client]).await;
        let form = [("grant_type", "refresh_token"), ("refresh_token", device.refresh.as_str())];
        race.cluster.idp().gather(TASKS);
        let refreshes = race.shots(8, |site| client.asking(site).shot("token", &form));
        let mut fired = race.fire(race.callbacks(&approved).into_iter().chain(refreshes).collect::<Volley>()).await;
        let mut successors = BTreeSet::new();
        for fired in fired.split_off(TASKS) {
            match fired.answer.status.as_u16() {
                200 => drop(successors.insert(Tokens::from(fired.answer).refresh)),
                _ => is_invalid_grant(&fired.answer),
            }
        }
        assert!(successors.len() <= 1, "RT-2");
        let connection = race.session(generation(&device.refresh).0).await.connection;
        let sessions = race.store.sessions_of(connection).await.unwrap();
        let (live, over): (Vec<_>, Vec<_>) = sessions.into_iter().partition(|session| session.ended.is_none());
        assert_eq!((live.len(), over.len()), (CAP, TASKS + 1 - CAP), "round {round}");
        assert!(over.iter().all(|session| session.ended.as_ref().is_some_and(|end| end.reason == "evicted")));
        outlived += usize::from(live.iter().any(|session| session.id == generation(&device.refresh).0));
        let live: BTreeSet<_> = live.into_iter().map(|session| session.id).collect();
        let mut signed_in = 0;
        for answer in race.redeemed(&fired, &approved).await {
            if answer.status == 200 {
                signed_in += 1;
                assert!(live.contains(&generation(&Tokens::from(answer).refresh).0));
            } else {
                is_invalid_grant(&answer);
            }
        }
        assert_eq!(signed_in + usize::from(live.contains(&generation(&device.refresh).0)), CAP);
        race.rounds += 1;
    }
    race.over(&format!(", the refreshing device outlived {outlived} of them")).await;
}

/// MG-13, I-16: four people whom nobody has seen sign in with a platform from fourteen devices each, while two operators
/// bring in what an older system knew of the same people and platform. One connection each, with the old ids as aliases.
async fn mg_13_i_16_sign_ins_beside_an_import_end_in_its_connection(database: Database) {
    const DEVICES: usize = 14;
    let mut race = Race::new("import against sign-in", &database, &[]).await;
    let adopted = Client::unregistered(race.site(), "22222222-aaaa-3333-4444-555555555555", PLATFORM);
    let mut before = 0;
    for round in 0..rounds() {
        let oids = newcomers(&race, round);
        let approved = race.approved(DEVICES * PEOPLE.len(), &PEOPLE, &[&adopted]).await;
        race.cluster.idp().gather(approved.len());
        let volley: Volley = race.callbacks(&approved).into_iter().collect();
        let mut imports = JoinSet::new();
        let site = race.site().clone();
        let old = |n: usize| Client::unregistered(&site, &format!("dcr_old_{round}_{n}"), PLATFORM);
        for (n, oid) in oids.iter().enumerate() {
            let id = ClientId::new(old(n).id).unwrap();
            let (client, refused) = ImportedClient::new(id, Some("Claude"), [PLATFORM]).unwrap();
            assert!(refused.is_empty());
            let platforms = PlatformList::shipped();
            let imported = ImportedUse {
                user: user(&race, oid),
                software: client.software(&platforms),
                platform: client.platform(&platforms),
                clients: vec![client],
                first_used_at: Timestamp::from_unix_micros(1_000_000),
                last_used_at: Timestamp::from_unix_micros(2_000_000),
            };
            for _ in 0..2 {
                let (operator, moment, imported) = (race.operator(), volley.moment(), imported.clone());
                imports.spawn(async move {
                    moment.await;
                    operator.import(imported).await.expect("an import")
                });
            }
        }
        let fired = race.fire(volley).await;
        let imports = imports.join_all().await;
        assert_eq!(imports.iter().map(|done| done.new_clients).sum::<u64>(), 4, "each was brought in once");
        before += imports.iter().filter(|done| done.new_connection).count();
        let mut connections = BTreeSet::new();
        for (n, answer) in race.redeemed(&fired, &approved).await.into_iter().enumerate() {
            connections.insert((n % PEOPLE.len(), claims(&Tokens::from(answer).access)["con"].to_string()));
        }
        assert_eq!(connections.len(), PEOPLE.len(), "round {round}: one connection each");
        for (n, oid) in oids.iter().enumerate() {
            let rows = race.store.connections_of(&user(&race, oid).id).await.unwrap();
            let [row] = &rows[..] else { panic!("{rows:?}") };
            assert!(imports.iter().any(|done| done.connection == row.id));
            let mut aliases: Vec<&str> = row.aliases.iter().map(ClientId::as_str).collect();
            aliases.sort_unstable();
            assert_eq!(aliases, [adopted.id.as_str(), old(n).id.as_str()], "both ids");
            // The old id signs in, and joins them.
            if round % 5 == 0 {
                let tokens = old(n).sign_in(&mut Browser::of(PEOPLE[n])).await;
                let con = (n, claims(&tokens.access)["con"].to_string());
                assert!(connections.contains(&con), "I-16: {con:?}");
            }
        }
        race.rounds += 1;
    }
    let counts = race.store.counts().await.unwrap();
    let people = (race.rounds * PEOPLE.len()) as u64;
    assert_eq!((counts.users, counts.connections, counts.imported_clients), (people, people, people));
    // And as an operator sees it.
    let users = race.store.users(&UserQuery { limit: 1_000, ..UserQuery::default() }).await.unwrap();
    assert_eq!(users.len() as u64, people.min(1_000));
    let shown = dcr_json(&race.cluster, &database, &["connections", users[0].id.as_str(), "--json"]).await;
    assert_eq!(shown.as_array().map(Vec::len), Some(1), "{shown}");
    assert_ne!(shown[0]["connection_id"], Value::Null);
    race.over(&format!(", the import made {before} of {people} connections")).await;
}
