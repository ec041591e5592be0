//! Dynamic client registration (RFC 7591). Pure computation: the registration is sealed into the id, nothing is written.

use serde::Serialize;

use super::ScopeSet;
use super::scope::OFFLINE_ACCESS;
use crate::client::{
    AuthMethod, CanonicalRedirect, ClientId, RegistrationRequest, SealedClient, ValidRegistration, derive_client_secret,
};
use crate::config::RegistrationPolicy;
use crate::engine::Inner;
use crate::error::{Reason, Refusal};
use crate::record::Step;

/// The client information response (RFC 7591 section 3.2.1, RFC 7592 section 3): exactly what is registered. A member that
/// is not is left out, never null (claude-code#52565).
#[derive(Serialize)]
pub(crate) struct ClientInformation {
    client_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_secret: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_secret_expires_at: Option<u32>,
    grant_types: &'static [&'static str],
    redirect_uris: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) registration_access_token: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) registration_client_uri: Option<String>,
    response_types: [&'static str; 1],
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<String>,
    token_endpoint_auth_method: &'static str,
}

impl Inner {
    /// `POST /oauth/register`: the body of the `201` answer.
    pub(crate) fn register(&self, body: &[u8]) -> Result<ClientInformation, Refusal> {
        let registered = self.seal_registration(body);
        let platform = registered.as_ref().ok().and_then(|(redirects, _)| self.rules.platform_of_all(redirects));
        self.count(Step::Register, platform.as_ref(), registered.as_ref().err().map(Refusal::reason));
        registered.map(|(_, answer)| answer)
    }

    /// The redirects that were registered, and the answer.
    fn seal_registration(&self, body: &[u8]) -> Result<(Vec<CanonicalRedirect>, ClientInformation), Refusal> {
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

    fn answer(&self, id: &ClientId, client: &SealedClient, registration: &ValidRegistration) -> ClientInformation {
        let redirects = registration.redirects.iter().map(CanonicalRedirect::as_str);
        let mut answer = self.registered(id, client, redirects);
        answer.scope = registration.scope.as_deref().and_then(|scope| self.known_scope(scope)).map(|s| s.to_string());
        if client.auth_method != AuthMethod::None {
            self.add_management(&mut answer, id, 0);
        }
        answer
    }

    pub(super) fn registered<'a>(
        &self,
        id: &ClientId,
        client: &SealedClient,
        redirects: impl Iterator<Item = &'a str>,
    ) -> ClientInformation {
        let secret = Some(client.auth_method).filter(|method| *method != AuthMethod::None);
        let secret = secret.and_then(|_| derive_client_secret(id, &self.ring));
        ClientInformation {
            client_id: id.as_str().to_owned(),
            client_name: client.name.clone(),
            client_secret_expires_at: secret.as_ref().map(|_| 0),
            client_secret: secret,
            grant_types: if client.refresh {
                &["authorization_code", "refresh_token"]
            } else {
                &["authorization_code"]
            },
            redirect_uris: redirects.map(str::to_owned).collect(),
            registration_access_token: None,
            registration_client_uri: None,
            response_types: ["code"],
            scope: None,
            token_endpoint_auth_method: client.auth_method.as_str(),
        }
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
