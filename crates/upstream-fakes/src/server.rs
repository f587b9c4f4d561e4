//! The HTTP server of a fake: reads calls, applies faults, sends responses.

use std::any::Any;
use std::io;
use std::net::TcpListener;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use actix_web::body::SizedStream;
use actix_web::dev::{Extensions, Server};
use actix_web::http::StatusCode;
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, rt, web};
use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};
use socket2::{SockRef, Socket};

use crate::call::{Call, Reply};
use crate::control;
use crate::fault::{Fault, Kind, Route};
use crate::upstream::Upstream;

/// How long the first half of a body gets to be sent before the connection breaks.
const HALFWAY_PAUSE: Duration = Duration::from_millis(20);

/// A duplicate of the connection's socket for resetting it; taken when used.
type Line = Arc<Mutex<Option<Socket>>>;

/// Creates the server of one fake; it runs once it is awaited.
pub(crate) fn server<U: Upstream>(
    upstream: Arc<U>,
    listener: TcpListener,
    workers: usize,
) -> io::Result<Server> {
    let server = HttpServer::new(move || {
        App::new()
            .app_data(web::Data::from(Arc::clone(&upstream)))
            .app_data(web::Data::new(client()))
            .default_service(web::to(serve::<U>))
    });
    let server = server
        .workers(workers)
        .on_connect(keep_line)
        .h1_allow_half_closed(false)
        .disable_signals()
        .shutdown_timeout(1)
        .listen(listener)?;
    Ok(server.run())
}

/// The client that fetches pictures; one for each worker, as its connections belong to its runtime.
///
/// It trusts no certificate: pictures are fetched from test servers over plain HTTP, and loading the
/// system's certificates would take longer than most tests.
fn client() -> reqwest::Client {
    let builder = reqwest::Client::builder().no_proxy().tls_certs_only([]);
    builder
        .timeout(Duration::from_secs(8))
        .build()
        .unwrap_or_default()
}

fn keep_line(connection: &dyn Any, extensions: &mut Extensions) {
    if let Some(stream) = connection.downcast_ref::<rt::net::TcpStream>() {
        let line: Line = Arc::new(Mutex::new(SockRef::from(stream).try_clone().ok()));
        extensions.insert(line);
    }
}

async fn serve<U: Upstream>(
    request: HttpRequest,
    payload: web::Payload,
    upstream: web::Data<U>,
    http: web::Data<reqwest::Client>,
) -> HttpResponse {
    let Some(call) = Call::read(&request, payload).await else {
        return HttpResponse::BadRequest().finish();
    };
    if let Some(action) = call.path.strip_prefix("/_control") {
        return whole(control::answer(
            upstream.get_ref(),
            &call,
            action.trim_matches('/'),
        ));
    }
    let route = upstream.route(&call);
    let visit = upstream
        .traffic()
        .enter(route, &call, upstream.concurrency());
    let Some(plan) = visit.plan() else {
        visit.answered(429);
        return whole(upstream.sign(upstream.failure(StatusCode::TOO_MANY_REQUESTS)));
    };
    rt::time::sleep(plan.latency).await;
    let reply = conduct(upstream.get_ref(), route, &call, &http, &plan.fault).await;
    if let Some(reply) = &reply {
        visit.answered(reply.status.as_u16());
    }
    deliver(&request, reply, &plan.fault.kind).await
}

/// Executes the call and the fault in their order; `None` if there must be no response.
async fn conduct<U: Upstream>(
    upstream: &U,
    route: Route,
    call: &Call,
    http: &reqwest::Client,
    fault: &Fault,
) -> Option<Reply> {
    if !fault.after_effect {
        rt::time::sleep(fault.delay).await;
    }
    let real = if fault.after_effect || fault.kind.spoils_the_answer() {
        Some(upstream.sign(upstream.answer(route, call, http).await))
    } else {
        None
    };
    if fault.after_effect {
        rt::time::sleep(fault.delay).await;
    }
    match &fault.kind {
        Kind::Pass | Kind::HalfBody | Kind::TruncatedJson => real,
        Kind::Status {
            status,
            body,
            headers,
        } => {
            let status = StatusCode::from_u16(*status).unwrap_or(StatusCode::SERVICE_UNAVAILABLE);
            let mut reply = upstream.sign(upstream.failure(status));
            if let Some(body) = body {
                reply.body = Bytes::from(body.clone());
            }
            reply.headers.extend(headers.iter().cloned());
            Some(reply)
        }
        Kind::Garbage => Some(garbage()),
        Kind::Hang | Kind::Reset => None,
    }
}

fn garbage() -> Reply {
    let page = "<!doctype html><html><body><h1>Welcome to the hotel</h1></body></html>";
    Reply::bytes(StatusCode::OK, "text/html; charset=utf-8", page)
}

async fn deliver(request: &HttpRequest, reply: Option<Reply>, kind: &Kind) -> HttpResponse {
    match (reply, kind) {
        (Some(reply), Kind::HalfBody) => half(&reply),
        (Some(mut reply), Kind::TruncatedJson) => {
            reply.body.truncate(reply.body.len() / 2);
            whole(reply)
        }
        (Some(reply), _) => whole(reply),
        (None, Kind::Reset) => reset(request),
        (None, _) => std::future::pending().await,
    }
}

fn head(reply: &Reply) -> actix_web::HttpResponseBuilder {
    let mut response = HttpResponse::build(reply.status);
    for (name, value) in &reply.headers {
        response.insert_header((name.as_str(), value.as_str()));
    }
    response
}

fn whole(reply: Reply) -> HttpResponse {
    head(&reply).body(reply.body)
}

fn half(reply: &Reply) -> HttpResponse {
    let announced = reply.body.len().max(1) as u64;
    let first = reply.body.slice(..reply.body.len() / 2);
    let body = stream::iter([Ok(first)]).chain(breaking_off(HALFWAY_PAUSE));
    head(reply).body(SizedStream::new(announced, body.boxed_local()))
}

/// Closing a socket with a linger time of zero sends RST and drops buffered data. The framework closes its
/// own copy, without having sent the head, if the body fails at once.
fn reset(request: &HttpRequest) -> HttpResponse {
    let line = request.conn_data::<Line>();
    let socket = line.and_then(|line| line.lock().unwrap_or_else(PoisonError::into_inner).take());
    if let Some(socket) = socket {
        // On failure the connection is closed normally, which the client also sees as a broken response.
        let _ = socket.set_linger(Some(Duration::ZERO));
    }
    HttpResponse::Ok().body(SizedStream::new(
        1,
        breaking_off(Duration::ZERO).boxed_local(),
    ))
}

fn breaking_off(pause: Duration) -> impl Stream<Item = io::Result<Bytes>> {
    stream::once(async move {
        if !pause.is_zero() {
            rt::time::sleep(pause).await;
        }
        Err(io::ErrorKind::ConnectionReset.into())
    })
}
