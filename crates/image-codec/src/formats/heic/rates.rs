//! The cost of HEIC, beside that of any file; see `work`.
//!
//! Measured: 0.43 s for 12 megapixels of a phone (1.1 MB), 1.6 s for 33 of a camera (4:2:2, 5 MB), 0.19 s for 12
//! without any detail.

use crate::work::Rate;

/// A parameter set, read.
pub(super) const HEVC_SET: Rate = Rate::nanoseconds(2000);
/// A coded picture, begun: most often a tile of a grid.
pub(super) const HEVC_PICTURE: Rate = Rate::nanoseconds(50_000);
/// A sample of a coded picture, predicted, filtered and converted.
pub(super) const HEVC_SAMPLE: Rate = Rate::nanoseconds(9);
/// A byte of a coded picture.
pub(super) const HEVC_BYTE: Rate = Rate::nanoseconds(45);
/// A block of a coded picture, which has a prediction of its own.
pub(super) const HEVC_BLOCK: Rate = Rate::nanoseconds(450);
/// A multiplication of an inverse transform.
pub(super) const HEVC_PRODUCT: Rate = Rate::picoseconds_each(500);
