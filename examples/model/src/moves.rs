//! The vocabulary: who and what there is in the small world of the model, and what can happen in it. Nothing here knows how
//! the bridge works; `Display` tells a sequence of moves in words.

use std::fmt;

/// A person. Mallory has an account upstream and is not admitted here.
#[expect(missing_docs, reason = "names of persons")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Person {
    Ada,
    Bob,
    Mallory,
}

/// A browser, by number.
pub type Browser = u8;

/// What one secret of the key ring gives, by number.
pub type Key = u8;

/// Software that registers. Two of them belong to one platform; two are the same software under two names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum App {
    /// Public, with a platform's redirect URI.
    Claude,
    /// The same platform, with a secret.
    ClaudeWithSecret,
    /// A local program, on any port.
    Editor,
    /// The same program, by a name with the user's own alias behind it.
    EditorAtWork,
    /// A site on the web that no list knows.
    Website,
    /// The same, with a secret.
    WebsiteWithSecret,
}

/// A redirect URI.
#[expect(missing_docs, reason = "their text says what they are")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Redirect {
    Claude,
    ChatGpt,
    Local,
    LocalOtherPort,
    LocalOtherPath,
    Website,
    Portal,
    NearlyClaude,
    Evil,
}

/// A client id. Two are equal here exactly if they must be the same bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Client {
    /// Issued to this software under this key. Of software with a secret each registration is another.
    Sealed(App, Key, u32),
    /// The same with one character changed.
    Forged(App, Key),
    /// Nobody ever registered it. The second differs from the first in the case of one letter.
    Unknown(u8),
    /// Of a form that adoption does not take: too short, a URN, a URL, a user id.
    Unadoptable(u8),
    /// Registered by the operator.
    Pinned,
}

/// What an authorize request asks for.
#[expect(missing_docs, reason = "the words of `Display`")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Ask {
    Default,
    Wide,
    Notes,
    UnknownResource,
    NoChallenge,
    PlainChallenge,
    TwoStates,
    TwoClients,
}

/// How the login upstream ends.
#[expect(missing_docs, reason = "they say what they are")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Login {
    Of(Person),
    Denied,
    Busy,
    Invalid,
}

/// Which secret a client shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Shown {
    /// None.
    Nothing,
    /// Its own; one of its choice, if it was given none.
    Own,
    /// Another.
    Wrong,
}

/// What is wrong with a redemption, or odd about a refresh.
#[expect(missing_docs, reason = "the words of `Display`")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Detail {
    Plain,
    OtherVerifier,
    OtherRedirect,
    OtherResource,
    Narrower,
    Wider,
}

/// A code (generation 0) or a refresh token: of one generation of one sign-in, under one key.
#[expect(missing_docs, reason = "the type says it")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Grant {
    pub sign_in: u32,
    pub generation: u32,
    pub key: Key,
}

/// Something that a client holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Token {
    /// A code or a refresh token.
    Grant(Grant),
    /// An access token, by number.
    Access(u32),
}

/// One of the two MCP servers.
#[expect(missing_docs, reason = "names")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Resource {
    Tools,
    Notes,
}

/// What makes two client ids the same to a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Software {
    /// All of a platform.
    Of(Platform),
    /// Public software with this name and these redirects.
    Named(App),
    /// Without a name, with this redirect.
    Unnamed(Redirect),
    /// With a secret and of no platform: alone.
    Alone(Client),
    /// What the operator registered.
    Pinned,
}

/// A platform, or one of the two classes of what belongs to none.
#[expect(missing_docs, reason = "names")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Platform {
    Claude,
    ChatGpt,
    Loopback,
    Other,
}

/// Whom an operator ends or blocks.
#[expect(missing_docs, reason = "the type says it")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Target {
    Person(Person),
    Connection(Person, Software),
    Client(Client),
    Platform(Platform),
}

/// What an operator does to a target.
#[expect(missing_docs, reason = "the words of `Display`")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Act {
    End,
    Block,
    Unblock,
}

/// Who introspects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Caller {
    /// A resource server that the operator named.
    Server,
    /// A client, with its own secret.
    Client(Client),
    /// Nobody who says who it is.
    Nobody,
}

/// What changes of the key ring while the server is down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rekey {
    /// Nothing.
    Same,
    /// A new secret, last.
    Add,
    /// The last becomes the first.
    Promote,
    /// The last is retired.
    Retire,
    /// Retired ones leak and are dropped.
    Drop,
    /// All are lost, and a new one is made.
    Lose,
}

