//! The variables of the environment: `ETIQUETA__SECTION__KEY`, and the names that a `.env` of the
//! compose stack has.

use std::{collections::BTreeMap, ffi::OsString};

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::{
    error::{SettingsError, ValueError, Warning},
    layer::{Layer, Origin},
};

/// What the names of all our variables begin with.
const PREFIX: &str = "ETIQUETA__";

/// Names the credentials file, where it is not `credentials.json` in the working directory.
pub(super) const CREDENTIALS: &str = "ETIQUETA_CREDENTIALS";

const SERVER: &str = "MYSQL_SERVER";
const USER: &str = "MYSQL_USERNAME";
const PASSWORD: &str = "MYSQL_USER_PASSWORD";
const DATABASE: &str = "MYSQL_USER_DATABASE";
const FOLDER: &str = "IMAGE_FOLDER";
const FILTER: &str = "RUST_LOG";

/// The port of MySQL where none is named.
const MYSQL_PORT: u16 = 3306;

/// The environment of the process, or of a test.
#[derive(Default, Clone)]
pub(super) struct Variables(BTreeMap<String, OsString>);

impl Variables {
    /// Variables whose names are no text cannot be ours.
    pub(super) fn new(variables: impl IntoIterator<Item = (OsString, OsString)>) -> Self {
        let named = |(name, value): (OsString, OsString)| Some((name.into_string().ok()?, value));
        Self(variables.into_iter().filter_map(named).collect())
    }

    /// A variable's text; an empty variable counts as none.
    pub(super) fn text(&self, name: &str) -> Result<Option<&str>, SettingsError> {
        let Some(value) = self.0.get(name) else {
            return Ok(None);
        };
        let text = value
            .to_str()
            .ok_or_else(|| wrong(name, ValueError::NotUnicode))?;
        Ok(Some(text).filter(|text| !text.is_empty()))
    }

    /// The names of the compose stack's `.env`, and `RUST_LOG`. `MYSQL_ROOT_PASSWORD` is accepted
    /// there and not needed.
    pub(super) fn well_known(&self) -> Result<(Layer, Vec<Warning>), SettingsError> {
        let mut layer = Layer::default();
        let mut warnings = Vec::new();
        if let Some(folder) = self.text(FOLDER)? {
            layer.set("originals.url", format!("file:{folder}"), variable(FOLDER));
        }
        if let Some(filter) = self.text(FILTER)? {
            layer.set("log.filter", filter, variable(FILTER));
        }
        if let Some(server) = self.text(SERVER)? {
            layer.set("database.url", self.mysql_url(server)?, variable(SERVER));
        } else if self.text(USER)?.is_some() {
            warnings.push(Warning::Alone {
                variable: USER,
                without: SERVER,
            });
        }
        Ok((layer, warnings))
    }

    /// The variables whose names begin with `ETIQUETA__`. An empty one sets an empty value.
    pub(super) fn ours(&self, known: &Layer) -> Result<(Layer, Vec<Warning>), SettingsError> {
        let mut layer = Layer::default();
        let mut warnings = Vec::new();
        for (name, value) in &self.0 {
            if name.starts_with(PREFIX) {
                let key = key_of(name, known)?;
                let text = value
                    .to_str()
                    .ok_or_else(|| wrong(name, ValueError::NotUnicode))?;
                layer.set(key, text, variable(name));
            } else if let Some(right) = misspelled(name, known) {
                warnings.push(Warning::Misspelled {
                    variable: name.clone(),
                    right,
                });
            }
        }
        Ok((layer, warnings))
    }

    fn mysql_url(&self, server: &str) -> Result<String, SettingsError> {
        // The text is not shown: some write user and password into it.
        let what = "a host or host:port";
        let place = host_and_port(server);
        let (host, port) = place.ok_or_else(|| wrong(SERVER, ValueError::NotASecret { what }))?;
        let encoded = |text| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
        let user = encoded(self.needed(USER)?);
        let database = encoded(self.needed(DATABASE)?);
        let password = match self.text(PASSWORD)? {
            Some(password) => format!(":{}", encoded(password)),
            None => String::new(),
        };
        Ok(format!("mysql://{user}{password}@{host}:{port}/{database}"))
    }

    fn needed(&self, name: &str) -> Result<&str, SettingsError> {
        let missing = ValueError::Missing { needed_by: SERVER };
        self.text(name)?.ok_or_else(|| wrong(name, missing))
    }
}

/// The variable of a setting.
pub(super) fn name_of(key: &str) -> String {
    format!("{PREFIX}{}", key.to_uppercase().replace('.', "__"))
}

/// The setting of a variable.
fn key_of<'a>(name: &str, known: &'a Layer) -> Result<&'a str, SettingsError> {
    let found = known.keys().find(|key| name_of(key) == name);
    found.ok_or_else(|| {
        let written = name.strip_prefix(PREFIX).unwrap_or_default();
        let key = written.to_lowercase().replace("__", ".");
        SettingsError::UnknownKey {
            suggestion: known.most_like(&key).map(str::to_owned),
            key,
            origin: name.to_owned(),
        }
    })
}

/// The right name of a variable that differs from it in case and underscores alone.
fn misspelled(name: &str, known: &Layer) -> Option<String> {
    let letters = |text: &str| text.to_uppercase().replace('_', "");
    let written = letters(name);
    if !written.starts_with("ETIQUETA") {
        return None;
    }
    known
        .keys()
        .map(name_of)
        .find(|right| letters(right) == written)
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

fn variable(name: &str) -> Origin {
    Origin::Variable(name.to_owned())
}

fn wrong(variable: &str, problem: ValueError) -> SettingsError {
    SettingsError::Variable {
        variable: variable.to_owned(),
        problem,
    }
}
