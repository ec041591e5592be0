//! Two engines made alike, one behind each adapter, each on a socket of its own.

use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body as AxumBody, Bytes};
use axum::http::{Request, Response};
use axum::routing::any;
use dcr_core::testing::{Person, SignedInPerson, TestEngine};
use dcr_core::{
    AdminAccess, AdminPeople, AuthMethod, ClientId, InspectedBody, PreRegistered, Principal, ScopeSet, Theme,
};
use dcr_e2e::raw::{Answer, Raw, ask, exchange};
use http_body_util::{BodyExt as _, Full};
use rmcp::ServerHandler;
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use tokio::net::TcpListener;
use tokio::task::AbortHandle;
use tower::service_fn;
use tower_layer::Layer as _;
use warp::Filter as _;
use warp::filters::BoxedFilter;

/// What stands in a request for the MCP session of the server that it goes to.
pub(crate) const SESSION: &str = "{session}";

/// A logo of a line break and a letter that is not ASCII: bytes are bytes.
pub(crate) const LOGO: &str =
    "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 1 1'>\r\n<title>\u{e9}</title></svg>";

/// What the admin API asks for.
pub(crate) const ADMIN_TOKEN: &str = "0123456789abcdef0123456789abcdef";

/// An MCP server with nothing in it.
#[derive(Clone)]
struct Nothing;

impl ServerHandler for Nothing {}

fn mcp() -> StreamableHttpService<Nothing, LocalSessionManager> {
    let mut config = StreamableHttpServerConfig::default();
    config.allowed_hosts.push("mcp.example".to_owned());
    StreamableHttpService::new(|| Ok(Nothing), Arc::default(), config)
}

/// Says what came: the request as a service sees it. Names of headers and their order are part of that.
async fn mirror<B>(request: Request<B>) -> Result<Response<Full<Bytes>>, Infallible>
where
    B: axum::body::HttpBody<Data = Bytes, Error: std::fmt::Debug>,
{
    let (mut parts, body) = request.into_parts();
    let who = parts.extensions.get::<Principal>().map(|who| who.user().name.clone());
    // A host in the target alone stays there with axum and becomes a header with warp.
    let host = parts.uri.authority().map(ToString::to_string);
    let host = parts.headers.remove("host").map_or(host, |host| Some(format!("{host:?}").replace('"', "")));
    // Each framework has a name of its own for an error.
    let body = body.collect().await.map_or(None, |body| Some(body.to_bytes()));
    let target = parts.uri.path_and_query().map_or("", |target| target.as_str());
    let text = format!("{} {host:?} {target} {who:?} {:?} {body:?}", parts.method, parts.headers);
    Ok(Response::builder().status(203).header("x-mirror", "1").header("x-mirror", "2").body(text.into()).unwrap())
}

/// One of the two.
struct Server {
    test: TestEngine,
    address: SocketAddr,
    running: AbortHandle,
    session: String,
}

impl Server {
    async fn start<F>(serve: impl FnOnce(TestEngine, TcpListener) -> F) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let job =
            PreRegistered::confidential(ClientId::new("job").unwrap(), AuthMethod::ClientSecretPost, "job-secret");
        let theme = Theme::new().name("Example Corp").logo(LOGO).colour("#0b6e4f");
        let test = TestEngine::with(|builder| {
            let builder = builder.resource_server("rs", "rs-secret").manage_registrations(true);
            let people = AdminPeople::new().users(["ada".to_owned()]);
            let access = AdminAccess::token(ADMIN_TOKEN).unwrap().and_people(people).unwrap();
            builder.client(job.client_credentials()).theme(theme).admin(access)
        })
        .await;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let running = tokio::spawn(serve(test.clone(), listener)).abort_handle();
        Self { test, address, running, session: SESSION.to_owned() }
    }

    async fn ask(&mut self, request: &Raw) -> Answer {
        let mut answer = ask(self.address, &request.replaced(SESSION, &self.session)).await;
        // The one value that is random: rmcp makes it.
        if let Some(session) = answer.header("mcp-session-id").map(str::to_owned) {
            for line in &mut answer.head {
                *line = line.replace(&session, SESSION);
            }
            self.session = session;
        }
        answer
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.running.abort();
    }
}

fn admin() -> ScopeSet {
    ScopeSet::from_names(["mcp:admin"]).unwrap()
}

