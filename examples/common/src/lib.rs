//! What the example servers share, whatever their web framework: configuration by environment, start-up, the MCP tools,
//! what is printed at the start, and the stop. A server adds the routes:
//!
//! ```no_run
//! use dcr_examples_common::{Example, Failure, Settings};
//!
//! # async fn run() -> Result<(), Failure> {
//! let settings = Settings::from_env()?;
//! settings.start_log();
//! let example = Example::start(settings).await?;
//! example.stop.on_signals()?;
//! example.announce();
//! // ... now serve `example.served()` and `example.engine` on `example.listener` until `example.stop.requested()`
//! # Ok(())
//! # }
//! ```

mod banner;
mod example;
mod failure;
mod file;
mod options;
mod resources;
mod settings;
mod stop;
mod tools;
mod watch;

pub use self::example::{Example, flush};
pub use self::failure::Failure;
pub use self::options::Options;
pub use self::resources::Served;
pub use self::settings::Settings;
pub use self::stop::Stop;
pub use self::tools::{ExampleTools, McpService};
pub use self::watch::{healthz, readyz};

/// What `GET /open` and `GET /protected` answer: the same trivial thing, so that the cost of the guard can be measured.
pub const GREETING: &str = "Hello from the example server.\n";
