//! The body of `POST /image`: whatever arrives, and in whatever pieces, is read alike or refused.
#![no_main]

use libfuzzer_sys::fuzz_target;
use upload_body::{StreamedBody, Body, BodyError, BodyKind, BodyLimits, Boundary, Content};

fuzz_target!(|input: &[u8]| {
    let Some((piece, body)) = input.split_first() else { return };
    let boundary = Boundary::parse("b").expect("a sound boundary");
    for kind in [BodyKind::Json, BodyKind::Raw, BodyKind::Multipart(boundary)] {
        let whole = read(kind.clone(), body, body.len());
        assert_eq!(read(kind, body, usize::from(*piece)).ok(), whole.ok());
    }
    if let Ok(content_type) = std::str::from_utf8(body) {
        let _ = BodyKind::from_content_type(content_type);
    }
});

/// The image in a body that arrives in pieces of that length, or its URL, and its file name.
fn read(kind: BodyKind, document: &[u8], piece: usize) -> Result<(Vec<u8>, Option<String>), BodyError> {
    let mut body = Body::new(kind, BodyLimits { image_bytes: 16 << 20 }, None);
    for piece in document.chunks(piece.max(1)) {
        body.push(piece)?;
    }
    Ok(match body.finish()? {
        Content::Image(image) => (image.bytes.as_ref().to_vec(), image.file_name),
        Content::Url(url) => (url.into_bytes(), None),
    })
}
