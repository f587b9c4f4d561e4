//! URLs of databases.

use std::{fmt, path::PathBuf, str::FromStr};

use percent_encoding::percent_decode_str;
use secrecy::SecretString;
use thiserror::Error;

/// The default port of MySQL and MariaDB.
const MYSQL_PORT: u16 = 3306;

/// The most hosts of a database.
const MAX_HOSTS: usize = 16;

/// The location of a database: `sqlite://PATH`, or `mysql://USER:PASSWORD@HOST:PORT/NAME?OPTIONS`, where
/// several hosts of one database are separated by commas.
///
/// It is a scheme and the rest, not an RFC 3986 URL: `sqlite://data/etiqueta.db` is a relative path and
/// `sqlite:///var/lib/etiqueta.db` an absolute one. In a `mysql://` URL, everything up to the last `@` is
/// user and password, which may contain percent-escapes. Its `Display` form omits the password.
#[derive(Debug, Clone)]
pub enum StoreUrl {
    /// A SQLite file on this machine.
    Sqlite {
        /// The path, relative or absolute.
        path: PathBuf,
    },
    /// A MySQL or MariaDB server.
    Mysql(MysqlServer),
}

/// A database on a MySQL or MariaDB server, and its credentials.
#[derive(Debug, Clone)]
pub struct MysqlServer {
    /// The hosts, at least one; a new connection goes to the first that can be written to.
    pub hosts: Vec<MysqlHost>,
    /// The user.
    pub user: String,
    /// The user's password; may be empty.
    pub password: SecretString,
    /// The name of the database.
    pub database: String,
    /// TLS; `None` leaves the connection unencrypted.
    pub tls: Option<Tls>,
}

/// A host of a database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MysqlHost {
    /// Host name or IP address.
    pub name: String,
    /// TCP port.
    pub port: u16,
}

/// How the server's certificate is checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tls {
    /// A PEM file with trusted authorities; `None` trusts Mozilla's list.
    pub ca: Option<PathBuf>,
    /// Whether one of them must have signed the certificate for the host's name. Otherwise an attacker in
    /// the server's place can read along. The certificate that MySQL generates for itself names no host,
    /// and passes no verification.
    pub verify: bool,
}

impl Default for Tls {
    fn default() -> Self {
        Self {
            ca: None,
            verify: true,
        }
    }
}

/// The text is not a database URL.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum StoreUrlError {
    /// The text begins with none of the schemes.
    #[error("it begins with neither sqlite:// nor mysql://")]
    Scheme,
    /// `sqlite://` without a file; in-memory databases are not supported.
    #[error("sqlite:// is followed by the path of a file")]
    Path,
    /// `mysql://` without one of its parts.
    #[error("mysql:// is followed by USER:PASSWORD@HOST:PORT/NAME")]
    Server,
    /// Too many hosts.
    #[error("there are more than {MAX_HOSTS} hosts")]
    Hosts,
    /// The port is no number from 1 to 65535.
    #[error("the port is a number from 1 to 65535")]
    Port,
    /// An unknown option, or an invalid value.
    #[error(
        "options are require_ssl and ssl_verify (true or false), and with them ssl_ca (a path)"
    )]
    Option,
}

impl FromStr for StoreUrl {
    type Err = StoreUrlError;

    fn from_str(text: &str) -> Result<Self, StoreUrlError> {
        if let Some(path) = text.strip_prefix("sqlite://") {
            // SQLite does not take these for file names.
            if path.is_empty() || path.starts_with(":memory:") || path.starts_with("file:") {
                return Err(StoreUrlError::Path);
            }
            return Ok(Self::Sqlite { path: path.into() });
        }
        let rest = text.strip_prefix("mysql://").ok_or(StoreUrlError::Scheme)?;
        parse_server(rest).map(Self::Mysql)
    }
}

fn parse_server(rest: &str) -> Result<MysqlServer, StoreUrlError> {
    let (login, place) = rest.rsplit_once('@').ok_or(StoreUrlError::Server)?;
    let (user, password) = login.split_once(':').unwrap_or((login, ""));
    let (place, options) = place.split_once('?').unwrap_or((place, ""));
    let (addresses, database) = place.split_once('/').ok_or(StoreUrlError::Server)?;
    let server = MysqlServer {
        hosts: parse_hosts(addresses)?,
        user: decode(user)?,
        password: decode(password)?.into(),
        database: decode(database)?,
        tls: parse_tls(options)?,
    };
    if server.user.is_empty() || server.database.is_empty() {
        return Err(StoreUrlError::Server);
    }
    Ok(server)
}

