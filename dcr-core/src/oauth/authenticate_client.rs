//! Client authentication (RFC 6749 section 2.3): by nothing, a secret, or a signed assertion (RFC 7523). Each client has one
//! method, and everything else is refused: a secret where none is expected is as wrong as the reverse.

use std::sync::Arc;

use crate::client::{
    AuthMethod, ClientAssertion, ClientCredentials, ClientId, ClientKeys, Credential, DocumentFault, Expected,
    OneTimeUse, PreRegistered, Presented, PresentedSecret, Provenance, SealedId, StoredState,
};
use crate::engine::Inner;
use crate::error::{Reason, Refusal};

/// A client that authenticated as it should. Nothing else makes one.
#[derive(Debug)]
#[must_use]
pub(crate) struct Authenticated {
    /// What it proved itself with, if that counts once.
    once: Option<OneTimeUse>,
}

impl Inner {
    /// Whether `client` proves what is expected of it. An assertion is not used up by this: see [`Inner::use_up`].
    pub(crate) async fn authenticate_client(
        &self,
        client: &ClientCredentials,
        expected: &Expected,
    ) -> Result<Authenticated, Refusal> {
        if expected.provenance.has_unproven_secret() {
            return if expected.remembers(&self.ring, client) { Ok(Authenticated { once: None }) } else { refused("") };
        }
        let once = match (expected.auth_method, &client.presented) {
            (AuthMethod::None, Presented::Nothing) => None,
            (AuthMethod::None, Presented::Assertion(assertion)) => {
                self.more_than_asked(client, expected, assertion).await?
            }
            (AuthMethod::PrivateKeyJwt, Presented::Assertion(assertion)) => {
                Some(self.verified(assertion, &*self.keys_of(&client.id, expected, assertion).await?)?)
            }
            (method, Presented::Secret(secret)) if method.has_secret() && secret.method() == method => {
                self.check_secret(&client.id, expected, secret).await?;
                None
            }
            _ => return refused(""),
        };
        Ok(Authenticated { once })
    }

    /// Sees to it that what the client proved itself with counts once, on all replicas. The last step before something is
    /// given for it, so that nobody who has nothing to get can make rows (I-1).
    pub(crate) async fn use_up(&self, authenticated: &Authenticated) -> Result<(), Refusal> {
        match &authenticated.once {
            Some(once) if !self.store.use_up(&once.id, once.until).await? => {
                refused("the client assertion was used before: sign another, with a jti of its own")
            }
            _ => Ok(()),
        }
    }

    /// A client that was let in without authenticating, and signs all the same. That is what one does whose document was
    /// withheld by its host at sign-in, and a copy served: if its keys are withheld still, it is as good as it was.
    async fn more_than_asked(
        &self,
        client: &ClientCredentials,
        expected: &Expected,
        assertion: &ClientAssertion,
    ) -> Result<Option<OneTimeUse>, Refusal> {
        if expected.provenance != Provenance::MetadataDocument {
            return refused("");
        }
        match self.documents.keys_of(&client.id, assertion.kid(), self.clock.as_ref()).await {
            Ok(keys) => self.verified(assertion, &keys).map(Some),
            Err(fault) if fault.may_pass() => Ok(None),
            Err(fault) => refused(&format!("the client's keys: {fault}")),
        }
    }

    async fn keys_of(
        &self,
        id: &ClientId,
        expected: &Expected,
        assertion: &ClientAssertion,
    ) -> Result<Arc<ClientKeys>, Refusal> {
        if expected.provenance == Provenance::PreRegistered {
            return match self.pinned(id).await?.map(|client| client.credential.clone()) {
                Some(Credential::Keys(keys)) => Ok(Arc::new(keys)),
                _ => refused(""),
            };
        }
        self.documents.keys_of(id, assertion.kid(), self.clock.as_ref()).await.map_err(|fault: DocumentFault| {
            let reason = if fault.may_pass() { Reason::ClientKeysWithheld } else { Reason::ClientAuthentication };
            Refusal::new(reason, format!("the client's keys: {fault}"))
        })
    }

