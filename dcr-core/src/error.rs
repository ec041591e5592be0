//! Errors: who is at fault, a stable reason for the record, and exactly one answer on the wire.

use std::fmt;
use std::time::Duration;

use crate::client::{ClientId, PinFault};
use crate::random::RandomUnavailable;
use crate::record::Reference;
use crate::seal::KeyRingError;
use crate::store::StoreError;

/// Seconds after which a server may be asked again that something is missing to at the moment.
const RETRY_SECONDS: u32 = 5;

/// Who is at fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Blame {
    /// The OAuth client, or the person's browser.
    Client,
    /// The upstream identity provider, or its decision on the person.
    Upstream,
    /// The store.
    Store,
    /// Whoever runs this server: configuration, policy, environment.
    Operator,
}

macro_rules! reasons {
    ($($(#[$doc:meta])* $name:ident = $text:literal, $blame:ident, $status:literal, $error:literal, $advice:literal;)*) => {
        /// Why a request was refused. The names are stable: they are in the record, in logs and in JSON answers.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Reason {
            $($(#[$doc])* $name,)*
        }

        impl Reason {
            /// Every reason.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// The stable name.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }

            /// Who is at fault.
            #[must_use]
            pub const fn blame(self) -> Blame {
                match self { $(Self::$name => Blame::$blame,)* }
            }

            /// The status of a direct answer (not of a redirect back to the client).
            #[must_use]
            pub const fn status(self) -> u16 {
                match self { $(Self::$name => $status,)* }
            }

            /// The OAuth error code, direct or in the redirect.
            #[must_use]
            pub const fn error(self) -> &'static str {
                match self { $(Self::$name => $error,)* }
            }

            /// What the caller can do next, in English, as in JSON answers. For persons the pages have words of their own:
            /// [`Texts::advice`](crate::pages::Texts::advice).
            #[must_use]
            pub const fn advice(self) -> &'static str {
                match self { $(Self::$name => $advice,)* }
            }
        }
    };
}

reasons! {
    // Authorize (RFC 6749 section 4.1.2.1, OAuth 2.1)
    /// A parameter that decides where an answer may go is missing, repeated or malformed.
    RequestMalformed = "request_malformed", Client, 400, "invalid_request",
        "The app sent an incomplete sign-in request. Start again from the app; if it happens again, remove the connector there and add it anew.";
    /// `resolve` refused the client id or its redirect URI (AD-14: one answer for all of these).
    ClientNotAccepted = "client_not_accepted", Client, 400, "invalid_client",
        "This server does not know the app under this id, or the app asked to be sent to an address that is not its own. Remove the connector in the app and add it again, so that it registers anew.";
    /// The operator blocked the client id or platform.
    ClientBlocked = "client_blocked", Operator, 403, "access_denied",
        "The administrator of this server has blocked this app. Ask them if you think that is a mistake.";
    /// A parameter came more than once (RFC 6749 section 3.1).
    ParameterRepeated = "parameter_repeated", Client, 400, "invalid_request",
        "The app sent the same parameter twice. Start again from the app.";
    /// `response_type` is missing.
    ResponseTypeMissing = "response_type_missing", Client, 400, "invalid_request",
        "The app did not say what it asks for (response_type=code).";
    /// `response_type` is not `code`.
    ResponseTypeUnsupported = "response_type_unsupported", Client, 400, "unsupported_response_type",
        "The app asked for a kind of answer that this server does not give; only response_type=code is supported.";
    /// `response_mode` is not the default.
    ResponseModeUnsupported = "response_mode_unsupported", Client, 400, "invalid_request",
        "Only response_mode=query is supported.";
    /// No PKCE challenge, or one that is no SHA-256 (RFC 7636, TK-1).
    PkceChallenge = "pkce_challenge", Client, 400, "invalid_request",
        "PKCE is required: code_challenge must be 43 base64url characters.";
    /// The PKCE method is missing or not `S256` (TK-1).
    PkceMethod = "pkce_method", Client, 400, "invalid_request",
        "PKCE is required with code_challenge_method=S256, which must be stated.";
    /// `resource` names none of ours (RFC 8707 section 2).
    ResourceUnknown = "resource_unknown", Client, 400, "invalid_target",
        "The app asked for a resource that is not on this server.";
    /// `state` is longer than 1,024 bytes.
    StateTooLong = "state_too_long", Client, 400, "invalid_request", "state may have at most 1,024 bytes.";
    /// The transaction would not fit its cookie.
    RequestTooLarge = "request_too_large", Client, 400, "invalid_request",
        "Client id, redirect URI and state are too long together.";
    /// A request object (AD-13).
    RequestObject = "request_object", Client, 400, "request_not_supported", "Request objects are not supported.";
    /// A request object by reference (AD-13).
    RequestUri = "request_uri", Client, 400, "request_uri_not_supported", "request_uri is not supported.";
    /// OpenID Connect's `registration` or `claims` parameter (SR-2).
    ParameterUnsupported = "parameter_unsupported", Client, 400, "invalid_request",
        "The parameters registration and claims are not supported.";
    /// `prompt=none`: consent is always shown.
    PromptNone = "prompt_none", Client, 400, "interaction_required",
        "Sign-in needs a person; prompt=none is not possible.";

    // Consent
    /// The consent form came without the cookie that its page set.
    CookiesBlocked = "cookies_blocked", Client, 403, "access_denied",
        "Your browser did not send back the cookie that this page needs. Allow cookies for this site, then start again from the app.";
    /// The form was posted from another site (CO-2).
    CrossSitePost = "cross_site_post", Client, 403, "access_denied",
        "This form was sent from another website. If you did not just try to connect an app, close this page. Otherwise start again from the app.";
    /// The form does not open with this browser's cookie, or is no form of ours (CONS-04, CONS-05).
    ConsentNotYours = "consent_not_yours", Client, 403, "access_denied",
        "This approval page belongs to another browser or another sign-in. Start again from the app, and approve in the browser window that it opens.";
    /// The consent page was left open too long.
    ConsentExpired = "consent_expired", Client, 400, "access_denied",
        "This page was open for too long. Start again from the app.";
    /// Another person signed in than the one whose approval was remembered in this browser.
    ConsentOtherUser = "consent_other_user", Client, 403, "access_denied",
        "In this browser somebody else had allowed the app to connect. Start again from the app: you will be asked yourself.";
    /// The person said no.
    ConsentDenied = "consent_denied", Client, 403, "access_denied",
        "You did not allow the app to connect. Nothing was shared. You can close this page.";

    // Callback
    /// `state` is missing, repeated or malformed (CB-01).
    CallbackMalformed = "callback_malformed", Client, 400, "invalid_request",
        "The answer of the login page was incomplete. Start again from the app.";
    /// No cookie of this transaction in this browser (CB-2, CB-02 to CB-04).
    CallbackOtherBrowser = "callback_other_browser", Client, 403, "access_denied",
        "This sign-in was not begun in this browser. Finish it in the browser in which you approved the app, with cookies allowed; or start again from the app.";
    /// The transaction is older than its lifetime.
    CallbackExpired = "callback_expired", Client, 400, "access_denied",
        "Signing in took too long. Start again from the app.";
    /// The transaction has opened its session already.
    CallbackUsed = "callback_used", Client, 400, "access_denied",
        "This sign-in is finished already. Go back to the app; if it is not connected, start again there.";
    /// The person, or the provider's policy, said no at the login page.
    UpstreamDenied = "upstream_denied", Upstream, 403, "access_denied",
        "The company login was cancelled or refused. Start again from the app if you want to try once more.";
    /// The provider wants an administrator's consent to the bridge's own application.
    UpstreamConsent = "upstream_consent", Operator, 403, "access_denied",
        "Your organisation has not approved this server's sign-in application. Ask your administrator to grant consent.";
    /// Not assigned, wrong account or conditional access: the provider does not let this person in.
    UpstreamNotAllowed = "upstream_not_allowed", Upstream, 403, "access_denied",
        "Your organisation's login does not allow this account to use this server. Ask your administrator.";
    /// Transient upstream trouble. Never `invalid_grant`.
    UpstreamBusy = "upstream_busy", Upstream, 503, "temporarily_unavailable",
        "The company login does not answer at the moment. Reload this page in a minute; if that does not help, start again from the app.";
    /// The provider answered with trouble of its own instead of a code.
    UpstreamFailed = "upstream_failed", Upstream, 502, "temporarily_unavailable",
        "The company login reported a problem of its own. Start again from the app in a minute.";
    /// The upstream code was refused: it is spent, or was never ours. Not a 502: reloading the page is enough to get here,
    /// and a load balancer that counts those would take a healthy replica out of service.
    UpstreamCode = "upstream_code", Upstream, 400, "server_error",
        "The company login did not accept the end of this sign-in. Start again from the app.";
    /// The upstream answer, or its ID token, does not hold (UPS-03).
    UpstreamInvalid = "upstream_invalid", Upstream, 502, "server_error",
        "The answer of the company login could not be verified, so nobody was signed in. Start again from the app; tell your administrator if it happens again.";
    /// The provider lets the person go on only after they signed in there anew: what they had from it lapsed, was withdrawn,
    /// or was never given.
    UpstreamSignInAgain = "upstream_sign_in_again", Upstream, 400, "invalid_grant", "The company login asks to sign in again.";
    /// The provider says that this person's account is disabled or gone (UP-7): their sessions end.
    UpstreamUserGone = "upstream_user_gone", Upstream, 400, "invalid_grant",
        "The company login does not know this account any more, or it is disabled.";
    /// The upstream refuses our own credentials or configuration.
    UpstreamConfiguration = "upstream_configuration", Operator, 500, "server_error",
        "This server's connection to the company login is not set up correctly. Tell your administrator, with the reference below.";
    /// The admission policy does not let this person in.
    NotAdmitted = "not_admitted", Operator, 403, "access_denied",
        "You are signed in, but this account may not use this server. Ask the administrator of this server; to use another account, sign out of the company login first, then start again from the app.";
    /// Admission goes by groups, and the provider does not list this person's, because they are too many (Entra's overage).
    GroupsUnknown = "groups_unknown", Operator, 403, "access_denied",
        "You are signed in, but the company login does not say which groups you are in, because they are too many. Ask the administrator of this server to let you in by a role or by name.";
    /// The operator's own admission policy does not answer.
    AdmissionUnavailable = "admission_unavailable", Operator, 503, "temporarily_unavailable",
        "Whether this account may use this server cannot be found out at the moment. Start again from the app in a minute.";
    /// The operator blocked this user, connection, client id or platform.
    SignInBlocked = "sign_in_blocked", Operator, 403, "access_denied",
        "The administrator of this server has blocked this access. Ask them if you think that is a mistake.";

    // Pages of this server that people sign in to
    /// Nobody is signed in: the sign-in was cancelled, took too long, or was begun in another browser (CB-1).
    WebSignInAgain = "web_sign_in_again", Client, 403, "access_denied",
        "You are not signed in to this page: open it again and sign in.";
    /// A form that this person's own page did not send (CO-2).
    WebFormForeign = "web_form_foreign", Client, 403, "access_denied",
        "This form was not sent from a page of yours that is still good. Nothing was changed: open the page again.";
    /// This person may not use the console.
    AdminNotAdmitted = "admin_not_admitted", Operator, 403, "access_denied",
        "You are signed in, but this account may not use the administration of this server.";

    // Token (RFC 6749 section 5.2, TK-12)
    /// The body is not a well-formed form, or a parameter is missing or repeated.
    TokenRequestMalformed = "token_request_malformed", Client, 400, "invalid_request", "Send a well-formed form, each parameter once.";
    /// Another grant than those in the metadata.
    GrantTypeUnsupported = "grant_type_unsupported", Client, 400, "unsupported_grant_type",
        "This server does not support the grant type; its metadata lists those that it does.";
    /// A grant that this client may not use.
    GrantNotAllowed = "grant_not_allowed", Client, 400, "unauthorized_client", "This client may not use this grant type.";
    /// An id that nothing but adoption could resolve, and no valid token of ours: register anew.
    ClientUnknown = "client_unknown", Client, 401, "invalid_client", "Unknown client: register again.";
    /// Wrong, missing or superfluous client credentials.
    ClientAuthentication = "client_authentication", Client, 401, "invalid_client", "Client authentication failed.";
    /// The host of the client's keys does not answer: its assertion can be neither accepted nor refused.
    ClientKeysWithheld = "client_keys_withheld", Client, 503, "temporarily_unavailable",
        "The client's public keys cannot be fetched at the moment: try again in a minute.";
    /// The code is not one of ours.
    CodeInvalid = "code_invalid", Client, 400, "invalid_grant", "The authorization code is not valid: sign in again.";
    /// The code is bound to another client id, redirect URI, verifier or resource.
    CodeMismatch = "code_mismatch", Client, 400, "invalid_grant", "The authorization code does not belong to this request.";
    /// The code has lapsed.
    CodeExpired = "code_expired", Client, 400, "invalid_grant", "The authorization code has expired: sign in again.";
    /// The code was redeemed already.
    CodeUsed = "code_used", Client, 400, "invalid_grant", "The authorization code was used already.";
    /// The code was redeemed again, later and completely: its session is ended (RFC 6749 section 10.5).
    CodeReplayed = "code_replayed", Client, 400, "invalid_grant", "The authorization code was used already: sign in again.";
    /// The refresh token is not one of ours.
    RefreshInvalid = "refresh_invalid", Client, 400, "invalid_grant", "The refresh token is not valid: sign in again.";
    /// The refresh token is bound to another client id.
    RefreshOtherClient = "refresh_other_client", Client, 400, "invalid_grant", "The refresh token belongs to another client.";
    /// The session has ended, lapsed, or is unknown.
    SessionOver = "session_over", Client, 400, "invalid_grant", "The session is over: sign in again.";
    /// A superseded refresh token, still inside the window in which a slow answer explains it.
    RefreshSuperseded = "refresh_superseded", Client, 400, "invalid_grant", "A newer refresh token has been issued: use that.";
    /// A superseded refresh token after the grace: stolen or replayed; its session is ended (RFC 9700 section 4.14.2).
    RefreshReplayed = "refresh_replayed", Client, 400, "invalid_grant", "The refresh token was used before: sign in again.";
    /// A refresh token ahead of its row: the database is older than the token.
    RefreshAhead = "refresh_ahead", Store, 400, "invalid_grant", "The session cannot be continued: sign in again.";
    /// More scope than was granted (RFC 6749 section 6, RT-5).
    ScopeTooWide = "scope_too_wide", Client, 400, "invalid_scope", "The scope exceeds what was granted.";
    /// Another resource than the session's (RFC 8707 section 2.2).
    ResourceMismatch = "resource_mismatch", Client, 400, "invalid_target", "The session is for another resource.";
    /// A machine client's access token has no session that could end; it lapses soon (RFC 7009 section 2.2.1).
    RevocationUnsupported = "revocation_unsupported", Client, 400, "unsupported_token_type",
        "Access tokens of machine clients are not revoked one by one: they lapse, or the administrator blocks the client.";

    // Register (RFC 7591 section 3.2.2)
    /// The metadata cannot be honoured.
    ClientMetadata = "client_metadata", Client, 400, "invalid_client_metadata", "Correct the client metadata.";
    /// No redirect URI that is allowed.
    RedirectNotAllowed = "redirect_not_allowed", Client, 400, "invalid_redirect_uri", "Register at least one allowed redirect URI.";
    /// A software statement: refused, never ignored (DC-11).
    SoftwareStatement = "software_statement", Client, 400, "invalid_software_statement", "Leave software_statement out.";
    /// Registration is switched off.
    RegistrationOff = "registration_off", Operator, 403, "access_denied",
        "This server does not register clients; ask its administrator for a client id.";
    /// Too many registrations changed or deleted themselves in the last minute.
    RegistrationBusy = "registration_busy", Client, 503, "temporarily_unavailable",
        "Too many registrations were changed in the last minute: try again in a minute.";
    /// The registration access token is wrong, or there is no such registration (RFC 7592 section 2, OP-1: told alike).
    RegistrationToken = "registration_token", Client, 401, "invalid_token",
        "The registration access token is not valid for this client.";

    // Bearer (RFC 6750 section 3.1)
    /// No token.
    TokenMissing = "token_missing", Client, 401, "", "Authorization is required.";
    /// More than one way, or not a bearer token (RS-8).
    TokenMalformed = "token_malformed", Client, 400, "invalid_request", "Send exactly one Authorization header with a bearer token.";
    /// Not a valid token for this resource.
    TokenInvalid = "token_invalid", Client, 401, "invalid_token", "The access token is not valid for this resource.";
    /// It has lapsed.
    TokenExpired = "token_expired", Client, 401, "invalid_token", "The access token has expired.";
    /// Its session has ended.
    TokenRevoked = "token_revoked", Client, 401, "invalid_token", "The access token has been revoked.";
    /// It lacks a scope that this operation needs.
    ScopeInsufficient = "scope_insufficient", Client, 403, "insufficient_scope", "The operation needs more scope.";
    /// The body of a request to a guarded tool cannot be read in one way only.
    ToolCallUnclear = "tool_call_unclear", Client, 400, "invalid_request",
        "Send one well-formed JSON-RPC message that names its tool once.";
    /// The issuer of the tokens does not answer, so that a guard elsewhere cannot judge them. The same request works later.
    IssuerUnavailable = "issuer_unavailable", Upstream, 503, "temporarily_unavailable",
        "This server cannot reach the server that signs people in. Nothing was lost: try again in a minute.";
    /// The MCP session id is not one of this principal (RS-9).
    McpSessionForeign = "mcp_session_foreign", Client, 404, "invalid_request", "Unknown MCP session: initialize again.";

    // Anywhere
    /// Too large.
    BodyTooLarge = "body_too_large", Client, 413, "invalid_request", "The request is too large.";
    /// The body broke off, or was not framed as HTTP frames it (RFC 9112 section 8).
    BodyIncomplete = "body_incomplete", Client, 400, "invalid_request", "The body of the request broke off.";
    /// More than [`Limits`](crate::Limits) allow an address, a session or a client.
    TooManyRequests = "too_many_requests", Client, 429, "temporarily_unavailable",
        "Too many requests came from here in a short time. Nothing was lost: wait a minute, then try again.";
    /// More than [`Limits`](crate::Limits) allow everybody together.
    ServerBusy = "server_busy", Operator, 429, "temporarily_unavailable",
        "This server has more to do than it can at the moment. Nothing was lost: try again in a minute.";
    /// Not the media type of this endpoint.
    MediaType = "media_type", Client, 415, "invalid_request", "The content type is not the one this endpoint takes.";
    /// Not a method of this endpoint.
    MethodNotAllowed = "method_not_allowed", Client, 405, "invalid_request", "This method is not allowed here.";
    /// Nothing here.
    NotFound = "not_found", Client, 404, "invalid_request", "There is nothing at this address.";
    /// The store does not answer. The same request works once it is back.
    StoreUnavailable = "store_unavailable", Store, 503, "temporarily_unavailable",
        "This server cannot reach its database at the moment. Nothing was lost: reload this page in a minute.";
    /// The store answered nonsense.
    StoreInconsistent = "store_inconsistent", Store, 500, "server_error",
        "This server found damaged data. Tell your administrator, with the reference below.";
    /// A token could not be signed or a page not be made: a bug of this library.
    Internal = "internal", Operator, 500, "server_error",
        "Something went wrong inside this server. Tell your administrator, with the reference below.";
    /// No randomness.
    RandomUnavailable = "random_unavailable", Operator, 500, "server_error",
        "This server cannot make random numbers. Tell your administrator.";
}

/// A refusal: a reason, and for developers a text that says more. Never holds a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    reason: Reason,
    detail: String,
    retry_after: Option<u32>,
    /// Of the event that tells of it; what a page shows then.
    reference: Option<Reference>,
    /// What is for the operator alone.
    note: String,
}

