//! Rotating the secret, replica by replica, while people sign in: nothing that was begun before is disturbed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use dcr_e2e::{Browser, Client, Cluster, Flow, Landing, Page, Random, SECRETS, Tokens, at};
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::databases::Database;
use crate::support::{LOOPBACK, PLATFORM, claims, cluster, generation, seed};

const WORKERS: usize = 3;
const REMEMBERED: &str = "a-secret-that-came-along";

pub(crate) fn tests() -> Vec<(&'static str, crate::Test)> {
    crate::tests! {
        a_rotation_of_two_replicas_disturbs_nobody
        a_rotation_of_four_replicas_disturbs_nobody
        a_secret_that_is_moved_first_before_everybody_has_it_breaks_what_is_under_way
    }
}

async fn a_rotation_of_two_replicas_disturbs_nobody(database: Database) {
    a_rotation_disturbs_nobody(&database, 2).await;
}

async fn a_rotation_of_four_replicas_disturbs_nobody(database: Database) {
    a_rotation_disturbs_nobody(&database, 4).await;
}

/// The three steps of the manual. Each is rolled out replica by replica; at each moment everything that a replica began
/// before it is finished by another after it, under load.
async fn a_rotation_disturbs_nobody(database: &Database, replicas: usize) {
    let cluster = Arc::new(cluster(database, replicas).await);
    let _diagnosis = cluster.diagnosis();
    let [old, new] = SECRETS;
    let mut random = Random::new(seed());
    let long = LongLived::begin(&cluster).await;
    let load = Load::start(&cluster);

    let (mut tokens, mut moments) = (long.tokens.clone(), 0);
    for secrets in [format!("{old},{new}"), format!("{new},{old}")] {
        cluster.set("DCR_SECRET", &secrets);
        for replica in random.order(replicas) {
            let begun = Begun::on_all(&cluster, &mut random).await;
            cluster.roll(replica).await;
            for (begun, on) in begun {
                begun.finish(&cluster, on).await;
            }
            for replica in 0..replicas {
                tokens = long.goes_on(&cluster, replica, tokens).await;
                assert_eq!(cluster.bearer(replica, &long.first.access).await, Some(200), "for the whole of its life");
            }
            moments += 1;
        }
    }

    // The longest session is over: here, everybody has been given tokens of the new secret.
    load.whole_rounds().await;
    let kept = long.first.clone();
    cluster.set("DCR_SECRET", new);
    cluster.set("DCR_SECRET_RETIRED", old);
    for replica in random.order(replicas) {
        let begun = Begun::on_all(&cluster, &mut random).await;
        cluster.roll(replica).await;
        for (begun, on) in begun {
            begun.finish(&cluster, on).await;
        }
        for replica in 0..replicas {
            tokens = long.goes_on(&cluster, replica, tokens).await;
        }
        moments += 1;
    }

    for replica in 0..replicas {
        assert_eq!(cluster.bearer(replica, &kept.access).await, Some(401), "that is what retiring means");
        let refused = at(replica, long.public.refresh(&kept.refresh)).await;
        assert_eq!(refused.oauth_error(), (400, "invalid_grant".to_owned()));
        let keys = cluster.get(replica, "/.well-known/jwks.json", &[]).await.unwrap().json();
        assert_eq!(keys["keys"].as_array().unwrap().len(), 1);
        // Ids and derived secrets of the old one go on for ever, also from the very beginning.
        at(replica, long.public.sign_in(&mut Browser::of("ada"))).await;
        let tokens = at(replica, long.confidential.sign_in(&mut Browser::of("ada"))).await;
        at(replica, long.confidential.refresh(&tokens.refresh)).await.expect(200);
    }
    let rounds = load.stop().await;
    let traffic = cluster.balancer().traffic();
    assert_eq!((traffic.broken, cluster.balancer().server_errors().len()), (0, 0), "no request has failed");
    eprintln!(
        "  {replicas} replicas, {moments} moments, {} requests, {rounds} rounds under load, 0 failed",
        traffic.requests
    );
}

