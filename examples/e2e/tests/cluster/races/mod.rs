//! The races of the threat list over real HTTP: two processes on one database, 64 requests that arrive together, so many
//! rounds.
//!
//! `DCR_RACE_ROUNDS` is how many rounds each race has (20; those that cost a start of servers each, a fifth of it). One
//! command runs them for longer: `DCR_RACE_ROUNDS=1000 cargo test -p dcr-e2e --test cluster -- races`.
//!
//! Where chance would not make a race narrow enough, it is made so: a request waits in its connection for its last byte
//! ([`Volley`]), and the provider answers the callbacks of a round together ([`gather`](dcr_dev_idp::RunningIdp::gather)),
//! so that they meet at the store. A request that is answered 503, since a busy machine has no connection to the database
//! left, is sent again and counted; nothing else is forgiven.

mod clients;
mod ending;
mod grants;
mod sign_ins;
mod upstream;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use dcr_core::session::{Session, SessionId};
use dcr_core::store::Store;
use dcr_core::{ClientId, Operator, PreRegistered, SystemClock, SystemRandom};
use dcr_e2e::{Answer, Approved, Browser, Client, Cluster, Fired, Flow, Shot, Site, Tokens, Volley, at};
use tokio::task::JoinSet;
use tokio::time::sleep;
use url::Url;

use crate::databases::Database;
use crate::support::{PROGRAM, RESOURCE_SERVER, generation, introspect, number, seed};

const TASKS: usize = 64;
const REPLICAS: usize = 2;
/// What was promised for ends of sessions.
const BOUND: Duration = Duration::from_secs(5);

pub(crate) fn tests() -> Vec<(&'static str, crate::Test)> {
    [grants::tests(), sign_ins::tests(), ending::tests(), clients::tests(), upstream::tests()].concat()
}

fn rounds() -> usize {
    number("DCR_RACE_ROUNDS").map_or(20, |rounds| usize::try_from(rounds).expect("a number of rounds"))
}

/// A race: two replicas, and what is counted.
struct Race {
    cluster: Arc<Cluster>,
    store: Arc<dyn Store>,
    name: &'static str,
    began: Instant,
    rounds: usize,
    requests: usize,
    busy: u32,
    /// What is still to be seen of sessions that ended.
    deaths: JoinSet<Duration>,
}

impl Race {
    async fn new(name: &'static str, database: &Database, more: &[(&str, &str)]) -> Self {
        let variables = [&[RESOURCE_SERVER], more].concat();
        let cluster = Arc::new(Cluster::with(PROGRAM, REPLICAS, &database.url(), seed(), &variables).await);
        let store = database.store().await;
        let (began, deaths) = (Instant::now(), JoinSet::new());
        Self { cluster, store, name, began, rounds: 0, requests: 0, busy: 0, deaths }
    }

    fn site(&self) -> &Site {
        self.cluster.site()
    }

    fn operator(&self) -> Operator {
        Operator::new(Arc::clone(&self.store), Arc::new(SystemClock), Arc::new(SystemRandom))
    }

    /// From now on both replicas see at once what becomes of a client's row: while there is none at all, they look for the
    /// first one every few seconds only.
    async fn look_for_rows(&self) {
        let keeper =
            PreRegistered::public(ClientId::new("keeper").unwrap()).redirect("https://keeper.example/callback");
        self.operator().pin(keeper, "race").await.expect("a pin");
        let keeper = Client::unregistered(self.site(), "keeper", "https://keeper.example/callback");
        for replica in 0..REPLICAS {
            let began = Instant::now();
            while at(replica, Browser::of("ada").open(&keeper.authorize().url)).await.page().answer.status != 200 {
                assert!(began.elapsed() < BOUND + Duration::from_secs(1), "a pin is known within 5 s");
                sleep(Duration::from_millis(50)).await;
            }
        }
    }

