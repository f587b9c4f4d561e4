//! The quarantine of originals that no image needs: moved away, not removed.

use domain::ContentDigest;
use object_store::path::Path as Key;

/// The folder below the originals, or key prefix. No shard directory has that name.
pub(crate) const QUARANTINE: &str = "quarantine";

/// The key of a quarantined original.
pub(crate) fn key(digest: &ContentDigest) -> Key {
    Key::from_iter([QUARANTINE, digest.to_string().as_str()])
}
