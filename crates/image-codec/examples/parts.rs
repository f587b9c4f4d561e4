//! Measures the indispensable parts of registering a JPEG, each separately.
//!
//! `cargo run --release -p image-codec --example parts -- FILE FOLDER`
//!
//! Prints a line for each part: its name, and its processor time in microseconds. The parts are the strict
//! decoding down to the copy that is sent, the encoding of that copy (a small file is sent unchanged), the
//! digest, base64 both ways, and a durable write into the folder.
#![allow(clippy::print_stdout, reason = "it is what the program is for")]

use std::{
    error::Error,
    fs::{self, File},
    hint::black_box,
    io::Write,
    num::NonZeroU32,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use base64::{
    Engine as _,
    engine::{GeneralPurposeConfig, Simd},
};
use bytes::Bytes;
use domain::{
    ContentDigest,
    ports::{CallContext, ImageCodec},
};
use image_codec::{CodecSettings, PictureCodec};
use tokio::runtime::Handle;

type Failure = Box<dyn Error + Send + Sync>;

/// How long each part is repeated.
const MEASURED: Duration = Duration::from_secs(2);

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let mut arguments = std::env::args().skip(1).map(PathBuf::from);
    let file = Bytes::from(fs::read(arguments.next().ok_or("which file?")?)?);
    let folder = arguments.next().ok_or("which folder?")?;
    // Each part blocks its thread, which must not be a worker of the runtime.
    let runtime = Handle::current();
    tokio::task::spawn_blocking(move || measure(&runtime, &file, &folder)).await?
}

/// Longest side of copies: the default of `tagging.max_side`.
const SIDE: NonZeroU32 = NonZeroU32::MIN.saturating_add(1023);

fn measure(runtime: &Handle, file: &Bytes, folder: &Path) -> Result<(), Failure> {
    let codec = PictureCodec::new(CodecSettings::default());
    let context = CallContext::local();
    let picture = Arc::new(runtime.block_on(codec.decode(file.clone(), SIDE, &context))?);
    let base64 = Simd::standard(GeneralPurposeConfig::new());
    let text = base64.encode(file);
    part("decode", || {
        black_box(runtime.block_on(codec.decode(file.clone(), SIDE, &context))?);
        Ok(())
    })?;
    part("encode", || {
        black_box(runtime.block_on(codec.encode(Arc::clone(&picture), &context))?);
        Ok(())
    })?;
    part("digest", || {
        black_box(ContentDigest::of(file));
        Ok(())
    })?;
    part("base64-decode", || {
        black_box(base64.decode(&text)?);
        Ok(())
    })?;
    part("base64-encode", || {
        black_box(base64.encode(file));
        Ok(())
    })?;
    part("write", || write(file, folder))
}

/// Syncs the bytes, the name and the folder, in this order.
fn write(file: &[u8], folder: &Path) -> Result<(), Failure> {
    let (part, whole) = (folder.join("part"), folder.join("whole"));
    let mut written = File::create(&part)?;
    written.write_all(file)?;
    written.sync_all()?;
    fs::rename(part, whole)?;
    File::open(folder)?.sync_all()?;
    Ok(())
}

fn part(name: &str, mut work: impl FnMut() -> Result<(), Failure>) -> Result<(), Failure> {
    work()?;
    let (start, before) = (Instant::now(), processor_time()?);
    let mut times = 0.0;
    while start.elapsed() < MEASURED {
        work()?;
        times += 1.0;
    }
    let each = (processor_time()? - before) / times;
    println!("{name} {:.1}", each * 1e6);
    Ok(())
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