fn parse_hosts(addresses: &str) -> Result<Vec<MysqlHost>, StoreUrlError> {
    if addresses.split(',').count() > MAX_HOSTS {
        return Err(StoreUrlError::Hosts);
    }
    addresses.split(',').map(parse_address).collect()
}

/// Accepts `host`, `host:port`, `[address]` and `[address]:port`.
fn parse_address(address: &str) -> Result<MysqlHost, StoreUrlError> {
    let (host, rest) = match address.strip_prefix('[') {
        Some(bracketed) => bracketed.split_once(']').ok_or(StoreUrlError::Server)?,
        None => address.split_at(address.find(':').unwrap_or(address.len())),
    };
    let port = match rest.strip_prefix(':') {
        Some(port) => port.parse().map_err(|_| StoreUrlError::Port)?,
        None if rest.is_empty() => MYSQL_PORT,
        None => return Err(StoreUrlError::Server),
    };
    if port == 0 {
        return Err(StoreUrlError::Port);
    }
    if host.is_empty() {
        return Err(StoreUrlError::Server);
    }
    let name = host.to_owned();
    Ok(MysqlHost { name, port })
}

fn parse_tls(options: &str) -> Result<Option<Tls>, StoreUrlError> {
    let (mut required, mut tls) = (false, Tls::default());
    for option in options.split('&').filter(|option| !option.is_empty()) {
        let (name, value) = option.split_once('=').ok_or(StoreUrlError::Option)?;
        let flag = || value.parse::<bool>().map_err(|_| StoreUrlError::Option);
        match name {
            "require_ssl" => required = flag()?,
            "ssl_verify" => tls.verify = flag()?,
            "ssl_ca" => tls.ca = Some(decode(value)?.into()),
            _ => return Err(StoreUrlError::Option),
        }
    }
    // An authority or a verification implies TLS; a missing `require_ssl` must not go unnoticed.
    if !required && tls != Tls::default() {
        return Err(StoreUrlError::Option);
    }
    Ok(required.then_some(tls))
}

fn decode(text: &str) -> Result<String, StoreUrlError> {
    let decoded = percent_decode_str(text).decode_utf8();
    Ok(decoded.map_err(|_| StoreUrlError::Server)?.into_owned())
}

impl fmt::Display for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite { path } => write!(f, "sqlite://{}", path.display()),
            Self::Mysql(server) => server.fmt(f),
        }
    }
}

impl fmt::Display for MysqlServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { user, database, .. } = self;
        let hosts: Vec<_> = self.hosts.iter().map(ToString::to_string).collect();
        write!(f, "mysql://{user}:***@{}/{database}", hosts.join(","))?;
        self.tls.as_ref().map_or(Ok(()), |tls| tls.fmt(f))
    }
}

impl fmt::Display for MysqlHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, port } = self;
        if name.contains(':') {
            write!(f, "[{name}]:{port}")
        } else {
            write!(f, "{name}:{port}")
        }
    }
}

