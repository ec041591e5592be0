//! Who may come in: the operator's lists, and a policy of the host application's own, looked at after the provider has
//! identified a person. Both are looked at when somebody signs in: who is taken off a list goes on until their sessions are
//! ended ([`Operator::revoke`](crate::Operator::revoke)).

use std::fmt;

use async_trait::async_trait;

use super::Identity;
use super::membership::{Groups, same_id};
use crate::client::{ClientId, Platform};
use crate::error::Reason;
use crate::session::{User, UserId};
use crate::text;

/// The lists. An empty list does not restrict. A person must be of a listed tenant, and stand in one of the other lists if
/// there are any: being in a listed group, for example, is enough where domains are listed too.
///
/// ```
/// use dcr_core::upstream::Admission;
///
/// let list = |entries: &[&str]| entries.iter().map(|entry| (*entry).to_owned()).collect::<Vec<_>>();
/// let staff_and_one_guest = Admission::default().domains(list(&["example.com"])).users(list(&["ada@partner.example"]));
/// let by_app_role = Admission::default().roles(list(&["Mcp.User"]));
/// # let _ = (staff_and_one_guest, by_app_role);
/// ```
#[derive(Debug, Clone, Default)]
pub struct Admission {
    tenants: Vec<String>,
    domains: Vec<String>,
    users: Vec<String>,
    groups: Vec<String>,
    roles: Vec<String>,
}

/// A decision of the host application's own about who may come in. The lists are looked at first.
///
/// ```
/// use dcr_core::upstream::{AdmissionPolicy, Applicant, NotAdmitted};
///
/// #[derive(Debug)]
/// struct OnDuty;
///
/// #[async_trait::async_trait]
/// impl AdmissionPolicy for OnDuty {
///     async fn admit(&self, applicant: Applicant<'_>) -> Result<(), NotAdmitted> {
///         match applicant.identity.object_id.as_str() {
///             "0c4f7a52-91d3-4b6e-a8f0-2d5e7c9b1a34" => Ok(()),
///             _ => Err(NotAdmitted::Refused("not on duty".to_owned())),
///         }
///     }
/// }
/// ```
#[async_trait]
pub trait AdmissionPolicy: fmt::Debug + Send + Sync + 'static {
    /// Whether this person may use this resource. Asked once for each sign-in, before anything is written; it should answer
    /// within a few seconds, since the person waits.
    ///
    /// # Errors
    /// [`NotAdmitted`]; nobody is signed in then.
    async fn admit(&self, applicant: Applicant<'_>) -> Result<(), NotAdmitted>;
}

/// Who wants to come in, and where to.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Applicant<'a> {
    /// Who, as the provider identified them.
    pub identity: &'a Identity,
    /// The resource, by its identifier.
    pub resource: &'a str,
    /// The client id, byte for byte. It says nothing of who asks (I-6).
    pub client_id: &'a ClientId,
    /// The platform, by the redirect URI that the code goes to.
    pub platform: &'a Platform,
}

/// Why a policy does not let somebody in. The text is for the operator's log.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum NotAdmitted {
    /// They may not.
    Refused(String),
    /// It cannot be found out at the moment: the person may try again.
    Unavailable(String),
}

/// An identity that was verified upstream and admitted. Nothing else can make one, and only this is signed in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct VerifiedIdentity(User);

/// Somebody who was identified and may not come in.
#[derive(Debug)]
pub(crate) struct Rejected {
    pub(crate) user: Box<User>,
    pub(crate) reason: Reason,
}

/// All that a person has to pass, and what they want to use with which app.
pub(crate) struct Doors<'a> {
    pub(crate) lists: [&'a Admission; 2],
    pub(crate) policy: Option<&'a dyn AdmissionPolicy>,
    pub(crate) resource: &'a str,
    pub(crate) client_id: &'a ClientId,
    pub(crate) platform: &'a Platform,
}

impl Doors<'_> {
    pub(crate) async fn admit(&self, identity: Identity) -> Result<VerifiedIdentity, Rejected> {
        let Self { resource, client_id, platform, .. } = *self;
        let listed = self.lists.iter().try_for_each(|lists| lists.admit(&identity));
        let reason = match (listed, self.policy) {
            (Err(reason), _) => reason,
            (Ok(()), None) => return Ok(VerifiedIdentity(user(identity))),
            (Ok(()), Some(policy)) => {
                match policy.admit(Applicant { identity: &identity, resource, client_id, platform }).await {
                    Ok(()) => return Ok(VerifiedIdentity(user(identity))),
                    Err(NotAdmitted::Refused(why)) => {
                        tracing::info!(target: "dcr", why = text::bounded(&why, 200), "the admission policy refused somebody");
                        Reason::NotAdmitted
                    }
                    Err(NotAdmitted::Unavailable(why)) => {
                        tracing::error!(target: "dcr", why = text::bounded(&why, 200), "the admission policy does not answer");
                        Reason::AdmissionUnavailable
                    }
                }
            }
        };
        Err(Rejected { user: Box::new(user(identity)), reason })
    }
}

