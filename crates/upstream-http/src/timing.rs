//! Durations of calls, by the names of OpenTelemetry.

use std::time::Instant;

use metrics::{Label, histogram};
use reqwest::{Request, StatusCode};

const DURATION: &str = "http_client_request_duration_seconds";

/// A call, measured until it is dropped. Without an outcome it was cancelled, for instance by a time-out around it.
pub(crate) struct Timing {
    method: &'static str,
    server: String,
    status: Option<StatusCode>,
    error: &'static str,
    began: Instant,
}

impl Timing {
    pub(crate) fn begin(request: &Request) -> Self {
        Self {
            method: method(request.method().as_str()),
            // Hosts are those of the settings, so there are few.
            server: request.url().host_str().unwrap_or_default().to_owned(),
            status: None,
            error: "cancelled",
            began: Instant::now(),
        }
    }

    /// A response has come, as a whole or not.
    pub(crate) fn answered(&mut self, status: StatusCode) {
        self.status = Some(status);
        self.error = "";
    }

    /// The call has failed.
    pub(crate) fn failed(&mut self, error: &reqwest::Error) {
        self.error = if error.is_timeout() {
            "timeout"
        } else if error.is_connect() {
            "connect"
        } else {
            "broken"
        };
    }
}

impl Drop for Timing {
    fn drop(&mut self) {
        let status = self.status.map(|status| status.as_u16().to_string());
        let labels = vec![
            Label::from_static_parts("http_request_method", self.method),
            Label::new("server_address", std::mem::take(&mut self.server)),
            Label::new("http_response_status_code", status.unwrap_or_default()),
            Label::from_static_parts("error_type", self.error),
        ];
        histogram!(DURATION, labels).record(self.began.elapsed());
    }
}

/// The methods that services are called with.
fn method(name: &str) -> &'static str {
    let known = ["GET", "POST", "PUT", "PATCH", "DELETE"];
    let found = known.into_iter().find(|known| *known == name);
    found.unwrap_or("_OTHER")
}

#[cfg(test)]
mod tests {
    use metrics_exporter_prometheus::PrometheusBuilder;
    use reqwest::{Method, Url};

    use super::*;

    #[test]
    fn calls_are_measured_by_host_and_outcome() {
        let recorder = PrometheusBuilder::new().build_recorder();
        let handle = recorder.handle();
        metrics::with_local_recorder(&recorder, || {
            let url = Url::parse("https://api.example.com/v2/tags?secret=1").unwrap();
            let request = Request::new(Method::POST, url);
            Timing::begin(&request).answered(StatusCode::TOO_MANY_REQUESTS);
            drop(Timing::begin(&request));
        });
        let text = handle.render();
        for (status, error) in [("429", ""), ("", "cancelled")] {
            let line = format!(
                "{DURATION}_count{{http_request_method=\"POST\",server_address=\"api.example.com\",\
                 http_response_status_code=\"{status}\",error_type=\"{error}\"}} 1\n"
            );
            assert!(text.contains(&line), "{line} in {text}");
        }
        assert!(!text.contains("secret"), "{text}");
    }
}