    /// The moment to strike in this round: now and then a little later than all begin, and now and then when the first of
    /// the callbacks is written and the others are about to be.
    async fn strike(&self, round: usize) -> impl Future<Output = ()> + Send + 'static {
        let (store, before) = (Arc::clone(&self.store), self.store.counts().await.expect("a store").sessions);
        async move {
            if round.is_multiple_of(2) {
                return sleep(Duration::from_millis(15 * (round % 12) as u64)).await;
            }
            let began = Instant::now();
            while store.counts().await.expect("a store").sessions == before && began.elapsed() < BOUND {
                sleep(Duration::from_millis(1)).await;
            }
        }
    }

    /// The client as it asks the replica whose turn it is.
    fn at(&self, client: &Client, n: usize) -> Client {
        client.asking(&self.cluster.replica(n % REPLICAS))
    }

    /// `count` shots, in turn at both replicas.
    fn shots(&self, count: usize, shot: impl Fn(&Site) -> Shot) -> Vec<Shot> {
        let sites: Vec<Site> = (0..REPLICAS).map(|replica| self.cluster.replica(replica)).collect();
        (0..count).map(|n| shot(&sites[n % REPLICAS])).collect()
    }

    async fn fire(&mut self, volley: impl Into<Volley>) -> Vec<Fired> {
        let fired = volley.into().fire().await;
        self.note(&fired);
        fired
    }

    fn note(&mut self, fired: &[Fired]) {
        self.requests += fired.len();
        self.busy += fired.iter().map(|fired| fired.busy).sum::<u32>();
    }

    async fn session(&self, id: SessionId) -> Session {
        self.store.session(id).await.expect("a store").expect("a row").session
    }

    /// I-1, REV-01, RS-7: at once by introspection, which asks the store; in the background, within the bound, by the
    /// guards of both processes, of which the given ones know already.
    async fn is_dead(&mut self, access: &[String], confirmed: Instant, known_at: &[usize]) {
        for replica in known_at {
            for access in access {
                assert_eq!(self.cluster.bearer(*replica, access).await, Some(401), "at once in that process");
            }
        }
        for (n, access) in access.iter().enumerate() {
            let said = introspect(&self.cluster.replica(n % REPLICAS), access).await.expect(200).json();
            assert_eq!(said["active"], false, "{}: {said}", self.name);
        }
        self.will_be_dead(access, confirmed);
    }

    /// The same of what need not be dead yet.
    fn will_be_dead(&mut self, access: &[String], confirmed: Instant) {
        let (cluster, access) = (Arc::clone(&self.cluster), access.to_vec());
        self.deaths.spawn(async move {
            let mut open: Vec<(usize, String)> =
                (0..REPLICAS).flat_map(|replica| access.iter().map(move |access| (replica, access.clone()))).collect();
            while let Some((replica, access)) = open.last() {
                match cluster.bearer(*replica, access).await {
                    Some(401) => drop(open.pop()),
                    Some(200 | 503) => sleep(Duration::from_millis(100)).await,
                    other => panic!("replica {replica}: {other:?}"),
                }
                assert!(open.is_empty() || confirmed.elapsed() < BOUND, "{} tokens still live", open.len());
            }
            confirmed.elapsed()
        });
    }

    /// Looks at what is still open, and says the figures.
    async fn over(mut self, more: &str) {
        let racing = self.began.elapsed();
        let mut slowest = Duration::ZERO;
        while let Some(death) = self.deaths.join_next().await {
            slowest = slowest.max(death.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic())));
        }
        let last = if slowest.is_zero() { String::new() } else { format!(", dead everywhere after {slowest:.2?}") };
        eprintln!(
            "  {}: {} rounds, {} requests at once, {:.1} rounds/s, {} times 503 and again{last}{more}",
            self.name,
            self.rounds,
            self.requests,
            self.rounds as f64 / racing.as_secs_f64(),
            self.busy,
        );
        let errors = self.cluster.balancer().server_errors();
        assert!(errors.is_empty(), "{errors:?}");
    }

    /// Sign-ins up to the provider's answer: `people` in turn, with `clients` in turn. Those of one person and client begin
    /// with one page, which is approved again and again.
    async fn approved(&self, count: usize, people: &[&str], clients: &[&Client]) -> Vec<(Client, Flow, Approved)> {
        let mut pages = Vec::new();
        for client in clients {
            for person in people {
                let (flow, mut browser) = (client.authorize(), Browser::of(person));
                let page = browser.open(&flow.url).await.page();
                pages.push(((*client).clone(), flow, browser, page, *person));
            }
        }
        let page = |n: usize| &pages[n % pages.len()];
        let sites: Vec<Site> = (0..REPLICAS).map(|replica| self.cluster.replica(replica)).collect();
        let approvals = (0..count).map(|n| {
            let (_, _, browser, page, _) = page(n);
            browser.approval(page, &sites[n % REPLICAS])
        });
        let logins = approvals.collect::<Volley>().fire().await;
        let picks = logins.iter().enumerate().map(|(n, login)| {
            let location = login.answer.header("location").unwrap_or_else(|| panic!("{login:?}"));
            Shot::post_form(location, &[], &[("user", page(n).4)])
        });
        let callbacks = picks.collect::<Volley>().fire().await;
        let all = logins.iter().zip(callbacks).enumerate().map(|(n, (login, callback))| {
            let (client, flow, ..) = page(n);
            (client.clone(), flow.clone(), Approved::of(&login.answer, &callback.answer))
        });
        all.collect()
    }

    /// Their callbacks, in turn at both replicas.
    fn callbacks(&self, approved: &[(Client, Flow, Approved)]) -> Vec<Shot> {
        let callback = |(n, (_, _, approved)): (usize, &(Client, Flow, Approved))| {
            Shot::callback(approved, &self.cluster.replica(n % REPLICAS))
        };
        approved.iter().enumerate().map(callback).collect()
    }

    /// The answers to the redemptions of codes that callbacks gave, each at the process that did not give it.
    async fn redeemed(&mut self, fired: &[Fired], approved: &[(Client, Flow, Approved)]) -> Vec<Answer> {
        let mut shots = Volley::default();
        for (n, (fired, (client, flow, _))) in fired.iter().zip(approved).enumerate() {
            let code = code_in(&fired.answer, client, flow).unwrap_or_else(|| panic!("a code: {fired:?}"));
            shots.extend([self.at(client, n + 1).shot("token", &client.redemption(&code, &flow.verifier))]);
        }
        let fired = shots.fire().await;
        self.note(&fired);
        fired.into_iter().map(|fired| fired.answer).collect()
    }

    /// A code up to now unused.
    async fn code(&self, client: &Client, browser: &mut Browser) -> (Flow, String) {
        let flow = client.authorize();
        let landed = browser.sign_in(&flow.url).await.client();
        let code = client.code(&flow, &landed);
        (flow, code)
    }
}