impl Admission {
    /// Only these tenants (Entra `tid`).
    #[must_use]
    pub fn tenants(mut self, tenants: impl IntoIterator<Item = String>) -> Self {
        self.tenants = lower(tenants);
        self
    }

    /// People whose address, vouched for by the provider, is in one of these domains.
    #[must_use]
    pub fn domains(mut self, domains: impl IntoIterator<Item = String>) -> Self {
        self.domains = lower(domains).into_iter().map(|d| d.trim_start_matches('@').to_owned()).collect();
        self
    }

    /// These people: object ids (exact; GUIDs in any case), or addresses (with `@`) that the provider vouches for.
    /// Entra ID vouches for `email` with the optional claim `xms_edov`; where the authority is one tenant also for the
    /// sign-in names of its members, not of its guests.
    #[must_use]
    pub fn users(mut self, users: impl IntoIterator<Item = String>) -> Self {
        self.users = trimmed(users);
        self
    }

    /// People who are in one of these groups: object ids at Entra ID (GUIDs in any case), whose application must be
    /// configured to send the `groups` claim; exact names elsewhere. Entra ID lists 200 groups and then none. Such a person
    /// comes in by another list or not at all, with a page that says so; to be safe, let Entra send only the groups that are
    /// assigned to the application, or use roles.
    #[must_use]
    pub fn groups(mut self, groups: impl IntoIterator<Item = String>) -> Self {
        self.groups = trimmed(groups);
        self
    }

    /// People who have one of these roles in the application upstream (Entra ID's app roles, by their value; exact).
    #[must_use]
    pub fn roles(mut self, roles: impl IntoIterator<Item = String>) -> Self {
        self.roles = trimmed(roles);
        self
    }

    /// Only what it says of tenants.
    pub(crate) fn tenants_alone(&self) -> Self {
        Self { tenants: self.tenants.clone(), ..Self::default() }
    }

    /// Whether any list but that of tenants has an entry.
    pub(crate) fn restricts_people(&self) -> bool {
        ![&self.users, &self.domains, &self.groups, &self.roles].iter().all(|list| list.is_empty())
    }

    /// The person, if the lists let them in, and all of them do: for pages of this server, which have no resource, client or
    /// policy.
    pub(crate) fn let_in<'a>(lists: impl IntoIterator<Item = &'a Self>, identity: Identity) -> Result<User, Rejected> {
        match lists.into_iter().try_for_each(|list| list.admit(&identity)) {
            Ok(()) => Ok(user(identity)),
            Err(reason) => Err(Rejected { user: Box::new(user(identity)), reason }),
        }
    }

    /// Lets in, or says why not.
    fn admit(&self, identity: &Identity) -> Result<(), Reason> {
        if !self.tenants.is_empty() && !self.tenants.contains(&identity.tenant.to_ascii_lowercase()) {
            return Err(Reason::NotAdmitted);
        }
        if !self.restricts_people() || self.lists_person(identity) {
            return Ok(());
        }
        // Too many groups are not the same as none, neither way: this person may be in one of those.
        let unknown = !self.groups.is_empty() && identity.groups == Groups::TooMany;
        Err(if unknown { Reason::GroupsUnknown } else { Reason::NotAdmitted })
    }

    fn lists_person(&self, identity: &Identity) -> bool {
        let email = identity.verified_email.as_deref().map(str::to_ascii_lowercase);
        let by_name = self.users.iter().any(|entry| match entry.contains('@') {
            true => email.as_ref().is_some_and(|email| entry.eq_ignore_ascii_case(email)),
            false => same_id(entry, &identity.object_id),
        });
        let domain = email.as_deref().and_then(|email| email.rsplit_once('@')).map(|(_, domain)| domain);
        let by_domain = domain.is_some_and(|domain| self.domains.iter().any(|listed| listed == domain));
        by_name
            || by_domain
            || self.groups.iter().any(|group| identity.groups.contain(group))
            || self.roles.iter().any(|role| identity.roles.contain(role))
    }
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
        groups: identity.groups.bounded(),
        roles: identity.roles.bounded(),
    }
}

