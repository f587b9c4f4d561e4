//! The `etiqueta` binary.
fn main() {}
