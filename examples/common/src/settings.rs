//! The settings, checked. What is wrong is said in terms of the variables, with what to write instead.

use std::fmt::Display;
use std::io::{self, IsTerminal as _};
use std::net::{Ipv4Addr, SocketAddr};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use clap::Parser as _;
use dcr_core::record::Retention;
use dcr_core::upstream::{
    Admission, ClientCertificate, EntraConfig, ManagedIdentity, OidcConfig, OidcSecret, Recheck, ReqwestFetch,
    UpstreamCredential,
};
use dcr_core::{
    AdminAccess, AdminAccessError, AdminPeople, AdoptionPolicy, DocumentPolicy, Lifetimes, Limits, PreRegistered,
    RegistrationPolicy, Secret, SystemClock, Theme, TrustedProxies,
};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use url::{Host, Url};

use crate::file::File;
use crate::resources::ResourceSettings;
use crate::{Failure, Options};

/// How to run a server, checked as far as that goes without opening anything. Made by [`Settings::from_env`].
pub struct Settings {
    pub(crate) bind: SocketAddr,
    /// Where metrics are shown, if they are.
    pub(crate) metrics_bind: Option<SocketAddr>,
    /// Absent: the listen address, which is a loopback one then.
    pub(crate) public_url: Option<String>,
    pub(crate) server_name: String,
    /// Clients that the operator registered.
    pub(crate) clients: Vec<PreRegistered>,
    /// Whether confidential registrations read, change and delete themselves.
    pub(crate) manages_registrations: bool,
    /// At least one.
    pub(crate) resources: Vec<ResourceSettings>,
    pub(crate) database: Database,
    pub(crate) secrets: Secrets,
    pub(crate) provider: Provider,
    pub(crate) adoption: AdoptionPolicy,
    pub(crate) registration: RegistrationPolicy,
    pub(crate) documents: DocumentPolicy,
    /// Where to find further certificates for hosts of documents.
    pub(crate) document_ca: Option<String>,
    /// Hosts of documents whose addresses may be private.
    pub(crate) private_document_hosts: Vec<String>,
    pub(crate) custom_redirects: Vec<String>,
    pub(crate) admission: Admission,
    pub(crate) recheck: Recheck,
    /// Where the tool `profile` asks, if the operator says so.
    pub(crate) graph_url: Option<String>,
    pub(crate) lifetimes: Lifetimes,
    pub(crate) limits: Limits,
    pub(crate) trusted_proxies: TrustedProxies,
    pub(crate) resource_server: Option<(String, String)>,
    pub(crate) admin: Option<AdminAccess>,
    /// Where the administration listens, if it has an address of its own.
    pub(crate) admin_bind: Option<SocketAddr>,
    /// How browsers reach it there. Absent: the address, which is a loopback one then.
    pub(crate) admin_url: Option<String>,
    /// Whether people see their own connections.
    pub(crate) connections: bool,
    pub(crate) event_retention: Retention,
    /// Whether and how long the history of requests is kept.
    pub(crate) request_history: Option<Retention>,
    pub(crate) theme: Theme,
    log: Targets,
}

/// Where the data is.
pub(crate) enum Database {
    /// Gone when the server stops.
    Memory,
    /// Behind this URL.
    Url(String),
}

/// Where the engine's secrets come from.
pub(crate) enum Secrets {
    /// The database makes and keeps one.
    Store,
    /// The operator.
    Given { active: Vec<Secret>, retired: Vec<Secret> },
}

/// Who signs people in.
pub(crate) enum Provider {
    /// A development provider of our own, in this process.
    Development {
        bind: SocketAddr,
        allowed_tenants: Vec<String>,
    },
    Entra {
        config: EntraConfig,
        tenant: String,
    },
    Oidc {
        config: OidcConfig,
        issuer: String,
    },
}

impl Settings {
    /// From the environment and the command line. Answers `--help` and ends the program for it.
    ///
    /// # Errors
    /// [`Failure::Configuration`] says what to change.
    pub fn from_env() -> Result<Self, Failure> {
        Self::check(Options::parse())
    }

