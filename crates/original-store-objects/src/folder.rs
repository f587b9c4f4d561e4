//! What a folder needs beyond what `object_store` does.

use std::{
    fs::{self, DirEntry, File},
    io,
    path::Path,
    time::SystemTime,
};

use domain::ContentDigest;

/// What the files begin with that are made to find out whether files can be made.
pub(crate) const TRIAL: &str = ".etiqueta-trial";

/// Makes a folder, durably, and all that lead to it.
pub(crate) fn make(folder: &Path) -> io::Result<()> {
    make_with(folder, sync)
}

fn make_with(folder: &Path, sync: impl Fn(&Path) -> io::Result<()>) -> io::Result<()> {
    let missing: Vec<&Path> = folder
        .ancestors()
        .take_while(|folder| !folder.as_os_str().is_empty() && !folder.is_dir())
        .collect();
    if missing.is_empty() {
        // Somebody else may have made it just now.
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

/// Whether a folder is none that could be synced, or none that could have been written to.
fn is_refusal(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::PermissionDenied
            | io::ErrorKind::ReadOnlyFilesystem
            | io::ErrorKind::InvalidInput
            | io::ErrorKind::Unsupported
    )
}

/// The folder that a folder is in.
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

/// Makes it durable that names are gone from a folder, which may be gone itself.
pub(crate) fn sync_removal(folder: &Path) -> io::Result<()> {
    match sync(folder) {
        Err(error) if is_gone(&error) => Ok(()),
        outcome => outcome,
    }
}

/// Removes what writes that were cut off before that time left behind. Says how much it was.
pub(crate) fn sweep(root: &Path, before: SystemTime) -> io::Result<u64> {
    let mut removed = 0;
    for entry in entries(root)? {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with(TRIAL) {
            removed += u64::from(remove_if_older(&entry, before)?);
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

/// What is in a folder; nothing if it is gone.
pub(crate) fn entries(folder: &Path) -> io::Result<Vec<DirEntry>> {
    match fs::read_dir(folder) {
        Ok(entries) => entries.collect(),
        Err(error) if is_gone(&error) => Ok(Vec::new()),
        Err(error) => Err(error),
    }
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

/// The byte that the name of a shard directory stands for.
pub(crate) fn shard_byte(name: &str) -> Option<u8> {
    let is_digit = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
    let is_shard = name.len() == 2 && name.bytes().all(is_digit);
    is_shard
        .then(|| u8::from_str_radix(name, 16).ok())
        .flatten()
}

/// Whether it is the name that `object_store` gives a file before it is whole: `DIGEST#NUMBER`.
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
        assert_eq!(
            sweep(root.path(), SystemTime::UNIX_EPOCH).unwrap(),
            0,
            "nothing is that old"
        );
        let later = SystemTime::now() + std::time::Duration::from_mins(1);
        assert_eq!(sweep(root.path(), later).unwrap(), 2);
        assert_eq!(fs::read_dir(leaf).unwrap().count(), 3);
        assert!(root.path().join("holiday.jpg").exists());
        assert_eq!(sweep(&root.path().join("gone"), later).unwrap(), 0);
    }

    #[test]
    fn folders_are_made_with_all_that_lead_to_them_and_each_name_is_synced() {
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
        assert_eq!(synced.take(), paths(&["a/b"]), "whoever made it");
        let file = root.path().join("a/file");
        fs::write(&file, b"x").unwrap();
        assert!(make(&file).is_err());
        assert!(make(&file.join("below")).is_err());
    }

    #[test]
    fn a_folder_above_that_cannot_be_synced_matters_where_something_was_made() {
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
