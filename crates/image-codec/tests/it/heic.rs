//! HEIC: what phones write. The files are described in `samples/README.md`.

use domain::{
    MediaType,
    ports::{CodecError, ImageCodec},
};
use image::{ImageFormat, RgbImage};
use image_codec::{Allowance, cost};
use proptest::{prelude::*, sample::select};
use rstest::rstest;

use crate::samples::{codec, decode, decode_at, difference, refusal};

const ODD: &[u8] = include_bytes!("../samples/heic-odd.heic");
const ALPHA: &[u8] = include_bytes!("../samples/heic-alpha.heic");
const HALVED: &[u8] = include_bytes!("../samples/heic-420.heic");
const GRID: &[u8] = include_bytes!("../samples/heic-grid.heic");

/// The place of the first `needle`.
fn find(file: &[u8], needle: &[u8]) -> usize {
    let mut windows = file.windows(needle.len());
    windows.position(|window| window == needle).unwrap()
}

/// The file with other bytes, that many behind the first `needle`.
fn with(file: &[u8], needle: &[u8], offset: usize, bytes: &[u8]) -> Vec<u8> {
    let mut file = file.to_vec();
    let at = find(&file, needle) + needle.len() + offset;
    file[at..at + bytes.len()].copy_from_slice(bytes);
    file
}

#[rstest]
// A picture of odd sides is coded larger, and cropped.
#[case::odd(ODD, include_bytes!("../samples/heic-odd.png"), 0.5)]
// Mirrored and turned.
#[case::turned(
    include_bytes!("../samples/heic-turned.heic"),
    include_bytes!("../samples/heic-turned.png"),
    0.5
)]
#[case::alpha(ALPHA, include_bytes!("../samples/heic-alpha.png"), 0.6)]
#[case::ten_bits(
    include_bytes!("../samples/heic-10-bits.heic"),
    include_bytes!("../samples/heic-10-bits.png"),
    0.8
)]
#[case::grey(
    include_bytes!("../samples/heic-grey.heic"),
    include_bytes!("../samples/heic-grey.png"),
    0.1
)]
#[case::limited(
    include_bytes!("../samples/heic-limited.heic"),
    include_bytes!("../samples/heic-limited.png"),
    1.0
)]
// libheif spreads halved chroma without interpolation.
#[case::halved(HALVED, include_bytes!("../samples/heic-420.png"), 3.0)]
#[case::grid(GRID, include_bytes!("../samples/heic-grid.png"), 3.0)]
#[tokio::test]
async fn pixels_are_those_of_libheif(
    #[case] file: &'static [u8],
    #[case] expected: &[u8],
    #[case] most: f64,
) {
    let expected = image::load_from_memory_with_format(expected, ImageFormat::Png);
    let expected = expected.unwrap().into_rgb8();
    let picture = decode(file).await.unwrap();
    assert_eq!(picture.media_type, MediaType::Heic);
    let size = (picture.scaled_width, picture.scaled_height);
    assert_eq!(size, expected.dimensions());
    let found = RgbImage::from_raw(size.0, size.1, picture.pixels.clone()).unwrap();
    let found = difference(&found, &expected);
    assert!(found <= most, "{found}");
}

#[tokio::test]
async fn a_small_copy_is_made_of_all_tiles() {
    let picture = decode_at(50, GRID).await.unwrap();
    // Stored 150 x 100, turned a quarter.
    assert_eq!((picture.width, picture.height), (100, 150));
    assert_eq!((picture.scaled_width, picture.scaled_height), (33, 50));
}

#[test]
fn exif_tells_of_the_camera_alone() {
    let data = codec().camera_data(GRID);
    assert_eq!(data.camera.as_deref(), Some("Acme"));
    assert_eq!(codec().camera_data(ODD).camera, None);
}

#[tokio::test]
async fn a_cut_file_is_refused_or_whole() {
    for file in [ODD, ALPHA, GRID] {
        let whole = decode(file).await.unwrap();
        let mut refused = 0;
        for cut in 0..file.len() {
            match decode(&file[..cut]).await {
                Ok(picture) => assert_eq!(picture.pixels, whole.pixels, "cut at {cut}"),
                Err(CodecError::NotAnImage { .. }) => refused += 1,
                other => panic!("cut at {cut}: {other:?}"),
            }
        }
        // What follows the pixels is no picture: the EXIF data of the grid.
        assert!(refused + 80 >= file.len(), "{refused} of {}", file.len());
    }
}

