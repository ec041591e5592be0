//! The settings as they are written: by environment or as flags, all text, none checked.

use clap::Parser;

/// An MCP server that any MCP client can sign in to.
///
/// Without any configuration it listens on 127.0.0.1:8080, keeps its data in dcr.db, and signs people in against a
/// development provider of its own. An empty variable counts as one that is not set.
#[derive(Clone, Default, Parser)]
#[expect(clippy::exhaustive_structs, reason = "tests fill in what they need and take the rest from `default()`")]
pub struct Options {
    /// Address and port to listen on; port 0 takes a free one [default: 127.0.0.1:8080]
    #[arg(long, env = "DCR_BIND", value_name = "ADDRESS")]
    pub bind: Option<String>,

    /// Where Prometheus finds /metrics, beside /healthz and /readyz: an address that is not public, such as 127.0.0.1:9464
    #[arg(long, env = "DCR_METRICS_BIND", value_name = "ADDRESS")]
    pub metrics_bind: Option<String>,

    /// A file in TOML with what does not fit into variables: the MCP servers and their scopes
    #[arg(long, env = "DCR_CONFIG", value_name = "FILE")]
    pub config: Option<String>,

    /// Issuer and base URL, as clients see it; plain http only on loopback [default: the listen address, if loopback]
    #[arg(long, env = "DCR_PUBLIC_URL", value_name = "URL")]
    pub public_url: Option<String>,

    /// What the server is called on the consent page [default: Example MCP server]
    #[arg(long, env = "DCR_SERVER_NAME", value_name = "NAME")]
    pub server_name: Option<String>,

    /// Where the data is: sqlite://FILE, postgres://USER:PASSWORD@HOST/DATABASE, mysql://USER:PASSWORD@HOST/DATABASE, or
    /// memory: for tests [default: sqlite://dcr.db]
    #[arg(long, env = "DCR_DATABASE_URL", value_name = "URL", hide_env_values = true)]
    pub database_url: Option<String>,

    /// Secrets of 32 bytes in base64, by commas, the first seals; or `store`: the database makes and keeps one
    /// [default on loopback: store]
    ///
    /// Make one with `openssl rand -base64 32`. Rather set the variable than the flag: others see a command line.
    #[arg(long, env = "DCR_SECRET", value_name = "SECRETS", hide_env_values = true)]
    pub secret: Option<String>,

    /// Former secrets, which still verify client ids and client secrets and nothing else
    #[arg(long, env = "DCR_SECRET_RETIRED", value_name = "SECRETS", hide_env_values = true)]
    pub secret_retired: Option<String>,

    /// Sign in with Entra ID: the tenant's id or domain, `organizations` or `common`
    #[arg(long, env = "DCR_AZURE_TENANT_ID", value_name = "TENANT")]
    pub azure_tenant_id: Option<String>,

    /// The application's id in Entra ID
    #[arg(long, env = "DCR_AZURE_CLIENT_ID", value_name = "ID")]
    pub azure_client_id: Option<String>,

    /// The application's secret in Entra ID
    #[arg(long, env = "DCR_AZURE_CLIENT_SECRET", value_name = "SECRET", hide_env_values = true)]
    pub azure_client_secret: Option<String>,

    /// A PEM file with the application's certificate and its RSA key, in the place of the secret
    #[arg(long, env = "DCR_AZURE_CERTIFICATE", value_name = "FILE")]
    pub azure_certificate: Option<String>,

    /// The client id of this machine's user-assigned managed identity, which the application trusts, in the place of the secret
    #[arg(long, env = "DCR_AZURE_MANAGED_IDENTITY", value_name = "GUID")]
    pub azure_managed_identity: Option<String>,

    /// Base of the Entra ID authority, for national clouds [default: `https://login.microsoftonline.com`]
    #[arg(long, env = "DCR_AZURE_AUTHORITY", value_name = "URL")]
    pub azure_authority: Option<String>,

    /// Sign in with any OpenID Connect provider: its issuer
    #[arg(long, env = "DCR_OIDC_ISSUER", value_name = "URL")]
    pub oidc_issuer: Option<String>,

    /// The application's id at that provider
    #[arg(long, env = "DCR_OIDC_CLIENT_ID", value_name = "ID")]
    pub oidc_client_id: Option<String>,