    /// From options that were given in some other way.
    ///
    /// # Errors
    /// [`Failure::Configuration`] says what to change.
    pub fn check(options: Options) -> Result<Self, Failure> {
        let options = options.without_empty();
        let bind = address("DCR_BIND", options.bind.as_deref(), 8080)?;
        let metrics_bind = options.metrics_bind.as_deref();
        let metrics_bind = metrics_bind.map(|text| address("DCR_METRICS_BIND", Some(text), 9464)).transpose()?;
        let public_host = match &options.public_url {
            Some(url) => is_loopback_url(url)?,
            None => bind.ip().is_loopback(),
        };
        if options.public_url.is_none() && !public_host {
            return Err(Failure::configuration(format!(
                "DCR_PUBLIC_URL is missing: with DCR_BIND={bind} the server cannot know under which address clients \
                 reach it. Set DCR_PUBLIC_URL=https://…, or listen on a loopback address such as 127.0.0.1:8080"
            )));
        }
        let loopback = public_host;
        let secrets = secrets(options.secret.as_deref(), options.secret_retired.as_deref(), loopback)?;
        let provider = provider(&options, loopback)?;
        let theme = theme(&options)?;
        let (admin, admin_bind) = (admin(&options)?, admin_bind(&options)?);
        let file = options.config.as_deref().map(File::read).transpose()?.unwrap_or_default();
        let server_name = options.server_name.unwrap_or_else(|| "Example MCP server".to_owned());
        Ok(Self {
            bind,
            metrics_bind,
            secrets,
            provider,
            resources: ResourceSettings::all(file.resource, &server_name, list(options.upstream_scopes.as_deref()))?,
            recheck: parsed("DCR_RECHECK", options.recheck.as_deref())?.unwrap_or_default(),
            graph_url: options.graph_url,
            clients: file.client,
            manages_registrations: switch("DCR_CLIENT_CONFIGURATION", options.client_configuration.as_deref(), false)?,
            server_name,
            database: match options.database_url {
                Some(url) if url == "memory:" => Database::Memory,
                Some(url) => Database::Url(url),
                None => Database::Url("sqlite://dcr.db".to_owned()),
            },
            adoption: parsed("DCR_ADOPTION", options.adoption.as_deref())?.unwrap_or_default(),
            registration: parsed("DCR_REGISTRATION", options.registration.as_deref())?.unwrap_or_default(),
            documents: parsed("DCR_CIMD", options.cimd.as_deref())?.unwrap_or(DocumentPolicy::Auto),
            document_ca: options.cimd_test_ca_file,
            private_document_hosts: list(options.cimd_dangerously_allow_private_hosts.as_deref()),
            custom_redirects: list(options.custom_redirects.as_deref()),
            admission: Admission::default()
                .domains(list(options.allowed_domains.as_deref()))
                .users(list(options.allowed_users.as_deref()))
                .groups(list(options.allowed_groups.as_deref()))
                .roles(list(options.allowed_roles.as_deref())),
            lifetimes: Lifetimes {
                code: seconds("DCR_CODE_TTL", options.code_ttl.as_deref(), Lifetimes::default().code)?,
                access_token: seconds(
                    "DCR_ACCESS_TOKEN_TTL",
                    options.access_token_ttl.as_deref(),
                    Lifetimes::default().access_token,
                )?,
                refresh_idle: seconds(
                    "DCR_REFRESH_IDLE_TTL",
                    options.refresh_idle_ttl.as_deref(),
                    Lifetimes::default().refresh_idle,
                )?,
                refresh_absolute: seconds(
                    "DCR_REFRESH_ABSOLUTE_TTL",
                    options.refresh_absolute_ttl.as_deref(),
                    Lifetimes::default().refresh_absolute,
                )?,
                refresh_grace: seconds(
                    "DCR_REFRESH_GRACE",
                    options.refresh_grace.as_deref(),
                    Lifetimes::default().refresh_grace,
                )?,
                ..Lifetimes::default()
            },
            limits: parsed("DCR_LIMITS", options.limits.as_deref())?.unwrap_or_default(),
            trusted_proxies: parsed("DCR_TRUSTED_PROXIES", options.trusted_proxies.as_deref())?.unwrap_or_default(),
            resource_server: options.resource_server.as_deref().map(resource_server).transpose()?,
            admin,
            admin_bind,
            admin_url: options.admin_url,
            connections: switch("DCR_CONNECTIONS", options.connections.as_deref(), true)?,
            event_retention: parsed("DCR_EVENT_RETENTION", options.event_retention.as_deref())?.unwrap_or_default(),
            request_history: match options.request_history.as_deref() {
                Some("off") => None,
                kept => parsed("DCR_REQUEST_HISTORY", kept)?,
            },
            theme,
            log: options.log.as_deref().unwrap_or("info").parse().map_err(|error| {
                Failure::configuration(format!(
                    "DCR_LOG is no filter ({error}): write a level such as info or debug, or levels by target such as \
                     info,dcr=debug"
                ))
            })?,
            public_url: options.public_url,
        })
    }

