//! Many people and programs at once while processes are killed and come back: nothing that was confirmed to somebody is
//! lost, and no lineage of tokens forks.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use dcr_core::session::{ConnectionId, SessionId};
use dcr_core::store::{Store, UserQuery};
use dcr_e2e::{Answer, Browser, Client, Cluster, Http, Landing, Random, Tokens, at};
use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::databases::Database;
use crate::support::{cluster, duration, generation, introspect, seed};

const PEOPLE: [&str; 4] = ["ada", "bob", "carol", "dan"];
const WORKERS: usize = 8;
/// At most so many sessions of one worker; a connection may have 20.
const SESSIONS: usize = 4;
/// What was promised for revocations.
const BOUND: Duration = Duration::from_secs(5);
/// A killed replica is back long before.
const TRIES: usize = 200;

pub(crate) fn tests() -> Vec<(&'static str, crate::Test)> {
    crate::tests! {
        kill_9_of_one_of_two_replicas_loses_nothing
        kill_9_of_some_of_four_replicas_loses_nothing
    }
}

async fn kill_9_of_one_of_two_replicas_loses_nothing(database: Database) {
    kill_9_loses_nothing(database, 2, 6).await;
}

async fn kill_9_of_some_of_four_replicas_loses_nothing(database: Database) {
    kill_9_loses_nothing(database, 4, 8).await;
}

/// What everybody knows together.
struct World {
    cluster: Cluster,
    over: AtomicBool,
    ledger: Mutex<Ledger>,
}

#[derive(Default)]
struct Ledger {
    /// The one successor of each refresh token that was answered.
    successors: BTreeMap<String, String>,
    /// What became of each code: whether it brought tokens.
    codes: BTreeSet<String>,
    /// When the last replica saw a revocation, after it was confirmed.
    seen_after: Vec<Duration>,
    figures: Figures,
}

#[derive(Debug, Default)]
struct Figures {
    kills: u64,
    sign_ins: u64,
    unfinished: u64,
    refreshes: u64,
    retries: u64,
    bearers: u64,
    refused_old: u64,
    revocations: u64,
}

/// A session as its client knows it.
struct Held {
    client: Arc<Client>,
    /// All refresh tokens, by generation from 1 on.
    tokens: Vec<String>,
    access: String,
}

impl Held {
    fn current(&self) -> &str {
        self.tokens.last().expect("at least the first")
    }

    fn id(&self) -> SessionId {
        generation(self.current()).0
    }
}

impl World {
    fn ledger<T>(&self, change: impl FnOnce(&mut Ledger) -> T) -> T {
        change(&mut self.ledger.lock().unwrap())
    }

    /// Sends something until somebody answers. The answer, and whether one got lost before it.
    async fn insist<F: Future<Output = Answer>>(&self, mut send: impl FnMut() -> F) -> (Answer, bool) {
        for tries in 0..TRIES {
            let answer = send().await;
            if answer.header("x-replica") != Some("balancer") {
                return (answer, tries > 0);
            }
            self.ledger(|ledger| ledger.figures.retries += 1);
            sleep(Duration::from_millis(10)).await;
        }
        panic!("no replica answers");
    }
}

async fn kill_9_loses_nothing(database: Database, replicas: usize, seconds: u64) {
    let cluster = cluster(&database, replicas).await;
    let mut random = Random::new(seed());
    let world = Arc::new(World { cluster, over: AtomicBool::new(false), ledger: Mutex::default() });
    let _diagnosis = world.cluster.diagnosis();
    let began = Instant::now();

    let mut workers = JoinSet::new();
    for n in 0..WORKERS {
        workers.spawn(work(Arc::clone(&world), n, random.fork(n)));
    }
    let killer = tokio::spawn(kill(Arc::clone(&world), random.fork(WORKERS), began + duration(seconds)));
    // A worker that panics has found something: the rest would only hide it.
    let mut held = Vec::new();
    while let Some(worker) = workers.join_next().await {
        held.extend(worker.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic())));
    }
    killer.await.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()));
    let traffic = world.cluster.balancer().traffic();
    let errors = world.cluster.balancer().server_errors();
    assert!(errors.is_empty(), "no replica answers 5xx, whatever happens to the others: {errors:?}");

    let store = database.store().await;
    everything_confirmed_is_there(&world, store.as_ref(), &held).await;
    let worst = world.ledger(|ledger| ledger.seen_after.iter().max().copied()).unwrap_or_default();
    world.ledger(|ledger| {
        let Figures { kills, sign_ins, unfinished, refreshes, retries, bearers, refused_old, revocations } =
            ledger.figures;
        assert!(kills > 0 && revocations > 0 && refreshes > 0 && refused_old > 0, "{:?}", ledger.figures);
        eprintln!(
            "  {replicas} replicas, {:.0?}: {kills} kills, {} requests ({} met a dead port, {} broke off, {} of them \
             sent again), {sign_ins} sign-ins and {unfinished} that a kill interrupted, {refreshes} refreshes, \
             {retries} retries, {bearers} bearer checks, {refused_old} old tokens refused, {revocations} revocations \
             (the slowest seen everywhere after {worst:.2?}); {} sessions held, 0 lost, 0 forked",
            began.elapsed(),
            traffic.requests,
            traffic.refused,
            traffic.broken,
            traffic.resent,
            held.len(),
        );
    });
}