impl Refusal {
    /// A refusal with a text for developers.
    pub(crate) fn new(reason: Reason, detail: impl Into<String>) -> Self {
        Self { reason, detail: detail.into(), retry_after: None, reference: None, note: String::new() }
    }

    /// The same, on the record under this reference.
    pub(crate) const fn recorded(mut self, reference: Option<Reference>) -> Self {
        self.reference = reference;
        self
    }

    /// The same, with what only the operator may know: it never goes onto the wire.
    pub(crate) fn noting(mut self, note: impl Into<String>) -> Self {
        self.note = note.into();
        self
    }

    /// The reference under which it is on the record, if it is.
    pub(crate) const fn reference(&self) -> Option<Reference> {
        self.reference
    }

    /// What only the operator may know.
    pub(crate) fn note(&self) -> &str {
        &self.note
    }

    /// The same, to be tried again after `wait`: whole seconds, at least one, at most a minute.
    pub(crate) fn after(mut self, wait: Duration) -> Self {
        let seconds = wait.as_secs().saturating_add(u64::from(wait.subsec_nanos() > 0)).clamp(1, 60);
        self.retry_after = u32::try_from(seconds).ok();
        self
    }

    /// Seconds after which the same request may be tried again, for `Retry-After` (RFC 9110 section 10.2.3).
    pub(crate) const fn retry_after(&self) -> Option<u32> {
        match (self.retry_after, self.reason.status()) {
            (None, 503) => Some(RETRY_SECONDS),
            (seconds, _) => seconds,
        }
    }

