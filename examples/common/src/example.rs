//! From settings to an engine and a listener: whatever can fail has failed before anything is served.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use dcr_core::guarded::PublicFetch;
use dcr_core::store::{MemoryStore, Store};
use dcr_core::upstream::{EntraConfig, OidcProvider, ProviderConfigError, ReqwestFetch};
use dcr_core::{ConfigError, DcrEngine, DocumentPolicy, SystemClock};
use dcr_dev_idp::{DevIdp, RunningIdp};
use dcr_sqlx::OpenError;
use tokio::net::TcpListener;
use url::Url;

use crate::banner::{Banner, Login};
use crate::resources::ResourceSettings;
use crate::settings::{Database, Provider, Secrets};
use crate::tools::Graph;
use crate::watch::Watch;
use crate::{Failure, Served, Settings, Stop, tools};

/// What the engine counts is written so often.
const FLUSH: Duration = Duration::from_secs(10);

/// An example server that is ready to be served.
///
/// It holds the development provider, if there is one: keep it for as long as the server runs.
pub struct Example {
    /// The authorization server.
    pub engine: DcrEngine,
    /// Where to listen; bound already.
    pub listener: TcpListener,
    /// Where to listen for the administration alone, if it has an address of its own; bound already.
    pub admin_listener: Option<TcpListener>,
    /// When to stop.
    pub stop: Stop,
    resources: Vec<ResourceSettings>,
    graph: Graph,
    banner: Banner,
    _dev_idp: Option<RunningIdp>,
}

impl Example {
    /// Takes the port, opens the database and builds the engine.
    ///
    /// # Errors
    /// [`Failure`] says what to change.
    pub async fn start(settings: Settings) -> Result<Self, Failure> {
        let watch = match settings.metrics_bind {
            Some(bind) => Some(Watch::bind(bind).await?),
            None => None,
        };
        let in_the_way = |error: io::Error| {
            Failure::start(format!("cannot listen on {} (DCR_BIND): {error}; choose another port", settings.bind))
        };
        let listener = TcpListener::bind(settings.bind).await.map_err(in_the_way)?;
        let public_url = match settings.public_url {
            Some(url) => url,
            None => origin_of(listener.local_addr().map_err(in_the_way)?),
        };
        let data = match &settings.database {
            Database::Memory => "in memory, gone when the server stops".to_owned(),
            Database::Url(url) => without_credentials(url),
        };
        let (provider, login, dev_idp) = log_in(settings.provider).await?;
        let graph_url = settings.graph_url.unwrap_or_else(|| match &dev_idp {
            Some(idp) => idp.graph_url(),
            None => tools::GRAPH.to_owned(),
        });
        let builder = DcrEngine::builder(public_url)
            .provider(Arc::new(provider))
            .store(open(settings.database).await?)
            .adoption(settings.adoption)
            .registration(settings.registration)
            .admission(settings.admission)
            .recheck(settings.recheck)
            .lifetimes(settings.lifetimes)
            .limits(settings.limits)
            .trusted_proxies(settings.trusted_proxies)
            .theme(settings.theme)
            .manage_registrations(settings.manages_registrations)
            .event_retention(settings.event_retention);
        let builder = match settings.request_history {
            Some(keep) => builder.request_history(keep),
            None => builder,
        };
        let admin_listener = match settings.admin_bind {
            Some(bind) => Some(admin_listener(bind).await?),
            None => None,
        };
        let builder = match (settings.admin, &admin_listener) {
            (Some(access), Some((_, origin))) => {
                builder.admin(access.apart_at(settings.admin_url.unwrap_or_else(|| origin.clone())))
            }
            (Some(access), None) => builder.admin(access),
            (None, _) => builder,
        };
        let builder = builder.connections_page(settings.connections);
        let builder = settings.resources.iter().fold(builder, |builder, one| builder.resource(one.resource.clone()));
        let builder = settings.clients.into_iter().fold(builder, |builder, client| builder.client(client));
        let builder = match settings.secrets {
            Secrets::Store => builder.secret_from_store(),
            Secrets::Given { active, retired } => builder.secrets(active, retired),
        };
        let builder = match settings.documents {
            DocumentPolicy::Off => builder,
            policy => {
                let fetch = documents(settings.document_ca.as_deref(), settings.private_document_hosts)?;
                builder.metadata_documents(policy, Arc::new(fetch))
            }
        };
        let builder = settings.custom_redirects.into_iter().fold(builder, |builder, uri| builder.custom_redirect(uri));
        let builder = match settings.resource_server {
            Some((id, secret)) => builder.resource_server(id, &secret),
            None => builder,
        };
        let engine = builder.build().await?;
        let stop = Stop::default();
        keep_writing(engine.clone(), stop.clone());
        let metrics = watch.map(|watch| watch.start(engine.clone(), stop.clone()));
        let mut mcp_urls = urls(&engine, &settings.resources);
        let mcp_url = mcp_urls.next().unwrap_or_else(|| engine.issuer().to_owned());
        let (name, more_urls, console) = (settings.server_name, mcp_urls.collect(), engine.console().url());
        let banner = Banner { name, mcp_url, more_urls, login, data, console, metrics };
        let resources = settings.resources;
        let fetch = ReqwestFetch::new().map_err(|error| Failure::start(error.to_string()))?;
        let graph = Graph { engine: engine.clone(), fetch: Arc::new(fetch), url: graph_url };
        let admin_listener = admin_listener.map(|(listener, _)| listener);
        Ok(Self { engine, listener, admin_listener, stop, resources, graph, banner, _dev_idp: dev_idp })
    }

