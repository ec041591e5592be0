//! What watches a server: probes, and metrics for Prometheus at an address of their own, which is not public.

use std::convert::Infallible;
use std::net::SocketAddr;

use bytes::Bytes;
use dcr_core::DcrEngine;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tokio::net::TcpListener;
use tokio::time::{Duration, sleep};

use crate::{Failure, Stop};

/// From a tenth of a millisecond, which is a look-up, to ten seconds, which is somebody who gives up.
const BUCKETS: [f64; 15] =
    [0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0];
/// What histograms take in is merged at least so often, whether or not anybody looks.
const UPKEEP: Duration = Duration::from_secs(5);

/// `GET /healthz`: whether the process answers at all. Whoever gets no answer starts it anew.
#[must_use]
pub const fn healthz() -> &'static str {
    "ok\n"
}

/// `GET /readyz`: whether requests can be answered; 503 while the database is away. It says no more: anybody may ask.
pub async fn readyz(engine: DcrEngine) -> (StatusCode, &'static str) {
    match engine.ready().await {
        Ok(()) => (StatusCode::OK, "ready\n"),
        Err(_) => (StatusCode::SERVICE_UNAVAILABLE, "not ready: the store does not answer\n"),
    }
}

/// The listener for Prometheus.
pub(crate) struct Watch {
    listener: TcpListener,
    address: SocketAddr,
    metrics: PrometheusHandle,
}

impl Watch {
    /// Takes the port, and installs the recorder of this process.
    pub(crate) async fn bind(address: SocketAddr) -> Result<Self, Failure> {
        let failed = |error: String| Failure::start(format!("no metrics at {address} (DCR_METRICS_BIND): {error}"));
        let listener = TcpListener::bind(address).await.map_err(|error| failed(error.to_string()))?;
        let address = listener.local_addr().map_err(|error| failed(error.to_string()))?;
        let metrics = PrometheusBuilder::new()
            .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &BUCKETS)
            .and_then(PrometheusBuilder::install_recorder)
            .map_err(|error| failed(error.to_string()))?;
        dcr_core::metrics::describe();
        Ok(Self { listener, address, metrics })
    }

    /// Answers from now on until a stop is asked for; says where.
    pub(crate) fn start(self, engine: DcrEngine, stop: Stop) -> String {
        let url = format!("http://{}/metrics", self.address);
        tracing::info!(url, "metrics");
        let metrics = self.metrics.clone();
        tokio::spawn(async move {
            loop {
                sleep(UPKEEP).await;
                metrics.run_upkeep();
            }
        });
        tokio::spawn(async move {
            loop {
                let connection = tokio::select! {
                    accepted = self.listener.accept() => accepted,
                    () = stop.requested() => return,
                };
                // One that could not be accepted: the next one may be.
                let Ok((connection, _)) = connection else {
                    sleep(Duration::from_millis(100)).await;
                    continue;
                };
                let (engine, metrics) = (engine.clone(), self.metrics.clone());
                let answers = service_fn(move |request| answer(request, engine.clone(), metrics.clone()));
                tokio::spawn(async move {
                    let served = http1::Builder::new()
                        .timer(TokioTimer::new())
                        .header_read_timeout(Duration::from_secs(10))
                        .serve_connection(TokioIo::new(connection), answers);
                    if let Err(error) = served.await {
                        tracing::debug!(%error, "a connection for metrics broke off");
                    }
                });
            }
        });
        url
    }
}

async fn answer(
    request: Request<Incoming>,
    engine: DcrEngine,
    metrics: PrometheusHandle,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (status, text) = if request.method() != Method::GET {
        (StatusCode::METHOD_NOT_ALLOWED, "GET only\n".to_owned())
    } else {
        match request.uri().path() {
            "/metrics" => {
                if let Err(refusal) = engine.observe().await {
                    tracing::warn!(%refusal, "rows could not be counted");
                }
                (StatusCode::OK, metrics.render())
            }
            "/healthz" => (StatusCode::OK, healthz().to_owned()),
            "/readyz" => {
                let (status, text) = readyz(engine).await;
                (status, text.to_owned())
            }
            _ => (StatusCode::NOT_FOUND, "here are /metrics, /healthz and /readyz\n".to_owned()),
        }
    };
    let mut response = Response::new(Full::from(text));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if status == StatusCode::METHOD_NOT_ALLOWED {
        headers.insert(ALLOW, HeaderValue::from_static("GET"));
    }
    Ok(response)
}
