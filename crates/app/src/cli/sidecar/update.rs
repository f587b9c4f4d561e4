//! Brings the sidecar of a picture in line with its tags.
//!
//! A sidecar is replaced as a whole, by a file that is complete and on the disk: whoever reads it, and whenever the
//! power fails, it is the one before or the one after.

use std::{
    fs::{self, File, Metadata, Permissions},
    io::{self, Write},
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use rustix::fs::{Gid, Uid, fchown};
use tempfile::{Builder, NamedTempFile, PersistError};
use thiserror::Error;
use xmp::{Wanted, XmpError};

use crate::cli::sidecar_files;

/// How often a sidecar is merged again because another program changed it meanwhile.
const ATTEMPTS: usize = 3;

/// What the names of unfinished files begin and end with.
const UNFINISHED: (&str, &str) = (".etiqueta-", ".xmp.tmp");

/// The age from which an unfinished file is that of a run that was killed.
const ABANDONED: Duration = Duration::from_hours(1);

/// What a new sidecar may have of its picture's mode.
const MODE: u32 = 0o666;

/// What became of a sidecar.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Updated {
    /// It was written.
    Written(PathBuf),
    /// It is as it should be.
    Unchanged,
}

/// Why a sidecar was not written. It is as it was.
#[derive(Debug, Error)]
pub(super) enum UpdateError {
    #[error("its sidecar {name} is left as it is")]
    Xmp {
        name: String,
        #[source]
        error: XmpError,
    },
    #[error("its sidecar {name} cannot be read")]
    Unreadable {
        name: String,
        #[source]
        error: io::Error,
    },
    #[error("its sidecar {name} is not written: it is a symbolic link")]
    Link { name: String },
    #[error("its sidecar {name} is not written: the file is read-only")]
    ReadOnlyFile { name: String },
    #[error("its sidecar {name} is not written: the folder is read-only")]
    ReadOnlyFolder { name: String },
    #[error("its sidecar {name} is not written: another program changes it")]
    Busy { name: String },
    #[error("its sidecar {name} is not written")]
    Unwritten {
        name: String,
        #[source]
        error: io::Error,
    },
}

/// Where a picture's tags are written, and from what.
struct Plan {
    /// The file that is read, if there is one.
    base: Option<PathBuf>,
    target: PathBuf,
}

/// Writes the wanted tags of a picture into its sidecar.
pub(super) fn update(picture: &Path, wanted: &Wanted) -> Result<Updated, UpdateError> {
    for _ in 0..ATTEMPTS {
        let Plan { base, target } = plan(picture);
        let read = base.as_deref().map(read).transpose()?;
        let sidecar = read.as_ref().map(|(bytes, _)| bytes.as_slice());
        let merged = xmp::merge(sidecar, wanted).map_err(|error| UpdateError::Xmp {
            name: name(base.as_deref().unwrap_or(&target)),
            error,
        })?;
        let Some(merged) = merged else {
            return Ok(Updated::Unchanged);
        };
        let before = read.map(|(_, metadata)| metadata);
        let before = before.filter(|_| base.as_ref() == Some(&target));
        if write(&target, picture, before.as_ref(), &merged)? {
            return Ok(Updated::Written(target));
        }
    }
    let name = name(&plan(picture).target);
    Err(UpdateError::Busy { name })
}

/// A sidecar that may belong to several pictures is not changed: the picture gets one of its own, with all that this
/// one says, as programs that find both read the picture's own alone.
fn plan(picture: &Path) -> Plan {
    let preferred = sidecar_files::preferred(picture);
    match sidecar_files::find(picture) {
        None => Plan {
            base: None,
            target: preferred,
        },
        Some(sidecar) if sidecar.is_own || !is_shared(picture) => Plan {
            base: Some(sidecar.path.clone()),
            target: sidecar.path,
        },
        Some(sidecar) => Plan {
            base: Some(sidecar.path),
            target: preferred,
        },
    }
}

/// Whether another file has the name of the picture with another extension, and is no sidecar.
fn is_shared(picture: &Path) -> bool {
    let folder = picture.parent().map(fs::read_dir);
    let entries = folder.into_iter().flatten().flatten().flatten();
    let mut paths = entries.map(|entry| entry.path());
    paths.any(|path| {
        path.file_stem() == picture.file_stem()
            && path.file_name() != picture.file_name()
            && !sidecar_files::is_sidecar(&path)
    })
}

fn read(path: &Path) -> Result<(Vec<u8>, Metadata), UpdateError> {
    sidecar_files::read(path).map_err(|error| UpdateError::Unreadable {
        name: name(path),
        error,
    })
}

