//! The identity of a vision server's answers.

use std::fmt::Write;

use domain::ProviderIdentity;
use sha2::{Digest, Sha256};

use crate::{VisionSettings, VisionSettingsError};

/// The name of the provider, whatever server it is.
const NAME: &str = "openai";

/// Raised when the built-in question or the reading of answers changes.
const REVISION: u8 = 1;

/// So many characters of the model's name are in the version; the digest has all of it.
const SHOWN: usize = 46;

/// The version is the model's name, and a digest of what else an answer depends on: another question gets other
/// answers. The address of the server is no part of it, nor are the words of a closed vocabulary.
pub(crate) fn of(settings: &VisionSettings) -> Result<ProviderIdentity, VisionSettingsError> {
    if settings.model.is_empty() {
        return Err(VisionSettingsError::Model);
    }
    let shown: String = settings.model.chars().take(SHOWN).collect();
    let version = format!("{shown}@{}", digest(settings));
    Ok(ProviderIdentity::parse(NAME, version, &*settings.language)?)
}

fn digest(settings: &VisionSettings) -> String {
    let parts = [
        REVISION.to_string(),
        settings.model.clone(),
        settings.output.to_string(),
        settings.prompt.clone().unwrap_or_default(),
        settings.max_tags.to_string(),
        settings.default_confidence.to_string(),
    ];
    let mut hash = Sha256::new();
    for part in &parts {
        // Lengths keep the parts apart.
        hash.update(part.len().to_le_bytes());
        hash.update(part);
    }
    let mut text = String::new();
    for byte in hash.finalize().iter().take(8) {
        // Writing to a string does not fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}
