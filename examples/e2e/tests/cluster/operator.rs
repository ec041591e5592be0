//! The `dcr` command beside running servers.

use std::path::Path;
use std::process::Stdio;

use dcr_e2e::Cluster;
use serde_json::Value;
use tokio::process::Command;

use crate::databases::Database;

/// Runs it and answers what it printed.
pub(crate) async fn dcr(cluster: &Cluster, database: &Database, arguments: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_operator"));
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("DCR_")) {
        command.env_remove(name);
    }
    command.env("DCR_DATABASE_URL", database.url());
    command.env("DCR_AZURE_TENANT_ID", cluster.idp().tenant_id()).env("DCR_AZURE_AUTHORITY", cluster.idp().issuer());
    let output = command.args(arguments).stdin(Stdio::null()).output().await.expect("the command");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{arguments:?}: {said}{}", String::from_utf8_lossy(&output.stderr));
    said
}

/// The same, of a command that prints JSON.
pub(crate) async fn dcr_json(cluster: &Cluster, database: &Database, arguments: &[&str]) -> Value {
    serde_json::from_str(&dcr(cluster, database, arguments).await).expect("JSON")
}

/// A path as an argument.
pub(crate) fn text(path: &Path) -> &str {
    path.to_str().expect("a path of a test")
}
