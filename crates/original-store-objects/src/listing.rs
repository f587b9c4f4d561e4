//! Lists the content of a folder of originals.
//!
//! Shard directories are read one after the other, so that memory use does not depend on the number of
//! originals, and an inaccessible folder is reported by name.

use std::{
    fs::{DirEntry, Metadata},
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use chrono::{DateTime, Utc};
use domain::{
    ContentDigest,
    ports::{OriginalStoreError, StoredObject, StoredOriginal},
};
use futures_util::{StreamExt, TryStreamExt, stream, stream::BoxStream};

use crate::{
    directory::{Directory, blocking},
    folder::{entries, is_gone, is_remains, shard_byte},
    quarantine::QUARANTINE,
};

/// Created by file systems.
const LOST_AND_FOUND: &str = "lost+found";

/// A folder still to be read.
#[derive(Debug)]
enum Pending {
    Root(PathBuf),
    /// That of a first byte.
    Outer(PathBuf, u8),
    /// That of two bytes.
    Leaf(PathBuf, [u8; 2]),
}

/// The content of a folder.
#[derive(Debug, Default)]
struct Contents {
    objects: Vec<StoredObject>,
    folders: Vec<Pending>,
}

/// Everything in the folder except the store's own files.
pub(crate) fn list(
    folder: Arc<Directory>,
) -> BoxStream<'static, Result<StoredObject, OriginalStoreError>> {
    let start = vec![Pending::Root(folder.root.path().to_owned())];
    stream::try_unfold(start, move |mut pending| {
        let folder = Arc::clone(&folder);
        async move {
            let Some(next) = pending.pop() else {
                return Ok(None);
            };
            let found = blocking(&folder, move |folder| look(folder.root.path(), &next)).await?;
            pending.extend(found.folders);
            Ok::<_, OriginalStoreError>(Some((found.objects, pending)))
        }
    })
    .map_ok(|objects| stream::iter(objects.into_iter().map(Ok)))
    .try_flatten()
    .boxed()
}

fn look(root: &Path, pending: &Pending) -> io::Result<Contents> {
    let path = match pending {
        Pending::Root(path) | Pending::Outer(path, _) | Pending::Leaf(path, _) => path,
    };
    let named =
        |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
    let mut contents = Contents::default();
    for entry in entries(path).map_err(named)? {
        sort(root, pending, &entry, &mut contents).map_err(named)?;
    }
    Ok(contents)
}

/// Sorts an entry by type.
fn sort(
    root: &Path,
    pending: &Pending,
    entry: &DirEntry,
    contents: &mut Contents,
) -> io::Result<()> {
    let name = entry.file_name();
    let name = name.to_string_lossy();
    // Folders may be symbolic links to other disks.
    let Some(facts) = facts(&entry.path())? else {
        return Ok(());
    };
    let byte = shard_byte(&name).filter(|_| facts.is_dir());
    match (pending, byte) {
        (Pending::Root(_), Some(first)) => {
            contents.folders.push(Pending::Outer(entry.path(), first));
        }
        (Pending::Root(_), None) if is_own(&name) => {}
        (Pending::Outer(_, first), Some(second)) => {
            let bytes = [*first, second];
            contents.folders.push(Pending::Leaf(entry.path(), bytes));
        }
        (Pending::Leaf(_, bytes), _) if facts.is_file() && is_in_place(&name, *bytes) => {
            let digest = name.parse().map_err(io::Error::other)?;
            contents.objects.push(original(digest, &facts)?);
        }
        (Pending::Leaf(..), _) if is_remains(&name) => {}
        _ => {
            let path = entry.path();
            let name = path.strip_prefix(root).unwrap_or(&path);
            let name = name.to_string_lossy().into_owned();
            contents.objects.push(StoredObject::Foreign(name));
        }
    }
    Ok(())
}

/// Metadata; `None` if the file is gone by now, or is a dangling link.
fn facts(path: &Path) -> io::Result<Option<Metadata>> {
    match path.metadata() {
        Ok(facts) => Ok(Some(facts)),
        Err(error) if is_gone(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Whether an entry of the root is expected there: the marker and other hidden files, the quarantine, and
/// what every file system has.
fn is_own(name: &str) -> bool {
    name.starts_with('.') || name == QUARANTINE || name == LOST_AND_FOUND
}

/// Whether it is the name of an original that belongs in that folder.
fn is_in_place(name: &str, [first, second]: [u8; 2]) -> bool {
    let digest = name.parse::<ContentDigest>();
    digest.is_ok_and(|digest| digest.as_bytes().starts_with(&[first, second]))
}

fn original(digest: ContentDigest, facts: &Metadata) -> io::Result<StoredObject> {
    let modified: DateTime<Utc> = facts.modified()?.into();
    Ok(StoredObject::Original(StoredOriginal {
        digest,
        len: facts.len(),
        modified,
    }))
}