    /// The application's secret at that provider; without one it is a public client there
    #[arg(long, env = "DCR_OIDC_CLIENT_SECRET", value_name = "SECRET", hide_env_values = true)]
    pub oidc_client_secret: Option<String>,

    /// Where the development provider listens, if neither of the above is configured [default: 127.0.0.1:8081]
    #[arg(long, env = "DCR_DEV_IDP_BIND", value_name = "ADDRESS")]
    pub dev_idp_bind: Option<String>,

    /// Which unknown client ids are adopted: off, platforms, platforms+loopback [default: platforms+loopback]
    #[arg(long, env = "DCR_ADOPTION", value_name = "POLICY")]
    pub adoption: Option<String>,

    /// Which redirects may be registered: open, platforms+loopback, off [default: open]
    #[arg(long, env = "DCR_REGISTRATION", value_name = "POLICY")]
    pub registration: Option<String>,

    /// Whether confidential clients may read, change and delete their own registration (RFC 7592): on, off [default: off]
    #[arg(long, env = "DCR_CLIENT_CONFIGURATION", value_name = "ON_OR_OFF")]
    pub client_configuration: Option<String>,

    /// Whether client ids may be the URLs of metadata documents: on, off, or auto, which says so to clients while the
    /// internet can be reached [default: auto]
    #[arg(long, env = "DCR_CIMD", value_name = "POLICY")]
    pub cimd: Option<String>,

    /// For tests and networks of your own: a file with certificates, in PEM, that hosts of metadata documents may be signed
    /// with, beside the public ones
    #[arg(long, env = "DCR_CIMD_TEST_CA_FILE", value_name = "FILE")]
    pub cimd_test_ca_file: Option<String>,

    /// For tests and networks of your own: hosts, by commas, whose metadata documents are fetched although their addresses
    /// are private. Whoever can ask this server to sign in makes it send requests to them
    #[arg(long, env = "DCR_CIMD_DANGEROUSLY_ALLOW_PRIVATE_HOSTS", value_name = "HOSTS")]
    pub cimd_dangerously_allow_private_hosts: Option<String>,

    /// Custom-scheme redirect URIs that may be registered, by commas, each exactly as the client sends it
    #[arg(long, env = "DCR_CUSTOM_REDIRECTS", value_name = "URIS")]
    pub custom_redirects: Option<String>,

    /// Whether the login is asked again if a person is still there: never, refresh (each time that a client refreshes), or a
    /// number of seconds (at a refresh, if the last time was so long ago) [default: never]
    #[arg(long, env = "DCR_RECHECK", value_name = "WHEN")]
    pub recheck: Option<String>,

    /// What the tools may do at the login's provider in a person's name, by commas, such as User.Read; the configuration file
    /// has `upstream_scopes` for each server instead
    #[arg(long, env = "DCR_UPSTREAM_SCOPES", value_name = "SCOPES")]
    pub upstream_scopes: Option<String>,

    /// Where the tool `profile` asks who a person is [default: Microsoft Graph, or the development provider]
    #[arg(long, env = "DCR_GRAPH_URL", value_name = "URL")]
    pub graph_url: Option<String>,

    /// Only people whose verified address is in one of these domains, by commas
    #[arg(long, env = "DCR_ALLOWED_DOMAINS", value_name = "DOMAINS")]
    pub allowed_domains: Option<String>,

    /// Only these people, by commas: object ids, or verified addresses
    #[arg(long, env = "DCR_ALLOWED_USERS", value_name = "USERS")]
    pub allowed_users: Option<String>,

    /// Only people in these groups, by commas: object ids at Entra ID, names elsewhere
    #[arg(long, env = "DCR_ALLOWED_GROUPS", value_name = "GROUPS")]
    pub allowed_groups: Option<String>,

    /// Only people with these app roles, by commas
    #[arg(long, env = "DCR_ALLOWED_ROLES", value_name = "ROLES")]
    pub allowed_roles: Option<String>,

    /// Only these Entra ID tenants, by commas; `*` for all with `organizations` and `common`
    #[arg(long, env = "DCR_ALLOWED_TENANTS", value_name = "TENANTS")]
    pub allowed_tenants: Option<String>,

    /// Limits against abuse: on, off, or a number from 1 to 1000 of how many times the standard ones [default: on]
    #[arg(long, env = "DCR_LIMITS", value_name = "LIMITS")]
    pub limits: Option<String>,

