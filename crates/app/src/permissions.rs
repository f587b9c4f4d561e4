//! Permissions of the files that the store writes.

use std::{
    fmt, fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use rustix::fs::Mode;

/// The file mode creation mask: `077` keeps new files and folders to the account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Umask(u32);

/// The permission bits of group and others.
const OTHERS: u32 = 0o077;

impl Umask {
    /// Parses three octal digits. The first must be 0: the server has to use the files it creates.
    pub fn parse(text: &str) -> Option<Self> {
        let is_octal = text.len() == 3 && text.bytes().all(|b| (b'0'..=b'7').contains(&b));
        let mask = u32::from_str_radix(text, 8).ok().filter(|_| is_octal)?;
        (mask & !OTHERS == 0).then_some(Self(mask))
    }

    /// Sets it for the process, for all files created from here on.
    pub fn apply(self) {
        rustix::process::umask(Mode::from_raw_mode(self.0));
    }

    /// Warns of existing files with wider permissions than new ones would get. They are not changed: other
    /// software may rely on them.
    pub fn warn_of_wider(self, paths: &[PathBuf]) {
        let wider = self.wider_than(paths);
        if !wider.is_empty() {
            tracing::warn!(
                paths = wider.join(", "),
                "other accounts may use files that are older than server.umask {self}: take that away by \
                 chmod, or set server.umask to what is wanted"
            );
        }
    }

    /// Those of the paths that others may use, with their permissions.
    pub fn wider_than(self, paths: &[PathBuf]) -> Vec<String> {
        paths.iter().filter_map(|path| self.wider(path)).collect()
    }

    /// The path and its permissions, if they are wider.
    fn wider(self, path: &Path) -> Option<String> {
        let mode = fs::metadata(path).ok()?.permissions().mode() & 0o777;
        (mode & self.0 != 0).then(|| format!("{} ({mode:03o})", path.display()))
    }
}

impl fmt::Display for Umask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:03o}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_octal_digits_leave_the_owner_everything() {
        for text in ["077", "022", "000", "027"] {
            assert_eq!(Umask::parse(text).unwrap().to_string(), text);
        }
        for text in ["77", "0077", "177", "078", "+77", "", "0o7", "63", "511"] {
            assert_eq!(Umask::parse(text), None, "{text}");
        }
    }

    #[test]
    fn only_wider_permissions_are_reported() {
        let folder = tempfile::tempdir().unwrap();
        let umask = Umask::parse("027").unwrap();
        let set = |mode| {
            fs::set_permissions(folder.path(), fs::Permissions::from_mode(mode)).unwrap();
            umask.wider(folder.path())
        };
        assert_eq!(set(0o750), None);
        let warning = set(0o755).unwrap();
        assert!(warning.ends_with(" (755)"), "{warning}");
        assert_eq!(umask.wider(&folder.path().join("none")), None);
    }
}
