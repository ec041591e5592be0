//! Mounts a [`DcrEngine`](dcr_core::DcrEngine) in a warp 0.4 application. All logic is in `dcr-core`; this crate brings
//! warp's requests there and the answers back, byte for byte as `dcr-axum` does.
//!
//! | | |
//! | --- | --- |
//! | [`routes()`] | the engine's endpoints, to combine with `or` |
//! | [`admin_routes`] | the console and the admin API by themselves, for another address |
//! | [`service()`] | a filter that carries any tower service: an MCP server on rmcp behind [`DcrEngine::guard`] |
//! | [`guarded`] | one's own filters behind the same guard, which answers by itself |
//! | [`authenticated`] | a filter that yields the [`Principal`], and needs [`answer_refusal`] to answer for it |
//!
//! ```
//! use dcr_core::{DcrEngine, Principal, ScopeSet};
//! use warp::{Filter, Rejection, Reply};
//!
//! fn app(engine: DcrEngine) -> impl Filter<Extract = (impl Reply,), Error = Rejection> + Clone {
//!     let mine = warp::path!("hello")
//!         .and(warp::ext::get::<Principal>())
//!         .map(|who: Principal| format!("Hello, {}", who.user().name.as_deref().unwrap_or("you")));
//!     let admin = ScopeSet::from_names(["mcp:admin"]).unwrap_or_default();
//!     let settings = warp::path!("settings")
//!         .and(dcr_warp::authenticated(engine.guard().scopes(admin)))
//!         .map(|_| "settings")
//!         .recover(dcr_warp::answer_refusal);
//!     let private = warp::path("private").and(dcr_warp::guarded(&engine, mine)); // /private/hello
//!     dcr_warp::routes(engine) // metadata, register, authorize, token, ...
//!         .or(private)
//!         .or(settings)
//! }
//! ```
//!
//! An MCP server, guarded (`mcp` is rmcp's `StreamableHttpService`, or any other tower service):
//!
//! ```
//! # use std::convert::Infallible;
//! # use dcr_core::DcrEngine;
//! # use http_body_util::Full;
//! # use bytes::Bytes;
//! # use warp::{Filter, Rejection, Reply};
//! use tower_layer::Layer as _;
//!
//! # fn app(engine: DcrEngine) -> impl Filter<Extract = (impl Reply,), Error = Rejection> + Clone {
//! # let mcp = tower::service_fn(|_: http::Request<dcr_core::InspectedBody<dcr_warp::RequestBody>>| async {
//! #     Ok::<_, Infallible>(http::Response::new(Full::new(Bytes::new())))
//! # });
//! let mcp = warp::path("mcp").and(dcr_warp::service(engine.guard().layer(mcp)));
//! let app = dcr_warp::routes(engine).or(mcp);
//! # app
//! # }
//! ```
//!
//! [`DcrEngine::guard`]: dcr_core::DcrEngine::guard
//! [`Principal`]: dcr_core::Principal

mod guard;
mod routes;
mod service;

pub use dcr_core;

pub use self::guard::{Refused, answer_refusal, authenticated, guarded};
pub use self::routes::{admin_routes, routes};
pub use self::service::{RequestBody, service};
