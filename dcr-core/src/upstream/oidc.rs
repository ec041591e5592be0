//! Any OpenID Connect provider, Entra ID included: authorization code with our own PKCE and nonce, by the oauth2 crate.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};

use async_trait::async_trait;
use oauth2::basic::{BasicRevocationErrorResponse, BasicTokenIntrospectionResponse, BasicTokenType};
use oauth2::{
    AsyncHttpClient, AuthType, AuthUrl, AuthorizationCode, ClientId, ClientSecret, CsrfToken, EndpointNotSet,
    EndpointSet, ExtraTokenFields, PkceCodeChallenge, PkceCodeVerifier, RedirectUrl, RefreshToken, RequestTokenError,
    Scope, StandardRevocableToken, StandardTokenResponse, TokenResponse as _, TokenUrl,
};
use serde::{Deserialize, Serialize};
use url::Url;

use super::discovery::{Discovery, Document};
use super::entra::{self, EntraConfig};
use super::id_token::{self, Claims, invalid};
use super::{
    FetchError, Groups, HttpFetch, Identified, Identity, IdentityProvider, LoginAnswer, LoginError, LoginRequest,
    RefreshRequest, Roles, UpstreamCredential, UpstreamError, UpstreamFault, UpstreamGrant, UpstreamSecret,
};
use crate::clock::{Clock, Timestamp};
use crate::random::{SecureRandom, SystemRandom};

/// What is always asked for: who the person is, and nothing of theirs. Never a scope that a client named.
const SCOPES: [&str; 3] = ["openid", "profile", "email"];
/// How an assertion that stands for a secret is announced (RFC 7523 section 2.2).
const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// The secret of our application upstream. `Debug` shows nothing of it.
#[derive(Clone)]
pub struct OidcSecret(String);

impl OidcSecret {
    /// Wraps it.
    #[must_use]
    pub fn new(secret: impl Into<String>) -> Self {
        Self(secret.into())
    }
}

impl fmt::Debug for OidcSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OidcSecret(redacted)")
    }
}

/// Sign in with any OpenID Connect provider.
#[derive(Debug, Clone)]
pub struct OidcConfig {
    issuer: String,
    client_id: String,
    credential: Option<UpstreamCredential>,
    name: Option<String>,
}

impl OidcConfig {
    /// For the application `client_id` at `issuer`, whose discovery document is at
    /// `{issuer}/.well-known/openid-configuration`.
    #[must_use]
    pub fn new(issuer: impl Into<String>, client_id: impl Into<String>) -> Self {
        Self { issuer: issuer.into(), client_id: client_id.into(), credential: None, name: None }
    }

    /// The application's secret. Without one it is a public client upstream, protected by PKCE.
    #[must_use]
    pub fn secret(self, secret: impl Into<String>) -> Self {
        self.credential(UpstreamCredential::Secret(OidcSecret::new(secret)))
    }

    /// A certificate, or assertions of somebody else's making, in the secret's place (`private_key_jwt`).
    #[must_use]
    pub fn credential(mut self, credential: UpstreamCredential) -> Self {
        self.credential = Some(credential);
        self
    }

    /// How people call the provider; its host name if this is not said.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }
}

/// Why a provider cannot be set up. The operator's fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProviderConfigError {
    /// The issuer or authority is no https URL (plain http is for loopback).
    #[error("the provider's address {0:?} must be an https URL (plain http is for loopback only)")]
    Address(String),
    /// The application's id is missing.
    #[error("the application's client id is missing")]
    ClientId,
    /// The tenant has characters that no tenant has.
    #[error("{0:?} is no tenant: give its id, a verified domain, `organizations` or `common`")]
    Tenant(String),
    /// Many tenants, and no list.
    #[error("tenant {0:?} serves every tenant there is: list those that may sign in, or say `*`")]
    TenantsNotListed(String),
}

/// How this provider's issuer is checked and its people are keyed.
#[derive(Debug, Clone)]
enum Rules {
    /// The document's issuer must be this, byte for byte; a user is `sub`.
    Exact(String),
    /// The document's issuer may be a template; a user is `tid` and `oid`.
    Entra { tenant: String, allowed: Vec<String> },
}

/// An OpenID Connect provider.
#[derive(Debug)]
pub struct OidcProvider {
    name: String,
    rules: Rules,
    client_id: String,
    credential: Option<UpstreamCredential>,
    /// What its tokens belong to.
    upstream: String,
    /// The provider's own origin if that is plain http on loopback.
    insecure_origin: Option<String>,
    discovery: Discovery,
    fetch: Arc<dyn HttpFetch>,
    clock: Arc<dyn Clock>,
    random: Arc<dyn SecureRandom>,
}

