//! A copy of a file for the decoders, without what libjpeg skips and they refuse: bytes between segments, and
//! segments of a wrong length that mean nothing.

use domain::MediaType::Jpeg;
use jpeg_decoder::ColorTransform;

use super::segments::{
    APP0, APP14, DNL, DQT, DRI, EOI, JPG, RST_FIRST, RST_LAST, SOF_FIRST, SOF_LAST, SOI, SOS, TEM,
    next_marker, skip_data,
};
use crate::byte_reader::ByteReader;

/// Motion JPEG, which leaves its tables out.
const AVI: &[u8] = b"AVI1";

/// Copies the segments that belong to the picture, up to the data of the last scan. The colours are declared
/// anew.
pub(super) fn cleaned(file: &[u8], transform: ColorTransform) -> Vec<u8> {
    let mut walk = ByteReader::new(Jpeg, file);
    let mut clean = vec![0xFF, SOI];
    let declared = match transform {
        ColorTransform::RGB | ColorTransform::CMYK => Some(0),
        ColorTransform::YCbCr => Some(1),
        ColorTransform::YCCK => Some(2),
        _ => None,
    };
    if let Some(transform) = declared {
        clean.extend([0xFF, APP14, 0, 14]);
        clean.extend(*b"Adobe\0\x64\0\0\0\0");
        clean.push(transform);
    }
    while let Ok(marker) = next_marker(&mut walk) {
        match marker {
            EOI => break,
            SOI | TEM | RST_FIRST..=RST_LAST => continue,
            _ => {}
        }
        let Ok(length) = walk.u16_be() else { break };
        let Ok(body) = walk.take(usize::from(length).saturating_sub(2)) else {
            break;
        };
        match marker {
            DQT | DNL | DRI | SOS | SOF_FIRST..=SOF_LAST if marker != JPG => {}
            APP0 if body.starts_with(AVI) => {}
            _ => continue,
        }
        clean.extend([0xFF, marker]);
        clean.extend(length.to_be_bytes());
        clean.extend(body);
        if marker == SOS {
            let (all, before) = (walk.rest(), walk.position());
            skip_data(&mut walk);
            let data = all.get(..walk.position() - before);
            clean.extend(data.unwrap_or_default());
        }
    }
    clean
}
