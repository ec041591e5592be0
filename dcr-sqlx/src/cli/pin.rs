//! `dcr pin`, `unpin`, `clients`: clients that the operator registers, under ids of their choice.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use dcr_core::store::Target;
use dcr_core::{AuthMethod, ClientId, PreRegistered, ScopeSet, Secret, StoredClient, SystemRandom};
use serde::Serialize;

use super::terminal::{JsonList, Out, Table, count, say, shown};
use super::{Database, Failure, uses};

const DAY: u64 = 24 * 60 * 60;
/// So many rows are read at once.
const PAGE: u32 = 500;

#[derive(Clone, Copy, ValueEnum)]
enum Method {
    /// By HTTP Basic
    ClientSecretBasic,
    /// In the form
    ClientSecretPost,
}

#[derive(Args)]
pub(super) struct Pin {
    /// The client id
    id: String,

    /// A redirect URI; for a port that is free, leave it out of a loopback one
    #[arg(long = "redirect", value_name = "URI")]
    redirects: Vec<String>,

    /// How the app is called on the consent page
    #[arg(long)]
    name: Option<String>,

    /// The scopes that it may get at most, by spaces; those of the resource if left out
    #[arg(long, value_name = "SCOPES")]
    scope: Option<String>,

    /// Makes a secret, prints it once, and requires it from now on
    #[arg(long, value_enum, value_name = "METHOD", num_args = 0..=1, default_missing_value = "client-secret-basic")]
    secret: Option<Method>,

    /// A file with the JSON Web Key Set with which it signs (private_key_jwt)
    #[arg(long, value_name = "FILE", conflicts_with = "secret")]
    jwks: Option<PathBuf>,

    /// It may have tokens of its own, without a person (client_credentials)
    #[arg(long)]
    machine: bool,

    /// Remembers each person's approval in their browser for so long; not for loopback and custom schemes
    #[arg(long, value_name = "DAYS")]
    remember_days: Option<u32>,

    /// Kept on the record
    #[arg(long, value_name = "TEXT", default_value = "operator")]
    reason: String,

    /// Only prints the client as JSON, with the names that [[client]] has in the file of DCR_CONFIG
    #[arg(long)]
    dry_run: bool,
}

#[derive(Args)]
pub(super) struct Unpin {
    /// The client id
    id: String,

    /// Kept with each session and on the record
    #[arg(long, value_name = "TEXT", default_value = "operator")]
    reason: String,

    /// Do not ask
    #[arg(long, short)]
    yes: bool,

    /// Only say which sessions would end
    #[arg(long)]
    dry_run: bool,
}

#[derive(Args)]
pub(super) struct Clients {
    /// Instead those that people use, with how many people and live sessions each has
    #[arg(long)]
    used: bool,

    /// As a JSON array
    #[arg(long)]
    json: bool,
}

fn client_id(text: &str) -> Result<ClientId, Failure> {
    ClientId::new(text).map_err(|error| Failure::Usage(format!("no client id: {error}")))
}

impl Pin {
    pub(super) async fn run(&self, url: &str, out: &mut Out) -> Result<(), Failure> {
        let (client, secret) = self.client()?;
        client.validate().map_err(|fault| Failure::Usage(fault.to_string()))?;
        if self.dry_run {
            out.json(&client)?;
        } else {
            let replaced = Database::open(url).await?.operator.pin(client, &self.reason).await?;
            let done = if replaced { "pinned anew" } else { "pinned" };
            say(format_args!("{}: {done}; running servers know it within 5 seconds", shown(&self.id)));
            for uri in self.redirects.iter().filter(|uri| !uri.starts_with("http")) {
                say(format_args!("{}: servers accept it if DCR_CUSTOM_REDIRECTS lists it", shown(uri)));
            }
        }
        if let Some(secret) = secret {
            say(format_args!("Its secret, which is not kept and not shown again:"));
            out.line(format_args!("{secret}"))?;
        }
        Ok(())
    }

