//! Memory and processor time are bounded, without losing or blocking anything.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use domain::ports::{CallContext, ClientKey, CodecError, ImageCodec};
use futures_util::{FutureExt, future::join_all};
use image::{ImageFormat, Rgb, RgbImage};
use image_codec::{CodecSettings, PictureCodec};
use tokio::{
    task::JoinSet,
    time::{sleep, timeout},
};

use crate::samples::{FULL, PHOTOS, decode, decode_with, encoded, refusal, scene, side};

const LONG: Duration = Duration::from_mins(1);
const SHORT: Duration = Duration::from_millis(200);

/// Longest side of copies that take little memory.
const SMALL: u32 = 64;

const TOO_MANY: &str = "the TIFF is corrupt: its entries have too many values";

/// A codec with room for one or two of the photographs at a time.
fn narrow() -> PictureCodec {
    PictureCodec::new(CodecSettings {
        pixel_bytes: 1536 * 1024,
        jobs: 1,
        ..CodecSettings::default()
    })
}

#[tokio::test]
async fn pixels_are_counted_before_any_is_decoded() {
    // 60000 x 60000 pixels in a few bytes: decoding them would take 10 GB.
    let mut png = encoded(scene(1, 1), ImageFormat::Png);
    png[16..24].copy_from_slice(&[0, 0, 0xEA, 0x60, 0, 0, 0xEA, 0x60]);
    let mut jpeg = PHOTOS[0].to_vec();
    let frame = jpeg
        .windows(2)
        .position(|part| part == [0xFF, 0xC0])
        .unwrap();
    jpeg[frame + 5..frame + 9].copy_from_slice(&[0xEA, 0x60, 0xEA, 0x60]);
    let mut gif = encoded(scene(9, 9), ImageFormat::Gif);
    gif[6..10].copy_from_slice(&[0x60, 0xEA, 0x60, 0xEA]);
    let mut webp = encoded(scene(9, 9), ImageFormat::WebP);
    let lossless = webp.windows(4).position(|part| part == b"VP8L").unwrap();
    // 14 bits each, less one.
    webp[lossless + 9..lossless + 13].copy_from_slice(&[0xFE, 0xBF, 0xFF, 0x0F]);
    let sides = [60_000, 60_000, 60_000, 16_383];
    for (file, side) in [png, jpeg, gif, webp].into_iter().zip(sides) {
        let refused = decode_with(&narrow(), SMALL, file).await;
        let Err(CodecError::TooManyPixels {
            width,
            height,
            limit,
        }) = refused
        else {
            panic!("too many pixels: {refused:?}");
        };
        assert_eq!((width, height, limit), (side, side, 100_000_000));
    }
}

#[tokio::test]
async fn sizes_that_the_file_cannot_hold_take_no_memory() {
    let mut bmp = encoded(scene(9, 9), ImageFormat::Bmp);
    bmp[18..26].copy_from_slice(&[0, 0x20, 0, 0, 0, 0x20, 0, 0]);
    let mut tiff = encoded(scene(9, 9), ImageFormat::Tiff);
    for tag in [0x100_u16, 0x101] {
        let tag = tag.to_le_bytes();
        let at = |kind: u8| [tag[0], tag[1], kind, 0, 1, 0, 0, 0];
        let entry = [3, 4]
            .iter()
            .find_map(|&kind| tiff.windows(8).position(|part| part == at(kind)));
        tiff[entry.unwrap() + 8..][..4].copy_from_slice(&[0, 0x20, 0, 0]);
    }
    for (name, file) in [("bmp", bmp), ("tiff", tiff)] {
        let refused = decode_with(&codec_with_one_turn(), SMALL, file).await;
        assert!(
            matches!(refused, Err(CodecError::NotAnImage { .. })),
            "{name}: {refused:?}"
        );
    }
}

/// The picture has few pixels, but its frame would take 14 GB.
#[tokio::test]
async fn the_frame_of_a_gif_counts_where_it_is_larger_than_the_screen() {
    let mut gif = encoded(scene(9, 9), ImageFormat::Gif);
    let frame = [0x2C, 0, 0, 0, 0, 9, 0, 9, 0];
    let frame = gif.windows(9).position(|part| part == frame).unwrap();
    gif[frame + 5..frame + 9].copy_from_slice(&[0x60, 0xEA, 0x60, 0xEA]);
    let refused = decode(gif).await;
    assert!(
        matches!(
            refused,
            Err(CodecError::TooManyPixels {
                width: 60_000,
                height: 60_000,
                ..
            })
        ),
        "{refused:?}"
    );
}

