//! `/_control`: sets faults and reads counters from another process.

use std::collections::BTreeMap;
use std::time::Duration;

use actix_web::http::StatusCode;
use serde::Deserialize;
use serde::de::Error as _;
use serde_json::{Value, json};

use crate::call::{Call, Reply};
use crate::fault::{Fault, Kind, Route};
use crate::traffic::Traffic;
use crate::upstream::Upstream;

/// Answers one control call; `action` is what follows `/_control/`.
pub(crate) fn answer<U: Upstream>(upstream: &U, call: &Call, action: &str) -> Reply {
    let traffic = upstream.traffic();
    match (call.method.as_str(), action) {
        ("GET", "") => Reply::json(StatusCode::OK, &stats(upstream)),
        ("GET", "requests") => Reply::json(StatusCode::OK, &json!(traffic.requests())),
        ("POST", "faults") => done(Order::read(&call.body).map(|order| order.carry_out(traffic))),
        ("DELETE", "faults") => {
            traffic.heal();
            Reply::empty(StatusCode::NO_CONTENT)
        }
        ("PUT", "settings") => done(upstream.apply(&call.body)),
        ("POST", "reset") => {
            traffic.reset();
            upstream.reset();
            Reply::empty(StatusCode::NO_CONTENT)
        }
        _ => upstream.control(call, action).unwrap_or_else(unknown),
    }
}

fn stats<U: Upstream>(upstream: &U) -> Value {
    let traffic = upstream.traffic();
    json!({
        "routes": traffic.routes(),
        "in_flight": traffic.in_flight(),
        "peak_in_flight": traffic.peak_in_flight(),
        "faults_left": traffic.faults_left(),
        "files": upstream.stats(),
    })
}

fn done(outcome: Result<(), serde_json::Error>) -> Reply {
    match outcome {
        Ok(()) => Reply::empty(StatusCode::NO_CONTENT),
        Err(error) => error_reply(StatusCode::BAD_REQUEST, &error.to_string()),
    }
}

fn unknown() -> Reply {
    error_reply(
        StatusCode::NOT_FOUND,
        "no such control action, or no such picture",
    )
}

fn error_reply(status: StatusCode, error: &str) -> Reply {
    Reply::json(status, &json!({ "error": error }))
}

/// A fault requested over HTTP.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Order {
    route: Route,
    kind: KindName,
    #[serde(default)]
    delay_ms: u64,
    #[serde(default)]
    after_effect: bool,
    /// Status of `kind: status`.
    #[serde(default = "default_status")]
    status: u16,
    body: Option<String>,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    /// How many calls meet it; 1 by default.
    #[serde(default = "once")]
    times: usize,
    /// Every n-th call meets it, until the faults are deleted; instead of `times`.
    every: Option<u64>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum KindName {
    Pass,
    Status,
    Hang,
    Reset,
    HalfBody,
    TruncatedJson,
    Garbage,
}

fn default_status() -> u16 {
    StatusCode::SERVICE_UNAVAILABLE.as_u16()
}

fn once() -> usize {
    1
}

impl Order {
    fn read(body: &[u8]) -> Result<Self, serde_json::Error> {
        let order: Self = serde_json::from_slice(body)?;
        if (200..600).contains(&order.status) {
            Ok(order)
        } else {
            Err(serde_json::Error::custom(
                "the status is not between 200 and 599",
            ))
        }
    }

    fn carry_out(self, traffic: &Traffic) {
        let (route, times, every) = (self.route, self.times, self.every);
        let fault = self.into_fault();
        match every {
            Some(every) => traffic.fail_every(route, every, fault),
            None => traffic.fail_times(route, times, fault),
        }
    }

    fn into_fault(self) -> Fault {
        let kind = match self.kind {
            KindName::Pass => Kind::Pass,
            KindName::Status => Kind::Status {
                status: self.status,
                body: self.body,
                headers: self.headers.into_iter().collect(),
            },
            KindName::Hang => Kind::Hang,
            KindName::Reset => Kind::Reset,
            KindName::HalfBody => Kind::HalfBody,
            KindName::TruncatedJson => Kind::TruncatedJson,
            KindName::Garbage => Kind::Garbage,
        };
        let delay = Duration::from_millis(self.delay_ms);
        Fault {
            kind,
            delay,
            after_effect: self.after_effect,
        }
    }
}
