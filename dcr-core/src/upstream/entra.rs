//! Entra ID (Azure AD): the preset, its templated issuers, and what its error codes mean.

use super::error::UpstreamFault;
use super::id_token::Claims;

/// The tenant of personal Microsoft accounts. Never let in unless it is listed.
pub(super) const PERSONAL_TENANT: &str = "9188040d-6c67-4c5b-b112-36a304b66dad";
/// What the discovery documents of `common` and `organizations` say instead of a tenant id.
const TEMPLATE: &str = "{tenantid}";

/// Sign in with Entra ID.
///
/// ```
/// use dcr_core::upstream::EntraConfig;
///
/// let entra = EntraConfig::new("72f988bf-86f1-41af-91ab-2d7cd011db47", "application id", "secret");
/// # let _ = entra;
/// ```
#[derive(Debug, Clone)]
pub struct EntraConfig {
    pub(super) authority: String,
    pub(super) tenant: String,
    pub(super) name: String,
    pub(super) client_id: String,
    pub(super) credential: super::UpstreamCredential,
    pub(super) allowed_tenants: Vec<String>,
}

impl EntraConfig {
    /// For the application `client_id` in `tenant`: a tenant id, a verified domain, `organizations` or `common`.
    #[must_use]
    pub fn new(tenant: impl Into<String>, client_id: impl Into<String>, secret: impl Into<String>) -> Self {
        Self::with_credential(tenant, client_id, super::UpstreamCredential::Secret(super::OidcSecret::new(secret)))
    }

    /// The same with a certificate, or with assertions of somebody else's making, in the secret's place.
    #[must_use]
    pub fn with_credential(
        tenant: impl Into<String>,
        client_id: impl Into<String>,
        credential: super::UpstreamCredential,
    ) -> Self {
        Self {
            authority: "https://login.microsoftonline.com".to_owned(),
            tenant: tenant.into(),
            name: "Microsoft Entra ID".to_owned(),
            client_id: client_id.into(),
            credential,
            allowed_tenants: Vec::new(),
        }
    }

    /// The base of another authority: `https://login.microsoftonline.us`, `https://login.partner.microsoftonline.cn`.
    #[must_use]
    pub fn authority(mut self, base: impl Into<String>) -> Self {
        self.authority = base.into().trim_end_matches('/').to_owned();
        self
    }

    /// The issuer that tokens of `tenant`, a tenant id, say under an authority: a part of what a person's
    /// [`UserId`](crate::session::UserId) is made of.
    ///
    /// ```
    /// use dcr_core::upstream::EntraConfig;
    ///
    /// let issuer = EntraConfig::issuer("https://login.microsoftonline.com", "72f988bf-86f1-41af-91ab-2d7cd011db47");
    /// assert_eq!(issuer, "https://login.microsoftonline.com/72f988bf-86f1-41af-91ab-2d7cd011db47/v2.0");
    /// ```
    #[must_use]
    pub fn issuer(authority: &str, tenant: &str) -> String {
        format!("{}/{tenant}/v2.0", authority.trim_end_matches('/'))
    }

    /// How people call this login: the company's name for it. "Microsoft Entra ID" if this is not said.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// The tenants that may sign in. Required with `organizations` and `common`, where `*` says "every tenant there is".
    #[must_use]
    pub fn allowed_tenants(mut self, tenants: impl IntoIterator<Item = String>) -> Self {
        self.allowed_tenants = tenants.into_iter().map(|t| t.trim().to_ascii_lowercase()).collect();
        self
    }

    pub(super) fn serves_many_tenants(&self) -> bool {
        serves_many(&self.tenant)
    }

    pub(super) fn discovery_url(&self) -> String {
        format!("{}/{}/v2.0/.well-known/openid-configuration", self.authority, self.tenant)
    }
}

/// Whether a token of `claims` may come from an issuer that publishes `template` (a discovery document's or a key's
/// `issuer`): the token's tenant in the template's place, then byte for byte.
pub(super) fn issuer_fits(template: &str, claims: &Claims) -> bool {
    match claims.text("tid").filter(|tid| is_guid(tid)) {
        Some(tid) => template.replace(TEMPLATE, tid) == claims.iss,
        None => false,
    }
}

/// Whether an authority of this name lets in people of many tenants.
pub(super) fn serves_many(tenant: &str) -> bool {
    matches!(tenant, "common" | "organizations" | "consumers")
}

/// Whether tenant `tid` is one of `allowed` (empty: the one that the authority names by itself).
pub(super) fn tenant_is_allowed(tid: &str, configured: &str, allowed: &[String]) -> bool {
    let tid = tid.to_ascii_lowercase();
    if is_guid(configured) && configured.to_ascii_lowercase() != tid {
        return false;
    }
    if allowed.contains(&tid) {
        return true;
    }
    let personal_by_name = configured == "consumers" || configured == PERSONAL_TENANT;
    let open = allowed.is_empty() || allowed.iter().any(|t| t == "*");
    open && (tid != PERSONAL_TENANT || personal_by_name)
}