impl fmt::Display for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("?require_ssl=true")?;
        if let Some(ca) = &self.ca {
            write!(f, "&ssl_ca={}", ca.display())?;
        }
        if !self.verify {
            f.write_str("&ssl_verify=false")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    fn server(text: &str) -> MysqlServer {
        match text.parse() {
            Ok(StoreUrl::Mysql(server)) => server,
            other => panic!("{text}: {other:?}"),
        }
    }

    fn host(name: &str, port: u16) -> MysqlHost {
        let name = name.to_owned();
        MysqlHost { name, port }
    }

    #[rstest::rstest]
    #[case("sqlite://data/etiqueta.db", "data/etiqueta.db")]
    #[case("sqlite:///var/lib/etiqueta.db", "/var/lib/etiqueta.db")]
    #[case("sqlite://my data/100%.db?", "my data/100%.db?")]
    fn a_file_is_the_rest_as_it_is(#[case] text: &str, #[case] expected: &str) {
        let Ok(StoreUrl::Sqlite { path }) = text.parse() else {
            panic!("{text}");
        };
        assert_eq!(path, PathBuf::from(expected));
    }

    #[test]
    fn a_server_has_all_its_parts() {
        let server = server("mysql://user:pass@db.example:3307/etiqueta");
        assert_eq!(server.hosts, [host("db.example", 3307)]);
        assert_eq!(server.user, "user");
        assert_eq!(server.password.expose_secret(), "pass");
        assert_eq!(server.database, "etiqueta");
        assert_eq!(server.tls, None);
    }

    #[rstest::rstest]
    #[case("p%40ss%3a%2f%25", "p@ss:/%")]
    #[case("p@ss:w/rd?#&", "p@ss:w/rd?#&")]
    #[case("100%", "100%")]
    #[case("%C3%B1", "ñ")]
    #[case("", "")]
    fn a_password_may_hold_anything(#[case] written: &str, #[case] meant: &str) {
        let server = server(&format!("mysql://user:{written}@host/name"));
        assert_eq!(server.password.expose_secret(), meant);
        assert_eq!(server.hosts, [host("host", 3306)]);
    }

    #[rstest::rstest]
    #[case("mysql://u:p@[::1]:3307/n", "::1", 3307)]
    #[case("mysql://u:p@[::1]/n", "::1", 3306)]
    #[case("mysql://u@10.0.0.1/n", "10.0.0.1", 3306)]
    fn addresses(#[case] text: &str, #[case] name: &str, #[case] port: u16) {
        assert_eq!(server(text).hosts, [host(name, port)]);
    }

    #[test]
    fn several_hosts_are_separated_by_commas() {
        let text = "mysql://u:a,b@one:1,[::1]:2,three/n";
        let server = server(text);
        let expected = [host("one", 1), host("::1", 2), host("three", 3306)];
        assert_eq!(server.hosts, expected);
        assert_eq!(
            server.to_string(),
            "mysql://u:***@one:1,[::1]:2,three:3306/n"
        );
        let most = vec!["h"; MAX_HOSTS].join(",");
        assert!(format!("mysql://u:p@{most}/n").parse::<StoreUrl>().is_ok());
        let error = format!("mysql://u:p@{most},h/n").parse::<StoreUrl>();
        assert_eq!(error.unwrap_err(), StoreUrlError::Hosts);
    }

    #[test]
    fn tls_is_asked_for_by_options() {
        let tls = |options: &str| server(&format!("mysql://u:p@h/n?{options}")).tls;
        assert_eq!(tls("require_ssl=false"), None);
        assert_eq!(tls("require_ssl=true"), Some(Tls::default()));
        let full = "require_ssl=true&ssl_ca=/a%20b.pem&ssl_verify=false";
        let expected = Tls {
            ca: Some("/a b.pem".into()),
            verify: false,
        };
        assert_eq!(tls(full), Some(expected));
    }

    #[rstest::rstest]
    #[case("postgres://u:p@h/n", StoreUrlError::Scheme)]
    #[case("data/etiqueta.db", StoreUrlError::Scheme)]
    #[case("sqlite://", StoreUrlError::Path)]
    #[case("sqlite://:memory:", StoreUrlError::Path)]
    #[case("sqlite://file:x?mode=memory", StoreUrlError::Path)]
    #[case("mysql://host/name", StoreUrlError::Server)]
    #[case("mysql://u:p@host", StoreUrlError::Server)]
    #[case("mysql://u:p@host/", StoreUrlError::Server)]
    #[case("mysql://u:p@/name", StoreUrlError::Server)]
    #[case("mysql://:p@host/name", StoreUrlError::Server)]
    #[case("mysql://u:p@host,/name", StoreUrlError::Server)]
    #[case("mysql://u:%ff@host/name", StoreUrlError::Server)]
    #[case("mysql://u:p@[::1/name", StoreUrlError::Server)]
    #[case("mysql://u:p@[::1]x/name", StoreUrlError::Server)]
    #[case("mysql://u:p@host:0/name", StoreUrlError::Port)]
    #[case("mysql://u:p@host:65536/name", StoreUrlError::Port)]
    #[case("mysql://u:p@host:/name", StoreUrlError::Port)]
    #[case("mysql://u:p@h/n?ssl=true", StoreUrlError::Option)]
    #[case("mysql://u:p@h/n?require_ssl", StoreUrlError::Option)]
    #[case("mysql://u:p@h/n?require_ssl=yes", StoreUrlError::Option)]
    #[case("mysql://u:p@h/n?ssl_ca=/ca.pem", StoreUrlError::Option)]
    fn refuses_other_texts(#[case] text: &str, #[case] expected: StoreUrlError) {
        assert_eq!(text.parse::<StoreUrl>().unwrap_err(), expected);
    }

    #[test]
    fn no_password_is_shown() {
        let text = "mysql://user:s3cret@[::1]:1/n?require_ssl=true&ssl_ca=a&ssl_verify=false";
        let url: StoreUrl = text.parse().unwrap();
        assert_eq!(url.to_string(), text.replace("s3cret", "***"));
        assert!(!format!("{url:?}").contains("s3cret"));
        let file: StoreUrl = "sqlite://a/b.db".parse().unwrap();
        assert_eq!(file.to_string(), "sqlite://a/b.db");
    }
}
