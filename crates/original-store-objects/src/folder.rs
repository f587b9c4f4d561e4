//! File system operations beyond those of `object_store`.

use std::{
    fs::{self, DirEntry, File},
    io,
    path::Path,
    time::SystemTime,
};

use domain::ContentDigest;

use crate::key::RENDITIONS;

/// The prefix of files created to test whether the folder is writable.
pub(crate) const TRIAL: &str = ".etiqueta-trial";

/// Creates a folder and its parents, durably.
pub(crate) fn make(folder: &Path) -> io::Result<()> {
    make_with(folder, sync)
}

fn make_with(folder: &Path, sync: impl Fn(&Path) -> io::Result<()>) -> io::Result<()> {
    let missing: Vec<&Path> = folder
        .ancestors()
        .take_while(|folder| !folder.as_os_str().is_empty() && !folder.is_dir())
        .collect();
    if missing.is_empty() {
        // Another process may have created it just now.
        return match sync(above(folder)) {
            Err(error) if is_refusal(&error) => Ok(()),
            outcome => outcome,
        };
    }
    for folder in missing.iter().rev() {
        match fs::create_dir(folder) {
            Err(error) if !folder.is_dir() => return Err(error),
            _ => sync(above(folder))?,
        }
    }
    Ok(())
}

/// Whether a folder cannot be synced, or is not writable anyway.
fn is_refusal(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::PermissionDenied
            | io::ErrorKind::ReadOnlyFilesystem
            | io::ErrorKind::InvalidInput
            | io::ErrorKind::Unsupported
    )
}

fn above(folder: &Path) -> &Path {
    match folder.parent() {
        Some(above) if !above.as_os_str().is_empty() => above,
        Some(_) => Path::new("."),
        None => folder,
    }
}

