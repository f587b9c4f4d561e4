//! The `etiqueta` binary.

use std::process::ExitCode;

use etiqueta::{cli, settings::Surroundings};
use mimalloc::MiMalloc;

/// glibc's allocator keeps what each of many threads freed to itself: a pool of threads that take turns
/// at large pictures ended up with several times the memory that any of them was using.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

// Migrations block their thread, which takes a runtime with several.
#[tokio::main]
async fn main() -> ExitCode {
    cli::run(std::env::args_os(), Surroundings::of_process()).await
}
