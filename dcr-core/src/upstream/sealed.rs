//! What is kept of the provider's tokens: sealed under a key of its own, bound to one user, application and scope set; and
//! the decision whether it still serves.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{UpstreamGrant, UpstreamSecret};
use crate::clock::Timestamp;
use crate::oauth::OFFLINE_ACCESS;
use crate::random::{RandomUnavailable, SecureRandom, bytes};
use crate::seal::{KeyRing, Purpose, digest};
use crate::session::UserId;
use crate::store::{PutUpstreamToken, StoredUpstreamToken, UpstreamTokenKey};

/// The life of an access token whose provider does not say how long it lives.
const UNSAID_LIFE: Duration = Duration::from_secs(5 * 60);
/// The last part of an access token's life, in which it is not handed out if there may be another: whoever gets it must have
/// the time to use it. A tenth of its life, and no more than this.
const MARGIN: Duration = Duration::from_secs(60);

/// What a resource may have of the provider for each of its users: the scopes that a login asks for, and under which key the
/// answer is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct GrantName {
    pub(crate) key: UpstreamTokenKey,
    /// `offline_access`, for a refresh token (OpenID Connect Core 1.0 section 11), and the resource's scopes.
    pub(crate) asked: Vec<String>,
    /// Whether tools get the access token. Where people are only checked again it is not even kept.
    pub(crate) hands_out: bool,
}

impl GrantName {
    /// Of `scopes`, in order and without duplicates, at the application `upstream`.
    pub(crate) fn new(upstream: &str, scopes: &[String]) -> Self {
        let mut asked = vec![OFFLINE_ACCESS.to_owned()];
        asked.extend_from_slice(scopes);
        let key = digest("dcr/v1/upstream-grant", &[upstream.as_bytes(), asked.join(" ").as_bytes()]);
        Self { key, asked, hands_out: !scopes.is_empty() }
    }
}

/// The tokens of one user. Without `Debug`.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Kept {
    access: Option<String>,
    refresh: Option<String>,
    issued_at: i64,
    expires_at: i64,
}

/// What a caller needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Need {
    /// An access token that can be used.
    Access,
    /// The provider's word, given at or after this time, that the user's account is good.
    Word(Timestamp),
}

/// Whether what is kept serves a need.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Fresh,
    /// The provider must be asked for the next one.
    Stale,
    /// It does not, and there is nothing to ask with.
    Dead,
}

impl Kept {
    /// What the provider gave at `now`; a refresh that brings no refresh token leaves the old one in place.
    pub(crate) fn of(grant: UpstreamGrant, name: &GrantName, old: Option<&Self>, now: Timestamp) -> Self {
        let life = grant.expires_in.unwrap_or(UNSAID_LIFE);
        let refresh = grant.refresh_token.map(|token| token.expose().to_owned());
        Self {
            access: name.hands_out.then(|| grant.access_token.expose().to_owned()),
            refresh: refresh.or_else(|| old?.refresh.clone()),
            issued_at: now.unix_micros(),
            expires_at: (now + life).unix_micros(),
        }
    }

    /// As it is written.
    pub(crate) fn seal(
        &self,
        user: &UserId,
        name: &GrantName,
        ring: &KeyRing,
        random: &dyn SecureRandom,
    ) -> Result<PutUpstreamToken, RandomUnavailable> {
        let plain = postcard::to_allocvec(self).map_err(|_| RandomUnavailable)?;
        Ok(PutUpstreamToken {
            key: name.key,
            sealed: ring.seal_bytes(Purpose::UpstreamToken, &bound_to(user, name), &plain, random)?,
            version: bytes(random)?,
            refreshed_at: self.issued_at(),
        })
    }

    /// Opens a row; nothing for one that was sealed for somebody or something else, or by a secret that is gone.
    pub(crate) fn open(row: &StoredUpstreamToken, user: &UserId, name: &GrantName, ring: &KeyRing) -> Option<Self> {
        let plain = ring.open_bytes(Purpose::UpstreamToken, &bound_to(user, name), &row.sealed)?;
        postcard::from_bytes(&plain).ok()
    }

    pub(crate) fn access(&self) -> Option<UpstreamSecret> {
        self.access.clone().map(UpstreamSecret::new)
    }

    pub(crate) fn refresh(&self) -> Option<UpstreamSecret> {
        self.refresh.clone().map(UpstreamSecret::new)
    }

    pub(crate) const fn expires_at(&self) -> Timestamp {
        Timestamp::from_unix_micros(self.expires_at)
    }

    pub(crate) const fn issued_at(&self) -> Timestamp {
        Timestamp::from_unix_micros(self.issued_at)
    }

    /// Whether it serves `need` at `now`.
    pub(crate) fn serves(&self, need: Need, now: Timestamp) -> Verdict {
        let serves = match need {
            Need::Word(since) => self.issued_at() >= since,
            Need::Access => {
                let life = self.expires_at().since(self.issued_at());
                let margin = match self.refresh {
                    Some(_) => MARGIN.min(life / 10),
                    None => Duration::ZERO,
                };
                // Issued in a future that the clock was set back from: its end is not known.
                self.access.is_some() && now + margin < self.expires_at() && self.issued_at() <= now + MARGIN
            }
        };
        match (serves, &self.refresh) {
            (true, _) => Verdict::Fresh,
            (false, Some(_)) => Verdict::Stale,
            (false, None) => Verdict::Dead,
        }
    }
}

