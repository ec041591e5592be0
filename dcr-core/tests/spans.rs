//! The spans in which a request is told, as a subscriber of the host gets them. By itself: who listens is decided for a
//! whole process.

mod support;

use std::io;
use std::sync::{Arc, Mutex};

use support::World;
use tracing_subscriber::fmt::format::FmtSpan;
use tracing_subscriber::fmt::writer::MakeWriter;

const CLAUDE: &str = "https://claude.ai/api/mcp/auth_callback";

/// What a subscriber wrote.
#[derive(Debug, Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl io::Write for Written {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Written {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

#[tokio::test]
async fn spans_have_stable_names_and_ids_that_open_nothing() {
    let written = Written::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_span_events(FmtSpan::CLOSE)
        .with_ansi(false)
        .with_writer(written.clone())
        .finish();
    let _installed = tracing::subscriber::set_default(subscriber);
    let world = World::new().await;
    let id = world.public_client(&[CLAUDE]).await;
    let tokens = world.sign_in(&id, CLAUDE, "ada").await;
    let sid = support::claims(&tokens.access)["sid"].as_str().unwrap().to_owned();

    let lines = String::from_utf8(written.0.lock().unwrap().clone()).unwrap();
    for span in [
        r#"dcr.request{endpoint="register"}"#.to_owned(),
        r#"dcr.request{endpoint="authorize"}"#.to_owned(),
        format!(r#"dcr.request{{endpoint="callback" session={sid}}}:dcr.upstream{{operation="identify"}}"#),
        format!(r#"dcr.request{{endpoint="callback" session={sid}}}:dcr.store{{operation="sign_in"}}"#),
        format!(r#"dcr.request{{endpoint="token" session={sid}}}:dcr.store{{operation="advance"}}"#),
    ] {
        assert!(lines.contains(&span), "{span} in\n{lines}");
    }
    for secret in [&tokens.access, &tokens.refresh] {
        assert!(!lines.contains(secret.as_str()), "I-14");
    }
}
