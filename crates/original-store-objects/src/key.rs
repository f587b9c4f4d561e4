//! The keys of originals, and where their renditions and temporary uploads are.

use domain::ContentDigest;
use object_store::path::Path;

/// The folder below the originals where renditions are, or what their keys begin with.
pub(crate) const RENDITIONS: &str = ".etiqueta-renditions";

/// The folder below the originals where temporary uploads are, or what their keys begin with.
pub(crate) const UPLOADS: &str = ".etiqueta-uploads";

/// The key of an original: `ab/cd/abcd…`.
pub(crate) fn key(digest: &ContentDigest) -> Path {
    let name = digest.to_string();
    let shard = |from: usize| name.get(from..from + 2).unwrap_or_default();
    Path::from_iter([shard(0), shard(2), name.as_str()])
}
