//! A small file system that can be filled.
//!
//! It is a tmpfs. Root mounts it; where mounting is not allowed, as in most containers, a small `/dev/shm`
//! serves; other users run the server in a mount namespace of its own.

use std::{
    fs::File,
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use tempfile::TempDir;

use crate::server::{Server, binary, command, prepared};

/// More than a server needs, and quickly filled.
const SIZE: &str = "8m";

/// The largest `/dev/shm` that is used, in bytes.
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
    mount_kind: Mount,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mount {
    /// Mounted for all processes.
    Mounted,
    /// An existing one, such as `/dev/shm`.
    Shared,
    /// Mounted by the server's command, in its own mount namespace.
    Private,
}

impl Disk {
    pub(super) fn create() -> Self {
        let folder = TempDir::new().unwrap();
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &format!("size={SIZE}"), "tmpfs"]);
        let mount_kind = if succeeds(mount.arg(folder.path())) {
            Mount::Mounted
        } else if size(Path::new(SHARED)).is_some_and(|size| size <= SMALL) {
            let folder = TempDir::new_in(SHARED).unwrap();
            let mount_kind = Mount::Shared;
            return Self { folder, mount_kind };
        } else {
            let mut unshare = Command::new("unshare");
            assert!(succeeds(unshare.args(["-Urm", "true"])), "{HELP}");
            Mount::Private
        };
        Self { folder, mount_kind }
    }

    /// The binary, with access to this disk.
    pub(super) fn command(&self, folder: &Path) -> Command {
        if self.mount_kind != Mount::Private {
            return command(folder);
        }
        let mut command = prepared(Command::new("unshare"), folder);
        command.args(["-Urm", "sh", "-c", IN_A_NAMESPACE, SIZE]);
        command.arg(self.path()).arg(binary());
        command
    }

    /// The path as the server sees it.
    pub(super) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// The path as the test sees it.
    pub(super) fn seen_from_outside(&self, server: &Server) -> PathBuf {
        if self.mount_kind != Mount::Private {
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

    /// Frees the space again.
    pub(super) fn make_room(&self, server: &Server) {
        std::fs::remove_file(self.filler(server)).unwrap();
    }

    fn filler(&self, server: &Server) -> PathBuf {
        self.seen_from_outside(server).join("filler")
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        if self.mount_kind == Mount::Mounted {
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
