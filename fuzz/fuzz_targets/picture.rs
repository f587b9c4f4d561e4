//! A picture file: whatever arrives is refused or decoded, downscaled and encoded, in little memory.
#![no_main]

use std::{
    alloc::{GlobalAlloc, Layout, System},
    num::NonZeroU32,
    sync::{Arc, LazyLock},
};

use domain::{
    DecodedPicture, Picture,
    ports::{CallContext, CodecError, ImageCodec},
};
use image_codec::{Allowance, CodecSettings, PictureCodec, cost};
use libfuzzer_sys::fuzz_target;
use tokio::runtime::{Builder, Runtime};

/// Longest sides of copies. JPEG files are decoded at different scales for them.
const SIDES: [u32; 4] = [64, 20, 5, 1];

/// Most pixels of an original.
const MOST_PIXELS: u64 = 1 << 16;

/// The most that is asked of the memory at once: a file is at most 2 MiB long, decoders may take 16 MiB
/// besides the pixels, which take 1 MiB at sixteen bytes each.
const LARGEST_PIECE: usize = 24 << 20;

/// Most work of a picture. Small ones take little, whatever is in the file; large ones, which take seconds when
/// instrumented, are refused.
const ALLOWED: Allowance = Allowance { work: 200_000, memory: 64 << 20 };

/// Ends the run where a file makes a decoder ask for a lot of memory.
struct Frugal;

// SAFETY: the system does the work, unchanged.
unsafe impl GlobalAlloc for Frugal {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        check(layout.size());
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        check(layout.size());
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, piece: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        check(size);
        unsafe { System.realloc(piece, layout, size) }
    }

    unsafe fn dealloc(&self, piece: *mut u8, layout: Layout) {
        unsafe { System.dealloc(piece, layout) }
    }
}

fn check(size: usize) {
    assert!(size <= LARGEST_PIECE, "a piece of {size} bytes is asked for");
}

#[global_allocator]
static MEMORY: Frugal = Frugal;

/// One thread, so that the fuzzer sees the way of one file alone.
static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    let mut builder = Builder::new_current_thread();
    builder.max_blocking_threads(1).build().unwrap()
});

static CODEC: LazyLock<PictureCodec> = LazyLock::new(|| {
    PictureCodec::new(CodecSettings { max_pixels: MOST_PIXELS, jobs: 1, ..CodecSettings::default() })
});

fuzz_target!(|file: &[u8]| {
    // Files are files here, with no byte before them: their length says for which side.
    let max_side = SIDES[file.len() % SIDES.len()];
    bounds_hold(file, max_side);
    let Some(picture) = decode(file, max_side) else { return };
    check_sizes(&picture, max_side);
    let (width, height) = (picture.scaled_width, picture.scaled_height);
    let sent = RUNTIME.block_on(CODEC.encode(Arc::new(picture), &CallContext::local()));
    let sent = sent.expect("what was decoded can be sent");
    let seen = decode(&sent.bytes, max_side).expect("what is sent is a picture");
    assert_eq!((seen.width, seen.height), (width, height));
});

/// What is accepted costs no more than is allowed, and the same each time.
fn bounds_hold(file: &[u8], max_side: u32) {
    let (Ok(one), Ok(other)) = (cost(file, max_side, ALLOWED), cost(file, max_side, ALLOWED)) else {
        return;
    };
    assert_eq!(one, other);
    assert!(one.work <= ALLOWED.work);
}

fn decode(file: &[u8], max_side: u32) -> Option<DecodedPicture> {
    let side = NonZeroU32::new(max_side).unwrap();
    let context = CallContext::local();
    let decoded = CODEC.decode(file.to_vec().into(), side, &context);
    match RUNTIME.block_on(decoded) {
        Ok(picture) => Some(picture),
        Err(CodecError::Failed(cause)) => panic!("the codec failed: {cause}"),
        Err(_) => None,
    }
}

fn check_sizes(picture: &Picture, max_side: u32) {
    let pixels = u64::from(picture.width) * u64::from(picture.height);
    assert!((1..=MOST_PIXELS).contains(&pixels));
    let (width, height) = (picture.scaled_width, picture.scaled_height);
    assert!((1..=max_side.min(picture.width)).contains(&width));
    assert!((1..=max_side.min(picture.height)).contains(&height));
    assert_eq!(picture.pixels.len(), width as usize * height as usize * 3);
}