#[derive(Debug, Serialize, Deserialize)]
struct IdTokenField {
    id_token: Option<String>,
}

impl ExtraTokenFields for IdTokenField {}

/// The error body, with what Entra adds to it (entra.md, Errors).
#[derive(Debug, Serialize, Deserialize)]
struct ErrorBody {
    error: String,
    #[serde(default)]
    error_codes: Vec<u32>,
    #[serde(default)]
    error_description: String,
    trace_id: Option<String>,
    correlation_id: Option<String>,
}

impl fmt::Display for ErrorBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |text: &Option<String>| crate::text::bounded(text.as_deref().unwrap_or("-"), 64);
        write!(
            f,
            "{} codes {:?} trace {} correlation {}",
            crate::text::bounded(&self.error, 64),
            self.codes(),
            shown(&self.trace_id),
            shown(&self.correlation_id)
        )
    }
}

impl ErrorBody {
    fn codes(&self) -> Vec<u32> {
        if self.error_codes.is_empty() { entra::codes_in(&self.error_description) } else { self.error_codes.clone() }
    }
}

impl oauth2::ErrorResponse for ErrorBody {}

type Tokens = StandardTokenResponse<IdTokenField, BasicTokenType>;

type Client<HasTokenUrl = EndpointNotSet> = oauth2::Client<
    ErrorBody,
    Tokens,
    BasicTokenIntrospectionResponse,
    StandardRevocableToken,
    BasicRevocationErrorResponse,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    HasTokenUrl,
>;

