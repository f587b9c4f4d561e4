//! Base64 text that arrives in pieces, decoded while it arrives.
//!
//! Taken are the standard and the URL-safe alphabet (RFC 4648 §4 and §5), blanks anywhere, a
//! `data:…;base64,` prefix (RFC 2397) and missing padding. Long clean runs go straight
//! through the base64 engine; everything else is sorted out symbol by symbol.

use ::base64::{DecodeError, Engine as _};
use thiserror::Error;

use crate::base64::DECODER;
use crate::{
    prefix::{LONGEST_PREFIX, is_complete, is_data_url, may_be_data_url},
    symbols::{BLANK, OTHER, symbol},
};

/// How many symbols are gathered, where the engine cannot take the text as it is. A multiple of 4.
const GATHERED: usize = 4096;

/// Runs shorter than this are not worth a call of the engine.
const WORTH_A_CALL: usize = 1024;

/// How much the engine is given at a time: little enough that it does not matter much if it cannot
/// take it. A multiple of 4.
const CALL: usize = 8192;

/// The longest character of UTF-8, in bytes.
const LONGEST_CHARACTER: usize = 4;

/// Why a text is not base64. Offsets count from the start of the text, in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum TextError {
    /// A character that base64 does not have, or that cannot stand at this place.
    #[error("the base64 text has an invalid character at offset {0}")]
    Character(u64),
    /// The text begins like a data URL and does not go on like one in base64.
    #[error("the prefix is not `data:...;base64,`: it goes wrong at offset {0}")]
    Prefix(u64),
    /// The text breaks off within a group of four characters.
    #[error("the base64 text ends too early, at offset {0}")]
    Incomplete(u64),
    /// The last character has bits that encode nothing and are not zero.
    #[error("the base64 text has an impossible last character at offset {0}")]
    LastCharacter(u64),
    /// There is no base64 in the text.
    #[error("the base64 text is empty: there is nothing at offset {0}")]
    Empty(u64),
    /// A control character stands in the text as it is, which JSON does not allow.
    #[error("a control character stands in the text at offset {0}")]
    Control(u64),
    /// The text is not UTF-8, which JSON has to be.
    #[error("the text is not UTF-8")]
    NotUtf8,
}

/// Decodes a text in pieces.
pub(crate) struct Decoder {
    /// The start of the text while it may still be a data URL.
    prefix: Option<Vec<u8>>,
    /// Where the first comma of the prefix stands.
    comma: Option<u64>,
    /// The first character beyond ASCII, which ends the text, as far as it has arrived.
    foreign: Vec<u8>,
    /// Symbols of the standard alphabet that are not decoded yet.
    gathered: Vec<u8>,
    /// How many characters were taken.
    offset: u64,
    /// Where the last gathered symbol stood.
    last_symbol: u64,
    has_symbols: bool,
    padding: usize,
}

impl Decoder {
    pub(crate) fn new() -> Self {
        Self {
            prefix: Some(Vec::new()),
            comma: None,
            foreign: Vec::new(),
            gathered: Vec::with_capacity(GATHERED),
            offset: 0,
            last_symbol: 0,
            has_symbols: false,
            padding: 0,
        }
    }

    /// Takes the next piece of the text; appends to `out` what can be decoded already.
    pub(crate) fn push(&mut self, text: &[u8], out: &mut Vec<u8>) -> Result<(), TextError> {
        match self.prefix.take() {
            None => self.decode(text, out),
            Some(prefix) => self.begin(prefix, text, out),
        }
    }

    /// The error of a character at this place that base64 cannot have.
    pub(crate) fn refuse(&self) -> TextError {
        let held = self.prefix.as_ref().map_or(0, Vec::len);
        TextError::Character(self.offset + held as u64)
    }

