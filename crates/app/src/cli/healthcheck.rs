//! `etiqueta healthcheck`: asks the server of these settings whether it answers.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Duration,
};

use anyhow::{Context, ensure};
use reqwest::{Client, redirect::Policy};

use crate::settings::Settings;

/// How long the answer may take. Shorter than the time-outs of whoever asks: Docker's is 5 s.
const TIMEOUT: Duration = Duration::from_secs(4);

pub(super) async fn run(settings: &Settings) -> anyhow::Result<()> {
    let url = format!("http://{}/livez", reachable(settings.server.address()));
    let client = Client::builder()
        .no_proxy()
        .redirect(Policy::none())
        .timeout(TIMEOUT);
    let answer = client.build()?.get(&url).send().await;
    let status = answer
        .with_context(|| format!("no answer from {url}"))?
        .status();
    ensure!(status.is_success(), "{url} answers {status}");
    Ok(())
}

/// Where a server that listens on that address is reached from its own machine.
fn reachable(address: SocketAddr) -> SocketAddr {
    let host = match address.ip() {
        IpAddr::V4(host) if host.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(host) if host.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        host => host,
    };
    SocketAddr::new(host, address.port())
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("0.0.0.0:80", "127.0.0.1:80")]
    #[case("[::]:80", "[::1]:80")]
    #[case("192.0.2.1:8080", "192.0.2.1:8080")]
    fn every_address_of_the_machine_is_reached_by_loopback(
        #[case] bound: &str,
        #[case] asked: &str,
    ) {
        assert_eq!(reachable(bound.parse().unwrap()).to_string(), asked);
    }
}
