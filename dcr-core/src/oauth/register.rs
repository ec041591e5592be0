//! Dynamic client registration (RFC 7591). Pure computation: the registration is sealed into the id, nothing is written.

use serde_json::{Map, Value, json};

use super::ScopeSet;
use super::scope::OFFLINE_ACCESS;
use crate::client::{
    AuthMethod, CanonicalRedirect, ClientId, RegistrationRequest, SealedClient, ValidRegistration, derive_client_secret,
};
use crate::config::RegistrationPolicy;
use crate::engine::Inner;
use crate::error::{Reason, Refusal};
use crate::record::Step;

impl Inner {
    /// `POST /oauth/register`: the body of the `201` answer.
    pub(crate) fn register(&self, body: &[u8]) -> Result<Value, Refusal> {
        let registered = self.seal_registration(body);
        let platform = registered.as_ref().ok().and_then(|(redirects, _)| self.rules.platform_of_all(redirects));
        self.count(Step::Register, platform.as_ref(), registered.as_ref().err().map(Refusal::reason));
        registered.map(|(_, answer)| answer)
    }

    /// The redirects that were registered, and the answer.
    fn seal_registration(&self, body: &[u8]) -> Result<(Vec<CanonicalRedirect>, Value), Refusal> {
        if self.rules.registration == RegistrationPolicy::Off {
            return Err(Reason::RegistrationOff.into());
        }
        let request: RegistrationRequest = serde_json::from_slice(body).map_err(|e| {
            Refusal::new(
                Reason::ClientMetadata,
                crate::text::bounded(&format!("the body is not client metadata: {e}"), 200),
            )
        })?;
        let registration = request
            .validate(|text| self.rules.registrable(text))
            .map_err(|(reason, detail)| Refusal::new(reason, detail))?;
        let client = sealed(&registration);
        let id = client.seal(&self.ring, self.random.as_ref())?;
        let id = ClientId::new(id).map_err(|_| {
            Refusal::new(
                Reason::ClientMetadata,
                "the redirect URIs are too long together: register fewer or shorter ones",
            )
        })?;
        tracing::debug!(target: "dcr", step = "register", "registered");
        let answer = self.answer(&id, &client, &registration);
        Ok((registration.redirects, answer))
    }

    fn answer(&self, id: &ClientId, client: &SealedClient, registration: &ValidRegistration) -> Value {
        let mut answer = self.registered(id, client, registration.redirects.iter().map(CanonicalRedirect::as_str));
        if let Some(scope) = registration.scope.as_deref().and_then(|scope| self.known_scope(scope)) {
            answer.insert("scope".to_owned(), json!(scope.to_string()));
        }
        if client.auth_method != AuthMethod::None {
            self.add_management(&mut answer, id, 0);
        }
        Value::Object(answer)
    }

    /// Exactly what is registered; a member that is not is left out, never null (claude-code#52565).
    pub(super) fn registered<'a>(
        &self,
        id: &ClientId,
        client: &SealedClient,
        redirects: impl Iterator<Item = &'a str>,
    ) -> Map<String, Value> {
        let mut grants = vec!["authorization_code"];
        if client.refresh {
            grants.push("refresh_token");
        }
        let mut answer = Map::new();
        let mut put = |name: &str, value: Value| answer.insert(name.to_owned(), value);
        put("client_id", json!(id.as_str()));
        put("redirect_uris", redirects.collect());
        put("token_endpoint_auth_method", json!(client.auth_method.as_str()));
        put("grant_types", json!(grants));
        put("response_types", json!(["code"]));
        if let Some(name) = &client.name {
            put("client_name", json!(name));
        }
        if client.auth_method != AuthMethod::None
            && let Some(secret) = derive_client_secret(id, &self.ring)
        {
            put("client_secret", json!(secret));
            put("client_secret_expires_at", json!(0));
        }
        answer
    }

    /// Those of the named scopes that exist here.
    fn known_scope(&self, scope: &str) -> Option<ScopeSet> {
        let known = self
            .resources
            .iter()
            .flat_map(|resource| resource.all.iter())
            .fold(ScopeSet::default().with(OFFLINE_ACCESS), |all, name| all.with(name));
        Some(ScopeSet::parse_lossy(scope).intersection(&known)).filter(|scope| !scope.is_empty())
    }
}

/// What is sealed: loopback ports removed, order and repetition gone, so that the same software gets the same id.
pub(super) fn sealed(registration: &ValidRegistration) -> SealedClient {
    let mut redirects: Vec<CanonicalRedirect> =
        registration.redirects.iter().map(CanonicalRedirect::with_port_removed).collect();
    redirects.sort_unstable();
    redirects.dedup();
    SealedClient {
        name: registration.name.clone(),
        redirects,
        auth_method: registration.auth_method,
        refresh: registration.refresh,
    }
}