/// The offset of a tag's entry in a directory.
fn entry(directory: &[u8], tag: u16) -> usize {
    let tag = tag.to_le_bytes();
    let mut entries = (2..directory.len()).step_by(12);
    entries
        .find(|at| directory[*at..].starts_with(&tag))
        .unwrap()
}

/// A TIFF file and the offset of its directory, which ends the file.
fn tiff_and_directory() -> (Vec<u8>, usize) {
    let file = encoded(scene(9, 9), ImageFormat::Tiff);
    let place = u32::from_le_bytes(file[4..8].try_into().unwrap());
    let place = usize::try_from(place).unwrap();
    let entries = usize::from(u16::from_le_bytes([file[place], file[place + 1]]));
    assert!(place + 2 + 12 * entries + 4 <= file.len());
    (file[..place + 2 + 12 * entries + 4].to_vec(), place)
}

/// Each value takes the decoder 32 bytes, whether or not it is in the file.
#[tokio::test]
async fn values_missing_in_a_tiff_take_no_memory() {
    let (mut file, place) = tiff_and_directory();
    let photometric = place + entry(&file[place..], 262);
    file[photometric + 4..][..4].copy_from_slice(&0x0008_0001_u32.to_le_bytes());
    assert_eq!(refusal(file).await, TOO_MANY);
}

/// A page that repeats a list would repeat the work.
#[tokio::test]
async fn pages_of_a_tiff_do_not_share_long_lists() {
    let (mut file, place) = tiff_and_directory();
    let mut next_page = file[place..].to_vec();
    let length = u32::try_from(file.len()).unwrap();
    for tag in [273, 279] {
        let at = entry(&next_page, tag);
        // As many bytes as the file has, from its start.
        let list = [&[1, 0], &length.to_le_bytes()[..], &[0; 4]].concat();
        next_page[at + 2..][..10].copy_from_slice(&list);
    }
    let end = file.len();
    file[end - 4..].copy_from_slice(&length.to_le_bytes());
    file.extend(next_page);
    assert_eq!(refusal(file).await, TOO_MANY);
}

#[tokio::test]
async fn held_picture_occupies_only_the_memory_of_its_copy() {
    let codec = narrow();
    let mut held = Vec::new();
    for photo in PHOTOS.iter().cycle().take(12) {
        let picture = timeout(LONG, decode_with(&codec, SMALL, *photo)).await;
        held.push(picture.unwrap().unwrap());
    }
}

#[tokio::test]
async fn a_decode_waits_for_memory_and_an_encode_does_not() {
    let codec = PictureCodec::new(CodecSettings {
        pixel_bytes: 8 * 1024 * 1024,
        jobs: 1,
        ..CodecSettings::default()
    });
    let context = CallContext::local();
    let mut held = Vec::new();
    let next = loop {
        let mut next = Box::pin(codec.decode(PHOTOS[0].into(), side(1000), &context));
        match timeout(SHORT, &mut next).await {
            Ok(picture) => held.push(Arc::new(picture.unwrap())),
            Err(_) => break next,
        }
        assert!(held.len() < 100, "memory is without end");
    };
    let copy = timeout(LONG, codec.encode(Arc::clone(&held[0]), &context)).await;
    assert!(copy.unwrap().is_ok());
    drop(held);
    assert!(timeout(LONG, next).await.unwrap().is_ok());
}

#[tokio::test]
async fn a_picture_that_needs_more_than_all_memory_is_refused() {
    let codec = PictureCodec::new(CodecSettings {
        pixel_bytes: 100_000,
        ..CodecSettings::default()
    });
    let refused = decode_with(&codec, FULL, PHOTOS[0]).await;
    let Err(CodecError::TooLarge { reason }) = refused else {
        panic!("too large: {refused:?}");
    };
    assert!(reason.contains("limits.pixel_bytes"), "{reason}");
    assert!(reason.contains("100000"), "{reason}");
}

#[tokio::test]
async fn a_picture_that_takes_more_work_than_one_may_is_refused() {
    let codec = PictureCodec::new(CodecSettings {
        max_work: 1,
        ..CodecSettings::default()
    });
    let refused = decode_with(&codec, FULL, PHOTOS[0]).await;
    let Err(CodecError::TooComplex { work, limit: 1 }) = refused else {
        panic!("too complex: {refused:?}");
    };
    assert!(work > 1);
}

