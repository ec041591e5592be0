//! The authorization endpoint (RFC 6749 section 4.1.1, OAuth 2.1): resolve the id, gate the redirect, check the request,
//! and ask the person. Writes nothing.

use super::consent::Login;
use super::pkce::CodeChallenge;
use super::scope::{self, OFFLINE_ACCESS, ScopeSet};
use super::transaction::{AuthorizeRequest, ReturnAddress};
use crate::client::{ClientId, LookedUp, Provenance, ResolvedClient, ValidRedirect};
use crate::engine::Inner;
use crate::error::{Reason, Refusal};
use crate::http::{ConsentView, Params};
use crate::limits::Asker;
use crate::record::Step;
use crate::seal::b64;
use crate::store::Target;
use crate::text::bounded;

/// The longest `state` that is carried and echoed, in bytes.
const MAX_STATE: usize = 1_024;

/// How an authorize request ends.
pub(crate) enum Authorize {
    /// Ask the person.
    Ask(Box<ConsentPrompt>),
    /// The person approved it before, and that is remembered.
    Login(Login),
    /// The client is told, at a redirect URI that passed and is trusted.
    Back { location: String, refusal: Refusal },
    /// The person is told.
    Refuse(Refusal),
}

/// What the browser of an authorize request holds.
pub(crate) struct AuthorizingBrowser<'a> {
    /// The values against forged forms.
    pub(crate) csrf: &'a [String],
    /// The transaction cookies: name and value.
    pub(crate) open: &'a [(String, String)],
    /// The values of the cookie of this name by which an approval is remembered.
    pub(crate) remembered: &'a (dyn Fn(&str) -> Vec<String> + Sync),
    /// Whether a person began the navigation.
    pub(crate) is_fresh_navigation: bool,
    /// On whose behalf a metadata document is fetched.
    pub(crate) asker: Asker<'a>,
}

/// The consent page to be.
pub(crate) struct ConsentPrompt {
    pub(crate) view: ConsentView,
    /// The value of the CSRF cookie: this browser's, or a new one.
    pub(crate) csrf: String,
}

impl Inner {
    /// `GET /oauth/authorize`.
    pub(crate) async fn authorize(&self, params: &Params, browser: AuthorizingBrowser<'_>) -> Authorize {
        let (client, redirect) = match self.who_asks(params, browser.asker).await {
            Ok(resolved) => resolved,
            Err(refusal) => {
                let redirect = params.get("redirect_uri").unwrap_or("");
                self.count(Step::Authorize, self.rules.platform_of(redirect).as_ref(), Some(refusal.reason()));
                return Authorize::Refuse(refusal);
            }
        };
        // From here the client can be told, if its redirect is trusted.
        let state = params.bytes("state").filter(|state| state.len() <= MAX_STATE).map(<[u8]>::to_vec);
        let back = ReturnAddress::of(&redirect, state.clone());
        let must_ask = params.get("prompt").is_some_and(|prompt| !prompt.is_empty());
        let browser = AuthorizingBrowser { is_fresh_navigation: browser.is_fresh_navigation && !must_ask, ..browser };
        let answered = match self.what_is_asked(params, &client, &redirect, state) {
            Ok(request) => self.ask_or_go_on(&client, &redirect, request, browser).await,
            Err(refusal) => Err(refusal),
        };
        let refused = answered.as_ref().err().map(Refusal::reason);
        self.count(Step::Authorize, Some(client.platform()), refused);
        match answered {
            Ok(outcome) => outcome,
            Err(refusal) if back.is_trusted() && refusal.reason().status() < 500 => {
                let reason = refusal.reason();
                let parameters = [("error", reason.error()), ("error_description", refusal.description())];
                Authorize::Back { location: back.with(&parameters, self.issuer.as_str()), refusal }
            }
            Err(refusal) => Authorize::Refuse(refusal),
        }
    }

    /// Resolves the client and gates its redirect. All refusals of these look alike (AD-14).
    async fn who_asks(&self, params: &Params, asker: Asker<'_>) -> Result<(ResolvedClient, ValidRedirect), Refusal> {
        let one = |name: &str| {
            let text = format!("{name} must be sent exactly once");
            params.get(name).ok_or_else(|| Refusal::new(Reason::RequestMalformed, text))
        };
        let (id, redirect) = (one("client_id")?, one("redirect_uri")?);
        let not_accepted = |why: &dyn std::fmt::Display| {
            if self.meters.may_log(self.clock.now()) {
                tracing::info!(target: "dcr", step = "authorize", %why, "client not accepted");
            }
            let shown = |text: &str| bounded(text, 100);
            let note = format!("{why}; client id {}, redirect {}", shown(id), shown(redirect));
            Refusal::from(Reason::ClientNotAccepted).noting(note)
        };
        let id = ClientId::new(id).map_err(|error| not_accepted(&error))?;
        if id.names_a_document() && self.store.blocked(&[Target::ClientId(id.clone())]).await?.is_some() {
            // Before its host is asked for anything.
            return Err(Reason::ClientBlocked.into());
        }
        let looked_up = self.look_up(&id, redirect, asker).await?;
        let (client, redirect) =
            self.rules.resolve(&self.ring, &id, redirect, &looked_up).map_err(|fault| not_accepted(&fault))?;
        let targets = [Target::ClientId(client.id().clone()), Target::Platform(client.platform().clone())];
        match self.store.blocked(&targets).await? {
            None => Ok((client, redirect)),
            Some(_) => Err(Reason::ClientBlocked.into()),
        }
    }