fn name(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}

/// Replaces a sidecar that is still the one that was read, or makes one where there is none. `false` if it is another
/// one by now.
fn write(
    target: &Path,
    picture: &Path,
    before: Option<&Metadata>,
    content: &[u8],
) -> Result<bool, UpdateError> {
    let folder = target.parent().unwrap_or(Path::new("."));
    require_writable(target, folder)?;
    let unwritten = |error: io::Error| match error.kind() {
        io::ErrorKind::ReadOnlyFilesystem => UpdateError::ReadOnlyFolder { name: name(target) },
        _ => UpdateError::Unwritten {
            name: name(target),
            error,
        },
    };
    let file = prepare(folder, picture, before, content).map_err(unwritten)?;
    let done = match before {
        Some(before) => {
            let now = fs::symlink_metadata(target);
            if !now.is_ok_and(|now| version(&now) == version(before)) {
                return Ok(false);
            }
            file.persist(target)
        }
        None => file.persist_noclobber(target),
    };
    match done {
        Ok(_) => {}
        Err(PersistError { error, .. })
            if before.is_none() && error.kind() == io::ErrorKind::AlreadyExists =>
        {
            return Ok(false);
        }
        Err(PersistError { error, .. }) => return Err(unwritten(error)),
    }
    // Some file systems cannot do this for a folder; the sidecar itself is whole either way.
    let _ = File::open(folder).and_then(|folder| folder.sync_all());
    Ok(true)
}

/// A file or folder that nobody may write is left alone, also where the superuser could.
fn require_writable(target: &Path, folder: &Path) -> Result<(), UpdateError> {
    let name = || name(target);
    if let Ok(metadata) = fs::symlink_metadata(target) {
        if metadata.is_symlink() {
            return Err(UpdateError::Link { name: name() });
        }
        if metadata.permissions().readonly() {
            return Err(UpdateError::ReadOnlyFile { name: name() });
        }
    }
    if fs::metadata(folder).is_ok_and(|it| it.permissions().readonly()) {
        return Err(UpdateError::ReadOnlyFolder { name: name() });
    }
    Ok(())
}

/// A complete file beside the target, with the owner and permissions of the sidecar before, or else of the picture.
fn prepare(
    folder: &Path,
    picture: &Path,
    before: Option<&Metadata>,
    content: &[u8],
) -> io::Result<NamedTempFile> {
    let mut file = Builder::new()
        .prefix(UNFINISHED.0)
        .suffix(UNFINISHED.1)
        .tempfile_in(folder)?;
    file.write_all(content)?;
    let own = file.as_file().metadata()?;
    let owner = match before {
        Some(before) => before.clone(),
        None => fs::metadata(picture)?,
    };
    if (own.uid(), own.gid()) != (owner.uid(), owner.gid()) {
        let (user, group) = (Uid::from_raw(owner.uid()), Gid::from_raw(owner.gid()));
        // Only the superuser may give files away; another account keeps what it makes.
        if fchown(file.as_file(), Some(user), Some(group)).is_err() {
            let _ = fchown(file.as_file(), None, Some(group));
        }
    }
    // Not by the umask: other programs that read the picture are to read its sidecar.
    let mode = owner.permissions().mode() & 0o777;
    // One that nobody may write could not be brought in line again.
    let mode = if before.is_some() {
        mode
    } else {
        mode & MODE | 0o600
    };
    file.as_file()
        .set_permissions(Permissions::from_mode(mode))?;
    file.as_file().sync_all()?;
    Ok(file)
}

/// What changes with a file.
fn version(metadata: &Metadata) -> (u64, u64, u64, i64, i64) {
    (
        metadata.dev(),
        metadata.ino(),
        metadata.len(),
        metadata.mtime(),
        metadata.mtime_nsec(),
    )
}

/// Whether a file is one that a run has not finished. It is removed if that run was killed.
pub(super) fn sweep(path: &Path) -> bool {
    let (begin, end) = UNFINISHED;
    let name = name(path);
    if !name.starts_with(begin) || !name.ends_with(end) {
        return false;
    }
    let modified = fs::symlink_metadata(path).and_then(|it| it.modified());
    let age = modified.map(|modified| SystemTime::now().duration_since(modified));
    if age.is_ok_and(|age| age.is_ok_and(|age| age > ABANDONED))
        && let Err(error) = fs::remove_file(path)
    {
        tracing::warn!(path = %path.display(), %error, "an unfinished sidecar is not removed");
    }
    true
}

#[cfg(test)]
mod tests;
