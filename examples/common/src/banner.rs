//! What is printed at the start: what to do next, where things are, and nothing secret.

use std::fmt;
use std::io::{self, Write as _};

/// What is printed.
pub(crate) struct Banner {
    pub(crate) name: String,
    pub(crate) mcp_url: String,
    /// Of further servers.
    pub(crate) more_urls: Vec<String>,
    pub(crate) login: Login,
    pub(crate) data: String,
    /// Where the operator's console is, if there is one.
    pub(crate) console: Option<String>,
    /// Where metrics are shown, if they are.
    pub(crate) metrics: Option<String>,
}

/// Who signs people in.
pub(crate) enum Login {
    Entra { tenant: String },
    Oidc { issuer: String },
    Development { url: String },
}

impl Banner {
    pub(crate) fn print(&self) {
        let mut out = io::stdout().lock();
        // A server runs as well with its output closed.
        let _: io::Result<()> = write!(out, "{self}").and_then(|()| out.flush());
    }
}

impl fmt::Display for Banner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, mcp_url, more_urls, login, data, console, metrics } = self;
        let urls = if more_urls.is_empty() { "this URL" } else { "one of these URLs" };
        writeln!(f, "{name} is ready. Add {urls} to an MCP client and sign in; it needs no client id and no secret:")?;
        writeln!(f)?;
        for url in std::iter::once(mcp_url).chain(more_urls) {
            writeln!(f, "    {url}")?;
        }
        writeln!(f)?;
        writeln!(f, "Claude Code:      claude mcp add --transport http example {mcp_url}")?;
        writeln!(
            f,
            "Inspector:        npx @modelcontextprotocol/inspector --cli {mcp_url} --transport http --method tools/list"
        )?;
        writeln!(f, "Inspector, web:   npx @modelcontextprotocol/inspector --server-url {mcp_url} --transport http")?;
        writeln!(f)?;
        match login {
            Login::Entra { tenant } => writeln!(f, "Sign-in:          Microsoft Entra ID, tenant {tenant}")?,
            Login::Oidc { issuer } => writeln!(f, "Sign-in:          {issuer}")?,
            Login::Development { url } => {
                writeln!(f, "Sign-in:          development provider at {url}")?;
                writeln!(f, "                  DEVELOPMENT ONLY: it checks no password")?;
            }
        }
        writeln!(f, "Data:             {data}")?;
        if let Some(console) = console {
            writeln!(f, "Console:          {console}")?;
        }
        if let Some(metrics) = metrics {
            writeln!(f, "Metrics:          {metrics}")?;
        }
        writeln!(f, "Stop:             ctrl-c")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_banner_says_where_the_console_is_if_there_is_one() {
        let mut banner = Banner {
            name: "Test".to_owned(),
            mcp_url: "https://mcp.example/mcp".to_owned(),
            more_urls: Vec::new(),
            login: Login::Oidc { issuer: "https://idp.example".to_owned() },
            data: "in memory".to_owned(),
            console: None,
            metrics: None,
        };
        assert!(!banner.to_string().contains("Console:"));
        banner.console = Some("https://admin.example/oauth/admin".to_owned());
        assert!(banner.to_string().contains("\nConsole:          https://admin.example/oauth/admin\n"));
    }
}
