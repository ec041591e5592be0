//! Who may use the console by signing in.

use super::AdminAccessError;
use crate::error::Reason;
use crate::seal::{digest, to_16};
use crate::session::{User, UserId};
use crate::upstream::{Admission, Identity, Rejected};

/// People who administer this server (`DCR_ADMIN_USERS`, `DCR_ADMIN_GROUPS`, `DCR_ADMIN_ROLES`): whoever is in one of the
/// lists. They sign in as everybody does, by the provider, and need not be among those who may use a resource; but where
/// [`Admission::tenants`] names tenants they are of one of those.
///
/// ```
/// use dcr_core::{AdminAccess, AdminPeople};
///
/// let ours = AdminPeople::new().users(["ada@corp.example".to_owned()]).roles(["Mcp.Admin".to_owned()]);
/// let access = AdminAccess::people(ours)?;
/// # let _ = access;
/// assert!(AdminAccess::people(AdminPeople::new()).is_err());
/// # Ok::<(), dcr_core::AdminAccessError>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[must_use]
pub struct AdminPeople {
    users: Vec<String>,
    groups: Vec<String>,
    roles: Vec<String>,
}

impl AdminPeople {
    /// Nobody.
    pub fn new() -> Self {
        Self::default()
    }

    /// These people: by our own ids (`usr_…`), by object ids of the provider (exact; GUIDs in any case), or by addresses (with
    /// `@`) that the provider vouches for, as in [`Admission::users`].
    pub fn users(mut self, users: impl IntoIterator<Item = String>) -> Self {
        self.users = trimmed(users);
        self
    }

    /// People who are in one of these groups, as in [`Admission::groups`].
    pub fn groups(mut self, groups: impl IntoIterator<Item = String>) -> Self {
        self.groups = trimmed(groups);
        self
    }

    /// People who have one of these roles in the application upstream, as in [`Admission::roles`].
    pub fn roles(mut self, roles: impl IntoIterator<Item = String>) -> Self {
        self.roles = trimmed(roles);
        self
    }

    /// Whether nobody is named: empty lists let in nobody here.
    pub(super) const fn is_nobody(&self) -> bool {
        self.users.is_empty() && self.groups.is_empty() && self.roles.is_empty()
    }

    pub(super) fn checked(self) -> Result<Self, AdminAccessError> {
        if self.is_nobody() { Err(AdminAccessError::Nobody) } else { Ok(self) }
    }

    /// Lets in, or says why not. `everybody` is who may use resources: of that only the tenants count here, because whoever
    /// administers another tenant says which groups and roles its people have.
    pub(crate) fn admit(&self, everybody: &Admission, identity: Identity) -> Result<User, Rejected> {
        let tenants = everybody.tenants_alone();
        // One of our ids is that, and never somebody's object id that looks like it.
        let (ours, theirs): (Vec<_>, Vec<_>) = self.users.iter().cloned().partition(|user| user.starts_with("usr_"));
        let lists = Admission::default().users(theirs).groups(self.groups.clone()).roles(self.roles.clone());
        let id = UserId::derive(&identity.issuer, &identity.tenant, &identity.object_id);
        if ours.iter().any(|listed| listed == id.as_str()) {
            return Admission::let_in([&tenants], identity);
        }
        if lists.restricts_people() {
            return Admission::let_in([&tenants, &lists], identity);
        }
        // Only ids of ours are listed, and this is none of them.
        match Admission::let_in([], identity) {
            Ok(user) => Err(Rejected { user: Box::new(user), reason: Reason::NotAdmitted }),
            Err(rejected) => Err(rejected),
        }
    }

    /// A digest of the lists: who was let in by other ones is so no longer.
    pub(super) fn rules(&self) -> [u8; 16] {
        let lists = [&self.users, &self.groups, &self.roles].map(|list| {
            let parts: Vec<&[u8]> = list.iter().map(String::as_bytes).collect();
            digest("dcr/v1/admin-list", &parts)
        });
        to_16(&digest("dcr/v1/admin-people", &[&lists[0], &lists[1], &lists[2]]))
    }
}

fn trimmed(list: impl IntoIterator<Item = String>) -> Vec<String> {
    list.into_iter().map(|entry| entry.trim().to_owned()).filter(|entry| !entry.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::upstream::{Groups, Roles};

    fn ada() -> Identity {
        Identity {
            issuer: "https://idp".to_owned(),
            tenant: "t1".to_owned(),
            object_id: "ada-oid".to_owned(),
            name: Some("Ada".to_owned()),
            email: Some("ada@corp.example".to_owned()),
            verified_email: None,
            groups: Groups::Unsaid,
            roles: Roles::default(),
        }
    }

    fn list(entry: &str) -> Vec<String> {
        vec![entry.to_owned()]
    }

    fn admits(people: &AdminPeople, everybody: &Admission, identity: Identity) -> Result<(), Reason> {
        people.admit(everybody, identity).map(|_| ()).map_err(|rejected| rejected.reason)
    }

    #[test]
    fn nobody_is_let_in_by_empty_lists_and_an_address_counts_if_the_provider_vouches_for_it() {
        let all = Admission::default();
        assert_eq!(admits(&AdminPeople::new(), &all, ada()), Err(Reason::NotAdmitted));
        let by_address = AdminPeople::new().users(list("Ada@corp.example"));
        assert_eq!(admits(&by_address, &all, ada()), Err(Reason::NotAdmitted));
        let verified = Identity { verified_email: Some("ada@corp.example".to_owned()), ..ada() };
        assert_eq!(admits(&by_address, &all, verified), Ok(()));
        assert_eq!(admits(&AdminPeople::new().users(list("ada-oid")), &all, ada()), Ok(()));
    }

    #[test]
    fn one_of_our_ids_names_one_person_and_no_object_id_that_looks_like_it() {
        let all = Admission::default();
        let id = UserId::derive("https://idp", "t1", "ada-oid").to_string();
        let people = AdminPeople::new().users(list(&id));
        assert_eq!(admits(&people, &all, ada()), Ok(()));
        let pretender = Identity { object_id: id, ..ada() };
        assert_eq!(admits(&people, &all, pretender.clone()), Err(Reason::NotAdmitted));
        // Nor beside another list.
        assert_eq!(admits(&people.roles(list("Mcp.Admin")), &all, pretender), Err(Reason::NotAdmitted));
    }

    #[test]
    fn a_role_that_another_tenant_gives_counts_for_nothing_where_tenants_are_named() {
        let people = AdminPeople::new().roles(list("Mcp.Admin"));
        let with_role = Identity { roles: Roles::new(list("Mcp.Admin")), ..ada() };
        let ours = Admission::default().tenants(list("t1")).groups(list("staff"));
        assert_eq!(admits(&people, &ours, with_role.clone()), Ok(()), "who administers need not be among the users");
        assert_eq!(admits(&people, &Admission::default().tenants(list("t2")), with_role), Err(Reason::NotAdmitted));
    }

    #[test]
    fn the_rules_change_with_every_list() {
        let one = AdminPeople::new().users(list("a"));
        assert_eq!(one.rules(), AdminPeople::new().users(list(" a ")).rules());
        for other in
            [AdminPeople::new().groups(list("a")), AdminPeople::new().users(list("b")), one.clone().roles(list("a"))]
        {
            assert_ne!(one.rules(), other.rules());
        }
    }
}
