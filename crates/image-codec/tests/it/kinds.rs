//! Kinds of files that are sound, or nearly, and that decoders tend to refuse or to show wrongly.

use domain::ports::{CallContext, ImageCodec};
use image::{ImageFormat, Rgb, RgbImage};
use image_codec::{CodecSettings, PictureCodec};
use rstest::rstest;

use crate::samples::{FORMATS, decode, encoded, grey_scene, refusal, scene, side};

/// A GIF of one frame of 3 x 2 pixels of four colours.
fn gif(screen: [u8; 4], between: &[u8], palette: bool) -> Vec<u8> {
    let mut file = b"GIF89a".to_vec();
    file.extend(screen);
    file.extend([if palette { 0x81 } else { 0 }, 0, 0]);
    if palette {
        file.extend([0, 0, 0, 255, 0, 0, 0, 255, 0, 0, 0, 255]);
    }
    file.extend(between);
    file.extend([0x2C, 1, 0, 0, 0, 3, 0, 2, 0, 0, 2]);
    let places = [0, 1, 2, 3, 2, 1];
    let mut encoder = weezl::encode::Encoder::new(weezl::BitOrder::Lsb, 2);
    let data = encoder.encode(&places).unwrap();
    file.push(u8::try_from(data.len()).unwrap());
    file.extend(data);
    file.push(0);
    file.extend(between);
    file.push(b';');
    file
}

#[rstest]
#[case::no_screen([0; 4])]
#[case::one_pixel([1, 0, 1, 0])]
#[case::just_so([4, 0, 2, 0])]
#[tokio::test]
async fn the_screen_of_a_gif_holds_its_first_frame(#[case] screen: [u8; 4]) {
    let picture = decode(gif(screen, &[0, 0], true)).await.unwrap();
    assert_eq!((picture.width, picture.height), (4, 2));
    let pixel = |x: usize, y: usize| &picture.pixels[(y * 4 + x) * 3..][..3];
    assert_eq!(pixel(0, 0), [255; 3], "outside the frame");
    assert_eq!(pixel(1, 0), [0, 0, 0]);
    assert_eq!(pixel(2, 0), [255, 0, 0]);
    assert_eq!(pixel(1, 1), [0, 0, 255]);
    assert_eq!(pixel(3, 1), [255, 0, 0]);
}

#[tokio::test]
async fn a_gif_without_palette_is_grey() {
    let picture = decode(gif([0; 4], &[], false)).await.unwrap();
    assert_eq!(picture.pixels[3 * 4 + 3..][..3], [3; 3]);
}

#[tokio::test]
async fn a_gif_that_draws_nothing_is_white() {
    let file = b"GIF89a\x01\0\x01\0\0\0\0,\0\0\0\0\x01\0\x01\0\0\x02\0;";
    assert_eq!(decode(&file[..]).await.unwrap().pixels, [255; 3]);
    for end in 0..file.len() - 1 {
        let cut = decode(file[..end].to_vec()).await;
        assert!(cut.is_err(), "{end}");
    }
}

#[tokio::test]
async fn a_gif_with_too_few_pixels_is_refused() {
    let mut file = gif([0; 4], &[], true);
    // The frame has a row more than its data.
    let frame = file.iter().position(|byte| *byte == 0x2C).unwrap();
    file[frame + 7] = 3;
    assert_eq!(
        refusal(file).await,
        "the GIF is corrupt: pixels are missing"
    );
}

fn webp(chunks: &[(&[u8; 4], &[u8])]) -> Vec<u8> {
    let mut body = b"WEBP".to_vec();
    for (kind, data) in chunks {
        body.extend(*kind);
        body.extend(u32::try_from(data.len()).unwrap().to_le_bytes());
        body.extend(*data);
        body.extend(&[0][..data.len() % 2]);
    }
    let length = u32::try_from(body.len()).unwrap().to_le_bytes();
    [b"RIFF", &length[..], &body].concat()
}

#[rstest]
#[case::everything_promised(0b0011_1100, None)]
#[case::nothing_promised(0, Some((*b"EXIF", &b""[..])))]
#[case::odd_names(0b0000_1100, Some((*b"XMP\0", &b"<x/>"[..])))]
#[case::lower_case(0b0000_1000, Some((*b"Exif", &b"II*\0"[..])))]
#[tokio::test]
async fn the_chunks_of_a_webp_count(#[case] flags: u8, #[case] other: Option<([u8; 4], &[u8])>) {
    let plain = include_bytes!("../samples/lossy.webp");
    let at = plain.windows(4).position(|four| four == b"VP8 ").unwrap();
    let length = u32::from_le_bytes(plain[at + 4..at + 8].try_into().unwrap());
    let data = &plain[at + 8..][..length as usize];
    let vp8x = [flags, 0, 0, 0, 159, 0, 0, 106, 0, 0];
    let mut chunks: Vec<(&[u8; 4], &[u8])> = vec![(b"VP8X", &vp8x), (b"VP8 ", data)];
    if let Some((kind, body)) = &other {
        chunks.push((kind, body));
    }
    let picture = decode(webp(&chunks)).await.unwrap();
    assert_eq!(picture.pixels, decode(&plain[..]).await.unwrap().pixels);
}

