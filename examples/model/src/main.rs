//! Plays the model on memory until it finds something: `cargo run --release -p dcr-model`. See [`Plan::from_environment`]
//! for how long, and from which seed.

use std::io::Write as _;
use std::process::ExitCode;
use std::sync::Arc;

use dcr_core::store::MemoryStore;
use dcr_model::{Fresh, Plan, run};

fn main() -> ExitCode {
    let memory: Fresh = Arc::new(|| Box::pin(async { Arc::new(MemoryStore::new()) as _ }));
    let plan = Plan::from_environment(20_000);
    let (text, code) = match run(plan, &memory, None) {
        Ok(coverage) => (coverage.table(), ExitCode::SUCCESS),
        Err(found) => (found.in_words(plan.seed), ExitCode::FAILURE),
    };
    let _ = writeln!(std::io::stdout(), "{text}");
    code
}