/// One thing that happens to the whole system.
#[expect(missing_docs, reason = "the words of `Display`")]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Move {
    Register(App),
    RegisterCrooked,
    Authorize {
        page: u32,
        browser: Browser,
        client: Client,
        redirect: Redirect,
        ask: Ask,
    },
    Deny {
        page: u32,
        browser: Browser,
    },
    /// With fields in the form that want to change the request, if it meddles.
    Approve {
        page: u32,
        browser: Browser,
        sign_in: u32,
        meddles: bool,
    },
    /// With a cookie that the server has dropped, if it is a second tab of the same browser.
    Callback {
        sign_in: u32,
        browser: Browser,
        login: Login,
        again: bool,
    },
    Redeem {
        code: Grant,
        client: Client,
        shown: Shown,
        detail: Detail,
    },
    Refresh {
        token: Grant,
        client: Client,
        shown: Shown,
        detail: Detail,
    },
    Use {
        token: Token,
        at: Resource,
    },
    Introspect {
        token: Token,
        by: Caller,
    },
    Revoke {
        token: Token,
        client: Client,
        shown: Shown,
    },
    /// In the server, or by the `dcr` command beside it.
    Operate {
        act: Act,
        target: Target,
        beside: bool,
    },
    Sweep,
    Wait {
        milliseconds: u64,
    },
    Restart(Rekey),
    LoseDatabase,
    /// The n-th call of the store during the move fails: before it has an effect, or after it.
    Faulty {
        call: u8,
        after: bool,
        inner: Box<Self>,
    },
}

impl Move {
    /// What kind of move it is.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Register(_) | Self::RegisterCrooked => "register",
            Self::Authorize { .. } => "authorize",
            Self::Deny { .. } => "deny",
            Self::Approve { .. } => "approve",
            Self::Callback { .. } => "callback",
            Self::Redeem { .. } => "redeem",
            Self::Refresh { .. } => "refresh",
            Self::Use { .. } => "use",
            Self::Introspect { .. } => "introspect",
            Self::Revoke { .. } => "revoke",
            Self::Operate { act: Act::End, .. } => "end",
            Self::Operate { act: Act::Block, .. } => "block",
            Self::Operate { act: Act::Unblock, .. } => "unblock",
            Self::Sweep => "sweep",
            Self::Wait { .. } => "wait",
            Self::Restart(_) => "restart",
            Self::LoseDatabase => "lose the database",
            Self::Faulty { .. } => "failing store",
        }
    }
}

impl Move {
    /// Whether it can change a row.
    #[must_use]
    pub const fn may_write(&self) -> bool {
        matches!(
            self,
            Self::Callback { .. }
                | Self::Redeem { .. }
                | Self::Refresh { .. }
                | Self::Revoke { .. }
                | Self::Operate { .. }
                | Self::Sweep
                | Self::LoseDatabase
                | Self::Faulty { .. }
        )
    }
}

impl App {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Claude,
        Self::Editor,
        Self::ClaudeWithSecret,
        Self::Website,
        Self::EditorAtWork,
        Self::WebsiteWithSecret,
    ];

    /// Where it is, at the port that it has first.
    #[must_use]
    pub const fn home(self) -> Redirect {
        match self {
            Self::Claude | Self::ClaudeWithSecret => Redirect::Claude,
            Self::Editor | Self::EditorAtWork => Redirect::Local,
            Self::Website | Self::WebsiteWithSecret => Redirect::Website,
        }
    }

    /// Whether it asks for a secret.
    #[must_use]
    pub const fn has_secret(self) -> bool {
        matches!(self, Self::ClaudeWithSecret | Self::WebsiteWithSecret)
    }
}

impl Redirect {
    /// All of them, the usual ones first.
    pub const ALL: [Self; 9] = [
        Self::Claude,
        Self::Local,
        Self::LocalOtherPort,
        Self::ChatGpt,
        Self::Website,
        Self::LocalOtherPath,
        Self::Portal,
        Self::NearlyClaude,
        Self::Evil,
    ];

    /// Its text.
    #[must_use]
    pub const fn uri(self) -> &'static str {
        match self {
            Self::Claude => "https://claude.ai/api/mcp/auth_callback",
            Self::ChatGpt => "https://chatgpt.com/connector/oauth/abc",
            Self::Local => "http://localhost:3118/callback",
            Self::LocalOtherPort => "http://localhost:40001/callback",
            Self::LocalOtherPath => "http://localhost:3118/other",
            Self::Website => "https://app.example/cb",
            Self::Portal => "https://portal.example/cb",
            Self::NearlyClaude => "https://claude.ai/api/mcp/auth_callback/x",
            Self::Evil => "https://evil.example/cb",
        }
    }

    /// The same with the port of a loopback address left out of account.
    #[must_use]
    pub const fn but_for_port(self) -> Self {
        match self {
            Self::LocalOtherPort => Self::Local,
            other => other,
        }
    }

    /// Which platform or class it belongs to.
    #[must_use]
    pub const fn platform(self) -> Platform {
        match self {
            Self::Claude => Platform::Claude,
            Self::ChatGpt => Platform::ChatGpt,
            Self::Local | Self::LocalOtherPort | Self::LocalOtherPath => Platform::Loopback,
            Self::Website | Self::Portal | Self::NearlyClaude | Self::Evil => Platform::Other,
        }
    }
}

