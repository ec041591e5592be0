//! What the provider says of a person beside who they are: groups and app roles.

use serde::{Serialize, Serializer};
use serde_json::Value;

/// More groups than this are kept as [`Groups::TooMany`]. Entra ID lists 200 in an ID token.
const MAX_GROUPS: usize = 500;
/// More roles than this, and longer names, are not kept. Entra ID's are at most 120 characters.
const MAX_ROLES: usize = 500;
const MAX_NAME: usize = 256;
/// How "too many" is kept: no list.
const TOO_MANY: &str = "too_many";

/// The groups that a person is in, as far as the provider says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[expect(clippy::exhaustive_enums, reason = "who decides by groups must meet every case")]
pub enum Groups {
    /// The provider said nothing of groups.
    #[default]
    Unsaid,
    /// These, and no others: ids at Entra ID (its `groups` claim), names elsewhere.
    Listed(Vec<String>),
    /// More than the provider lists (Entra ID's overage), so that nobody here knows which. Never the same as none.
    TooMany,
}

impl Groups {
    /// Whether the person is known to be in this group. GUIDs are alike in upper and lower case, all else is bytes.
    #[must_use]
    pub fn contain(&self, group: &str) -> bool {
        matches!(self, Self::Listed(listed) if listed.iter().any(|listed| same_id(listed, group)))
    }

    /// How many bytes they take, more or less, for the bounds of caches.
    pub(crate) fn weight(&self) -> usize {
        match self {
            Self::Listed(listed) => weight(listed),
            Self::Unsaid | Self::TooMany => 0,
        }
    }

    /// From an ID token's claims. A claim of another form is an error, never an absence (RS-4, I-13).
    pub(super) fn from_claims<'a>(claim: impl Fn(&str) -> Option<&'a Value>) -> Option<Self> {
        // Entra ID says "too many" by naming a place to ask (claim sources), or in the implicit flow by a flag.
        let elsewhere = claim("_claim_names").is_some_and(|names| names.get("groups").is_some());
        let flagged = claim("hasgroups").is_some_and(|flag| *flag == true || *flag == "true");
        if elsewhere || flagged {
            return Some(Self::TooMany);
        }
        claim("groups").map_or(Some(Self::Unsaid), |groups| names(groups).map(Self::Listed))
    }

    /// For a row of the store; [`Groups::from_stored`] is the way back.
    #[must_use]
    pub fn to_stored(&self) -> Option<String> {
        match self {
            Self::Unsaid => None,
            Self::Listed(listed) => Some(Value::from(listed.clone()).to_string()),
            Self::TooMany => Some(TOO_MANY.to_owned()),
        }
    }

    /// From a row of the store; `None` if nothing of ours was kept there.
    #[must_use]
    pub fn from_stored(text: Option<&str>) -> Option<Self> {
        match text {
            None => Some(Self::Unsaid),
            Some(TOO_MANY) => Some(Self::TooMany),
            Some(list) => serde_json::from_str(list).ok().map(Self::Listed),
        }
    }

    /// Bounded, for keeping.
    pub(super) fn bounded(self) -> Self {
        match self {
            Self::Listed(listed) if listed.len() > MAX_GROUPS || listed.iter().any(|name| name.len() > MAX_NAME) => {
                Self::TooMany
            }
            groups => groups,
        }
    }
}

/// For people and programs that read: a list, null if the provider said nothing of groups, `too_many` if it did not list them.
impl Serialize for Groups {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Unsaid => serializer.serialize_none(),
            Self::Listed(listed) => listed.serialize(serializer),
            Self::TooMany => serializer.serialize_str(TOO_MANY),
        }
    }
}

fn weight(texts: &[String]) -> usize {
    texts.iter().map(|text| text.len() + size_of::<String>()).sum()
}

/// The roles that a person has in the application upstream (Entra ID's app roles).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Roles(Vec<String>);

