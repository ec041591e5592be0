//! Client metadata (RFC 7591 section 2): the raw wire type, and what is valid of it.

use serde::Deserialize;

use super::{AuthMethod, CanonicalRedirect, RedirectFault};
use crate::error::Reason;
use crate::text;

/// More redirect URIs than any client has; the size of the sealed id bounds them further.
const MAX_REDIRECTS: usize = 32;
/// Longest client name that is kept, in characters.
const MAX_NAME: usize = 64;

/// The members of a registration request that this server reads. All others are ignored (DC-6).
#[derive(Debug, Deserialize)]
pub(crate) struct RegistrationRequest {
    redirect_uris: Option<serde_json::Value>,
    client_name: Option<serde_json::Value>,
    token_endpoint_auth_method: Option<String>,
    grant_types: Option<Vec<String>>,
    response_types: Option<Vec<String>>,
    scope: Option<serde_json::Value>,
    software_statement: Option<serde_json::Value>,
    /// Read only so that the parser's limit on depth holds for what is ignored, too (DCR-02).
    #[serde(flatten)]
    _ignored: std::collections::BTreeMap<String, serde_json::Value>,
}

/// A registration that can be sealed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ValidRegistration {
    pub(crate) name: Option<String>,
    /// As the client sent them, those that are allowed, in its order: what the response says.
    pub(crate) redirects: Vec<CanonicalRedirect>,
    pub(crate) auth_method: AuthMethod,
    pub(crate) refresh: bool,
    /// The scopes that the client named. Not a limit and not sealed: a client may ask for more later (step-up).
    pub(crate) scope: Option<String>,
}

impl RegistrationRequest {
    /// How the client wants to authenticate, if it says so.
    pub(crate) fn auth_method(&self) -> Option<&str> {
        self.token_endpoint_auth_method.as_deref()
    }

    /// Checks the request. `allowed` is the policy on redirect URIs; those that it refuses are left out while others
    /// remain (RFC 7591 section 3.2.1 lets the server register a subset; an all-or-nothing check locks Cursor out).
    pub(crate) fn validate(
        self,
        allowed: impl Fn(&str) -> Result<CanonicalRedirect, RedirectFault>,
    ) -> Result<ValidRegistration, (Reason, String)> {
        let metadata = |text: &str| (Reason::ClientMetadata, text.to_owned());
        if self.software_statement.is_some_and(|statement| !statement.is_null()) {
            return Err((Reason::SoftwareStatement, "software statements are not supported".to_owned()));
        }
        let redirects = redirects(self.redirect_uris.as_ref(), allowed)?;
        let auth_method = match self.token_endpoint_auth_method.as_deref() {
            // RFC 7591 says that an omitted method means client_secret_basic; the clients that omit it are public.
            None => AuthMethod::None,
            // A registration that is sealed into an id has no room for keys; a metadata document has.
            Some(name) => {
                AuthMethod::from_name(name).filter(|method| *method != AuthMethod::PrivateKeyJwt).ok_or_else(|| {
                    metadata("token_endpoint_auth_method must be none, client_secret_post or client_secret_basic")
                })?
            }
        };
        if self.response_types.is_some_and(|types| !types.iter().any(|t| t == "code")) {
            return Err(metadata("response_types must contain \"code\""));
        }
        let refresh = match &self.grant_types {
            None => true,
            Some(grants) if grants.iter().any(|g| g == "authorization_code") => {
                grants.iter().any(|g| g == "refresh_token")
            }
            Some(_) => return Err(metadata("grant_types must contain \"authorization_code\"")),
        };
        let name = match self.client_name {
            None | Some(serde_json::Value::Null) => None,
            Some(serde_json::Value::String(name)) => Some(text::bounded(&name, MAX_NAME)).filter(|n| !n.is_empty()),
            Some(_) => return Err(metadata("client_name must be a string")),
        };
        let scope = match self.scope {
            None | Some(serde_json::Value::Null) => None,
            Some(serde_json::Value::String(scope)) => Some(scope),
            Some(_) => return Err(metadata("scope must be a string of names separated by spaces")),
        };
        Ok(ValidRegistration { name, redirects, auth_method, refresh, scope })
    }
}

