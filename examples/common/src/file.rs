//! The configuration file (`DCR_CONFIG`), in TOML: lists that do not fit into variables. A key that is not known is an
//! error that says where it stands.

use std::collections::BTreeMap;
use std::fs;

use dcr_core::upstream::Admission;
use dcr_core::{Language, PreRegistered, Resource, ScopeSet};
use serde::Deserialize;

use crate::Failure;
use crate::resources::ResourceSettings;

/// The file.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct File {
    /// The MCP servers, the first of which is the default.
    #[serde(default)]
    pub(crate) resource: Vec<ResourceEntry>,
    /// `[[client]]`: apps and machines that the operator registers, with the names of RFC 7591.
    #[serde(default)]
    pub(crate) client: Vec<PreRegistered>,
}

/// `[[resource]]`: one MCP server, here at `path` or elsewhere at `uri`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ResourceEntry {
    path: Option<String>,
    uri: Option<String>,
    name: String,
    /// The name in other languages, by their tags.
    #[serde(default)]
    name_in: BTreeMap<String, String>,
    #[serde(default)]
    scope: Vec<ScopeEntry>,
    /// What the tools may do at the login's provider in a person's name.
    #[serde(default)]
    upstream_scopes: Vec<String>,
    /// The scopes that a tool needs, by its name.
    #[serde(default)]
    tools: BTreeMap<String, Vec<String>>,
    /// Who may use it, of those who may come in at all.
    #[serde(default)]
    allowed: AllowedEntry,
}

/// `[resource.allowed]`: lists like those of the variables `DCR_ALLOWED_…`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct AllowedEntry {
    tenants: Vec<String>,
    domains: Vec<String>,
    users: Vec<String>,
    groups: Vec<String>,
    roles: Vec<String>,
}

impl AllowedEntry {
    fn admission(self) -> Admission {
        let Self { tenants, domains, users, groups, roles } = self;
        Admission::default().tenants(tenants).domains(domains).users(users).groups(groups).roles(roles)
    }
}

/// `[[resource.scope]]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ScopeEntry {
    name: String,
    /// What it allows, for the consent page.
    words: String,
    /// The same in other languages, by their tags.
    #[serde(default)]
    words_in: BTreeMap<String, String>,
    /// Whether it is granted when nothing is asked for.
    #[serde(default = "yes")]
    default: bool,
    /// Narrower scopes that it satisfies.
    #[serde(default)]
    implies: Vec<String>,
}

const fn yes() -> bool {
    true
}

impl File {
    /// Reads the file at `path`.
    pub(crate) fn read(path: &str) -> Result<Self, Failure> {
        let text =
            fs::read_to_string(path).map_err(|error| Failure::configuration(format!("DCR_CONFIG={path}: {error}")))?;
        Self::parse(&text).map_err(|error| Failure::configuration(format!("DCR_CONFIG={path}, {error}")))
    }

    fn parse(text: &str) -> Result<Self, String> {
        toml::from_str(text).map_err(|error| {
            let start = error.span().map_or(0, |span| span.start);
            let line = text.bytes().take(start).filter(|byte| *byte == b'\n').count() + 1;
            format!("line {line}: {}", error.message())
        })
    }
}

