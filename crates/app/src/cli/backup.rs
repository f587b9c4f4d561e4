//! `etiqueta backup`: copies the SQLite database while it is in use.

use std::{
    io::{self, Write},
    path::Path,
};

use crate::{settings::Settings, wiring::Database};

pub(super) async fn run(target: &Path, settings: &Settings) -> anyhow::Result<()> {
    let database = Database::new(settings)?;
    // Before anything is opened: a backup makes no database.
    database.require_schema().await?;
    let backup = database.back_up(target).await?;
    let (images, bytes, name) = (backup.images, backup.bytes, target.display());
    writeln!(io::stdout(), "{name}: {images} images, {bytes} bytes")?;
    Ok(())
}
