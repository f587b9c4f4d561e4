//! `etiqueta backup`: copies the SQLite database while it is in use.

use std::{
    io::{self, Write},
    path::Path,
};

use anyhow::bail;

use crate::{settings::Settings, wiring::Database};

pub(super) async fn run(target: &Path, settings: &Settings) -> anyhow::Result<()> {
    let database = Database::new(settings)?;
    // Opening one that is not there would make it. Its schema may be of any version: a backup comes before an upgrade.
    if let Some(file) = database.file().filter(|file| !file.exists()) {
        bail!("there is no database {}", file.display());
    }
    let backup = database.back_up(target).await?;
    let (images, bytes, name) = (backup.images, backup.bytes, target.display());
    writeln!(io::stdout(), "{name}: {images} images, {bytes} bytes")?;
    Ok(())
}
