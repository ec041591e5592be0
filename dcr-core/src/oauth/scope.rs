//! Scopes (RFC 6749 section 3.3).

use std::collections::BTreeSet;
use std::fmt;

/// A set of scope names, written in alphabetical order.
///
/// ```
/// use dcr_core::ScopeSet;
///
/// let scope = ScopeSet::from_names(["tools:write", "tools:read"]).unwrap();
/// assert_eq!(scope.to_string(), "tools:read tools:write");
/// assert!(ScopeSet::from_names(["two words"]).is_none());
/// ```
#[derive(Clone, PartialEq, Eq, Default, Hash, PartialOrd, Ord)]
pub struct ScopeSet(BTreeSet<String>);

impl ScopeSet {
    /// From names; `None` if one has a character that RFC 6749 forbids.
    #[must_use]
    pub fn from_names<'a>(names: impl IntoIterator<Item = &'a str>) -> Option<Self> {
        names.into_iter().map(|name| is_scope_token(name).then(|| name.to_owned())).collect::<Option<_>>().map(Self)
    }

    /// From what a store kept or a client sent: names separated by spaces, malformed ones dropped.
    #[must_use]
    pub fn parse_lossy(text: &str) -> Self {
        Self(text.split(' ').filter(|name| is_scope_token(name)).map(str::to_owned).collect())
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
        Self(self.0.intersection(&keep.0).cloned().collect())
    }

    pub(crate) fn with(&self, name: &str) -> Self {
        let mut names = self.0.clone();
        names.insert(name.to_owned());
        Self(names)
    }

    pub(crate) fn without(&self, name: &str) -> Self {
        let mut names = self.0.clone();
        names.remove(name);
        Self(names)
    }
}

/// The one scope that belongs to no resource: clients ask for it to say that they want refresh tokens. Accepted and
/// echoed; refresh tokens are issued on our own policy either way.
pub(crate) const OFFLINE_ACCESS: &str = "offline_access";

/// What is granted of a `scope` parameter at authorize: unknown names are dropped, none left means the defaults,
/// `openid` is never granted.
pub(crate) fn granted(requested: Option<&str>, defaults: &ScopeSet) -> ScopeSet {
    let requested = ScopeSet::parse_lossy(requested.unwrap_or(""));
    let of_resource = requested.intersection(defaults);
    let granted = if of_resource.is_empty() { defaults.clone() } else { of_resource };
    if requested.contains(OFFLINE_ACCESS) { granted.with(OFFLINE_ACCESS) } else { granted }
}

/// What an access token gets at refresh: `None` if a known scope was asked for that the session does not have (RT-5).
pub(crate) fn narrowed(requested: Option<&str>, session: &ScopeSet, known: &ScopeSet) -> Option<ScopeSet> {
    let requested = ScopeSet::parse_lossy(requested.unwrap_or("")).intersection(known);
    if requested.is_empty() {
        return Some(session.clone());
    }
    if !session.includes(&requested) {
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

    #[test]
    fn unknown_scopes_are_dropped_and_none_left_means_the_defaults() {
        let all = ScopeSet::parse_lossy("read write");
        let grant = |text| granted(text, &all).to_string();
        assert_eq!(grant(None), "read write");
        assert_eq!(grant(Some("")), "read write");
        assert_eq!(grant(Some("read claudeai openid")), "read");
        assert_eq!(grant(Some("claudeai openid")), "read write");
        assert_eq!(grant(Some("offline_access")), "offline_access read write");
        assert_eq!(grant(Some("READ")), "read write");
    }

    #[test]
    fn rt_05_a_refresh_narrows_and_never_widens() {
        let known = ScopeSet::parse_lossy("read write");
        let session = ScopeSet::parse_lossy("read offline_access");
        let narrow = |text| narrowed(text, &session, &known).map(|s| s.to_string());
        assert_eq!(narrow(None).as_deref(), Some("offline_access read"));
        assert_eq!(narrow(Some("read nonsense")).as_deref(), Some("offline_access read"));
        assert_eq!(narrow(Some("nonsense")).as_deref(), Some("offline_access read"));
        assert_eq!(narrow(Some("read write")), None);
    }
}
