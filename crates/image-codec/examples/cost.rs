//! Measures what decoding files costs.
//!
//! `cargo run --release -p image-codec --example cost -- FILE...`
//!
//! Prints a line for each file: seconds of processor time, the most memory the process had since the
//! line before in MiB, and what the codec says. Each file is decoded in a process of its own.
#![allow(clippy::print_stdout, reason = "it is what the program is for")]

use std::{env, error::Error, fs, process::Command};

use bytes::Bytes;
use domain::ports::{CallContext, ImageCodec};
use image_codec::{CodecSettings, PictureCodec};

type Failure = Box<dyn Error + Send + Sync>;

/// Says that this process is to decode one file.
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
    let file = Bytes::from(fs::read(path)?);
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let codec = PictureCodec::new(CodecSettings::default());
    let (before, at_rest) = (processor_time()?, memory("VmRSS:")?);
    let outcome = runtime.block_on(codec.decode(file, &CallContext::local()));
    let (seconds, bytes) = (processor_time()? - before, memory("VmHWM:")? - at_rest);
    let outcome = match outcome {
        Ok(picture) => format!("{} x {}", picture.width, picture.height),
        Err(error) => error.to_string(),
    };
    println!(
        "{seconds:6.2} s {:6.1} MiB  {path}: {outcome}",
        bytes / 1024.0
    );
    Ok(())
}

/// The seconds of processor time that this process has used so far, in hundredths: the fields utime
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
