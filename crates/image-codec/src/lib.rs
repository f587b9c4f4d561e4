//! The port [`ImageCodec`](domain::ports::ImageCodec): strict decoding, downscaling, JPEG encoding.
//!
//! Every format goes the same way. Its module in `formats` walks the file's own structure once,
//! from the first byte to the end mark, without decoding anything: that finds truncated files for
//! certain, tells the size before memory is taken for it, and finds the EXIF orientation. Then a
//! decoder of the field (zune-jpeg, jpeg-decoder, png, image-webp, gif, tiff, image) decodes the
//! pixels, of a large JPEG only as many as the copy takes; they are flattened to eight bits without
//! alpha, downscaled, and turned upright.
//!
//! [`PictureCodec`] keeps the processor and the memory within bounds while that happens.

mod budget;
mod camera;
mod codec;
mod cost;
mod flatten;
mod formats;
mod metadata;
mod meter;
mod panics;
mod queue;
mod raster;
mod reduce;
mod refusal;
mod scale;
mod settings;
mod source;
mod walk;
mod work;

pub use codec::PictureCodec;
pub use cost::{Allowance, Cost, cost};
pub use settings::CodecSettings;
pub use work::DEFAULT_WORK;
