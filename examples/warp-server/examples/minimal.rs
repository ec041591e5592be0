//! The README's lines, in a program that compiles: what an existing rmcp server adds. A test keeps the two alike.

use std::convert::Infallible;
use std::sync::Arc;

use dcr_core::upstream::{EntraConfig, OidcProvider, ReqwestFetch};
use dcr_core::{DcrEngine, InspectedBody, Resource, SystemClock};
use dcr_warp::RequestBody;
use tower::util::BoxCloneSyncService;
use tower_layer::Layer as _;
use warp::http::{Request, Response};
use warp::{Filter, Rejection, Reply};

/// Any tower service: rmcp's `StreamableHttpService` is one as it is.
type McpService = BoxCloneSyncService<Request<InspectedBody<RequestBody>>, warp::reply::Response, Infallible>;

/// `mcp` is the existing MCP server.
async fn add_the_front_door(
    mcp: McpService,
) -> Result<impl Filter<Extract = (impl Reply,), Error = Rejection> + Clone, Box<dyn std::error::Error>> {
    let entra = EntraConfig::new(env("TENANT_ID")?, env("CLIENT_ID")?, env("CLIENT_SECRET")?);
    let secret = env("DCR_SECRET")?.parse()?;
    let public_url = "https://mcp.example";

    let login = Arc::new(OidcProvider::entra(entra, Arc::new(ReqwestFetch::new()?), Arc::new(SystemClock))?);
    let tools = Resource::new("/mcp", "My tools").scope("mcp", "Use the tools of this server");
    let engine = DcrEngine::builder(public_url).resource(tools).provider(login).secrets(vec![secret], vec![]);
    let engine = engine.store(dcr_sqlx::connect("sqlite://dcr.db").await?).build().await?;
    let mcp = warp::path("mcp").and(dcr_warp::service(engine.guard().layer(mcp)));
    let app = dcr_warp::routes(engine).or(mcp);

    Ok(app)
}

fn env(name: &str) -> Result<String, std::env::VarError> {
    std::env::var(name)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mcp = tower::service_fn(async |_| Ok(Response::new("here is your MCP service".into())));
    let app = add_the_front_door(McpService::new(mcp)).await?;
    warp::serve(app).run(([127, 0, 0, 1], 8080)).await;
    Ok(())
}