#[tokio::test]
async fn what_follows_the_last_box_does_not_matter() {
    let file = [GRID, b"\0\0\x01\0SEFT and what cameras write"].concat();
    assert!(decode(file).await.is_ok());
}

#[rstest]
// The size of the whole is larger than the tiles.
#[case(with(GRID, b"grid\0", 0, b"\0"), None)]
#[case(with(ODD, b"ispe", 4, &[0, 0, 0xFF, 0xFF, 0, 0, 0xFF, 0xFF]), Some("it is larger than what it is made of"))]
#[case(with(ODD, b"ispe", 4, &[0; 8]), Some("it has no pixels"))]
#[case(with(ODD, b"clap", 4, &[0; 4]), Some("it is cropped to no size"))]
#[case(with(GRID, b"pitm", 4, &[0, 99]), Some("an item is missing"))]
#[tokio::test]
async fn what_contradicts_itself_is_refused(#[case] file: Vec<u8>, #[case] what: Option<&str>) {
    match what {
        Some(what) => {
            let refusal = refusal(file).await;
            assert!(refusal.contains(what), "{refusal}");
        }
        None => assert!(decode(file).await.is_ok()),
    }
}

#[rstest]
#[case(
    with(ODD, b"infe\x02\0\0\0\0\x01\0\0", 0, b"av01"),
    "it is coded as AVIF"
)]
#[case(
    with(GRID, b"infe\x02\0\0\0\0\x07\0\0", 0, b"iovl"),
    "on top of each other"
)]
#[case(b"\0\0\0\x14ftypmsf1\0\0\0\0hevc\0\0\0\x08moov".to_vec(), "a sequence of pictures")]
#[tokio::test]
async fn other_kinds_are_named_with_what_to_do(#[case] file: Vec<u8>, #[case] what: &str) {
    let refused = decode(file).await;
    let Err(CodecError::UnsupportedFormat { format, reason }) = refused else {
        panic!("{refused:?}");
    };
    assert_eq!(format, "HEIC");
    assert!(
        reason.starts_with("this kind of HEIC is not supported: "),
        "{reason}"
    );
    assert!(
        reason.contains(what) && reason.ends_with("convert it to JPEG"),
        "{reason}"
    );
}

/// A grid whose tiles are the grid.
#[tokio::test]
async fn a_picture_is_not_made_of_itself() {
    let file = with(GRID, b"dimg\0\x07\0\x06", 0, &[0, 7].repeat(6));
    let refused = decode(file).await;
    assert!(
        matches!(refused, Err(CodecError::UnsupportedFormat { .. })),
        "{refused:?}"
    );
}

/// Slices of the same place could take any time.
#[tokio::test]
async fn slices_follow_each_other() {
    let data = find(ODD, b"mdat") + 4;
    let length = u32::from_be_bytes(ODD[data..data + 4].try_into().unwrap());
    assert_eq!(
        usize::try_from(length).unwrap() + data + 4,
        ODD.len(),
        "one slice"
    );
    // Not the first of its picture, of the place where the first one is.
    let mut file = ODD.to_vec();
    file[data + 6] &= 0x7F;
    assert!(decode(file).await.is_err());
}

#[test]
fn work_is_counted_before_and_while_it_is_done() {
    let whole = cost(GRID, 1024, Allowance::default()).unwrap();
    for work in [1, whole.work / 2, whole.work - 1] {
        let allowed = Allowance {
            work,
            ..Allowance::default()
        };
        let refused = cost(GRID, 1024, allowed);
        assert!(
            matches!(refused, Err(CodecError::TooComplex { .. })),
            "{work}"
        );
    }
    let allowed = Allowance {
        memory: whole.memory - 1,
        ..Allowance::default()
    };
    assert!(matches!(
        cost(GRID, 1024, allowed),
        Err(CodecError::TooLarge { .. })
    ));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn a_damaged_file_does_no_harm(
        file in select(vec![ODD, ALPHA, HALVED, GRID]),
        damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let mut file = file.to_vec();
        for (at, byte) in damage {
            let at = at.index(file.len());
            file[at] = byte;
        }
        let allowed = Allowance { work: 200_000, memory: 64 << 20 };
        match cost(&file, 100, allowed) {
            Ok(cost) => assert!(cost.work <= allowed.work),
            Err(CodecError::Failed(cause)) => panic!("the codec failed: {cause}"),
            Err(_) => {}
        }
    }
}
