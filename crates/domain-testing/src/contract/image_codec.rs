//! The contract of [`ImageCodec`].

use std::{num::NonZeroU32, sync::Arc};

use bytes::Bytes;

use domain::{
    DecodedPicture, MediaType, Picture,
    ports::{CallContext, CodecError, ImageCodec},
};

/// A picture file that the codec supports.
#[derive(Debug, Clone)]
pub struct Sample {
    /// The encoded file, as a client uploads it.
    pub bytes: Bytes,
    /// The format that the codec must detect.
    pub media_type: MediaType,
    /// Width in pixels, after orientation.
    pub width: u32,
    /// Height in pixels, after orientation.
    pub height: u32,
}

/// The inputs of the suite.
#[derive(Debug, Clone)]
pub struct Samples {
    /// Longest side of the copies requested, in pixels.
    pub side: NonZeroU32,
    /// Intact pictures, which must be decoded.
    pub whole: Vec<Sample>,
    /// Truncated or damaged pictures, which must be refused.
    pub broken: Vec<Bytes>,
    /// Pictures of more pixels than the codec allows.
    pub oversized: Vec<Bytes>,
}

/// Runs the whole suite on one codec.
pub async fn suite(codec: &dyn ImageCodec, samples: &Samples) {
    for sample in &samples.whole {
        for side in [samples.side, NonZeroU32::MIN, NonZeroU32::MAX] {
            decodes_a_picture(codec, sample, side).await;
        }
        encodes_the_copy(codec, sample, samples.side).await;
    }
    refuses_what_is_no_picture(codec, &samples.broken, samples.side).await;
    refuses_too_many_pixels(codec, &samples.oversized, samples.side).await;
}

/// A picture is decoded to its type, its size, and a copy of the requested size.
pub async fn decodes_a_picture(codec: &dyn ImageCodec, sample: &Sample, side: NonZeroU32) {
    let picture = decoded(codec, &sample.bytes, side).await;
    assert_eq!(picture.media_type, sample.media_type);
    assert_eq!(
        (picture.width, picture.height),
        (sample.width, sample.height)
    );
    let (width, height) = (picture.scaled_width, picture.scaled_height);
    assert_eq!(
        width.max(height),
        sample.width.max(sample.height).min(side.get()),
        "downscaled to that side, never enlarged"
    );
    assert!(keeps_proportions(&picture), "{width} x {height}");
    assert_eq!(
        picture.pixels.len(),
        width as usize * height as usize * 3,
        "three bytes a pixel"
    );
    assert_eq!(
        picture.pixels,
        decoded(codec, &sample.bytes, side).await.pixels,
        "decoding is repeatable"
    );
}

/// The copy becomes a JPEG of the same size.
pub async fn encodes_the_copy(codec: &dyn ImageCodec, sample: &Sample, side: NonZeroU32) {
    let picture = Arc::new(decoded(codec, &sample.bytes, side).await);
    let copy = codec
        .encode(Arc::clone(&picture), &CallContext::local())
        .await
        .expect("the copy is encoded");
    assert_eq!(copy.media_type, MediaType::Jpeg);
    let again = decoded(codec, &copy.bytes, side).await;
    assert_eq!(again.media_type, MediaType::Jpeg);
    assert_eq!(
        (again.width, again.height),
        (picture.scaled_width, picture.scaled_height)
    );
}

/// Empty, foreign, truncated and damaged files are refused with a reason.
pub async fn refuses_what_is_no_picture(
    codec: &dyn ImageCodec,
    broken: &[Bytes],
    side: NonZeroU32,
) {
    let foreign = [
        "",
        "\0",
        "a text",
        "<svg xmlns='http://www.w3.org/2000/svg'/>",
    ];
    let foreign = foreign.map(|text| Bytes::from_static(text.as_bytes()));
    for bytes in foreign.iter().chain(broken) {
        match codec
            .decode(bytes.clone(), side, &CallContext::local())
            .await
        {
            Err(CodecError::NotAnImage { reason }) => {
                assert!(!reason.is_empty(), "the client learns why");
                assert!(!reason.contains('/'), "no path in {reason:?}");
            }
            other => panic!("{} bytes are no picture: {other:?}", bytes.len()),
        }
    }
}

/// A picture of too many pixels is refused with its size.
pub async fn refuses_too_many_pixels(
    codec: &dyn ImageCodec,
    oversized: &[Bytes],
    side: NonZeroU32,
) {
    for bytes in oversized {
        match codec
            .decode(bytes.clone(), side, &CallContext::local())
            .await
        {
            Err(CodecError::TooManyPixels {
                width,
                height,
                limit,
            }) => assert!(u64::from(width) * u64::from(height) > limit),
            other => panic!("too many pixels: {other:?}"),
        }
    }
}

async fn decoded(codec: &dyn ImageCodec, bytes: &Bytes, side: NonZeroU32) -> DecodedPicture {
    let context = CallContext::local();
    codec
        .decode(bytes.clone(), side, &context)
        .await
        .expect("a picture")
}

/// Whether the shorter side of the copy keeps the proportions within a pixel, and is not 0.
fn keeps_proportions(picture: &Picture) -> bool {
    let sides = |width: u32, height: u32| {
        let sides = [f64::from(width), f64::from(height)];
        (sides[0].max(sides[1]), sides[0].min(sides[1]))
    };
    let (long, short) = sides(picture.width, picture.height);
    let (scaled_long, scaled_short) = sides(picture.scaled_width, picture.scaled_height);
    scaled_short >= 1.0 && (scaled_short - short * scaled_long / long).abs() <= 1.0
}
