//! Files designed to be expensive are refused, or cost no more than a few ordinary pictures.

mod files;
mod measure;

use domain::ports::CodecError;
use image::{ImageFormat, RgbImage};
use image_codec::{Allowance, Cost, DEFAULT_WORK, cost};
use rstest::rstest;

use self::{
    files::{
        adam7, bmp_runs, deflated_blocks, fill, nested_frames, png, png_of, progressive, tiff,
        tiff_of_jpegs, tiny_blocks,
    },
    measure::Measured,
};
use crate::samples::{BASELINE, encoded, refusal, scene};

/// Longest side of the copies.
const MAX_SIDE: u32 = 1024;

const MEBIBYTE: u64 = 1024 * 1024;

/// A hundred megapixels.
const SIDE: u32 = 10_000;

/// How many times the processor time of an ordinary picture the most expensive one may take.
const MOST_TIMES: f64 = 40.0;

fn ordinary() -> Vec<u8> {
    BASELINE.rgb(&scene(4000, 3000))
}

fn costs(file: &[u8]) -> Result<Cost, CodecError> {
    cost(file, MAX_SIDE, Allowance::default())
}

/// Pictures of a hundred megapixels that are decoded row by row.
fn by_rows() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("png grey", png(SIDE, SIDE, 8, 0, false)),
        ("png rgb", png(SIDE, SIDE, 8, 2, false)),
        ("png rgba 16", png(SIDE, SIDE, 16, 6, false)),
        ("png of a bit", png(SIDE, SIDE, 1, 0, false)),
        ("png palette", png(SIDE, SIDE, 8, 3, false)),
        ("bmp of a bit", files::bmp_of_bits(SIDE)),
        ("bmp of runs", bmp_runs(SIDE)),
        ("tiff strips", tiff(SIDE, SIDE, 8, &[0; 10_000 * 10], 10)),
        ("tiff of a bit", files::tiff_of_one_strip(SIDE)),
        ("jpeg", files::flat_jpeg(SIDE, false)),
    ]
}

#[test]
fn large_pictures_are_decoded_by_rows() {
    for (name, file) in by_rows() {
        let cost = costs(&file).expect(name);
        assert_eq!(cost.size.0, SIDE, "{name}");
        assert!(cost.memory <= 48 * MEBIBYTE, "{name}: {cost:?}");
    }
}

#[test]
fn no_picture_takes_more_than_was_estimated_and_counted() {
    let ordinary = Measured::of(&ordinary());
    assert!(ordinary.seconds > 0.0);
    let mut files = by_rows();
    files.extend([
        ("tiny blocks", tiny_blocks(90_000)),
        ("interlaced", adam7(3000)),
        ("progressive", files::flat_jpeg(5000, true)),
        (
            "webp",
            encoded(RgbImage::new(3000, 3000), ImageFormat::WebP),
        ),
        ("gif", encoded(RgbImage::new(2000, 2000), ImageFormat::Gif)),
        ("webp of groups", files::webp_of_groups(2048)),
    ]);
    for (name, file) in files {
        let measured = Measured::of(&file);
        let (most, times) = (measured.estimated, measured.seconds / ordinary.seconds);
        // The copy, and the rest of the process.
        let room = 12 * MEBIBYTE;
        assert!(measured.peak <= most + room, "{name}: {measured:?}");
        assert!(times <= MOST_TIMES, "{name}: {times} ordinary pictures");
    }
}

/// Pictures that cannot be decoded row by row, and need more memory than the budget.
#[test]
fn pictures_decoded_as_a_whole_count_in_full() {
    for (name, file) in [
        ("png", adam7(SIDE)),
        ("jpeg", files::progressive_frame(SIDE)),
    ] {
        let refused = costs(&file);
        assert!(
            matches!(refused, Err(CodecError::TooLarge { .. })),
            "{name}: {refused:?}"
        );
    }
}

#[test]
fn progressive_jpegs_of_fifty_megapixels_fit() {
    let cost = costs(&files::flat_jpeg(7070, true)).unwrap();
    assert!(cost.memory <= 200 * MEBIBYTE, "{cost:?}");
}

#[test]
fn lossy_webps_of_fifty_megapixels_fit() {
    let cost = costs(include_bytes!("../../samples/lossy-50-megapixels.webp")).unwrap();
    assert_eq!(cost.size, (8192, 6144));
    assert!(cost.memory <= 240 * MEBIBYTE, "{cost:?}");
}

/// As written by libwebp, with transforms, a colour cache and several groups of codes.
#[test]
fn groups_of_prefix_codes_cost_little_in_ordinary_pictures() {
    let cost = costs(include_bytes!("../../samples/lossless.webp")).unwrap();
    assert!(cost.memory <= 3 * MEBIBYTE, "{cost:?}");
    assert!(cost.work <= 10_000, "{cost:?}");
}

#[rstest]
#[case(2)]
#[case(50_000)]
fn a_frame_within_a_frame_is_refused(#[case] depth: usize) {
    let Err(CodecError::NotAnImage { reason }) = costs(&nested_frames(depth)) else {
        panic!("frames hold no frames");
    };
    assert_eq!(reason, "the WebP is corrupt: a frame is within another");
}

/// The decoder keeps some 75 KiB for each group of prefix codes, which takes fifty bytes of the file.
#[test]
fn groups_of_prefix_codes_are_counted() {
    let few = costs(&files::webp_of_groups(256)).unwrap();
    assert!(few.memory > 18 * MEBIBYTE, "{few:?}");
    for (name, file) in [
        ("alone", files::webp_of_groups(4096)),
        ("alpha", files::webp_with_alpha_of_groups(4096, false)),
        ("frame", files::webp_with_alpha_of_groups(4096, true)),
    ] {
        let refused = costs(&file);
        assert!(
            matches!(refused, Err(CodecError::TooLarge { .. })),
            "{name}: {refused:?}"
        );
    }
    let refused = costs(&files::webp_of_groups(65_536));
    assert!(
        matches!(refused, Err(CodecError::TooComplex { .. })),
        "{refused:?}"
    );
}

