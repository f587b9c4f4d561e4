//! Small copies for showing.

use domain::{
    MediaType,
    ports::{CallContext, CodecError, ImageCodec as _},
};
use image::{DynamicImage, GenericImageView as _, ImageFormat, Rgba, RgbaImage};

use crate::samples::{BASELINE, codec, encoded, scene, side};

async fn render(file: Vec<u8>, pixels: u32) -> DynamicImage {
    let local = CallContext::local();
    let rendered = codec().render(file.into(), side(pixels), &local).await;
    let rendered = rendered.unwrap();
    assert_eq!(rendered.media_type, MediaType::Jpeg);
    let bytes = &rendered.bytes;
    for forbidden in [&b"Exif"[..], b"ICC_PROFILE", b"http://ns.adobe.com"] {
        assert!(!bytes.windows(forbidden.len()).any(|part| part == forbidden));
    }
    image::load_from_memory_with_format(bytes, ImageFormat::Jpeg).unwrap()
}

#[tokio::test]
async fn a_rendition_is_no_larger_than_asked_and_never_enlarged() {
    let file = BASELINE.rgb(&scene(400, 200));
    for (asked, expected) in [(128, (128, 64)), (256, (256, 128)), (1024, (400, 200))] {
        assert_eq!(render(file.clone(), asked).await.dimensions(), expected);
    }
}

#[tokio::test]
async fn a_rendition_is_upright_and_without_metadata() {
    let file = BASELINE.rgb(&scene(400, 200));
    let entry = [0x12, 0x01, 3, 0, 1, 0, 0, 0, 6, 0, 0, 0];
    let exif = [&b"Exif\0\0II*\0\x08\0\0\0\x01\0"[..], &entry, &[0; 4]].concat();
    let length = u16::try_from(exif.len() + 2).unwrap().to_be_bytes();
    let turned = [&file[..2], &[0xFF, 0xE1], &length, &exif, &file[2..]].concat();
    for asked in [256, 1024] {
        let (width, height) = render(turned.clone(), asked).await.dimensions();
        assert!(width < height);
    }
}

#[tokio::test]
async fn a_rendition_has_white_where_nothing_is() {
    let clear = RgbaImage::from_pixel(200, 200, Rgba([255, 0, 0, 0]));
    let rendered = render(encoded(clear, ImageFormat::Png), 128).await;
    let [red, green, blue, _] = rendered.get_pixel(64, 64).0;
    assert!(red > 250 && green > 250 && blue > 250);
}

#[tokio::test]
async fn what_is_no_picture_is_not_rendered() {
    let local = CallContext::local();
    let refused = codec().render("text".into(), side(256), &local).await;
    assert!(matches!(refused, Err(CodecError::NotAnImage { .. })));
}
