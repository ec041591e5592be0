//! The MCP server itself, on the official SDK: four tools. One says who is calling, one needs more scope than others, one
//! asks the login's own provider in the person's name.

use std::sync::Arc;

use dcr_core::upstream::{HttpFetch, UpstreamTokenError};
use dcr_core::{DcrEngine, Principal};
use http::request::Parts;
use rmcp::handler::server::tool::Extension;
use rmcp::handler::server::wrapper::{Json, Parameters};
use rmcp::model::{Implementation, ServerCapabilities, ServerConfig};
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use rmcp::{ErrorData, ServerHandler, schemars, tool, tool_handler, tool_router};
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;
use url::Url;

/// The MCP endpoint: a tower service for any framework.
pub type McpService = StreamableHttpService<ExampleTools, LocalSessionManager>;

/// Who somebody is, at Microsoft Graph.
pub(crate) const GRAPH: &str = "https://graph.microsoft.com/v1.0/me";

/// An interface of the provider's, and what it takes to call it in a person's name.
#[derive(Debug, Clone)]
pub(crate) struct Graph {
    pub(crate) engine: DcrEngine,
    pub(crate) fetch: Arc<dyn HttpFetch>,
    pub(crate) url: String,
}

/// The tools. They must be behind the engine's guard, which says who is calling.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ExampleTools {
    name: String,
    graph: Graph,
}

/// What `profile` answers: as the provider has it.
#[derive(Debug, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Profile {
    /// The person's immutable id.
    id: String,
    /// Their name.
    display_name: Option<String>,
    /// Their sign-in name.
    user_principal_name: Option<String>,
    /// Their e-mail address.
    mail: Option<String>,
}

/// What `whoami` answers.
#[derive(Debug, Serialize, schemars::JsonSchema)]
struct WhoAmI {
    /// The person's immutable id in their tenant.
    oid: String,
    /// Their tenant.
    tid: String,
    /// Their name, for people to read.
    name: Option<String>,
    /// Their e-mail address, for people to read.
    email: Option<String>,
    /// The client id, as the client presented it.
    client_id: String,
    /// Which software that is, as far as its redirect proves it.
    platform: String,
    /// This person's use of this software.
    connection: Option<String>,
    /// The sign-in that the access token belongs to.
    session: Option<String>,
    /// What was granted.
    scopes: Vec<String>,
}

#[derive(Debug, Deserialize, schemars::JsonSchema)]
struct Summands {
    /// The first number.
    a: f64,
    /// The second number.
    b: f64,
}

#[tool_router]
impl ExampleTools {
    /// Says who is signed in, with which app, and what was granted.
    #[tool(annotations(read_only_hint = true))]
    async fn whoami(&self, Extension(parts): Extension<Parts>) -> Result<Json<WhoAmI>, ErrorData> {
        // The guard put it there. Each request has its own: a session of MCP may outlive many access tokens.
        let principal = parts
            .extensions
            .get::<Principal>()
            .ok_or_else(|| ErrorData::internal_error("this server is not behind its bearer guard", None))?;
        let user = principal.user();
        Ok(Json(WhoAmI {
            oid: user.object_id.clone(),
            tid: user.tenant.clone(),
            name: user.name.clone(),
            email: user.email.clone(),
            client_id: principal.client_id().to_string(),
            platform: principal.platform().to_string(),
            connection: principal.connection().map(|id| id.to_string()),
            session: principal.session().map(|id| id.to_string()),
            scopes: principal.scope().iter().map(str::to_owned).collect(),
        }))
    }

    /// Asks the company login's own interface who is calling, in their name.
    #[tool(annotations(read_only_hint = true))]
    async fn profile(&self, Extension(parts): Extension<Parts>) -> Result<Json<Profile>, ErrorData> {
        let principal = parts
            .extensions
            .get::<Principal>()
            .ok_or_else(|| ErrorData::internal_error("this server is not behind its bearer guard", None))?;
        // Fresh, and of this person only. It goes to the provider and nowhere else.
        let token = self.graph.engine.upstream_token(principal).await.map_err(no_token)?;
        let request = http::Request::get(&self.graph.url).header(http::header::ACCEPT, "application/json");
        let request = match token.authorization() {
            Some(bearer) => request.header(http::header::AUTHORIZATION, bearer).body(Vec::new()),
            None => return Err(trouble("the company login gave a token that no header can carry")),
        };
        let request = request.map_err(|_| trouble("DCR_GRAPH_URL is no URL"))?;
        let response = self.graph.fetch.fetch(request).await;
        let response = response.map_err(|_| trouble("the interface of the company login does not answer"))?;
        if response.status() != http::StatusCode::OK {
            return Err(trouble(format!("the interface of the company login answers {}", response.status())));
        }
        let profile = serde_json::from_slice(response.body());
        profile.map(Json).map_err(|_| trouble("the interface of the company login answers something unreadable"))
    }

    /// Adds two numbers.
    #[tool(annotations(read_only_hint = true))]
    async fn add(&self, Parameters(Summands { a, b }): Parameters<Summands>) -> String {
        (a + b).to_string()
    }

    /// Erases everything that these tools keep, which is nothing. The guard demands a scope for it that is not granted by
    /// default: a client that can asks the person again.
    #[tool(annotations(destructive_hint = true))]
    async fn erase(&self) -> String {
        "Erased: there was nothing.".to_owned()
    }
}

fn trouble(text: impl Into<String>) -> ErrorData {
    ErrorData::internal_error(text.into(), None)
}

/// Who has to do what about it.
fn no_token(error: UpstreamTokenError) -> ErrorData {
    match error {
        UpstreamTokenError::SignInAgain | UpstreamTokenError::UserGone => {
            ErrorData::invalid_request(format!("{error}: disconnect this app and connect it anew"), None)
        }
        UpstreamTokenError::ConsentMissing => {
            ErrorData::invalid_request(format!("{error}: ask an administrator of your organisation"), None)
        }
        error => trouble(error.to_string()),
    }
}

#[tool_handler]
impl ServerHandler for ExampleTools {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
            .with_server_info(Implementation::new("dcr-example", env!("CARGO_PKG_VERSION")).with_title(&self.name))
            .with_instructions(
                "An example. `whoami` tells who is signed in; `profile` asks the company login who that is; `add` adds two \
                 numbers; `erase` needs a further scope.",
            )
    }
}

/// The MCP endpoint of a server called `name` at `public_url`, until `stop`.
pub(crate) fn service(name: &str, public_url: &str, graph: Graph, stop: CancellationToken) -> McpService {
    let mut config = StreamableHttpServerConfig::default().with_cancellation_token(stop);
    // The SDK answers loopback host names only, against DNS rebinding, unless it is told its own name.
    let public_host = Url::parse(public_url).ok().and_then(|url| url.host_str().map(str::to_owned));
    config.allowed_hosts.extend(public_host);
    let tools = ExampleTools { name: name.to_owned(), graph };
    McpService::new(move || Ok(tools.clone()), Arc::default(), config)
}
