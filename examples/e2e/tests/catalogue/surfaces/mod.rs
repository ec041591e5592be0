//! The cases, surface by surface.

mod adoption;
mod authorize;
mod callback;
mod consent;
mod documents;
mod http;
mod merging;
mod metadata;
mod pkce;
mod redirect;
mod redirect_corpus;
mod refresh;
mod registration;
mod resource_server;
mod revocation;
mod token;
mod upstream;

use crate::case::Surface;

/// All of them, in the order of a flow.
pub(crate) fn all() -> Vec<Surface> {
    [
        ("adoption", adoption::cases()),
        ("authorize", authorize::cases()),
        ("redirect", redirect::cases()),
        ("pkce", pkce::cases()),
        ("consent", consent::cases()),
        ("upstream", upstream::cases()),
        ("callback", callback::cases()),
        ("registration", registration::cases()),
        ("documents", documents::cases()),
        ("token", token::cases()),
        ("refresh", refresh::cases()),
        ("merging", merging::cases()),
        ("revocation", revocation::cases()),
        ("metadata", metadata::cases()),
        ("resource server", resource_server::cases()),
        ("http", http::cases()),
    ]
    .map(|(name, cases)| Surface { name, cases })
    .into()
}
