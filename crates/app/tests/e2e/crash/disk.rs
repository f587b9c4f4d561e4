//! A disk whose power can be cut: a file system in a file, shut down as `xfstests` does it.
//!
//! After `EXT4_IOC_SHUTDOWN` with `NOLOGFLUSH` the file system rejects all I/O, and data neither synced nor
//! written back by then is missing after the next mount. Needs root.

use std::{
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

/// More than any run fills.
const SIZE: &str = "2G";

/// Cuts the power: the number is `EXT4_IOC_SHUTDOWN`, 2 is `EXT4_GOING_FLAGS_NOLOGFLUSH`.
const SHUTDOWN: &str = "import fcntl, os, struct, sys; \
    fcntl.ioctl(os.open(sys.argv[1], os.O_RDONLY), 0x8004587D, struct.pack('I', 2))";

/// A file system in a file, mounted until this is dropped.
pub struct Disk {
    image: PathBuf,
    folder: PathBuf,
}

impl Disk {
    /// Creates one in a folder.
    pub fn create(home: &Path) -> Self {
        let disk = Self {
            image: home.join("disk"),
            folder: home.join("mounted"),
        };
        std::fs::create_dir(&disk.folder).unwrap();
        run(Command::new("truncate").args(["-s", SIZE]).arg(&disk.image));
        run(Command::new("mkfs.ext4")
            .args(["-q", "-F"])
            .arg(&disk.image));
        disk.mount();
        disk
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// From now on nothing reaches the disk, and dirty pages are lost.
    pub fn cut_power(&self) {
        let python = std::env::var("ETIQUETA_TEST_PYTHON").unwrap_or_else(|_| "python3".to_owned());
        run(Command::new(python)
            .args(["-c", SHUTDOWN])
            .arg(&self.folder));
    }

    /// Mounts it again, as at the next boot.
    pub fn restore(&self) {
        self.unmount();
        self.mount();
    }

    /// With a journal commit interval so long that nothing reaches the disk by itself.
    fn mount(&self) {
        run(Command::new("mount")
            .args(["-o", "loop,commit=600"])
            .args([&self.image, &self.folder]));
    }

    fn unmount(&self) {
        let began = Instant::now();
        while !Command::new("umount")
            .arg(&self.folder)
            .status()
            .unwrap()
            .success()
        {
            assert!(
                began.elapsed() < Duration::from_secs(10),
                "the disk stays busy"
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount")
            .args(["-l".as_ref(), self.folder.as_os_str()])
            .status();
    }
}

fn run(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(
        output.status.success(),
        "{command:?} (cutting the power needs root, loop devices and ext4): {}",
        String::from_utf8_lossy(&output.stderr)
    );
}
