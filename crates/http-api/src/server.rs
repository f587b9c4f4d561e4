//! The HTTP server: sockets and routes.

use std::{io, net::TcpListener, sync::Arc, time::Duration};

use actix_http::{HttpService, Protocol, error::DispatchError};
use actix_server::{GracefulShutdownSignal, Server};
use actix_service::{ServiceFactory, apply_fn_factory, map_config};
use actix_web::{
    App,
    dev::{AppConfig, Service as _, ServiceRequest, ServiceResponse},
    middleware::from_fn,
    rt::net::TcpStream,
    web,
};
use tokio_util::sync::CancellationToken;

use crate::{
    Api,
    connection::{self, Connection, LINGER},
    docs,
    middleware::{self, Answer},
    routes,
    state::State,
};

/// Serves the interface until `shutdown` is cancelled and the requests in progress have finished.
///
/// At `scraped`, if there is one, the metrics are served, there alone and without keys.
///
/// Must be called within a Tokio runtime, which must outlive the server: the services run there. During
/// shutdown new requests are rejected with `unavailable`.
pub fn server(
    listener: TcpListener,
    scraped: Option<TcpListener>,
    mut api: Api,
    shutdown: CancellationToken,
) -> io::Result<Server> {
    #[cfg(target_os = "linux")]
    socket2::SockRef::from(&listener).set_tcp_user_timeout(Some(api.settings.unread_timeout))?;
    api.settings.has_metrics_apart = scraped.is_some();
    let settings = api.settings.clone();
    let state = web::Data::new(State::new(api, shutdown));
    let stop = stop(Arc::clone(&state));
    let server = Server::build()
        .workers(settings.workers)
        .max_concurrent_connections(settings.connections())
        .shutdown_signal(stop)
        .shutdown_timeout(settings.closing().as_secs());
    let draining = server.graceful_shutdown_signal();
    let server = match scraped {
        None => server,
        Some(listener) => {
            let (state, draining) = (web::Data::clone(&state), draining.clone());
            let service = move || scraping(web::Data::clone(&state), draining.clone());
            server.listen("metrics", listener, service)?
        }
    };
    let service = move || service(web::Data::clone(&state), draining.clone());
    Ok(server.listen("http", listener, service)?.run())
}

/// The service for each connection to the address of the metrics: nothing but them, and no log of requests.
fn scraping(
    state: web::Data<State>,
    draining: GracefulShutdownSignal,
) -> impl ServiceFactory<TcpStream, Config = (), Response = (), Error = DispatchError, InitError = ()>
{
    let (idle, head) = (state.settings.idle_timeout, state.settings.head_timeout);
    let routes = web::resource("/metrics")
        .route(web::get().to(routes::scrape))
        .route(web::head().to(routes::scrape));
    let app = App::new().app_data(state).service(routes);
    HttpService::build()
        .keep_alive(idle)
        .client_request_timeout(head)
        .graceful_shutdown_signal(move || {
            let draining = draining.clone();
            async move { draining.notified().await }
        })
        .finish(map_config(app, |()| AppConfig::default()))
        .tcp()
}

/// The service for each connection.
fn service(
    state: web::Data<State>,
    draining: GracefulShutdownSignal,
) -> impl ServiceFactory<TcpStream, Config = (), Response = (), Error = DispatchError, InitError = ()>
{
    let settings = &state.settings;
    let http = HttpService::build()
        .keep_alive(settings.idle_timeout)
        // The deadline of heads is enforced by the connection.
        .client_request_timeout(Duration::ZERO)
        .client_disconnect_timeout(LINGER)
        .graceful_shutdown_signal(move || {
            let draining = draining.clone();
            async move { draining.notified().await }
        })
        .on_connect_ext(connection::introducing(settings.watched()))
        .finish(map_config(app(web::Data::clone(&state)), |()| {
            AppConfig::default()
        }));
    apply_fn_factory(http, move |socket: TcpStream, http| {
        // Only an optimisation.
        let _ = socket.set_nodelay(true);
        let peer = socket.peer_addr().ok();
        let counted = state.connections.admit(peer.map(|peer| peer.ip()));
        let serving = counted.map(|counted| {
            let connection = Connection::new(socket);
            let serving = http.call((connection.stream(), Protocol::Http1, peer));
            (counted, connection, serving)
        });
        let state = Arc::clone(&state);
        async move {
            if let Some((_counted, connection, serving)) = serving {
                connection.serve(state, serving).await;
            }
            Ok(())
        }
    })
}

/// The routes, wrapped in middleware.
pub(crate) fn app(
    state: web::Data<State>,
) -> App<
    impl ServiceFactory<
        ServiceRequest,
        Config = (),
        Response = ServiceResponse<Answer>,
        Error = actix_web::Error,
        InitError = (),
    >,
> {
    let shared = Arc::clone(&state);
    App::new()
        .app_data(state)
        .configure(routes::configure)
        .configure(docs::configure)
        .wrap(from_fn(move |request, next| {
            middleware::guard(Arc::clone(&shared), request, next)
        }))
}

/// Completes when the server may stop: shutdown was requested, and no request is in progress.
async fn stop(state: Arc<State>) {
    state.shutdown.cancelled().await;
    let settings = &state.settings;
    let patience = settings.shutdown_grace.saturating_sub(settings.closing());
    state.drain(patience).await;
}