/// What lives through the whole rotation.
struct LongLived {
    public: Client,
    confidential: Client,
    /// Of an id that was adopted and brought a secret along, which is required since (SR-16).
    adopted: Client,
    /// Never refreshed.
    first: Tokens,
    tokens: [Tokens; 3],
}

impl LongLived {
    async fn begin(cluster: &Cluster) -> Self {
        let site = cluster.site();
        let public = Client::register(site, &[LOOPBACK]).await;
        let confidential = Client::register_as(site, &[PLATFORM], "client_secret_post").await;
        let mut adopted = Client::unregistered(site, "never-registered", PLATFORM);
        adopted.auth_method = "client_secret_post".to_owned();
        adopted.secret = Some(REMEMBERED.to_owned());
        let mut browser = Browser::of("bob");
        let first = public.sign_in(&mut browser).await;
        let tokens = [
            public.sign_in(&mut browser).await,
            confidential.sign_in(&mut browser).await,
            adopted.sign_in(&mut browser).await,
        ];
        Self { public, confidential, adopted, first, tokens }
    }

    /// The next generation of each session, by this replica.
    async fn goes_on(&self, cluster: &Cluster, replica: usize, tokens: [Tokens; 3]) -> [Tokens; 3] {
        let mut next = Vec::new();
        for (client, tokens) in [&self.public, &self.confidential, &self.adopted].into_iter().zip(&tokens) {
            assert_eq!(cluster.bearer(replica, &tokens.access).await, Some(200));
            let refreshed = at(replica, client.refresh(&tokens.refresh)).await;
            next.push(Tokens::from(refreshed));
        }
        let mut secretless = self.adopted.clone();
        secretless.auth_method = "none".to_owned();
        let refused = at(replica, secretless.refresh(&next[2].refresh)).await;
        assert_eq!(refused.oauth_error(), (401, "invalid_client".to_owned()), "SR-16: the secret stays required");
        next.try_into().expect("three")
    }
}

/// What one replica began before a moment, for another to finish after it.
struct Begun {
    consent: (Client, Browser, Page),
    login: (Browser, Page),
    code: (Client, Flow, String),
    signed_in: (Client, Tokens),
    mcp_session: String,
}

impl Begun {
    /// On each replica, each with the replica that shall finish it: another one, and of two replicas the same one too.
    async fn on_all(cluster: &Cluster, random: &mut Random) -> Vec<(Self, usize)> {
        let mut all = Vec::new();
        for on in 0..cluster.size() {
            let other = (on + 1 + random.below(cluster.size() - 1)) % cluster.size();
            let finishers = if cluster.size() == 2 { vec![other, on] } else { vec![other] };
            for finisher in finishers {
                all.push((at(on, Self::on(cluster, on)).await, finisher));
            }
        }
        all
    }

    async fn on(cluster: &Cluster, on: usize) -> Self {
        let site = cluster.site();
        // New registrations all the way.
        let public = Client::register(site, &[LOOPBACK]).await;
        let confidential = Client::register_as(site, &[PLATFORM], "client_secret_basic").await;
        let mut browser = Browser::of("ada");
        let consent = browser.open(&confidential.authorize().url).await.page();
        let mut approving = Browser::of("ada");
        let page = approving.open(&public.authorize().url).await.page();
        let login = approving.decide(&page, "approve").await.page();
        let flow = public.authorize();
        let landed = Browser::of("carol").sign_in(&flow.url).await.client();
        let code = public.code(&flow, &landed);
        let tokens = confidential.sign_in(&mut Browser::of("carol")).await;
        let mcp_session = cluster.replica(on).mcp_session(&tokens.access).await;
        Self {
            consent: (confidential.clone(), browser, consent),
            login: (approving, login),
            code: (public, flow, code),
            signed_in: (confidential, tokens),
            mcp_session,
        }
    }

