//! The body of an answer, as it arrives.

use bytes::Bytes;
use futures_util::{
    StreamExt,
    stream::{self, BoxStream},
};
use reqwest::{Response, StatusCode, header::CONTENT_ENCODING};

use crate::{
    deadline::Deadline,
    error::{Failure, FetchError},
};

/// A successful answer whose body has yet to arrive.
pub struct Fetched {
    /// Length of the body in bytes, if the server declares it; never more than allowed.
    pub length: Option<u64>,
    /// The body, of at most the bytes allowed. Ends after the first error; the deadline of the
    /// whole fetch counts on while nothing is read. Dropping it closes the connection.
    pub stream: BoxStream<'static, Result<Bytes, FetchError>>,
}

struct Body {
    response: Response,
    /// Bytes that may still come, of at most `limit`.
    remaining: u64,
    limit: u64,
    deadline: Deadline,
}

impl Fetched {
    /// Checks status, encoding and declared length.
    pub(crate) fn new(
        response: Response,
        limit: u64,
        deadline: Deadline,
    ) -> Result<Self, FetchError> {
        let status = response.status();
        // Others of success carry a part of the picture (206), or something else.
        if status != StatusCode::OK {
            return Err(Failure::Status(status.as_u16()).into());
        }
        if is_encoded(&response) {
            return Err(Failure::Encoded.into());
        }
        let length = response.content_length();
        if length.is_some_and(|length| length > limit) {
            return Err(Failure::TooLarge { limit }.into());
        }
        let body = Body {
            response,
            remaining: limit,
            limit,
            deadline,
        };
        let stream = stream::try_unfold(body, Body::next).boxed();
        Ok(Self { length, stream })
    }
}

impl Body {
    async fn next(mut self) -> Result<Option<(Bytes, Self)>, FetchError> {
        let Some(chunk) = self.deadline.run(self.response.chunk()).await? else {
            return Ok(None);
        };
        let limit = self.limit;
        let remaining = self.remaining.checked_sub(chunk.len() as u64);
        self.remaining = remaining.ok_or(Failure::TooLarge { limit })?;
        Ok(Some((chunk, self)))
    }
}

fn is_encoded(response: &Response) -> bool {
    let encodings = response.headers().get_all(CONTENT_ENCODING);
    encodings
        .iter()
        .any(|encoding| !encoding.as_bytes().eq_ignore_ascii_case(b"identity"))
}
