//! Where files keep their metadata: a look at the structure alone, bounded, and for files that have been found
//! sound. What is not found where it belongs is not there.

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
        first(png_chunks(file), b"eXIf")
    } else if is_webp(file) {
        first(webp_chunks(file), b"EXIF")
    } else if file.starts_with(b"II*\0") || file.starts_with(b"MM\0*") {
        Some(file)
    } else {
        None
    };
    block.map(|block| block.strip_prefix(b"Exif\0\0").unwrap_or(block))
}

fn is_webp(file: &[u8]) -> bool {
    file.starts_with(b"RIFF") && file.get(8..12) == Some(b"WEBP")
}

fn first<'f>(
    mut chunks: impl Iterator<Item = ([u8; 4], &'f [u8])>,
    kind: &[u8; 4],
) -> Option<&'f [u8]> {
    chunks.find_map(|(found, body)| (found == *kind).then_some(body))
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
