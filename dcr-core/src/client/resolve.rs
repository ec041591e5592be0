//! One function that resolves a presented client id, in the design's fixed order. The presented id is never replaced.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use super::platform::KnownPlatform;
use super::{
    AuthMethod, CanonicalRedirect, ClientDocument, ClientId, DocumentFault, DocumentUrl, ImportedClient, Platform,
    PlatformList, PreRegistered, Provenance, RedirectClass, RedirectFault, SealedClient, SealedId, SoftwareKey,
    StoredClient, StoredState,
};
use crate::config::{AdoptionPolicy, RegistrationPolicy};
use crate::oauth::ScopeSet;
use crate::seal::KeyRing;

/// The rules by which ids are resolved; made once, from the operator's configuration.
#[derive(Debug)]
pub(crate) struct ClientRules {
    pub(crate) registration: RegistrationPolicy,
    pub(crate) adoption: AdoptionPolicy,
    pub(crate) platforms: PlatformList,
    /// Custom-scheme redirect URIs that are allowed, as exact strings.
    pub(crate) custom_redirects: Vec<String>,
    pub(crate) pre_registered: HashMap<ClientId, Arc<PreRegistered>>,
}

/// A client id that `resolve` accepted for one redirect URI. Nothing else can make one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ResolvedClient {
    id: ClientId,
    provenance: Provenance,
    auth_method: AuthMethod,
    name: Option<String>,
    software: SoftwareKey,
    platform: Platform,
    refresh: bool,
    scopes: Option<ScopeSet>,
    remember: Option<Duration>,
}

impl ResolvedClient {
    pub(crate) const fn id(&self) -> &ClientId {
        &self.id
    }
    pub(crate) const fn provenance(&self) -> Provenance {
        self.provenance
    }
    pub(crate) const fn auth_method(&self) -> AuthMethod {
        self.auth_method
    }
    /// The host that vouches for what the client says of itself, if its id is the URL of a document.
    pub(crate) fn document_host(&self) -> Option<&str> {
        let described = self.provenance == Provenance::MetadataDocument;
        described.then(|| DocumentUrl::parse(&self.id).ok()).flatten().map(|url| url.host())
    }
    /// The client's own claim of a name (the operator's word for pre-registered clients).
    pub(crate) fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }
    pub(crate) const fn software(&self) -> &SoftwareKey {
        &self.software
    }
    pub(crate) const fn platform(&self) -> &Platform {
        &self.platform
    }
    pub(crate) const fn refresh(&self) -> bool {
        self.refresh
    }
    /// The scopes that it may get at most, if the operator limited them.
    pub(crate) const fn scopes(&self) -> Option<&ScopeSet> {
        self.scopes.as_ref()
    }
    /// For how long a person's approval is remembered, if the operator said so.
    pub(crate) const fn remembers(&self) -> Option<Duration> {
        self.remember
    }
}

/// A redirect URI that passed for this id in this request (I-2). Nothing else can make one, and redirects are built from
/// nothing else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ValidRedirect {
    uri: CanonicalRedirect,
    class: RedirectClass,
    label: Option<String>,
}

impl ValidRedirect {
    pub(crate) fn as_str(&self) -> &str {
        self.uri.as_str()
    }
    pub(crate) const fn class(&self) -> RedirectClass {
        self.class
    }
    /// How people call the platform that it proves.
    pub(crate) fn platform_label(&self) -> Option<&str> {
        self.label.as_deref()
    }
}

/// Why an id or its redirect is refused. The person sees one and the same page for all of these (AD-14); the record has
/// the difference.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ResolveFault {
    #[error("the redirect URI {0}")]
    Redirect(RedirectFault),
    #[error("the client id has this server's form but was not issued by it")]
    SealBroken,
    #[error("its metadata document does not serve: {0}")]
    Document(DocumentFault),
    #[error("the client deleted its registration")]
    Deleted,
    #[error("the client id looks like a URI")]
    UriLike,
    #[error("the client id is not registered and this server does not adopt it")]
    Unknown,
}

