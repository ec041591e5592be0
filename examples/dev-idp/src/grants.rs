//! Authorization codes and refresh tokens.

use std::collections::HashMap;

use crate::faults::Fault;
use crate::random;
use crate::realm::Realm;
use crate::refusal::Refusal;

const REFRESH_LIFETIME: i64 = 90 * 24 * 3_600;
/// As many refresh tokens, and as many access tokens, are remembered.
const MAX_GRANTS: usize = 10_000;
/// As many codes: each is a sign-in, and a load test makes thousands a second.
const MAX_CODES: usize = 200_000;
/// Fewer than this are not searched for what has lapsed.
const FEW: usize = 64;

/// What a code stands for.
#[derive(Clone, Debug)]
pub(crate) struct CodeGrant {
    pub(crate) realm: Realm,
    pub(crate) user: String,
    pub(crate) redirect_uri: String,
    pub(crate) challenge: Option<String>,
    pub(crate) nonce: Option<String>,
    pub(crate) scope: String,
    /// The fault that the user chose for this login.
    pub(crate) fault: Option<Fault>,
    pub(crate) expires: i64,
}

/// What a refresh token stands for.
#[derive(Clone, Debug)]
pub(crate) struct RefreshGrant {
    pub(crate) realm: Realm,
    pub(crate) user: String,
    pub(crate) scope: String,
    expires: i64,
}

/// What an access token stands for.
#[derive(Clone, Debug)]
pub(crate) struct AccessGrant {
    pub(crate) realm: Realm,
    pub(crate) user: String,
    pub(crate) scope: String,
    pub(crate) expires: i64,
}

enum Code {
    Live(CodeGrant),
    Redeemed { expires: i64 },
}

/// Grants by their tokens. What has lapsed goes after as many additions as there were entries the last time, so that an
/// addition costs the same however many there are.
struct Kept<T> {
    by_token: HashMap<String, T>,
    most: usize,
    additions: usize,
}

impl<T> Kept<T> {
    fn at_most(most: usize) -> Self {
        Self { by_token: HashMap::new(), most, additions: FEW }
    }

    /// Adds one, if there is room.
    fn add(&mut self, token: String, grant: T, is_good: impl Fn(&T) -> bool) {
        if self.additions == 0 {
            self.by_token.retain(|_, grant| is_good(grant));
            self.additions = self.by_token.len().max(FEW);
        }
        self.additions -= 1;
        if self.by_token.len() < self.most {
            self.by_token.insert(token, grant);
        }
    }

    fn get(&self, token: &str) -> Option<&T> {
        self.by_token.get(token)
    }
}

/// All grants of a provider, in memory.
pub(crate) struct Grants {
    codes: Kept<Code>,
    refresh: Kept<RefreshGrant>,
    access: Kept<AccessGrant>,
    /// The ids of assertions, until those lapse.
    assertions: HashMap<String, i64>,
}

impl Default for Grants {
    fn default() -> Self {
        Self {
            codes: Kept::at_most(MAX_CODES),
            refresh: Kept::at_most(MAX_GRANTS),
            access: Kept::at_most(MAX_GRANTS),
            assertions: HashMap::new(),
        }
    }
}

impl Grants {
    /// A new code of more than a kilobyte, as those of Entra ID are.
    pub(crate) fn add_code(&mut self, grant: CodeGrant, now: i64) -> String {
        let code = format!("1.{}", random::text::<1_024>());
        self.codes.add(code.clone(), Code::Live(grant), |code| match code {
            Code::Live(CodeGrant { expires, .. }) | Code::Redeemed { expires } => now < *expires,
        });
        code
    }

    /// Takes the fault of `stage` out of a code, so that the next try with the same code succeeds.
    pub(crate) fn take_code_fault(&mut self, code: &str, belongs: impl FnOnce(Fault) -> bool) -> Option<Fault> {
        match self.codes.by_token.get_mut(code)? {
            Code::Live(grant) if grant.fault.is_some_and(belongs) => grant.fault.take(),
            _ => None,
        }
    }

    /// The grant of a code that is good now; the code stays good.
    pub(crate) fn code(&self, code: &str, now: i64) -> Result<CodeGrant, Refusal> {
        match self.codes.get(code) {
            Some(Code::Live(grant)) if now < grant.expires => Ok(grant.clone()),
            Some(Code::Live(_)) => Err(Refusal::new(
                70008,
                "invalid_grant",
                "The provided authorization code or refresh token has expired due to inactivity.",
            )),
            Some(Code::Redeemed { .. }) => Err(redeemed()),
            None => Err(Refusal::new(70000, "invalid_grant", "The provided authorization code is not valid.")),
        }
    }

    /// Marks a code as used, which it may be only once.
    pub(crate) fn redeem(&mut self, code: &str) -> Result<(), Refusal> {
        if let Some(entry) = self.codes.by_token.get_mut(code)
            && let Code::Live(CodeGrant { expires, .. }) = &*entry
        {
            *entry = Code::Redeemed { expires: *expires };
            return Ok(());
        }
        Err(redeemed())
    }

    /// A new refresh token. Older ones of the same login stay good, as with Entra ID.
    pub(crate) fn add_refresh(&mut self, realm: Realm, user: String, scope: String, now: i64) -> String {
        let token = format!("1.{}", random::text::<1_024>());
        let grant = RefreshGrant { realm, user, scope, expires: now + REFRESH_LIFETIME };
        self.refresh.add(token.clone(), grant, |grant| now < grant.expires);
        token
    }

    /// A new access token.
    pub(crate) fn add_access(&mut self, grant: AccessGrant, now: i64) -> String {
        let token = random::text::<1_024>();
        self.access.add(token.clone(), grant, |grant| now <= grant.expires);
        token
    }

    /// The grant of an access token that is good now; to the end of the second in which it lapses, since whoever counts
    /// smaller parts of one than this does uses it until then.
    pub(crate) fn access(&self, token: &str, now: i64) -> Option<AccessGrant> {
        self.access.get(token).filter(|grant| now <= grant.expires).cloned()
    }

    /// Forgets a refresh token.
    pub(crate) fn drop_refresh(&mut self, token: &str) {
        self.refresh.by_token.remove(token);
    }

    /// Whether an assertion of this id comes for the first time.
    pub(crate) fn first_use_of(&mut self, id: &str, expires: i64, now: i64) -> bool {
        self.assertions.retain(|_, expires| now < *expires);
        self.assertions.insert(id.to_owned(), expires).is_none()
    }

    pub(crate) fn refresh(&self, token: &str, now: i64) -> Result<RefreshGrant, Refusal> {
        match self.refresh.get(token) {
            Some(grant) if now < grant.expires => Ok(grant.clone()),
            Some(_) => Err(Refusal::new(700082, "invalid_grant", "The refresh token has expired due to inactivity.")),
            None => Err(Refusal::new(9002313, "invalid_grant", "The refresh token is malformed or not valid.")),
        }
    }
}

/// The refusal of a code that was used before.
pub(crate) fn redeemed() -> Refusal {
    Refusal::new(
        54005,
        "invalid_grant",
        "OAuth2 Authorization code was already redeemed, please retry with a new valid code or use an existing \
         refresh token.",
    )
}
