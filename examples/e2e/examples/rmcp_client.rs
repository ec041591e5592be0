//! An application on the official Rust SDK, for `examples/clients`: it does what it is told on standard input, a JSON
//! object a line, and answers on standard output. A browser is somebody else's: it asks for a visit.

use std::io::{self, Lines, StdinLock, Write as _};

use rmcp::ServiceExt as _;
use rmcp::model::CallToolRequestParams;
use rmcp::service::{RoleClient, RunningService};
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::transport::auth::{AuthClient, AuthorizationRequest, OAuthState};
use rmcp::transport::streamable_http_client::StreamableHttpClientTransportConfig;
use serde_json::{Value, json};

/// Nobody listens there: the person tells where the browser would have gone.
const REDIRECT: &str = "http://127.0.0.1:49152/callback";

type Failure = Box<dyn std::error::Error + Send + Sync>;
type Session = RunningService<RoleClient, ()>;

struct App {
    url: String,
    document: Option<String>,
    /// Read by the main thread, which has nothing else to do meanwhile.
    input: Lines<StdinLock<'static>>,
    client_id: Option<String>,
    session: Option<Session>,
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let mut arguments = std::env::args().skip(1);
    let url = arguments.next().ok_or("usage: rmcp_client URL [DOCUMENT]")?;
    let input = io::stdin().lines();
    let mut app = App { url, document: arguments.next(), input, client_id: None, session: None };
    while let Some(line) = app.input.next() {
        let command: Value = serde_json::from_str(&line?)?;
        let answer = match command["do"].as_str() {
            Some("whoami") => app.whoami().await,
            Some("plant") => {
                app.session = None;
                app.client_id = command["id"].as_str().map(str::to_owned);
                Ok(Value::Null)
            }
            _ => Err("no such command".into()),
        };
        say(&match answer {
            Ok(value) => json!({"answer": value}),
            Err(error) => json!({"error": format!("{error} ({error:?})")}),
        })?;
    }
    Ok(())
}

fn say(value: &Value) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{value}")?;
    out.flush()
}

impl App {
    /// Calls the tool; if that fails, or nobody is signed in, signs in first.
    async fn whoami(&mut self) -> Result<Value, Failure> {
        if let Some(session) = self.session.take()
            && let Ok(who) = call(&session).await
        {
            self.session = Some(session);
            return Ok(who);
        }
        let session = match self.sign_in().await {
            Ok(session) => session,
            // The kept id is no good any more.
            Err(_) if self.client_id.take().is_some() => self.sign_in().await?,
            Err(error) => return Err(error),
        };
        let who = call(&session).await?;
        self.session = Some(session);
        Ok(who)
    }

    async fn sign_in(&mut self) -> Result<Session, Failure> {
        let mut oauth = OAuthState::new(&self.url, None).await?;
        let request = AuthorizationRequest::new(REDIRECT).with_client_name("Rust application");
        let request = match (&self.client_id, &self.document) {
            (Some(id), _) => request.with_preregistered_client(id),
            (None, Some(document)) => request.with_client_metadata_url(document),
            (None, None) => request,
        };
        oauth.start_authorization(request).await?;
        say(&json!({"visit": oauth.get_authorization_url().await?}))?;
        let landed: Value = serde_json::from_str(&self.input.next().ok_or("nobody answered")??)?;
        oauth.handle_callback_url(landed["landed"].as_str().ok_or("no redirect")?).await?;
        let (client_id, _) = oauth.get_credentials().await?;
        self.client_id = Some(client_id);
        let manager = oauth.into_authorization_manager().ok_or("not signed in")?;
        let http = reqwest::Client::builder().no_proxy().build()?;
        let config = StreamableHttpClientTransportConfig::with_uri(self.url.clone());
        let transport = StreamableHttpClientTransport::with_client(AuthClient::new(http, manager), config);
        Ok(().serve(transport).await?)
    }
}

async fn call(session: &Session) -> Result<Value, Failure> {
    let result = session.call_tool(CallToolRequestParams::new("whoami")).await?;
    let result = serde_json::to_value(result)?;
    Ok(result["structuredContent"].clone())
}
