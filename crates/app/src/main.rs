//! The `etiqueta` binary.

use std::process::ExitCode;

use etiqueta::{cli, settings::Environment};

fn main() -> ExitCode {
    cli::run(std::env::args_os(), Environment::from_process())
}