impl OidcProvider {
    /// Any provider. Nothing is fetched yet.
    ///
    /// # Errors
    /// [`ProviderConfigError`] says what to change.
    pub fn new(
        config: OidcConfig,
        fetch: Arc<dyn HttpFetch>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, ProviderConfigError> {
        let (url, insecure_origin) = check_address(&config.issuer)?;
        if config.client_id.is_empty() {
            return Err(ProviderConfigError::ClientId);
        }
        let discovery_url = format!("{}/.well-known/openid-configuration", config.issuer.trim_end_matches('/'));
        Ok(Self {
            name: config.name.unwrap_or_else(|| url.host_str().unwrap_or("the provider").to_owned()),
            upstream: format!("{} {}", config.issuer, config.client_id),
            discovery: Discovery::new(discovery_url, Some(config.issuer.clone()), fetch.clone(), clock.clone()),
            rules: Rules::Exact(config.issuer),
            client_id: config.client_id,
            credential: config.credential,
            insecure_origin,
            fetch,
            clock,
            random: Arc::new(SystemRandom),
        })
    }

    /// Entra ID. Nothing is fetched yet.
    ///
    /// # Errors
    /// [`ProviderConfigError`] says what to change.
    pub fn entra(
        config: EntraConfig,
        fetch: Arc<dyn HttpFetch>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, ProviderConfigError> {
        let (_, insecure_origin) = check_address(&config.authority)?;
        if config.client_id.is_empty() {
            return Err(ProviderConfigError::ClientId);
        }
        let plain = config.tenant.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.'));
        if config.tenant.is_empty() || !plain || config.tenant.starts_with('.') {
            return Err(ProviderConfigError::Tenant(config.tenant));
        }
        if config.serves_many_tenants() && config.tenant != "consumers" && config.allowed_tenants.is_empty() {
            return Err(ProviderConfigError::TenantsNotListed(config.tenant));
        }
        let discovery = Discovery::new(config.discovery_url(), None, fetch.clone(), clock.clone());
        Ok(Self {
            name: config.name,
            upstream: format!("{}/{} {}", config.authority, config.tenant, config.client_id),
            rules: Rules::Entra { tenant: config.tenant, allowed: config.allowed_tenants },
            client_id: config.client_id,
            credential: Some(config.credential),
            insecure_origin,
            discovery,
            fetch,
            clock,
            random: Arc::new(SystemRandom),
        })
    }

    /// Another random source, for tests: it names the assertions that a certificate signs.
    #[must_use]
    pub fn random(mut self, random: Arc<dyn SecureRandom>) -> Self {
        self.random = random;
        self
    }

    fn client(&self) -> Client {
        let client = Client::new(ClientId::new(self.client_id.clone()));
        match &self.credential {
            Some(UpstreamCredential::Secret(OidcSecret(secret))) => {
                client.set_client_secret(ClientSecret::new(secret.clone()))
            }
            Some(UpstreamCredential::Certificate(_) | UpstreamCredential::Assertion(_)) | None => client,
        }
    }

    /// The client at the token endpoint, and the further parameters by which it authenticates if it has no secret.
    async fn token_client(
        &self,
        document: &Document,
    ) -> Result<(Client<EndpointSet>, Vec<(&'static str, String)>), UpstreamError> {
        let methods = &document.token_endpoint_auth_methods_supported;
        let has_secret = matches!(self.credential, Some(UpstreamCredential::Secret(_)));
        // Absent means Basic (OpenID Connect Discovery 1.0 section 3); without a secret the id goes in the body.
        let post = !has_secret || methods.iter().any(|m| m == "client_secret_post");
        let assertion = match &self.credential {
            Some(credential) => {
                let (random, now) = (self.random.as_ref(), self.clock.now());
                credential.assertion(&self.client_id, &document.token_endpoint, random, now).await?
            }
            None => None,
        };
        let parameters = match assertion {
            Some(assertion) => vec![
                ("client_assertion_type", ASSERTION_TYPE.to_owned()),
                ("client_assertion", assertion.expose().to_owned()),
            ],
            None => Vec::new(),
        };
        let client = self
            .client()
            .set_auth_type(if post { AuthType::RequestBody } else { AuthType::BasicAuth })
            .set_token_uri(TokenUrl::new(document.token_endpoint.clone()).map_err(not_a_url)?);
        Ok((client, parameters))
    }

    const fn transport(&self) -> Transport<'_> {
        Transport { fetch: &self.fetch, status: AtomicU16::new(0) }
    }

    /// The code for an ID token, verified: signature, issuer, audience, times, nonce; and what else the provider gave.
    async fn exchange(&self, answer: LoginAnswer<'_>) -> Result<(Claims, UpstreamGrant), UpstreamError> {
        let document = self.discovery.document().await?;
        check_response_issuer(&document, answer.issuer)?;
        let (id_token, grant) = self.redeem(&document, answer).await?;
        let (algorithm, kid) = id_token::header(&id_token)?;
        let key = self
            .discovery
            .key(&document.jwks_uri, kid.as_deref())
            .await?
            .ok_or_else(|| invalid("the ID token is signed with a key that the provider does not publish"))?;
        let claims = id_token::verify(&id_token, algorithm, &key)?;
        claims.check(&self.client_id, answer.nonce, self.clock.now())?;
        let issued = match &self.rules {
            Rules::Exact(issuer) => claims.iss == *issuer,
            Rules::Entra { .. } => {
                // Version 1 tokens have another issuer, too; this says so in so many words.
                claims.claim("ver").is_none_or(|ver| ver == "2.0")
                    && entra::issuer_fits(&document.issuer, &claims)
                    && key.issuer.as_deref().is_none_or(|issuer| entra::issuer_fits(issuer, &claims))
            }
        };
        if issued { Ok((claims, grant)) } else { Err(invalid("the ID token is from another issuer")) }
    }

    /// The code for an ID token and the other tokens.
    async fn redeem(
        &self,
        document: &Document,
        answer: LoginAnswer<'_>,
    ) -> Result<(String, UpstreamGrant), UpstreamError> {
        let (client, parameters) = self.token_client(document).await?;
        let client = client.set_redirect_uri(RedirectUrl::new(answer.callback.to_owned()).map_err(not_a_url)?);
        let mut request = client
            .exchange_code(AuthorizationCode::new(answer.code.to_owned()))
            .set_pkce_verifier(PkceCodeVerifier::new(answer.verifier.to_owned()));
        for (name, value) in parameters {
            request = request.add_extra_param(name, value);
        }
        let transport = self.transport();
        let response = request
            .request_async(&transport)
            .await
            .map_err(|error| token_error(error, transport.status.load(Ordering::Relaxed), entra::classify))?;
        let id_token = response.extra_fields().id_token.clone();
        Ok((id_token.ok_or_else(|| invalid("the provider sent no ID token"))?, grant(&response)))
    }
}

fn grant(response: &Tokens) -> UpstreamGrant {
    UpstreamGrant {
        access_token: UpstreamSecret::new(response.access_token().secret()),
        refresh_token: response.refresh_token().map(|token| UpstreamSecret::new(token.secret())),
        expires_in: response.expires_in(),
    }
}

/// Our HTTP client, as the oauth2 crate wants it. It keeps the status of an unreadable answer to itself, and 5xx and 4xx
/// lead to different answers here: so the transport remembers it.
struct Transport<'a> {
    fetch: &'a Arc<dyn HttpFetch>,
    status: AtomicU16,
}

impl<'c> AsyncHttpClient<'c> for Transport<'_> {
    type Error = FetchError;
    type Future = Pin<Box<dyn Future<Output = Result<http::Response<Vec<u8>>, FetchError>> + Send + 'c>>;

