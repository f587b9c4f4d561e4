//! Originals that a removal has set aside.
//!
//! They are stored side by side, named `DIGEST.FENCE.FATE`. No two removals share a name, so a late one can
//! affect only what it set aside itself.

mod bucket;
mod folder;

use domain::{
    ContentDigest,
    ports::{Fate, SetAside},
};

pub(crate) use self::{
    bucket::{aside, delete, find, is_there, list, set_aside, take_back},
    folder::Removals,
};

/// The folder below the originals, or key prefix.
pub(crate) const REMOVALS: &str = ".etiqueta-removals";

/// How many are listed in one call.
const LISTED: usize = 1000;

const REMOVAL: &str = "removal";
const QUARANTINE: &str = "quarantine";

/// The name of an original set aside.
pub(crate) fn name(original: &SetAside) -> String {
    let fate = match original.fate {
        Fate::Removal => REMOVAL,
        Fate::Quarantine => QUARANTINE,
    };
    format!("{}.{}.{fate}", original.digest, original.fence)
}

/// Parses a name. `None` if no removal creates it.
fn parse(name: &str, is_settled: bool) -> Option<SetAside> {
    let mut parts = name.split('.');
    let (digest, fence) = (parts.next()?, parts.next()?);
    let fate = match parts.next()? {
        REMOVAL => Fate::Removal,
        QUARANTINE => Fate::Quarantine,
        _ => return None,
    };
    let original = SetAside {
        digest: digest.parse().ok()?,
        fence: fence.parse().ok()?,
        fate,
        is_settled,
    };
    // Rejects alternative spellings.
    (self::name(&original) == name).then_some(original)
}

/// Whether it is a name of that original, set aside.
fn is_of(name: &str, digest: &ContentDigest) -> bool {
    parse(name, true).is_some_and(|original| original.digest == *digest)
}

#[cfg(test)]
mod tests {
    use domain::Fence;

    use super::*;

    #[test]
    fn names_say_what_is_set_aside() {
        for fate in [Fate::Removal, Fate::Quarantine] {
            let original = SetAside {
                digest: ContentDigest::of(b"x"),
                fence: Fence::random(),
                fate,
                is_settled: true,
            };
            let name = name(&original);
            assert_eq!(parse(&name, true), Some(original));
            assert!(is_of(&name, &original.digest));
            assert!(!is_of(&name, &ContentDigest::of(b"y")));
            assert_eq!(parse(&format!("{name}.x"), true), None);
            assert_eq!(parse(&name.to_uppercase(), true), None);
        }
        assert_eq!(parse("notes", true), None);
    }
}