fn redirects(
    raw: Option<&serde_json::Value>,
    allowed: impl Fn(&str) -> Result<CanonicalRedirect, RedirectFault>,
) -> Result<Vec<CanonicalRedirect>, (Reason, String)> {
    let fault = |text: String| (Reason::RedirectNotAllowed, text);
    let list = raw
        .and_then(serde_json::Value::as_array)
        .filter(|list| !list.is_empty())
        .ok_or_else(|| fault("redirect_uris must be a list with at least one URI".to_owned()))?;
    if list.len() > MAX_REDIRECTS {
        return Err(fault(format!("redirect_uris may have at most {MAX_REDIRECTS} entries")));
    }
    let mut kept: Vec<CanonicalRedirect> = Vec::with_capacity(list.len());
    let mut first_fault = None;
    for entry in list {
        let text = entry.as_str().ok_or_else(|| fault("every redirect URI must be a string".to_owned()))?;
        match allowed(text) {
            Ok(redirect) if kept.contains(&redirect) => {}
            Ok(redirect) => kept.push(redirect),
            Err(why) => {
                first_fault.get_or_insert_with(|| format!("the redirect URI {:?} {why}", text::bounded(text, 120)));
            }
        }
    }
    if kept.is_empty() {
        return Err(fault(first_fault.unwrap_or_default()));
    }
    Ok(kept)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn validate(json: &str) -> Result<ValidRegistration, (Reason, String)> {
        serde_json::from_str::<RegistrationRequest>(json)
            .map_err(|e| (Reason::ClientMetadata, e.to_string()))?
            .validate(|text| CanonicalRedirect::parse(text, &[]))
    }

    #[test]
    fn a_redirect_that_is_not_allowed_is_left_out_while_others_remain() {
        let cursor = validate(
            r#"{"client_name":"Cursor","redirect_uris":["cursor://anysphere.cursor-mcp/oauth/callback",
                "https://www.cursor.com/agents/mcp/oauth/callback","http://localhost:8787/callback"]}"#,
        )
        .unwrap();
        assert_eq!(cursor.redirects.len(), 2);
        assert_eq!(cursor.auth_method, AuthMethod::None);
        let (reason, text) = validate(r#"{"redirect_uris":["cursor://x/cb"]}"#).unwrap_err();
        assert_eq!(reason, Reason::RedirectNotAllowed);
        assert!(text.contains("cursor://x/cb"), "{text}");
    }

    #[test]
    fn dcr_03_missing_empty_many_or_odd_redirects_are_invalid_redirect_uri() {
        let many =
            format!(r#"{{"redirect_uris":[{}]}}"#, vec![r#""https://a.example/cb""#; MAX_REDIRECTS + 1].join(","));
        let most = many.replacen(r#""https://a.example/cb","#, "", 1);
        assert_eq!(validate(&most).unwrap().redirects.len(), 1, "as many may come, and each is kept once");
        let long = format!(r#"{{"redirect_uris":["https://a.example/{}"]}}"#, "a".repeat(3_000));
        for json in [
            "{}",
            r#"{"redirect_uris":[]}"#,
            r#"{"redirect_uris":null}"#,
            r#"{"redirect_uris":"https://a.example/cb"}"#,
            r#"{"redirect_uris":[7]}"#,
            &many,
            &long,
        ] {
            assert_eq!(validate(json).unwrap_err().0, Reason::RedirectNotAllowed, "{}", &json[..json.len().min(60)]);
        }
    }

    #[test]
    fn what_cannot_be_honoured_is_refused_and_nulls_are_absent() {
        let with = |member: &str| validate(&format!(r#"{{"redirect_uris":["https://a.example/cb"],{member}}}"#));
        for member in [
            r#""token_endpoint_auth_method":"private_key_jwt""#,
            r#""token_endpoint_auth_method":7"#,
            r#""grant_types":["client_credentials"]"#,
            r#""response_types":["token"]"#,
            r#""client_name":["x"]"#,
            r#""client_name":"a","client_name":"b""#,
        ] {
            assert_eq!(with(member).unwrap_err().0, Reason::ClientMetadata, "{member}");
        }
        assert_eq!(with(r#""software_statement":"ey..""#).unwrap_err().0, Reason::SoftwareStatement);
        assert_eq!(with(r#""client_name":null,"scope":null"#).unwrap().name, None);
        assert!(with(r#""grant_types":["authorization_code","refresh_token","device_code"]"#).unwrap().refresh);
        assert!(!with(r#""grant_types":["authorization_code"]"#).unwrap().refresh);
    }

    #[test]
    fn cons_09_names_are_cleaned_and_bounded() {
        let json = serde_json::json!({
            "redirect_uris": ["https://a.example/cb"],
            "client_name": format!("Cl\u{202e}au\u{200b}de\n\u{0}{}", "x".repeat(10_000)),
        });
        let name = validate(&json.to_string()).unwrap().name.unwrap();
        assert!(name.starts_with("Claude "), "{name}");
        assert_eq!(name.chars().count(), MAX_NAME);
    }
}