pub(super) fn is_guid(text: &str) -> bool {
    text.len() == 36 && uuid::Uuid::try_parse(text).is_ok()
}

/// The address that Entra vouches for: `email` with `xms_edov`. Where the authority pins one tenant, whose administrators
/// the operator trusts anyway, also the sign-in name of a member: its domain is one that this tenant has proven. A guest's
/// name, and any name from another tenant, proves nothing.
pub(super) fn verified_email(claims: &Claims, one_tenant: bool) -> Option<String> {
    let edov = claims.claim("xms_edov").is_some_and(|v| v == true || v == 1 || v == "1" || v == "true");
    if let Some(email) = claims.text("email").filter(|_| edov) {
        return Some(email.to_owned());
    }
    let guest = claims.claim("acct").is_some_and(|acct| acct != 0)
        || claims.claim("idp").is_some_and(|idp| *idp != claims.iss.as_str());
    let personal = claims.text("tid") == Some(PERSONAL_TENANT);
    let name = claims.text("preferred_username").filter(|name| name.contains('@') && !name.contains('#'))?;
    (one_tenant && !guest && !personal).then(|| name.to_owned())
}

/// What an error means: the AADSTS codes first, else the OAuth `error`.
pub(super) fn classify(error: &str, codes: &[u32]) -> UpstreamFault {
    codes.iter().find_map(|code| by_code(*code)).unwrap_or(match error {
        "access_denied" => UpstreamFault::Denied,
        "consent_required" => UpstreamFault::ConsentNeeded,
        "interaction_required" | "login_required" | "account_selection_required" => UpstreamFault::NotAllowed,
        "temporarily_unavailable" | "server_error" | "slow_down" => UpstreamFault::Busy,
        "invalid_grant" => UpstreamFault::CodeRefused,
        "invalid_client"
        | "unauthorized_client"
        | "invalid_scope"
        | "invalid_target"
        | "invalid_request"
        | "unsupported_response_type"
        | "invalid_resource" => UpstreamFault::Configuration,
        _ => UpstreamFault::Invalid,
    })
}

/// What an error of a refresh means: the same codes, of a person who is signed in already. A grant that is refused is dead,
/// and what would not let them in now wants to see them.
pub(super) fn classify_refresh(error: &str, codes: &[u32]) -> UpstreamFault {
    // The account is disabled; or does not exist in the directory, where it was when it signed in.
    if codes.iter().any(|code| matches!(code, 50_057 | 50_034 | 51_004)) {
        return UpstreamFault::UserGone;
    }
    match classify(error, codes) {
        UpstreamFault::CodeRefused => UpstreamFault::GrantDead,
        UpstreamFault::NotAllowed | UpstreamFault::Denied => UpstreamFault::InteractionNeeded,
        other => other,
    }
}

fn by_code(code: u32) -> Option<UpstreamFault> {
    Some(match code {
        65_004 => UpstreamFault::Denied,
        65_001 | 90_094 | 90_095 | 90_008 | 650_056 => UpstreamFault::ConsentNeeded,
        50_105
        | 50_020
        | 50_034
        | 51_004
        | 16_000
        | 16_003
        | 500_212
        | 500_213
        | 90_072
        | 53_000..=53_003
        | 530_032
        | 530_034
        | 530_035
        | 50_005
        | 50_131
        | 53_011
        | 50_057
        | 50_058
        | 50_072
        | 50_074
        | 50_076
        | 50_078
        | 50_079
        | 50_097
        | 50_158
        | 700_020 => UpstreamFault::NotAllowed,
        54_005 | 501_481 | 500_112 | 700_005 | 70_000 | 70_008 | 700_082 | 700_084 | 70_043 | 50_173 | 50_089 => {
            UpstreamFault::CodeRefused
        }
        7_000_215 | 7_000_218 | 7_000_222 | 70_002 | 700_025 | 700_027 | 700_016 | 70_001 | 7_000_112 | 50_011
        | 900_971 | 901_002 | 9_010_010 | 70_011 | 28_002 | 28_003 | 700_022 | 650_053 | 90_002 | 50_059 | 90_038
        | 50_194 | 900_382 | 900_432 => UpstreamFault::Configuration,
        50_033 | 50_087 | 90_006 | 90_012 | 90_024 | 90_033 | 90_055 | 90_090 | 50_196 => UpstreamFault::Busy,
        _ => return None,
    })
}

