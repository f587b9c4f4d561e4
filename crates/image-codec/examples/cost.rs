//! Measures the cost of decoding files.
//!
//! `cargo run --release -p image-codec --example cost -- FILE...`
//!
//! Prints a line for each file: seconds of processor time, memory in MiB, and how much of both was counted.
//! The rates in `src/work.rs` are such that no file takes more than what is counted. Each file is decoded
//! in a process of its own.
#![allow(clippy::print_stdout, reason = "it is what the program is for")]

use std::{env, error::Error, fs, process::Command};

use image_codec::{Allowance, Cost, cost};

type Failure = Box<dyn Error + Send + Sync>;

/// Longest side of the copies.
const MAX_SIDE: u32 = 1024;

/// Tells the child process to decode one file.
const ALONE: &str = "--alone";

fn main() -> Result<(), Failure> {
    let arguments: Vec<_> = env::args().skip(1).collect();
    if let [first, file] = arguments.as_slice()
        && first == ALONE
    {
        return measure(file);
    }
    for file in arguments {
        Command::new(env::current_exe()?)
            .args([ALONE, &file])
            .status()?;
    }
    Ok(())
}

fn measure(path: &str) -> Result<(), Failure> {
    let file = fs::read(path)?;
    let (before, at_rest) = (processor_time()?, memory("VmRSS:")?);
    let everything = Allowance {
        work: u64::MAX / 1_000_000,
        memory: u64::MAX,
    };
    let outcome = cost(&file, MAX_SIDE, everything);
    let seconds = processor_time()? - before;
    let mebibytes = (memory("VmHWM:")? - at_rest) / 1024.0;
    let outcome = match outcome {
        Ok(cost) => {
            let Cost { work, memory, size } = cost;
            let counted = format!("{:.2} s, {:.1} MiB", seconds_of(work), mebibytes_of(memory));
            format!("counted {counted}; {} x {}", size.0, size.1)
        }
        Err(error) => error.to_string(),
    };
    println!("{seconds:5.2} s {mebibytes:6.1} MiB  {path}: {outcome}");
    Ok(())
}

/// A unit stands for a microsecond.
#[expect(clippy::cast_precision_loss, reason = "it is only shown")]
fn seconds_of(work: u64) -> f64 {
    work as f64 / 1e6
}

#[expect(clippy::cast_precision_loss, reason = "it is only shown")]
fn mebibytes_of(bytes: u64) -> f64 {
    bytes as f64 / 1_048_576.0
}

/// The processor time used by this process, in seconds, to a resolution of a hundredth: the fields utime
/// and stime of `proc_pid_stat(5)`.
fn processor_time() -> Result<f64, Failure> {
    let stat = fs::read_to_string("/proc/self/stat")?;
    let (_, fields) = stat.rsplit_once(')').ok_or("an odd /proc/self/stat")?;
    let mut ticks = 0;
    for field in fields.split_whitespace().skip(11).take(2) {
        ticks += field.parse::<u32>()?;
    }
    Ok(f64::from(ticks) / 100.0)
}

/// A line of `proc_pid_status(5)`, in KiB.
fn memory(field: &str) -> Result<f64, Failure> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix(field));
    let number = line.and_then(|line| line.split_whitespace().next());
    Ok(number.ok_or("no such field")?.parse()?)
}
