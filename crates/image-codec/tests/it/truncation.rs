//! Truncated files are refused, wherever they are cut.

use domain::ports::CodecError;
use rstest::rstest;

use crate::samples::{SIDES, all, codec, decode, decode_with, jpegs, others};

/// Offsets at which to cut a file: all over it, and each of the last bytes.
fn cuts(len: usize) -> impl Iterator<Item = usize> {
    (0..len).step_by(len / 97 + 1).chain(len - 20..len)
}

#[rstest]
#[tokio::test]
async fn a_cut_file_is_refused_or_whole(#[values(0, 1, 2, 3)] scale: usize) {
    let (codec, side) = (codec(), SIDES[scale]);
    for (name, file) in all() {
        let whole = decode_with(&codec, side, file.clone()).await.expect(name);
        let (mut refused, mut tried) = (0, 0);
        for cut in cuts(file.len()) {
            tried += 1;
            match decode_with(&codec, side, file[..cut].to_vec()).await {
                // Only end marks are missing.
                Ok(picture) => assert_eq!(
                    picture.pixels,
                    whole.pixels,
                    "{name} cut at {cut} of {}",
                    file.len()
                ),
                Err(CodecError::NotAnImage { .. }) => refused += 1,
                other => panic!("{name} cut at {cut}: {other:?}"),
            }
        }
        // Metadata and marks at the end are no pixels.
        assert!(refused + 20 >= tried, "{name}: {refused} of {tried}");
    }
}

#[tokio::test]
async fn without_an_end_mark_a_picture_is_whole() {
    let ends: [(&str, &[u8]); 3] = [
        ("gif", b";"),
        ("png", b"\0\0\0\0IEND\xAE\x42\x60\x82"),
        ("", b"\xFF\xD9"),
    ];
    for (name, file) in [jpegs(), others()].concat() {
        let end = ends
            .iter()
            .find(|(format, mark)| name.starts_with(format) && file.ends_with(mark));
        let Some((_, mark)) = end else { continue };
        let whole = decode(file.clone()).await.expect(name);
        for left in 0..mark.len() {
            let cut = file[..file.len() - mark.len() + left].to_vec();
            let picture = decode(cut).await.expect(name);
            assert_eq!(picture.pixels, whole.pixels, "{name}");
        }
    }
}

#[tokio::test]
async fn a_progressive_jpeg_without_its_last_scans_is_cut() {
    let progressive = jpegs()
        .into_iter()
        .filter(|(name, _)| name.contains("progressive"));
    for (name, file) in progressive {
        let scans = memchr::memmem::find_iter(&file, b"\xFF\xDA");
        for scan in scans.skip(1) {
            let refused = decode(file[..scan].to_vec()).await;
            assert!(
                matches!(refused, Err(CodecError::NotAnImage { .. })),
                "{name} at {scan}"
            );
        }
    }
}

#[rstest]
#[tokio::test]
async fn a_cut_jpeg_is_refused_even_with_an_end_mark(#[values(0, 1, 2, 3)] scale: usize) {
    let (codec, side) = (codec(), SIDES[scale]);
    // A progressive file that ends after a complete scan is a valid picture, only coarser.
    let sequential = jpegs()
        .into_iter()
        .filter(|(name, _)| !name.contains("progressive"));
    for (name, file) in sequential {
        // The last bytes contain the padding of the last code, the end marker, and codes so short that the
        // padding looks like them.
        for cut in cuts(file.len()).filter(|cut| cut + 8 < file.len()) {
            let part = [&file[..cut], &[0xFF, 0xD9]].concat();
            let refused = decode_with(&codec, side, part).await;
            assert!(
                matches!(refused, Err(CodecError::NotAnImage { .. })),
                "{name} cut at {cut} of {}: {refused:?}",
                file.len()
            );
        }
    }
}

#[rstest]
#[tokio::test]
async fn jpeg_with_a_missing_block_is_mostly_refused(#[values(0, 1, 2, 3)] scale: usize) {
    let (codec, side) = (codec(), SIDES[scale]);
    let (name, file) = &jpegs()[3];
    let (mut refused, mut tried) = (0, 0);
    for cut in (1000..file.len() - 1000).step_by(200) {
        let part = [&file[..cut], &file[cut + 512..]].concat();
        tried += 1;
        refused += usize::from(decode_with(&codec, side, part).await.is_err());
    }
    assert!(refused * 10 >= tried * 9, "{name}: {refused} of {tried}");
}
