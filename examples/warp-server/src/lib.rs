//! The example MCP server on warp: what an application has to add to be signed in to.

use std::io;

use dcr_examples_common::{Example, GREETING};
use tower_layer::Layer as _;
use warp::{Filter, Rejection, Reply};

/// The whole application. An existing MCP server adds the guard and the engine's routes.
pub fn app(example: &Example) -> impl Filter<Extract = (impl Reply + use<>,), Error = Rejection> + Clone + use<> {
    let engine = example.engine.clone();
    let mcp = warp::path("mcp").and(dcr_warp::service(engine.guard().layer(example.mcp())));
    let protected = warp::path!("protected")
        .and(dcr_warp::authenticated(&engine))
        .and(warp::get())
        .map(|_| GREETING)
        .recover(dcr_warp::answer_refusal);
    let open = warp::path!("open").and(warp::get()).map(|| GREETING);
    dcr_warp::routes(engine) // metadata, register, authorize, token, ...
        .or(mcp)
        .or(protected)
        .or(open)
}

/// Serves it until a stop is asked for and the requests that are running then are done, or had their time.
///
/// # Errors
/// None: warp goes on listening, whatever happens. The result is that of the other example server.
pub async fn serve(example: Example) -> io::Result<()> {
    let app = app(&example);
    let stop = example.stop.clone();
    let stopping = stop.clone();
    let server = warp::serve(app).incoming(example.listener).graceful(async move { stopping.requested().await });
    tokio::select! {
        () = server.run() => Ok(()),
        () = stop.overdue() => Ok(()),
    }
}
