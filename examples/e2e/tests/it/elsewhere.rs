//! An MCP server that runs elsewhere, on either framework, behind a guard that knows the issuer by its URL only.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::Extension;
use axum::routing::post;
use dcr_core::remote::{RemoteGuard, RemotePrincipal};
use dcr_core::{BearerLayer, Clock, ScopeSet, SystemClock, Timestamp};
use dcr_e2e::{Answer, Browser, Client, Directory, Framework, Http, Site, World, call};
use serde_json::json;
use tokio::net::TcpListener;
use tokio::task::AbortHandle;
use warp::Filter as _;
use warp::filters::BoxedFilter;

const REDIRECT: &str = "http://127.0.0.1:49152/callback";
const FIRST: &str = "q83vASNFZ4mrze8BI0VniavN7wEjRWeJq83vASNFZ4k=";
const SECOND: &str = "EjRWeJq83vASNFZ4mrze8BI0VniavN7wEjRWeJq83vA=";

/// The system's clock, put forward by a test that does not want to wait.
#[derive(Debug, Default)]
struct Ahead(AtomicU64);

impl Clock for Ahead {
    fn now(&self) -> Timestamp {
        SystemClock.now() + Duration::from_secs(self.0.load(Ordering::SeqCst))
    }
}

/// A server elsewhere: it says who is calling.
struct Elsewhere {
    site: Site,
    clock: Arc<Ahead>,
    running: AbortHandle,
}

impl Drop for Elsewhere {
    fn drop(&mut self) {
        self.running.abort();
    }
}

fn says(who: &RemotePrincipal) -> String {
    format!("{} {}", who.user_id(), who.scope())
}

fn guard_with_tools(guard: &RemoteGuard) -> BearerLayer<RemoteGuard> {
    guard.guard().tool("erase", ScopeSet::from_names(["tools:write"]).unwrap())
}

async fn on_axum(guard: RemoteGuard, listener: TcpListener) {
    let app = axum::Router::new()
        .route("/mcp", post(async |Extension(who): Extension<RemotePrincipal>| says(&who)))
        .route_layer(guard_with_tools(&guard))
        .merge(dcr_axum::router(guard));
    axum::serve(listener, app).await.unwrap();
}

fn warp_app(guard: RemoteGuard) -> BoxedFilter<(impl warp::Reply + use<>,)> {
    let who = warp::path::end().and(warp::ext::get::<RemotePrincipal>()).map(|who: RemotePrincipal| says(&who));
    let mcp = warp::path("mcp").and(dcr_warp::guarded(guard_with_tools(&guard), who));
    dcr_warp::routes(guard).or(mcp).boxed()
}

async fn on_warp(guard: RemoteGuard, listener: TcpListener) {
    warp::serve(warp_app(guard)).incoming(listener).run().await;
}

impl Elsewhere {
    fn start(framework: Framework, issuer: &str, listener: TcpListener, introspect: bool) -> Self {
        let site = Site::at(&format!("http://{}", listener.local_addr().unwrap()));
        let clock = Arc::new(Ahead::default());
        let builder = RemoteGuard::builder(issuer, site.url("/mcp")).name("Remote tools").scope("tools");
        let builder = builder.implies("tools:write", "tools").clock(clock.clone());
        let builder = if introspect { builder.introspection("tools", "a secret") } else { builder };
        let guard = builder.build().unwrap();
        let running = match framework {
            Framework::Axum => tokio::spawn(on_axum(guard, listener)),
            _ => tokio::spawn(on_warp(guard, listener)),
        };
        Self { site, clock, running: running.abort_handle() }
    }

    fn advance(&self, seconds: u64) {
        self.clock.0.fetch_add(seconds, Ordering::SeqCst);
    }

    async fn ask(&self, token: &str, tool: &str) -> Answer {
        let bearer = format!("Bearer {token}");
        Http::default().post_json(&self.site.url("/mcp"), &[("authorization", &bearer)], &call(tool)).await
    }
}

/// An issuer that knows a server elsewhere, and where that is to be.
async fn issuer(framework: Framework) -> (World, TcpListener, Directory) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let uri = format!("http://{}/mcp", listener.local_addr().unwrap());
    let file = format!(
        r#"
        [[resource]]
        path = "/mcp"
        name = "Tools"
        scope = [{{ name = "mcp", words = "Use the tools" }}]

        [[resource]]
        uri = "{uri}"
        name = "Remote tools"
        scope = [
            {{ name = "tools", words = "Use the remote tools" }},
            {{ name = "tools:write", words = "Change the remote tools", default = false, implies = ["tools"] }},
        ]
        "#
    );
    let directory = Directory::new();
    let path = directory.path().join("dcr.toml");
    std::fs::write(&path, file).unwrap();
    let world = World::with(framework, |options| {
        options.config = Some(path.display().to_string());
        options.resource_server = Some("tools:a secret".to_owned());
        options.secret = Some(FIRST.to_owned());
    })
    .await;
    (world, listener, directory)
}