async fn on_axum(test: TestEngine, listener: TcpListener) {
    let app = Router::new()
        .nest_service("/mcp", test.guard().browsers().layer(mcp()))
        .nest_service("/mirror", test.guard().layer(service_fn(mirror::<InspectedBody<AxumBody>>)))
        .nest_service(
            "/tools",
            test.guard().tool("erase", admin()).layer(service_fn(mirror::<InspectedBody<AxumBody>>)),
        )
        .nest_service("/open", service_fn(mirror::<AxumBody>))
        .route("/protected", any("protected").layer(test.guard()))
        .route("/admin", any("for administrators").layer(test.guard().scopes(admin())))
        .merge(dcr_axum::router(test.engine()));
    axum::serve(listener, app).await.unwrap();
}

fn warp_app(test: &TestEngine) -> BoxedFilter<(impl warp::Reply + use<>,)> {
    let guarded = service_fn(mirror::<InspectedBody<dcr_warp::RequestBody>>);
    let open = service_fn(mirror::<dcr_warp::RequestBody>);
    let protected = warp::path!("protected").and(dcr_warp::authenticated(test.guard())).map(|_| "protected");
    let tools = dcr_warp::service(test.guard().tool("erase", admin()).layer(guarded));
    let admin = warp::path("admin")
        .and(dcr_warp::guarded(test.guard().scopes(admin()), warp::path::end().map(|| "for administrators")));
    dcr_warp::routes(test.engine())
        .or(warp::path("mcp").and(dcr_warp::service(test.guard().browsers().layer(mcp()))))
        .or(warp::path("mirror").and(dcr_warp::service(test.guard().layer(guarded))))
        .or(warp::path("tools").and(tools))
        .or(warp::path("open").and(dcr_warp::service(open)))
        .or(protected.recover(dcr_warp::answer_refusal))
        .or(admin)
        .boxed()
}

async fn on_warp(test: TestEngine, listener: TcpListener) {
    warp::serve(warp_app(&test)).incoming(listener).run().await;
}

/// The two, and how their answers compare.
pub(crate) struct Pair {
    axum: Server,
    warp: Server,
    compared: usize,
    silent: usize,
    differences: Vec<String>,
}

impl Pair {
    pub(crate) async fn start() -> Self {
        let (axum, warp) = (Server::start(on_axum).await, Server::start(on_warp).await);
        Self { axum, warp, compared: 0, silent: 0, differences: Vec::new() }
    }

    /// Sends one request to both and keeps what differs. Answers what both said, or what axum said.
    pub(crate) async fn ask(&mut self, request: Raw) -> Answer {
        let (axum, warp) = (self.axum.ask(&request).await, self.warp.ask(&request).await);
        self.compare(&request.describe(), &axum, &warp);
        self.silent += usize::from(axum.status() == 0);
        axum
    }

    /// Several requests in one connection, the last of which ends it.
    pub(crate) async fn pipeline(&mut self, requests: &[u8]) {
        let lines = |read: Vec<u8>| -> Vec<String> {
            let text = String::from_utf8_lossy(&read).into_owned();
            let ours = |line: &&str| !line.starts_with("date: ") && !line.starts_with("connection: ");
            text.split("\r\n").filter(ours).map(str::to_owned).collect()
        };
        let axum = lines(exchange(self.axum.address, requests, false).await);
        let warp = lines(exchange(self.warp.address, requests, false).await);
        self.compare("a pipeline", &axum, &warp);
        assert!(axum.iter().filter(|line| line.contains("HTTP/1.1 ")).count() > 1, "{axum:?}");
    }

    fn compare<T: PartialEq + std::fmt::Debug>(&mut self, what: &str, axum: &T, warp: &T) {
        self.compared += 1;
        if axum != warp {
            self.differences.push(format!("{what}\n    axum: {axum:?}\n    warp: {warp:?}"));
        }
    }

    /// Signs a person in at both; the tokens are the same.
    pub(crate) async fn sign_in(&self, name: &str, scopes: &[&str]) -> SignedInPerson {
        let scope = ScopeSet::from_names(scopes.iter().copied()).unwrap();
        let person = Person::named(name);
        let axum = self.axum.test.sign_in_for_tests(&person, Some(&scope)).await.unwrap();
        let warp = self.warp.test.sign_in_for_tests(&person, Some(&scope)).await.unwrap();
        assert_eq!(axum.token(), warp.token(), "the engines are alike");
        axum
    }

    /// Does the same to both.
    pub(crate) fn each(&self, change: impl Fn(&TestEngine)) {
        change(&self.axum.test);
        change(&self.warp.test);
    }

    pub(crate) fn paths(&self) -> Vec<String> {
        self.axum.test.paths()
    }

    /// How many requests were answered alike, and how many of these with nothing at all; panics if any was not.
    pub(crate) fn finish(self) -> (usize, usize) {
        let Self { compared, silent, differences, .. } = &self;
        assert!(differences.is_empty(), "{} of {compared} differ:\n{}", differences.len(), differences.join("\n"));
        (*compared, *silent)
    }
}