/// What was looked up of an id, as far as its form says that it may be there.
#[derive(Debug, Default)]
pub(crate) struct LookedUp {
    /// The client that was imported under this id.
    pub(crate) imported: Option<ImportedClient>,
    /// The row of this id, if it is pinned, changed or deleted.
    pub(crate) stored: Option<Arc<StoredClient>>,
    /// The document that it leads to, if it is a URL.
    pub(crate) document: Option<Result<Arc<ClientDocument>, DocumentFault>>,
}

/// What one way of resolving says of an id, before its redirect is looked at.
struct Candidate {
    provenance: Provenance,
    auth_method: AuthMethod,
    name: Option<String>,
    redirects: Vec<CanonicalRedirect>,
    refresh: bool,
    /// The operator's limits and wishes for a pinned client.
    pinned: Option<(Option<ScopeSet>, Option<Duration>)>,
}

impl ClientRules {
    /// Resolves `id` for `redirect`, with what was looked up of the id. See the design for the order and for what never
    /// falls through to adoption.
    pub(crate) fn resolve(
        &self,
        ring: &KeyRing,
        id: &ClientId,
        redirect: &str,
        looked_up: &LookedUp,
    ) -> Result<(ResolvedClient, ValidRedirect), ResolveFault> {
        let uri = CanonicalRedirect::parse(redirect, &self.custom_redirects).map_err(ResolveFault::Redirect)?;
        let known = self.platforms.of(&uri);
        let class = class_of(&uri, known.as_ref());
        let candidate = self.candidate(ring, id, &uri, class, looked_up)?;
        if !candidate.redirects.iter().any(|registered| uri.is(registered)) {
            return Err(ResolveFault::Redirect(RedirectFault::NotRegistered));
        }
        let whole = self.platforms.of_all(&candidate.redirects);
        let confidential = candidate.auth_method.is_confidential().then_some(id);
        let software = match candidate.provenance {
            Provenance::MetadataDocument => SoftwareKey::of_document(whole.as_ref(), id),
            _ => SoftwareKey::of(whole.as_ref(), candidate.name.as_deref(), &candidate.redirects, confidential),
        };
        let client = ResolvedClient {
            id: id.clone(),
            provenance: candidate.provenance,
            auth_method: candidate.auth_method,
            software,
            platform: match (whole, class) {
                (Some(whole), _) => whole.platform,
                (None, RedirectClass::Loopback) => Platform::loopback(),
                (None, _) => known.as_ref().map_or_else(Platform::other, |known| known.platform.clone()),
            },
            name: candidate.name,
            refresh: candidate.refresh,
            scopes: candidate.pinned.as_ref().and_then(|(scopes, _)| scopes.clone()),
            remember: candidate.pinned.and_then(|(_, remember)| remember),
        };
        Ok((client, ValidRedirect { uri, class, label: known.map(|known| known.label) }))
    }

    fn candidate(
        &self,
        ring: &KeyRing,
        id: &ClientId,
        uri: &CanonicalRedirect,
        class: RedirectClass,
        looked_up: &LookedUp,
    ) -> Result<Candidate, ResolveFault> {
        if let Some(client) = self.pre_registered.get(id) {
            return self.pinned(client);
        }
        let stored = looked_up.stored.as_deref().filter(|stored| stored.id() == id).map(StoredClient::state);
        match stored {
            Some(StoredState::Pinned(client)) => return self.pinned(client),
            // What was deleted stays dead, whatever else could resolve its id (RFC 7592 section 2.3, AD-8).
            Some(StoredState::Deleted) => return Err(ResolveFault::Deleted),
            Some(StoredState::Changed(_)) | None => {}
        }
        if let Some(client) = looked_up.imported.as_ref().filter(|client| client.id() == id) {
            return self.imported(client, class);
        }
        match SealedId::open(id, ring) {
            SealedId::Genuine(client) => {
                return match stored {
                    Some(StoredState::Changed(now)) => self.sealed(now.clone(), class),
                    _ => self.sealed(client, class),
                };
            }
            SealedId::Broken => return Err(ResolveFault::SealBroken),
            SealedId::Foreign => {}
        }
        if id.names_a_document() {
            return match &looked_up.document {
                Some(Ok(document)) => self.documented(document, class),
                Some(Err(fault)) => Err(ResolveFault::Document(fault.clone())),
                None => Err(ResolveFault::Document(DocumentFault::Off)),
            };
        }
        if id.looks_like_a_uri() {
            return Err(ResolveFault::UriLike);
        }
        if !id.is_adoptable() || !self.adoption.allows(class) {
            return Err(ResolveFault::Unknown);
        }
        Ok(Candidate {
            provenance: Provenance::Adopted,
            auth_method: AuthMethod::None,
            name: None,
            redirects: vec![uri.clone()],
            refresh: true,
            pinned: None,
        })
    }