impl ResourceEntry {
    /// What the engine and the server make of it. The engine checks the rest.
    pub(crate) fn settings(self) -> Result<ResourceSettings, Failure> {
        let wrong = |text: String| Failure::configuration(format!("DCR_CONFIG: the resource {:?}: {text}", self.name));
        let (resource, path) = match (self.path, self.uri) {
            (Some(path), None) => (Resource::new(&path, &self.name), Some(path)),
            (None, Some(uri)) => (Resource::elsewhere(uri, &self.name), None),
            _ => {
                let text = "write either `path`, for one that is served here, or `uri`, for one that runs elsewhere";
                return Err(wrong(text.to_owned()));
            }
        };
        if path.is_none() && !self.tools.is_empty() {
            return Err(wrong("what its tools need is for the server to demand that has them".to_owned()));
        }
        let in_language = |tag: &str| {
            Language::from_tag(tag).ok_or_else(|| {
                let all: Vec<&str> = Language::ALL.iter().map(|language| language.tag()).collect();
                wrong(format!("there are no pages in {tag:?}, only in {}", all.join(", ")))
            })
        };
        let mut resource = resource.admission(self.allowed.admission()).upstream_scopes(self.upstream_scopes);
        for (tag, name) in &self.name_in {
            resource = resource.name_in(in_language(tag)?, name);
        }
        for scope in &self.scope {
            for (tag, words) in &scope.words_in {
                resource = resource.scope_words(in_language(tag)?, &scope.name, words);
            }
        }
        let known: Vec<String> = self.scope.iter().map(|scope| scope.name.clone()).collect();
        let resource = self.scope.into_iter().fold(resource, |resource, scope| {
            let resource = match scope.default {
                true => resource.scope(&scope.name, scope.words),
                false => resource.optional_scope(&scope.name, scope.words),
            };
            scope.implies.into_iter().fold(resource, |resource, narrow| resource.implies(&scope.name, narrow))
        });
        let mut tools = Vec::new();
        for (tool, needed) in self.tools {
            if let Some(unknown) = needed.iter().find(|name| !known.contains(name)) {
                return Err(wrong(format!("the tool {tool:?} needs the scope {unknown:?}, which is not listed")));
            }
            let needed = ScopeSet::from_names(needed.iter().map(String::as_str));
            tools.push((
                tool,
                needed.ok_or_else(|| wrong("a scope name has characters that are not allowed".to_owned()))?,
            ));
        }
        Ok(ResourceSettings { resource, path, name: self.name, tools })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"
        [[resource]]
        path = "/notes"
        name = "Notes"

        [[resource.scope]]
        name = "notes:read"
        words = "Read your notes"
        words_in = { ko = "노트 읽기" }

        [[resource.scope]]
        name = "notes:write"
        words = "Change your notes"
        default = false
        implies = ["notes:read"]

        [resource.tools]
        erase = ["notes:write"]

        [[resource]]
        uri = "https://tools.example/mcp"
        name = "Elsewhere"
        scope = [{ name = "tools", words = "Use the tools" }]

        [[client]]
        client_id = "portal"
        client_name = "Operations portal"
        redirect_uris = ["https://portal.example/oauth/callback"]
        remember_consent_days = 30

        [[client]]
        client_id = "nightly-report"
        grant_types = ["client_credentials"]
        client_secret_sha256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        scope = "notes:read"
    "#;

    #[track_caller]
    fn refused(text: &str, expected: &str) {
        let settings = File::parse(text).and_then(|file| {
            let all: Result<Vec<_>, _> = file.resource.into_iter().map(ResourceEntry::settings).collect();
            all.map_err(|failure| failure.to_string())
        });
        match settings {
            Ok(_) => panic!("accepted, and should say {expected}"),
            Err(text) => assert!(text.contains(expected), "{text}"),
        }
    }

    #[test]
    fn resources_are_listed_with_their_scopes_and_what_tools_need() {
        let file = File::parse(GOOD).unwrap_or_else(|error| panic!("{error}"));
        let all: Vec<_> =
            file.resource.into_iter().map(|entry| entry.settings().unwrap_or_else(|error| panic!("{error}"))).collect();
        assert_eq!(
            all.iter().map(|one| (one.path.as_deref(), one.name.as_str())).collect::<Vec<_>>(),
            [(Some("/notes"), "Notes"), (None, "Elsewhere")]
        );
        assert_eq!(all[0].tools, [("erase".to_owned(), ScopeSet::from_names(["notes:write"]).unwrap())]);
        assert!(all[1].tools.is_empty());
        let clients: Vec<_> = file.client.iter().map(|client| (client.id().as_str(), client.is_machine())).collect();
        assert_eq!(clients, [("portal", false), ("nightly-report", true)]);
        assert!(File::parse("").unwrap_or_else(|error| panic!("{error}")).resource.is_empty());
    }

    #[test]
    fn the_readmes_file_is_one() {
        let readme = include_str!("../../../README.md");
        let text = readme.split("```toml\n").nth(1).and_then(|rest| rest.split("```").next()).expect("a file");
        let file = File::parse(text).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(file.resource.len(), 1);
        assert!(file.resource.into_iter().all(|entry| entry.settings().is_ok()));
    }

    #[test]
    fn an_unknown_key_is_an_error_that_says_where() {
        refused("[[resource]]\npath = \"/mcp\"\nnmae = \"x\"\n", "line 3: unknown field `nmae`");
        refused(
            "[[resource]]\nname = \"x\"\n[[resource.scope]]\nname = \"a\"\nword = \"x\"\n",
            "line 5: unknown field `word`",
        );
        refused("[[client]]\nclient_id = \"a\"\nredirect_uri = \"x\"\n", "line 3: unknown field `redirect_uri`");
        refused("[[client]]\nclient_id = \"a\"\n", "redirect_uris");
        refused("\n[resources]\n", "line 2: unknown field `resources`");
        refused("[[resource]]\npath = \"/mcp\"\n", "missing field `name`");
        refused("[[resource]\n", "line 1");
        refused("[[resource]]\nname = \"x\"\npath = 1\n", "line 3");
    }

    #[test]
    fn what_contradicts_itself_is_named() {
        refused("[[resource]]\nname = \"x\"\n", "either `path`");
        refused("[[resource]]\nname = \"x\"\npath = \"/a\"\nname_in = { xx = \"y\" }\n", "only in en, ko");
        refused("[[resource]]\nname = \"x\"\npath = \"/a\"\nuri = \"https://a.example\"\n", "either `path`");
        refused(
            "[[resource]]\nname = \"x\"\nuri = \"https://a.example\"\ntools = { erase = [] }\n",
            "for the server to demand",
        );
        refused(
            "[[resource]]\nname = \"x\"\npath = \"/a\"\ntools = { erase = [\"b\"] }\n",
            "\"b\", which is not listed",
        );
    }
}
