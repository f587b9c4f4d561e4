//! The variables that a `.env` of the compose stack has, and `RUST_LOG`.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::{
    error::{SettingsError, Warning},
    layer::Layer,
    variables::Variables,
};

const SERVER: &str = "MYSQL_SERVER";
const USER: &str = "MYSQL_USERNAME";
const PASSWORD: &str = "MYSQL_USER_PASSWORD";
const DATABASE: &str = "MYSQL_USER_DATABASE";
const FOLDER: &str = "IMAGE_FOLDER";
const FILTER: &str = "RUST_LOG";

/// The default port of MySQL.
const MYSQL_PORT: u16 = 3306;

/// `MYSQL_ROOT_PASSWORD` is accepted but not used.
pub(super) fn layer(
    variables: &Variables,
    warnings: &mut Vec<Warning>,
) -> Result<Layer, SettingsError> {
    let mut layer = Layer::default();
    if let Some(folder) = variables.text(FOLDER)? {
        layer.set("originals.url", format!("file:{folder}"), FOLDER);
    }
    if let Some(filter) = variables.text(FILTER)? {
        layer.set("log.filter", filter, FILTER);
    }
    if let Some(server) = variables.text(SERVER)? {
        layer.set("database.url", mysql_url(variables, server)?, SERVER);
    } else if variables.text(USER)?.is_some() {
        warnings.push(Warning::Alone {
            variable: USER,
            without: SERVER,
        });
    }
    Ok(layer)
}

fn mysql_url(variables: &Variables, server: &str) -> Result<String, SettingsError> {
    // The value is not shown: it may contain user and password.
    let (host, port) =
        host_and_port(server).ok_or_else(|| wrong(SERVER, "is not a host or host:port"))?;
    let encoded = |text| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    let needed = |name| {
        let missing = || wrong(name, &format!("is missing, and {SERVER} needs it"));
        Ok(encoded(variables.text(name)?.ok_or_else(missing)?))
    };
    let user = needed(USER)?;
    let database = needed(DATABASE)?;
    let password = match variables.text(PASSWORD)? {
        Some(password) => format!(":{}", encoded(password)),
        None => String::new(),
    };
    Ok(format!("mysql://{user}{password}@{host}:{port}/{database}"))
}

/// Splits `host`, `host:port`, `[::1]:port` or `::1`. The host of an IPv6 address gets brackets.
fn host_and_port(server: &str) -> Option<(String, u16)> {
    let (host, port) = match server.rsplit_once(':') {
        Some((host, port)) if host.ends_with(']') || !host.contains(':') => {
            (host, port.parse().ok()?)
        }
        _ => (server, MYSQL_PORT),
    };
    let host = if host.contains(':') && !host.starts_with('[') {
        format!("[{host}]")
    } else {
        host.to_owned()
    };
    url::Host::parse(&host)
        .ok()
        .map(|host| (host.to_string(), port))
}

fn wrong(variable: &str, problem: &str) -> SettingsError {
    SettingsError::Variable {
        variable: variable.to_owned(),
        problem: problem.to_owned(),
    }
}
