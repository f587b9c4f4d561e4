//! Settings: their layers, values and validation.
//!
//! `config` merges the layers, later ones win: the defaults inside the binary, `etiqueta.toml`,
//! `credentials.json`, the variables that a `.env` of the compose stack has, and `ETIQUETA__SECTION__KEY`.
//! Each value keeps its origin, so that errors name the key and its file or variable. `table.rs` is the one
//! list of settings.

mod compose;
mod credentials;
mod environment;
mod error;
mod files;
mod in_force;
mod keys;
mod layer;
mod readers;
mod render;
mod schema;
mod secret_files;
mod table;
mod toml_file;
mod types;
mod variables;

#[cfg(test)]
mod tests;

use std::error::Error;

use config::{Config, ConfigBuilder, builder::DefaultState};

pub(crate) use self::readers::threshold;
pub use self::{
    environment::Environment,
    error::{SettingsError, Warning},
    table::{
        AuthSettings, DatabaseSettings, ImageKitSettings, ImaggaCredentials, ImaggaSettings,
        LimitsSettings, LogSettings, MetricsSettings, OriginalsSettings, ServerSettings, Settings,
        TaggingSettings, UpkeepSettings,
    },
    types::{
        ConsistencyChoice, KeysRequired, LogFormat, OutputChoice, ProviderChoice, SecretUrl,
        VocabularyChoice,
    },
};
use self::{in_force::InForce, schema::Setting, variables::Variables};

/// Settings, with warnings about the files and variables that they come from.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The settings.
    pub settings: Settings,
    /// To be logged once logging is set up.
    pub warnings: Vec<Warning>,
}

impl Settings {
    /// Merges the layers and validates the result.
    pub fn load(environment: &Environment) -> Result<Loaded, SettingsError> {
        let variables = Variables::new(&environment.variables);
        let mut warnings = Vec::new();
        let layers = [
            toml_file::layer(environment, &mut warnings)?,
            credentials::layer(environment, &variables, &mut warnings)?,
            compose::layer(&variables, &mut warnings)?,
            variables.layer(&mut warnings)?,
        ];
        let mut builder = defaults(Self::TABLE)?;
        for layer in layers {
            builder = builder.add_source(layer.checked()?);
        }
        let in_force = merge(builder.clone())?;
        let secrets = secret_files::layer(Self::TABLE, &in_force, &environment.folder)?;
        let settings = Self::read(merge(builder.add_source(secrets))?)?;
        Ok(Loaded { settings, warnings })
    }

    /// The settings in force as TOML; secrets are masked.
    pub fn to_toml(&self) -> String {
        render::to_toml(Self::TABLE, &self.in_force)
    }

    /// An error for a value that its user rejected, such as the parser of an adapter. The reason must not
    /// contain a secret.
    pub fn refuse(&self, key: &str, reason: impl Error + Send + Sync + 'static) -> SettingsError {
        self.in_force.impossible(key, reason.to_string())
    }

    fn read(in_force: InForce) -> Result<Self, SettingsError> {
        let settings = in_force.config().clone().try_deserialize();
        let settings: Self = settings.map_err(|error| in_force.refused(error))?;
        let settings = Self {
            in_force,
            ..settings
        };
        settings.check_credentials()?;
        settings.check_vision_server()?;
        settings.check_memory()?;
        Ok(settings)
    }

    /// Half an account is an error, not an absent account.
    fn check_credentials(&self) -> Result<(), SettingsError> {
        const KEY: &str = "imagga.api_key";
        const SECRET: &str = "imagga.api_secret";
        let is_needed = self.tagging.provider.contains(&ProviderChoice::Imagga);
        let (key, needed_by) = match (&self.imagga.api_key, &self.imagga.api_secret) {
            (None, Some(_)) => (KEY, SECRET),
            (Some(_), None) => (SECRET, KEY),
            (None, None) if is_needed => (KEY, "tagging.provider imagga"),
            _ => return Ok(()),
        };
        let problem = format!("is missing, and {needed_by} needs it");
        Err(self.in_force.impossible(key, problem))
    }

    /// A vision server has no usual address and no usual model.
    fn check_vision_server(&self) -> Result<(), SettingsError> {
        if !self.tagging.provider.contains(&ProviderChoice::OpenAi) {
            return Ok(());
        }
        let key = match (&self.openai.base_url, &self.openai.model) {
            (None, _) => "openai.base_url",
            (_, None) => "openai.model",
            _ => return Ok(()),
        };
        let problem = "is missing, and tagging.provider openai needs it";
        Err(self.in_force.impossible(key, problem.to_owned()))
    }

    fn check_memory(&self) -> Result<(), SettingsError> {
        let (memory, image) = (self.limits.memory_bytes, self.limits.image_bytes);
        if memory >= image {
            return Ok(());
        }
        let problem = format!("{memory} is less than limits.image_bytes, which is {image}");
        Err(self.in_force.impossible("limits.memory_bytes", problem))
    }
}

type Layers = ConfigBuilder<DefaultState>;

/// The lowest layer.
fn defaults(table: &[Setting]) -> Result<Layers, SettingsError> {
    table.iter().try_fold(Config::builder(), |layers, setting| {
        let layers = layers.set_default(setting.key, (setting.default)());
        layers.map_err(|_| SettingsError::Merge)
    })
}

fn merge(layers: Layers) -> Result<InForce, SettingsError> {
    let merged = layers.build().map_err(|_| SettingsError::Merge)?;
    Ok(InForce::new(merged))
}