    /// Logs to standard error from now on. Once a process; a second call changes nothing.
    pub fn start_log(&self) {
        let lines = tracing_subscriber::fmt::layer().with_writer(io::stderr).with_ansi(io::stderr().is_terminal());
        if tracing_subscriber::registry().with(lines).with(self.log.clone()).try_init().is_err() {
            tracing::debug!("there is a log already");
        }
    }
}

impl Options {
    /// An empty variable counts as one that is not set.
    fn without_empty(mut self) -> Self {
        let Self {
            bind,
            metrics_bind,
            config,
            public_url,
            server_name,
            database_url,
            secret,
            secret_retired,
            azure_tenant_id,
            azure_client_id,
            azure_client_secret,
            azure_certificate,
            azure_managed_identity,
            azure_authority,
            oidc_issuer,
            oidc_client_id,
            oidc_client_secret,
            dev_idp_bind,
            adoption,
            registration,
            client_configuration,
            cimd,
            cimd_test_ca_file,
            cimd_dangerously_allow_private_hosts,
            custom_redirects,
            recheck,
            upstream_scopes,
            graph_url,
            allowed_domains,
            allowed_users,
            allowed_groups,
            allowed_roles,
            allowed_tenants,
            limits,
            trusted_proxies,
            code_ttl,
            access_token_ttl,
            refresh_idle_ttl,
            refresh_absolute_ttl,
            refresh_grace,
            resource_server,
            admin_token,
            admin_users,
            admin_groups,
            admin_roles,
            admin_bind,
            admin_url,
            connections,
            event_retention,
            request_history,
            theme_name,
            theme_logo,
            theme_colour,
            log,
        } = &mut self;
        for option in [
            bind,
            metrics_bind,
            config,
            public_url,
            server_name,
            database_url,
            secret,
            secret_retired,
            azure_tenant_id,
            azure_client_id,
            azure_client_secret,
            azure_certificate,
            azure_managed_identity,
            azure_authority,
            oidc_issuer,
            oidc_client_id,
            oidc_client_secret,
            dev_idp_bind,
            adoption,
            registration,
            client_configuration,
            cimd,
            cimd_test_ca_file,
            cimd_dangerously_allow_private_hosts,
            custom_redirects,
            recheck,
            upstream_scopes,
            graph_url,
            allowed_domains,
            allowed_users,
            allowed_groups,
            allowed_roles,
            allowed_tenants,
            limits,
            trusted_proxies,
            code_ttl,
            access_token_ttl,
            refresh_idle_ttl,
            refresh_absolute_ttl,
            refresh_grace,
            resource_server,
            admin_token,
            admin_users,
            admin_groups,
            admin_roles,
            admin_bind,
            admin_url,
            connections,
            event_retention,
            request_history,
            theme_name,
            theme_logo,
            theme_colour,
            log,
        ] {
            if option.as_deref().is_some_and(|text| text.trim().is_empty()) {
                *option = None;
            }
        }
        self
    }
}

