//! The body of `POST /image`: whatever arrives, and in whatever pieces, is read alike or refused.
#![no_main]

use libfuzzer_sys::fuzz_target;
use upload_body::{Body, BodyError, BodyLimits};

fuzz_target!(|input: &[u8]| {
    let Some((piece, body)) = input.split_first() else { return };
    let whole = read(body, body.len());
    assert_eq!(read(body, usize::from(*piece)).ok(), whole.ok());
});

/// The image in a body that arrives in pieces of that length.
fn read(document: &[u8], piece: usize) -> Result<Vec<u8>, BodyError> {
    let mut body = Body::new(BodyLimits { image_bytes: 16 << 20 }, None);
    for piece in document.chunks(piece.max(1)) {
        body.push(piece)?;
    }
    Ok(body.finish()?.bytes.as_ref().to_vec())
}