    /// Ends the text.
    pub(crate) fn finish(mut self, out: &mut Vec<u8>) -> Result<(), TextError> {
        if let Some(prefix) = self.prefix.take() {
            if is_data_url(&prefix) {
                return Err(self.bad_prefix(&prefix));
            }
            self.decode(&prefix, out)?;
        }
        if !self.foreign.is_empty() {
            return Err(TextError::NotUtf8);
        }
        if !self.has_symbols {
            return Err(TextError::Empty(self.offset));
        }
        if self.gathered.len() % 4 == 1 {
            return Err(TextError::Incomplete(self.offset));
        }
        self.flush(out)
    }

    /// Looks whether the text begins with the prefix of a data URL, and drops it.
    fn begin(
        &mut self,
        mut prefix: Vec<u8>,
        text: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), TextError> {
        for (at, &byte) in text.iter().enumerate() {
            if prefix.is_empty() && byte == b' ' {
                self.offset += 1;
                continue;
            }
            prefix.push(byte);
            let rest = text.get(at + 1..).unwrap_or_default();
            if !may_be_data_url(&prefix) {
                self.decode(&prefix, out)?;
                return self.decode(rest, out);
            }
            if byte < b' ' {
                return Err(TextError::Control(self.offset + prefix.len() as u64 - 1));
            }
            if is_complete(&prefix) {
                std::str::from_utf8(&prefix).map_err(|_| TextError::NotUtf8)?;
                self.offset += prefix.len() as u64;
                return self.decode(rest, out);
            }
            if byte == b',' && self.comma.is_none() {
                self.comma = Some(self.offset + prefix.len() as u64 - 1);
            }
            if prefix.len() > LONGEST_PREFIX {
                return Err(self.bad_prefix(&prefix));
            }
        }
        self.prefix = Some(prefix);
        Ok(())
    }

    /// The error of a prefix that does not end like one.
    fn bad_prefix(&self, prefix: &[u8]) -> TextError {
        let end = self.offset + prefix.len().min(LONGEST_PREFIX) as u64;
        match std::str::from_utf8(prefix) {
            Err(error) if error.error_len().is_some() => TextError::NotUtf8,
            _ => TextError::Prefix(self.comma.unwrap_or(end)),
        }
    }

    fn decode(&mut self, text: &[u8], out: &mut Vec<u8>) -> Result<(), TextError> {
        if self.foreign.is_empty() && text.is_ascii() {
            return self.decode_ascii(text, out);
        }
        let ascii = text.iter().position(|byte| !byte.is_ascii());
        let ascii = ascii.filter(|_| self.foreign.is_empty()).unwrap_or(0);
        let (ascii, foreign) = text.split_at_checked(ascii).unwrap_or((&[], text));
        self.decode_ascii(ascii, out)?;
        self.take_foreign(foreign)
    }

    /// Takes text from the first character beyond ASCII on. It is an error either way, but not the
    /// same one where the text is not even UTF-8.
    fn take_foreign(&mut self, text: &[u8]) -> Result<(), TextError> {
        let room = LONGEST_CHARACTER - self.foreign.len().min(LONGEST_CHARACTER);
        self.foreign.extend(text.iter().take(room));
        match std::str::from_utf8(&self.foreign) {
            Err(error) if error.valid_up_to() == 0 => match error.error_len() {
                Some(_) => Err(TextError::NotUtf8),
                None => Ok(()),
            },
            _ => Err(TextError::Character(self.offset)),
        }
    }

    fn decode_ascii(&mut self, mut text: &[u8], out: &mut Vec<u8>) -> Result<(), TextError> {
        while !text.is_empty() {
            if text.len() < WORTH_A_CALL || self.padding > 0 {
                text = self.gather(text, GATHERED)?;
            } else {
                // Up to the next whole group symbol by symbol, then as far as the text is clean,
                // and over whatever stood in the way.
                text = self.gather(text, self.gathered.len().next_multiple_of(4))?;
                if self.gathered.len().is_multiple_of(4) {
                    self.flush(out)?;
                    let clean = self.decode_clean(text, out);
                    text = text.get(clean..).unwrap_or_default();
                    text = self.gather(text, GATHERED)?;
                }
            }
            if self.gathered.len() >= GATHERED {
                self.flush(out)?;
            }
        }
        Ok(())
    }

