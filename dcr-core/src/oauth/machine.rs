//! Machine clients: programs that the operator pinned and that have access tokens of their own, without a person
//! (`client_credentials`, RFC 6749 section 4.4). No session, no row, no refresh token: what they hold lapses within one
//! access-token life, and a block of the client id is seen by every replica within the bound of a revocation.

use std::sync::Arc;
use std::time::Duration;

use super::ScopeSet;
use super::authenticate_client::expected_of_pin;
use super::token::TokenResponse;
use crate::client::{ClientCredentials, ClientId, PreRegistered};
use crate::clock::Timestamp;
use crate::engine::Inner;
use crate::error::{Reason, Refusal};
use crate::http::Params;
use crate::record::{Event, EventKind};
use crate::seal::b64;
use crate::session::{AccessTokenClaims, Subject, User, UserId};
use crate::store::Target;
use crate::upstream::{Groups, Roles};

/// How long it is believed that a machine client is still welcome.
const BELIEVED: Duration = Duration::from_secs(4);
/// A machine client's tokens are written to the record at most so often.
const RECORD_EVERY: Duration = Duration::from_secs(60 * 60);

/// When a machine client was last found welcome, and when it was last written down.
#[derive(Debug, Clone, Default)]
pub(crate) struct MachineSeen {
    welcome: Option<(Arc<User>, Timestamp)>,
    recorded: Option<Timestamp>,
}

impl Inner {
    /// `POST /oauth/token` with `grant_type=client_credentials`.
    pub(super) async fn machine_token(
        &self,
        client: &ClientCredentials,
        form: &Params,
    ) -> Result<TokenResponse, Refusal> {
        let Some(pinned) = self.pinned(&client.id).await? else {
            return Err(self.no_machine(client).await?);
        };
        // By the pin and by nothing else that the id could also be: another way might need no secret.
        let expected = expected_of_pin(&pinned);
        let authenticated = self.authenticate_client(client, &expected).await?;
        self.meters.client(&client.id, self.clock.now())?;
        if !pinned.machine {
            return Err(Reason::GrantNotAllowed.into());
        }
        if self.store.blocked(&[Target::ClientId(client.id.clone())]).await?.is_some() {
            return Err(Reason::GrantNotAllowed.into());
        }
        let resource = self.resource(form.get("resource")).ok_or(Reason::ResourceUnknown)?;
        // A broad scope among those that it may have stands for the narrow ones that it satisfies.
        let most = pinned.scopes.as_ref().map(|most| resource.hierarchy.effective(most));
        let allowed = most.map_or_else(|| resource.all.clone(), |most| resource.all.intersection(&most));
        let wanted = form.get("scope").map(ScopeSet::parse_lossy).filter(|scope| !scope.is_empty());
        let granted = match wanted {
            Some(wanted) => wanted.intersection(&allowed),
            None => match resource.defaults.intersection(&allowed) {
                defaults if defaults.is_empty() => allowed.clone(),
                defaults => defaults,
            },
        };
        if granted.is_empty() {
            return Err(Refusal::new(Reason::ScopeTooWide, format!("this client may have at most: {allowed}")));
        }
        self.use_up(&authenticated).await?;
        let now = self.clock.now();
        let claims = AccessTokenClaims {
            user: UserId::of_machine(self.issuer.as_str(), client.id.as_str()),
            subject: Subject::Machine,
            client_id: client.id.clone(),
            resource: resource.uri.clone(),
            scope: granted,
            issued_at: now,
            expires_at: now + self.lifetimes.access_token,
            token_id: b64(&crate::random::bytes::<16>(self.random.as_ref())?),
        };
        self.record_machine(&client.id, now).await?;
        self.sweep_a_little().await;
        self.signed(&claims, None)
    }

    /// Whether anybody could use the grant.
    pub(super) async fn may_have_machines(&self) -> Result<bool, Refusal> {
        Ok(self.rules.pre_registered.values().any(|client| client.machine) || self.has_stored().await?)
    }

    /// There is no such machine client. Strangers learn the same as from any other token request.
    async fn no_machine(&self, client: &ClientCredentials) -> Result<Refusal, Refusal> {
        Ok(match self.expected_of(&client.id).await? {
            None => Reason::ClientUnknown.into(),
            Some(expected) if self.could_be(client, &expected).await? => Reason::GrantNotAllowed.into(),
            Some(_) => Reason::ClientAuthentication.into(),
        })
    }

    /// Who a machine client is, if its tokens still count: it is pinned as one, and not blocked. Asked of the store every
    /// few seconds; while the store is silent the last answer holds as long as that of the revocation feed would.
    pub(super) async fn machine(&self, id: &ClientId) -> Result<Arc<User>, Refusal> {
        let now = self.clock.now();
        let seen = self.machines.get(id).unwrap_or_default();
        let known = |bound: Duration| {
            let known = seen.welcome.as_ref().filter(|(_, at)| *at <= now && now.since(*at) < bound);
            known.map(|(user, _)| Arc::clone(user))
        };
        if let Some(user) = known(BELIEVED) {
            return Ok(user);
        }
        match self.ask_for_machine(id).await {
            Ok(Some(pinned)) => {
                let user = Arc::new(User {
                    id: UserId::of_machine(self.issuer.as_str(), id.as_str()),
                    issuer: self.issuer.as_str().to_owned(),
                    tenant: String::new(),
                    object_id: id.as_str().to_owned(),
                    name: pinned.name.clone(),
                    email: None,
                    groups: Groups::Unsaid,
                    roles: Roles::default(),
                });
                self.machines.insert(id.clone(), MachineSeen { welcome: Some((Arc::clone(&user), now)), ..seen });
                Ok(user)
            }
            Ok(None) => {
                self.machines.insert(id.clone(), MachineSeen { welcome: None, ..seen });
                Err(Reason::TokenRevoked.into())
            }
            Err(refusal) => known(self.lifetimes.store_silence).ok_or(refusal),
        }
    }

    async fn ask_for_machine(&self, id: &ClientId) -> Result<Option<Arc<PreRegistered>>, Refusal> {
        let pinned = self.pinned_now(id).await?.filter(|pinned| pinned.machine);
        let blocked = self.store.blocked(&[Target::ClientId(id.clone())]).await?.is_some();
        Ok(pinned.filter(|_| !blocked))
    }

    /// A machine client asks for a token every few minutes: that it does is on the record once an hour.
    async fn record_machine(&self, id: &ClientId, now: Timestamp) -> Result<(), Refusal> {
        let seen = self.machines.get(id).unwrap_or_default();
        if seen.recorded.is_some_and(|at| at <= now && now.since(at) < RECORD_EVERY) {
            return Ok(());
        }
        let event = Event { client_id: Some(id.clone()), ..self.event(EventKind::MachineSignedIn, "")? };
        self.store.record(event).await?;
        self.machines.insert(id.clone(), MachineSeen { recorded: Some(now), welcome: seen.welcome });
        Ok(())
    }

    /// Whether a token is a machine client's.
    pub(super) fn is_machine_token(&self, token: &str) -> bool {
        crate::session::AccessToken::is_machines(token, self.issuer.as_str(), &self.ring)
    }
}