    /// The MCP servers that are served here, each with its own guard; a longer path comes before a shorter one.
    #[must_use]
    pub fn served(&self) -> Vec<Served> {
        let issuer = self.engine.issuer();
        let served = |one: &ResourceSettings| {
            let path = one.path.clone()?;
            let guard =
                self.engine.guard().resource(format!("{issuer}{path}")).tool_scopes(one.tools.clone()).browsers();
            let service = tools::service(&one.name, issuer, self.graph.clone(), self.stop.streams());
            Some(Served { path, guard, service })
        };
        let mut all: Vec<Served> = self.resources.iter().filter_map(served).collect();
        all.sort_by_key(|one| std::cmp::Reverse(one.path.len()));
        all
    }

    /// The URL to add to a client.
    #[must_use]
    pub fn mcp_url(&self) -> &str {
        &self.banner.mcp_url
    }

    /// Prints what to do next.
    pub fn announce(&self) {
        self.banner.print();
    }
}

/// Writes what the engine keeps in memory for a while, now and then, so that little is lost with a process that dies.
fn keep_writing(engine: DcrEngine, stop: Stop) {
    tokio::spawn(async move {
        loop {
            tokio::select! {
                () = tokio::time::sleep(FLUSH) => flush(&engine).await,
                () = stop.requested() => return,
            }
        }
    });
}

/// Writes what the engine keeps in memory for a while, before the server is over.
pub async fn flush(engine: &DcrEngine) {
    if let Err(refusal) = engine.flush().await {
        tracing::warn!(%refusal, "counts and the history of requests could not be written; they wait");
    }
}

/// The administration's own listener, and what it is to browsers of this machine.
async fn admin_listener(bind: SocketAddr) -> Result<(TcpListener, String), Failure> {
    let in_the_way = |error: io::Error| {
        Failure::start(format!("cannot listen on {bind} (DCR_ADMIN_BIND): {error}; choose another port"))
    };
    let listener = TcpListener::bind(bind).await.map_err(in_the_way)?;
    let origin = origin_of(listener.local_addr().map_err(in_the_way)?);
    Ok((listener, origin))
}

/// The URLs to add to clients, of the servers that are here.
fn urls(engine: &DcrEngine, resources: &[ResourceSettings]) -> impl Iterator<Item = String> {
    let here = resources.iter().filter_map(|one| one.path.as_deref());
    here.map(|path| format!("{}{path}", engine.issuer())).collect::<Vec<_>>().into_iter()
}

/// The base URL of a server that listens here.
fn origin_of(address: SocketAddr) -> String {
    let text = format!("http://{address}");
    // Without the port if that is the default one, as clients write it.
    Url::parse(&text).map_or(text, |url| url.origin().ascii_serialization())
}

/// A database URL as it may be shown: no user, no password, no parameters.
fn without_credentials(url: &str) -> String {
    let (scheme, rest) = url.split_once(':').unwrap_or(("", url));
    let place = rest.split('?').next().unwrap_or_default();
    let place = place.rsplit_once('@').map_or(place, |(_, place)| place);
    match scheme {
        "sqlite" => format!("{} (SQLite)", place.trim_start_matches("//")),
        _ => format!("{scheme}://{}", place.trim_start_matches("//")),
    }
}

async fn open(database: Database) -> Result<Arc<dyn Store>, Failure> {
    let url = match database {
        Database::Memory => return Ok(Arc::new(MemoryStore::new())),
        Database::Url(url) => url,
    };
    dcr_sqlx::connect(&url).await.map_err(|error| {
        let text = format!("DCR_DATABASE_URL: {error}");
        match error {
            OpenError::UnknownScheme
            | OpenError::MissingFeature { .. }
            | OpenError::Url(_)
            | OpenError::Parameter(_)
            | OpenError::NoFile
            | OpenError::NoDatabase(_) => Failure::Configuration(text),
            _ => Failure::Start(text),
        }
    })
}

