//! The port [`ImageCodec`](domain::ports::ImageCodec): strict decoding, downscaling, JPEG encoding.
//!
//! Every format works the same way. Its module in `formats` scans the structure of the file once, from the
//! first byte to the end marker, without decoding anything: that reliably detects truncated files, yields
//! the size before any memory is allocated for it, and finds the EXIF orientation. Then an established
//! decoder (zune-jpeg, jpeg-decoder, png, image-webp, gif, tiff, image) decodes the pixels, of a large JPEG
//! only as many as the copy needs; they are flattened to eight bits without alpha, downscaled, and rotated.
//!
//! [`PictureCodec`] bounds processor time and memory meanwhile.

mod budget;
mod byte_reader;
mod camera;
mod codec;
mod cost;
mod decode_error;
mod flatten;
mod formats;
mod hash;
mod metadata;
mod meter;
mod panics;
mod profile;
mod queue;
mod raster;
mod reduce;
mod scale;
mod settings;
mod source;
mod work;

pub use codec::{CodecUsage, PictureCodec};
pub use cost::{Allowance, Cost, cost};
pub use settings::CodecSettings;
pub use work::DEFAULT_WORK;