/// A row that is copied to another user, or under another key, does not open.
fn bound_to(user: &UserId, name: &GrantName) -> [u8; 32] {
    digest("dcr/v1/upstream-token", &[user.as_str().as_bytes(), &name.key])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::SystemRandom;
    use crate::seal::Secret;

    fn ring(secrets: &[u8]) -> KeyRing {
        KeyRing::new(&secrets.iter().map(|b| Secret::from_bytes([*b; 32])).collect::<Vec<_>>(), &[]).unwrap()
    }

    fn user(name: &str) -> UserId {
        UserId::derive("https://idp.example", "tenant", name)
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_unix_seconds(seconds)
    }

    fn name(scopes: &[&str]) -> GrantName {
        GrantName::new("https://idp.example app", &scopes.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>())
    }

    fn grant(refresh: Option<&str>, life: Option<u64>) -> UpstreamGrant {
        UpstreamGrant {
            access_token: UpstreamSecret::new("access"),
            refresh_token: refresh.map(UpstreamSecret::new),
            expires_in: life.map(Duration::from_secs),
        }
    }

    fn row(put: PutUpstreamToken) -> StoredUpstreamToken {
        let PutUpstreamToken { sealed, version, refreshed_at, .. } = put;
        StoredUpstreamToken { sealed, version, leased_until: at(0), refreshed_at }
    }

    #[test]
    fn i_9_a_row_opens_for_its_user_application_and_scope_set_only() {
        let (ring, graph) = (ring(&[1]), name(&["User.Read"]));
        let kept = Kept::of(grant(Some("refresh"), Some(3_600)), &graph, None, at(0));
        let row = row(kept.seal(&user("ada"), &graph, &ring, &SystemRandom).unwrap());
        let opened = Kept::open(&row, &user("ada"), &graph, &ring).unwrap();
        assert_eq!(opened.access().unwrap().expose(), "access");
        assert_eq!(opened.refresh().unwrap().expose(), "refresh");
        assert!(Kept::open(&row, &user("bob"), &graph, &ring).is_none());
        assert!(Kept::open(&row, &user("ada"), &name(&["Mail.Read"]), &ring).is_none());
        let other = GrantName::new("https://idp.example other-app", &["User.Read".to_owned()]);
        assert!(Kept::open(&row, &user("ada"), &other, &ring).is_none());
        assert!(Kept::open(&row, &user("ada"), &graph, &self::ring(&[2])).is_none());
        assert!(Kept::open(&row, &user("ada"), &graph, &self::ring(&[2, 1])).is_some());
    }

    #[test]
    fn entra_tokens_of_several_kilobytes_fit() {
        let (ring, graph) = (ring(&[1]), name(&["User.Read"]));
        let long = "x".repeat(20_000);
        let grant = UpstreamGrant { access_token: UpstreamSecret::new(long.clone()), ..grant(Some(&long), None) };
        let row = row(Kept::of(grant, &graph, None, at(0)).seal(&user("ada"), &graph, &ring, &SystemRandom).unwrap());
        assert!(row.sealed.len() < 64 * 1024);
        assert_eq!(Kept::open(&row, &user("ada"), &graph, &ring).unwrap().access().unwrap().expose(), long);
    }

    #[test]
    fn where_people_are_only_checked_again_no_access_token_is_kept() {
        let bare = name(&[]);
        assert_eq!(bare.asked, [OFFLINE_ACCESS]);
        let kept = Kept::of(grant(Some("refresh"), Some(3_600)), &bare, None, at(100));
        assert!(kept.access().is_none() && kept.refresh().is_some());
        assert_eq!(kept.serves(Need::Word(at(100)), at(200)), Verdict::Fresh);
        assert_eq!(kept.serves(Need::Word(at(101)), at(200)), Verdict::Stale);
    }

    #[test]
    fn the_end_of_a_token_is_the_providers_and_comes_a_little_early() {
        let graph = name(&["User.Read"]);
        let of = |refresh, life| Kept::of(grant(refresh, life), &graph, None, at(0));
        let hour = of(Some("refresh"), Some(3_600));
        assert_eq!(hour.serves(Need::Access, at(3_539)), Verdict::Fresh);
        assert_eq!(hour.serves(Need::Access, at(3_540)), Verdict::Stale);
        let short = of(Some("refresh"), Some(10));
        assert_eq!(short.serves(Need::Access, at(8)), Verdict::Fresh);
        assert_eq!(short.serves(Need::Access, at(9)), Verdict::Stale);
        assert_eq!(of(Some("refresh"), None).serves(Need::Access, at(300)), Verdict::Stale);
        // With nothing to get another by it serves to its end.
        let last = of(None, Some(3_600));
        assert_eq!(last.serves(Need::Access, at(3_599)), Verdict::Fresh);
        assert_eq!(last.serves(Need::Access, at(3_600)), Verdict::Dead);
        assert_eq!(hour.serves(Need::Access, at(-3_600)), Verdict::Stale, "a clock that was set back");
    }

    #[test]
    fn a_refresh_without_a_refresh_token_keeps_the_old_one() {
        let graph = name(&["User.Read"]);
        let old = Kept::of(grant(Some("old"), Some(60)), &graph, None, at(0));
        let same = Kept::of(grant(None, Some(60)), &graph, Some(&old), at(60));
        assert_eq!(same.refresh().unwrap().expose(), "old");
        let new = Kept::of(grant(Some("new"), Some(60)), &graph, Some(&same), at(120));
        assert_eq!(new.refresh().unwrap().expose(), "new");
    }
}
