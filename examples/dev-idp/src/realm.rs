//! The authorities that one provider serves: a plain OpenID Connect issuer at the root, and Entra-like tenants.

use crate::refusal::Refusal;

/// The placeholder in the issuer of the tenant-independent authorities.
const TEMPLATE: &str = "{tenantid}";

/// Which authority a request came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Realm {
    /// `http://127.0.0.1:PORT`: a single issuer.
    Root,
    /// `/{tenant}/...` where the path names the provider's tenant by GUID or by domain.
    Tenant(String),
    /// `/common/...` or `/organizations/...`: users of every tenant.
    MultiTenant(String),
}

impl Realm {
    /// The authority that the first path segment names, or the root if there is none.
    pub(crate) fn of(segment: Option<&str>, tenant_id: &str, domain: &str) -> Result<Self, Refusal> {
        match segment.map(str::to_ascii_lowercase) {
            None => Ok(Self::Root),
            Some(name) if name == "common" || name == "organizations" => Ok(Self::MultiTenant(name)),
            Some(name) if name == tenant_id || name == domain => Ok(Self::Tenant(name)),
            Some(name) => Err(Refusal::new(
                90002,
                "invalid_tenant",
                format!("Tenant '{name}' not found. Check to make sure you have the correct tenant ID."),
            )),
        }
    }

    pub(crate) const fn is_root(&self) -> bool {
        matches!(self, Self::Root)
    }

    pub(crate) const fn is_multi_tenant(&self) -> bool {
        matches!(self, Self::MultiTenant(_))
    }

    /// The issuer that tokens of users of `tid` carry.
    pub(crate) fn issuer(&self, base: &str, tid: &str) -> String {
        match self {
            Self::Root => base.to_owned(),
            Self::Tenant(_) | Self::MultiTenant(_) => format!("{base}/{tid}/v2.0"),
        }
    }

    /// The issuer of the discovery document: literally `.../{tenantid}/v2.0` if the authority serves every tenant.
    pub(crate) fn advertised_issuer(&self, base: &str, tenant_id: &str) -> String {
        self.issuer(base, if self.is_multi_tenant() { TEMPLATE } else { tenant_id })
    }

    pub(crate) fn authorization_endpoint(&self, base: &str) -> String {
        self.endpoint(base, "authorize", "oauth2/v2.0/authorize")
    }

    pub(crate) fn token_endpoint(&self, base: &str) -> String {
        self.endpoint(base, "token", "oauth2/v2.0/token")
    }

    pub(crate) fn jwks_uri(&self, base: &str) -> String {
        self.endpoint(base, "jwks", "discovery/v2.0/keys")
    }

    fn endpoint(&self, base: &str, at_root: &str, below_tenant: &str) -> String {
        match self {
            Self::Root => format!("{base}/{at_root}"),
            Self::Tenant(name) | Self::MultiTenant(name) => format!("{base}/{name}/{below_tenant}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn issuers_of_the_three_kinds() {
        let base = "http://127.0.0.1:1";
        let realm = |segment| Realm::of(segment, "t-id", "dev.example");
        let advertised = |segment| realm(segment).map(|realm| realm.advertised_issuer(base, "t-id")).ok();
        assert_eq!(advertised(None).as_deref(), Some(base));
        assert_eq!(advertised(Some("T-ID")).as_deref(), Some("http://127.0.0.1:1/t-id/v2.0"));
        assert_eq!(advertised(Some("dev.example")).as_deref(), Some("http://127.0.0.1:1/t-id/v2.0"));
        assert_eq!(advertised(Some("common")).as_deref(), Some("http://127.0.0.1:1/{tenantid}/v2.0"));
        assert_eq!(advertised(Some("consumers")), None);
        let common = Realm::MultiTenant("common".to_owned());
        assert_eq!(common.issuer(base, "other"), "http://127.0.0.1:1/other/v2.0");
    }
}
