//! Metrics of requests, by the names of OpenTelemetry.

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use actix_web::http::{Method, StatusCode};
use metrics::{Gauge, Histogram, gauge, histogram};

use crate::rights;

const DURATION: &str = "http_server_request_duration_seconds";
const ACTIVE: &str = "http_server_active_requests";

/// The route of all requests that no route takes.
const UNMATCHED: &str = "unmatched";

/// The method of requests whose method is none of [`METHODS`], or could not be read.
const OTHER: &str = "_OTHER";

/// The methods of HTTP (RFC 9110, RFC 5789). Any other is a client's invention, of which there may be many.
const METHODS: [&str; 9] = [
    "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "CONNECT", "TRACE",
];

/// Method, route, status.
type Series = (&'static str, &'static str, u16);

/// Measures requests. Clones share the series, each of which is looked up once.
#[derive(Clone)]
pub(crate) struct RequestMetrics {
    active: Gauge,
    durations: Arc<RwLock<HashMap<Series, Histogram>>>,
}

impl RequestMetrics {
    pub(crate) fn new() -> Self {
        Self {
            active: gauge!(ACTIVE),
            durations: Arc::default(),
        }
    }

    /// A request has begun.
    pub(crate) fn begun(&self) {
        self.active.increment(1.0);
    }

    /// A request has ended, its answer included.
    pub(crate) fn ended(
        &self,
        method: Option<&Method>,
        route: Option<&str>,
        status: Option<StatusCode>,
        duration: Duration,
    ) {
        self.active.decrement(1.0);
        let status = status.map_or(0, |status| status.as_u16());
        let series = (known_method(method), known_route(route), status);
        self.duration(series).record(duration);
    }

    fn duration(&self, series: Series) -> Histogram {
        let durations = self.durations.read();
        let durations = durations.unwrap_or_else(PoisonError::into_inner);
        if let Some(histogram) = durations.get(&series) {
            return histogram.clone();
        }
        drop(durations);
        let (method, route, status) = series;
        let histogram = histogram!(
            DURATION,
            "http_request_method" => method,
            "http_route" => route,
            "http_response_status_code" => status.to_string(),
        );
        let durations = self.durations.write();
        let mut durations = durations.unwrap_or_else(PoisonError::into_inner);
        durations.entry(series).or_insert(histogram).clone()
    }
}

fn known_method(method: Option<&Method>) -> &'static str {
    let given = method.map_or(OTHER, Method::as_str);
    let known = METHODS.into_iter().find(|known| *known == given);
    known.unwrap_or(OTHER)
}

/// Patterns of routes are those of the table of rights.
fn known_route(route: Option<&str>) -> &'static str {
    let mut rows = rights::TABLE.iter();
    let known = route.and_then(|route| rows.find(|(known, ..)| *known == route));
    known.map_or(UNMATCHED, |(known, ..)| known)
}

#[cfg(test)]
mod tests {
    use metrics_exporter_prometheus::PrometheusBuilder;

    use super::*;

    fn ended(metrics: &RequestMetrics, method: &str, route: Option<&str>, status: u16) {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let status = StatusCode::from_u16(status).unwrap();
        metrics.begun();
        let duration = Duration::from_millis(3);
        metrics.ended(Some(&method), route, Some(status), duration);
    }

    #[test]
    fn requests_are_measured_by_method_route_and_status() {
        let recorder = PrometheusBuilder::new().build_recorder();
        let handle = recorder.handle();
        metrics::with_local_recorder(&recorder, || {
            let metrics = RequestMetrics::new();
            for _ in 0..3 {
                ended(&metrics, "GET", Some("/image/{id}"), 200);
            }
            metrics.begun();
        });
        let text = handle.render();
        let line = format!(
            "{DURATION}_count{{http_request_method=\"GET\",http_route=\"/image/{{id}}\",\
             http_response_status_code=\"200\"}} 3\n"
        );
        assert!(text.contains(&line), "{line} in {text}");
        assert!(text.contains(&format!("{ACTIVE} 1\n")), "{text}");
    }

    /// Clients choose paths and methods freely; the number of series must not follow.
    #[test]
    fn clients_cannot_make_series() {
        let recorder = PrometheusBuilder::new().build_recorder();
        let handle = recorder.handle();
        metrics::with_local_recorder(&recorder, || {
            let metrics = RequestMetrics::new();
            for n in 0..200 {
                ended(&metrics, &format!("BREW{n}"), None, 404);
                ended(&metrics, "GET", Some(&format!("/nowhere/{n}")), 404);
                metrics.begun();
                metrics.ended(None, None, None, Duration::ZERO);
            }
        });
        let text = handle.render();
        let series: Vec<_> = text.lines().filter(|l| l.contains("_count{")).collect();
        assert_eq!(series.len(), 3, "{series:?}");
        for (method, status) in [(OTHER, "404"), ("GET", "404"), (OTHER, "0")] {
            let labels = format!(
                "http_request_method=\"{method}\",http_route=\"{UNMATCHED}\",http_response_status_code=\"{status}\"}} 200"
            );
            assert!(text.contains(&labels), "{labels} in {text}");
        }
    }
}
