//! Starts and stops both fakes.

use std::io;
use std::net::{IpAddr, Ipv4Addr, TcpListener};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use actix_web::dev::Server;
use actix_web::rt::System;
use futures_util::future;
use tokio::sync::oneshot;

use crate::imagekit::{self, ImageKit};
use crate::imagga::{self, Imagga};
use crate::server::server;

/// Why the fakes did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A port is in use, or may not be listened on.
    #[error("cannot listen on {address}:{port}")]
    Listen {
        /// The address asked for.
        address: IpAddr,
        /// The port asked for.
        port: u16,
        /// The cause.
        source: io::Error,
    },
    /// The thread or its servers could not be started.
    #[error("cannot start the servers")]
    Run(#[source] io::Error),
}

/// Options of the fakes.
#[derive(Debug, Clone)]
pub struct Builder {
    address: IpAddr,
    imagekit_port: u16,
    imagga_port: u16,
    workers: usize,
    imagekit: imagekit::Settings,
    imagga: imagga::Settings,
}

/// Both fakes, running until they are stopped or dropped.
#[derive(Debug)]
pub struct Fakes {
    imagekit: ImageKit,
    imagga: Imagga,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
    ended: Option<oneshot::Receiver<()>>,
}

impl Default for Builder {
    fn default() -> Self {
        Self {
            address: Ipv4Addr::LOCALHOST.into(),
            imagekit_port: 0,
            imagga_port: 0,
            workers: 1,
            imagekit: imagekit::Settings::default(),
            imagga: imagga::Settings::default(),
        }
    }
}

impl Builder {
    /// Address to listen on; 127.0.0.1 by default.
    #[must_use]
    pub fn address(mut self, address: IpAddr) -> Self {
        self.address = address;
        self
    }

    /// Ports of ImageKit and of Imagga; 0, the default, takes a free one.
    #[must_use]
    pub fn ports(mut self, imagekit: u16, imagga: u16) -> Self {
        (self.imagekit_port, self.imagga_port) = (imagekit, imagga);
        self
    }

    /// Threads for each of the two servers; 1 by default.
    #[must_use]
    pub fn workers(mut self, workers: usize) -> Self {
        self.workers = workers.max(1);
        self
    }

    /// Delay of every call of both APIs. Hosted pictures are served at once, as by a CDN.
    #[must_use]
    pub fn latency(mut self, latency: Duration) -> Self {
        self.imagekit.latency = latency;
        self.imagga.latency = latency;
        self
    }

    /// ImageKit's private key.
    #[must_use]
    pub fn private_key(mut self, key: &str) -> Self {
        key.clone_into(&mut self.imagekit.private_key);
        self
    }

    /// Imagga's API key and secret.
    #[must_use]
    pub fn api_key(mut self, key: &str, secret: &str) -> Self {
        key.clone_into(&mut self.imagga.api_key);
        secret.clone_into(&mut self.imagga.api_secret);
        self
    }

    /// Largest ImageKit upload in bytes; 25 MiB by default.
    #[must_use]
    pub fn upload_limit(mut self, bytes: usize) -> Self {
        self.imagekit.upload_limit = bytes;
        self
    }

    /// A CDN that keeps showing deleted pictures until they are purged; off by default.
    #[must_use]
    pub fn cdn(mut self, on: bool) -> Self {
        self.imagekit.cdn = on;
        self
    }

    /// ImageKit's limit on deletions, bulk deletions and purges together; none by default.
    #[must_use]
    pub fn writes_per_second(mut self, limit: Option<u32>) -> Self {
        self.imagekit.writes_per_second = limit;
        self
    }

    /// Taggings in a month; a million by default.
    #[must_use]
    pub fn quota(mut self, taggings: u64) -> Self {
        self.imagga.quota = taggings;
        self
    }

    /// Imagga calls in flight at once, those beyond get 429; no limit by default.
    #[must_use]
    pub fn max_concurrency(mut self, limit: Option<usize>) -> Self {
        self.imagga.max_concurrency = limit.unwrap_or(usize::MAX);
        self
    }

    /// How long Imagga keeps uploads; a day by default.
    #[must_use]
    pub fn upload_lifetime(mut self, lifetime: Duration) -> Self {
        self.imagga.upload_lifetime = lifetime;
        self
    }

