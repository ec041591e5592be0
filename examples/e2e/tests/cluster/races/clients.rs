//! What clients do that are rows or sign: registrations that change and delete themselves, assertions that come twice,
//! machines.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use dcr_core::store::{EventQuery, Target};
use dcr_core::testing::AssertionKey;
use dcr_core::{AuthMethod, ClientId, Clock as _, PreRegistered, SystemClock};
use dcr_e2e::{Answer, Browser, Client, Http, Shot, Tokens, Volley, at};
use serde_json::{Value, json};
use tokio::time::sleep;

use super::{REPLICAS, Race, TASKS, code_in, is_invalid_grant, rounds, the_only_winner};
use crate::databases::Database;
use crate::support::{claims, generation};

const APP: &str = "https://app.example/callback";
const ASSERTION: (&str, &str) = ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer");
/// Registrations change or delete themselves so often in a minute, at each server.
const CHANGES_A_MINUTE: usize = 60;
/// Of one round, at each server: two changes and one deletion.
const CHANGES: usize = 3;

/// Servers begin to sweep when they have run for ten minutes.
const SWEEPING: Duration = Duration::from_secs(9 * 60);

pub(super) fn tests() -> Vec<(&'static str, crate::Test)> {
    crate::tests! {
        op_01_ad_08_of_many_changes_of_a_registration_one_holds_and_a_deletion_ends_its_use
        tk_08_i_12_an_assertion_counts_once_over_both_processes
        rs_07_no_machine_token_outlives_a_block_or_its_pin
    }
}

/// A registration with its own management (RFC 7592).
struct Managed {
    client: Client,
    path: String,
    token: String,
}

impl Managed {
    async fn register(race: &Race, round: usize) -> Self {
        let metadata = json!({
            "client_name": format!("App {round}"), "redirect_uris": [APP], "token_endpoint_auth_method": "client_secret_post",
        });
        let answer = Http::default().post_json(&race.site().url("/oauth/register"), &[], &metadata).await.expect(201);
        let client = Client::registered(race.site(), &answer.json());
        let mut managed = Self { client, path: String::new(), token: String::new() };
        managed.keep(race, &answer);
        managed
    }

    fn keep(&mut self, race: &Race, answer: &Answer) {
        let answer = answer.json();
        let text = |name: &str| answer[name].as_str().unwrap_or_else(|| panic!("{name}: {answer}")).to_owned();
        let uri = text("registration_client_uri");
        (self.path, self.token) =
            (uri.trim_start_matches(race.site().base()).to_owned(), text("registration_access_token"));
    }

    fn send(&self, method: &str, base: &str, body: &Value) -> Shot {
        let authorization = format!("Bearer {}", self.token);
        let headers = [("authorization", authorization.as_str()), ("content-type", "application/json")];
        let body = if body.is_null() { String::new() } else { body.to_string() };
        Shot::request(method, &format!("{base}{}", self.path), &headers, &body)
    }
}

