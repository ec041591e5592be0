//! The README's lines, in a program that compiles: what an existing rmcp server adds. A test keeps the two alike.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::routing::get;
use dcr_core::upstream::{EntraConfig, OidcProvider, ReqwestFetch};
use dcr_core::{DcrEngine, Resource, SystemClock};

/// `mcp` is the existing application: a router with rmcp's `StreamableHttpService` nested at `/mcp`.
async fn add_the_front_door(mcp: Router) -> Result<Router, Box<dyn std::error::Error>> {
    let entra = EntraConfig::new(env("TENANT_ID")?, env("CLIENT_ID")?, env("CLIENT_SECRET")?);
    let secret = env("DCR_SECRET")?.parse()?;
    let public_url = "https://mcp.example";

    let login = Arc::new(OidcProvider::entra(entra, Arc::new(ReqwestFetch::new()?), Arc::new(SystemClock))?);
    let tools = Resource::new("/mcp", "My tools").scope("mcp", "Use the tools of this server");
    let engine = DcrEngine::builder(public_url).resource(tools).provider(login).secrets(vec![secret], vec![]);
    let engine = engine.store(dcr_sqlx::connect("sqlite://dcr.db").await?).build().await?;
    let app = mcp.route_layer(engine.guard()).merge(dcr_axum::router(engine));

    Ok(app)
}

fn env(name: &str) -> Result<String, std::env::VarError> {
    std::env::var(name)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mcp = Router::new().route("/mcp", get("here is your MCP service"));
    let app = add_the_front_door(mcp).await?;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:8080").await?;
    // With the peer's address, for the limits by address.
    Ok(axum::serve(listener, app.into_make_service_with_connect_info::<SocketAddr>()).await?)
}
