//! A reference model of the bridge, and what plays moves of the whole system on it and on the real engine.
//!
//! [`model`] is the specification in plain rules; [`moves`] its vocabulary; [`choose`] says what is worth doing next;
//! [`play`](play()) plays a sequence on a [`DcrEngine`](dcr_core::DcrEngine) over any store and compares every answer and every
//! row; [`run`](run()) makes sequences until there were enough, and shortens one that shows a fault.
//!
//! A store that fails leaves two futures open: nothing happened, or it happened and nobody was told. The model allows both
//! and lets the rows say which it was. The sequences are chosen beforehand by a model to which nothing ever happened then, so
//! that some later moves may speak of what is not there; they are left out.
//!
//! Not in the model, and where it is tested: several processes at once (`examples/e2e`), metadata documents, machines,
//! clients that are pinned or change themselves while a server runs, imports, and a restored backup with its recovery window
//! (`dcr-core/tests`).

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

pub use self::faults::{FaultyStore, Switch};
pub use self::play::{Coverage, Failure, Look, Played, play};
pub use self::run::{Found, Plan, run};
pub use self::world::Fresh;
