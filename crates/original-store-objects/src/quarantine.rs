//! Where originals are moved that nobody needs: out of the way, and not away.

use std::{fs, io, path::Path};

use domain::ContentDigest;
use object_store::path::Path as Key;

use crate::{
    fan,
    folder::{self, is_gone},
};

/// The folder below the originals, or what keys begin with. No folder of the fan is called so.
pub(crate) const QUARANTINE: &str = "quarantine";

/// Where an original goes to.
pub(crate) fn key(digest: &ContentDigest) -> Key {
    Key::from_iter([QUARANTINE, digest.to_string().as_str()])
}

/// Moves an original in a folder, durably. `false` if it is not there. The new name is made durable
/// before the old one's end, so that a power cut leaves one of them, or both.
pub(crate) fn rename(root: &Path, digest: &ContentDigest) -> io::Result<bool> {
    let (from, to) = (fan::path(root, digest), root.join(QUARANTINE));
    let name = digest.to_string();
    let source = from.join(&name);
    match fs::symlink_metadata(&source) {
        Err(error) if is_gone(&error) => return Ok(false),
        outcome => outcome?,
    };
    match fs::create_dir(&to) {
        Ok(()) => folder::sync(root)?,
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(error),
    }
    match fs::rename(&source, to.join(&name)) {
        Err(error) if is_gone(&error) && !source.exists() => return Ok(false),
        outcome => outcome?,
    }
    folder::sync(&to)?;
    folder::sync_removal(&from)?;
    Ok(true)
}
