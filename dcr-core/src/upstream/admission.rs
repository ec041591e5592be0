//! Who may come in: the operator's lists, looked at after the provider has identified a person.

use super::Identity;
use crate::session::{User, UserId};
use crate::text;

/// The lists. An empty list does not restrict.
#[derive(Debug, Clone, Default)]
pub struct Admission {
    tenants: Vec<String>,
    domains: Vec<String>,
    users: Vec<String>,
}

/// An identity that was verified upstream and admitted. Nothing else can make one, and only this is signed in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct VerifiedIdentity(User);

impl Admission {
    /// Only these tenants (Entra `tid`).
    #[must_use]
    pub fn tenants(mut self, tenants: impl IntoIterator<Item = String>) -> Self {
        self.tenants = lower(tenants);
        self
    }

    /// Only people whose address, vouched for by the provider, is in one of these domains.
    #[must_use]
    pub fn domains(mut self, domains: impl IntoIterator<Item = String>) -> Self {
        self.domains = lower(domains).into_iter().map(|d| d.trim_start_matches('@').to_owned()).collect();
        self
    }

    /// Only these people: object ids (exact; GUIDs in any case), or addresses (with `@`) that the provider vouches for.
    /// Entra ID vouches for `email` with the optional claim `xms_edov`; where the authority is one tenant also for the
    /// sign-in names of its members, not of its guests.
    #[must_use]
    pub fn users(mut self, users: impl IntoIterator<Item = String>) -> Self {
        self.users = users.into_iter().map(|u| u.trim().to_owned()).filter(|u| !u.is_empty()).collect();
        self
    }

    /// Admits or refuses. Being on the list of users is enough where domains are listed too.
    pub(crate) fn admit(&self, identity: Identity) -> Result<VerifiedIdentity, Box<User>> {
        let email = identity.verified_email.as_deref().map(str::to_ascii_lowercase);
        let listed = self.users.iter().any(|entry| match entry.contains('@') {
            true => email.as_ref().is_some_and(|email| entry.eq_ignore_ascii_case(email)),
            false => is_object_id(entry, &identity.object_id),
        });
        let in_domain = email
            .as_deref()
            .and_then(|email| email.rsplit_once('@'))
            .is_some_and(|(_, domain)| self.domains.iter().any(|d| d == domain));
        let by_tenant = self.tenants.is_empty() || self.tenants.contains(&identity.tenant.to_ascii_lowercase());
        let by_person = match (self.users.is_empty(), self.domains.is_empty()) {
            (true, true) => true,
            (false, true) => listed,
            (true, false) => in_domain,
            (false, false) => listed || in_domain,
        };
        let user = user(identity);
        if by_tenant && by_person { Ok(VerifiedIdentity(user)) } else { Err(Box::new(user)) }
    }
}

/// Ids are bytes; only GUIDs are written in either case.
fn is_object_id(entry: &str, object_id: &str) -> bool {
    entry == object_id || (uuid::Uuid::try_parse(entry).is_ok() && entry.eq_ignore_ascii_case(object_id))
}

fn user(identity: Identity) -> User {
    let shown = |text: Option<String>| text.map(|t| text::bounded(&t, 200)).filter(|t| !t.is_empty());
    User {
        id: UserId::derive(&identity.issuer, &identity.tenant, &identity.object_id),
        name: shown(identity.name),
        email: shown(identity.email),
        issuer: identity.issuer,
        tenant: identity.tenant,
        object_id: identity.object_id,
    }
}

fn lower(list: impl IntoIterator<Item = String>) -> Vec<String> {
    list.into_iter().map(|entry| entry.trim().to_ascii_lowercase()).filter(|entry| !entry.is_empty()).collect()
}

impl VerifiedIdentity {
    pub(crate) fn into_user(self) -> User {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ada(verified_email: Option<&str>) -> Identity {
        Identity {
            issuer: "https://idp".to_owned(),
            tenant: "T1".to_owned(),
            object_id: "Ada-Oid".to_owned(),
            name: Some("Ada".to_owned()),
            email: Some("ada@corp.example".to_owned()),
            verified_email: verified_email.map(str::to_owned),
        }
    }

    fn list(entries: &[&str]) -> Vec<String> {
        entries.iter().map(|e| (*e).to_owned()).collect()
    }

    #[test]
    fn what_a_provider_says_of_a_person_is_kept_as_bounded_text_or_not_at_all() {
        let user = user(Identity { name: Some("A\u{202e}da\n".to_owned()), email: Some("\n".to_owned()), ..ada(None) });
        assert_eq!((user.name.as_deref(), user.email), (Some("Ada"), None));
        let long = super::user(Identity { name: Some("a".repeat(1_000)), ..ada(None) });
        assert_eq!(long.name.map(|name| name.chars().count()), Some(200));
    }

    #[test]
    fn lists_restrict_and_unverified_addresses_count_for_nothing() {
        let verified = || ada(Some("Ada@Corp.example"));
        assert!(Admission::default().admit(ada(None)).is_ok());
        let domains = Admission::default().domains(list(&["@corp.example"]));
        assert!(domains.admit(verified()).is_ok());
        assert!(domains.admit(ada(None)).is_err());
        assert!(domains.admit(ada(Some("ada@evil-corp.example"))).is_err());
        assert!(domains.admit(ada(Some("ada@sub.corp.example"))).is_err());
        assert!(Admission::default().tenants(list(&["t1"])).admit(ada(None)).is_ok());
        assert!(Admission::default().tenants(list(&["t2"])).admit(verified()).is_err());
        assert!(Admission::default().users(list(&["Ada-Oid"])).admit(ada(None)).is_ok());
        assert!(Admission::default().users(list(&["ada-oid"])).admit(ada(None)).is_err());
        let mut odd = ada(None);
        odd.object_id = "ada@corp.example".to_owned();
        assert!(Admission::default().users(list(&["ada@corp.example"])).admit(odd).is_err());
        let guid = "3F2A9C1E-5b7d-4e8f-9a60-1c2d3e4f5a6b";
        let mut guided = ada(None);
        guided.object_id = guid.to_lowercase();
        assert!(Admission::default().users(list(&[guid])).admit(guided).is_ok());
        assert!(Admission::default().users(list(&["ada@corp.example"])).admit(ada(None)).is_err());
        assert!(Admission::default().users(list(&["ada@corp.example"])).admit(verified()).is_ok());
        let both = Admission::default().users(list(&["Ada-Oid"])).domains(list(&["other.example"]));
        assert!(both.admit(ada(None)).is_ok());
        assert!(both.tenants(list(&["t2"])).admit(ada(None)).is_err());
    }

    #[test]
    fn ups_06_the_user_is_tenant_and_object_id_whatever_the_address() {
        let admit = |identity| Admission::default().admit(identity).unwrap().into_user().id;
        let mut renamed = ada(None);
        renamed.email = Some("countess@corp.example".to_owned());
        assert_eq!(admit(ada(None)), admit(renamed));
        let mut other = ada(None);
        other.object_id = "Bob-Oid".to_owned();
        assert_ne!(admit(ada(None)), admit(other));
    }
}