/// On or off.
fn switch(variable: &str, text: Option<&str>, default: bool) -> Result<bool, Failure> {
    match text.map(str::trim) {
        None => Ok(default),
        Some("off") => Ok(false),
        Some("on") => Ok(true),
        Some(other) => Err(Failure::configuration(format!("{variable}={other} must be `on` or `off`"))),
    }
}

fn address(variable: &str, text: Option<&str>, default_port: u16) -> Result<SocketAddr, Failure> {
    let Some(text) = text else { return Ok(SocketAddr::from((Ipv4Addr::LOCALHOST, default_port))) };
    text.trim().parse().map_err(|_| {
        Failure::configuration(format!(
            "{variable}={text} is no address to listen on: write an IP address and a port, such as \
             127.0.0.1:{default_port}"
        ))
    })
}

/// The engine checks the URL itself; here it only matters whether strangers can reach it.
fn is_loopback_url(url: &str) -> Result<bool, Failure> {
    let parsed = Url::parse(url).map_err(|error| {
        Failure::configuration(format!(
            "DCR_PUBLIC_URL={url} is no URL ({error}): write one such as https://mcp.example"
        ))
    })?;
    Ok(match parsed.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        None => false,
    })
}

fn secrets(active: Option<&str>, retired: Option<&str>, loopback: bool) -> Result<Secrets, Failure> {
    match (active, retired) {
        (None | Some("store"), Some(_)) => Err(Failure::configuration(
            "DCR_SECRET_RETIRED is set, but DCR_SECRET names no secret that takes their place: set it, too",
        )),
        (Some("store"), None) => Ok(Secrets::Store),
        (None, None) if loopback => Ok(Secrets::Store),
        (None, None) => Err(Failure::configuration(
            "DCR_SECRET is missing: a server with a public URL keeps its secret outside its database. Make one with \
             `openssl rand -base64 32`, or set DCR_SECRET=store to let the database keep it",
        )),
        (Some(active), retired) => Ok(Secrets::Given {
            active: secret_list("DCR_SECRET", active)?,
            retired: secret_list("DCR_SECRET_RETIRED", retired.unwrap_or_default())?,
        }),
    }
}

/// Nothing of a secret is ever repeated, not even of one that does not parse.
fn secret_list(variable: &str, text: &str) -> Result<Vec<Secret>, Failure> {
    list(Some(text))
        .iter()
        .enumerate()
        .map(|(index, secret)| {
            secret.parse().map_err(|error| Failure::configuration(format!("{variable}, entry {}: {error}", index + 1)))
        })
        .collect()
}

fn provider(options: &Options, loopback: bool) -> Result<Provider, Failure> {
    let entra = [("DCR_AZURE_TENANT_ID", &options.azure_tenant_id), ("DCR_AZURE_CLIENT_ID", &options.azure_client_id)];
    let credentials = [&options.azure_client_secret, &options.azure_certificate, &options.azure_managed_identity];
    let oidc = [("DCR_OIDC_ISSUER", &options.oidc_issuer), ("DCR_OIDC_CLIENT_ID", &options.oidc_client_id)];
    let has_entra = options.azure_authority.is_some()
        || entra.iter().any(|(_, value)| value.is_some())
        || credentials.iter().any(|value| value.is_some());
    let has_oidc = options.oidc_client_secret.is_some() || oidc.iter().any(|(_, value)| value.is_some());
    let allowed_tenants = list(options.allowed_tenants.as_deref());
    match (has_entra, has_oidc) {
        (true, true) => Err(Failure::configuration(
            "both DCR_AZURE_… and DCR_OIDC_… are set: there is one login, so unset the variables of one of them",
        )),
        (true, false) => {
            let [tenant, client_id] = complete(entra, ENTRA)?;
            let config = EntraConfig::with_credential(tenant, client_id, azure_credential(options)?);
            let config = config.allowed_tenants(allowed_tenants);
            let config = match &options.azure_authority {
                Some(base) => config.authority(base),
                None => config,
            };
            Ok(Provider::Entra { config, tenant: tenant.to_owned() })
        }
        (false, _) if has_oidc && !allowed_tenants.is_empty() => Err(Failure::configuration(
            "DCR_ALLOWED_TENANTS is about Entra ID, and the login is an OpenID Connect provider, which has no tenants: \
             use DCR_ALLOWED_DOMAINS or DCR_ALLOWED_USERS",
        )),
        (false, true) => {
            let [issuer, client_id] = complete(oidc, "to sign in with an OpenID Connect provider")?;
            let config = OidcConfig::new(issuer, client_id);
            let config = match &options.oidc_client_secret {
                Some(secret) => config.secret(secret),
                None => config,
            };
            Ok(Provider::Oidc { config, issuer: issuer.to_owned() })
        }
        (false, false) if loopback => Ok(Provider::Development {
            bind: address("DCR_DEV_IDP_BIND", options.dev_idp_bind.as_deref(), 8081)?,
            allowed_tenants,
        }),
        (false, false) => Err(Failure::configuration(
            "nobody to sign people in: the development provider is for a loopback DCR_PUBLIC_URL only. Set \
             DCR_AZURE_TENANT_ID, DCR_AZURE_CLIENT_ID and DCR_AZURE_CLIENT_SECRET, or DCR_OIDC_ISSUER and \
             DCR_OIDC_CLIENT_ID",
        )),
    }
}

