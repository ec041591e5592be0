//! HTTP to the provider: a trait over `http` types, and its reqwest implementation.

use std::fmt;

use async_trait::async_trait;

/// The provider could not be reached, or its answer could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct FetchError(pub String);

/// Sends one request to the provider the operator configured. Not for addresses that a stranger named.
#[async_trait]
pub trait HttpFetch: fmt::Debug + Send + Sync + 'static {
    /// Sends `request`; follows no redirect, waits a bounded time, reads a bounded body.
    ///
    /// # Errors
    /// [`FetchError`] if there is no answer in time or it is too large.
    async fn fetch(&self, request: http::Request<Vec<u8>>) -> Result<http::Response<Vec<u8>>, FetchError>;
}

#[cfg(feature = "http-client")]
mod client {
    use std::time::Duration;

    use super::{FetchError, HttpFetch, async_trait};

    /// Discovery documents, key sets and token responses are far smaller.
    const MAX_BODY: usize = 1024 * 1024;
    const DEADLINE: Duration = Duration::from_secs(10);

    /// [`HttpFetch`] by reqwest with rustls: no redirects, 10 s in all, at most 1 MiB.
    #[derive(Debug, Clone)]
    pub struct ReqwestFetch(reqwest::Client);

    impl ReqwestFetch {
        /// A client of its own. Proxies from the environment apply: the provider is the operator's choice.
        ///
        /// # Errors
        /// [`FetchError`] if TLS cannot be set up, for example without root certificates.
        pub fn new() -> Result<Self, FetchError> {
            reqwest::Client::builder()
                .redirect(reqwest::redirect::Policy::none())
                .connect_timeout(Duration::from_secs(5))
                .timeout(DEADLINE)
                .user_agent(concat!("dcr/", env!("CARGO_PKG_VERSION")))
                .build()
                .map(Self)
                .map_err(|e| FetchError(format!("the HTTP client could not be set up: {e}")))
        }
    }

    #[async_trait]
    impl HttpFetch for ReqwestFetch {
        async fn fetch(&self, request: http::Request<Vec<u8>>) -> Result<http::Response<Vec<u8>>, FetchError> {
            // `without_url`: a URL may carry what must not reach a log.
            let failed = |e: reqwest::Error| FetchError(e.without_url().to_string());
            let request = reqwest::Request::try_from(request).map_err(failed)?;
            let mut response = self.0.execute(request).await.map_err(failed)?;
            let mut body = Vec::new();
            while let Some(chunk) = response.chunk().await.map_err(failed)? {
                if body.len() + chunk.len() > MAX_BODY {
                    return Err(FetchError("the answer is larger than 1 MiB".to_owned()));
                }
                body.extend_from_slice(&chunk);
            }
            let mut answer = http::Response::new(body);
            *answer.status_mut() = response.status();
            *answer.headers_mut() = response.headers().clone();
            Ok(answer)
        }
    }
}

#[cfg(feature = "http-client")]
pub use self::client::ReqwestFetch;
