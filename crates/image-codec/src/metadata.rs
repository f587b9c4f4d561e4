//! Where files keep their metadata: a look at the structure alone, bounded, and for files that have been found
//! sound. What is not found where it belongs is not there.

use std::{borrow::Cow, io::Cursor};

use crate::formats;

/// The most segments or chunks that are looked at.
const MOST_PARTS: usize = 4096;

const PNG: &[u8] = b"\x89PNG\r\n\x1a\n";

/// The EXIF data of a file: a TIFF structure. Of a TIFF file that is the file itself.
pub(crate) fn exif(file: &[u8]) -> Option<&[u8]> {
    let block = if file.starts_with(&[0xFF, 0xD8]) {
        segments(file).find_map(|(marker, body)| {
            (marker == 0xE1)
                .then(|| body.strip_prefix(b"Exif\0\0"))
                .flatten()
        })
    } else if file.starts_with(PNG) {
        first(png_chunks(file), *b"eXIf")
    } else if is_webp(file) {
        first(webp_chunks(file), *b"EXIF")
    } else if is_tiff(file) {
        Some(file)
    } else {
        formats::heic_exif(file)
    };
    block.map(|block| block.strip_prefix(b"Exif\0\0").unwrap_or(block))
}

/// The embedded colour profile of a file, if it has at most that many bytes.
pub(crate) fn profile(file: &[u8], most: usize) -> Option<Cow<'_, [u8]>> {
    let profile = if file.starts_with(&[0xFF, 0xD8]) {
        Cow::Owned(jpeg_profile(file, most)?)
    } else if file.starts_with(PNG) {
        png_profile(file, most)?
    } else if is_webp(file) {
        Cow::Borrowed(first(webp_chunks(file), *b"ICCP")?)
    } else if is_tiff(file) {
        Cow::Borrowed(formats::tiff_profile(file)?)
    } else {
        Cow::Borrowed(formats::heic_profile(file)?)
    };
    (profile.len() <= most).then_some(profile)
}

/// The number of a file's primaries (ITU-T H.273), if it has that instead of a profile.
pub(crate) fn primaries(file: &[u8]) -> Option<u16> {
    formats::heic_primaries(file)
}

/// A profile in pieces, which are numbered from 1 on.
fn jpeg_profile(file: &[u8], most: usize) -> Option<Vec<u8>> {
    let pieces = segments(file).filter_map(|(marker, body)| {
        let body = body.strip_prefix(b"ICC_PROFILE\0")?;
        let ([number, _count], piece) = body.split_first_chunk()?;
        (marker == 0xE2).then_some((*number, piece))
    });
    let mut pieces: Vec<_> = pieces.take(usize::from(u8::MAX)).collect();
    pieces.sort_by_key(|(number, _)| *number);
    let mut profile = Vec::new();
    for (_, piece) in pieces {
        profile.extend_from_slice(piece);
        if profile.len() > most {
            return None;
        }
    }
    (!profile.is_empty()).then_some(profile)
}

/// A compressed profile.
fn png_profile(file: &[u8], most: usize) -> Option<Cow<'_, [u8]>> {
    let limits = png::Limits { bytes: 2 * most };
    let decoder = png::Decoder::new_with_limits(Cursor::new(file), limits);
    let reader = decoder.read_info().ok()?;
    let profile = reader.info().icc_profile.as_deref()?;
    Some(Cow::Owned(profile.to_vec()))
}

fn is_tiff(file: &[u8]) -> bool {
    file.starts_with(b"II*\0") || file.starts_with(b"MM\0*")
}

fn is_webp(file: &[u8]) -> bool {
    file.starts_with(b"RIFF") && file.get(8..12) == Some(b"WEBP")
}

fn first<'f>(
    mut chunks: impl Iterator<Item = ([u8; 4], &'f [u8])>,
    kind: [u8; 4],
) -> Option<&'f [u8]> {
    chunks.find_map(|(found, body)| (found == kind).then_some(body))
}

/// The segments of a JPEG before its first scan: marker and body.
fn segments(file: &[u8]) -> impl Iterator<Item = (u8, &[u8])> {
    let mut rest = file.get(2..).unwrap_or_default();
    std::iter::from_fn(move || {
        let (marker, after) = marker(rest)?;
        let (length, _) = after.split_first_chunk()?;
        let length = usize::from(u16::from_be_bytes(*length));
        let body = after.get(2..length)?;
        rest = after.get(length..)?;
        Some((marker, body))
    })
    .take(MOST_PARTS)
}

/// The marker of the next segment, and what follows; none at the scan or the end.
fn marker(bytes: &[u8]) -> Option<(u8, &[u8])> {
    let (0xFF, after) = bytes.split_first().map(|(byte, after)| (*byte, after))? else {
        return None;
    };
    // Any number of 0xFF may stand before a marker.
    let fill = after.iter().take_while(|byte| **byte == 0xFF).count();
    let (marker, after) = after.get(fill..)?.split_first()?;
    let has_length = !matches!(marker, 0x00 | 0x01 | 0xD0..=0xDA);
    has_length.then_some((*marker, after))
}