/// A client that has found the issuer by the metadata of the server elsewhere.
async fn client(world: &World, elsewhere: &Elsewhere, scope: &str) -> Client {
    let refused = Http::default().post_json(&elsewhere.site.url("/mcp"), &[], &json!({})).await.expect(401);
    let metadata = elsewhere.site.url("/.well-known/oauth-protected-resource/mcp");
    let challenge = format!("Bearer resource_metadata=\"{metadata}\", scope=\"tools\"");
    assert_eq!(refused.header("www-authenticate"), Some(challenge.as_str()));
    let document = Http::default().get(&metadata, &[]).await.expect(200).json();
    assert_eq!(document["authorization_servers"], json!([world.base()]));
    assert_eq!(document["resource"], elsewhere.site.url("/mcp"));
    let mut client = Client::register(world, &[REDIRECT]).await;
    client.resource = elsewhere.site.url("/mcp");
    client.scope = scope.to_owned();
    client
}

#[tokio::test]
async fn one_sign_in_serves_a_server_elsewhere_and_no_token_serves_two() {
    for framework in Framework::ALL {
        let (world, listener, _file) = issuer(*framework).await;
        let elsewhere = Elsewhere::start(*framework, world.base(), listener, false);
        let server = Http::default().get(&world.url("/.well-known/oauth-authorization-server"), &[]).await.json();
        assert_eq!(server["protected_resources"], json!([world.url("/mcp"), elsewhere.site.url("/mcp")]));

        let tokens = client(&world, &elsewhere, "tools").await.sign_in(&mut Browser::of("ada")).await;
        let answer = elsewhere.ask(&tokens.access, "whoami").await.expect(200);
        assert!(answer.body.starts_with("usr_") && answer.body.ends_with(" tools"), "{}", answer.body);
        let refused = elsewhere.ask(&tokens.access, "erase").await.expect(403);
        assert!(refused.header("www-authenticate").unwrap().ends_with("scope=\"tools:write\""));
        let wide = client(&world, &elsewhere, "tools:write").await.sign_in(&mut Browser::of("ada")).await;
        elsewhere.ask(&wide.access, "erase").await.expect(200);

        // RS-1, in both directions.
        let own = Client::register(&world, &[REDIRECT]).await.sign_in(&mut Browser::of("ada")).await;
        elsewhere.ask(&own.access, "whoami").await.expect(401);
        world.mcp(&tokens.access, None, &call("whoami")).await.expect(401);
        elsewhere.ask("nonsense", "whoami").await.expect(401);
    }
}

#[tokio::test]
async fn keys_may_roll_and_the_issuer_may_be_down_for_a_while() {
    for framework in Framework::ALL {
        let (world, listener, _file) = issuer(*framework).await;
        let elsewhere = Elsewhere::start(*framework, world.base(), listener, false);
        let tools = client(&world, &elsewhere, "tools").await;
        let tokens = tools.sign_in(&mut Browser::of("ada")).await;
        elsewhere.ask(&tokens.access, "whoami").await.expect(200);

        let mut down = world.stop().await;
        elsewhere.advance(6 * 60);
        elsewhere.ask(&tokens.access, "whoami").await.expect(200);
        down.options.secret = Some(format!("{SECOND},{FIRST}"));
        let world = down.start().await;

        elsewhere.advance(11);
        let rolled = client(&world, &elsewhere, "tools").await.sign_in(&mut Browser::of("ada")).await;
        assert_ne!(rolled.access.split('.').next(), tokens.access.split('.').next(), "another key");
        elsewhere.ask(&rolled.access, "whoami").await.expect(200);
        elsewhere.ask(&tokens.access, "whoami").await.expect(200);
    }
}

#[tokio::test]
async fn rs_07_a_revocation_is_seen_by_introspection_and_silence_is_no_yes() {
    for framework in Framework::ALL {
        let (world, listener, _file) = issuer(*framework).await;
        let elsewhere = Elsewhere::start(*framework, world.base(), listener, true);
        let tools = client(&world, &elsewhere, "tools").await;
        let (mut ada, mut bob) = (Browser::of("ada"), Browser::of("bob"));
        let (adas, bobs) = (tools.sign_in(&mut ada).await, tools.sign_in(&mut bob).await);
        for tokens in [&adas, &bobs] {
            elsewhere.ask(&tokens.access, "whoami").await.expect(200);
        }
        tools.revoke(&adas.refresh).await.expect(200);
        elsewhere.advance(3);
        let refused = elsewhere.ask(&adas.access, "whoami").await.expect(401);
        assert!(refused.header("www-authenticate").unwrap().starts_with("Bearer error=\"invalid_token\""));
        elsewhere.ask(&bobs.access, "whoami").await.expect(200);

        let down = world.stop().await;
        elsewhere.advance(3);
        let silent = elsewhere.ask(&bobs.access, "whoami").await.expect(503);
        assert_eq!(silent.header("www-authenticate"), None);
        assert!(silent.header("retry-after").is_some());
        let _world = down.start().await;
        elsewhere.advance(3);
        elsewhere.ask(&bobs.access, "whoami").await.expect(200);
        elsewhere.ask(&adas.access, "whoami").await.expect(401);
    }
}
