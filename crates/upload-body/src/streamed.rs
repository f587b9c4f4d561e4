//! What bodies of all kinds have in common.

use crate::error::BodyError;

/// Something that is read as it arrives.
pub trait StreamedBody {
    /// Takes the next piece.
    ///
    /// # Errors
    /// Why the body is not taken.
    fn push(&mut self, piece: &[u8]) -> Result<(), BodyError>;

    /// How much memory it takes by now, in bytes.
    fn held(&self) -> u64;
}
