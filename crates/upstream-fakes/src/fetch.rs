//! Fetches pictures by their public URL, as both services do.

use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;

/// Longest picture that is fetched, in bytes.
const LIMIT: usize = 64 * 1024 * 1024;

/// The bytes at the URL; `None` without a successful response.
pub(crate) async fn picture(http: &reqwest::Client, url: &str) -> Option<Bytes> {
    let answer = http.get(url).send().await.ok()?.error_for_status().ok()?;
    let mut bytes = BytesMut::new();
    let mut chunks = answer.bytes_stream();
    while let Some(chunk) = chunks.next().await {
        bytes.extend_from_slice(&chunk.ok()?);
        if bytes.len() > LIMIT {
            return None;
        }
    }
    Some(bytes.freeze())
}
