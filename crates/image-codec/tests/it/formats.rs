//! The result of decoding each format.

use domain::MediaType;
use domain_testing::contract::image_codec::{Sample, Samples, suite};
use image::{DynamicImage, ImageFormat, Rgba, RgbaImage};
use image_codec::{CodecSettings, PictureCodec};

use crate::samples::{
    BASELINE, CATS, FORMATS, HEIGHT, PHOTOS, WIDTH, decode, difference, encoded, grey_scene, greys,
    jpegs, others, refusal, scene, side,
};

#[tokio::test]
async fn keeps_the_contract() {
    let sample = |bytes: &'static [u8], width, height| Sample {
        bytes: bytes.into(),
        media_type: MediaType::Jpeg,
        width,
        height,
    };
    let [astronaut, chelsea, coffee, rocket] = PHOTOS;
    let lines = [(1, 1), (1, 10_000), (10_000, 1)].map(|(width, height)| Sample {
        bytes: encoded(scene(width, height), ImageFormat::Png).into(),
        media_type: MediaType::Png,
        width,
        height,
    });
    let mut whole = vec![
        sample(astronaut, 512, 512),
        sample(chelsea, 451, 300),
        sample(coffee, 600, 400),
        sample(rocket, 640, 427),
    ];
    whole.extend(lines);
    let samples = Samples {
        side: side(100),
        whole,
        broken: vec![astronaut[..astronaut.len() / 2].into(), "BM".into()],
        oversized: vec![encoded(scene(1001, 1000), ImageFormat::Png).into()],
    };
    let codec = PictureCodec::new(CodecSettings {
        max_pixels: 1_000_000,
        ..CodecSettings::default()
    });
    suite(&codec, &samples).await;
}

#[tokio::test]
async fn every_kind_of_jpeg_shows_the_scene() {
    for (name, file) in jpegs() {
        let picture = decode(file).await.expect(name);
        assert_eq!((picture.width, picture.height), (WIDTH, HEIGHT), "{name}");
        let difference = difference(&picture.pixels, scene(WIDTH, HEIGHT).as_raw());
        assert!(difference < 4.5, "{name}: {difference}");
    }
}

#[tokio::test]
async fn every_other_format_shows_the_scene() {
    for (name, file) in others() {
        let picture = decode(file).await.expect(name);
        assert!(name.starts_with(picture.media_type.as_str().trim_start_matches("image/")));
        let difference = difference(&picture.pixels, scene(WIDTH, HEIGHT).as_raw());
        let most = if name == "gif" { 12.0 } else { 0.51 };
        assert!(difference < most, "{name}: {difference}");
    }
}

#[tokio::test]
async fn grey_becomes_rgb() {
    let expected = DynamicImage::ImageLuma8(grey_scene()).into_rgb8();
    for (name, file) in greys() {
        let picture = decode(file).await.expect(name);
        let difference = difference(&picture.pixels, expected.as_raw());
        assert!(difference < 6.0, "{name}: {difference}");
    }
}

#[tokio::test]
async fn rare_kinds_show_the_cat() {
    for (name, file) in CATS {
        let picture = decode(file).await.expect(name);
        assert_eq!((picture.width, picture.height), (160, 107), "{name}");
        let mean = |channel: usize| {
            let samples = picture.pixels.iter().skip(channel).step_by(3);
            samples.map(|&sample| u32::from(sample)).sum::<u32>() / (160 * 107)
        };
        let expected = match name {
            "webp lossy alpha" => [203, 185, 172],
            _ => [147, 111, 86],
        };
        for (channel, expected) in expected.into_iter().enumerate() {
            let mean = mean(channel);
            assert!(mean.abs_diff(expected) <= 2, "{name}: {channel} is {mean}");
        }
    }
}

#[tokio::test]
async fn alpha_is_laid_over_white() {
    let ink = RgbaImage::from_fn(2, 1, |x, _| Rgba([0, 100, 0, if x == 0 { 0 } else { 127 }]));
    for format in [ImageFormat::Png, ImageFormat::WebP, ImageFormat::Tiff] {
        let picture = decode(encoded(ink.clone(), format)).await.unwrap();
        assert_eq!(picture.pixels, [255, 255, 255, 128, 178, 128], "{format:?}");
    }
}

#[tokio::test]
async fn data_appended_by_cameras_is_skipped() {
    let photo = PHOTOS[1];
    let expected = decode(photo).await.unwrap();
    for trailer in [&b"\0\0\0\0"[..], photo, b"SEFT", &[0xFF; 9], &[0xFF, 0xDA]] {
        let picture = decode([photo, trailer].concat()).await.unwrap();
        assert_eq!(picture.pixels, expected.pixels);
    }
}

#[tokio::test]
async fn refusals_say_what_is_wrong() {
    let jpeg = BASELINE.rgb(&scene(WIDTH, HEIGHT));
    let patched = |from: &[u8], to: &[u8]| {
        let at = jpeg.windows(from.len()).position(|part| part == from);
        let mut file = jpeg.clone();
        file[at.unwrap()..][..to.len()].copy_from_slice(to);
        file
    };
    assert_eq!(
        refusal("hello").await,
        format!("not an image in a supported format ({FORMATS}) but text")
    );
    assert_eq!(
        refusal(jpeg[..2000].to_vec()).await,
        "the JPEG is truncated"
    );
    assert_eq!(
        refusal(patched(&[0xFF, 0xC0], &[0xFF, 0xC9])).await,
        "this kind of JPEG is not supported: arithmetic coding; save it as an ordinary JPEG"
    );
    assert_eq!(
        refusal(patched(&[0xFF, 0xC0, 0, 17, 8], &[0xFF, 0xC1, 0, 17, 12])).await,
        "this kind of JPEG is not supported: more than 8 bits a sample; save it as an ordinary JPEG"
    );
    let no_size = patched(&[0xFF, 0xC0, 0, 17, 8], &[0xFF, 0xC0, 0, 17, 8, 0, 0]);
    assert_eq!(
        refusal(no_size).await,
        "the JPEG is corrupt: it has no pixels"
    );
    assert_eq!(
        refusal(&b"\xFF\xD8\xFF\xD9"[..]).await,
        "the JPEG is corrupt: it has no frame header"
    );
}