    /// Its reason.
    #[must_use]
    pub const fn reason(&self) -> Reason {
        self.reason
    }

    /// `error_description`: the detail, or the advice if there is none.
    #[must_use]
    pub fn description(&self) -> &str {
        if self.detail.is_empty() { self.reason.advice() } else { &self.detail }
    }

    /// The detail alone.
    #[must_use]
    pub fn detail(&self) -> &str {
        &self.detail
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.reason.as_str(), self.description())
    }
}

impl std::error::Error for Refusal {}

impl From<Reason> for Refusal {
    fn from(reason: Reason) -> Self {
        Self::new(reason, String::new())
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        // The cause is for the operator's log, not for the wire.
        tracing::error!(target: "dcr", error = %error, "the store failed");
        match error {
            StoreError::Unavailable(_) => Reason::StoreUnavailable.into(),
            StoreError::Inconsistent(_) => Reason::StoreInconsistent.into(),
        }
    }
}

impl From<RandomUnavailable> for Refusal {
    fn from(_: RandomUnavailable) -> Self {
        Reason::RandomUnavailable.into()
    }
}

/// Why an engine cannot be built. The operator's fault; the text says what to change.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The public URL.
    #[error("the public URL {url:?} cannot be used: {why}")]
    PublicUrl {
        /// As given.
        url: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// A resource.
    #[error("the resource at {path:?} cannot be used: {why}")]
    Resource {
        /// Its path.
        path: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// No resource was configured.
    #[error("there is no resource to protect; add one with `resource(..)`")]
    NoResource,
    /// No provider was configured.
    #[error("there is no identity provider; add one with `provider(..)`")]
    NoProvider,
    /// No store was configured.
    #[error("there is no store; add one with `store(..)`")]
    NoStore,
    /// A public URL without a secret from outside the database.
    #[error(
        "a server with a public URL needs a secret from outside its database: set one (`openssl rand -base64 32`), or say \
         `store` in so many words to let the database keep it"
    )]
    NoSecret,
    /// The key ring.
    #[error("the secrets cannot be used: {0}")]
    Keys(#[from] KeyRingError),
    /// A lifetime.
    #[error("{0}")]
    Lifetime(&'static str),
    /// A custom redirect URI that may not be listed.
    #[error("the custom redirect URI {0:?} cannot be listed: it must be canonical and of a harmless custom scheme")]
    CustomRedirect(String),
    /// A pre-registered client.
    #[error("the pre-registered client {client} cannot be used: {fault}")]
    PreRegistered {
        /// Its id.
        client: ClientId,
        /// What is wrong with it.
        fault: PinFault,
    },
    /// Two pre-registered clients.
    #[error("the client id {0} is pre-registered twice")]
    PreRegisteredTwice(ClientId),
    /// The path prefix.
    #[error("the path prefix {0:?} must begin with a slash, not end in one, and have plain characters only")]
    Prefix(String),
    /// The theme of the pages.
    #[error("the {what} of the theme cannot be used: {why}")]
    Theme {
        /// Which part of it.
        what: &'static str,
        /// What to write instead.
        why: &'static str,
    },
    /// The console's own origin.
    #[error("the origin of the console {url:?} cannot be used: {why}")]
    AdminOrigin {
        /// As given.
        url: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// Pages of the operator's own that could not be served.
    #[error("the pages that were set with `pages(..)` cannot be used: {0}")]
    Pages(String),
    /// The store failed while the engine was built.
    #[error("{0}")]
    Store(#[from] StoreError),
    /// No randomness.
    #[error("{0}")]
    Random(#[from] RandomUnavailable),
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::Reason;

    #[test]
    fn every_reason_has_one_name_one_answer_and_says_what_to_do() {
        let mut names = HashSet::new();
        for reason in Reason::ALL {
            assert!(names.insert(reason.as_str()), "{}", reason.as_str());
            assert!((400..=599).contains(&reason.status()));
            assert!(!reason.advice().is_empty());
        }
    }

    #[test]
    fn tk_12_only_client_problems_answer_invalid_client_and_only_dead_grants_invalid_grant() {
        for reason in Reason::ALL {
            if reason.error() == "invalid_grant" {
                assert_eq!(reason.status(), 400, "{}", reason.as_str());
            }
            if reason.status() == 503 {
                assert_eq!(reason.error(), "temporarily_unavailable", "{}", reason.as_str());
            }
        }
    }
}