impl fmt::Display for Grant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.generation {
            0 => write!(f, "the code of sign-in {} (key {})", self.sign_in, self.key),
            n => write!(f, "refresh token {n} of sign-in {} (key {})", self.sign_in, self.key),
        }
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Grant(grant) => grant.fmt(f),
            Self::Access(n) => write!(f, "access token {n}"),
        }
    }
}

impl fmt::Display for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sealed(app, key, 0) => write!(f, "{app:?}'s id (key {key})"),
            Self::Sealed(app, key, n) => write!(f, "{app:?}'s id {n} (key {key})"),
            Self::Forged(app, key) => write!(f, "{app:?}'s id (key {key}) with a character changed"),
            Self::Unknown(n) => write!(f, "unknown id {n}"),
            Self::Unadoptable(n) => write!(f, "unadoptable id {n}"),
            Self::Pinned => f.write_str("the pinned id"),
        }
    }
}

impl fmt::Display for Move {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let dressed = |shown: &Shown, detail: &Detail| {
            let shown = match shown {
                Shown::Nothing => "",
                Shown::Own => ", with its secret",
                Shown::Wrong => ", with another secret",
            };
            let detail = match detail {
                Detail::Plain => "",
                Detail::OtherVerifier => ", with another verifier",
                Detail::OtherRedirect => ", with another redirect URI",
                Detail::OtherResource => ", for another resource",
                Detail::Narrower => ", asking for less",
                Detail::Wider => ", asking for more",
            };
            format!("{shown}{detail}")
        };
        match self {
            Self::Register(app) => write!(f, "{app:?} registers"),
            Self::RegisterCrooked => f.write_str("somebody registers a javascript: redirect URI"),
            Self::Authorize { page, browser, client, redirect, ask } => {
                let ask = match ask {
                    Ask::Default => "",
                    Ask::Wide => ", asking for more scope",
                    Ask::Notes => ", for the notes",
                    Ask::UnknownResource => ", for a resource that is not here",
                    Ask::NoChallenge => ", without a challenge",
                    Ask::PlainChallenge => ", with a plain challenge",
                    Ask::TwoStates => ", with two states",
                    Ask::TwoClients => ", with two client ids",
                };
                write!(f, "browser {browser} is sent to authorize {client} for {}{ask}: page {page}", redirect.uri())
            }
            Self::Deny { page, browser } => write!(f, "browser {browser} denies page {page}"),
            Self::Approve { page, browser, sign_in, meddles } => {
                let how = if *meddles { ", with fields of its own" } else { "" };
                write!(f, "browser {browser} approves page {page}{how}: sign-in {sign_in}")
            }
            Self::Callback { sign_in, browser, login, again } => {
                let again = if *again { " with its old cookie" } else { "" };
                match login {
                    Login::Of(person) => {
                        write!(f, "browser {browser} comes back for sign-in {sign_in}{again}, logged in as {person:?}")
                    }
                    how => write!(f, "browser {browser} comes back for sign-in {sign_in}{again}, login {how:?}"),
                }
            }
            Self::Redeem { code, client, shown, detail } => {
                write!(f, "{client} redeems {code}{}", dressed(shown, detail))
            }
            Self::Refresh { token, client, shown, detail } => {
                write!(f, "{client} refreshes {token}{}", dressed(shown, detail))
            }
            Self::Use { token, at } => write!(f, "{token} is used at {at:?}"),
            Self::Introspect { token, by } => write!(f, "{token} is introspected by {by:?}"),
            Self::Revoke { token, client, shown } => {
                write!(f, "{client} revokes {token}{}", dressed(shown, &Detail::Plain))
            }
            Self::Operate { act, target, beside } => {
                let how = if *beside { ", with the command" } else { "" };
                write!(f, "the operator: {act:?} {target:?}{how}")
            }
            Self::Sweep => f.write_str("the store is swept"),
            Self::Wait { milliseconds } => write!(f, "{}.{:03} s pass", milliseconds / 1_000, milliseconds % 1_000),
            Self::Restart(Rekey::Same) => f.write_str("the server is restarted"),
            Self::Restart(rekey) => write!(f, "the server is restarted; of the secrets: {rekey:?}"),
            Self::LoseDatabase => f.write_str("the database is lost"),
            Self::Faulty { call, after, inner } => {
                let when = if *after { "after" } else { "before" };
                write!(f, "{inner}, while call {} of the store fails {when} its effect", call + 1)
            }
        }
    }
}
