//! Scopes (RFC 6749 section 3.3).

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

/// A set of scope names, written in alphabetical order. Cheap to clone.
///
/// ```
/// use dcr_core::ScopeSet;
///
/// let scope = ScopeSet::from_names(["tools:write", "tools:read"]).unwrap();
/// assert_eq!(scope.to_string(), "tools:read tools:write");
/// assert!(ScopeSet::from_names(["two words"]).is_none());
/// ```
#[derive(Clone, PartialEq, Eq, Default, Hash, PartialOrd, Ord)]
pub struct ScopeSet(Arc<BTreeSet<String>>);

impl ScopeSet {
    fn of(names: BTreeSet<String>) -> Self {
        Self(Arc::new(names))
    }

    /// From names; `None` if one has a character that RFC 6749 forbids.
    #[must_use]
    pub fn from_names<'a>(names: impl IntoIterator<Item = &'a str>) -> Option<Self> {
        let names = names.into_iter().map(|name| is_scope_token(name).then(|| name.to_owned()));
        names.collect::<Option<_>>().map(Self::of)
    }

    /// From what a store kept or a client sent: names separated by spaces, malformed ones dropped.
    #[must_use]
    pub fn parse_lossy(text: &str) -> Self {
        Self::of(text.split(' ').filter(|name| is_scope_token(name)).map(str::to_owned).collect())
    }

    /// Whether the set has this scope.
    #[must_use]
    pub fn contains(&self, name: &str) -> bool {
        self.0.contains(name)
    }

    /// Whether the set has every scope of `other`.
    #[must_use]
    pub fn includes(&self, other: &Self) -> bool {
        other.0.is_subset(&self.0)
    }

    /// Whether it is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The names, in alphabetical order.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// Those that `keep` also has.
    pub(crate) fn intersection(&self, keep: &Self) -> Self {
        Self::of(self.0.intersection(&keep.0).cloned().collect())
    }

    /// The scopes of both.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        Self::of(self.0.union(&other.0).cloned().collect())
    }

    pub(crate) fn with(&self, name: &str) -> Self {
        let mut names = BTreeSet::clone(&self.0);
        names.insert(name.to_owned());
        Self::of(names)
    }

    pub(crate) fn without(&self, name: &str) -> Self {
        let mut names = BTreeSet::clone(&self.0);
        names.remove(name);
        Self::of(names)
    }

    /// How many bytes it takes, more or less, for the bounds of caches.
    pub(crate) fn weight(&self) -> usize {
        self.iter().map(|name| name.len() + 48).sum()
    }
}

/// The one scope that belongs to no resource: clients ask for it to say that they want refresh tokens. Accepted and
/// echoed; refresh tokens are issued on our own policy either way.
pub(crate) const OFFLINE_ACCESS: &str = "offline_access";

/// Which scopes a broad one satisfies (spec row 35), along every chain.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct ScopeHierarchy(BTreeMap<String, BTreeSet<String>>);

impl ScopeHierarchy {
    /// From pairs of a broad scope and a narrow one; or a scope that would imply itself.
    pub(crate) fn new(pairs: &[(String, String)]) -> Result<Self, String> {
        let mut all: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for (broad, narrow) in pairs {
            all.entry(broad.clone()).or_default().insert(narrow.clone());
        }
        // As long as something new is reached: every round follows the chains one link further.
        loop {
            let further = |narrow: &BTreeSet<String>| -> BTreeSet<String> {
                narrow.iter().filter_map(|name| all.get(name)).flatten().cloned().collect()
            };
            let grown: BTreeMap<_, _> =
                all.iter().map(|(broad, narrow)| (broad.clone(), narrow | &further(narrow))).collect();
            if let Some((name, _)) = grown.iter().find(|(broad, narrow)| narrow.contains(*broad)) {
                return Err(name.clone());
            }
            if grown == all {
                return Ok(Self(grown));
            }
            all = grown;
        }
    }

    /// `granted`, and everything that it satisfies.
    pub(crate) fn effective(&self, granted: &ScopeSet) -> ScopeSet {
        let mut implied = granted.iter().filter_map(|name| self.0.get(name)).flatten().peekable();
        if implied.peek().is_none() {
            return granted.clone();
        }
        ScopeSet::of(granted.0.iter().chain(implied).cloned().collect())
    }
}

/// What is granted of a `scope` parameter at authorize: names outside of `allowed` are dropped (`openid` is never among
/// it), none left means the defaults.
pub(crate) fn granted(requested: Option<&str>, allowed: &ScopeSet, defaults: &ScopeSet) -> ScopeSet {
    let requested = ScopeSet::parse_lossy(requested.unwrap_or(""));
    let of_resource = requested.intersection(allowed);
    let granted = if of_resource.is_empty() { defaults.clone() } else { of_resource };
    if requested.contains(OFFLINE_ACCESS) { granted.with(OFFLINE_ACCESS) } else { granted }
}