/// The AADSTS codes that a description mentions: at the callback there is no `error_codes` member.
pub(super) fn codes_in(description: &str) -> Vec<u32> {
    description
        .split("AADSTS")
        .skip(1)
        .filter_map(|rest| rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok())
        .take(4)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_decide_before_the_error_name_and_transient_trouble_is_never_a_dead_code() {
        assert_eq!(classify("invalid_grant", &[]), UpstreamFault::CodeRefused);
        assert_eq!(classify("invalid_grant", &[65_001]), UpstreamFault::ConsentNeeded);
        assert_eq!(classify("invalid_grant", &[50_033]), UpstreamFault::Busy);
        assert_eq!(classify("invalid_client", &[7_000_222]), UpstreamFault::Configuration);
        assert_eq!(classify("access_denied", &[]), UpstreamFault::Denied);
        assert_eq!(classify("access_denied", &codes_in("AADSTS50105: not assigned")), UpstreamFault::NotAllowed);
        assert_eq!(classify("what", &[1]), UpstreamFault::Invalid);
        for (error, fault) in [
            ("consent_required", UpstreamFault::ConsentNeeded),
            ("interaction_required", UpstreamFault::NotAllowed),
            ("login_required", UpstreamFault::NotAllowed),
            ("temporarily_unavailable", UpstreamFault::Busy),
            ("server_error", UpstreamFault::Busy),
            ("unauthorized_client", UpstreamFault::Configuration),
            ("invalid_scope", UpstreamFault::Configuration),
        ] {
            assert_eq!(classify(error, &[]), fault, "{error}");
        }
        for (code, fault) in [
            (65_004, UpstreamFault::Denied),
            (53_003, UpstreamFault::NotAllowed),
            (70_008, UpstreamFault::CodeRefused),
            (7_000_215, UpstreamFault::Configuration),
            (90_033, UpstreamFault::Busy),
        ] {
            assert_eq!(classify("what", &[code]), fault, "{code}");
        }
        assert_eq!(codes_in("AADSTS65004: x AADSTS90094 y"), [65_004, 90_094]);
        assert_eq!(codes_in("AADSTS99999999999999"), Vec::<u32>::new());
    }

    #[test]
    fn up_07_a_refresh_tells_a_dead_grant_from_a_person_who_is_gone_and_from_trouble() {
        for (error, codes, fault) in [
            ("invalid_grant", &[50_057][..], UpstreamFault::UserGone),
            ("invalid_grant", &[50_034], UpstreamFault::UserGone),
            ("invalid_grant", &[], UpstreamFault::GrantDead),
            ("invalid_grant", &[700_082], UpstreamFault::GrantDead),
            ("invalid_grant", &[70_043], UpstreamFault::GrantDead),
            ("invalid_grant", &[50_173], UpstreamFault::GrantDead),
            ("invalid_grant", &[50_085], UpstreamFault::GrantDead),
            ("invalid_grant", &[65_001], UpstreamFault::ConsentNeeded),
            ("interaction_required", &[50_076], UpstreamFault::InteractionNeeded),
            ("invalid_grant", &[53_003], UpstreamFault::InteractionNeeded),
            ("invalid_grant", &[50_105], UpstreamFault::InteractionNeeded),
            ("invalid_grant", &[90_033], UpstreamFault::Busy),
            ("invalid_request", &[50_196], UpstreamFault::Busy),
            ("invalid_client", &[7_000_222], UpstreamFault::Configuration),
            ("unauthorized_client", &[700_016], UpstreamFault::Configuration),
        ] {
            assert_eq!(classify_refresh(error, codes), fault, "{error} {codes:?}");
        }
    }

    #[test]
    fn up_06_tenants_are_listed_and_personal_accounts_only_by_name() {
        let (a, b) = ("11111111-1111-1111-1111-111111111111", "22222222-2222-2222-2222-222222222222");
        let list = |l: &[&str]| l.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>();
        // A GUID in braces, or of another length, names no tenant.
        assert!(is_guid(a) && !is_guid(&a.replace('-', "")) && !is_guid("z1111111-1111-1111-1111-111111111111"));
        assert!(tenant_is_allowed(a, a, &[]));
        assert!(!tenant_is_allowed(b, a, &[]));
        assert!(!tenant_is_allowed(b, a, &list(&[b])));
        assert!(tenant_is_allowed(b, "organizations", &list(&[a, b])));
        assert!(!tenant_is_allowed(b, "organizations", &list(&[a])));
        assert!(tenant_is_allowed(b, "common", &list(&["*"])));
        assert!(!tenant_is_allowed(PERSONAL_TENANT, "common", &list(&["*"])));
        assert!(tenant_is_allowed(PERSONAL_TENANT, "common", &list(&[PERSONAL_TENANT])));
    }
}
