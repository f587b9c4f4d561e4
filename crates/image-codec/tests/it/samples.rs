//! Sample files. Most are generated here, the others are described in `samples/README.md`.

use std::{io::Cursor, num::NonZeroU32};

use bytes::Bytes;
use domain::{
    DecodedPicture,
    ports::{CallContext, CodecError, ImageCodec},
};
use image::{DynamicImage, GrayImage, ImageFormat, Rgb, RgbImage};
use image_codec::{CodecSettings, PictureCodec};
use jpeg_encoder::{ColorType, Encoder, SamplingFactor};

/// Size of the generated pictures.
pub(crate) const WIDTH: u32 = 150;
pub(crate) const HEIGHT: u32 = 101;

/// The formats that are read.
pub(crate) const FORMATS: &str = if cfg!(feature = "heic") {
    "JPEG, PNG, WebP, GIF, BMP, TIFF, HEIC"
} else {
    "JPEG, PNG, WebP, GIF, BMP, TIFF"
};

/// A side at which copies keep the samples' size, so that pixels can be compared.
pub(crate) const FULL: u32 = 1024;

pub(crate) fn codec() -> PictureCodec {
    PictureCodec::new(CodecSettings {
        jobs: 2,
        ..CodecSettings::default()
    })
}

/// Longest sides of copies for which the JPEG samples are decoded at full size, at 1/2, at 1/4 and at 1/8.
pub(crate) const SIDES: [u32; 4] = [FULL, 60, 30, 15];

pub(crate) fn side(pixels: u32) -> NonZeroU32 {
    NonZeroU32::new(pixels).unwrap()
}

pub(crate) async fn decode(file: impl Into<Bytes>) -> Result<DecodedPicture, CodecError> {
    decode_at(FULL, file).await
}

/// Decodes a copy whose longest side is at most `max_side`.
pub(crate) async fn decode_at(
    max_side: u32,
    file: impl Into<Bytes>,
) -> Result<DecodedPicture, CodecError> {
    decode_with(&codec(), max_side, file).await
}

pub(crate) async fn decode_with(
    codec: &PictureCodec,
    max_side: u32,
    file: impl Into<Bytes>,
) -> Result<DecodedPicture, CodecError> {
    let local = CallContext::local();
    codec.decode(file.into(), side(max_side), &local).await
}

/// The error text of a refused file.
pub(crate) async fn refusal(file: impl Into<Bytes>) -> String {
    match decode(file).await {
        Err(CodecError::NotAnImage { reason } | CodecError::UnsupportedFormat { reason, .. }) => {
            reason
        }
        other => panic!("it should be refused: {other:?}"),
    }
}

/// A colourful picture with detail everywhere, without any symmetry.
pub(crate) fn scene(width: u32, height: u32) -> RgbImage {
    RgbImage::from_fn(width, height, |x, y| {
        let noise =
            (x.wrapping_mul(7919) ^ y.wrapping_mul(104_729)).wrapping_mul(2_654_435_761) >> 28;
        let level = |value: u32, of: u32| u8::try_from(value * 200 / of + noise).unwrap();
        Rgb([
            level(x, width),
            level(y, height),
            level(x + y, width + height),
        ])
    })
}

pub(crate) fn grey_scene() -> GrayImage {
    DynamicImage::ImageRgb8(scene(WIDTH, HEIGHT)).into_luma8()
}

pub(crate) fn encoded(picture: impl Into<DynamicImage>, format: ImageFormat) -> Vec<u8> {
    let mut file = Cursor::new(Vec::new());
    picture.into().write_to(&mut file, format).unwrap();
    file.into_inner()
}

/// Encoding options of a JPEG.
#[derive(Clone, Copy)]
pub(crate) struct Jpeg {
    pub(crate) sampling: SamplingFactor,
    pub(crate) progressive: bool,
    pub(crate) restart: u16,
}

pub(crate) const BASELINE: Jpeg = Jpeg {
    sampling: SamplingFactor::F_2_2,
    progressive: false,
    restart: 0,
};

impl Jpeg {
    pub(crate) fn rgb(self, picture: &RgbImage) -> Vec<u8> {
        let size = picture.dimensions();
        self.write(picture.as_raw(), size, ColorType::Rgb)
    }

    pub(crate) fn write(
        self,
        pixels: &[u8],
        (width, height): (u32, u32),
        color: ColorType,
    ) -> Vec<u8> {
        let mut file = Vec::new();
        let mut encoder = Encoder::new(&mut file, 90);
        encoder.set_sampling_factor(self.sampling);
        encoder.set_progressive(self.progressive);
        if self.restart > 0 {
            encoder.set_restart_interval(self.restart);
        }
        let (width, height) = (width.try_into().unwrap(), height.try_into().unwrap());
        encoder.encode(pixels, width, height, color).unwrap();
        file
    }
}

