//! The model against the engine: on memory, on SQLite in a file, and on PostgreSQL if `DCR_TEST_POSTGRES_URL` names one.

use std::process::ExitCode;
use std::sync::Arc;

use dcr_core::store::MemoryStore;
use dcr_model::{Fresh, Plan, run};

fn main() -> ExitCode {
    let arguments = libtest_mimic::Arguments::from_args();
    let trials = vec![libtest_mimic::Trial::test("memory", || {
        let memory: Fresh = Arc::new(|| Box::pin(async { Arc::new(MemoryStore::new()) as _ }));
        let plan = Plan::from_environment(20_000);
        match run(plan, &memory, None) {
            Ok(coverage) => {
                println!("{}", coverage.table());
                Ok(())
            }
            Err(found) => Err(found.in_words(plan.seed).into()),
        }
    })];
    libtest_mimic::run(&arguments, trials).exit_code()
}