    fn verified(&self, assertion: &ClientAssertion, keys: &ClientKeys) -> Result<OneTimeUse, Refusal> {
        assertion
            .verify(keys, self.issuer.as_str(), self.clock.now())
            .map_err(|fault| Refusal::new(Reason::ClientAuthentication, fault.to_string()))
    }

    async fn check_secret(&self, id: &ClientId, expected: &Expected, secret: &PresentedSecret) -> Result<(), Refusal> {
        let good = match expected.provenance {
            Provenance::PreRegistered => self.pinned(id).await?.is_some_and(|client| secret.is_of(&client)),
            _ => secret.is_derived_from(id, &self.ring),
        };
        if good { Ok(()) } else { refused("") }
    }

    /// How a client authenticates outside of any session; nothing for one that only an import, or adoption, could know.
    pub(crate) async fn expected_of(&self, id: &ClientId) -> Result<Option<Expected>, Refusal> {
        let expected = |provenance, auth_method| Some(Expected { provenance, auth_method, adopted_secret: None });
        if let Some(pinned) = self.rules.pre_registered.get(id) {
            return Ok(Some(expected_of_pin(pinned)));
        }
        let sealed = match SealedId::open(id, &self.ring) {
            SealedId::Genuine(client) => Some(client.auth_method),
            SealedId::Broken | SealedId::Foreign => None,
        };
        if sealed == Some(AuthMethod::None) {
            // It costs no read: what is given for such an answer is nothing, and rows are of confidential registrations. Where
            // a pin of such an id decides something, it is looked at first.
            return Ok(expected(Provenance::Sealed, AuthMethod::None));
        }
        let stored = self.stored_lately(id).await?;
        match stored.as_deref().map(|stored| stored.state()) {
            Some(StoredState::Pinned(client)) => return Ok(expected(Provenance::PreRegistered, client.auth_method())),
            Some(StoredState::Changed(now)) => return Ok(expected(Provenance::Sealed, now.auth_method)),
            Some(StoredState::Deleted) => return Ok(None),
            None => {}
        }
        if let Some(method) = sealed {
            return Ok(expected(Provenance::Sealed, method));
        }
        // Its document is not asked for: there is nothing to be had for it yet.
        Ok(self.documents.may_be_client(id).then(|| expected(Provenance::MetadataDocument, AuthMethod::None)).flatten())
    }

    /// Whether `client` could be the one that is expected, as far as that is known without asking anybody out there: for
    /// answers that give nothing.
    pub(crate) async fn could_be(&self, client: &ClientCredentials, expected: &Expected) -> Result<bool, Refusal> {
        if expected.provenance == Provenance::MetadataDocument {
            return Ok(client.secret().is_none());
        }
        match self.authenticate_client(client, expected).await {
            Ok(_) => Ok(true),
            Err(refusal) if refusal.reason() == Reason::ClientAuthentication => Ok(false),
            Err(refusal) => Err(refusal),
        }
    }

    /// The client that the operator pinned under this id: in the configuration, or with the command.
    pub(crate) async fn pinned(&self, id: &ClientId) -> Result<Option<Arc<PreRegistered>>, Refusal> {
        if let Some(pinned) = self.rules.pre_registered.get(id) {
            return Ok(Some(Arc::clone(pinned)));
        }
        let stored = self.stored_lately(id).await?;
        Ok(stored.and_then(|stored| stored.as_pinned().cloned()).map(Arc::new))
    }

    /// The same as of now, and not of some seconds ago.
    pub(super) async fn pinned_now(&self, id: &ClientId) -> Result<Option<Arc<PreRegistered>>, Refusal> {
        if let Some(pinned) = self.rules.pre_registered.get(id) {
            return Ok(Some(Arc::clone(pinned)));
        }
        Ok(self.store.client(id).await?.and_then(|stored| stored.as_pinned().cloned()).map(Arc::new))
    }
}

/// How a pinned client authenticates.
pub(super) fn expected_of_pin(client: &PreRegistered) -> Expected {
    Expected { provenance: Provenance::PreRegistered, auth_method: client.auth_method(), adopted_secret: None }
}

fn refused<T>(why: &str) -> Result<T, Refusal> {
    Err(Refusal::new(Reason::ClientAuthentication, why))
}
