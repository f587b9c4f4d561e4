//! The body of `POST /image`: whatever arrives, and in whatever pieces, is read alike or refused.
#![no_main]

use etiqueta::http::bodies;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let Some((piece, body)) = input.split_first() else { return };
    let whole = bodies::read(body, body.len());
    assert_eq!(bodies::read(body, usize::from(*piece)), whole);
});