/// Kills replicas in the middle of requests, and starts them again, until the time is over.
async fn kill(world: Arc<World>, mut random: Random, end: Instant) {
    let cluster = &world.cluster;
    while Instant::now() < end {
        let order = random.order(cluster.size());
        // One at least goes on.
        let victims = &order[..1 + random.below(cluster.size() / 2)];
        cluster.balancer().requests(10 + random.below(60) as u64).await;
        for victim in victims {
            sleep(Duration::from_micros(random.below(8_000) as u64)).await;
            cluster.kill(*victim).await;
            world.ledger(|ledger| ledger.figures.kills += 1);
        }
        for victim in victims {
            cluster.balancer().requests(random.below(20) as u64).await;
            cluster.start_again(*victim).await;
        }
    }
    world.over.store(true, Ordering::SeqCst);
}

/// One person with one program after the other, until the time is over. Answers the sessions that it holds then.
async fn work(world: Arc<World>, n: usize, mut random: Random) -> Vec<Held> {
    let mut browser = Browser::of(PEOPLE[n % PEOPLE.len()]);
    let mut client = Arc::new(register(&world, n, 0).await);
    let mut held: Vec<Held> = Vec::new();
    let mut sign_ins = 0;
    while !world.over.load(Ordering::SeqCst) {
        let at = random.below(held.len());
        match random.below(100) {
            _ if held.is_empty() => {
                held.extend(sign_in(&world, &client, &mut browser).await);
                sign_ins += 1;
            }
            0..10 if held.len() < SESSIONS => {
                // Not too many sessions for one connection, also of those whose answers got lost.
                if sign_ins % 6 == 5 {
                    client = Arc::new(register(&world, n, sign_ins).await);
                }
                held.extend(sign_in(&world, &client, &mut browser).await);
                sign_ins += 1;
            }
            0..45 => refresh(&world, &mut held[at], 1).await,
            45..50 => refresh(&world, &mut held[at], 4).await,
            50..55 => old_tokens_are_refused(&world, &mut held[at]).await,
            55..60 => revoke(&world, held.swap_remove(at)).await,
            _ => bearer(&world, &held[at]).await,
        }
    }
    held
}

/// The n-th worker's k-th program: registered in every way, or not at all. Each with a redirect, and so a connection, of
/// its own.
async fn register(world: &World, n: usize, k: usize) -> Client {
    let site = world.cluster.site();
    let redirect = format!("http://127.0.0.1:{}/callback/{n}/{k}", 40_000 + n);
    let method = ["none", "client_secret_post", "client_secret_basic"][n % 3];
    if n % 4 == 3 {
        return Client::unregistered(site, &format!("never-registered-{n}-{k}"), &redirect);
    }
    let metadata = json!({"redirect_uris": [redirect], "token_endpoint_auth_method": method});
    let send = || async { Http::default().post_json(&site.url("/oauth/register"), &[], &metadata).await };
    let (answer, _) = world.insist(send).await;
    Client::registered(site, &answer.expect(201).json())
}

/// A whole sign-in, or nothing if a kill got in its way.
async fn sign_in(world: &World, client: &Arc<Client>, browser: &mut Browser) -> Option<Held> {
    let interrupted = || world.ledger(|ledger| ledger.figures.unfinished += 1);
    let flow = client.authorize();
    let landed = match browser.sign_in(&flow.url).await {
        Landing::Client(landed) => landed,
        Landing::Page(page) => {
            // A callback that the load balancer had to send again finds what the dead replica did: the person begins anew.
            let sent_again = page.answer.header("x-resent").is_some() && page.url.path() == "/oauth/callback";
            let by_a_kill = sent_again && page.answer.status.is_client_error();
            assert!(by_a_kill || page.answer.header("x-replica") == Some("balancer"), "{page:?}");
            interrupted();
            return None;
        }
    };
    let code = client.code(&flow, &landed);
    assert!(world.ledger(|ledger| ledger.codes.insert(code.clone())), "I-12: one code for one session");
    let (answer, lost) = world.insist(|| client.redeem(&code, &flow.verifier)).await;
    if lost && answer.status == 400 {
        // The code was redeemed and the answer died with its replica. No grace for codes: the person begins anew.
        assert_eq!(answer.oauth_error().1, "invalid_grant");
        interrupted();
        return None;
    }
    let Tokens { access, refresh, .. } = Tokens::from(answer);
    assert_eq!(generation(&refresh).1, 1);
    world.ledger(|ledger| ledger.figures.sign_ins += 1);
    Some(Held { client: Arc::clone(client), tokens: vec![refresh], access })
}

