//! `POST /chat/completions`.

use base64::{Engine, engine::general_purpose::STANDARD};
use domain::EncodedPicture;
use reqwest::{Method, RequestBuilder};
use serde_json::{Map, Value, json};

use crate::{
    VisionServer,
    negotiation::{Form, Offer},
    prompt::{self, MOST_WORDS},
};

/// Tokens of an answer: a name with its confidence takes some twenty.
const TOKENS_OF_A_TAG: usize = 30;

/// Tokens of any answer: for what models write around the list.
const TOKENS_BESIDE: usize = 200;

/// A picture as a data URL (RFC 2397).
pub(crate) fn data_url(file: &EncodedPicture) -> String {
    let mut url = format!("data:{};base64,", file.media_type.as_str());
    STANDARD.encode_string(&file.bytes, &mut url);
    url
}

impl VisionServer {
    pub(crate) fn request(
        &self,
        picture: &str,
        words: Option<&[String]>,
        offer: &Offer,
    ) -> RequestBuilder {
        let url = self.base_url.route(&["chat", "completions"]);
        self.service
            .request(Method::POST, url)
            .json(&self.body(picture, words, offer))
    }

    fn body(&self, picture: &str, words: Option<&[String]>, offer: &Offer) -> Value {
        let question = prompt::question(&self.settings, words, offer.form() != Form::Free);
        let tokens = self.settings.max_tags * TOKENS_OF_A_TAG + TOKENS_BESIDE;
        let mut body = Map::new();
        let mut add = |name: &str, value: Value| {
            if offer.has(name) {
                body.insert(name.to_owned(), value);
            }
        };
        add("model", json!(self.settings.model));
        add("stream", json!(false));
        add(
            "messages",
            json!([{"role": "user", "content": [
                {"type": "text", "text": question},
                {"type": "image_url", "image_url": {"url": picture, "detail": "low"}},
            ]}]),
        );
        add("temperature", json!(0));
        add("max_tokens", json!(tokens));
        add("max_completion_tokens", json!(tokens));
        // Thinking costs minutes and gives no better names: by OpenAI's word, and by that of vLLM and llama.cpp.
        add("reasoning_effort", json!("none"));
        add("chat_template_kwargs", json!({"enable_thinking": false}));
        match offer.form() {
            Form::Schema => add("response_format", schema(words, self.settings.max_tags)),
            Form::Json => add("response_format", json!({"type": "json_object"})),
            Form::Free => {}
        }
        Value::Object(body)
    }
}

/// The form of an answer, as OpenAI's structured output takes it.
fn schema(words: Option<&[String]>, max_tags: usize) -> Value {
    let name = match words {
        Some(words) if !words.is_empty() && words.len() <= MOST_WORDS => {
            json!({"type": "string", "enum": words})
        }
        _ => json!({"type": "string"}),
    };
    json!({"type": "json_schema", "json_schema": {"name": "labels", "strict": true, "schema": {
        "type": "object", "additionalProperties": false, "required": ["labels"],
        "properties": {"labels": {"type": "array", "maxItems": max_tags, "items": {
            "type": "object", "additionalProperties": false, "required": ["name", "confidence"],
            "properties": {"name": name, "confidence": {"type": "number"}},
        }}},
    }}})
}
