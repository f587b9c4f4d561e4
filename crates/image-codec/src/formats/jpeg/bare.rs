//! Removes everything but the picture from a JPEG file.
//!
//! A photo that is small enough need not be re-encoded to lose its metadata: that would cost processor
//! time, and some quality.

use domain::{MediaType::Jpeg, ports::CallContext};

use super::segments::{
    ADOBE, ADOBE_TRANSFORM, APP0, APP14, DNL, DQT, DRI, EOI, JPG, RST_FIRST, RST_LAST, SOF_FIRST,
    SOF_LAST, SOI, SOS, Segments, TEM, next_marker, skip_data,
};
use crate::{byte_reader::ByteReader, decode_error::DecodeError, meter::Meter};

/// JFIF 1.02, square pixels, no thumbnail.
const JFIF: [u8; 18] = *b"\xFF\xE0\0\x10JFIF\0\x01\x02\0\0\x01\0\x01\0\0";
/// The picture alone, if every decoder supports its variant.
pub(in crate::formats) fn bare(file: &[u8]) -> Option<Vec<u8>> {
    // The file was decoded before.
    let meter = Meter::new(u64::MAX, None, CallContext::local());
    let segments = Segments::walk(file, &meter).ok()?;
    let frame = segments.frame().ok()?;
    if !frame.is_common() || segments.is_in_parts(frame) || segments.has_no_end {
        return None;
    }
    copy(file).ok()?
}

/// Copies only the segments that belong to the picture, and drops what follows its end. The colour
/// information of the JFIF and Adobe segments is written anew, and nothing else of them.
///
/// `None` if there is anything between the segments: decoders differ in how they handle that, and without
/// it the result might be another picture.
fn copy(file: &[u8]) -> Result<Option<Vec<u8>>, DecodeError> {
    let mut walk = ByteReader::new(Jpeg, file);
    if walk.array()? != [0xFF, SOI] {
        return Ok(None);
    }
    let mut bare = vec![0xFF, SOI];
    loop {
        if walk.rest().first() != Some(&0xFF) {
            return Ok(None);
        }
        let marker = next_marker(&mut walk)?;
        match marker {
            EOI => {
                bare.extend([0xFF, EOI]);
                return Ok(Some(bare));
            }
            SOI | TEM | RST_FIRST..=RST_LAST => return Ok(None),
            _ => {}
        }
        let length = walk.u16_be()?;
        let body = walk.take(usize::from(length).saturating_sub(2))?;
        match marker {
            APP0 if body.starts_with(b"JFIF\0") => bare.extend(JFIF),
            APP14 if body.starts_with(ADOBE) => bare.extend(adobe(body)),
            DQT | DNL | DRI | SOS | SOF_FIRST..=SOF_LAST if marker != JPG => {
                bare.extend([0xFF, marker]);
                bare.extend(length.to_be_bytes());
                bare.extend(body);
            }
            // Not only known metadata: segments of any other type may contain anything.
            _ => {}
        }
        if marker == SOS {
            let (all, before) = (walk.rest(), walk.position());
            skip_data(&mut walk);
            let data = all.get(..walk.position() - before);
            bare.extend(data.unwrap_or_default());
        }
    }
}

/// Adobe's segment with only the colour transform.
fn adobe(body: &[u8]) -> [u8; 16] {
    let mut segment = *b"\xFF\xEE\0\x0EAdobe\0\x64\0\0\0\0\0";
    if let (Some(to), Some(from)) = (segment.last_mut(), body.get(ADOBE_TRANSFORM)) {
        *to = *from;
    }
    segment
}

#[cfg(test)]
mod tests {
    use super::*;

    const PHOTO: &[u8] = include_bytes!("../../../tests/photos/chelsea.jpg");

    fn segment(marker: u8, body: &[u8]) -> Vec<u8> {
        let length = u16::try_from(body.len() + 2).unwrap().to_be_bytes();
        [&[0xFF, marker], &length[..], body].concat()
    }

    #[test]
    fn only_the_picture_is_left() {
        let jfif_with_thumbnail = [&b"JFIF\0\x01\x01\x01\0\x48\0\x48\x01\x01"[..], b"RGB"].concat();
        let metadata = [
            segment(APP0, &jfif_with_thumbnail),
            segment(APP0, b"JFXX\0thumbnail"),
            segment(0xE1, b"Exif\0\0position"),
            segment(0xE2, b"ICC_PROFILE\0"),
            segment(0xED, b"Photoshop 3.0\0caption"),
            segment(0xEF, b"anything"),
            segment(0xFE, b"comment"),
            segment(0xC8, b"an extension"),
            segment(0xF0, b"an extension"),
            segment(0xFD, b"an extension"),
            segment(0x02, b"reserved"),
            // Markers may be padded.
            b"\xFF\xFF\xFF".to_vec(),
        ];
        let once = bare(PHOTO).unwrap();
        let stuffed = [&PHOTO[..2], &metadata.concat(), &PHOTO[2..], b"appended"].concat();
        let found = bare(&stuffed).unwrap();
        // The photo's own JFIF segment, and the inserted one.
        assert_eq!(found, [&[0xFF, SOI], &JFIF[..], &once[2..]].concat());
        assert_eq!(bare(&once).unwrap(), once);
    }

    #[test]
    fn the_transform_of_the_colours_is_kept() {
        for transform in 0..3 {
            let body = [&b"Adobe\0\x65flag"[..], &[transform], b"hidden"].concat();
            let file = [&PHOTO[..2], &segment(APP14, &body), &PHOTO[2..]].concat();
            let kept = bare(&file).unwrap();
            let expected = [&b"\xFF\xEE\0\x0EAdobe\0\x64\0\0\0\0"[..], &[transform]].concat();
            assert_eq!(kept[2..18], expected);
        }
    }

    #[test]
    fn a_file_with_anything_between_its_segments_is_left_alone() {
        let dqt = PHOTO.windows(2).position(|two| two == [0xFF, DQT]).unwrap();
        let with = |between: &[u8]| [&PHOTO[..dqt], between, &PHOTO[dqt..]].concat();
        assert!(bare(&with(b"\xFF")).is_some());
        for between in [
            &b"garbage"[..],
            b"\0",
            b"\xFF\xD8",
            b"\xFF\x01",
            b"\xFF\xD0",
        ] {
            let meter = Meter::new(u64::MAX, None, CallContext::local());
            assert!(Segments::walk(&with(between), &meter).is_ok());
            assert!(bare(&with(between)).is_none(), "{between:?}");
        }
    }

    #[test]
    fn truncated_file_is_refused() {
        for end in [0, 3, 300, PHOTO.len() - 1] {
            assert!(bare(&PHOTO[..end]).is_none(), "{end}");
        }
    }
}