    fn call(&'c self, request: http::Request<Vec<u8>>) -> Self::Future {
        Box::pin(async move {
            let mut request = request;
            // With the client's secret: whoever logs headers does not see it (OP-5).
            if let Some(authorization) = request.headers_mut().get_mut(http::header::AUTHORIZATION) {
                authorization.set_sensitive(true);
            }
            let response = self.fetch.fetch(request).await?;
            self.status.store(response.status().as_u16(), Ordering::Relaxed);
            Ok(response)
        })
    }
}

fn token_error(
    error: RequestTokenError<FetchError, ErrorBody>,
    status: u16,
    classify: fn(&str, &[u32]) -> UpstreamFault,
) -> UpstreamError {
    let transient = status >= 500 || status == 429;
    match error {
        RequestTokenError::ServerResponse(body) => {
            let fault = match classify(&body.error, &body.codes()) {
                _ if transient => UpstreamFault::Busy,
                fault => fault,
            };
            UpstreamError::new(fault, body.to_string())
        }
        RequestTokenError::Request(error) => UpstreamError::new(UpstreamFault::Busy, error.to_string()),
        // The body may hold a token: it is not repeated.
        _ if transient => UpstreamError::new(UpstreamFault::Busy, format!("the token endpoint answered {status}")),
        _ => invalid(format!("the token endpoint answered {status} with something unreadable")),
    }
}

/// RFC 9207: an `iss` that comes must be right, and must come if the provider says that it sends it (UP-4).
fn check_response_issuer(document: &Document, issuer: Option<&str>) -> Result<(), UpstreamError> {
    match issuer {
        Some(issuer) if issuer != document.issuer && !document.issuer.contains('{') => {
            Err(invalid("the response is from another issuer"))
        }
        None if document.authorization_response_iss_parameter_supported => {
            Err(invalid("the response does not say who it is from"))
        }
        _ => Ok(()),
    }
}

fn not_a_url(_: url::ParseError) -> UpstreamError {
    UpstreamError::new(UpstreamFault::Configuration, "an address is not a URL")
}

/// https, or plain http on loopback; then also the origin.
pub(super) fn check_address(text: &str) -> Result<(Url, Option<String>), ProviderConfigError> {
    let wrong = || ProviderConfigError::Address(text.to_owned());
    let url = Url::parse(text).map_err(|_| wrong())?;
    let loopback = match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost",
        Some(url::Host::Ipv4(ip)) => ip.is_loopback(),
        Some(url::Host::Ipv6(ip)) => ip.is_loopback(),
        None => return Err(wrong()),
    };
    match url.scheme() {
        "https" => Ok((url, None)),
        "http" if loopback => {
            let origin = url.origin().ascii_serialization();
            Ok((url, Some(origin)))
        }
        _ => Err(wrong()),
    }
}

#[async_trait]
impl IdentityProvider for OidcProvider {
    fn name(&self) -> &str {
        &self.name
    }

    async fn login_url(&self, request: LoginRequest<'_>) -> Result<String, UpstreamError> {
        let document = self.discovery.document().await?;
        let client = self
            .client()
            .set_auth_uri(AuthUrl::new(document.authorization_endpoint.clone()).map_err(not_a_url)?)
            .set_redirect_uri(RedirectUrl::new(request.callback.to_owned()).map_err(not_a_url)?);
        let verifier = PkceCodeVerifier::new(request.verifier.to_owned());
        let state = request.state.to_owned();
        let mut login = client
            .authorize_url(|| CsrfToken::new(state))
            .set_pkce_challenge(PkceCodeChallenge::from_code_verifier_sha256(&verifier))
            .add_scopes(asked(request.upstream_scopes))
            .add_extra_param("nonce", request.nonce)
            // A cross-site POST would come without our Lax cookie (CB-6).
            .add_extra_param("response_mode", "query");
        if request.select_account {
            login = login.add_extra_param("prompt", "select_account");
        }
        let (url, _) = login.url();
        Ok(url.into())
    }