#[tokio::test]
async fn work_ends_at_its_deadline() {
    let codec = PictureCodec::new(CodecSettings {
        decode_timeout: Duration::ZERO,
        ..CodecSettings::default()
    });
    let late = decode_with(&codec, FULL, PHOTOS[0]).await;
    assert!(matches!(late, Err(CodecError::TimedOut)), "{late:?}");
}

#[tokio::test]
async fn work_ends_once_its_caller_has_gone() {
    let large = large_bmp(0);
    let looks = Arc::new(AtomicUsize::new(0));
    // The caller goes before any work, before the second turn, or later.
    for n in [0, 3, 5] {
        let seen = Arc::clone(&looks);
        seen.store(0, Ordering::SeqCst);
        let context = CallContext::cancelled_when(move || seen.fetch_add(1, Ordering::SeqCst) >= n);
        let codec = codec_with_one_turn();
        let outcome = codec.decode(large.clone(), side(SMALL), &context).await;
        assert!(matches!(outcome, Err(CodecError::Cancelled)), "{outcome:?}");
        assert!(looks.load(Ordering::SeqCst) < n + 4, "it stops at once");
    }
}

fn codec_with_one_turn() -> PictureCodec {
    PictureCodec::new(CodecSettings {
        jobs: 1,
        ..CodecSettings::default()
    })
}

/// A picture more expensive than a photograph; each number makes another one.
fn large_bmp(number: u8) -> Bytes {
    let picture = RgbImage::from_pixel(3000, 3000, Rgb([1, 2, number]));
    encoded(picture, ImageFormat::Bmp).into()
}

#[tokio::test]
async fn ordinary_picture_does_not_wait_for_ten_expensive_ones() {
    let client = |number| {
        CallContext::local().for_client(ClientKey::from_address([127, 0, 0, number].into()))
    };
    for ordinary in [1, 2] {
        let codec = Arc::new(PictureCodec::new(CodecSettings {
            jobs: 1,
            // So low that the large pictures are not cheap.
            max_work: 500_000,
            ..CodecSettings::default()
        }));
        let mut expensive = JoinSet::new();
        for number in 0..10 {
            let (codec, file) = (Arc::clone(&codec), large_bmp(number));
            expensive
                .spawn(async move { codec.decode(file, side(SMALL), &client(1)).await.map(drop) });
        }
        // Lets all of them queue.
        tokio::task::yield_now().await;
        codec
            .decode(PHOTOS[0].into(), side(SMALL), &client(ordinary))
            .await
            .unwrap();
        let mut ended = 0;
        while let Some(outcome) = expensive.try_join_next() {
            outcome.unwrap().unwrap();
            ended += 1;
        }
        assert!(ended < 5, "{ended} ended before the ordinary one");
        while let Some(outcome) = expensive.join_next().await {
            outcome.unwrap().unwrap();
        }
    }
}

#[tokio::test]
async fn many_at_once_are_all_served() {
    let codec = narrow();
    let work = async |photo: &'static [u8]| {
        let picture = Arc::new(decode_with(&codec, SMALL, photo).await?);
        codec.encode(picture, &CallContext::local()).await
    };
    let all = join_all(PHOTOS.into_iter().cycle().take(40).map(work));
    for copy in timeout(LONG, all).await.expect("nothing is stuck") {
        assert!(!copy.unwrap().bytes.is_empty());
    }
}

#[tokio::test]
async fn nothing_is_kept_for_cancelled_callers() {
    let (codec, context) = (codec_with_one_turn(), CallContext::local());
    let large = large_bmp(3);
    for wait in [0, 1, 5, 20] {
        let mut decode = Box::pin(codec.decode(large.clone(), side(SMALL), &context));
        assert!((&mut decode).now_or_never().is_none());
        let _ = timeout(Duration::from_millis(wait), decode).await;
    }
    // The whole budget and the only turn are free again.
    let picture = timeout(LONG, codec.decode(large, side(SMALL), &context))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(picture.pixels[..3], [1, 2, 3]);
}

#[tokio::test]
async fn bad_files_leave_the_budget_as_it_was() {
    let codec = narrow();
    for photo in PHOTOS.iter().cycle().take(20) {
        let mut file = photo.to_vec();
        let middle = file.len() / 2;
        file[middle..middle + 400].fill(0xFE);
        let _ = decode_with(&codec, SMALL, file).await;
    }
    sleep(Duration::from_millis(1)).await;
    assert!(
        timeout(LONG, decode_with(&codec, SMALL, PHOTOS[0]))
            .await
            .unwrap()
            .is_ok()
    );
}
