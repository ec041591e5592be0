//! Clients that authenticate by an assertion in place of a secret: signed by the key of a certificate (`private_key_jwt`), or
//! of a party that the application trusts (a federated credential).

use aws_lc_rs::signature::{RSA_PSS_2048_8192_SHA256, UnparsedPublicKey};
use axum::http::StatusCode;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use crate::params::Params;
use crate::random;
use crate::realm::Realm;
use crate::refusal::Refusal;
use crate::shared::Shared;

const TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
/// Entra ID takes nothing that is good for longer.
const LONGEST: i64 = 600;

/// What the application has registered beside its secret.
#[derive(Clone, Debug, Default)]
pub(crate) struct Registered {
    /// The certificate, DER, and its RSA public key (PKCS#1).
    pub(crate) certificate: Option<(Vec<u8>, Vec<u8>)>,
    /// An assertion that is taken as it is: what the other party would have signed.
    pub(crate) federated: Option<String>,
}

/// Whether the form has an assertion at all.
pub(crate) fn is_in(form: &Params) -> bool {
    form.has("client_assertion") || form.has("client_assertion_type")
}

/// Checks the assertion of a token request at `realm`; answers the id of the client.
pub(crate) fn check(shared: &Shared, realm: &Realm, form: &Params) -> Result<String, Refusal> {
    if form.get("client_assertion_type") != Some(TYPE) {
        return Err(refused("The 'client_assertion_type' is not the one of a JWT."));
    }
    let assertion = form.get("client_assertion").ok_or_else(|| Refusal::missing("client_assertion"))?;
    let registered = &shared.settings.registered;
    if registered.federated.as_deref() == Some(assertion) {
        return Ok(form.get("client_id").ok_or_else(|| Refusal::missing("client_id"))?.to_owned());
    }
    let Some((certificate, key)) = &registered.certificate else {
        return Err(refused("The application has no certificate and no federated credential."));
    };
    let parts: Vec<&str> = assertion.split('.').collect();
    let [header, claims, signature] = parts[..] else { return Err(refused("The assertion is no JWT.")) };
    let signed = format!("{header}.{claims}");
    let signature = URL_SAFE_NO_PAD.decode(signature).unwrap_or_default();
    let (Some(header), Some(claims)) = (json(header), json(claims)) else {
        return Err(refused("The assertion is no JWT."));
    };
    if header["alg"] != "PS256" || header["x5t#S256"] != random::sha256_base64url(certificate) {
        return Err(refused("The assertion is not signed by PS256 and the registered certificate."));
    }
    let key = UnparsedPublicKey::new(&RSA_PSS_2048_8192_SHA256, key);
    if key.verify(signed.as_bytes(), &signature).is_err() {
        return Err(refused("Client assertion failed signature validation."));
    }
    let now = shared.now();
    let (iat, exp) = (claims["iat"].as_i64().unwrap_or(0), claims["exp"].as_i64().unwrap_or(0));
    let (nbf, jti) = (claims["nbf"].as_i64().unwrap_or(0), claims["jti"].as_str().unwrap_or_default());
    if claims["aud"] != realm.token_endpoint(&shared.base) {
        return Err(refused("Client assertion audience claim does not match Realm issuer."));
    }
    if exp <= now || exp - iat > LONGEST || nbf > now {
        return Err(refused("Client assertion is not within its valid time range."));
    }
    if jti.is_empty() || !shared.grants().first_use_of(jti, exp, now) {
        return Err(refused("The assertion has no 'jti', or was used before."));
    }
    let subject = claims["sub"].as_str().unwrap_or_default();
    if claims["iss"] != subject || form.get("client_id").is_some_and(|id| id != subject) {
        return Err(refused("The assertion speaks for another client."));
    }
    Ok(subject.to_owned())
}

fn json(part: &str) -> Option<Value> {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).ok()?).ok()
}

fn refused(text: &str) -> Refusal {
    Refusal::new(700_027, "invalid_client", text).with_status(StatusCode::UNAUTHORIZED)
}
