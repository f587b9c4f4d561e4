//! The HTTP interface: requests in, answers and problem documents out.

mod answer;
mod connection;
mod edge;
mod forwarded;
#[cfg(feature = "internals")]
pub mod internals;
mod link;
mod openapi;
mod params;
mod peer;
mod problem;
pub mod queries;
mod routes;
mod state;
mod upload;

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
use chrono_tz::Tz;
use domain::{
    Threshold,
    ports::{ImageStore, OriginalStore, TagProvider},
    service::{Catalog, Ingest},
};
use ipnet::IpNet;
use tokio_util::sync::CancellationToken;
use upload_body::BodyLimits;

use self::{connection::Connection, edge::Answer, state::State};
pub use self::{
    edge::{HostCheck, host_name},
    openapi::openapi,
    problem::{Code, Problem},
};

/// What the interface is made of.
pub struct Api {
    /// Registers images.
    pub ingest: Arc<Ingest>,
    /// Reads them.
    pub catalog: Catalog,
    /// What must work for the server to be ready.
    pub readiness: Readiness,
    /// How it works.
    pub settings: HttpSettings,
}

/// The ports that `/readyz` asks.
#[derive(Clone)]
pub struct Readiness {
    /// The database.
    pub database: Arc<dyn ImageStore>,
    /// The store of originals.
    pub originals: Arc<dyn OriginalStore>,
    /// The tag provider.
    pub provider: Arc<dyn TagProvider>,
}

/// How the interface works.
#[derive(Debug, Clone)]
pub struct HttpSettings {
    /// The time zone of dates on the wire.
    pub timezone: Tz,
    /// The threshold of uploads that name none.
    pub default_threshold: Threshold,
    /// Which hosts requests may name.
    pub hosts: HostCheck,
    /// The largest image, in bytes.
    pub image_bytes: usize,
    /// How much memory all uploads together may take, in bytes.
    pub memory_budget: usize,
    /// How long an upload waits for its share of it while nothing moves.
    pub admission_wait: Duration,
    /// The lowest mean rate at which a body may arrive, in bytes a second; zero is none.
    pub upload_rate: u64,
    /// The proxies whose word on where a request comes from is taken.
    pub trusted_proxies: Vec<IpNet>,
    /// How long a request's head may take to arrive.
    pub head_timeout: Duration,
    /// How long a body may pause.
    pub body_pause: Duration,
    /// How long a body may take to arrive.
    pub body_timeout: Duration,
    /// How long the bytes of an upload stay in memory for its answer. A client that fetches it more slowly gets the rest
    /// from the original.
    pub answer_hold: Duration,
    /// How long an upload may take once it has arrived.
    pub request_deadline: Duration,
    /// How long the database and the originals may take to answer.
    pub read_deadline: Duration,
    /// How long one of the checks of `/readyz` may take.
    pub check_timeout: Duration,
    /// The longest URL, in bytes.
    pub url_bytes: usize,
    /// The longest headers, names and values together, in bytes.
    pub header_bytes: usize,
    /// How long an idle connection is kept.
    pub idle_timeout: Duration,
    /// How long a client may leave what was sent to it unread.
    pub unread_timeout: Duration,
    /// How many files and connections may be open.
    pub open_files: usize,
    /// How long requests under way have to finish when the server stops.
    pub shutdown_grace: Duration,
    /// How many threads speak HTTP.
    pub workers: usize,
}

impl HttpSettings {
    /// The settings of an interface with these, and sound values for all others.
    pub fn new(timezone: Tz, default_threshold: Threshold, image_bytes: usize) -> Self {
        Self {
            timezone,
            default_threshold,
            hosts: HostCheck::of_loopback(),
            image_bytes,
            memory_budget: 256 << 20,
            admission_wait: Duration::from_secs(10),
            upload_rate: 4 << 10,
            trusted_proxies: Vec::new(),
            head_timeout: Duration::from_secs(10),
            body_pause: Duration::from_secs(15),
            body_timeout: Duration::from_mins(5),
            answer_hold: Duration::from_secs(10),
            request_deadline: Duration::from_mins(3),
            read_deadline: Duration::from_secs(30),
            check_timeout: Duration::from_secs(2),
            url_bytes: 16 << 10,
            header_bytes: 32 << 10,
            idle_timeout: Duration::from_secs(65),
            unread_timeout: Duration::from_mins(1),
            open_files: 1024,
            shutdown_grace: Duration::from_secs(30),
            workers: std::thread::available_parallelism().map_or(2, |n| n.get().max(2)),
        }
    }
}

impl HttpSettings {
    /// What the body of an upload may hold.
    fn body_limits(&self) -> BodyLimits {
        BodyLimits {
            image_bytes: self.image_bytes,
        }
    }

    /// How much of the time to shut down is left for connections to close: whole seconds.
    fn closing(&self) -> Duration {
        Duration::from_secs(self.shutdown_grace.as_secs() / 2).min(CLOSING)
    }

    /// The most connections of one worker. Files are left for databases, originals and upstreams: a
    /// connection more waits at the door.
    fn connections(&self) -> usize {
        (self.open_files / 5 * 3 / self.workers.max(1)).max(16)
    }

    /// Up to how many open files a connection is kept twice, to see when its client goes.
    fn watched(&self) -> usize {
        self.open_files / 2
    }
}

/// How long the rest of a body is read and thrown away after an early answer. A client that still
/// writes when the connection is closed gets a reset instead of the answer.
const LINGER: Duration = Duration::from_secs(15);

/// How long connections have to close once their requests are done, at most.
const CLOSING: Duration = Duration::from_secs(5);

/// Serves the interface until `shutdown` is cancelled and the requests under way are done.
///
/// Must be called within a Tokio runtime, which must outlive the server: that is where the services
/// run. Meanwhile requests that come anew are refused with `unavailable`.
pub fn server(listener: TcpListener, api: Api, shutdown: CancellationToken) -> io::Result<Server> {
    #[cfg(target_os = "linux")]
    socket2::SockRef::from(&listener).set_tcp_user_timeout(Some(api.settings.unread_timeout))?;
    let settings = api.settings.clone();
    let state = web::Data::new(State::new(api, shutdown));
    let stop = stop(Arc::clone(&state));
    let server = Server::build()
        .workers(settings.workers)
        .max_concurrent_connections(settings.connections())
        .shutdown_signal(stop)
        .shutdown_timeout(settings.closing().as_secs());
    let draining = server.graceful_shutdown_signal();
    let service = move || service(web::Data::clone(&state), draining.clone());
    Ok(server.listen("http", listener, service)?.run())
}

/// What serves connections.
fn service(
    state: web::Data<State>,
    draining: GracefulShutdownSignal,
) -> impl ServiceFactory<TcpStream, Config = (), Response = (), Error = DispatchError, InitError = ()>
{
    let settings = &state.settings;
    let http = HttpService::build()
        .keep_alive(settings.idle_timeout)
        // The deadline of heads is the connection's.
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
        // It only makes answers faster.
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

/// The interface: its routes, and what goes around them.
fn app(
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
        .wrap(from_fn(move |request, next| {
            edge::guard(Arc::clone(&shared), request, next)
        }))
}

/// Ends when the server may stop: it was asked to, and nothing is under way any more.
async fn stop(state: Arc<State>) {
    state.shutdown.cancelled().await;
    let settings = &state.settings;
    let patience = settings.shutdown_grace.saturating_sub(settings.closing());
    state.drain(patience).await;
}

#[cfg(test)]
mod tests;
