//! Load for the example servers, and the figures that come of it: rates, latencies, and what each request costs the server.
//!
//! Absolute figures are those of a machine and a day. What lasts are *ratios* to what the same machine did in the same run
//! ([`limits`]), and the *CPU time of the server per operation*, which does not depend on how much of the machine the load
//! itself takes.
//!
//! `examples/bench/run` builds everything, runs all of it and prints a table. The program `load` drives one server in one
//! [`Scenario`]:
//!
//! ```sh
//! DCR_LIMITS=off target/release/axum-server &
//! target/release/load protected --url http://127.0.0.1:8080 --pid $!
//! ```
//!
//! Whoever signs in needs a login that asks nobody: an [`Upstream`] in the process of the load, whose CPU time is not the
//! server's. `load --upstream 127.0.0.1:8081` brings one, and says with which variables a server has to be started for it.

pub mod drive;
pub mod flow;
pub mod http;
pub mod limits;
pub mod process;
pub mod scenario;
pub mod site;
pub mod storage;
pub mod upstream;

use std::fmt;

pub use self::drive::{Load, Measured, Phase, drive};
pub use self::process::Server;
pub use self::scenario::{Plan, Scenario};
pub use self::site::Site;
pub use self::upstream::{Signing, Upstream};

/// Something did not go as it must: the run is worth nothing.
#[derive(Debug, Clone)]
pub struct Failure(String);

impl Failure {
    /// A failure that says this.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// What was being done when `error` came.
    pub fn at(what: impl fmt::Display, error: impl fmt::Display) -> Self {
        Self(format!("{what}: {error}"))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Failure {}