    /// The client, and its secret if one was made.
    fn client(&self) -> Result<(PreRegistered, Option<String>), Failure> {
        let id = client_id(&self.id)?;
        let (mut client, secret) = match (self.secret, &self.jwks) {
            (Some(method), _) => {
                let secret = Secret::generate(&SystemRandom).map_err(|error| Failure::Failed(error.to_string()))?;
                let secret = secret.to_base64();
                let method = match method {
                    Method::ClientSecretBasic => AuthMethod::ClientSecretBasic,
                    Method::ClientSecretPost => AuthMethod::ClientSecretPost,
                };
                (PreRegistered::confidential(id, method, &secret), Some(secret))
            }
            (None, Some(file)) => {
                let jwks = std::fs::read_to_string(file)
                    .map_err(|error| Failure::Failed(format!("{} cannot be read: {error}", file.display())))?;
                let client = PreRegistered::with_keys(id, &jwks).map_err(|fault| Failure::Usage(fault.to_string()))?;
                (client, None)
            }
            (None, None) => (PreRegistered::public(id), None),
        };
        for uri in &self.redirects {
            client = client.redirect(uri);
        }
        if let Some(name) = &self.name {
            client = client.name(name);
        }
        if let Some(scope) = &self.scope {
            let names = ScopeSet::from_names(scope.split_ascii_whitespace());
            client = client.scopes(
                names.ok_or_else(|| Failure::Usage("--scope has characters that a scope cannot have".to_owned()))?,
            );
        }
        if self.machine {
            client = client.client_credentials();
        }
        if let Some(days) = self.remember_days {
            client = client.remember_consent(std::time::Duration::from_secs(u64::from(days) * DAY));
        }
        Ok((client, secret))
    }
}

impl Unpin {
    pub(super) async fn run(&self, database: &Database, out: &mut Out) -> Result<(), Failure> {
        let (id, name) = (client_id(&self.id)?, shown(&self.id));
        if database.store.client(&id).await?.is_none_or(|client| client.as_pinned().is_none()) {
            out.line(format_args!("{name}: is not pinned here"))?;
            return Ok(());
        }
        let alive = count(database.store.would_end(&Target::ClientId(id.clone())).await?.len(), "session");
        if self.dry_run {
            out.line(format_args!("{name}: would take the pin away and end {alive}"))?;
            return Ok(());
        }
        out.confirm(&format!("take away the pin of {name} and end {alive}"), self.yes)?;
        let ended = database.operator.unpin(&id, &self.reason).await?.unwrap_or_default();
        out.line(format_args!("{name}: no longer pinned, {} ended", count(ended.len(), "session")))?;
        Ok(())
    }
}

#[derive(Serialize)]
struct ClientRow<'a> {
    client_id: &'a str,
    kind: &'static str,
    version: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pinned: Option<&'a PreRegistered>,
}

impl Clients {
    pub(super) async fn run(&self, database: &Database, out: &mut Out) -> Result<(), Failure> {
        if self.used {
            return uses::clients(database, self.json, out).await;
        }
        let mut list = JsonList::default();
        let mut table = Table::new(["CLIENT ID", "KIND", "METHOD", "NAME", "REDIRECT URIS"]);
        let mut after: Option<ClientId> = None;
        loop {
            let page = database.store.clients(after.as_ref(), PAGE).await?;
            for client in &page {
                if self.json {
                    let (kind, version, pinned) = (client.kind(), client.version(), client.as_pinned());
                    list.item(out, &ClientRow { client_id: client.id().as_str(), kind, version, pinned })?;
                } else {
                    table.row(out, row(client))?;
                }
            }
            match page.last() {
                Some(last) => after = Some(last.id().clone()),
                None => break,
            }
        }
        if self.json {
            return Ok(list.end(out)?);
        }
        if !table.end(out)? {
            out.line(format_args!("no client is pinned, changed or deleted"))?;
        }
        Ok(())
    }
}

fn row(client: &StoredClient) -> [String; 5] {
    let id = shown(client.id().as_str());
    let Some(pinned) = client.as_pinned() else {
        return [id, client.kind().to_owned(), String::new(), String::new(), String::new()];
    };
    let uses = if pinned.is_machine() { vec!["(client_credentials)"] } else { Vec::new() };
    let uses: Vec<&str> = pinned.redirects().chain(uses).collect();
    let name = pinned.client_name().map(shown).unwrap_or_default();
    [id, client.kind().to_owned(), pinned.auth_method().as_str().to_owned(), name, shown(&uses.join(" "))]
}
