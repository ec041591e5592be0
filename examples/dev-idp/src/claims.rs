//! The claims of an ID token.

use serde_json::{Value, json};

use crate::faults::Fault;
use crate::random;
use crate::realm::Realm;
use crate::shared::Shared;
use crate::users::{MAX_GROUPS, OTHER_TENANT_ID, User};

/// Entra ID dates its tokens back by five minutes.
const BACKDATED: i64 = 300;
const LIFETIME: i64 = 3_600;

/// The claims for `user`, or what `fault` makes of them. As with Entra ID, the scope `profile` brings `oid`, `name`
/// and `preferred_username`, and the scope `email` brings `email`.
pub(crate) fn id_token(
    shared: &Shared,
    realm: &Realm,
    user: &User,
    scope: &str,
    nonce: Option<&str>,
    fault: Option<Fault>,
) -> Value {
    let settings = &shared.settings;
    let mut identity = user.identity(&settings.tenant_id, realm.is_multi_tenant());
    if fault == Some(Fault::WrongTenant) {
        identity.tid = if identity.tid == OTHER_TENANT_ID { random::uuid() } else { OTHER_TENANT_ID.to_owned() };
    }
    let now = shared.now();
    let (mut iat, mut nbf, mut exp) = (now - BACKDATED, now - BACKDATED, now + LIFETIME);
    match fault {
        Some(Fault::Expired) => (iat, nbf, exp) = (now - 2 * LIFETIME, now - 2 * LIFETIME, now - LIFETIME),
        Some(Fault::FutureNbf) => (nbf, exp) = (now + LIFETIME, now + 2 * LIFETIME),
        Some(Fault::FutureIat) => (iat, exp) = (now + LIFETIME, now + 2 * LIFETIME),
        _ => {}
    }
    let issuer = match fault {
        Some(Fault::WrongIssuer) if realm.is_root() => format!("{}/other", shared.base),
        Some(Fault::WrongIssuer) => realm.issuer(&shared.base, &random::uuid()),
        _ => realm.issuer(&shared.base, &identity.tid),
    };
    let audience = if fault == Some(Fault::WrongAudience) { random::uuid() } else { settings.client_id.clone() };
    let subject = format!("{}|{}|{}", settings.client_id, identity.tid, identity.oid);

    let mut claims = json!({
        "iss": issuer,
        "aud": audience,
        "sub": random::sha256_base64url(subject.as_bytes()),
        "tid": identity.tid,
        "iat": iat,
        "nbf": nbf,
        "exp": exp,
        "ver": "2.0",
        "uti": random::text::<16>(),
    });
    match (fault, nonce) {
        (Some(Fault::MissingNonce), _) | (_, None) => {}
        (Some(Fault::WrongNonce), Some(_)) => claims["nonce"] = random::text::<16>().into(),
        (_, Some(nonce)) => claims["nonce"] = nonce.into(),
    }
    let asked = |name: &str| scope.split(' ').any(|asked| asked == name);
    if asked("profile") {
        claims["name"] = user.name.as_str().into();
        claims["preferred_username"] = user.preferred_username.as_str().into();
        if fault != Some(Fault::MissingOid) {
            claims["oid"] = identity.oid.into();
        }
    }
    if let Some(email) = user.email.as_deref().filter(|_| asked("email")) {
        claims["email"] = email.into();
    }
    if !user.roles.is_empty() {
        claims["roles"] = json!(user.roles);
    }
    if user.groups.len() > MAX_GROUPS {
        let endpoint = format!("{}/graph/v1.0/users/{}/getMemberObjects", shared.base, user.oid);
        claims["_claim_names"] = json!({ "groups": "src1" });
        claims["_claim_sources"] = json!({ "src1": { "endpoint": endpoint } });
    } else if !user.groups.is_empty() {
        claims["groups"] = json!(user.groups);
    }
    if let Some(idp) = identity.idp {
        claims["idp"] = idp.into();
        claims["acct"] = 1.into();
    }
    claims
}