#[test]
fn sides_are_bounded() {
    let mut bmp = files::bmp_of_bits(8);
    bmp[18..22].copy_from_slice(&70_000_u32.to_le_bytes());
    for (name, file) in [
        ("png", png(100_000, 1, 1, 0, false)),
        ("png", png(1, 65_536, 1, 0, false)),
        ("bmp", bmp),
        ("tiff", tiff(1, 500_000, 8, &[0; 1000], 1000)),
    ] {
        let Err(CodecError::TooLarge { reason }) = costs(&file) else {
            panic!("{name} has a long side");
        };
        assert!(reason.ends_with("more than the 65535 allowed"), "{reason}");
    }
    assert!(costs(&png(65_535, 1, 1, 0, false)).is_ok());
}

/// Its scans are almost empty, but each goes through all blocks.
#[test]
fn scans_times_blocks_are_counted() {
    let few = costs(&progressive(1000, 20)).unwrap();
    let many = costs(&progressive(1000, 40)).unwrap();
    assert!(many.work > few.work, "{few:?} {many:?}");
    let refused = costs(&progressive(9984, 98));
    assert!(
        matches!(refused, Err(CodecError::TooComplex { .. })),
        "{refused:?}"
    );
    let small = costs(&progressive(64, 2000));
    assert!(
        small.is_ok(),
        "the number of scans alone is no reason: {small:?}"
    );
}

#[test]
fn blocks_of_deflated_data_are_counted() {
    let Cost { work, .. } = costs(&tiny_blocks(90_000)).unwrap();
    assert!(work >= 30_000, "{work}");
    let tiff = files::tiff_deflated(64, 64, &deflated_blocks(64 * 64, 6_000_000));
    for (name, file) in [("png", tiny_blocks(6_000_000)), ("tiff", tiff)] {
        let refused = costs(&file);
        assert!(
            matches!(refused, Err(CodecError::TooComplex { .. })),
            "{name}: {refused:?}"
        );
    }
}

/// The decoder parses the tables again for each strip.
#[test]
fn tables_times_strips_are_counted() {
    let tables = [
        &[0xFF, 0xD8][..],
        &b"\xFF\xFE\0\x02".repeat(4000),
        &[0xFF, 0xD9],
    ]
    .concat();
    let refused = costs(&tiff_of_jpegs(60_000, &tables));
    assert!(
        matches!(refused, Err(CodecError::TooComplex { .. })),
        "{refused:?}"
    );
}

/// Overlapping directories, each with as many entries as fit.
#[test]
fn entries_of_all_pages_are_counted() {
    let refused = costs(&files::overlapping_pages(9000, 65_000));
    assert!(
        matches!(refused, Err(CodecError::TooComplex { .. })),
        "{refused:?}"
    );
}

/// Texts and profiles that inflate to a lot, and data after the pixels.
#[test]
fn data_outside_the_pixels_is_not_inflated() {
    let bomb = files::zeros(200 << 20);
    let alone = costs(&png_of(64, 64, &[], &[])).unwrap();
    for (kind, front) in [
        (*b"zTXt", &b"k\0\0"[..]),
        (*b"iTXt", b"k\0\x01\0en\0k\0"),
        (*b"iCCP", b"k\0\0"),
    ] {
        let body = [front, &bomb].concat();
        let file = png_of(64, 64, &[(kind, body)], &[]);
        let cost = costs(&file).unwrap();
        assert!(cost.work < alone.work + 10_000, "{kind:?}: {cost:?}");
    }
    let longer = png_of(64, 64, &[], &fill(100 << 20));
    let cost = costs(&longer).unwrap();
    assert!(cost.work < alone.work + 10_000, "{cost:?}");
}

/// With many more scans than a camera writes.
#[test]
fn ordinary_pictures_pass() {
    for (name, file) in [
        ("24 megapixels", files::photo_in_scans(6000, 4000, 10)),
        ("12 megapixels", ordinary()),
        ("noise", files::noise_png(3000)),
    ] {
        let cost = costs(&file).expect(name);
        assert!(cost.work < DEFAULT_WORK, "{name}: {cost:?}");
    }
}

/// The last 16 pixels of each side exceed their tiles.
#[test]
fn tiles_in_planes_are_put_together() {
    let (width, height) = (40, 24);
    let pixel = |x: u32, y: u32| [x, y, x * y].map(|sample| sample.to_le_bytes()[0]);
    let file = files::tiled_planes(width, height, pixel);
    let expected = RgbImage::from_fn(width, height, |x, y| image::Rgb(pixel(x, y)));
    let picture =
        futures_util::FutureExt::now_or_never(async { cost(&file, 100, Allowance::default()) });
    assert!(picture.unwrap().is_ok());
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let picture = runtime.block_on(crate::samples::decode(file)).unwrap();
    assert_eq!(picture.pixels, expected.into_raw());
}

#[tokio::test]
async fn other_kinds_of_pictures_are_named() {
    let avif = &b"\0\0\0\x18ftypavif\0\0\0\0mif1avif"[..];
    assert_eq!(
        refusal(avif).await,
        "AVIF is not supported; convert it to JPEG"
    );
    let pdf = &b"%PDF-1.7\n"[..];
    assert!(refusal(pdf).await.ends_with("but a PDF document"));
}
