//! Responses to input that never became a request, serialised here because the HTTP library knows nothing
//! of them.

use std::time::SystemTime;

use actix_web::{
    HttpResponse,
    body::MessageBody as _,
    http::{
        StatusCode,
        header::{CONTENT_TYPE, HttpDate},
    },
};

use crate::{
    access_log::Record,
    problem::{MEDIA_TYPE, Problem},
    request_id::{REQUEST_ID, RequestId},
    security_headers::ALWAYS,
    state::State,
};

/// A response that ends its connection. Its log record is written on drop.
pub(crate) struct Refusal {
    bytes: Vec<u8>,
    body: u64,
    status: StatusCode,
    record: Record,
}

/// Builds the problem response to input that could not be parsed, under that id.
pub(crate) fn refuse(state: &State, problem: &Problem, id: &RequestId) -> Refusal {
    let span = tracing::info_span!("request", request_id = id.as_str());
    span.in_scope(|| problem.log());
    let status = problem.code().status();
    let body = body(problem.answer(id.as_str()));
    let mut record = Record::begin(state, span);
    record.refused(status, None);
    Refusal {
        bytes: written(status, id, &body),
        body: body.len() as u64,
        status,
        record,
    }
}

impl Refusal {
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Records that it was sent.
    pub(crate) fn sent(mut self) {
        self.record.refused(self.status, Some(self.body));
    }
}

fn body(answer: HttpResponse) -> Vec<u8> {
    // Problem documents are always in memory as a whole.
    let body = answer.into_body().try_into_bytes();
    body.map(Into::into).unwrap_or_default()
}

fn written(status: StatusCode, id: &RequestId, body: &[u8]) -> Vec<u8> {
    let [(name, value), (other_name, other_value)] = ALWAYS;
    let head = format!(
        "HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n\
         {CONTENT_TYPE}: {MEDIA_TYPE}\r\n{REQUEST_ID}: {id}\r\n{name}: {value}\r\n\
         {other_name}: {other_value}\r\ndate: {date}\r\n\r\n",
        length = body.len(),
        id = id.as_str(),
        date = HttpDate::from(SystemTime::now()),
    );
    [head.as_bytes(), body].concat()
}