    /// What `resolve` needs to know of an id and is not in it: the client that was imported under it, or its document.
    async fn look_up(&self, id: &ClientId, redirect: &str, asker: Asker<'_>) -> Result<LookedUp, Refusal> {
        let stored = self.stored_client(id).await?;
        if self.rules.pre_registered.contains_key(id)
            || stored.as_ref().is_some_and(|stored| stored.as_pinned().is_some())
        {
            return Ok(LookedUp { stored, ..LookedUp::default() });
        }
        if id.names_a_document() {
            let document = self.documents.find(id, Some(redirect), self.clock.as_ref(), asker).await;
            return Ok(LookedUp { document: Some(document), stored, ..LookedUp::default() });
        }
        Ok(LookedUp { imported: self.imported_client(id).await?, stored, ..LookedUp::default() })
    }

    /// Everything else of the request: S256 only, a resource of ours, scopes, no unusual branches (AD-13).
    fn what_is_asked(
        &self,
        params: &Params,
        client: &ResolvedClient,
        redirect: &ValidRedirect,
        state: Option<Vec<u8>>,
    ) -> Result<AuthorizeRequest, Refusal> {
        if let Some(name) = params.repeated() {
            let name = bounded(name, 40);
            return Err(Refusal::new(Reason::ParameterRepeated, format!("{name} was sent more than once")));
        }
        if params.bytes("state").is_some_and(|state| state.len() > MAX_STATE) {
            return Err(Reason::StateTooLong.into());
        }
        match params.get("response_type") {
            Some("code") => {}
            None => return Err(Reason::ResponseTypeMissing.into()),
            Some(_) => return Err(Reason::ResponseTypeUnsupported.into()),
        }
        if params.count("response_mode") > 0 && params.get("response_mode") != Some("query") {
            return Err(Reason::ResponseModeUnsupported.into());
        }
        for (name, reason) in [
            ("request", Reason::RequestObject),
            ("request_uri", Reason::RequestUri),
            ("registration", Reason::ParameterUnsupported),
            ("claims", Reason::ParameterUnsupported),
        ] {
            if params.count(name) > 0 {
                return Err(reason.into());
            }
        }
        // Other values of `prompt` never go upstream; the page is shown with any of them, whatever is remembered.
        if params.get("prompt").is_some_and(|prompt| prompt.split(' ').any(|p| p == "none")) {
            return Err(Reason::PromptNone.into());
        }
        if params.get("code_challenge_method") != Some("S256") {
            return Err(Reason::PkceMethod.into());
        }
        let challenge = params.get("code_challenge").and_then(CodeChallenge::parse).ok_or(Reason::PkceChallenge)?;
        if params.is_unreadable("resource") || params.is_unreadable("scope") {
            return Err(Refusal::new(Reason::ResourceUnknown, "resource and scope must be text"));
        }
        let resource = self.resource(params.get("resource")).ok_or(Reason::ResourceUnknown)?;
        let of_adopted = self.adoption_scopes.as_ref().filter(|_| client.provenance() == Provenance::Adopted);
        // A ceiling with a broad scope is one with the narrow ones that it satisfies.
        let ceiling = client.scopes().or(of_adopted).map(|most| resource.hierarchy.effective(most));
        let below =
            |scopes: &ScopeSet| ceiling.as_ref().map_or_else(|| scopes.clone(), |most| scopes.intersection(most));
        let scope = scope::granted(params.get("scope"), &below(&resource.all), &below(&resource.defaults));
        if scope.without(OFFLINE_ACCESS).is_empty() {
            return Err(Refusal::new(Reason::ScopeTooWide, "this app may have no scope of this resource"));
        }
        Ok(AuthorizeRequest::new(
            client,
            redirect,
            state,
            challenge,
            resource.uri.clone(),
            scope.to_string(),
            self.clock.now(),
        ))
    }

    /// Asks the person, unless this very request was approved before and that is remembered.
    async fn ask_or_go_on(
        &self,
        client: &ResolvedClient,
        redirect: &ValidRedirect,
        request: AuthorizeRequest,
        browser: AuthorizingBrowser<'_>,
    ) -> Result<Authorize, Refusal> {
        let may = client.remembers().is_some() && request.may_be_remembered() && browser.is_fresh_navigation;
        if may && let Some(approver) = self.remembered_approver(&request, browser.remembered).await {
            let login = self.go_upstream(request, Some(approver), browser.open).await?;
            // They decided, some time ago: without it they would look like people who left the consent page.
            self.count(Step::Consent, Some(client.platform()), None);
            return Ok(Authorize::Login(login));
        }
        let prompt = self.prompt(client, redirect, &request, browser.csrf)?;
        Ok(Authorize::Ask(Box::new(prompt)))
    }

    fn prompt(
        &self,
        client: &ResolvedClient,
        redirect: &ValidRedirect,
        request: &AuthorizeRequest,
        csrf: &[String],
    ) -> Result<ConsentPrompt, Refusal> {
        let csrf = match csrf.iter().find(|csrf| is_csrf(csrf)) {
            Some(csrf) => csrf.clone(),
            None => b64(&crate::random::bytes::<32>(self.random.as_ref())?),
        };
        let sealed = request
            .seal(&csrf, &self.ring, self.random.as_ref())?
            .ok_or_else(|| Refusal::from(Reason::RequestTooLarge))?;
        let resource = self.resource(Some(&request.resource)).ok_or(Reason::ResourceUnknown)?;
        let view = ConsentView::new(self, client, redirect, resource, &request.scope, sealed);
        Ok(ConsentPrompt { view, csrf })
    }
}

/// The form of a CSRF cookie's value: 32 bytes of ours.
fn is_csrf(text: &str) -> bool {
    crate::seal::unb64(text.as_bytes()).is_some_and(|bytes| bytes.len() == 32)
}
