//! `[server]`: where it listens, and in which time zone dates are told.

use std::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use chrono_tz::Tz;
use ipnet::IpNet;

use super::{
    HOUR,
    error::{SettingsError, ValueError},
    values::{Values, entries},
};

/// The section `[server]`.
#[derive(Debug, Clone)]
pub struct ServerSettings {
    /// Address to listen on.
    pub bind: IpAddr,
    /// Port to listen on; 0 takes any free one.
    pub port: u16,
    /// Proxies whose `X-Forwarded-*` headers count.
    pub trusted_proxies: Vec<IpNet>,
    /// Time zone of the dates on the wire.
    pub timezone: Tz,
    /// How long requests in progress may take to end when the server stops.
    pub shutdown_timeout: Duration,
}

impl ServerSettings {
    pub(super) fn read(values: &Values) -> Result<Self, SettingsError> {
        Ok(Self {
            bind: values.parse("server.bind", address)?,
            port: values.parse("server.port", port)?,
            trusted_proxies: values.parse("server.trusted_proxies", networks)?,
            timezone: values.parse("server.timezone", timezone)?,
            shutdown_timeout: values.duration("server.shutdown_timeout", Duration::ZERO..=HOUR)?,
        })
    }

    /// Address and port to listen on.
    pub fn address(&self) -> SocketAddr {
        SocketAddr::new(self.bind, self.port)
    }
}

fn address(text: &str) -> Result<IpAddr, ValueError> {
    text.parse().map_err(|_| ValueError::NotA {
        value: text.to_owned(),
        what: "an IP address",
    })
}

fn port(text: &str) -> Result<u16, ValueError> {
    text.parse().map_err(|_| ValueError::Number {
        value: text.to_owned(),
        from: 0,
        to: u16::MAX.into(),
    })
}

/// Networks; an address is one of its own.
fn networks(text: &str) -> Result<Vec<IpNet>, ValueError> {
    entries(text).map(network).collect()
}

fn network(text: &str) -> Result<IpNet, ValueError> {
    let address = || text.parse::<IpAddr>().map(|it| it.to_canonical().into());
    text.parse()
        .or_else(|_| address())
        .map_err(|_| ValueError::NotA {
            value: text.to_owned(),
            what: "an IP address or a network such as 10.0.0.0/8",
        })
}

fn timezone(text: &str) -> Result<Tz, ValueError> {
    text.parse().map_err(|_| ValueError::NotA {
        value: text.to_owned(),
        what: "an IANA time zone such as Europe/Madrid",
    })
}
