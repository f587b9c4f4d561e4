//! Memory, processor time and files of this process, as Linux tells them.

use std::{
    fs,
    sync::LazyLock,
    time::{SystemTime, UNIX_EPOCH},
};

use super::page::{Page, float};
use crate::rlimit;

/// The unit of times in `/proc`, a fixed part of Linux's interface: a hundredth of a second.
const TICKS: f64 = 100.0;

/// When this was first looked at, which is at the start.
static START: LazyLock<SystemTime> = LazyLock::new(SystemTime::now);

/// Notes that the process starts.
pub(super) fn begin() {
    LazyLock::force(&START);
}

/// What Linux says; `None` of what it does not.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Process {
    resident_bytes: Option<u64>,
    threads: Option<u64>,
    cpu_seconds: Option<f64>,
    open_files: Option<u64>,
}

impl Process {
    /// Reads it.
    pub(super) fn look() -> Self {
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
        let files = fs::read_dir("/proc/self/fd").ok();
        Self {
            resident_bytes: field(&status, "VmRSS:").map(|kibibytes| kibibytes * 1024),
            threads: field(&status, "Threads:"),
            cpu_seconds: cpu_seconds(&stat),
            // Without the one that is open for this list.
            open_files: files.map(|files| (files.count() as u64).saturating_sub(1)),
        }
    }

    pub(super) fn write(&self, page: &mut Page) {
        for (name, value) in [
            (
                "process_resident_memory_bytes",
                self.resident_bytes.map(float),
            ),
            ("process_cpu_seconds_total", self.cpu_seconds),
            ("process_open_fds", self.open_files.map(float)),
            ("process_max_fds", Some(float(rlimit::limit() as u64))),
            ("process_threads", self.threads.map(float)),
            ("process_start_time_seconds", start()),
        ] {
            if let Some(value) = value {
                page.value(name, value);
            }
        }
    }
}

fn start() -> Option<f64> {
    let since = START.duration_since(UNIX_EPOCH).ok()?;
    Some(since.as_secs_f64())
}

/// A number of `/proc/self/status`.
fn field(status: &str, name: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

/// User and system time, which are the 14th and 15th field. The second may hold anything but ends with the last bracket.
fn cpu_seconds(stat: &str) -> Option<f64> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut times = fields.split_whitespace().skip(11);
    let (user, system) = (times.next()?, times.next()?);
    let ticks = user.parse::<u64>().ok()? + system.parse::<u64>().ok()?;
    Some(float(ticks) / TICKS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_linux_are_understood() {
        let status = "Name:\tetiqueta\nVmRSS:\t  20480 kB\nThreads:\t17\n";
        assert_eq!(field(status, "VmRSS:"), Some(20480));
        assert_eq!(field(status, "Threads:"), Some(17));
        assert_eq!(field(status, "VmHWM:"), None);
        let stat = "7 (a) b (c) S 1 7 7 0 -1 4194560 900 0 0 0 150 75 0 0 20 0 17 0 123 1 2";
        assert_eq!(cpu_seconds(stat), Some(2.25));
        assert_eq!(cpu_seconds(""), None);
    }

    #[test]
    fn this_process_is_seen() {
        let process = Process::look();
        assert!(process.resident_bytes > Some(1 << 20), "{process:?}");
        assert!(process.threads >= Some(1), "{process:?}");
        assert!(process.open_files >= Some(3), "{process:?}");
        assert!(process.cpu_seconds.is_some(), "{process:?}");
    }
}