/// What an access token gets at refresh: `None` if a known scope was asked for that the session does not have (RT-5). A
/// scope that one of the session's satisfies is narrower, not wider.
pub(crate) fn narrowed(
    requested: Option<&str>,
    session: &ScopeSet,
    known: &ScopeSet,
    hierarchy: &ScopeHierarchy,
) -> Option<ScopeSet> {
    let requested = ScopeSet::parse_lossy(requested.unwrap_or("")).intersection(known);
    if requested.is_empty() {
        return Some(session.clone());
    }
    if !hierarchy.effective(session).includes(&requested) {
        return None;
    }
    Some(if session.contains(OFFLINE_ACCESS) { requested.with(OFFLINE_ACCESS) } else { requested })
}

fn is_scope_token(name: &str) -> bool {
    (1..=128).contains(&name.len()) && name.bytes().all(|b| matches!(b, 0x21 | 0x23..=0x5b | 0x5d..=0x7e))
}

impl fmt::Display for ScopeSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, name) in self.iter().enumerate() {
            if i > 0 {
                f.write_str(" ")?;
            }
            f.write_str(name)?;
        }
        Ok(())
    }
}

impl fmt::Debug for ScopeSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scopes(text: &str) -> ScopeSet {
        ScopeSet::parse_lossy(text)
    }

    fn hierarchy(pairs: &[(&str, &str)]) -> Result<ScopeHierarchy, String> {
        let pairs: Vec<_> = pairs.iter().map(|(broad, narrow)| ((*broad).to_owned(), (*narrow).to_owned())).collect();
        ScopeHierarchy::new(&pairs)
    }

    #[test]
    fn unknown_scopes_are_dropped_and_none_left_means_the_defaults() {
        let grant = |text| granted(text, &scopes("admin read write"), &scopes("read write")).to_string();
        assert_eq!(grant(None), "read write");
        assert_eq!(grant(Some("")), "read write");
        assert_eq!(grant(Some("read claudeai openid")), "read");
        assert_eq!(grant(Some("claudeai openid")), "read write");
        assert_eq!(grant(Some("offline_access")), "offline_access read write");
        assert_eq!(grant(Some("READ")), "read write");
        // An optional scope is granted when it is asked for, and brings no defaults along.
        assert_eq!(grant(Some("admin")), "admin");
        assert_eq!(grant(Some("admin read")), "admin read");
    }

    #[test]
    fn rt_05_a_refresh_narrows_and_never_widens() {
        let known = scopes("admin read write");
        let broad = hierarchy(&[("admin", "read")]).unwrap();
        let narrow = |session: &str, text| narrowed(text, &scopes(session), &known, &broad).map(|s| s.to_string());
        assert_eq!(narrow("read offline_access", None).as_deref(), Some("offline_access read"));
        assert_eq!(narrow("read offline_access", Some("read nonsense")).as_deref(), Some("offline_access read"));
        assert_eq!(narrow("read offline_access", Some("nonsense")).as_deref(), Some("offline_access read"));
        assert_eq!(narrow("read offline_access", Some("read write")), None);
        assert_eq!(narrow("read", Some("admin")), None);
        assert_eq!(narrow("read", Some("read offline_access")).as_deref(), Some("read"));
        assert_eq!(narrow("admin", Some("read")).as_deref(), Some("read"));
        assert_eq!(narrow("admin", Some("write")), None);
    }

    #[test]
    fn a_broad_scope_satisfies_what_it_implies_along_a_chain_and_nothing_upwards() {
        let all = hierarchy(&[("owner", "admin"), ("admin", "read"), ("admin", "write")]).unwrap();
        assert_eq!(all.effective(&scopes("owner")).to_string(), "admin owner read write");
        assert_eq!(all.effective(&scopes("admin other")).to_string(), "admin other read write");
        assert_eq!(all.effective(&scopes("read")).to_string(), "read");
        assert_eq!(all.effective(&ScopeSet::default()), ScopeSet::default());
    }

    #[test]
    fn a_scope_that_implies_itself_is_named() {
        assert_eq!(hierarchy(&[("a", "a")]), Err("a".to_owned()));
        assert!(hierarchy(&[("a", "b"), ("b", "c"), ("c", "a")]).is_err());
        // Two ways to the same place are no circle.
        assert!(hierarchy(&[("a", "b"), ("a", "c"), ("b", "d"), ("c", "d")]).is_ok());
    }
}
