//! `DELETE /v1/files/{id}` and `POST /v1/files/batch/deleteByFileIds`.

use std::collections::HashSet;

use domain::ports::{HostedBlob, UpstreamError, cause};
use reqwest::{Method, StatusCode};
use serde::Deserialize;
use serde_json::json;
use upstream_http::Answer;

use crate::{Kit, LONGEST_ANSWER};

/// The largest bulk delete.
const MOST_AT_ONCE: usize = 100;

/// The response to a bulk delete: 200, or 207 if some could not be deleted.
#[derive(Debug, Deserialize)]
struct Deleted {
    #[serde(rename = "successfullyDeletedFileIds")]
    ids: HashSet<String>,
}

/// A 404 to a bulk delete: nothing was deleted, because these files do not exist.
#[derive(Debug, Deserialize)]
struct Missing {
    #[serde(rename = "missingFileIds")]
    ids: HashSet<String>,
}

/// Any 404 of ImageKit's.
#[derive(Debug, Deserialize)]
struct NotFound {
    #[serde(rename = "message")]
    _message: String,
}

/// Distinct blobs, in chunks for one call each.
pub(crate) fn chunks(blobs: &[HostedBlob]) -> Vec<Vec<HostedBlob>> {
    let mut seen = HashSet::new();
    let blobs: Vec<HostedBlob> = blobs
        .iter()
        .filter(|blob| seen.insert(&blob.id))
        .cloned()
        .collect();
    blobs.chunks(MOST_AT_ONCE).map(<[_]>::to_vec).collect()
}

impl Kit {
    /// Deletes at most [`MOST_AT_ONCE`] blobs.
    pub(crate) async fn delete(&self, blobs: &[HostedBlob]) -> Result<(), UpstreamError> {
        match blobs {
            [] => Ok(()),
            [blob] => self.delete_one(&blob.id).await,
            _ => self.delete_many(blobs).await,
        }
    }

    async fn delete_one(&self, id: &str) -> Result<(), UpstreamError> {
        let url = self.api_url.route(&["v1", "files", id]);
        let request = self.service.request(Method::DELETE, url);
        let answer = self.service.send(request, LONGEST_ANSWER).await?;
        match answer.status() {
            status if status.is_success() => Ok(()),
            // A 404 of some other server says nothing about the file.
            StatusCode::NOT_FOUND => self.service.json::<NotFound>(&answer).map(|_| ()),
            _ => Err(self.failure(&answer)),
        }
    }

    /// One missing file fails the whole call, so the rest is requested again; each call must make the rest
    /// smaller.
    async fn delete_many(&self, blobs: &[HostedBlob]) -> Result<(), UpstreamError> {
        let mut left: Vec<&str> = blobs.iter().map(|blob| blob.id.as_str()).collect();
        while !left.is_empty() {
            let answer = self.ask_for_deletion(&left).await?;
            let gone = self.gone(&answer)?;
            let before = left.len();
            left.retain(|id| !gone.contains(*id));
            if left.len() == before {
                return Err(UpstreamError::Unavailable {
                    retry_after: answer.retry_after(),
                    source: cause(self.service.error_report(&answer)),
                });
            }
        }
        Ok(())
    }

    async fn ask_for_deletion(&self, ids: &[&str]) -> Result<Answer, UpstreamError> {
        let url = self
            .api_url
            .route(&["v1", "files", "batch", "deleteByFileIds"]);
        let request = self.service.request(Method::POST, url);
        let request = request.json(&json!({ "fileIds": ids }));
        self.service.send(request, LONGEST_ANSWER).await
    }

    /// The files that no longer exist, by the response to a bulk delete.
    fn gone(&self, answer: &Answer) -> Result<HashSet<String>, UpstreamError> {
        match answer.status() {
            status if status.is_success() => Ok(self.service.json::<Deleted>(answer)?.ids),
            StatusCode::NOT_FOUND => Ok(self.service.json::<Missing>(answer)?.ids),
            _ => Err(self.failure(answer)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blob(n: usize) -> HostedBlob {
        HostedBlob {
            id: n.to_string(),
            url: format!("https://ik.imagekit.io/demo/{n}.jpg"),
        }
    }

    #[test]
    fn chunks_hold_each_blob_once() {
        let blobs: Vec<_> = (0..250).chain(0..250).map(blob).collect();
        let chunks = chunks(&blobs);
        let sizes: Vec<_> = chunks.iter().map(Vec::len).collect();
        assert_eq!(sizes, [100, 100, 50]);
        assert_eq!(chunks.concat(), blobs[..250]);
    }

    #[test]
    fn nothing_is_no_chunk() {
        assert!(chunks(&[]).is_empty());
    }
}
