//! Where settings are read from.

use std::{ffi::OsString, fmt, path::PathBuf};

/// A working directory and the variables of a process.
#[derive(Clone, Default)]
pub struct Environment {
    /// The folder of `etiqueta.toml` and `credentials.json`.
    pub folder: PathBuf,
    /// The settings file, if one is named. It must exist.
    pub file: Option<PathBuf>,
    /// The environment variables, as names and values.
    pub variables: Vec<(OsString, OsString)>,
}

impl Environment {
    /// Working directory and variables of this process.
    pub fn from_process() -> Self {
        Self {
            folder: PathBuf::new(),
            file: None,
            variables: std::env::vars_os().collect(),
        }
    }
}

/// Omits the variables, which may hold secrets.
impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Environment")
            .field("folder", &self.folder)
            .field("file", &self.file)
            .finish_non_exhaustive()
    }
}