impl Roles {
    /// These.
    #[must_use]
    pub fn new(names: impl IntoIterator<Item = String>) -> Self {
        Self(names.into_iter().collect())
    }

    /// As [`Groups::weight`].
    pub(crate) fn weight(&self) -> usize {
        weight(&self.0)
    }

    /// Whether this is one of them, byte for byte.
    #[must_use]
    pub fn contain(&self, role: &str) -> bool {
        self.0.iter().any(|has| has == role)
    }

    /// Each of them.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// From an ID token's claim; none if there is no such claim, an error if it has another form.
    pub(super) fn from_claim(claim: Option<&Value>) -> Option<Self> {
        claim.map_or_else(|| Some(Self::default()), |claim| names(claim).map(Self))
    }

    /// For a row of the store; [`Roles::from_stored`] is the way back.
    #[must_use]
    pub fn to_stored(&self) -> Option<String> {
        (!self.0.is_empty()).then(|| Value::from(self.0.clone()).to_string())
    }

    /// From a row of the store; `None` if nothing of ours was kept there.
    #[must_use]
    pub fn from_stored(text: Option<&str>) -> Option<Self> {
        text.map_or_else(|| Some(Self::default()), |list| serde_json::from_str(list).ok().map(Self))
    }

    /// Bounded, for keeping: no role is made up, and no more are believed than are kept.
    pub(super) fn bounded(self) -> Self {
        Self(self.0.into_iter().filter(|role| role.len() <= MAX_NAME).take(MAX_ROLES).collect())
    }
}

fn names(claim: &Value) -> Option<Vec<String>> {
    claim.as_array()?.iter().map(|name| name.as_str().map(str::to_owned)).collect()
}

/// Ids are bytes; only GUIDs are written in either case.
pub(super) fn same_id(one: &str, other: &str) -> bool {
    one == other || (uuid::Uuid::try_parse(one).is_ok() && one.eq_ignore_ascii_case(other))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(claims: &Value) -> Option<Groups> {
        Groups::from_claims(|name| claims.get(name))
    }

    #[test]
    fn too_many_groups_are_never_read_as_none() {
        let overage =
            json!({"_claim_names": {"groups": "src1"}, "_claim_sources": {"src1": {"endpoint": "https://x"}}});
        assert_eq!(of(&overage), Some(Groups::TooMany));
        assert_eq!(of(&json!({"hasgroups": true})), Some(Groups::TooMany));
        // Another claim's source is none of ours.
        assert_eq!(of(&json!({"_claim_names": {"wids": "src1"}})), Some(Groups::Unsaid));
        assert_eq!(of(&json!({"groups": []})), Some(Groups::Listed(vec![])));
        for wrong in [json!("g1"), json!(["g1", 2]), json!({"g1": true}), json!(null)] {
            assert_eq!(of(&json!({ "groups": wrong })), None, "{wrong}");
        }
        let many = Groups::Listed(vec!["g".to_owned(); MAX_GROUPS + 1]);
        assert_eq!(many.bounded(), Groups::TooMany);
        assert!(!Groups::TooMany.contain("g") && !Groups::Unsaid.contain("g"));
    }

    #[test]
    fn what_is_kept_comes_back() {
        let listed = |names: &[&str]| Groups::Listed(names.iter().map(|name| (*name).to_owned()).collect());
        for groups in [Groups::Unsaid, Groups::TooMany, listed(&[]), listed(&["a", "\"", "서울"])] {
            assert_eq!(Groups::from_stored(groups.to_stored().as_deref()), Some(groups));
        }
        assert_eq!(Groups::from_stored(Some("{}")), None);
    }

    #[test]
    fn guids_are_alike_in_either_case_and_names_are_bytes() {
        let guid = "3F2A9C1E-5b7d-4e8f-9a60-1c2d3e4f5a6b";
        let groups = Groups::Listed(vec![guid.to_lowercase(), "Staff".to_owned()]);
        assert!(groups.contain(guid) && groups.contain("Staff") && !groups.contain("staff"));
    }
}