    async fn finish(self, cluster: &Cluster, on: usize) {
        at(on, self.finish_at(cluster, on)).await;
    }

    async fn finish_at(self, cluster: &Cluster, on: usize) {
        let (client, mut browser, consent) = self.consent;
        let login = browser.decide(&consent, "approve").await.page();
        let landed = browser.pick(&login).await.client();
        assert!(landed.as_str().starts_with(&client.redirect), "the consent form: {landed}");

        let (mut browser, login) = self.login;
        let landed = browser.pick(&login).await.client();
        assert!(landed.query_pairs().any(|(name, _)| name == "code"), "the approved cookie: {landed}");

        let (client, flow, code) = self.code;
        let tokens = Tokens::from(client.redeem(&code, &flow.verifier).await);
        assert_eq!(cluster.bearer(on, &tokens.access).await, Some(200), "the code in flight");

        let (client, tokens) = self.signed_in;
        assert_eq!(cluster.bearer(on, &tokens.access).await, Some(200), "the access token");
        assert!(published(cluster, on).await.contains(&key_of(&tokens.access)), "its key, for those who verify it");
        assert!(passes_the_guard(cluster, on, &tokens.access, &self.mcp_session).await, "the session of MCP");
        let refreshed = Tokens::from(client.refresh(&tokens.refresh).await);
        assert_eq!(generation(&refreshed.refresh).1, 2, "the refresh token");
        let again = Tokens::from(client.refresh(&tokens.refresh).await);
        assert_eq!(generation(&again.refresh), generation(&refreshed.refresh), "RT-2");
    }
}

/// The ids of the keys that a replica publishes.
async fn published(cluster: &Cluster, replica: usize) -> Vec<String> {
    let answer = cluster.get(replica, "/.well-known/jwks.json", &[]).await.expect("it runs").expect(200).json();
    let keys = answer["keys"].as_array().expect("keys").iter();
    keys.map(|key| key["kid"].as_str().expect("an id").to_owned()).collect()
}

/// The id of the key that signed an access token.
fn key_of(access: &str) -> String {
    let header = URL_SAFE_NO_PAD.decode(access.split('.').next().unwrap_or_default()).expect("a JWT");
    let header: Value = serde_json::from_slice(&header).expect("a header");
    header["kid"].as_str().expect("an id").to_owned()
}

/// Whether a replica knows whose session of MCP this is. The session itself is in the memory of the process that opened
/// it: any other, and that one after a restart, says by itself that it has none, and the client initializes again.
async fn passes_the_guard(cluster: &Cluster, replica: usize, access: &str, session: &str) -> bool {
    let ping = json!({"jsonrpc": "2.0", "id": 7, "method": "ping"});
    let answer = cluster.replica(replica).mcp(access, Some(session), &ping).await;
    assert!(matches!(answer.status.as_u16(), 200 | 404), "{answer:?}");
    !answer.body.contains("mcp_session_foreign") && !answer.body.contains("Unknown MCP session")
}

/// People who sign in, refresh and call all the time, wherever the load balancer sends them. Nothing may fail.
struct Load {
    workers: JoinSet<u64>,
    over: Arc<AtomicBool>,
    rounds: Arc<Vec<AtomicU64>>,
}

