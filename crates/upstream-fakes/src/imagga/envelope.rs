//! The envelope of a successful response.

use actix_web::http::StatusCode;
use serde_json::{Value, json};

use crate::call::Reply;

pub(super) fn success(result: &Value) -> Reply {
    let body = json!({ "result": result, "status": { "text": "", "type": "success" } });
    Reply::json(StatusCode::OK, &body)
}