/// One refresh, sent so many times at once; all that are answered get one successor.
async fn refresh(world: &Arc<World>, held: &mut Held, times: usize) {
    let presented = held.current().to_owned();
    let mut tasks = JoinSet::new();
    for _ in 0..times {
        let (world, client, token) = (Arc::clone(world), Arc::clone(&held.client), presented.clone());
        tasks.spawn(async move { world.insist(|| client.refresh(&token)).await.0 });
    }
    let (session, before) = generation(&presented);
    for answer in tasks.join_all().await {
        let Tokens { access, refresh, .. } = Tokens::from(answer);
        assert_eq!(generation(&refresh), (session, before + 1), "the next generation of this session");
        world.ledger(|ledger| {
            ledger.figures.refreshes += 1;
            let known = ledger.successors.entry(presented.clone()).or_insert_with(|| refresh.clone());
            assert_eq!(*known, refresh, "RT-2: a lineage has forked");
        });
        if held.current() != refresh {
            held.tokens.push(refresh);
        }
        held.access = access;
    }
}

/// Inside the window after a refresh, the token before it gets the same successor, and an older one nothing; and nothing
/// ends by that.
async fn old_tokens_are_refused(world: &Arc<World>, held: &mut Held) {
    refresh(world, held, 1).await;
    let (older, current) = held.tokens.split_at(held.tokens.len() - 2);
    let (answer, _) = world.insist(|| held.client.refresh(&current[0])).await;
    assert_eq!(Tokens::from(answer).refresh, current[1]);
    for token in older.iter().rev().take(3) {
        let (answer, _) = world.insist(|| held.client.refresh(token)).await;
        assert_eq!(answer.oauth_error(), (400, "invalid_grant".to_owned()));
        world.ledger(|ledger| ledger.figures.refused_old += 1);
    }
}

async fn bearer(world: &World, held: &Held) {
    let bearer = format!("Bearer {}", held.access);
    let headers = [("authorization", bearer.as_str())];
    let url = world.cluster.site().url("/protected");
    let http = Http::default();
    let (answer, _) = world.insist(|| http.get(&url, &headers)).await;
    answer.expect(200);
    world.ledger(|ledger| ledger.figures.bearers += 1);
}

/// Ends a session, and waits until every replica that lives refuses its access token.
async fn revoke(world: &World, held: Held) {
    let (answer, _) = world.insist(|| held.client.revoke(held.current())).await;
    answer.expect(200);
    let confirmed = Instant::now();
    let mut worst = Duration::ZERO;
    for replica in 0..world.cluster.size() {
        // One that is down when it is asked reads the store when it comes back.
        loop {
            match world.cluster.bearer(replica, &held.access).await {
                Some(401) | None => break,
                Some(200) => assert!(confirmed.elapsed() < BOUND, "replica {replica} still lets a revoked session in"),
                Some(status) => panic!("replica {replica} answers {status} to a revoked session"),
            }
            sleep(Duration::from_millis(20)).await;
        }
        worst = worst.max(confirmed.elapsed());
    }
    let (answer, _) = world.insist(|| held.client.refresh(held.current())).await;
    assert_eq!(answer.oauth_error(), (400, "invalid_grant".to_owned()));
    world.ledger(|ledger| {
        ledger.figures.revocations += 1;
        ledger.seen_after.push(worst);
    });
}

/// After the storm: the store and the clients agree, and each session goes on where its client left it.
async fn everything_confirmed_is_there(world: &Arc<World>, store: &dyn Store, held: &[Held]) {
    // Every row belongs to somebody (failure 1, I-16), and each session is one row.
    let mut rows = BTreeSet::new();
    let mut software = BTreeSet::new();
    for user in store.users(&UserQuery { limit: 100, ..UserQuery::default() }).await.unwrap() {
        for connection in store.connections_of(&user.id).await.unwrap() {
            let key = (user.id.clone(), connection.software.as_str().to_owned());
            assert!(software.insert(key), "I-16: one connection for a person and a software");
            rows.extend(sessions(store, connection.id).await);
        }
    }
    assert_eq!(rows.len() as u64, store.counts().await.unwrap().sessions, "a session that belongs to nobody");

    let site = world.cluster.site();
    for held in held {
        assert!(rows.contains(&held.id()), "a session that was confirmed is gone");
        let row = store.session(held.id()).await.unwrap().expect("its row").session;
        assert_eq!(row.ended, None);
        assert_eq!(row.generation.get(), generation(held.current()).1, "what the client holds is what the row says");
        assert_eq!(row.client_id.as_str(), held.client.id);

        for replica in 0..world.cluster.size() {
            assert_eq!(world.cluster.bearer(replica, &held.access).await, Some(200));
            let said = at(replica, introspect(site, held.current())).await.expect(200).json();
            assert_eq!(said["active"], true, "replica {replica}");
        }
        let mut held = Held { client: Arc::clone(&held.client), tokens: held.tokens.clone(), access: String::new() };
        refresh(world, &mut held, 1).await;
        old_tokens_are_refused(world, &mut held).await;
    }
}

async fn sessions(store: &dyn Store, connection: ConnectionId) -> Vec<SessionId> {
    store.sessions_of(connection).await.unwrap().iter().map(|session| session.id).collect()
}
