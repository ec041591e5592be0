//! The metadata documents: RFC 8414, OpenID Connect Discovery, RFC 9728, JWKS. Generated from the policy objects that the
//! handlers obey (MD-2), once, from configuration alone: nothing of a request is in them (MD-1, MD-4).

use serde_json::{Value, json};

use crate::client::{ASSERTION_ALGORITHMS, AuthMethod, ClientRules};
use crate::config::{Issuer, RegistrationPolicy};
use crate::oauth::ScopeSet;
use crate::oauth::scope::OFFLINE_ACCESS;
use crate::resource::ValidResource;

/// The authorization server's document. The same bytes serve RFC 8414 and OpenID Connect discovery: clients probe both.
pub(crate) fn authorization_server(
    issuer: &Issuer,
    prefix: &str,
    resources: &[ValidResource],
    rules: &ClientRules,
    documents: bool,
    client_documents: bool,
) -> Value {
    let endpoint = |name: &str| format!("{}{prefix}/{name}", issuer.as_str());
    let pinned = || rules.pre_registered.values();
    // Registered clients have no keys here: only documents, and what the operator pinned, can bring some.
    let signs = documents || pinned().any(|client| client.auth_method() == AuthMethod::PrivateKeyJwt);
    let supported = || AuthMethod::ALL.iter().filter(|method| signs || **method != AuthMethod::PrivateKeyJwt);
    let methods: Vec<&str> = supported().map(|method| method.as_str()).collect();
    let confidential: Vec<&str> =
        supported().filter(|method| method.is_confidential()).map(|method| method.as_str()).collect();
    let mut grants = vec!["authorization_code", "refresh_token"];
    if pinned().any(|client| client.machine) {
        grants.push("client_credentials");
    }
    let mut scopes: Vec<&str> = resources.iter().flat_map(|resource| resource.all.iter()).collect();
    scopes.sort_unstable();
    scopes.dedup();
    // The signal by which clients ask for refresh tokens (spec row 21); not a scope of any resource (row 28).
    scopes.push(OFFLINE_ACCESS);
    let mut document = json!({
        "issuer": issuer.as_str(),
        "authorization_endpoint": endpoint("authorize"),
        "token_endpoint": endpoint("token"),
        "revocation_endpoint": endpoint("revoke"),
        "introspection_endpoint": endpoint("introspect"),
        "jwks_uri": format!("{}/.well-known/jwks.json", issuer.as_str()),
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": grants,
        "token_endpoint_auth_methods_supported": methods,
        "revocation_endpoint_auth_methods_supported": methods,
        "introspection_endpoint_auth_methods_supported": confidential,
        "code_challenge_methods_supported": ["S256"],
        "scopes_supported": scopes,
        "authorization_response_iss_parameter_supported": true,
        "protected_resources": resources.iter().map(|r| r.uri.as_str()).collect::<Vec<_>>(),
        // Required by OpenID Connect Discovery and by the schemas of clients that read it; there are no ID tokens here.
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["EdDSA"],
    });
    if signs {
        let algorithms: Vec<&str> = ASSERTION_ALGORITHMS.iter().map(|(_, name)| *name).collect();
        for endpoint in ["token", "revocation", "introspection"] {
            document[format!("{endpoint}_endpoint_auth_signing_alg_values_supported")] = json!(algorithms);
        }
    }
    if rules.registration != RegistrationPolicy::Off {
        document["registration_endpoint"] = Value::String(endpoint("register"));
    }
    if client_documents {
        // Never false: clients that see it go this way and no other.
        document["client_id_metadata_document_supported"] = Value::Bool(true);
    }
    document
}

/// One resource's document (RFC 9728). Its scopes are the minimal base set (spec row 27): more is asked for by step-up.
pub(crate) fn protected_resource(issuer: &str, uri: &str, name: &str, defaults: &ScopeSet) -> Value {
    json!({
        "resource": uri,
        "authorization_servers": [issuer],
        "scopes_supported": defaults.iter().collect::<Vec<_>>(),
        "bearer_methods_supported": ["header"],
        "resource_name": name,
    })
}