    async fn identify(&self, answer: LoginAnswer<'_>) -> Result<Identified, UpstreamError> {
        let (claims, grant) = self.exchange(answer).await?;
        Ok(Identified { identity: self.identity(claims)?, grant: Some(grant) })
    }

    async fn refresh(&self, request: RefreshRequest<'_>) -> Result<UpstreamGrant, UpstreamError> {
        let document = self.discovery.document().await?;
        let (client, parameters) = self.token_client(&document).await?;
        let token = RefreshToken::new(request.refresh_token.expose().to_owned());
        let mut refresh = client.exchange_refresh_token(&token);
        // Entra ID wants to be told of which interface the token shall be. Elsewhere nothing means "as granted", and a scope
        // that the person did not grant would be an error (RFC 6749 section 6).
        if matches!(self.rules, Rules::Entra { .. }) {
            refresh = refresh.add_scopes(asked(request.upstream_scopes));
        }
        for (name, value) in parameters {
            refresh = refresh.add_extra_param(name, value);
        }
        let transport = self.transport();
        let response = refresh
            .request_async(&transport)
            .await
            .map_err(|error| token_error(error, transport.status.load(Ordering::Relaxed), entra::classify_refresh))?;
        Ok(grant(&response))
    }

    fn upstream(&self) -> String {
        self.upstream.clone()
    }

    async fn check(&self) -> Result<(), UpstreamError> {
        self.discovery.check_health().await
    }

    fn clock_ahead(&self) -> Option<i64> {
        self.discovery.clock_ahead()
    }

    fn credential_not_after(&self) -> Option<Timestamp> {
        self.credential.as_ref().and_then(UpstreamCredential::not_after)
    }

    fn explain(&self, error: LoginError<'_>) -> UpstreamError {
        let codes = entra::codes_in(error.description);
        let detail = format!("{} codes {codes:?} at the callback", crate::text::bounded(error.error, 64));
        UpstreamError::new(entra::classify(error.error, &codes), detail)
    }

    fn insecure_origins(&self) -> Vec<String> {
        self.insecure_origin.iter().cloned().collect()
    }
}

/// What a login and a refresh ask for.
fn asked(upstream_scopes: &[String]) -> impl Iterator<Item = Scope> + use<'_> {
    let ours = SCOPES.into_iter().map(str::to_owned);
    ours.chain(upstream_scopes.iter().cloned()).map(Scope::new)
}

impl OidcProvider {
    /// Who the claims of a verified ID token speak of.
    fn identity(&self, claims: Claims) -> Result<Identity, UpstreamError> {
        let nothing = |text: &str| text.is_empty() || text.len() > 512;
        let groups =
            Groups::from_claims(|name| claims.claim(name)).ok_or_else(|| invalid("groups is no list of names"))?;
        let roles = Roles::from_claim(claims.claim("roles")).ok_or_else(|| invalid("roles is no list of names"))?;
        match &self.rules {
            Rules::Exact(_) => {
                if nothing(&claims.sub) {
                    return Err(invalid("the ID token has no usable subject"));
                }
                let vouched = claims.email_verified.as_ref().is_some_and(|v| v == true || v == "true");
                let email = claims.text("email").map(str::to_owned);
                Ok(Identity {
                    name: claims.text("name").or_else(|| claims.text("preferred_username")).map(str::to_owned),
                    verified_email: email.clone().filter(|_| vouched),
                    email,
                    issuer: claims.iss,
                    tenant: String::new(),
                    object_id: claims.sub,
                    groups,
                    roles,
                })
            }
            Rules::Entra { tenant, allowed } => {
                // Missing is rare but real: fail closed, never fall back to an address.
                let oid =
                    claims.text("oid").filter(|oid| !nothing(oid)).ok_or_else(|| invalid("the ID token has no oid"))?;
                let tid = claims.text("tid").unwrap_or_default().to_owned();
                if !entra::tenant_is_allowed(&tid, tenant, allowed) {
                    return Err(UpstreamError::new(UpstreamFault::NotAllowed, format!("tenant {tid} is not allowed")));
                }
                Ok(Identity {
                    verified_email: entra::verified_email(&claims, !entra::serves_many(tenant)),
                    email: claims.text("email").or_else(|| claims.text("preferred_username")).map(str::to_owned),
                    name: claims.text("name").map(str::to_owned),
                    object_id: oid.to_owned(),
                    tenant: tid,
                    issuer: claims.iss,
                    groups,
                    roles,
                })
            }
        }
    }
}
