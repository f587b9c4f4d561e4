//! The ids of the databases that share originals: one object each, named by the id.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write},
    path::Path,
};

use domain::{DatabaseId, ports::OriginalStoreError};
use futures_util::{StreamExt, TryStreamExt};
use object_store::{ObjectStore, ObjectStoreExt, path::Path as Key};

use crate::{
    content::unavailable,
    folder::{self, entries, is_gone},
    removal::{delete, is_there},
};

/// The folder below the originals, or key prefix.
pub(crate) const DATABASES: &str = ".etiqueta-databases";

/// The content of each object, for human readers.
const TEXT: &str = "A database of Etiqueta with this id keeps originals here. While there is more than \
    one, none of them removes any. See `etiqueta check --forget-database`.\n";

/// The most ids listed. One is usual, and two are enough to know that originals are shared.
const LISTED: usize = 1000;

fn name(database: &DatabaseId) -> String {
    database.to_string()
}

fn sorted(mut databases: Vec<DatabaseId>) -> Vec<DatabaseId> {
    databases.sort_unstable();
    databases
}

/// Registers an id in a folder. Blocks.
pub(crate) fn register(root: &Path, database: &DatabaseId) -> io::Result<()> {
    let folder = root.join(DATABASES);
    match fs::create_dir(&folder) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        // Even if it exists: the process that created it may not have synced it yet.
        _ => folder::sync(root)?,
    }
    let place = folder.join(name(database));
    match OpenOptions::new().write(true).create_new(true).open(place) {
        Ok(mut file) => {
            // Only the name counts: a disk too full for the text is no reason to fail.
            let _ = file.write_all(TEXT.as_bytes());
            let _ = file.sync_all();
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(error),
    }
    folder::sync(&folder)
}

/// The ids registered in a folder. Blocks.
pub(crate) fn databases(root: &Path) -> io::Result<Vec<DatabaseId>> {
    let entries = entries(&root.join(DATABASES))?;
    let names = entries.iter().map(fs::DirEntry::file_name);
    let databases = names.filter_map(|name| name.to_string_lossy().parse().ok());
    Ok(sorted(databases.take(LISTED).collect()))
}

/// Removes an id from a folder. `false` if it is not registered. Blocks.
pub(crate) fn unregister(root: &Path, database: &DatabaseId) -> io::Result<bool> {
    let folder = root.join(DATABASES);
    let was_there = match fs::remove_file(folder.join(name(database))) {
        Ok(()) => true,
        Err(error) if is_gone(&error) => false,
        Err(error) => return Err(error),
    };
    folder::sync_removal(&folder)?;
    Ok(was_there)
}

fn key(database: &DatabaseId) -> Key {
    Key::from_iter([DATABASES, name(database).as_str()])
}

/// Registers an id in a bucket.
pub(crate) async fn register_in_bucket(
    objects: &dyn ObjectStore,
    database: &DatabaseId,
) -> Result<(), OriginalStoreError> {
    let put = objects.put(&key(database), TEXT.into()).await;
    put.map(drop).map_err(unavailable)
}

/// The ids registered in a bucket.
pub(crate) async fn databases_of_bucket(
    objects: &dyn ObjectStore,
) -> Result<Vec<DatabaseId>, OriginalStoreError> {
    let found = objects.list(Some(&Key::from(DATABASES)));
    let databases = found
        .map_err(unavailable)
        .try_filter_map(async |found| {
            let name = found.location.filename().unwrap_or_default();
            Ok(name.parse::<DatabaseId>().ok())
        })
        .take(LISTED);
    Ok(sorted(databases.try_collect().await?))
}

/// Removes an id from a bucket. `false` if it is not registered.
pub(crate) async fn unregister_in_bucket(
    objects: &dyn ObjectStore,
    database: &DatabaseId,
) -> Result<bool, OriginalStoreError> {
    let key = key(database);
    let was_there = is_there(objects, &key).await?;
    delete(objects, &key).await?;
    Ok(was_there)
}
