//! Decompresses a strip or tile, piece by piece.

use std::borrow::Cow;

use domain::MediaType::Tiff;
use weezl::{BitOrder, LzwStatus, decode::Configuration};
use zlib_rs::{Inflate, InflateFlush, Status};

use super::{coding::Coding, fax::Fax, page::Page};
use crate::{decode_error::DecodeError, formats::jpeg, meter::Meter};

/// Bytes decompressed at a time, except by JPEG and rows of a fax.
const PIECE: usize = 64 * 1024;

/// Memory of a reader, whatever its method, in bytes: tables and windows.
pub(super) const MEMORY: u64 = 256 * 1024;

/// The samples of a strip or tile, as stored.
pub(super) struct Reader<'a> {
    method: Method<'a>,
    meter: &'a Meter,
    is_bit_reversed: bool,
    piece: Vec<u8>,
    at: usize,
}

/// What remains to be decompressed.
enum Method<'a> {
    Plain(&'a [u8]),
    PackBits(Rest<'a>),
    Lzw(Rest<'a>, Box<weezl::decode::Decoder>),
    Deflate(Rest<'a>, Box<Inflate>),
    Fax(Fax<'a>),
    /// It is in the piece.
    Done,
}

/// The rest of compressed data.
struct Rest<'a> {
    data: Cow<'a, [u8]>,
    at: usize,
}

impl Rest<'_> {
    fn rest(&self) -> &[u8] {
        self.data.get(self.at..).unwrap_or_default()
    }

    fn next(&mut self) -> Option<u8> {
        let byte = self.data.get(self.at).copied();
        self.at += usize::from(byte.is_some());
        byte
    }
}

impl<'a> Reader<'a> {
    /// A reader of a strip or tile of a page.
    pub(super) fn new(
        page: &Page<'a>,
        chunk: &'a [u8],
        meter: &'a Meter,
    ) -> Result<Self, DecodeError> {
        let mut piece = Vec::new();
        let rest = || Rest {
            data: if page.is_bit_reversed {
                Cow::Owned(chunk.iter().map(|byte| byte.reverse_bits()).collect())
            } else {
                Cow::Borrowed(chunk)
            },
            at: 0,
        };
        let method = match page.coding {
            Coding::None => Method::Plain(chunk),
            Coding::PackBits => Method::PackBits(rest()),
            Coding::Lzw => {
                let rest = rest();
                let decoder = lzw(rest.rest());
                Method::Lzw(rest, Box::new(decoder))
            }
            Coding::Deflate => Method::Deflate(rest(), Box::new(Inflate::new(true, 15))),
            Coding::Fax(scheme) => Method::Fax(Fax::new(scheme, rest().data, page.grid.width)),
            Coding::Jpeg => {
                piece = decoded_jpeg(page, chunk, meter)?;
                Method::Done
            }
        };
        Ok(Self {
            method,
            meter,
            is_bit_reversed: page.is_bit_reversed,
            piece,
            at: 0,
        })
    }

    /// Fills a stored row.
    pub(super) fn fill(&mut self, row: &mut [u8]) -> Result<(), DecodeError> {
        if let Method::Plain(rest) = &mut self.method {
            let (taken, left) = rest
                .split_at_checked(row.len())
                .ok_or(DecodeError::Truncated(Tiff))?;
            *rest = left;
            row.copy_from_slice(taken);
            if self.is_bit_reversed {
                for byte in row.iter_mut() {
                    *byte = byte.reverse_bits();
                }
            }
            return Ok(());
        }
        let mut row = row;
        while !row.is_empty() {
            if self.at >= self.piece.len() {
                self.meter.check()?;
                self.at = 0;
                self.advance()?;
                if self.piece.is_empty() {
                    return Err(DecodeError::Truncated(Tiff));
                }
            }
            let piece = self.piece.get(self.at..).unwrap_or_default();
            let count = piece.len().min(row.len());
            let (to, left) = row.split_at_mut(count);
            to.copy_from_slice(piece.get(..count).unwrap_or_default());
            row = left;
            self.at += count;
        }
        Ok(())
    }

    /// Decompresses the next piece, which is empty at the end.
    fn advance(&mut self) -> Result<(), DecodeError> {
        let piece = &mut self.piece;
        match &mut self.method {
            Method::Plain(_) | Method::Done => piece.clear(),
            Method::PackBits(rest) => unpack_bits(rest, piece),
            Method::Lzw(rest, decoder) => {
                piece.resize(PIECE, 0);
                // At first only input may be taken.
                let (mut made, mut is_stuck) = (0, false);
                while made == 0 && !is_stuck {
                    let result = decoder.decode_bytes(rest.rest(), piece);
                    rest.at += result.consumed_in;
                    made = result.consumed_out;
                    // What was decoded before an error may be all.
                    match result.status {
                        Err(error) if made == 0 => return Err(DecodeError::corrupt(Tiff, error)),
                        status => {
                            is_stuck =
                                result.consumed_in == 0 || matches!(status, Ok(LzwStatus::Done));
                        }
                    }
                }
                piece.truncate(made);
            }
            Method::Deflate(rest, inflate) => {
                piece.resize(PIECE, 0);
                let length = |bytes: u64| usize::try_from(bytes).unwrap_or(usize::MAX);
                let (mut made, mut is_stuck) = (0, false);
                while made == 0 && !is_stuck {
                    let before = (inflate.total_in(), inflate.total_out());
                    let status = inflate.decompress(rest.rest(), piece, InflateFlush::NoFlush);
                    let taken = length(inflate.total_in() - before.0);
                    rest.at += taken;
                    made = length(inflate.total_out() - before.1);
                    match status {
                        Err(error) if made == 0 => {
                            return Err(DecodeError::corrupt(Tiff, error.as_str()));
                        }
                        status => is_stuck = taken == 0 || matches!(status, Ok(Status::StreamEnd)),
                    }
                }
                piece.truncate(made);
            }
            Method::Fax(fax) => fax.advance(piece)?,
        }
        Ok(())
    }
}

/// Before TIFF 6.0 the codes began with their lowest bits, and grew one later.
fn lzw(chunk: &[u8]) -> weezl::decode::Decoder {
    let is_old = matches!(chunk, [0, second, ..] if second & 1 == 1);
    let configuration = if is_old {
        Configuration::new(BitOrder::Lsb, 8)
    } else {
        Configuration::with_tiff_size_switch(BitOrder::Msb, 8)
    };
    configuration.with_yield_on_full_buffer(true).build()
}

/// Expands runs until a piece is full.
fn unpack_bits(rest: &mut Rest, piece: &mut Vec<u8>) {
    piece.clear();
    while piece.len() < PIECE {
        let Some(header) = rest.next() else {
            return;
        };
        let count = usize::from(header);
        match header {
            0..=127 => {
                let literals = rest.rest();
                let literals = literals.get(..=count).unwrap_or(literals);
                piece.extend(literals);
                rest.at += literals.len();
            }
            128 => {}
            129.. => {
                let Some(byte) = rest.next() else {
                    return;
                };
                piece.extend(std::iter::repeat_n(byte, 257 - count));
            }
        }
    }
}

/// The samples of a strip or tile that is a JPEG file.
fn decoded_jpeg(page: &Page, chunk: &[u8], meter: &Meter) -> Result<Vec<u8>, DecodeError> {
    let tables = page.jpeg_tables.unwrap_or_default();
    let part = jpeg::decode_part(tables, chunk, meter)?;
    let has_rows = part.size.1 > 0;
    if part.components != page.samples_of_plane() || part.size.0 != page.grid.width || !has_rows {
        return Err(DecodeError::malformed(
            Tiff,
            "a part has another size than the page says",
        ));
    }
    Ok(part.data)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_and_literals_are_unpacked() {
        let data = [2, 1, 2, 3, 254, 7, 128, 0, 9, 5, 4];
        let mut rest = Rest {
            data: Cow::Borrowed(&data),
            at: 0,
        };
        let mut piece = Vec::new();
        unpack_bits(&mut rest, &mut piece);
        assert_eq!(piece, [1, 2, 3, 7, 7, 7, 9, 4]);
    }
}