/// What the variables of Entra ID are for, and what else there is to know of them.
const ENTRA: &str = "to sign in with Entra ID, with DCR_AZURE_CLIENT_SECRET, or DCR_AZURE_CERTIFICATE or \
                     DCR_AZURE_MANAGED_IDENTITY in its place";

/// How this server proves to Entra ID who it is.
fn azure_credential(options: &Options) -> Result<UpstreamCredential, Failure> {
    let wrong = |text: String| Failure::configuration(text);
    match (&options.azure_client_secret, &options.azure_certificate, &options.azure_managed_identity) {
        (Some(secret), None, None) => Ok(UpstreamCredential::Secret(OidcSecret::new(secret))),
        (None, Some(file), None) => {
            let pem = std::fs::read(file).map_err(|error| wrong(format!("DCR_AZURE_CERTIFICATE={file}: {error}")))?;
            let certificate = ClientCertificate::from_pem(&pem);
            let certificate = certificate.map_err(|error| wrong(format!("DCR_AZURE_CERTIFICATE={file}: {error}")))?;
            tracing::info!(thumbprint = certificate.thumbprint(), not_after = %certificate.not_after(), "certificate");
            Ok(UpstreamCredential::Certificate(Arc::new(certificate)))
        }
        (None, None, Some(identity)) => {
            let fetch = ReqwestFetch::new().map_err(|error| Failure::start(error.to_string()))?;
            let identity = ManagedIdentity::new(identity.trim(), Arc::new(fetch), Arc::new(SystemClock));
            Ok(UpstreamCredential::Assertion(Arc::new(identity)))
        }
        (None, None, None) => Err(wrong(format!("DCR_AZURE_CLIENT_SECRET is missing: set it, too, {ENTRA}"))),
        _ => Err(wrong(
            "DCR_AZURE_CLIENT_SECRET, DCR_AZURE_CERTIFICATE and DCR_AZURE_MANAGED_IDENTITY each prove who this server is: \
             set one of them"
                .to_owned(),
        )),
    }
}

