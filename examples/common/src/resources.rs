//! The MCP servers of an example server: what the engine is told of them, and how each is served.

use dcr_core::{BearerLayer, Language, Resource, ScopeSet};

use crate::file::ResourceEntry;
use crate::{Failure, McpService};

/// One MCP server, as it is configured.
#[derive(Debug, Clone)]
pub(crate) struct ResourceSettings {
    pub(crate) resource: Resource,
    /// Where it is served; nothing if it runs elsewhere.
    pub(crate) path: Option<String>,
    pub(crate) name: String,
    /// What tools need.
    pub(crate) tools: Vec<(String, ScopeSet)>,
}

impl ResourceSettings {
    /// Those of the file, or the one that there is without.
    pub(crate) fn all(
        entries: Vec<ResourceEntry>,
        server_name: &str,
        upstream_scopes: Vec<String>,
    ) -> Result<Vec<Self>, Failure> {
        if entries.is_empty() {
            let mut standard = Self::standard(server_name);
            standard.resource = standard.resource.upstream_scopes(upstream_scopes);
            return Ok(vec![standard]);
        }
        if !upstream_scopes.is_empty() {
            return Err(Failure::configuration(
                "DCR_UPSTREAM_SCOPES is for the one server that there is without a configuration file: write \
                 `upstream_scopes` at each [[resource]] of the file",
            ));
        }
        entries.into_iter().map(ResourceEntry::settings).collect()
    }

    /// The one that there is without a configuration file: every token may use its tools, but for `erase`, for which a
    /// client has to ask the person again (step-up).
    fn standard(name: &str) -> Self {
        const ERASE: &str = "mcp:erase";
        let resource = Resource::new("/mcp", name)
            .scope("mcp", "Use the tools of this server")
            .optional_scope(ERASE, "Erase what the tools of this server keep")
            .implies(ERASE, "mcp")
            .scope_words(Language::Korean, "mcp", "이 서버의 도구 사용")
            .scope_words(Language::Korean, ERASE, "이 서버의 도구에 저장된 내용 삭제");
        let erase = ScopeSet::parse_lossy(ERASE);
        Self {
            resource,
            path: Some("/mcp".to_owned()),
            name: name.to_owned(),
            tools: vec![("erase".to_owned(), erase)],
        }
    }
}

/// An MCP server, ready to be served.
#[derive(Clone)]
#[non_exhaustive]
pub struct Served {
    /// Its path; empty for the root.
    pub path: String,
    /// What stands before it: an access token for it, and the scopes that its tools need.
    pub guard: BearerLayer,
    /// The server itself.
    pub service: McpService,
}
