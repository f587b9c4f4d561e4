//! `[upkeep]`: when left-overs are looked for, and how old they must be.

use std::time::Duration;

use super::{DAY, SECOND, error::SettingsError, values::Values};

/// The section `[upkeep]`.
#[derive(Debug, Clone)]
pub struct UpkeepSettings {
    /// How often upkeep runs.
    pub interval: Duration,
    /// How old a forgotten hosted blob must be.
    pub hosted_blob_age: Duration,
    /// How old an unreferenced original must be.
    pub original_age: Duration,
}

impl UpkeepSettings {
    pub(super) fn read(values: &Values) -> Result<Self, SettingsError> {
        let ages = SECOND..=30 * DAY;
        Ok(Self {
            interval: values.duration("upkeep.interval", SECOND..=DAY)?,
            hosted_blob_age: values.duration("upkeep.hosted_blob_age", ages.clone())?,
            original_age: values.duration("upkeep.original_age", ages)?,
        })
    }
}