/// All of them, or what is missing.
fn complete<'a, const N: usize>(
    variables: [(&str, &'a Option<String>); N],
    purpose: &str,
) -> Result<[&'a str; N], Failure> {
    let missing: Vec<&str> = variables.iter().filter(|(_, value)| value.is_none()).map(|(name, _)| *name).collect();
    if missing.is_empty() {
        Ok(variables.map(|(_, value)| value.as_deref().unwrap_or_default()))
    } else {
        Err(Failure::configuration(format!("{} is missing: set it, too, {purpose}", missing.join(" and "))))
    }
}

/// Programs with a token, people of the lists, or both.
fn admin(options: &Options) -> Result<Option<AdminAccess>, Failure> {
    let wrong = |error: AdminAccessError| {
        let variable = if error == AdminAccessError::Token { "DCR_ADMIN_TOKEN" } else { "DCR_ADMIN_USERS, …" };
        Failure::configuration(format!("{variable}: {error}"))
    };
    let lists = [&options.admin_users, &options.admin_groups, &options.admin_roles];
    let token =
        options.admin_token.as_deref().map(|token| AdminAccess::token(token.trim()).map_err(wrong)).transpose()?;
    if lists.iter().all(|list| list.is_none()) {
        return Ok(token);
    }
    let [users, groups, roles] = lists.map(|text| list(text.as_deref()));
    let people = AdminPeople::new().users(users).groups(groups).roles(roles);
    let access = token.map_or_else(|| AdminAccess::people(people.clone()), |token| token.and_people(people.clone()));
    access.map(Some).map_err(wrong)
}

/// The administration's own address, of which it must be known how browsers reach it.
fn admin_bind(options: &Options) -> Result<Option<SocketAddr>, Failure> {
    let Some(text) = options.admin_bind.as_deref() else {
        return match &options.admin_url {
            None => Ok(None),
            Some(_) => {
                Err(Failure::configuration("DCR_ADMIN_BIND is missing: set it, too, or leave DCR_ADMIN_URL out"))
            }
        };
    };
    let bind = address("DCR_ADMIN_BIND", Some(text), 8082)?;
    if options.admin_url.is_none() && !bind.ip().is_loopback() {
        return Err(Failure::configuration(format!(
            "DCR_ADMIN_URL is missing: with DCR_ADMIN_BIND={bind} the server cannot know under which address browsers \
             reach it. Set DCR_ADMIN_URL=https://…, or listen on a loopback address such as 127.0.0.1:8082"
        )));
    }
    Ok(Some(bind))
}

fn resource_server(text: &str) -> Result<(String, String), Failure> {
    match text.trim().split_once(':') {
        Some((id, secret)) if !id.is_empty() && !secret.is_empty() => Ok((id.to_owned(), secret.to_owned())),
        _ => Err(Failure::configuration("DCR_RESOURCE_SERVER must be an id, a colon and a secret")),
    }
}

/// The engine checks what is in it; here only the file is read.
fn theme(options: &Options) -> Result<Theme, Failure> {
    let theme = Theme::new();
    let theme = match &options.theme_name {
        Some(name) => theme.name(name),
        None => theme,
    };
    let theme = match &options.theme_colour {
        Some(colour) => theme.colour(colour.trim()),
        None => theme,
    };
    match &options.theme_logo {
        Some(file) => match std::fs::read(file) {
            Ok(picture) => Ok(theme.logo(picture)),
            Err(error) => Err(Failure::configuration(format!(
                "DCR_THEME_LOGO={file} cannot be read ({error}): write the path of a PNG or SVG file"
            ))),
        },
        None => Ok(theme),
    }
}

fn seconds(variable: &str, text: Option<&str>, default: Duration) -> Result<Duration, Failure> {
    match text.map(|text| text.trim().parse()) {
        None => Ok(default),
        Some(Ok(seconds)) => Ok(Duration::from_secs(seconds)),
        Some(Err(_)) => Err(Failure::configuration(format!("{variable} must be a number of seconds, such as 900"))),
    }
}

fn parsed<T>(variable: &str, text: Option<&str>) -> Result<Option<T>, Failure>
where
    T: FromStr,
    T::Err: Display,
{
    text.map(|text| text.trim().parse().map_err(|error| Failure::configuration(format!("{variable}: {error}"))))
        .transpose()
}

fn list(text: Option<&str>) -> Vec<String> {
    text.unwrap_or_default().split(',').map(str::trim).filter(|entry| !entry.is_empty()).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(change: impl FnOnce(&mut Options)) -> Result<Settings, String> {
        let mut options = Options::default();
        change(&mut options);
        Settings::check(options).map_err(|failure| {
            assert!(matches!(failure, Failure::Configuration(_)));
            failure.to_string()
        })
    }

    fn some(text: &str) -> Option<String> {
        Some(text.to_owned())
    }

    #[track_caller]
    fn refused(change: impl FnOnce(&mut Options), expected: &str) {
        match check(change) {
            Ok(_) => panic!("accepted, and should say {expected}"),
            Err(text) => assert!(text.contains(expected), "{text}"),
        }
    }

    #[test]
    fn nothing_set_is_a_development_server_on_loopback() {
        let settings = check(|_| {}).unwrap_or_else(|text| panic!("{text}"));
        assert_eq!(settings.bind.to_string(), "127.0.0.1:8080");
        assert!(matches!(settings.secrets, Secrets::Store));
        assert!(matches!(settings.provider, Provider::Development { bind, .. } if bind.port() == 8081));
        assert!(matches!(&settings.database, Database::Url(url) if url == "sqlite://dcr.db"));
        assert_eq!(settings.lifetimes, Lifetimes::default());
    }

    #[test]
    fn an_empty_variable_is_one_that_is_not_set() {
        let empty = check(|options| {
            options.azure_tenant_id = some("");
            options.oidc_issuer = some("  ");
            options.secret = some("");
            options.code_ttl = some("");
            options.public_url = some("");
            options.bind = some("");
        });
        assert!(matches!(empty, Ok(settings) if matches!(settings.provider, Provider::Development { .. })));
    }

    #[test]
    fn op_07_a_public_server_needs_a_secret_of_its_own_or_says_store() {
        let public = |secret: Option<&str>| {
            let secret = secret.map(str::to_owned);
            move |options: &mut Options| {
                options.public_url = some("https://mcp.example");
                options.oidc_issuer = some("https://idp.example");
                options.oidc_client_id = some("app");
                options.secret = secret;
            }
        };
        refused(public(None), "DCR_SECRET is missing");
        refused(public(Some("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=")), "placeholder");
        assert!(check(public(Some("store"))).is_ok());
        let given = check(public(Some("q83vASNFZ4mrze8BI0VniavN7wEjRWeJq83vASNFZ4k=")));
        assert!(matches!(given, Ok(settings) if matches!(&settings.secrets, Secrets::Given { active, retired }
            if active.len() == 1 && retired.is_empty())));
        refused(|options| options.secret_retired = some("x"), "DCR_SECRET_RETIRED");
    }

    #[test]
    fn a_login_is_one_and_whole() {
        refused(|options| options.azure_authority = some("https://login.microsoftonline.us"), "DCR_AZURE_TENANT_ID");
        refused(|options| options.oidc_client_secret = some("x"), "DCR_OIDC_ISSUER and DCR_OIDC_CLIENT_ID");
        let entra = |options: &mut Options| {
            options.azure_tenant_id = some("dev.example");
            options.azure_client_id = some("app");
        };
        refused(entra, "DCR_AZURE_CLIENT_SECRET is missing");
        refused(
            |options| {
                entra(options);
                options.azure_client_secret = some("x");
                options.azure_managed_identity = some("y");
            },
            "set one of them",
        );
        refused(
            |options| {
                entra(options);
                options.azure_certificate = some("/nowhere/app.pem");
            },
            "DCR_AZURE_CERTIFICATE=/nowhere/app.pem",
        );
        let identity = check(|options| {
            entra(options);
            options.azure_managed_identity = some("y");
        });
        assert!(matches!(identity, Ok(settings) if matches!(settings.provider, Provider::Entra { .. })));
        refused(
            |options| {
                options.oidc_issuer = some("https://idp.example");
                options.azure_client_id = some("app");
            },
            "unset",
        );
        refused(
            |options| {
                options.oidc_issuer = some("https://idp.example");
                options.oidc_client_id = some("app");
                options.allowed_tenants = some("t1");
            },
            "DCR_ALLOWED_TENANTS",
        );
    }

    #[test]
    fn the_development_provider_is_for_loopback_only() {
        let public = |options: &mut Options| {
            options.public_url = some("https://mcp.example");
            options.secret = some("store");
        };
        refused(public, "loopback");
        for loopback in ["http://localhost:8080", "http://127.0.0.2:1", "http://[::1]:8080"] {
            assert!(check(|options| options.public_url = some(loopback)).is_ok(), "{loopback}");
        }
        for public in ["https://localhost.evil.example", "https://127.0.0.1.evil.example", "mailto:x"] {
            assert!(check(|options| options.public_url = some(public)).is_err(), "{public}");
        }
    }

    #[test]
    fn what_does_not_parse_is_named() {
        refused(|options| options.bind = some("localhost"), "DCR_BIND");
        refused(|options| options.bind = some("0.0.0.0:8080"), "DCR_PUBLIC_URL");
        refused(|options| options.public_url = some("mcp.example"), "DCR_PUBLIC_URL");
        refused(|options| options.adoption = some("all"), "DCR_ADOPTION");
        refused(|options| options.registration = some("closed"), "DCR_REGISTRATION");
        refused(|options| options.cimd = some("yes"), "DCR_CIMD");
        refused(|options| options.recheck = some("1h"), "DCR_RECHECK");
        refused(|options| options.limits = some("many"), "DCR_LIMITS");
        refused(|options| options.trusted_proxies = some("nginx"), "DCR_TRUSTED_PROXIES");
        refused(|options| options.code_ttl = some("1m"), "DCR_CODE_TTL");
        refused(|options| options.refresh_grace = some("-1"), "DCR_REFRESH_GRACE");
        refused(|options| options.resource_server = some("secret-without-id"), "DCR_RESOURCE_SERVER");
        refused(|options| options.admin_token = some("too short to keep anybody out"), "DCR_ADMIN_TOKEN");
        refused(|options| options.admin_users = some(" , "), "DCR_ADMIN_USERS");
        refused(|options| options.admin_bind = some("0.0.0.0:9000"), "DCR_ADMIN_URL");
        refused(|options| options.admin_url = some("https://admin.example"), "DCR_ADMIN_BIND");
        refused(|options| options.connections = some("yes"), "DCR_CONNECTIONS");
        refused(|options| options.event_retention = some("0"), "DCR_EVENT_RETENTION");
        refused(|options| options.log = some("==="), "DCR_LOG");
        refused(|options| options.theme_logo = some("/nowhere/logo.svg"), "DCR_THEME_LOGO");
        refused(|options| options.dev_idp_bind = some("8081"), "DCR_DEV_IDP_BIND");
        refused(|options| options.config = some("/nowhere/dcr.toml"), "DCR_CONFIG=/nowhere/dcr.toml");
    }

    #[test]
    fn a_theme_arrives_and_its_logo_is_read() {
        let logo = std::env::temp_dir().join(format!("dcr-theme-{}.svg", std::process::id()));
        std::fs::write(&logo, "<svg xmlns='http://www.w3.org/2000/svg'/>").unwrap();
        let settings = check(|options| {
            options.theme_name = some("Example Corp");
            options.theme_colour = some(" #0b6e4f ");
            options.theme_logo = some(logo.to_str().unwrap());
        });
        std::fs::remove_file(&logo).unwrap();
        let theme = format!("{:?}", settings.unwrap_or_else(|text| panic!("{text}")).theme);
        assert!(theme.contains("Example Corp") && theme.contains("\"#0b6e4f\"") && theme.contains("<svg"), "{theme}");
    }

    #[test]
    fn seconds_and_lists_arrive() {
        let settings = check(|options| {
            options.access_token_ttl = some("2");
            options.refresh_grace = some(" 0 ");
            options.custom_redirects = some("cursor://a/b, ,vscode://c/d");
        });
        let settings = settings.unwrap_or_else(|text| panic!("{text}"));
        assert_eq!(settings.lifetimes.access_token, Duration::from_secs(2));
        assert_eq!(settings.lifetimes.refresh_grace, Duration::ZERO);
        assert_eq!(settings.custom_redirects, ["cursor://a/b", "vscode://c/d"]);
    }
}
