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
    values::Values,
};
use crate::permissions::Umask;

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
    /// Host names that it answers for, in lower case, beside those that are always answered for.
    pub allowed_hosts: Vec<String>,
    /// What new files are not permitted to other accounts.
    pub umask: Umask,
    /// How long requests in progress may take to end when the server stops.
    pub shutdown_timeout: Duration,
}

impl ServerSettings {
    pub(super) fn read(values: &Values) -> Result<Self, SettingsError> {
        Ok(Self {
            bind: values.parse("server.bind", address)?,
            port: values.parse("server.port", port)?,
            trusted_proxies: values.list("server.trusted_proxies", network)?,
            timezone: values.parse("server.timezone", timezone)?,
            allowed_hosts: values.list("server.allowed_hosts", host_name)?,
            umask: values.parse("server.umask", umask)?,
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

fn host_name(text: &str) -> Result<String, ValueError> {
    http_api::host_name(text).ok_or_else(|| ValueError::NotA {
        value: text.to_owned(),
        what: "a host name such as photos.example.com",
    })
}

fn port(text: &str) -> Result<u16, ValueError> {
    text.parse().map_err(|_| ValueError::Number {
        value: text.to_owned(),
        from: 0,
        to: u16::MAX.into(),
    })
}

/// A network; an address is one of its own.
fn network(text: &str) -> Result<IpNet, ValueError> {
    let address = || text.parse::<IpAddr>().map(|it| it.to_canonical().into());
    text.parse()
        .or_else(|_| address())
        .map_err(|_| ValueError::NotA {
            value: text.to_owned(),
            what: "an IP address or a network such as 10.0.0.0/8",
        })
}

fn umask(text: &str) -> Result<Umask, ValueError> {
    Umask::parse(text).ok_or_else(|| ValueError::NotA {
        value: text.to_owned(),
        what: "three octal digits such as 077, of which the first is 0",
    })
}

fn timezone(text: &str) -> Result<Tz, ValueError> {
    text.parse().map_err(|_| ValueError::NotA {
        value: text.to_owned(),
        what: "an IANA time zone such as Europe/Madrid",
    })
}
