//! Clients that an older system registered. Their ids were not sealed by us, so that they are rows; they resolve under
//! the redirect URIs that were recorded for them and never fall to adoption.

use super::redirect_uri::custom_redirect_is_sane;
use super::{CanonicalRedirect, ClientId, Platform, PlatformList, RedirectFault, SealedId, SoftwareKey};
use crate::text::bounded;

/// The longest name that is kept, in characters.
const MAX_NAME: usize = 200;

/// A client of an older system, with the redirect URIs that were recorded there.
///
/// Trusted like one that registered here, and no more. A secret that it may have had is not known here: one that comes
/// along is no authentication, only remembered for the session (SR-16).
///
/// ```
/// use dcr_core::{ClientId, ImportedClient};
///
/// let id = ClientId::new("dcr_4f1c2a").unwrap();
/// let recorded = ["http://localhost:33418/callback", "http://evil.example/"];
/// let (client, refused) = ImportedClient::new(id, Some("VS Code"), recorded).unwrap();
/// assert_eq!(client.redirects().collect::<Vec<_>>(), ["http://localhost/callback"]);
/// assert_eq!(refused.len(), 1);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportedClient {
    id: ClientId,
    name: Option<String>,
    /// Sorted, loopback ports removed, no two alike, at least one.
    redirects: Vec<CanonicalRedirect>,
}

/// Why a client of an older system cannot be brought in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ImportFault {
    /// The id is resolved in another way here: it has the form of a sealed id, or of a URI.
    #[error("the client id has a form that this server resolves in another way")]
    Reserved,
    /// None of its redirect URIs is acceptable.
    #[error("none of its redirect URIs is acceptable")]
    NoRedirect,
}

impl ImportedClient {
    /// The client, and the recorded redirect URIs that had to be left out, with the reason for each.
    ///
    /// Custom schemes are kept as they were recorded; whether they are accepted depends on the engine's list, like those
    /// of registered clients.
    ///
    /// # Errors
    /// [`ImportFault`].
    pub fn new<'a>(
        id: ClientId,
        name: Option<&str>,
        recorded: impl IntoIterator<Item = &'a str>,
    ) -> Result<(Self, Vec<(String, RedirectFault)>), ImportFault> {
        if !may_be_imported(&id) {
            return Err(ImportFault::Reserved);
        }
        let (mut redirects, mut refused) = (Vec::new(), Vec::new());
        for text in recorded {
            match gate(text) {
                Ok(redirect) => redirects.push(redirect.with_port_removed()),
                Err(fault) => refused.push((text.to_owned(), fault)),
            }
        }
        redirects.sort_unstable();
        redirects.dedup();
        if redirects.is_empty() {
            return Err(ImportFault::NoRedirect);
        }
        let name = name.map(|name| bounded(name, MAX_NAME)).filter(|name| !name.is_empty());
        Ok((Self { id, name, redirects }, refused))
    }

    /// Its id, byte for byte as the older system issued it.
    #[must_use]
    pub const fn id(&self) -> &ClientId {
        &self.id
    }

    /// The name that it gave itself.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// Its redirect URIs, without the ports of loopback ones.
    pub fn redirects(&self) -> impl Iterator<Item = &str> {
        self.redirects.iter().map(CanonicalRedirect::as_str)
    }

    /// What makes it the same software as another, by the same rule as for registered clients.
    #[must_use]
    pub fn software(&self, platforms: &PlatformList) -> SoftwareKey {
        SoftwareKey::of(platforms.of_all(&self.redirects).as_ref(), self.name(), &self.redirects, None)
    }

    /// The platform that it is shown as.
    #[must_use]
    pub fn platform(&self, platforms: &PlatformList) -> Platform {
        match platforms.of_all(&self.redirects) {
            Some(known) => known.platform,
            None if self.redirects.iter().all(CanonicalRedirect::is_loopback) => Platform::loopback(),
            None => Platform::other(),
        }
    }

    pub(crate) fn gated(&self) -> &[CanonicalRedirect] {
        &self.redirects
    }
}

/// Whether an id is looked for among the imported ones: not if its form says how it is resolved.
pub(crate) fn may_be_imported(id: &ClientId) -> bool {
    !SealedId::has_form(id) && !id.looks_like_a_uri()
}

fn gate(text: &str) -> Result<CanonicalRedirect, RedirectFault> {
    let custom = if custom_redirect_is_sane(text) { vec![text.to_owned()] } else { Vec::new() };
    CanonicalRedirect::parse(text, &custom)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn new(id: &str, redirects: &[&str]) -> Result<(ImportedClient, Vec<(String, RedirectFault)>), ImportFault> {
        ImportedClient::new(ClientId::new(id).unwrap(), Some("Claude"), redirects.iter().copied())
    }

    #[test]
    fn it_is_the_same_software_as_a_registered_client_with_these_redirects() {
        let platforms = PlatformList::shipped();
        let (claude, _) = new("dcr_1", &["https://claude.ai/api/mcp/auth_callback"]).unwrap();
        assert_eq!(claude.software(&platforms).as_str(), "platform:claude-web");
        assert_eq!(claude.platform(&platforms).as_str(), "claude-web");
        let (one, _) = new("dcr_2", &["http://localhost:1/callback", "http://localhost:4000/callback"])
            .unwrap_or_else(|e| panic!("{e}"));
        let (two, _) = new("dcr_3", &["http://127.0.0.1:5000/callback"]).unwrap();
        assert_eq!(one.software(&platforms), two.software(&platforms));
        assert_eq!(one.platform(&platforms), Platform::loopback());
        let (mixed, _) = new("dcr_4", &["http://localhost/callback", "https://a.example/cb"]).unwrap();
        assert_eq!(mixed.platform(&platforms), Platform::other());
    }

    #[test]
    fn what_does_not_pass_the_gate_is_left_out_and_said() {
        let (client, refused) =
            new("dcr_1", &["https://a.example/cb", "https://a.example/cb", "javascript:alert(1)", "app://x/cb"])
                .unwrap();
        assert_eq!(client.redirects().collect::<Vec<_>>(), ["app://x/cb", "https://a.example/cb"]);
        assert_eq!(refused, [("javascript:alert(1)".to_owned(), RedirectFault::Scheme)]);
        assert_eq!(new("dcr_1", &["ftp://x/"]).unwrap_err(), ImportFault::NoRedirect);
    }

    #[test]
    fn ids_that_resolve_otherwise_are_not_imported() {
        for id in ["dcr1_AAAA", "https://a.example/client", "urn:x:y"] {
            assert_eq!(new(id, &["https://a.example/cb"]).unwrap_err(), ImportFault::Reserved, "{id}");
        }
    }
}
