//! Deletes files one by one and in bulk, and purges their CDN copies.

use actix_web::http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::call::{Call, Reply};
use crate::imagekit::errors::{self, ApiError};
use crate::imagekit::state::{State, valid_id};

/// Largest number of files in one bulk delete.
const MOST_IDS: usize = 100;

impl State {
    pub(super) fn delete(&self, call: &Call) -> Result<Reply, ApiError> {
        let id = valid_id(call.path.strip_prefix("/v1/files/"))?;
        if self.library().release(id, self.has_cdn()) {
            Ok(Reply::empty(StatusCode::NO_CONTENT))
        } else {
            Err(errors::NO_SUCH_FILE)
        }
    }

    /// All or nothing: one unknown id fails the whole call.
    pub(super) fn bulk_delete(&self, call: &Call) -> Result<Reply, ApiError> {
        let ids = bulk_ids(&call.body)?;
        let mut library = self.library();
        let unknown = ids.iter().filter(|id| library.get(id).is_none()).cloned();
        let unknown: Vec<_> = unknown.collect();
        if !unknown.is_empty() {
            return Ok(errors::missing_files(&unknown));
        }
        for id in &ids {
            library.release(id, self.has_cdn());
        }
        Ok(Reply::json(
            StatusCode::OK,
            &json!({ "successfullyDeletedFileIds": ids }),
        ))
    }

    pub(super) fn purge(&self, call: &Call) -> Result<Reply, ApiError> {
        if call.method == Method::GET {
            return purge_status(call.path.strip_prefix("/v1/files/purge/"));
        }
        let body: Value = serde_json::from_slice(&call.body).map_err(|_| errors::INVALID_URL)?;
        let url = body
            .get("url")
            .and_then(Value::as_str)
            .ok_or(errors::INVALID_URL)?;
        let path = url
            .strip_prefix(&self.root())
            .filter(|path| path.starts_with('/'));
        let path = path.ok_or(errors::INVALID_URL)?;
        match path.strip_suffix('*') {
            Some(start) => self
                .library()
                .purge(|candidate| candidate.starts_with(start)),
            None => self.library().purge(|candidate| candidate == path),
        }
        let id = uuid::Uuid::new_v4().to_string();
        Ok(Reply::json(
            StatusCode::CREATED,
            &json!({ "requestId": id }),
        ))
    }
}

fn bulk_ids(body: &[u8]) -> Result<Vec<String>, ApiError> {
    let body: Value = serde_json::from_slice(body).map_err(|_| errors::IDS_MISSING)?;
    let ids = body.get("fileIds").ok_or(errors::IDS_MISSING)?;
    let ids = ids.as_array().ok_or(errors::IDS_NO_ARRAY)?;
    if ids.is_empty() {
        return Err(errors::IDS_EMPTY);
    }
    if ids.len() > MOST_IDS {
        return Err(errors::IDS_TOO_MANY);
    }
    ids.iter()
        .map(|id| valid_id(id.as_str()).map(str::to_owned))
        .collect()
}

/// A purge is complete as soon as it is requested.
fn purge_status(id: Option<&str>) -> Result<Reply, ApiError> {
    let id = id.and_then(|id| uuid::Uuid::try_parse(id).ok());
    id.ok_or(errors::NO_SUCH_PURGE)?;
    Ok(Reply::json(
        StatusCode::OK,
        &json!({ "status": "Completed" }),
    ))
}
