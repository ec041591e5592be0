//! What people signed in with, and how it registered.

use crate::random::Random;

/// A software that registered with the old system, time and again: a new client id for each session and device.
///
/// All that one person registered of one software is one connection, by the rule of `dcr_core::SoftwareKey`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Software {
    /// Claude on the web: a platform.
    ClaudeWeb,
    /// ChatGPT: a platform. Some of its redirect URIs have a segment of their own.
    ChatGpt,
    /// Visual Studio Code: a platform, with a loopback companion.
    VsCode,
    /// Cursor: a platform. Some rows have nothing but its custom scheme, which the engine accepts only if it lists it.
    Cursor,
    /// Claude Code: a local program, at any port, with the user's alias at the end of its name.
    ClaudeCode,
    /// A local program without a name, at the path of Claude Code.
    Unnamed,
    /// An in-house application.
    ContosoTools,
    /// Another in-house application at the same redirect URI: only the name tells them apart.
    HelpDesk,
}

/// Redirect URIs that are not acceptable.
pub(crate) const REFUSED: &[&str] = &[
    "javascript:alert(1)",
    "http://evil.example/cb",
    "https://user@host/",
    "https://tools.contoso.example/cb#fragment",
    "http://localhost:80/callback",
    "/oauth/callback",
    "",
];

/// Names that say nothing of a platform: its redirect URIs do.
const PLATFORM_NAMES: &[Option<&str>] = &[
    Some("MCP client"),
    Some("O'Brien's \"big\" client"),
    Some("C:\\tools\\client.exe"),
    Some("Client '; DROP TABLE dcr_clients; --"),
    Some("클라이언트 🤖"),
    Some(""),
    None,
];
const ALIASES: &[&str] =
    &["", " (work)", " (집 🏠)", " (Ada's \"big\" machine)", " (C:\\mcp\\)", " (dcr-example)", " ()", " (🧪 test)"];

impl Software {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::ClaudeWeb,
        Self::ChatGpt,
        Self::VsCode,
        Self::Cursor,
        Self::ClaudeCode,
        Self::Unnamed,
        Self::ContosoTools,
        Self::HelpDesk,
    ];

    /// A name that it registered under.
    pub(crate) fn name(self, random: &mut Random) -> Option<String> {
        let own = match self {
            Self::ClaudeWeb => "Claude",
            Self::ChatGpt => "ChatGPT",
            Self::VsCode => "Visual Studio Code",
            Self::Cursor => "Cursor",
            Self::ClaudeCode => return Some(format!("Claude Code{}", random.pick(ALIASES))),
            Self::Unnamed => return random.pick(&[None, Some(""), Some("  ")]).map(str::to_owned),
            Self::ContosoTools => return Some("Contoso Tools".to_owned()),
            Self::HelpDesk => return Some("Contoso's \"Help\\Desk\" 도우미 🛟".to_owned()),
        };
        if random.chance(800) { Some(own.to_owned()) } else { random.pick(PLATFORM_NAMES).map(str::to_owned) }
    }

    /// The redirect URIs of one of its registrations, all of them acceptable.
    pub(crate) fn redirects(self, random: &mut Random) -> Vec<String> {
        let port = 49_152 + random.below(16_000);
        let loopback = random.pick(&["localhost", "localhost", "127.0.0.1", "[::1]"]);
        let local = format!("http://{loopback}:{port}/callback");
        let segment = random.hex(24);
        let segment = format!("https://chatgpt.com/connector/oauth/{segment}");
        let companion = format!("http://127.0.0.1:{port}/");
        let forms: &[&[&str]] = match self {
            Self::ClaudeWeb => &[
                &["https://claude.ai/api/mcp/auth_callback"],
                &["https://claude.ai/api/mcp/auth_callback", "https://claude.com/api/mcp/auth_callback"],
            ],
            Self::ChatGpt => &[&["https://chatgpt.com/connector_platform_oauth_redirect"], &[&segment]],
            Self::VsCode => &[
                &["https://vscode.dev/redirect", "http://127.0.0.1/"],
                &[
                    "https://insiders.vscode.dev/redirect",
                    "https://vscode.dev/redirect",
                    "http://127.0.0.1/",
                    &companion,
                ],
            ],
            Self::Cursor => &[
                &["cursor://anysphere.cursor-mcp/oauth/callback"],
                &[
                    "cursor://anysphere.cursor-mcp/oauth/callback",
                    "https://www.cursor.com/agents/mcp/oauth/callback",
                    "http://localhost:8787/callback",
                ],
            ],
            Self::ClaudeCode | Self::Unnamed => &[&[&local]],
            Self::ContosoTools | Self::HelpDesk => &[&["https://tools.contoso.example/oauth/callback"]],
        };
        random.pick(forms).iter().map(|&uri| uri.to_owned()).collect()
    }
}

/// A JSON array of texts as one of the libraries of the years wrote it: tight, with blanks, or with slashes escaped.
pub(crate) fn json_array<T: AsRef<str>>(texts: &[T], random: &mut Random) -> String {
    let (comma, slash) = random.pick(&[(",", "/"), (", ", "/"), (",", "\\/")]);
    let texts: Vec<String> = texts.iter().map(|text| json_text(text.as_ref()).replace('/', slash)).collect();
    format!("[{}]", texts.join(comma))
}

/// A JSON text. Of what JSON wants escaped, only quotes and backslashes occur here.
pub(crate) fn json_text(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use dcr_core::{ClientId, ImportFault, ImportedClient, PlatformList};

    use super::*;

    fn imported(name: Option<&str>, redirects: &[&str]) -> Result<(ImportedClient, usize), ImportFault> {
        let id = ClientId::new("dcr_1").unwrap();
        ImportedClient::new(id, name, redirects.iter().copied()).map(|(client, refused)| (client, refused.len()))
    }

    #[test]
    fn the_engine_tells_them_apart_like_we_do() {
        let (mut random, platforms) = (Random::new(1), PlatformList::shipped());
        let mut keys: BTreeMap<Software, BTreeSet<String>> = BTreeMap::new();
        for _ in 0..400 {
            for software in Software::ALL {
                let (name, redirects) = (software.name(&mut random), software.redirects(&mut random));
                let redirects: Vec<&str> = redirects.iter().map(String::as_str).collect();
                let (client, refused) = imported(name.as_deref(), &redirects).unwrap();
                assert_eq!(refused, 0, "{redirects:?}");
                keys.entry(software).or_default().insert(client.software(&platforms).to_string());
            }
        }
        assert!(keys.values().all(|keys| keys.len() == 1), "{keys:#?}");
        assert_eq!(keys.values().flatten().collect::<BTreeSet<_>>().len(), Software::ALL.len());
        let platforms: Vec<_> = keys.values().flatten().filter_map(|key| key.strip_prefix("platform:")).collect();
        assert_eq!(platforms, ["claude-web", "chatgpt", "vscode", "cursor"]);
    }

    #[test]
    fn the_engine_accepts_none_of_the_refused() {
        for uri in REFUSED {
            assert_eq!(imported(None, &[uri]).unwrap_err(), ImportFault::NoRedirect, "{uri}");
        }
    }
}