/// The scene in every JPEG variant.
pub(crate) fn jpegs() -> Vec<(&'static str, Vec<u8>)> {
    let scene = scene(WIDTH, HEIGHT);
    let of = |sampling, progressive, restart| {
        let jpeg = Jpeg {
            sampling,
            progressive,
            restart,
        };
        jpeg.rgb(&scene)
    };
    let inverted_cmyk: Vec<u8> = (scene.pixels())
        .flat_map(|Rgb([r, g, b])| [255 - r, 255 - g, 255 - b, 0])
        .collect();
    let cmyk = |color| BASELINE.write(&inverted_cmyk, (WIDTH, HEIGHT), color);
    vec![
        ("4:2:0", of(SamplingFactor::F_2_2, false, 0)),
        ("4:2:2", of(SamplingFactor::F_2_1, false, 0)),
        ("4:4:0", of(SamplingFactor::F_1_2, false, 0)),
        ("4:4:4", of(SamplingFactor::F_1_1, false, 0)),
        ("4:1:1", of(SamplingFactor::F_4_1, false, 0)),
        ("restart", of(SamplingFactor::F_2_2, false, 3)),
        ("progressive 4:2:0", of(SamplingFactor::F_2_2, true, 0)),
        ("progressive 4:4:4", of(SamplingFactor::F_1_1, true, 0)),
        ("progressive restart", of(SamplingFactor::F_2_1, true, 5)),
        ("cmyk", cmyk(ColorType::Cmyk)),
        ("ycck", cmyk(ColorType::CmykAsYcck)),
    ]
}

/// The scene in every other format that keeps its colours.
pub(crate) fn others() -> Vec<(&'static str, Vec<u8>)> {
    let scene = DynamicImage::ImageRgb8(scene(WIDTH, HEIGHT));
    let of = |picture: DynamicImage, format| encoded(picture, format);
    vec![
        ("png", of(scene.clone(), ImageFormat::Png)),
        ("png rgba", of(scene.to_rgba8().into(), ImageFormat::Png)),
        ("png 16", of(scene.to_rgb16().into(), ImageFormat::Png)),
        (
            "png rgba 16",
            of(scene.to_rgba16().into(), ImageFormat::Png),
        ),
        ("webp", of(scene.clone(), ImageFormat::WebP)),
        ("webp rgba", of(scene.to_rgba8().into(), ImageFormat::WebP)),
        ("gif", of(scene.to_rgba8().into(), ImageFormat::Gif)),
        ("bmp", of(scene.clone(), ImageFormat::Bmp)),
        ("bmp rgba", of(scene.to_rgba8().into(), ImageFormat::Bmp)),
        ("tiff", of(scene.clone(), ImageFormat::Tiff)),
        ("tiff rgba", of(scene.to_rgba8().into(), ImageFormat::Tiff)),
        ("tiff 16", of(scene.to_rgb16().into(), ImageFormat::Tiff)),
        (
            "tiff float",
            of(scene.to_rgb32f().into(), ImageFormat::Tiff),
        ),
    ]
}

pub(crate) fn greys() -> Vec<(&'static str, Vec<u8>)> {
    let grey = DynamicImage::ImageLuma8(grey_scene());
    let jpeg = |progressive| {
        let jpeg = Jpeg {
            progressive,
            ..BASELINE
        };
        jpeg.write(grey.as_bytes(), (WIDTH, HEIGHT), ColorType::Luma)
    };
    vec![
        ("jpeg", jpeg(false)),
        ("jpeg progressive", jpeg(true)),
        ("png", encoded(grey.clone(), ImageFormat::Png)),
        ("png 16", encoded(grey.to_luma16(), ImageFormat::Png)),
        (
            "png alpha",
            encoded(grey.to_luma_alpha8(), ImageFormat::Png),
        ),
        (
            "png alpha 16",
            encoded(grey.to_luma_alpha16(), ImageFormat::Png),
        ),
        ("bmp", encoded(grey.clone(), ImageFormat::Bmp)),
        ("tiff", encoded(grey.clone(), ImageFormat::Tiff)),
        ("tiff 16", encoded(grey.to_luma16(), ImageFormat::Tiff)),
    ]
}

/// Variants that no available encoder writes: files that show a cat.
pub(crate) const CATS: [(&str, &[u8]); 6] = [
    ("jpeg in parts", include_bytes!("../samples/in-parts.jpg")),
    ("webp lossy", include_bytes!("../samples/lossy.webp")),
    (
        "webp lossy alpha",
        include_bytes!("../samples/lossy-alpha.webp"),
    ),
    ("png palette", include_bytes!("../samples/palette.png")),
    ("tiff palette", include_bytes!("../samples/palette.tiff")),
    ("tiff ycbcr", include_bytes!("../samples/ycbcr.tiff")),
];

/// Photographs of people, animals and things.
pub(crate) const PHOTOS: [&[u8]; 4] = [
    include_bytes!("../photos/astronaut.jpg"),
    include_bytes!("../photos/chelsea.jpg"),
    include_bytes!("../photos/coffee.jpg"),
    include_bytes!("../photos/rocket.jpg"),
];

pub(crate) fn all() -> Vec<(&'static str, Vec<u8>)> {
    let cats = CATS.map(|(name, file)| (name, file.to_vec()));
    [jpegs(), others(), greys(), cats.to_vec()].concat()
}

/// The mean difference of samples, from 0 to 255.
pub(crate) fn difference(one: &[u8], other: &[u8]) -> f64 {
    assert_eq!(one.len(), other.len());
    let (mut sum, mut count) = (0.0, 0.0);
    for (one, other) in one.iter().zip(other) {
        sum += f64::from(one.abs_diff(*other));
        count += 1.0;
    }
    sum / count
}