    /// Decodes the whole groups at the start of a text as it is. Says how many characters they had.
    fn decode_clean(&mut self, text: &[u8], out: &mut Vec<u8>) -> usize {
        let mut clean = 0;
        for part in text.chunks(CALL) {
            let taken = decode_groups(part, out);
            clean += taken;
            if taken < part.len() {
                break;
            }
        }
        self.offset += clean as u64;
        self.has_symbols |= clean > 0;
        clean
    }

    /// Gathers symbols until there are so many, or the text ends. Gives back what it did not take.
    fn gather<'t>(&mut self, mut text: &'t [u8], wanted: usize) -> Result<&'t [u8], TextError> {
        while self.gathered.len() < wanted && !text.is_empty() {
            // No more bytes than symbols are missing: it cannot get too many.
            let length = text.len().min(wanted - self.gathered.len());
            let (block, rest) = text.split_at_checked(length).unwrap_or((text, &[]));
            if self.padding > 0 || !self.gather_block(block) {
                self.gather_each(block)?;
            }
            text = rest;
        }
        Ok(text)
    }

    /// Gathers a block that has nothing but symbols and blanks. Takes nothing of any other.
    fn gather_block(&mut self, block: &[u8]) -> bool {
        let known = self.gathered.len();
        self.gathered.resize(known + block.len(), BLANK);
        let room = self.gathered.get_mut(known..).unwrap_or_default();
        // Every byte is written, and blanks are written over by what follows: no branches.
        let (mut filled, mut is_clean) = (0, true);
        for byte in block {
            let symbol = symbol(*byte);
            if let Some(slot) = room.get_mut(filled) {
                *slot = symbol;
            }
            filled += usize::from(symbol != BLANK);
            is_clean &= symbol != OTHER;
        }
        self.gathered
            .truncate(if is_clean { known + filled } else { known });
        if !is_clean {
            return false;
        }
        if let Some(last) = block.iter().rposition(|byte| *byte != b' ') {
            self.has_symbols = true;
            self.last_symbol = self.offset + last as u64;
        }
        self.offset += block.len() as u64;
        true
    }

    /// Gathers a block byte by byte, up to what cannot stand there.
    fn gather_each(&mut self, block: &[u8]) -> Result<(), TextError> {
        for &byte in block {
            match (byte, symbol(byte)) {
                (_, BLANK) => {}
                (b'=', _) if self.takes_padding() => self.padding += 1,
                (0..b' ', _) => return Err(TextError::Control(self.offset)),
                (_, symbol) if symbol != OTHER && self.padding == 0 => {
                    self.gathered.push(symbol);
                    self.has_symbols = true;
                    self.last_symbol = self.offset;
                }
                _ => return Err(TextError::Character(self.offset)),
            }
            self.offset += 1;
        }
        Ok(())
    }

    /// Whether one more padding character can stand here.
    fn takes_padding(&self) -> bool {
        match self.gathered.len() % 4 {
            2 => self.padding < 2,
            3 => self.padding < 1,
            _ => false,
        }
    }

    fn flush(&mut self, out: &mut Vec<u8>) -> Result<(), TextError> {
        // The symbols are valid; only the bits of a last group can be wrong.
        DECODER
            .decode_vec(&self.gathered, out)
            .map_err(|_| TextError::LastCharacter(self.last_symbol))?;
        self.gathered.clear();
        Ok(())
    }
}

/// Decodes the whole groups at the start of a text as it is. Says how many characters they had.
fn decode_groups(text: &[u8], out: &mut Vec<u8>) -> usize {
    let known = out.len();
    let mut clean = text.len() / 4 * 4;
    while let Some(groups) = text.get(..clean).filter(|groups| !groups.is_empty()) {
        match DECODER.decode_vec(groups, out) {
            Ok(()) => return clean,
            Err(DecodeError::InvalidByte(at, _)) => clean = at.min(clean - 1) / 4 * 4,
            Err(_) => clean = 0,
        }
        out.truncate(known);
    }
    0
}

#[cfg(test)]
mod tests;