/// The code that a callback gave, if it gave one.
fn code_in(answer: &Answer, client: &Client, flow: &Flow) -> Option<String> {
    let location: Url = answer.header("location")?.parse().expect("an address");
    assert_eq!(answer.status, 303);
    location.query_pairs().any(|(name, _)| name == "code").then(|| client.code(flow, &location))
}

/// The tokens that one of many answers brought; all others must be refusals of this kind.
fn the_only_winner(fired: Vec<Fired>, refusal: (u16, &str)) -> Tokens {
    let (won, lost): (Vec<_>, Vec<_>) =
        fired.into_iter().map(|fired| fired.answer).partition(|answer| answer.status == 200);
    assert_eq!(won.len(), 1, "exactly one wins");
    for answer in lost {
        assert_eq!(answer.oauth_error(), (refusal.0, refusal.1.to_owned()));
    }
    Tokens::from(won.into_iter().next().expect("one"))
}

fn is_invalid_grant(answer: &Answer) {
    assert_eq!(answer.oauth_error(), (400, "invalid_grant".to_owned()));
}

/// The newest refresh token of a session, as several programs of one person share it in a file.
#[derive(Clone)]
struct Newest(Arc<Mutex<(u32, String)>>);

impl Newest {
    fn of(refresh: &str) -> Self {
        Self(Arc::new(Mutex::new((generation(refresh).1, refresh.to_owned()))))
    }

    fn read(&self) -> String {
        self.0.lock().expect("no panic holds this").1.clone()
    }

    fn write(&self, refresh: &str) {
        let mut newest = self.0.lock().expect("no panic holds this");
        let at = generation(refresh).1;
        if at > newest.0 {
            *newest = (at, refresh.to_owned());
        }
    }
}

/// What became of programs that refresh one session on and on.
#[derive(Default)]
struct Chain {
    access: Vec<String>,
    refresh: BTreeSet<String>,
    /// When the last refresh began that brought tokens.
    last_won: Option<Instant>,
    requests: usize,
    busy: u32,
}

impl Chain {
    /// From `moment` on until the newest token is refused.
    async fn run(client: Client, newest: Newest, moment: impl Future<Output = ()>) -> Self {
        let mut chain = Self::default();
        moment.await;
        loop {
            let token = newest.read();
            let form = [("grant_type", "refresh_token"), ("refresh_token", token.as_str())];
            let shots: Volley = [client.shot("token", &form)].into_iter().collect();
            let fired = shots.fire().await.swap_remove(0);
            chain.requests += 1;
            chain.busy += fired.busy;
            if fired.answer.status == 200 {
                let tokens = Tokens::from(fired.answer);
                newest.write(&tokens.refresh);
                chain.last_won = Some(fired.began);
                chain.refresh.insert(tokens.refresh);
                chain.access.push(tokens.access);
            } else {
                is_invalid_grant(&fired.answer);
                // Others may have been faster by more than one.
                if newest.read() == token {
                    return chain;
                }
            }
        }
    }

    fn join(chains: Vec<Self>) -> Self {
        chains.into_iter().fold(Self::default(), |mut all, chain| {
            all.access.extend(chain.access);
            all.refresh.extend(chain.refresh);
            all.last_won = all.last_won.max(chain.last_won);
            all.requests += chain.requests;
            all.busy += chain.busy;
            all
        })
    }
}