fn trimmed(list: impl IntoIterator<Item = String>) -> Vec<String> {
    list.into_iter().map(|entry| entry.trim().to_owned()).filter(|entry| !entry.is_empty()).collect()
}

fn lower(list: impl IntoIterator<Item = String>) -> Vec<String> {
    trimmed(list).into_iter().map(|entry| entry.to_ascii_lowercase()).collect()
}

impl VerifiedIdentity {
    pub(crate) fn into_user(self) -> User {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::upstream::Roles;

    fn ada(verified_email: Option<&str>) -> Identity {
        Identity {
            issuer: "https://idp".to_owned(),
            tenant: "T1".to_owned(),
            object_id: "Ada-Oid".to_owned(),
            name: Some("Ada".to_owned()),
            email: Some("ada@corp.example".to_owned()),
            verified_email: verified_email.map(str::to_owned),
            groups: Groups::Unsaid,
            roles: Roles::default(),
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
        assert!(Admission::default().admit(&ada(None)).is_ok());
        let domains = Admission::default().domains(list(&["@corp.example"]));
        assert!(domains.admit(&verified()).is_ok());
        assert!(domains.admit(&ada(None)).is_err());
        assert!(domains.admit(&ada(Some("ada@evil-corp.example"))).is_err());
        assert!(domains.admit(&ada(Some("ada@sub.corp.example"))).is_err());
        assert!(Admission::default().tenants(list(&["t1"])).admit(&ada(None)).is_ok());
        assert!(Admission::default().tenants(list(&["t2"])).admit(&verified()).is_err());
        assert!(Admission::default().users(list(&["Ada-Oid"])).admit(&ada(None)).is_ok());
        assert!(Admission::default().users(list(&["ada-oid"])).admit(&ada(None)).is_err());
        let mut odd = ada(None);
        odd.object_id = "ada@corp.example".to_owned();
        assert!(Admission::default().users(list(&["ada@corp.example"])).admit(&odd).is_err());
        let guid = "3F2A9C1E-5b7d-4e8f-9a60-1c2d3e4f5a6b";
        let mut guided = ada(None);
        guided.object_id = guid.to_lowercase();
        assert!(Admission::default().users(list(&[guid])).admit(&guided).is_ok());
        assert!(Admission::default().users(list(&["ada@corp.example"])).admit(&ada(None)).is_err());
        assert!(Admission::default().users(list(&["ada@corp.example"])).admit(&verified()).is_ok());
        let both = Admission::default().users(list(&["Ada-Oid"])).domains(list(&["other.example"]));
        assert!(both.admit(&ada(None)).is_ok());
        assert!(both.tenants(list(&["t2"])).admit(&ada(None)).is_err());
    }

    #[test]
    fn ups_06_the_user_is_tenant_and_object_id_whatever_the_address() {
        let admit = |identity| user(identity).id;
        let mut renamed = ada(None);
        renamed.email = Some("countess@corp.example".to_owned());
        assert_eq!(admit(ada(None)), admit(renamed));
        let mut other = ada(None);
        other.object_id = "Bob-Oid".to_owned();
        assert_ne!(admit(ada(None)), admit(other));
    }

    #[test]
    fn groups_and_roles_let_in_and_groups_that_nobody_knows_do_neither_that_nor_pass_for_none() {
        let with = |groups: Groups, roles: &[&str]| Identity { groups, roles: Roles::new(list(roles)), ..ada(None) };
        let staff = Admission::default().groups(list(&["staff"]));
        assert_eq!(staff.admit(&with(Groups::Listed(list(&["staff"])), &[])), Ok(()));
        assert_eq!(staff.admit(&with(Groups::Listed(list(&["Staff"])), &[])), Err(Reason::NotAdmitted));
        assert_eq!(staff.admit(&with(Groups::Unsaid, &[])), Err(Reason::NotAdmitted));
        assert_eq!(staff.admit(&with(Groups::TooMany, &[])), Err(Reason::GroupsUnknown));
        // Without a list of groups they do not matter; and another list is enough.
        assert_eq!(Admission::default().admit(&with(Groups::TooMany, &[])), Ok(()));
        let staff_or_role = staff.roles(list(&["Mcp.User"]));
        assert_eq!(staff_or_role.admit(&with(Groups::TooMany, &["Mcp.User"])), Ok(()));
        assert_eq!(staff_or_role.admit(&with(Groups::TooMany, &["mcp.user"])), Err(Reason::GroupsUnknown));
        assert_eq!(staff_or_role.tenants(list(&["t2"])).admit(&with(Groups::TooMany, &[])), Err(Reason::NotAdmitted));
    }
}
