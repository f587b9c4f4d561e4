//! Settings: what can be set, from where it comes, and what is impossible.
//!
//! Layers, later wins: the defaults inside the binary, `etiqueta.toml`, `credentials.json`, the
//! variables that a `.env` of the compose stack has, and `ETIQUETA__SECTION__KEY`. Each value
//! remembers where it comes from, so that what is refused is refused by its name and its place.

mod credentials;
mod database;
mod error;
mod files;
mod imagekit;
mod imagga;
mod layer;
mod limits;
mod log;
mod originals;
mod render;
mod server;
mod tagging;
mod upkeep;
mod values;
mod variables;

#[cfg(test)]
mod tests;

use std::{
    error::Error,
    ffi::OsString,
    fmt,
    ops::RangeInclusive,
    path::{Path, PathBuf},
    time::Duration,
};

pub(crate) use self::tagging::threshold;
pub use self::{
    database::DatabaseSettings,
    error::{SettingsError, ValueError, Warning},
    imagekit::ImageKitSettings,
    imagga::{ImaggaCredentials, ImaggaSettings},
    limits::LimitsSettings,
    log::{LogFormat, LogSettings},
    originals::OriginalsSettings,
    server::ServerSettings,
    tagging::{ProviderChoice, TaggingSettings},
    upkeep::UpkeepSettings,
};
use self::{files::Content, layer::Layer, values::Values, variables::Variables};

/// The settings file that is read where none is named.
const SETTINGS_FILE: &str = "etiqueta.toml";

/// The credentials file that is read where none is named.
const CREDENTIALS_FILE: &str = "credentials.json";

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_hours(1);
const DAY: Duration = Duration::from_hours(24);

/// How long a call to a service, a database or a disk may be allowed to take.
const TIMEOUTS: RangeInclusive<Duration> = SECOND..=Duration::from_mins(10);

/// The most calls at a time that a cloud service may be allowed.
const MAX_CONCURRENCY: u64 = 10_000;

/// Everything that can be set.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where it listens.
    pub server: ServerSettings,
    /// Where images and tags are recorded.
    pub database: DatabaseSettings,
    /// Where the uploaded files are kept.
    pub originals: OriginalsSettings,
    /// Who tags, and how.
    pub tagging: TaggingSettings,
    /// The account at Imagga.
    pub imagga: ImaggaSettings,
    /// The account at ImageKit.
    pub imagekit: ImageKitSettings,
    /// When left-overs are removed.
    pub upkeep: UpkeepSettings,
    /// What an upload may cost.
    pub limits: LimitsSettings,
    /// What is logged.
    pub log: LogSettings,
    values: Values,
}

/// Settings, and what was odd about the places that they come from.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The settings.
    pub settings: Settings,
    /// To be logged once there is a logger.
    pub warnings: Vec<Warning>,
}

/// Where settings are looked for.
#[derive(Clone, Default)]
pub struct Surroundings {
    /// The folder in which `etiqueta.toml` and `credentials.json` are.
    pub folder: PathBuf,
    /// The settings file, where one is named. It must exist.
    pub file: Option<PathBuf>,
    /// The environment.
    pub variables: Vec<(OsString, OsString)>,
}

impl Surroundings {
    /// Working directory and environment of this process.
    pub fn of_process() -> Self {
        Self {
            folder: PathBuf::new(),
            file: None,
            variables: std::env::vars_os().collect(),
        }
    }
}

/// Shows no variables: there are secrets among them.
impl fmt::Debug for Surroundings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Surroundings")
            .field("folder", &self.folder)
            .field("file", &self.file)
            .finish_non_exhaustive()
    }
}

impl Settings {
    /// Gathers the layers and checks what they come to.
    pub fn load(surroundings: &Surroundings) -> Result<Loaded, SettingsError> {
        let variables = Variables::new(surroundings.variables.iter().cloned());
        let mut merged = Layer::defaults()?;
        let layers = [
            file_layer(surroundings)?,
            credentials_layer(surroundings, &variables)?,
            variables.well_known()?,
            variables.ours(&merged)?,
        ];
        let mut warnings = Vec::new();
        for (layer, odd) in layers {
            merged.overlay(layer)?;
            warnings.extend(odd);
        }
        let settings = Self::read(Values::new(merged))?;
        Ok(Loaded { settings, warnings })
    }

    /// What is in force, as TOML; secrets are masked.
    pub fn to_toml(&self) -> String {
        render::to_toml(&self.values)
    }

    /// Refuses a setting for a reason that whoever uses it has found, such as the parser of an
    /// adapter. The reason must hold no secret.
    pub fn refuse(&self, key: &str, reason: impl Error + Send + Sync + 'static) -> SettingsError {
        self.values.refused(key, reason)
    }

    fn read(values: Values) -> Result<Self, SettingsError> {
        let settings = Self {
            server: ServerSettings::read(&values)?,
            database: DatabaseSettings::read(&values)?,
            originals: OriginalsSettings::read(&values)?,
            tagging: TaggingSettings::read(&values)?,
            imagga: ImaggaSettings::read(&values)?,
            imagekit: ImageKitSettings::read(&values)?,
            upkeep: UpkeepSettings::read(&values)?,
            limits: LimitsSettings::read(&values)?,
            log: LogSettings::read(&values)?,
            values,
        };
        settings.check_provider()?;
        Ok(settings)
    }

    fn check_provider(&self) -> Result<(), SettingsError> {
        let needed = self.tagging.provider == ProviderChoice::Imagga;
        if needed && self.imagga.credentials.is_none() {
            let needed_by = "tagging.provider imagga";
            let missing = ValueError::Missing { needed_by };
            return Err(self.values.impossible("imagga.api_key", missing));
        }
        Ok(())
    }
}

type Gathered = (Layer, Vec<Warning>);

fn file_layer(surroundings: &Surroundings) -> Result<Gathered, SettingsError> {
    let named = surroundings.file.as_deref();
    let path = named.unwrap_or(Path::new(SETTINGS_FILE));
    let name = path.display().to_string();
    match files::read(&surroundings.folder.join(path), &name)? {
        Content::Text(text) => Ok((Layer::from_toml(&text, &name)?, Vec::new())),
        Content::Folder(warning) if named.is_none() => Ok((Layer::default(), vec![warning])),
        Content::Missing if named.is_none() => Ok(Gathered::default()),
        Content::Folder(_) | Content::Missing => Err(SettingsError::NoFile { file: name }),
    }
}

fn credentials_layer(
    surroundings: &Surroundings,
    variables: &Variables,
) -> Result<Gathered, SettingsError> {
    let named = variables.text(variables::CREDENTIALS)?;
    let name = named.unwrap_or(CREDENTIALS_FILE);
    match files::read(&surroundings.folder.join(name), name)? {
        Content::Text(text) => credentials::layer(&text, name),
        Content::Folder(warning) => Ok((Layer::default(), vec![warning])),
        Content::Missing if named.is_none() => Ok(Gathered::default()),
        Content::Missing => Err(SettingsError::NoFile {
            file: name.to_owned(),
        }),
    }
}