/// Makes the names in a folder durable.
pub(crate) fn sync(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// Makes removals from a folder durable; the folder itself may be gone.
pub(crate) fn sync_removal(folder: &Path) -> io::Result<()> {
    match sync(folder) {
        Err(error) if is_gone(&error) => Ok(()),
        outcome => outcome,
    }
}

/// Removes the remains of writes interrupted before that time, and returns their number.
pub(crate) fn sweep(root: &Path, before: SystemTime) -> io::Result<u64> {
    let mut removed = 0;
    for entry in entries(root)? {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with(TRIAL) {
            removed += u64::from(remove_if_older(&entry, before)?);
        } else if name == RENDITIONS {
            removed += sweep_renditions(&entry.path(), before)?;
        } else if shard_byte(&name).is_some() {
            for inner in entries(&entry.path())? {
                if shard_byte(&inner.file_name().to_string_lossy()).is_some() {
                    removed += sweep_leaf(&inner.path(), before)?;
                }
            }
        }
    }
    Ok(removed)
}

fn sweep_leaf(folder: &Path, before: SystemTime) -> io::Result<u64> {
    let mut removed = 0;
    for entry in entries(folder)? {
        if is_remains(&entry.file_name().to_string_lossy()) {
            removed += u64::from(remove_if_older(&entry, before)?);
        }
    }
    Ok(removed)
}

/// The length of a file.
pub(crate) fn length(place: &Path) -> io::Result<u64> {
    let facts = fs::metadata(place)?;
    if facts.is_file() {
        Ok(facts.len())
    } else {
        Err(io::ErrorKind::NotFound.into())
    }
}

/// The entries of a folder; none if it is gone.
pub(crate) fn entries(folder: &Path) -> io::Result<Vec<DirEntry>> {
    match fs::read_dir(folder) {
        Ok(entries) => entries.collect(),
        Err(error) if is_gone(&error) => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

/// The names of renditions end in `.jpg`, those of their remains in `.jpg#NUMBER`.
fn sweep_renditions(folder: &Path, before: SystemTime) -> io::Result<u64> {
    let mut removed = 0;
    for shard in entries(folder)? {
        for entry in entries(&shard.path())? {
            if entry.file_name().to_string_lossy().contains(".jpg#") {
                removed += u64::from(remove_if_older(&entry, before)?);
            }
        }
    }
    Ok(removed)
}

fn remove_if_older(entry: &DirEntry, before: SystemTime) -> io::Result<bool> {
    let outcome = entry.metadata().and_then(|facts| {
        if !facts.is_file() || facts.modified()? >= before {
            return Ok(false);
        }
        fs::remove_file(entry.path()).map(|()| true)
    });
    match outcome {
        Err(error) if is_gone(&error) => Ok(false),
        outcome => outcome,
    }
}

pub(crate) fn is_gone(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    )
}

/// The byte that a shard directory's name stands for.
pub(crate) fn shard_byte(name: &str) -> Option<u8> {
    let is_digit = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
    let is_shard = name.len() == 2 && name.bytes().all(is_digit);
    is_shard
        .then(|| u8::from_str_radix(name, 16).ok())
        .flatten()
}

/// Whether it is a temporary name of `object_store` for a partial file: `DIGEST#NUMBER`.
pub(crate) fn is_remains(name: &str) -> bool {
    name.split_once('#').is_some_and(|(digest, number)| {
        digest.parse::<ContentDigest>().is_ok() && number.bytes().all(|b| b.is_ascii_digit())
    })
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    #[test]
    fn only_remains_of_our_own_are_swept() {
        let root = tempfile::tempdir().unwrap();
        let leaf = root.path().join("ab/cd");
        fs::create_dir_all(&leaf).unwrap();
        let digest = ContentDigest::of(b"x").to_string();
        for name in [digest.as_str(), "notes#1", ".gitignore"] {
            fs::write(leaf.join(name), b"x").unwrap();
        }
        fs::write(leaf.join(format!("{digest}#1")), b"x").unwrap();
        fs::write(root.path().join(format!("{TRIAL}-1")), b"x").unwrap();
        fs::write(root.path().join("holiday.jpg"), b"x").unwrap();
        let renditions = root.path().join(RENDITIONS).join("ab");
        fs::create_dir_all(&renditions).unwrap();
        for name in ["a.256.1.jpg", "a.256.1.jpg#7"] {
            fs::write(renditions.join(name), b"x").unwrap();
        }
        assert_eq!(
            sweep(root.path(), SystemTime::UNIX_EPOCH).unwrap(),
            0,
            "nothing is that old"
        );
        let later = SystemTime::now() + std::time::Duration::from_mins(1);
        assert_eq!(sweep(root.path(), later).unwrap(), 3);
        assert_eq!(fs::read_dir(renditions).unwrap().count(), 1);
        assert_eq!(fs::read_dir(leaf).unwrap().count(), 3);
        assert!(root.path().join("holiday.jpg").exists());
        assert_eq!(sweep(&root.path().join("gone"), later).unwrap(), 0);
    }

    #[test]
    fn folders_are_created_with_parents_and_synced() {
        let root = tempfile::tempdir().unwrap();
        let synced = std::cell::RefCell::new(Vec::new());
        let note = |folder: &Path| {
            let inside = folder.strip_prefix(root.path()).unwrap();
            synced.borrow_mut().push(inside.to_owned());
            Ok(())
        };
        let paths = |names: &[&str]| names.iter().map(Into::into).collect::<Vec<PathBuf>>();
        make_with(&root.path().join("a/b/c"), note).unwrap();
        assert_eq!(synced.take(), paths(&["", "a", "a/b"]));
        make_with(&root.path().join("a/b/c"), note).unwrap();
        assert_eq!(synced.take(), paths(&["a/b"]), "also an existing one");
        let file = root.path().join("a/file");
        fs::write(&file, b"x").unwrap();
        assert!(make(&file).is_err());
        assert!(make(&file.join("below")).is_err());
    }

    #[test]
    fn unsyncable_parent_is_an_error_only_after_creation() {
        let root = tempfile::tempdir().unwrap();
        let refused = |_: &Path| Err(io::ErrorKind::PermissionDenied.into());
        make_with(root.path(), refused).unwrap();
        assert!(make_with(&root.path().join("a"), refused).is_err());
        let broken = |_: &Path| Err(io::Error::other("broken disk"));
        assert!(make_with(root.path(), broken).is_err());
    }

    #[test]
    fn a_relative_folder_is_in_the_working_directory() {
        assert_eq!(above(Path::new("Images")), Path::new("."));
        assert_eq!(above(Path::new("a/b")), Path::new("a"));
        assert_eq!(above(Path::new("/a")), Path::new("/"));
    }

    #[test]
    fn shard_directories_stand_for_a_byte() {
        assert_eq!(shard_byte("0a"), Some(10));
        for name in ["0A", "+1", "a", "abc", "quarantine", ""] {
            assert_eq!(shard_byte(name), None, "{name}");
        }
    }
}
