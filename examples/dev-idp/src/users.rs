//! The people who can sign in.

/// The tenant of the provider unless the builder names another.
pub const DEFAULT_TENANT_ID: &str = "3f2a9c1e-5b7d-4e8f-9a60-1c2d3e4f5a6b";

/// The home tenant of the default guest; also what [`crate::Fault::WrongTenant`] claims.
pub const OTHER_TENANT_ID: &str = "b81d64f0-27ce-4a35-8d19-e07c52a94b3f";

/// So many groups an ID token lists.
pub const MAX_GROUPS: usize = 200;

/// One user of the provider.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct User {
    /// The short name that picks this user on the page and in tests.
    pub id: String,
    /// The claim `name`.
    pub name: String,
    /// The claim `preferred_username`.
    pub preferred_username: String,
    /// The claim `email`, not unique on purpose: no relying party may take it for a key.
    pub email: Option<String>,
    /// The claim `oid` in the provider's tenant.
    pub oid: String,
    /// For a guest, the account that invited people bring along.
    pub home: Option<HomeAccount>,
    /// A disabled user can neither sign in nor refresh (AADSTS50057).
    pub disabled: bool,
    /// The claim `groups`; more than [`MAX_GROUPS`] are not listed, as with Entra ID. No claim if empty.
    pub groups: Vec<String>,
    /// The claim `roles`. No claim if empty.
    pub roles: Vec<String>,
}

/// The account of a guest in the tenant where it was made.
///
/// The tenant-independent authorities (`common`, `organizations`) sign a guest in as this account; the tenant's own
/// authority signs in the guest object, whose `oid` differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HomeAccount {
    /// The tenant, a GUID.
    pub tenant_id: String,
    /// The claim `oid` there.
    pub oid: String,
}

/// Who a user is at one authority.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) tid: String,
    pub(crate) oid: String,
    /// The claim `idp`, for guests only.
    pub(crate) idp: Option<String>,
}

impl User {
    /// A member of the provider's tenant, without e-mail address.
    pub fn new(id: impl Into<String>, name: impl Into<String>, oid: impl Into<String>) -> Self {
        let id = id.into();
        Self {
            preferred_username: format!("{id}@dev.example"),
            name: name.into(),
            email: None,
            oid: oid.into(),
            home: None,
            disabled: false,
            groups: Vec::new(),
            roles: Vec::new(),
            id,
        }
    }

    /// Sets the e-mail address.
    #[must_use]
    pub fn with_email(mut self, email: impl Into<String>) -> Self {
        self.email = Some(email.into());
        self
    }

    /// Puts the user into groups, by their object ids.
    #[must_use]
    pub fn with_groups(mut self, groups: impl IntoIterator<Item = String>) -> Self {
        self.groups = groups.into_iter().collect();
        self
    }

    /// Gives the user roles in the application.
    #[must_use]
    pub fn with_roles(mut self, roles: impl IntoIterator<Item = String>) -> Self {
        self.roles = roles.into_iter().collect();
        self
    }

    /// Makes the user a guest who comes from another tenant.
    #[must_use]
    pub fn with_home(mut self, tenant_id: impl Into<String>, oid: impl Into<String>) -> Self {
        self.home = Some(HomeAccount { tenant_id: tenant_id.into(), oid: oid.into() });
        self
    }

    /// Ada; Bob and Carol, who share an e-mail address; Dan, a guest of [`OTHER_TENANT_ID`].
    pub fn defaults() -> Vec<Self> {
        vec![
            Self::new("ada", "Ada Example", "0c4f7a52-91d3-4b6e-a8f0-2d5e7c9b1a34").with_email("ada@dev.example"),
            Self::new("bob", "Bob Example", "5e1b8d06-3a7c-4f92-b4d1-86f0a2c3e975").with_email("office@dev.example"),
            Self::new("carol", "Carol Example", "9a62c3f7-d015-4e8b-9c27-f14b58e06d8a")
                .with_email("office@dev.example"),
            Self::new("dan", "Dan Guest", "d7305be8-6c4f-4a19-8e52-3b9f01d7c6a4")
                .with_email("dan@partner.example")
                .with_home(OTHER_TENANT_ID, "27f9e1c4-80ab-4d63-b5f7-c6a1d2e3904b"),
        ]
    }

    /// The account that signs in: `multi_tenant` tells the authorities `common` and `organizations` from the rest.
    pub(crate) fn identity(&self, own_tenant: &str, multi_tenant: bool) -> Identity {
        match &self.home {
            Some(home) if multi_tenant => Identity { tid: home.tenant_id.clone(), oid: home.oid.clone(), idp: None },
            Some(home) => Identity {
                tid: own_tenant.to_owned(),
                oid: self.oid.clone(),
                idp: Some(format!("https://sts.windows.net/{}/", home.tenant_id)),
            },
            None => Identity { tid: own_tenant.to_owned(), oid: self.oid.clone(), idp: None },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guest_is_two_accounts() {
        let users = User::defaults();
        let dan = users.iter().find(|user| user.home.is_some()).expect("a guest");
        let at_home = dan.identity(DEFAULT_TENANT_ID, true);
        let as_guest = dan.identity(DEFAULT_TENANT_ID, false);
        assert_eq!(at_home.tid, OTHER_TENANT_ID);
        assert_eq!(as_guest.tid, DEFAULT_TENANT_ID);
        assert_ne!(at_home.oid, as_guest.oid);
        assert!(as_guest.idp.is_some_and(|idp| idp.contains(OTHER_TENANT_ID)));
    }

    #[test]
    fn two_default_users_share_an_address_and_none_an_oid() {
        let users = User::defaults();
        let shared = users.iter().filter(|user| user.email.as_deref() == Some("office@dev.example")).count();
        assert_eq!(shared, 2);
        for (at, user) in users.iter().enumerate() {
            assert!(users[at + 1..].iter().all(|other| other.oid != user.oid && other.id != user.id));
        }
    }
}