/// OP-1, AD-8, RT-2: four changes of one registration at once, while its devices refresh and callbacks
/// arrive: one holds, everywhere, and disturbs nobody. Then two deletions at once, in the same crowd: nothing of
/// it is left, everywhere.
async fn op_01_ad_08_of_many_changes_of_a_registration_one_holds_and_a_deletion_ends_its_use(database: Database) {
    let mut race =
        Race::new("registration changed and deleted", &database, &[("DCR_CLIENT_CONFIGURATION", "on")]).await;
    race.look_for_rows().await;
    let in_a_minute = CHANGES_A_MINUTE / CHANGES;
    for round in 0..rounds() {
        if round > 0 && round % in_a_minute == 0 {
            // The bound is of each process and minute.
            for replica in 0..REPLICAS {
                race.cluster.roll(replica).await;
            }
        }
        let mut managed = Managed::register(&race, round).await;
        let client = managed.client.clone();
        let tokens = client.sign_in(&mut Browser::of("ada")).await;
        let form = |token: &str| [("grant_type", "refresh_token".to_owned()), ("refresh_token", token.to_owned())];

        // Four of them change it, each to a redirect URI of its own.
        let approved = race.approved(8, &["ada"], &[&client]).await;
        let uri = |n: usize| format!("https://app.example/{round}/{n}");
        let change = |n: usize| {
            json!({
                "client_id": client.id, "client_name": format!("App {round}"), "redirect_uris": [uri(n)],
                "token_endpoint_auth_method": "client_secret_post",
            })
        };
        let mut volley = Volley::default();
        volley.extend((0..4).map(|n| managed.send("PUT", race.cluster.replica(n % REPLICAS).base(), &change(n))));
        volley.extend(race.callbacks(&approved));
        volley.extend(race.shots(TASKS - 12, |site| {
            let form = form(&tokens.refresh);
            client.asking(site).shot("token", &form.each_ref().map(|(name, value)| (*name, value.as_str())))
        }));
        race.cluster.idp().gather(approved.len());
        let mut fired = race.fire(volley).await;
        let refreshed = fired.split_off(4 + approved.len());
        let refreshed: BTreeSet<String> =
            refreshed.into_iter().map(|fired| Tokens::from(fired.answer).refresh).collect();
        assert_eq!(refreshed.len(), 1, "RT-2: what was granted goes on");
        let returned = fired.split_off(4);
        let won: Vec<usize> = (0..4).filter(|n| fired[*n].answer.status == 200).collect();
        assert_eq!(won.len(), 1, "OP-1: each change makes the token of the others useless: {won:?}");
        for lost in fired.iter().filter(|fired| fired.answer.status != 200) {
            assert_eq!(lost.answer.oauth_error(), (401, "invalid_token".to_owned()));
        }
        managed.keep(&race, &fired[won[0]].answer);
        let row = race.store.client(&ClientId::new(client.id.clone()).unwrap()).await.unwrap().expect("a row");
        assert_eq!(row.version(), 1, "one change");
        // Sign-ins that were approved before it go on under the redirect URI that was approved.
        let sessions = race.redeemed(&returned, &approved).await.into_iter().map(Tokens::from);
        let mut alive: Vec<Tokens> = sessions.collect();
        for replica in 0..REPLICAS {
            for n in 0..4 {
                let moved = Client::unregistered(race.site(), &client.id, &uri(n));
                let status = at(replica, Browser::of("ada").open(&moved.authorize().url)).await.page().answer.status;
                assert_eq!(status, if n == won[0] { 200 } else { 400 }, "round {round}: I-2 at {replica}");
            }
            let page = at(replica, Browser::of("ada").open(&client.authorize().url)).await.page();
            assert_eq!(page.answer.status, 400, "the redirect URI that it had");
        }

        // Two of them delete it.
        let mut moved = client.clone();
        moved.redirect = uri(won[0]);
        let approved = race.approved(14, &["ada"], &[&moved]).await;
        let newest = refreshed.into_iter().next().unwrap();
        let mut volley = Volley::default();
        volley.extend(race.shots(REPLICAS, |site| managed.send("DELETE", site.base(), &Value::Null)));
        volley.extend(race.callbacks(&approved));
        volley.extend(race.shots(TASKS - 16, |site| {
            let form = form(&newest);
            client.asking(site).shot("token", &form.each_ref().map(|(name, value)| (*name, value.as_str())))
        }));
        race.cluster.idp().gather(approved.len());
        let mut fired = race.fire(volley).await;
        let confirmed = Instant::now();
        for fired in fired.split_off(REPLICAS + approved.len()) {
            match fired.answer.status.as_u16() {
                200 => alive.push(Tokens::from(fired.answer)),
                _ => is_invalid_grant(&fired.answer),
            }
        }
        let returned = fired.split_off(REPLICAS);
        let done: Vec<u16> = fired.iter().map(|fired| fired.answer.status.as_u16()).collect();
        assert!(done.contains(&204) && done.iter().all(|status| matches!(status, 204 | 401)), "{done:?}");
        for (fired, (client, flow, _)) in returned.iter().zip(&approved) {
            if let Some(code) = code_in(&fired.answer, client, flow) {
                is_invalid_grant(&client.redeem(&code, &flow.verifier).await);
            }
        }
        let user = race.session(generation(&tokens.refresh).0).await.user;
        for connection in race.store.connections_of(&user).await.unwrap() {
            for session in race.store.sessions_of(connection.id).await.unwrap() {
                assert!(session.ended.is_some(), "{session:?} lives on");
            }
        }
        for replica in 0..REPLICAS {
            let gone = [managed.send("GET", race.cluster.replica(replica).base(), &Value::Null)];
            let gone = gone.into_iter().collect::<Volley>().fire().await;
            assert_eq!(gone[0].answer.oauth_error(), (401, "invalid_token".to_owned()), "OP-1");
            let page = at(replica, Browser::of("ada").open(&moved.authorize().url)).await.page();
            assert_eq!(page.answer.status, 400, "AD-8");
        }
        let access: Vec<String> = alive.iter().rev().take(3).map(|tokens| tokens.access.clone()).collect();
        race.is_dead(&access, confirmed, &[]).await;
        race.rounds += 1;
    }
    race.over("").await;
}

