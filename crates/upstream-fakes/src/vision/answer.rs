//! What a model says, and how.

use actix_web::http::StatusCode;
use serde_json::{Value, json};

use crate::call::Reply;
use crate::vision::question::Question;

/// Percentages as fractions.
const HUNDRED: f64 = 100.0;

/// How a model answers.
#[derive(Debug, Clone, PartialEq)]
pub enum Habit {
    /// As the schema says.
    Clean,
    /// As the schema says, but with names of its own: Ollama before it knew schemas.
    Unschooled,
    /// The JSON in a code fence, with sentences around it.
    Fenced,
    /// After thoughts that contain brackets.
    Thinking,
    /// Confidences from 0 to 1.
    Fractions,
    /// Names alone.
    Names,
    /// Names in a sentence without JSON.
    Plain,
    /// The limit of tokens is reached in the middle.
    CutOff,
    /// It declines.
    Refusal,
    /// These words, whatever the picture.
    Saying(String),
}

/// The answer for the labels that the picture shows, best first.
pub(super) fn answer(habit: &Habit, question: &Question, seen: &[(String, f64)]) -> Reply {
    let allowed = |name: &String| {
        let obeys = question.form.as_deref() == Some("json_schema") && *habit != Habit::Unschooled;
        let names = question.names.as_ref().filter(|_| obeys);
        names.is_none_or(|names| names.contains(name))
    };
    let seen: Vec<_> = seen
        .iter()
        .filter(|(name, _)| allowed(name))
        .take(question.most)
        .collect();
    let labels = |scale: f64| -> Vec<Value> {
        let labels = seen
            .iter()
            .map(|(name, confidence)| json!({"name": name, "confidence": confidence / scale}));
        labels.collect()
    };
    let names: Vec<_> = seen.iter().map(|(name, _)| name.as_str()).collect();
    let clean = json!({ "labels": labels(1.0) }).to_string();
    let (content, reason) = match habit {
        Habit::Clean | Habit::Unschooled => (clean, "stop"),
        Habit::Fenced => (
            format!("Here are the tags:\n\n```json\n{clean}\n```\n\nShall I go on?"),
            "stop",
        ),
        Habit::Thinking => (
            format!("<think>\nA list {{such as}} [this].\n</think>\n\n{clean}"),
            "stop",
        ),
        Habit::Fractions => (json!({ "labels": labels(HUNDRED) }).to_string(), "stop"),
        Habit::Names => (json!({ "tags": names }).to_string(), "stop"),
        Habit::Plain => (names.join(", "), "stop"),
        Habit::CutOff => (
            clean.chars().take(clean.chars().count() / 2).collect(),
            "length",
        ),
        Habit::Refusal => {
            return choice(
                question,
                &json!({"role": "assistant", "content": null, "refusal": "I cannot do that."}),
                "stop",
            );
        }
        Habit::Saying(words) => (words.clone(), "stop"),
    };
    choice(
        question,
        &json!({"role": "assistant", "content": content}),
        reason,
    )
}

fn choice(question: &Question, message: &Value, reason: &str) -> Reply {
    let body = json!({
        "id": "chatcmpl-1", "object": "chat.completion", "created": 1_700_000_000, "model": question.model,
        "choices": [{"index": 0, "message": message, "finish_reason": reason}],
        "usage": {"prompt_tokens": 700, "completion_tokens": 90, "total_tokens": 790},
    });
    Reply::json(StatusCode::OK, &body)
}
