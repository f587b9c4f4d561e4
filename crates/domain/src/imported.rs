//! Files that images were imported from.

use crate::{ContentDigest, ContentHasher, image_info::cut};

/// The longest path kept, in bytes of UTF-8.
const LONGEST_PATH: usize = 4096;

/// The identity of an imported file: its content and its path. At most one image has it, so that a file that is
/// imported again makes no second image; the same bytes under another path are another file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ImportKey([u8; 32]);

/// The file that an image was imported from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportedFile {
    /// The identity of the file.
    pub key: ImportKey,
    /// Its path, with what is not UTF-8 replaced: at most 4096 bytes.
    pub path: String,
}

impl ImportKey {
    /// The key with these 32 bytes.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The 32 bytes: the SHA-256 of the content's digest and the path.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl ImportedFile {
    /// A file by the digest of its content and its path, which need not be UTF-8.
    pub fn new(digest: &ContentDigest, path: &[u8]) -> Self {
        let mut hasher = ContentHasher::default();
        hasher.update(digest.as_bytes());
        hasher.update(path);
        Self {
            key: ImportKey(*hasher.finish().as_bytes()),
            path: cut(&String::from_utf8_lossy(path), LONGEST_PATH).to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_path_or_content_is_another_file() {
        let digest = ContentDigest::of(b"content");
        let file = ImportedFile::new(&digest, b"/photos/a.jpg");
        assert_eq!(file.path, "/photos/a.jpg");
        assert_eq!(file, ImportedFile::new(&digest, b"/photos/a.jpg"));
        let elsewhere = ImportedFile::new(&digest, b"/photos/b.jpg");
        let altered = ImportedFile::new(&ContentDigest::of(b"other"), b"/photos/a.jpg");
        assert_ne!(file.key, elsewhere.key);
        assert_ne!(file.key, altered.key);
    }

    #[test]
    fn paths_of_any_bytes_and_length_have_keys_of_their_own() {
        let digest = ContentDigest::of(b"content");
        let (one, other) = (b"/a/\xff.jpg", b"/a/\xfe.jpg");
        let (one, other) = (
            ImportedFile::new(&digest, one),
            ImportedFile::new(&digest, other),
        );
        assert_eq!(one.path, other.path);
        assert_ne!(one.key, other.key);
        let long = ImportedFile::new(&digest, "ñ".repeat(5000).as_bytes());
        assert_eq!(long.path.len(), LONGEST_PATH);
    }
}
