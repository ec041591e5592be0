//! One replica of a cluster under test: an example server, with the framework that the test says.

use std::process::ExitCode;

use dcr_e2e::{FRAMEWORK, Framework};
use dcr_examples_common::{Example, Failure, Settings};

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

async fn run() -> Result<(), Failure> {
    let settings = Settings::from_env()?;
    dcr_e2e::log_loudly_if_asked();
    settings.start_log();
    let framework = std::env::var(FRAMEWORK).ok().and_then(|at| Framework::ALL.get(at.parse::<usize>().ok()?));
    let framework = framework.ok_or_else(|| Failure::Configuration(format!("{FRAMEWORK} names no framework")))?;
    let example = Example::start(settings).await?;
    example.stop.on_signals()?;
    framework.serve(example).await;
    Ok(())
}
