//! A small file system that can be full.
//!
//! It is a tmpfs. Root mounts it; where that is not allowed, as in most containers, `/dev/shm` will do if
//! it is small, as it is there; and who is not root gives the server a namespace of its own.

use std::{
    fs::File,
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use tempfile::TempDir;

use crate::server::{Server, binary, command, prepared};

/// More than a server needs, and soon full.
const SIZE: &str = "8m";

/// The largest `/dev/shm` that is filled, in bytes.
const SMALL: u64 = 256 << 20;

const SHARED: &str = "/dev/shm";

const HELP: &str = "no small file system here: it takes root that may mount, a /dev/shm of at most \
                    256 MB, or namespaces for users (in a container: docker run --cap-add SYS_ADMIN \
                    --security-opt apparmor=unconfined)";

/// Mounts a tmpfs on the first argument; the rest is a command.
const IN_A_NAMESPACE: &str = "mount -t tmpfs -o size=\"$0\" tmpfs \"$1\" && shift && exec \"$@\"";

/// A small file system, until this is dropped.
pub(super) struct Disk {
    folder: TempDir,
    place: Place,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Mounted for everybody.
    Mounted,
    /// There already.
    Shared,
    /// Mounted by the server's command, for the server alone.
    Private,
}

impl Disk {
    pub(super) fn create() -> Self {
        let folder = TempDir::new().unwrap();
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &format!("size={SIZE}"), "tmpfs"]);
        let place = if succeeds(mount.arg(folder.path())) {
            Place::Mounted
        } else if size(Path::new(SHARED)).is_some_and(|size| size <= SMALL) {
            let folder = TempDir::new_in(SHARED).unwrap();
            let place = Place::Shared;
            return Self { folder, place };
        } else {
            let mut unshare = Command::new("unshare");
            assert!(succeeds(unshare.args(["-Urm", "true"])), "{HELP}");
            Place::Private
        };
        Self { folder, place }
    }

    /// The binary, on a machine that has this disk.
    pub(super) fn command(&self, folder: &Path) -> Command {
        if self.place != Place::Private {
            return command(folder);
        }
        let mut command = prepared(Command::new("unshare"), folder);
        command.args(["-Urm", "sh", "-c", IN_A_NAMESPACE, SIZE]);
        command.arg(self.path()).arg(binary());
        command
    }

    /// Where the server finds it.
    pub(super) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Where the test finds it.
    pub(super) fn seen_from_outside(&self, server: &Server) -> PathBuf {
        if self.place != Place::Private {
            return self.path().to_owned();
        }
        let root = PathBuf::from(format!("/proc/{}/root", server.process.id()));
        root.join(self.path().strip_prefix("/").unwrap())
    }

    /// Fills it to the last byte.
    pub(super) fn fill(&self, server: &Server) {
        let mut file = File::create(self.filler(server)).unwrap();
        for piece in [64 << 10, 1] {
            while file.write_all(&vec![0; piece]).is_ok() {}
        }
    }

    /// Makes room again.
    pub(super) fn make_room(&self, server: &Server) {
        std::fs::remove_file(self.filler(server)).unwrap();
    }

    fn filler(&self, server: &Server) -> PathBuf {
        self.seen_from_outside(server).join("filler")
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        if self.place == Place::Mounted {
            let _ = Command::new("umount").arg("-l").arg(self.path()).status();
        }
    }
}

fn succeeds(command: &mut Command) -> bool {
    let quiet = command.stdout(Stdio::null()).stderr(Stdio::null());
    quiet.status().is_ok_and(|status| status.success())
}

/// The size of the file system that a folder is on, in bytes.
fn size(folder: &Path) -> Option<u64> {
    let output = Command::new("df")
        .args(["-B1", "--output=size"])
        .arg(folder)
        .output()
        .ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    text.lines().nth(1)?.trim().parse().ok()
}