fn png_chunks(file: &[u8]) -> impl Iterator<Item = ([u8; 4], &[u8])> {
    let mut rest = file.get(PNG.len()..).unwrap_or_default();
    std::iter::from_fn(move || {
        let (length, after) = rest.split_first_chunk()?;
        let (kind, after) = after.split_first_chunk()?;
        let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
        let body = after.get(..length)?;
        // A checksum follows.
        rest = after.get(length..)?.get(4..)?;
        Some((*kind, body))
    })
    .take(MOST_PARTS)
}

fn webp_chunks(file: &[u8]) -> impl Iterator<Item = ([u8; 4], &[u8])> {
    let mut rest = file.get(12..).unwrap_or_default();
    std::iter::from_fn(move || {
        let (kind, after) = rest.split_first_chunk()?;
        let (length, after) = after.split_first_chunk()?;
        let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
        let body = after.get(..length)?;
        // Chunks have an even length.
        rest = after.get(length + length % 2..).unwrap_or_default();
        Some((*kind, body))
    })
    .take(MOST_PARTS)
}

#[cfg(test)]
mod tests {
    use image::{
        ImageEncoder as _, RgbImage,
        codecs::{jpeg::JpegEncoder, png::PngEncoder, webp::WebPEncoder},
    };

    use tiff::tags::Tag;

    use super::*;

    const BLOCK: &[u8] = b"II*\0\x08\0\0\0\0\0";

    fn written(write: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
        let mut file = Vec::new();
        write(&mut file);
        file
    }

    fn picture() -> RgbImage {
        RgbImage::new(8, 8)
    }

    #[test]
    fn exif_is_found_in_every_format_that_has_it() {
        let jpeg = written(|file| {
            let mut encoder = JpegEncoder::new(file);
            encoder.set_exif_metadata(BLOCK.into()).unwrap();
            picture().write_with_encoder(encoder).unwrap();
        });
        let png = written(|file| {
            let mut encoder = PngEncoder::new(file);
            encoder.set_exif_metadata(BLOCK.into()).unwrap();
            picture().write_with_encoder(encoder).unwrap();
        });
        let webp = written(|file| {
            let mut encoder = WebPEncoder::new_lossless(file);
            encoder
                .set_exif_metadata([b"Exif\0\0", BLOCK].concat())
                .unwrap();
            picture().write_with_encoder(encoder).unwrap();
        });
        for file in [jpeg, png, webp, BLOCK.to_vec()] {
            assert_eq!(exif(&file), Some(BLOCK));
            // Of a part of the file it is the same or nothing.
            for end in 0..file.len() {
                let found = exif(&file[..end]);
                assert!(found.is_none_or(|found| BLOCK.starts_with(found)), "{end}");
            }
        }
    }

    #[test]
    fn a_profile_is_found_in_every_format_that_has_it() {
        // More than one segment of a JPEG holds.
        let block: Vec<u8> = (0..=250).cycle().take(100_000).collect();
        let jpeg = written(|file| {
            let mut encoder = JpegEncoder::new(file);
            encoder.set_icc_profile(block.clone()).unwrap();
            picture().write_with_encoder(encoder).unwrap();
        });
        let png = written(|file| {
            let mut encoder = PngEncoder::new(file);
            encoder.set_icc_profile(block.clone()).unwrap();
            picture().write_with_encoder(encoder).unwrap();
        });
        let webp = written(|file| {
            let mut encoder = WebPEncoder::new_lossless(file);
            encoder.set_icc_profile(block.clone()).unwrap();
            picture().write_with_encoder(encoder).unwrap();
        });
        let tiff = written(|file| {
            let mut file = Cursor::new(file);
            let mut encoder = tiff::encoder::TiffEncoder::new(&mut file).unwrap();
            let mut picture = encoder
                .new_image::<tiff::encoder::colortype::RGB8>(8, 8)
                .unwrap();
            let directory = picture.encoder();
            directory
                .write_tag(Tag::IccProfile, block.as_slice())
                .unwrap();
            picture.write_data(&[0; 192]).unwrap();
        });
        for file in [jpeg, png, webp, tiff] {
            assert_eq!(profile(&file, 100_000).as_deref(), Some(block.as_slice()));
            assert_eq!(profile(&file, 99_999), None);
            for end in (0..file.len()).step_by(7) {
                profile(&file[..end], 100_000);
            }
        }
    }

    #[test]
    fn a_file_without_exif_has_none() {
        let png = written(|file| picture().write_with_encoder(PngEncoder::new(file)).unwrap());
        for file in [
            &png,
            &b"GIF89a"[..],
            b"",
            b"\xFF\xD8\xFF\xD9",
            b"\xFF\xD8\xFF\xE1\0\0",
        ] {
            assert_eq!(exif(file), None);
        }
    }

    #[test]
    fn endless_parts_are_not_walked() {
        let part = [0, 0, 0, 0, b't', b'e', b'X', b't', 0, 0, 0, 0];
        let file = [
            PNG,
            &part.repeat(MOST_PARTS),
            &[0, 0, 0, 0],
            b"eXIf",
            &[0; 4],
        ]
        .concat();
        assert_eq!(exif(&file), None);
    }
}
