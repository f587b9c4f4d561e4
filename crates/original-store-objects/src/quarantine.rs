//! Where originals are moved that no image needs: out of the way, and not away.

use domain::ContentDigest;
use object_store::path::Path as Key;

/// The folder below the originals, or what keys begin with. No shard directory has that name.
pub(crate) const QUARANTINE: &str = "quarantine";

/// Where an original goes to.
pub(crate) fn key(digest: &ContentDigest) -> Key {
    Key::from_iter([QUARANTINE, digest.to_string().as_str()])
}
