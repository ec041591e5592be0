//! A reference model of the bridge, and what plays moves of the whole system on it and on the real engine.
//!
//! [`model`] is the specification in plain rules; [`moves`] its vocabulary; [`choose`] says what is worth doing next;
//! [`play`](play()) plays a sequence on a [`DcrEngine`](dcr_core::DcrEngine) over any store and compares every answer and every
//! row; [`run`](run()) makes sequences until there were enough, and shortens one that shows a fault.

pub mod choose;
mod driver;
mod faults;
mod invariants;
#[expect(missing_docs, reason = "plain data, named in the design's words")]
pub mod model;
pub mod moves;
mod play;
mod rows;
mod run;
mod world;

pub use self::faults::FaultyStore;
pub use self::play::{Coverage, Failure, Look, Played, play};
pub use self::run::{Found, Plan, run};
pub use self::world::Fresh;
