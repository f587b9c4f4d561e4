//! The state of the fake, and its one route.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use actix_web::http::{Method, StatusCode};
use serde::de::Error as _;
use serde_json::{Value, json};

use crate::call::{Call, Reply};
use crate::fault::Route;
use crate::imagga::Sight;
use crate::traffic::Traffic;
use crate::upstream::Upstream;
use crate::vision::answer::{self, Habit};
use crate::vision::question::{ApiError, Question};

/// The path of the route.
const PATH: &str = "/v1/chat/completions";

/// The fake itself, shared by its server and its handle.
#[derive(Debug)]
pub(crate) struct State {
    pub(super) origin: String,
    pub(super) key: Option<String>,
    pub(super) model: String,
    pub(super) traffic: Arc<Traffic>,
    pub(super) sight: Sight,
    habits: Mutex<Habits>,
}

/// What a test may change.
#[derive(Debug)]
pub(super) struct Habits {
    pub(super) habit: Habit,
    /// Parameters that are not known.
    pub(super) refused: Vec<String>,
    /// The text of the last question.
    pub(super) question: String,
}

impl State {
    pub(super) fn new(origin: String, key: Option<String>, model: String) -> Self {
        Self {
            origin,
            key,
            model,
            traffic: Arc::default(),
            sight: Sight::default(),
            habits: Mutex::new(Habits {
                habit: Habit::Clean,
                refused: Vec::new(),
                question: String::new(),
            }),
        }
    }

    pub(super) fn habits(&self) -> MutexGuard<'_, Habits> {
        self.habits.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn attempt(&self, route: Route, call: &Call) -> Result<Reply, ApiError> {
        if route == Route::Unknown {
            return Err(ApiError::new(404, "404 page not found", "not_found"));
        }
        let expected = self.key.as_ref().map(|key| format!("Bearer {key}"));
        if expected.is_some() && call.header("authorization") != expected.as_deref() {
            return Err(ApiError::new(
                401,
                "Incorrect API key provided.",
                "invalid_api_key",
            ));
        }
        if call.content_type().as_deref() != Some("application/json") {
            return Err(ApiError::new(415, "JSON is wanted", "invalid_request"));
        }
        let refused = self.habits().refused.clone();
        let question = Question::read(&call.body, &refused)?;
        self.habits().question.clone_from(&question.text);
        if question.model != self.model {
            let message = format!("model '{}' not found, try pulling it first", question.model);
            return Err(ApiError::new(404, message, "model_not_found"));
        }
        let unread = || ApiError::new(400, "Failed to decode the image", "invalid_request");
        let seen = self.sight.see(question.picture.clone()).await;
        let habit = self.habits().habit.clone();
        Ok(answer::answer(&habit, &question, &seen.ok_or_else(unread)?))
    }
}

impl Upstream for State {
    fn traffic(&self) -> &Arc<Traffic> {
        &self.traffic
    }

    fn route(&self, call: &Call) -> Route {
        match (&call.method, call.path.as_str()) {
            (&Method::POST, PATH) => Route::Chat,
            _ => Route::Unknown,
        }
    }

    async fn answer(&self, route: Route, call: &Call, _http: &reqwest::Client) -> Reply {
        let outcome = self.attempt(route, call).await;
        outcome.unwrap_or_else(|error| error.reply())
    }

    fn failure(&self, status: StatusCode) -> Reply {
        let code = if status == StatusCode::TOO_MANY_REQUESTS {
            "rate_limit_exceeded"
        } else {
            "server_error"
        };
        ApiError::new(status.as_u16(), "The server had an error.", code).reply()
    }

    fn sign(&self, reply: Reply) -> Reply {
        reply.with("x-request-id", "req_1")
    }

    fn apply(&self, _settings: &[u8]) -> Result<(), serde_json::Error> {
        Err(serde_json::Error::custom(
            "a vision server has no settings here",
        ))
    }

    fn stats(&self) -> Value {
        json!({ "question": self.habits().question })
    }

    fn reset(&self) {
        self.sight.fix(None);
    }

    fn control(&self, _call: &Call, _action: &str) -> Option<Reply> {
        None
    }
}
