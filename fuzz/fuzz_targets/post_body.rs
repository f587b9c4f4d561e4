//! The body of `POST /image`: whatever arrives, and in whatever pieces, is read alike or refused.
#![no_main]

use etiqueta::http::read_in_pieces;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let Some((piece, body)) = input.split_first() else { return };
    let whole = read_in_pieces(body, body.len());
    assert_eq!(read_in_pieces(body, usize::from(*piece)), whole);
});
