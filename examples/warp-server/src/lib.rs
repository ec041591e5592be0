//! The example MCP server on warp: what an application has to add to be signed in to.

use std::io;

use dcr_examples_common::{Example, GREETING, Served, healthz, readyz};
use tower_layer::Layer as _;
use warp::filters::BoxedFilter;
use warp::reply::Response;
use warp::{Filter, Rejection, Reply};

/// The whole application. An existing MCP server adds the guard and the engine's routes.
pub fn app(example: &Example) -> impl Filter<Extract = (impl Reply + use<>,), Error = Rejection> + Clone + use<> {
    let engine = example.engine.clone();
    let protected = warp::path!("protected")
        .and(dcr_warp::authenticated(&engine))
        .and(warp::get())
        .map(|_| GREETING.into_response())
        .recover(dcr_warp::answer_refusal)
        .unify();
    let open = warp::path!("open").and(warp::get()).map(|| GREETING.into_response());
    let alive = warp::path!("healthz").and(warp::get()).map(|| healthz().into_response());
    let probed = engine.clone();
    let ready = warp::path!("readyz").and(warp::get()).then(move || {
        let probed = probed.clone();
        async move {
            let (status, text) = readyz(probed).await;
            warp::reply::with_status(text, status).into_response()
        }
    });
    let routes =
        dcr_warp::routes(engine).or(protected).unify().or(open).unify().or(alive).unify().or(ready).unify().boxed(); // metadata, register, ...
    // A filter of a path takes what is below it, too: longer paths come first.
    example.served().into_iter().fold(routes, |app, served| app.or(mcp(served)).unify().boxed())
}

/// One MCP server at its path, behind its own guard.
fn mcp(Served { path, guard, service, .. }: Served) -> BoxedFilter<(Response,)> {
    let root = if path.is_empty() { warp::path::end().boxed() } else { warp::any().boxed() };
    let segments = path.split('/').filter(|segment| !segment.is_empty());
    let at = segments.fold(root, |at, segment| at.and(warp::path(segment.to_owned())).boxed());
    at.and(dcr_warp::service(guard.layer(service))).boxed()
}

/// Serves it until a stop is asked for and the requests that are running then are done, or had their time.
///
/// # Errors
/// None: warp goes on listening, whatever happens. The result is that of the other example server.
pub async fn serve(example: Example) -> io::Result<()> {
    let app = app(&example);
    let (stop, engine) = (example.stop.clone(), example.engine.clone());
    let stopping = stop.clone();
    let server = warp::serve(app).incoming(example.listener).graceful(async move { stopping.requested().await });
    // The administration, if it has an address of its own.
    let (admin, stopping) = (dcr_warp::admin_routes(&engine), stop.clone());
    let admin_server = async move {
        let Some(listener) = example.admin_listener else { return };
        warp::serve(admin).incoming(listener).graceful(async move { stopping.requested().await }).run().await;
    };
    tokio::select! {
        ((), ()) = async { tokio::join!(server.run(), admin_server) } => {}
        () = stop.overdue() => {}
    }
    dcr_examples_common::flush(&engine).await;
    Ok(())
}
