//! `dev-idp`: the development identity provider as a program.

use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::process::ExitCode;

use clap::{Parser, ValueEnum};
use dcr_dev_idp::{Algorithm, DEFAULT_CLIENT_ID, DEFAULT_CLIENT_SECRET, DEFAULT_TENANT_ID, DevIdp, RunningIdp};

/// An OpenID Connect provider for development. It checks no password and listens on loopback only.
#[derive(Parser)]
#[command(name = "dev-idp", version)]
struct Options {
    /// The loopback address and port to listen on.
    #[arg(long, env = "DCR_DEV_IDP_BIND", default_value = "127.0.0.1:8081")]
    bind: SocketAddr,
    /// The id of the one client.
    #[arg(long, env = "DCR_DEV_IDP_CLIENT_ID", default_value = DEFAULT_CLIENT_ID)]
    client_id: String,
    /// The secret of the one client.
    #[arg(long, env = "DCR_DEV_IDP_CLIENT_SECRET", default_value = DEFAULT_CLIENT_SECRET)]
    client_secret: String,
    /// The tenant, a GUID.
    #[arg(long, env = "DCR_DEV_IDP_TENANT_ID", default_value = DEFAULT_TENANT_ID)]
    tenant_id: String,
    /// A redirect URI to allow; may be repeated. Without any, loopback callbacks are allowed.
    #[arg(long = "redirect-uri", env = "DCR_DEV_IDP_REDIRECT_URIS", value_delimiter = ' ')]
    redirect_uris: Vec<String>,
    /// Sign in as this user without asking.
    #[arg(long, env = "DCR_DEV_IDP_AUTO_LOGIN")]
    auto_login: Option<String>,
    /// How ID tokens are signed.
    #[arg(long, env = "DCR_DEV_IDP_ALGORITHM", value_enum, default_value = "rs256")]
    algorithm: Signature,
    /// Take authorization requests without PKCE, too.
    #[arg(long, env = "DCR_DEV_IDP_ALLOW_MISSING_PKCE")]
    allow_missing_pkce: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum Signature {
    Rs256,
    Es256,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(Options::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nothing is left to do if standard error is closed.
            let _: io::Result<()> = writeln!(io::stderr(), "dev-idp: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(options: Options) -> io::Result<()> {
    let mut idp = DevIdp::builder()
        .bind(options.bind)
        .client(options.client_id, options.client_secret)
        .tenant_id(options.tenant_id.to_ascii_lowercase())
        .algorithm(match options.algorithm {
            Signature::Rs256 => Algorithm::Rs256,
            Signature::Es256 => Algorithm::Es256,
        });
    for uri in options.redirect_uris {
        idp = idp.redirect_uri(uri);
    }
    if let Some(user) = options.auto_login {
        idp = idp.auto_login(user);
    }
    if options.allow_missing_pkce {
        idp = idp.allow_missing_pkce();
    }
    let idp = idp.start().await?;
    announce(&idp, &mut io::stdout().lock())?;
    stop_signal().await?;
    idp.shutdown().await;
    Ok(())
}

fn announce(idp: &RunningIdp, out: &mut impl io::Write) -> io::Result<()> {
    writeln!(out, "**********************************************************************")?;
    writeln!(out, "*  DEVELOPMENT ONLY. This provider checks no password and hands out  *")?;
    writeln!(out, "*  an identity to whoever asks. Never let it guard anything.         *")?;
    writeln!(out, "**********************************************************************")?;
    writeln!(out, "issuer         {}", idp.issuer())?;
    writeln!(out, "like Entra ID  {}", idp.entra_issuer())?;
    writeln!(out, "               {}", idp.entra_authority("common"))?;
    writeln!(out, "client id      {}", idp.client_id())?;
    writeln!(out, "client secret  {}", idp.client_secret())?;
    writeln!(out, "faults         {}/dev/faults", idp.issuer())?;
    for user in idp.users() {
        let email = user.email.as_deref().unwrap_or("no e-mail address");
        let guest = if user.home.is_some() { ", guest" } else { "" };
        writeln!(out, "user           {}: {}, {email}, oid {}{guest}", user.id, user.name, user.oid)?;
    }
    out.flush()
}

/// Waits for ctrl-c or SIGTERM.
#[cfg(unix)]
async fn stop_signal() -> io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};

    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted,
        _ = terminate.recv() => Ok(()),
    }
}

/// Waits for ctrl-c.
#[cfg(not(unix))]
async fn stop_signal() -> io::Result<()> {
    tokio::signal::ctrl_c().await
}