/// TK-8, I-12: one assertion in 64 token requests at both processes gets one answer; 64 assertions in 64 requests get 64.
async fn tk_08_i_12_an_assertion_counts_once_over_both_processes(database: Database) {
    let mut race = Race::new("assertion twice", &database, &[]).await;
    let key = AssertionKey::seeded(7);
    let pin = PreRegistered::with_keys(ClientId::new("signing-portal").unwrap(), &key.jwks()).unwrap();
    race.look_for_rows().await;
    race.operator().pin(pin.name("Portal").redirect(APP), "race").await.unwrap();
    let client = Client::unregistered(race.site(), "signing-portal", APP);
    let issuer = race.site().base().to_owned();
    let assertion = |jti: String| key.assertion("signing-portal", &issuer, SystemClock.now(), &jti);
    let mut browser = Browser::of("ada");
    for round in 0..rounds() {
        let (flow, code) = race.code(&client, &mut browser).await;
        let once = assertion(format!("{round}-code"));
        let shots = race.shots(TASKS, |site| {
            let form = client.redemption(&code, &flow.verifier);
            let form = [&form[..], &[ASSERTION, ("client_assertion", once.as_str())]].concat();
            client.asking(site).shot("token", &form)
        });
        let fired = race.fire(shots.into_iter().collect::<Volley>()).await;
        // Those that lose do so over the assertion; or over the code, which they saw redeemed.
        let (won, lost): (Vec<_>, Vec<_>) = fired.into_iter().partition(|fired| fired.answer.status == 200);
        assert!(lost.iter().all(|fired| matches!(fired.answer.status.as_u16(), 400 | 401)));
        let tokens = the_only_winner(won, (401, ""));

        let refresh = [("grant_type", "refresh_token"), ("refresh_token", tokens.refresh.as_str())];
        let once = assertion(format!("{round}-once"));
        let shots = race.shots(TASKS, |site| {
            let form = [&refresh[..], &[ASSERTION, ("client_assertion", once.as_str())]].concat();
            client.asking(site).shot("token", &form)
        });
        let tokens = the_only_winner(race.fire(shots.into_iter().collect::<Volley>()).await, (401, "invalid_client"));

        let refresh = [("grant_type", "refresh_token"), ("refresh_token", tokens.refresh.as_str())];
        let shots = (0..TASKS).map(|n| {
            let once = assertion(format!("{round}-{n}"));
            let form = [&refresh[..], &[ASSERTION, ("client_assertion", once.as_str())]].concat();
            race.at(&client, n).shot("token", &form)
        });
        let shots: Volley = shots.collect();
        let answers = race.fire(shots).await.into_iter().map(|fired| Tokens::from(fired.answer).refresh);
        assert_eq!(answers.collect::<BTreeSet<_>>().len(), 1, "RT-2");
        let row = race.session(generation(&tokens.refresh).0).await;
        assert_eq!((row.generation.get(), row.ended), (3, None), "nobody's second use ended it");
        race.rounds += 1;
        // Those of a minute ago are swept when the servers have run for ten.
        if race.began.elapsed() < SWEEPING {
            let used_up = race.store.counts().await.unwrap().used_up;
            assert_eq!(used_up as usize, race.rounds * (TASKS + 2), "I-1: a row for each that counted");
        }
    }
    race.over("").await;
}