#[tokio::test]
async fn a_webp_of_two_sizes_is_refused() {
    let vp8x = [0, 0, 0, 0, 9, 0, 0, 9, 0, 0];
    let lossless = encoded(scene(5, 5), ImageFormat::WebP);
    let at = lossless
        .windows(4)
        .position(|four| four == b"VP8L")
        .unwrap();
    let file = webp(&[(b"VP8X", &vp8x), (b"VP8L", &lossless[at + 8..])]);
    assert_eq!(refusal(file).await, "the WebP is corrupt: it has two sizes");
}

#[tokio::test]
async fn a_bmp_of_os2_shows_the_scene() {
    let grey = grey_scene();
    let plain = encoded(grey, ImageFormat::Bmp);
    let expected = decode(plain.clone()).await.unwrap();
    let header = plain[14];
    assert!(header >= 40, "{header}");
    // The header of OS/2 begins with the one of 40 bytes.
    let mut file = plain[..54].to_vec();
    file[14] = 64;
    file.extend([0; 24]);
    let start = u32::from_le_bytes(plain[10..14].try_into().unwrap()) as usize;
    file.extend(&plain[14 + usize::from(header)..start]);
    let data = u32::try_from(file.len()).unwrap().to_le_bytes();
    file[10..14].copy_from_slice(&data);
    file.extend(&plain[start..]);
    assert_eq!(decode(file).await.unwrap().pixels, expected.pixels);
}

#[tokio::test]
async fn a_bmp_may_leave_the_palette_out_of_its_offset_and_the_last_padding_out() {
    let plain = encoded(grey_scene(), ImageFormat::Bmp);
    let expected = decode(plain.clone()).await.unwrap();
    let mut file = plain;
    let headers = 14 + u32::from(file[14]);
    file[10..14].copy_from_slice(&headers.to_le_bytes());
    // A row of 150 pixels has two bytes of padding.
    file.truncate(file.len() - 2);
    assert_eq!(decode(file.clone()).await.unwrap().pixels, expected.pixels);
    file.pop();
    assert_eq!(refusal(file).await, "the BMP is truncated");
}

#[tokio::test]
async fn pixels_that_a_bmp_leaves_out_have_the_first_colour() {
    let (white, black) = ([255, 255, 255, 0], [0; 4]);
    // A row that ends early, one that is passed over, and the rest of the picture.
    let runs = [2, 1, 0, 0, 0, 2, 1, 1, 1, 1, 0, 1];
    let mut file = b"BM\0\0\0\0\0\0\0\0\x3E\0\0\0\x28\0\0\0".to_vec();
    file.extend([4, 0, 0, 0, 4, 0, 0, 0, 1, 0, 8, 0, 1, 0, 0, 0]);
    file.extend([0; 12]);
    file.extend([2, 0, 0, 0, 0, 0, 0, 0]);
    file.extend([white, black].concat());
    file.extend(runs);
    let picture = decode(file).await.unwrap();
    let grey: Vec<u8> = picture.pixels.iter().step_by(3).copied().collect();
    let rows = [[255; 4], [255, 0, 255, 255], [255; 4], [0, 0, 255, 255]];
    assert_eq!(grey, rows.concat());
}

#[rstest]
#[case("BM is what bitmaps begin with, and so does this text.", "text")]
#[case("BM", "text")]
#[case("GIF89a is a format", "text")]
#[case(
    "<!-- a drawing --><svg xmlns='http://www.w3.org/2000/svg'/>",
    "an SVG drawing"
)]
#[case("\0\0\0\x20ftypisom\0\0\x02\0isomiso2avc1mp41", "an MP4 video")]
#[case("%PDF-1.4\n", "a PDF document")]
#[tokio::test]
async fn what_is_no_picture_is_named(#[case] file: &'static str, #[case] name: &str) {
    let expected = format!("not an image in a supported format ({FORMATS}) but {name}");
    assert_eq!(refusal(file).await, expected);
}

#[tokio::test]
async fn kinds_of_bmp_that_are_not_read_are_named() {
    let plain = encoded(scene(4, 4), ImageFormat::Bmp);
    let edited = |at: usize, to: u8| {
        let mut file = plain.clone();
        file[at] = to;
        file
    };
    for (file, what) in [
        (edited(30, 4), "a JPEG within it"),
        (edited(30, 5), "a PNG within it"),
        (edited(14, 16), "a header of 16 bytes"),
    ] {
        let expected = format!("this kind of BMP is not supported: {what}; convert it to JPEG");
        assert_eq!(refusal(file).await, expected);
    }
}

#[tokio::test]
async fn the_chroma_of_a_copy_is_averaged() {
    let stripes = RgbImage::from_fn(200, 100, |x, _| {
        Rgb(if x % 2 == 0 { [255, 0, 0] } else { [0, 0, 0] })
    });
    let codec = PictureCodec::new(CodecSettings::default());
    let context = CallContext::local();
    let file = encoded(stripes, ImageFormat::Png);
    let picture = codec
        .decode(file.into(), side(512), &context)
        .await
        .unwrap();
    let copy = codec.encode(picture.into(), &context).await.unwrap();
    let shown = decode(copy.bytes).await.unwrap();
    let mean = |channel: usize| {
        let samples = shown.pixels.iter().skip(channel).step_by(3);
        samples.map(|sample| f64::from(*sample)).sum::<f64>() / f64::from(200 * 100)
    };
    assert!((mean(0) - 127.0).abs() < 12.0, "{}", mean(0));
    // Halved colour does not fit into RGB beside full brightness.
    assert!(mean(1) < 25.0 && mean(2) < 25.0, "{} {}", mean(1), mean(2));
}
