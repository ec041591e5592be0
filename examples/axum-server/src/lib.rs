//! The example MCP server on axum: what an application has to add to be signed in to.

use std::future::IntoFuture as _;
use std::io;
use std::net::SocketAddr;

use axum::Router;
use axum::middleware::from_fn;
use axum::routing::get;
use dcr_examples_common::{Example, GREETING, Served, healthz, readyz};
use tower_layer::Layer as _;

/// The whole application. An existing MCP server adds the guard and the `merge`.
pub fn app(example: &Example) -> Router {
    let engine = example.engine.clone();
    let probed = engine.clone();
    Router::new()
        .route("/protected", get(GREETING))
        .route_layer(engine.guard()) // everything above needs an access token for the first MCP server
        .route("/open", get(GREETING))
        .route("/healthz", get(healthz()))
        .route("/readyz", get(move || readyz(probed)))
        .merge(example.served().into_iter().fold(Router::new(), mcp))
        .layer(from_fn(dcr_axum::peer)) // for the history of requests
        .merge(dcr_axum::router(engine)) // metadata, register, authorize, token, ...
}

/// One MCP server at its path, behind its own guard.
fn mcp(app: Router, Served { path, guard, service, .. }: Served) -> Router {
    let guarded = guard.layer(service);
    // The root cannot be nested.
    if path.is_empty() { app.route_service("/", guarded) } else { app.nest_service(&path, guarded) }
}

/// Serves it until a stop is asked for and the requests that are running then are done, or had their time.
///
/// # Errors
/// If the system refuses to go on listening.
pub async fn serve(example: Example) -> io::Result<()> {
    let app = app(&example);
    let (stop, engine) = (example.stop.clone(), example.engine.clone());
    let stopping = stop.clone();
    // With the peer's address, for the limits by address.
    let app = app.into_make_service_with_connect_info::<SocketAddr>();
    let server = axum::serve(example.listener, app).with_graceful_shutdown(async move { stopping.requested().await });
    // The administration, if it has an address of its own.
    let (admin, stopping) = (dcr_axum::admin_router(&engine), stop.clone());
    let admin = admin.into_make_service_with_connect_info::<SocketAddr>();
    let admin_server = async move {
        let Some(listener) = example.admin_listener else { return Ok(()) };
        axum::serve(listener, admin).with_graceful_shutdown(async move { stopping.requested().await }).await
    };
    let served = tokio::select! {
        served = async { tokio::try_join!(server.into_future(), admin_server) } => served.map(|_| ()),
        () = stop.overdue() => Ok(()),
    };
    dcr_examples_common::flush(&engine).await;
    served
}