impl Load {
    fn start(cluster: &Arc<Cluster>) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let rounds: Arc<Vec<AtomicU64>> = Arc::new((0..WORKERS).map(|_| AtomicU64::new(0)).collect());
        let mut workers = JoinSet::new();
        for n in 0..WORKERS {
            let (cluster, over, rounds) = (Arc::clone(cluster), Arc::clone(&over), Arc::clone(&rounds));
            workers.spawn(async move {
                let mut browser = Browser::of("dan");
                while !over.load(Ordering::SeqCst) {
                    work(&cluster, n, &mut browser).await;
                    rounds[n].fetch_add(1, Ordering::SeqCst);
                }
                rounds[n].load(Ordering::SeqCst)
            });
        }
        Self { workers, over, rounds }
    }

    /// Waits until whatever is under way now is over, for everybody.
    async fn whole_rounds(&self) {
        let before: Vec<u64> = self.rounds.iter().map(|rounds| rounds.load(Ordering::SeqCst)).collect();
        while self.rounds.iter().zip(&before).any(|(rounds, before)| rounds.load(Ordering::SeqCst) < before + 2) {
            assert!(self.workers.len() == WORKERS, "a worker has ended");
            sleep(Duration::from_millis(5)).await;
        }
    }

    async fn stop(mut self) -> u64 {
        self.over.store(true, Ordering::SeqCst);
        let mut all = 0;
        while let Some(worker) = self.workers.join_next().await {
            all += worker.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()));
        }
        all
    }
}

/// A whole life of a session.
async fn work(cluster: &Cluster, n: usize, browser: &mut Browser) {
    let site = cluster.site();
    let client = match n % 3 {
        0 => Client::register(site, &[LOOPBACK]).await,
        1 => Client::register_as(site, &[PLATFORM], "client_secret_post").await,
        _ => Client::unregistered(site, "22222222-never-registered", PLATFORM),
    };
    let mut tokens = client.sign_in(browser).await;
    for _ in 0..3 {
        let refreshed = Tokens::from(client.refresh(&tokens.refresh).await);
        assert_eq!(claims(&refreshed.access)["sid"], claims(&tokens.access)["sid"]);
        tokens = refreshed;
        let bearer = format!("Bearer {}", tokens.access);
        let headers = [("authorization", bearer.as_str())];
        dcr_e2e::Http::default().get(&site.url("/protected"), &headers).await.expect(200);
    }
    client.revoke(&tokens.refresh).await.expect(200);
}

/// What the order of the steps is for. With the new secret first on one replica before the other has it at all, whatever
/// the first seals is nothing to the second, until it has the new secret too; what the second seals is good everywhere.
async fn a_secret_that_is_moved_first_before_everybody_has_it_breaks_what_is_under_way(database: Database) {
    let cluster = cluster(&database, 2).await;
    let [old, new] = SECRETS;
    cluster.set("DCR_SECRET", &format!("{new},{old}"));
    cluster.roll(0).await;
    let (hasty, late) = (0, 1);

    at(late, Begun::on(&cluster, late)).await.finish(&cluster, hasty).await;

    let begun = at(hasty, Begun::on(&cluster, hasty)).await;
    let (_, mut browser, consent) = begun.consent;
    let page = at(late, browser.decide(&consent, "approve")).await.page();
    assert!(page.answer.status.is_client_error(), "the form is nobody's: {page:?}");
    let (mut browser, login) = begun.login;
    let Landing::Page(page) = at(late, browser.pick(&login)).await else { panic!("a code of nobody's sign-in") };
    assert!(page.answer.status.is_client_error(), "the cookie is nobody's: {page:?}");
    let (client, flow, code) = begun.code;
    // An id of a secret that this replica does not have is an unknown one, and so is the code.
    let refused = at(late, client.redeem(&code, &flow.verifier)).await;
    assert_eq!(refused.oauth_error(), (401, "invalid_client".to_owned()), "the client throws its registration away");
    let (confidential, tokens) = begun.signed_in;
    assert_eq!(cluster.bearer(late, &tokens.access).await, Some(401));
    assert!(!published(&cluster, late).await.contains(&key_of(&tokens.access)));
    let refused = at(late, confidential.refresh(&tokens.refresh)).await;
    assert_eq!(refused.oauth_error(), (401, "invalid_client".to_owned()));

    // Nothing is damaged: with the secret everywhere, all of it goes on that is not over by its time.
    cluster.roll(1).await;
    assert_eq!(cluster.bearer(late, &tokens.access).await, Some(200));
    at(late, confidential.refresh(&tokens.refresh)).await.expect(200);
    at(late, client.redeem(&code, &flow.verifier)).await.expect(200);
}
