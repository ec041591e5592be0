//! End-to-end tests over real sockets: a server on a loopback port, a development provider, a browser and an OAuth client.
//!
//! ```no_run
//! # async fn test() {
//! use dcr_e2e::{Browser, Client, Framework, World};
//!
//! let world = World::start(Framework::Axum).await;
//! let client = Client::register(&world, &["http://127.0.0.1/callback"]).await;
//! let tokens = client.sign_in(&mut Browser::of("ada")).await;
//! let whoami = world.whoami(&tokens.access).await;
//! assert_eq!(whoami["name"], "Ada Example");
//! # }
//! ```
//!
//! Everything here belongs to tests: what does not go as expected panics and says what came instead.

mod balancer;
mod browser;
mod client;
mod cluster;
mod documents;
mod http;
mod loud;
mod random;
pub mod raw;
mod recorder;
mod site;
mod tap;
mod volley;
mod world;

pub use self::balancer::{Balancer, Forwarded, Traffic, at};
pub use self::browser::{Approved, Browser, Landing, Page};
pub use self::client::{Client, Flow, Tokens};
pub use self::cluster::{Cluster, Diagnosis, FRAMEWORK, SECRETS, Variables};
pub use self::documents::DocumentHost;
pub use self::http::{Answer, Http, encode};
pub use self::loud::{LOUD, log_loudly, log_loudly_if_asked};
pub use self::random::Random;
pub use self::recorder::{Recorded, recorded};
pub use self::site::{Site, call};
pub use self::tap::{Exchange, tap, untap};
pub use self::volley::{Fired, Shot, Volley};
pub use self::world::{Directory, Framework, Stopped, World};