async fn log_in(provider: Provider) -> Result<(OidcProvider, Login, Option<RunningIdp>), Failure> {
    let fetch = Arc::new(ReqwestFetch::new().map_err(|error| Failure::start(error.to_string()))?);
    let clock = Arc::new(SystemClock);
    match provider {
        Provider::Entra { config, tenant } => {
            let provider = OidcProvider::entra(config, fetch, clock).map_err(|error| wrong("DCR_AZURE_", &error))?;
            Ok((provider, Login::Entra { tenant }, None))
        }
        Provider::Oidc { config, issuer } => {
            let provider = OidcProvider::new(config, fetch, clock).map_err(|error| wrong("DCR_OIDC_", &error))?;
            Ok((provider, Login::Oidc { issuer }, None))
        }
        Provider::Development { bind, allowed_tenants } => {
            let idp = development_provider(bind).await?;
            // The same path as in production: Entra ID, of another authority.
            let config = EntraConfig::new(idp.tenant_id(), idp.client_id(), idp.client_secret())
                .authority(idp.issuer())
                .name("the development login")
                .allowed_tenants(allowed_tenants);
            let provider = OidcProvider::entra(config, fetch, clock).map_err(|error| wrong("DCR_DEV_IDP_", &error))?;
            Ok((provider, Login::Development { url: idp.issuer() }, Some(idp)))
        }
    }
}

/// What fetches the metadata documents of clients.
fn documents(ca: Option<&str>, private_hosts: Vec<String>) -> Result<PublicFetch, Failure> {
    let mut builder = PublicFetch::builder();
    if let Some(file) = ca {
        let pem = std::fs::read(file);
        let pem = pem.map_err(|error| Failure::configuration(format!("DCR_CIMD_TEST_CA_FILE={file}: {error}")))?;
        builder = builder.extra_root_certificate_pem(pem);
    }
    if !private_hosts.is_empty() {
        tracing::warn!(?private_hosts, "client metadata documents are fetched from private addresses of these hosts");
    }
    builder = private_hosts.into_iter().fold(builder, |builder, host| builder.dangerously_allow_private_host(host));
    builder.build().map_err(|error| Failure::configuration(format!("DCR_CIMD…: {error}")))
}

/// On a free port if the one it should have is taken, for example by another example server.
async fn development_provider(bind: SocketAddr) -> Result<RunningIdp, Failure> {
    let started = match DevIdp::builder().bind(bind).start().await {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
            DevIdp::builder().bind(SocketAddr::new(bind.ip(), 0)).start().await
        }
        started => started,
    };
    started.map_err(|error| {
        let text = format!("the development provider cannot listen on {bind} (DCR_DEV_IDP_BIND): {error}");
        match error.kind() {
            io::ErrorKind::InvalidInput => Failure::Configuration(text),
            _ => Failure::Start(text),
        }
    })
}

fn wrong(variables: &str, error: &ProviderConfigError) -> Failure {
    let hint = match error {
        ProviderConfigError::TenantsNotListed(_) => " (in DCR_ALLOWED_TENANTS)",
        _ => "",
    };
    Failure::configuration(format!("{variables}…: {error}{hint}"))
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        let variable = match &error {
            ConfigError::Store(_) => return Self::start(format!("DCR_DATABASE_URL: {error}")),
            ConfigError::Random(_) => return Self::start(error.to_string()),
            ConfigError::PublicUrl { .. } => "DCR_PUBLIC_URL",
            ConfigError::AdminOrigin { .. } => "DCR_ADMIN_URL",
            ConfigError::Keys(_) | ConfigError::NoSecret => "DCR_SECRET",
            ConfigError::Lifetime(_) => "DCR_…_TTL",
            ConfigError::CustomRedirect(_) => "DCR_CUSTOM_REDIRECTS",
            ConfigError::Theme { .. } => "DCR_THEME_…",
            ConfigError::Resource { .. } | ConfigError::PreRegistered { .. } | ConfigError::PreRegisteredTwice(_) => {
                "DCR_CONFIG"
            }
            _ => return Self::configuration(error.to_string()),
        };
        Self::configuration(format!("{variable}: {error}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn op_07_a_database_is_named_without_what_opens_it() {
        assert_eq!(without_credentials("sqlite://dcr.db"), "dcr.db (SQLite)");
        assert_eq!(without_credentials("sqlite:///var/lib/dcr.db?mode=rwc"), "/var/lib/dcr.db (SQLite)");
        assert_eq!(
            without_credentials("postgres://u:p%40@db.example:5432/dcr?password=x"),
            "postgres://db.example:5432/dcr"
        );
        assert_eq!(without_credentials("postgres://u:p@ss@db.example/dcr"), "postgres://db.example/dcr");
        assert_eq!(without_credentials("mysql://u:p@[::1]:3306/dcr?ssl-mode=REQUIRED"), "mysql://[::1]:3306/dcr");
        assert_eq!(without_credentials("postgres:///dcr?host=/run/postgresql&password=x"), "postgres:///dcr");
        assert_eq!(without_credentials("nonsense"), "://nonsense");
    }

    #[test]
    fn the_base_url_of_a_listener_is_one_that_clients_would_write() {
        assert_eq!(origin_of(SocketAddr::from(([127, 0, 0, 1], 8080))), "http://127.0.0.1:8080");
        assert_eq!(origin_of(SocketAddr::from(([127, 0, 0, 1], 80))), "http://127.0.0.1");
        assert_eq!(origin_of("[::1]:8080".parse().unwrap()), "http://[::1]:8080");
    }
}
