//! The actual cost of decoding a file, measured in a separate process.

use std::{env, fs, process::Command};

use image_codec::{Allowance, cost};

use super::MAX_SIDE;

/// Names the file that the process decodes.
const FILE: &str = "IMAGE_CODEC_MEASURED_FILE";
/// The prefix of the line with the results.
const MARK: &str = "measured: ";

#[derive(Debug)]
pub(super) struct Measured {
    /// Of processor time.
    pub(super) seconds: f64,
    /// Peak memory beside the file, in bytes.
    pub(super) peak: u64,
    /// The estimated memory, in bytes.
    pub(super) estimated: u64,
}

impl Measured {
    pub(super) fn of(file: &[u8]) -> Self {
        let path = env::temp_dir().join(format!("measured-{}", std::process::id()));
        fs::write(&path, file).unwrap();
        let process = Command::new(env::current_exe().unwrap())
            .args(["--exact", "hostile::measure::one_file", "--nocapture"])
            .env(FILE, &path)
            .output()
            .unwrap();
        fs::remove_file(path).unwrap();
        let text = String::from_utf8(process.stdout).unwrap();
        let figures = text.lines().find_map(|line| line.split_once(MARK));
        let (_, figures) = figures.expect(&text);
        let mut figures = figures.split_whitespace();
        let mut next = || figures.next().unwrap();
        Self {
            seconds: next().parse().unwrap(),
            peak: next().parse().unwrap(),
            estimated: next().parse().unwrap(),
        }
    }
}

/// Runs in the separate process; does nothing in a normal test run.
#[test]
fn one_file() {
    let Some(path) = env::var_os(FILE) else {
        return;
    };
    let file = fs::read(path).unwrap();
    let (before, at_rest) = (processor_time(), memory("VmRSS:"));
    let everything = Allowance {
        work: u64::MAX / 1_000_000,
        memory: u64::MAX,
    };
    let cost = cost(&file, MAX_SIDE, everything).unwrap();
    let (seconds, peak) = (processor_time() - before, memory("VmHWM:") - at_rest);
    println!("{MARK}{seconds} {peak} {}", cost.memory);
}

/// Seconds of all threads: the first field of `proc_pid_schedstat(5)`, in nanoseconds.
#[expect(
    clippy::cast_precision_loss,
    reason = "it takes a century to count so far"
)]
fn processor_time() -> f64 {
    let tasks = fs::read_dir("/proc/self/task").unwrap();
    let times = tasks.map(|task| {
        let schedstat = fs::read_to_string(task.unwrap().path().join("schedstat")).unwrap();
        let nanoseconds = schedstat.split_whitespace().next().unwrap();
        nanoseconds.parse::<u64>().unwrap()
    });
    times.sum::<u64>() as f64 / 1e9
}

/// A line of `proc_pid_status(5)`, in bytes.
fn memory(field: &str) -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(field));
    let kibibytes = line.unwrap().split_whitespace().next().unwrap();
    kibibytes.parse::<u64>().unwrap() * 1024
}
