//! Sidecars beside pictures.

use std::{
    ffi::OsString,
    fs::{self, File, Metadata, OpenOptions},
    io::{self, Read},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use rustix::fs::OFlags;

/// The extensions of a sidecar.
const EXTENSIONS: [&str; 2] = ["xmp", "XMP"];

/// A sidecar of a picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sidecar {
    pub(super) path: PathBuf,
    /// Whether its name has the picture's whole name, so that it is that of no other picture.
    pub(super) is_own: bool,
}

/// The sidecar of a picture: of `a.jpg` that is `a.jpg.xmp`, or else `a.xmp`.
pub(super) fn find(picture: &Path) -> Option<Sidecar> {
    if is_sidecar(picture) {
        return None;
    }
    let own = EXTENSIONS.map(|extension| Sidecar {
        path: own(picture, extension),
        is_own: true,
    });
    let others = EXTENSIONS.map(|extension| Sidecar {
        path: picture.with_extension(extension),
        is_own: false,
    });
    let mut all = own.into_iter().chain(others);
    // A link whose target is gone is a sidecar that cannot be read, rather than none.
    all.find(|sidecar| fs::symlink_metadata(&sidecar.path).is_ok())
}

/// The preferred name of a sidecar.
pub(super) fn preferred(picture: &Path) -> PathBuf {
    own(picture, "xmp")
}

fn own(picture: &Path, extension: &str) -> PathBuf {
    let mut name = OsString::from(picture);
    name.push(".");
    name.push(extension);
    name.into()
}

/// Whether a file is a sidecar by its name.
pub(super) fn is_sidecar(path: &Path) -> bool {
    let extension = path.extension();
    extension.is_some_and(|it| it.eq_ignore_ascii_case("xmp"))
}

/// The bytes of a sidecar, and what is known of the file. A pipe does not hold it up; of a file that is too large so
/// much is read that this is noticed.
pub(super) fn read(path: &Path) -> io::Result<(Vec<u8>, Metadata)> {
    let flags = OFlags::NONBLOCK.bits().cast_signed();
    let file: File = OpenOptions::new()
        .read(true)
        .custom_flags(flags)
        .open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(io::Error::other("it is not a file"));
    }
    let mut bytes = Vec::new();
    file.take(xmp::MAX_BYTES as u64 + 1)
        .read_to_end(&mut bytes)?;
    Ok((bytes, metadata))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sidecar_with_the_whole_name_is_preferred() {
        let folder = tempfile::tempdir().unwrap();
        let picture = folder.path().join("a.jpg");
        assert_eq!(find(&picture), None);
        for (name, is_own) in [
            ("a.XMP", false),
            ("a.xmp", false),
            ("a.jpg.XMP", true),
            ("a.jpg.xmp", true),
        ] {
            let path = folder.path().join(name);
            fs::write(&path, name).unwrap();
            assert_eq!(find(&picture), Some(Sidecar { path, is_own }));
        }
        assert_eq!(find(&folder.path().join("b.jpg")), None);
        assert_eq!(
            find(&folder.path().join("a.xmp")),
            None,
            "a sidecar has none"
        );
        assert_eq!(preferred(&picture), folder.path().join("a.jpg.xmp"));
    }

    #[test]
    fn what_is_no_file_is_not_read() {
        let folder = tempfile::tempdir().unwrap();
        assert!(read(folder.path()).is_err());
        assert!(read(&folder.path().join("a.xmp")).is_err());
    }
}
