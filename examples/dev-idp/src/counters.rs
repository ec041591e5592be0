//! What the provider has seen, for tests to look at.

/// How often each endpoint was asked, and what the last requests carried. A snapshot.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counters {
    /// Discovery documents asked for, found or not.
    pub discovery: u64,
    /// Key sets asked for.
    pub jwks: u64,
    /// Authorization requests (GET); what users do on the page is not among them.
    pub authorize: u64,
    /// Forms sent from the page that lets the user choose an account.
    pub picks: u64,
    /// Token requests.
    pub token: u64,
    /// Those of them that brought a refresh token, answered or refused.
    pub refreshes: u64,
    /// Requests to `/graph/v1.0/me`.
    pub graph: u64,
    /// The decoded query of the last authorization request, in order and with duplicates.
    pub last_authorize: Vec<(String, String)>,
    /// The decoded form of the last token request, in order and with duplicates.
    pub last_token: Vec<(String, String)>,
    /// Whether the last token request authenticated the client by HTTP Basic rather than in the form.
    pub last_token_basic: bool,
}

impl Counters {
    /// The first value of `name` in the last authorization request.
    pub fn authorize_param(&self, name: &str) -> Option<&str> {
        first(&self.last_authorize, name)
    }

    /// The first value of `name` in the last token request.
    pub fn token_param(&self, name: &str) -> Option<&str> {
        first(&self.last_token, name)
    }
}

fn first<'a>(pairs: &'a [(String, String)], name: &str) -> Option<&'a str> {
    pairs.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
}
