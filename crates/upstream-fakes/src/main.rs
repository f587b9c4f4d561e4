//! Runs both fakes until it is told to stop, and prints how to point a server at them.

use std::error::Error;
use std::net::IpAddr;
use std::time::Duration;

use clap::Parser;
use tokio::signal::unix::{SignalKind, signal};
use upstream_fakes::Fakes;

/// Strict stand-ins for ImageKit and Imagga.
///
/// Prints shell lines with the settings that point a server at them, then runs until SIGTERM or
/// Ctrl-C. Both answer under `/_control` too: faults, settings, counters.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    /// Address to listen on.
    #[arg(long, default_value = "127.0.0.1")]
    bind: IpAddr,
    /// Port of ImageKit; 0 takes a free one.
    #[arg(long, default_value_t = 0)]
    imagekit_port: u16,
    /// Port of Imagga; 0 takes a free one.
    #[arg(long, default_value_t = 0)]
    imagga_port: u16,
    /// Delay of every call of the APIs, as in `300ms`; hosted pictures are served at once.
    #[arg(long, default_value = "0ms", value_parser = humantime::parse_duration)]
    latency: Duration,
    /// Taggings in a month.
    #[arg(long, default_value_t = 1_000_000)]
    quota: u64,
    /// Imagga calls in flight at once; those beyond get 429.
    #[arg(long)]
    max_concurrency: Option<usize>,
    /// Deletions, bulk deletions and purges in a second; those beyond get 429.
    #[arg(long)]
    writes_per_second: Option<u32>,
    /// Keep showing deleted pictures until they are purged, as the real CDN does.
    #[arg(long)]
    cdn: bool,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::parse();
    let mut terminated = signal(SignalKind::terminate())?;
    let mut interrupted = signal(SignalKind::interrupt())?;
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    let fakes = Fakes::builder()
        .address(arguments.bind)
        .ports(arguments.imagekit_port, arguments.imagga_port)
        .latency(arguments.latency)
        .quota(arguments.quota)
        .max_concurrency(arguments.max_concurrency)
        .writes_per_second(arguments.writes_per_second)
        .cdn(arguments.cdn)
        .workers(workers)
        .start()
        .await?;
    for (name, value) in fakes.variables() {
        println!("export {name}='{value}'");
    }
    tokio::select! {
        _ = terminated.recv() => {}
        _ = interrupted.recv() => {}
    }
    fakes.stop().await;
    Ok(())
}