/// RS-7: machines ask for tokens at both processes, 64 at once, while the operator blocks their id or takes their pin away.
/// After a block nobody gets one; after either, none is good for longer than the bound, at either process.
async fn rs_07_no_machine_token_outlives_a_block_or_its_pin(database: Database) {
    let mut race = Race::new("machine", &database, &[]).await;
    let operator = race.operator();
    let secret = "a-machine-secret-of-a-test-that-is-long";
    let pin = |id: &ClientId| {
        PreRegistered::confidential(id.clone(), AuthMethod::ClientSecretBasic, secret).client_credentials()
    };
    race.look_for_rows().await;
    let (mut given, mut refused) = (0, 0);
    for round in 0..rounds() {
        let id = ClientId::new(format!("nightly-report-{round}")).unwrap();
        operator.pin(pin(&id), "race").await.unwrap();
        let mut client = Client::unregistered(race.site(), id.as_str(), APP);
        "client_secret_basic".clone_into(&mut client.auth_method);
        client.secret = Some(secret.to_owned());
        let form = [("grant_type", "client_credentials"), ("scope", "mcp")];
        for replica in 0..REPLICAS {
            let first = race.at(&client, replica).token(&form).await.expect(200).json();
            let first = first["access_token"].as_str().unwrap();
            assert_eq!(claims(first)["client_id"], id.as_str());
            assert_eq!(race.cluster.bearer(replica, first).await, Some(200), "it is believed from now on");
        }
        let volley: Volley = race.shots(TASKS, |site| client.asking(site).shot("token", &form)).into_iter().collect();
        let (moment, ending, target) = (volley.moment(), operator.clone(), Target::ClientId(id.clone()));
        let (blocks, delay) = (round % 2 == 0, Duration::from_millis(2 * (round % 10) as u64));
        let ended = tokio::spawn(async move {
            moment.await;
            sleep(delay).await;
            if blocks {
                ending.block(&target, "race").await.expect("a block");
            } else {
                assert!(ending.unpin(&id, "race").await.expect("an end").is_some());
            }
            Instant::now()
        });
        let fired = race.fire(volley).await;
        let confirmed = ended.await.unwrap();
        let mut tokens = Vec::new();
        for fired in fired {
            if fired.answer.status == 200 {
                assert!(!blocks || fired.began <= confirmed, "a token that was asked for after the block");
                let answer = fired.answer.json();
                assert!(answer.get("refresh_token").is_none());
                tokens.push(answer["access_token"].as_str().unwrap().to_owned());
            } else {
                let (status, error) = fired.answer.oauth_error();
                assert!(matches!((status, error.as_str()), (400, "unauthorized_client") | (401, "invalid_client")));
                refused += 1;
            }
        }
        given += tokens.len();
        for replica in 0..REPLICAS {
            let answer = race.at(&client, replica).token(&form).await;
            if blocks {
                assert_eq!(answer.oauth_error(), (400, "unauthorized_client".to_owned()), "after the block");
            }
        }
        let some: Vec<String> = tokens.iter().take(1).chain(tokens.iter().rev().take(2)).cloned().collect();
        race.will_be_dead(&some, confirmed);
        race.rounds += 1;
    }
    let counts = race.store.counts().await.unwrap();
    assert_eq!((counts.sessions, counts.users, counts.connections), (0, 0, 0), "no person, no session");
    let events = race.store.events(&EventQuery { limit: 1_000, ..EventQuery::default() }).await.unwrap();
    let seen = events.iter().filter(|event| event.kind.as_str() == "machine_signed_in").count();
    assert!(seen <= REPLICAS * race.rounds, "once for each process and hour: {seen}");
    race.over(&format!(", {given} tokens given, {refused} refused")).await;
}