    /// Starts both; they answer when this returns.
    pub async fn start(self) -> Result<Fakes, StartError> {
        let (imagekit_socket, imagekit_origin) = self.listen(self.imagekit_port)?;
        let (imagga_socket, imagga_origin) = self.listen(self.imagga_port)?;
        let imagekit = Arc::new(imagekit::State::new(self.imagekit, imagekit_origin));
        let imagga = Arc::new(imagga::State::new(self.imagga, imagga_origin));
        let servers = Servers {
            imagekit: (Arc::clone(&imagekit), imagekit_socket),
            imagga: (Arc::clone(&imagga), imagga_socket),
            workers: self.workers,
        };
        let (started, ready) = oneshot::channel();
        let (stop, stopped) = oneshot::channel();
        let (end, ended) = oneshot::channel();
        let thread = thread::Builder::new().name("upstream-fakes".to_owned());
        let thread = thread.spawn(move || {
            System::new().block_on(servers.run(started, stopped));
            let _ = end.send(());
        });
        let thread = thread.map_err(StartError::Run)?;
        let gone = |_| io::Error::from(io::ErrorKind::BrokenPipe);
        ready
            .await
            .map_err(gone)
            .flatten()
            .map_err(StartError::Run)?;
        Ok(Fakes {
            imagekit: ImageKit::new(imagekit),
            imagga: Imagga::new(imagga),
            stop: Some(stop),
            thread: Some(thread),
            ended: Some(ended),
        })
    }

    fn listen(&self, port: u16) -> Result<(TcpListener, String), StartError> {
        let failed = |source| StartError::Listen {
            address: self.address,
            port,
            source,
        };
        let listener = TcpListener::bind((self.address, port)).map_err(failed)?;
        let mut bound = listener.local_addr().map_err(failed)?;
        if bound.ip().is_unspecified() {
            bound.set_ip(Ipv4Addr::LOCALHOST.into());
        }
        Ok((listener, format!("http://{bound}")))
    }
}

/// What the thread of the fakes serves.
struct Servers {
    imagekit: (Arc<imagekit::State>, TcpListener),
    imagga: (Arc<imagga::State>, TcpListener),
    workers: usize,
}

impl Servers {
    /// Serves until `stopped` receives a message or its sender is dropped.
    async fn run(self, started: oneshot::Sender<io::Result<()>>, stopped: oneshot::Receiver<()>) {
        let (first, second) = match self.make() {
            Ok(servers) => servers,
            Err(error) => {
                let _ = started.send(Err(error));
                return;
            }
        };
        let handles = [first.handle(), second.handle()];
        let _ = started.send(Ok(()));
        let shut_down = async {
            let _ = stopped.await;
            future::join_all(handles.iter().map(|handle| handle.stop(false))).await;
        };
        let _ = future::join3(first, second, shut_down).await;
    }

    fn make(self) -> io::Result<(Server, Server)> {
        let imagekit = server(self.imagekit.0, self.imagekit.1, self.workers)?;
        let imagga = server(self.imagga.0, self.imagga.1, self.workers)?;
        Ok((imagekit, imagga))
    }
}

impl Fakes {
    /// Starts both with the defaults.
    pub async fn start() -> Result<Self, StartError> {
        Builder::default().start().await
    }

    /// Starts building fakes with other options.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// The ImageKit fake.
    pub fn imagekit(&self) -> &ImageKit {
        &self.imagekit
    }

    /// The Imagga fake.
    pub fn imagga(&self) -> &Imagga {
        &self.imagga
    }

    /// The settings that point a server at the fakes: name of the variable and value.
    pub fn variables(&self) -> [(&'static str, &str); 7] {
        [
            ("ETIQUETA__TAGGING__PROVIDER", "imagga"),
            ("ETIQUETA__IMAGGA__BASE_URL", self.imagga.url()),
            ("ETIQUETA__IMAGGA__API_KEY", self.imagga.api_key()),
            ("ETIQUETA__IMAGGA__API_SECRET", self.imagga.api_secret()),
            ("ETIQUETA__IMAGEKIT__UPLOAD_URL", self.imagekit.upload_url()),
            ("ETIQUETA__IMAGEKIT__API_URL", self.imagekit.api_url()),
            (
                "ETIQUETA__IMAGEKIT__PRIVATE_KEY",
                self.imagekit.private_key(),
            ),
        ]
    }

    /// Stops both at once: connections break, and the ports are closed when this returns.
    pub async fn stop(mut self) {
        drop(self.stop.take());
        if let Some(ended) = self.ended.take() {
            let _ = ended.await;
        }
    }
}

impl Drop for Fakes {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
