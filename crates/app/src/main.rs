//! The `etiqueta` binary.

use std::process::ExitCode;

use etiqueta::{cli, settings::Environment};

// Migrations block their thread, which takes a runtime with several.
#[tokio::main]
async fn main() -> ExitCode {
    cli::run(std::env::args_os(), Environment::from_process()).await
}
