//! What happens to every request and every answer, whatever the route: a request id, limits, the
//! form of problems, the log.

mod answer;
mod body;
mod cors;
mod host;

use std::{rc::Rc, sync::Arc};

use actix_web::{
    Error, HttpMessage as _, HttpResponse,
    body::{BodySize, BoxBody, MessageBody as _},
    dev::{ServiceRequest, ServiceResponse},
    http::{ConnectionType, Version},
    middleware::Next,
};
use tracing::Instrument;

pub(super) use self::answer::Answer;
use self::body::Unread;
pub(super) use self::cors::check_costly_read;
pub use self::{
    cors::Origin,
    host::{HostCheck, host_name},
};
use super::{
    access_log::Record,
    connection::{Connection, Framing},
    problem::{Code, Dialect, Problem},
    request_id::{REQUEST_ID, RequestId},
    security_headers,
    state::State,
    trace_context::TraceParent,
};

/// The route that answers also while the server shuts down.
const LIVENESS: &str = "/livez";

/// Wraps the handling of a request.
pub(super) async fn guard(
    state: Arc<State>,
    mut request: ServiceRequest,
    next: Next<BoxBody>,
) -> Result<ServiceResponse<Answer>, Error> {
    let id = RequestId::from_headers(request.headers());
    request.extensions_mut().insert(id.clone());
    let trace = TraceParent::from_headers(request.headers());
    let span = tracing::info_span!(
        "request",
        request_id = id.as_str(),
        trace_id = trace.map(|trace| trace.trace_id),
        parent_id = trace.map(|trace| trace.parent_id),
    );
    let connection = request.conn_data::<Rc<Connection>>();
    let framing = Framing::of(request.request());
    let connection = connection.map(|connection| connection.begin(&id, framing));
    let record = Record::begin(&state, span.clone()).requested(&request);
    let unread = Unread::hold(&mut request);
    let handling = async {
        match check(&state, &request) {
            Ok(()) => next.call(request).await,
            Err(problem) => Ok(request.error_response(problem)),
        }
    };
    let mut response = handling.instrument(span.clone()).await?;
    if let Some(answer) = span.in_scope(|| problem_answer(&response, &id)) {
        response = response.into_response(answer);
    }
    response.headers_mut().insert(REQUEST_ID, id.header());
    security_headers::add(&mut response);
    cors::allow(&mut response, &state.settings.cors_origins);
    frame(&state, &mut response);
    let record = record.answered(&response);
    if let Some(connection) = &connection {
        connection.answered();
    }
    Ok(response.map_body(|_, body| Answer::new(body, connection, record, unread)))
}

/// Refuses requests that no route should see.
fn check(state: &State, request: &ServiceRequest) -> Result<(), Problem> {
    let settings = &state.settings;
    settings.hosts.check(request)?;
    if state.shutdown.is_cancelled() && request.path() != LIVENESS {
        return Err(Problem::new(
            Code::Unavailable,
            "the server is shutting down",
        ));
    }
    // As the client wrote it: without scheme and host, which are seldom there.
    let url = request
        .uri()
        .path_and_query()
        .map_or(0, |url| url.as_str().len());
    if url > settings.url_bytes {
        return Err(Problem::uri_too_long(settings.url_bytes));
    }
    let headers = request.headers().iter();
    let headers: usize = headers
        .map(|(name, value)| name.as_str().len() + value.len())
        .sum();
    if headers > settings.header_bytes {
        return Err(Problem::headers_too_large(settings.header_bytes));
    }
    cors::check(
        request.request(),
        &settings.cors_origins,
        &settings.trusted_proxies,
    )
}

/// Sees to it that the client can tell where the answer ends, and that the connection ends when the
/// server does.
fn frame(state: &State, response: &mut ServiceResponse) {
    let is_old = response.request().version() < Version::HTTP_11;
    let is_streamed = response.response().body().size() == BodySize::Stream;
    let head = response.response_mut().head_mut();
    if is_old && is_streamed {
        // Chunks came with HTTP/1.1; before, an answer of unknown length ended with the connection.
        head.no_chunking(true);
    }
    if state.shutdown.is_cancelled() || is_old && is_streamed {
        head.set_connection_type(ConnectionType::Close);
    }
}

/// The answer to a problem, as the path of the request has it. Errors of the framework are faults of ours:
/// everything that a client can get wrong is caught before it comes to them.
fn problem_answer(response: &ServiceResponse, id: &RequestId) -> Option<HttpResponse> {
    let error = response.response().error()?;
    let dialect = Dialect::of_path(response.request().path());
    if let Some(problem) = error.as_error::<Problem>() {
        problem.log();
        return Some(problem.answer_in(dialect, id.as_str()));
    }
    let problem = Problem::internal(domain::ports::cause(error.to_string()));
    problem.log();
    Some(problem.answer_in(dialect, id.as_str()))
}
