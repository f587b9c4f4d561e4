//! JPEGs within a TIFF, with shared tables.

use jpeg_encoder::ColorType;

use crate::samples::{BASELINE, decode, refusal};

const SIDE: u16 = 16;

/// A grey JPEG of 16 x 16 pixels.
fn grey() -> Vec<u8> {
    let pixels: Vec<u8> = (0..=255).collect();
    BASELINE.write(&pixels, (SIDE.into(), SIDE.into()), ColorType::Luma)
}

/// The range of the segment with that marker.
fn segment(jpeg: &[u8], marker: u8) -> std::ops::Range<usize> {
    let at = jpeg.windows(2).position(|two| two == [0xFF, marker]);
    let at = at.unwrap();
    let length = u16::from_be_bytes([jpeg[at + 2], jpeg[at + 3]]);
    at..at + 2 + usize::from(length)
}

/// A file 16 pixels wide whose strips are all that JPEG.
fn tiff(tables: &[u8], jpeg: &[u8], strips: u32) -> Vec<u8> {
    let long = |value: usize| u32::try_from(value).unwrap();
    let mut file = b"II\x2A\0\0\0\0\0".to_vec();
    let mut put = |bytes: &[u8]| {
        let at = long(file.len());
        file.extend(bytes);
        at
    };
    let (jpeg_at, tables_at) = (put(jpeg), put(tables));
    let list = |value: u32| value.to_le_bytes().repeat(strips as usize);
    let (offsets, lengths) = (put(&list(jpeg_at)), put(&list(long(jpeg.len()))));
    let (offsets, lengths) = match strips {
        1 => (jpeg_at, long(jpeg.len())),
        _ => (offsets, lengths),
    };
    let side = u32::from(SIDE);
    let entries: [(u16, u16, u32, u32); 10] = [
        (256, 3, 1, side),
        (257, 3, 1, side * strips),
        (258, 3, 1, 8),
        (259, 3, 1, 7),
        (262, 3, 1, 1),
        (273, 4, strips, offsets),
        (277, 3, 1, 1),
        (278, 3, 1, side),
        (279, 4, strips, lengths),
        (347, 7, long(tables.len()), tables_at),
    ];
    let directory = long(file.len());
    file[4..8].copy_from_slice(&directory.to_le_bytes());
    file.extend(10_u16.to_le_bytes());
    for (tag, kind, count, value) in entries {
        file.extend([tag.to_le_bytes(), kind.to_le_bytes()].concat());
        file.extend([count.to_le_bytes(), value.to_le_bytes()].concat());
    }
    file.extend([0; 4]);
    file
}

/// The quantisation table as shared tables, and the JPEG without it.
fn parted() -> (Vec<u8>, Vec<u8>) {
    let jpeg = grey();
    let table = segment(&jpeg, 0xDB);
    let tables = [&[0xFF, 0xD8], &jpeg[table.clone()], &[0xFF, 0xD9]].concat();
    let rest = [&jpeg[..table.start], &jpeg[table.end..]].concat();
    (tables, rest)
}

#[tokio::test]
async fn shared_tables_are_supported() {
    let (tables, rest) = parted();
    for strips in [1, 3] {
        let picture = decode(tiff(&tables, &rest, strips)).await.unwrap();
        assert_eq!((picture.width, picture.height), (16, 16 * strips));
    }
}

#[tokio::test]
async fn parts_that_libjpeg_reads_are_read() {
    let jpeg = grey();
    let expected = decode(tiff(&[], &jpeg, 1)).await.unwrap();
    let garbage = [&jpeg[..2], b"garbage", &jpeg[2..]].concat();
    let endless = jpeg[..jpeg.len() - 2].to_vec();
    for part in [garbage, endless] {
        let picture = decode(tiff(&[], &part, 1)).await.unwrap();
        assert_eq!(picture.pixels, expected.pixels);
    }
    let mut refused = 0;
    for missing in 3..20 {
        let cut = jpeg[..jpeg.len() - missing].to_vec();
        match decode(tiff(&[], &cut, 1)).await {
            Ok(picture) => assert_eq!(picture.pixels, expected.pixels, "{missing}"),
            Err(_) => refused += 1,
        }
    }
    assert!(refused > 10, "{refused}");
}

/// The decoder puts the tables before each part, and uses the first frame it finds.
#[tokio::test]
async fn a_frame_among_the_tables_takes_no_memory() {
    let jpeg = grey();
    let mut frame = jpeg[segment(&jpeg, 0xC0)].to_vec();
    frame[5..9].copy_from_slice(&[0xEA, 0x60, 0xEA, 0x60]);
    let tables = [&[0xFF, 0xD8], &frame[..], &[0xFF, 0xD9]].concat();
    let refused = refusal(tiff(&tables, &jpeg, 1)).await;
    assert_eq!(
        refused,
        "the TIFF is corrupt: a part is larger than the page"
    );
}

#[tokio::test]
async fn long_tables_are_refused() {
    let (mut tables, rest) = parted();
    tables.splice(2..2, vec![0; 20_000]);
    let refused = refusal(tiff(&tables, &rest, 1)).await;
    assert_eq!(refused, "the TIFF is corrupt: its JPEG tables are too long");
}

/// Scanning a long part once for each of many strips would take minutes.
#[tokio::test]
async fn overlapping_parts_are_refused() {
    let (tables, rest) = parted();
    let long = [rest, vec![0; 50_000]].concat();
    let refused = refusal(tiff(&tables, &long, 100)).await;
    assert_eq!(
        refused,
        "the TIFF is corrupt: its parts lie upon each other"
    );
}