    fn pinned(&self, client: &PreRegistered) -> Result<Candidate, ResolveFault> {
        Ok(Candidate {
            provenance: Provenance::PreRegistered,
            auth_method: client.auth_method(),
            name: client.name.clone(),
            redirects: client.gated(&self.custom_redirects).map_err(ResolveFault::Redirect)?,
            refresh: true,
            pinned: Some((client.scopes.clone(), client.remember)),
        })
    }

    fn sealed(&self, client: SealedClient, class: RedirectClass) -> Result<Candidate, ResolveFault> {
        // Policy binds ids that were sealed before it changed, too.
        if !self.registration.allows(class) {
            return Err(ResolveFault::Redirect(RedirectFault::Policy));
        }
        Ok(Candidate {
            provenance: Provenance::Sealed,
            auth_method: client.auth_method,
            name: client.name,
            redirects: client.redirects,
            refresh: client.refresh,
            pinned: None,
        })
    }

    fn documented(&self, document: &ClientDocument, class: RedirectClass) -> Result<Candidate, ResolveFault> {
        if !self.registration.allows(class) {
            return Err(ResolveFault::Redirect(RedirectFault::Policy));
        }
        Ok(Candidate {
            provenance: Provenance::MetadataDocument,
            auth_method: document.auth_method,
            name: Some(document.name.clone()),
            redirects: document.redirects.clone(),
            refresh: document.refresh,
            pinned: None,
        })
    }

    fn imported(&self, client: &ImportedClient, class: RedirectClass) -> Result<Candidate, ResolveFault> {
        if !self.registration.allows(class) {
            return Err(ResolveFault::Redirect(RedirectFault::Policy));
        }
        Ok(Candidate {
            provenance: Provenance::Imported,
            auth_method: AuthMethod::None,
            name: client.name().map(str::to_owned),
            redirects: client.gated().to_vec(),
            refresh: true,
            pinned: None,
        })
    }

    /// The platform that a redirect URI speaks of, whoever presents it: a label for counting, and for nothing else.
    pub(crate) fn platform_of(&self, redirect: &str) -> Option<Platform> {
        self.platform_of_all(&[CanonicalRedirect::parse(redirect, &self.custom_redirects).ok()?])
    }

    /// The same of several redirect URIs of one client.
    pub(crate) fn platform_of_all(&self, redirects: &[CanonicalRedirect]) -> Option<Platform> {
        match self.platforms.of_all(redirects) {
            Some(known) => Some(known.platform),
            None => redirects.iter().all(CanonicalRedirect::is_loopback).then(Platform::loopback),
        }
    }

    /// The gate of registration: form, scheme and policy (DC-7: the only way in).
    pub(crate) fn registrable(&self, text: &str) -> Result<CanonicalRedirect, RedirectFault> {
        let uri = CanonicalRedirect::parse(text, &self.custom_redirects)?;
        let class = class_of(&uri, self.platforms.of(&uri).as_ref());
        if self.registration.allows(class) { Ok(uri) } else { Err(RedirectFault::Policy) }
    }
}

/// The class of a redirect URI, and with it the protections.
fn class_of(uri: &CanonicalRedirect, known: Option<&KnownPlatform>) -> RedirectClass {
    match known {
        Some(known) if !known.always_ask => RedirectClass::Platform,
        Some(_) => RedirectClass::Loopback,
        None if uri.is_loopback() => RedirectClass::Loopback,
        None => RedirectClass::Other,
    }
}