    /// Proxies in front of this server, whose X-Forwarded-For is believed: addresses and networks, by commas
    #[arg(long, env = "DCR_TRUSTED_PROXIES", value_name = "NETWORKS")]
    pub trusted_proxies: Option<String>,

    /// Life of an authorization code in seconds [default: 60]
    #[arg(long, env = "DCR_CODE_TTL", value_name = "SECONDS")]
    pub code_ttl: Option<String>,

    /// Life of an access token in seconds [default: 900]
    #[arg(long, env = "DCR_ACCESS_TOKEN_TTL", value_name = "SECONDS")]
    pub access_token_ttl: Option<String>,

    /// Life of a refresh token that is not used, in seconds [default: 2592000, which is 30 days]
    #[arg(long, env = "DCR_REFRESH_IDLE_TTL", value_name = "SECONDS")]
    pub refresh_idle_ttl: Option<String>,

    /// Life of a session, however often it is refreshed, in seconds [default: 7776000, which is 90 days]
    #[arg(long, env = "DCR_REFRESH_ABSOLUTE_TTL", value_name = "SECONDS")]
    pub refresh_absolute_ttl: Option<String>,

    /// How long the refresh token before the current one still answers, in seconds [default: 30]
    #[arg(long, env = "DCR_REFRESH_GRACE", value_name = "SECONDS")]
    pub refresh_grace: Option<String>,

    /// `id:secret` of a resource server that may introspect every token
    #[arg(long, env = "DCR_RESOURCE_SERVER", value_name = "ID:SECRET", hide_env_values = true)]
    pub resource_server: Option<String>,

    /// Switches the admin API on, at /oauth/admin/api/v1/, for programs with this token of at least 32 characters
    #[arg(long, env = "DCR_ADMIN_TOKEN", value_name = "TOKEN", hide_env_values = true)]
    pub admin_token: Option<String>,

    /// Who administers this server at /oauth/admin, once they have signed in: object ids, our own ids (usr_…), or addresses
    /// that the provider vouches for, by commas
    #[arg(long, env = "DCR_ADMIN_USERS", value_name = "USERS")]
    pub admin_users: Option<String>,

    /// The same by the groups of the provider, by commas
    #[arg(long, env = "DCR_ADMIN_GROUPS", value_name = "GROUPS")]
    pub admin_groups: Option<String>,

    /// The same by the roles of the application upstream, by commas
    #[arg(long, env = "DCR_ADMIN_ROLES", value_name = "ROLES")]
    pub admin_roles: Option<String>,

    /// Another address to listen on for /oauth/admin, which is not served among the other endpoints then
    #[arg(long, env = "DCR_ADMIN_BIND", value_name = "ADDRESS")]
    pub admin_bind: Option<String>,

    /// The URL under which browsers reach that address [default: the address, if it is a loopback one]
    #[arg(long, env = "DCR_ADMIN_URL", value_name = "URL")]
    pub admin_url: Option<String>,

    /// Whether people see at /oauth/connections which apps have access in their name: on, off [default: on]
    #[arg(long, env = "DCR_CONNECTIONS", value_name = "ON_OR_OFF")]
    pub connections: Option<String>,

    /// How many days events and funnel counts are kept, or `forever` [default: 400]
    #[arg(long, env = "DCR_EVENT_RETENTION", value_name = "DAYS")]
    pub event_retention: Option<String>,

    /// How many days the history of requests is kept, or `forever`: which tools were called, when, from where [default: off]
    #[arg(long, env = "DCR_REQUEST_HISTORY", value_name = "DAYS")]
    pub request_history: Option<String>,

    /// Whose pages they are: the name of the organisation or service in their head [default: the host of the public URL]
    #[arg(long, env = "DCR_THEME_NAME", value_name = "NAME")]
    pub theme_name: Option<String>,

    /// A logo for the pages: a PNG or SVG file of at most 256 KiB
    #[arg(long, env = "DCR_THEME_LOGO", value_name = "FILE")]
    pub theme_logo: Option<String>,

    /// The accent colour of the pages, such as #0a5fc2
    #[arg(long, env = "DCR_THEME_COLOUR", value_name = "COLOUR")]
    pub theme_colour: Option<String>,

    /// What is logged to standard error: a level, or levels by target such as info,dcr=debug [default: info]
    #[arg(long, env = "DCR_LOG", value_name = "FILTER")]
    pub log: Option<String>,
}
