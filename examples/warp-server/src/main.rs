//! `warp-server`: an MCP server that any MCP client can sign in to. Run it without any configuration, or see `--help`.

use std::process::ExitCode;

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
    settings.start_log();
    let example = Example::start(settings).await?;
    example.stop.on_signals()?;
    example.announce();
    warp_server::serve(example).await.map_err(|error| Failure::Start(format!("the server broke off: {error}")))
}
