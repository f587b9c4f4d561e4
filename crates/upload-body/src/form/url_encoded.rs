//! `application/x-www-form-urlencoded`, read as it arrives.

use super::fields::Fields;
use crate::error::{BodyError, FIELDS, FormError};

/// A percent-encoded byte that has begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Escape {
    #[default]
    None,
    /// After the percent sign.
    Percent,
    /// After its first digit.
    Digit(u8),
}

/// Reads a form in pieces. A percent sign that introduces no byte stands for itself.
#[derive(Debug, Default)]
pub(super) struct UrlEncoded {
    escape: Escape,
    /// The name that is being read.
    name: Vec<u8>,
    is_value: bool,
}

impl UrlEncoded {
    /// How much memory it takes, in bytes.
    pub(super) fn held(&self) -> usize {
        self.name.capacity()
    }

    /// Takes the next piece.
    pub(super) fn push(&mut self, piece: &[u8], fields: &mut Fields) -> Result<(), BodyError> {
        let mut rest = piece;
        while let Some((&byte, tail)) = rest.split_first() {
            rest = match (self.escape, digit(byte)) {
                (Escape::None, _) => self.plain(rest, fields)?,
                (Escape::Percent, Some(_)) => {
                    self.escape = Escape::Digit(byte);
                    tail
                }
                (Escape::Digit(first), Some(low)) => {
                    self.escape = Escape::None;
                    let high = digit(first).unwrap_or_default();
                    self.emit(&[high << 4 | low], fields)?;
                    tail
                }
                (Escape::Percent | Escape::Digit(_), None) => {
                    self.end_escape(fields)?;
                    rest
                }
            };
        }
        Ok(())
    }

    /// Ends the form.
    pub(super) fn finish(mut self, fields: &mut Fields) -> Result<(), BodyError> {
        self.end_escape(fields)?;
        self.end_pair(fields)
    }

    /// Takes bytes up to the next one that means something, that one included.
    fn plain<'p>(&mut self, rest: &'p [u8], fields: &mut Fields) -> Result<&'p [u8], BodyError> {
        let end = if self.is_value {
            memchr::memchr3(b'&', b'%', b'+', rest)
        } else {
            rest.iter().position(|byte| b"&%+=".contains(byte))
        };
        let (run, rest) = rest.split_at(end.unwrap_or(rest.len()));
        self.emit(run, fields)?;
        let Some((&stop, tail)) = rest.split_first() else {
            return Ok(rest);
        };
        match stop {
            b'%' => self.escape = Escape::Percent,
            b'=' => self.begin_value(fields)?,
            b'&' => self.end_pair(fields)?,
            // Base64 has no blanks: its plus signs were not encoded.
            _ if self.is_value && fields.is_base64() => self.emit(b"+", fields)?,
            _ => self.emit(b" ", fields)?,
        }
        Ok(tail)
    }

    /// Passes on what was no percent-encoded byte.
    fn end_escape(&mut self, fields: &mut Fields) -> Result<(), BodyError> {
        match std::mem::take(&mut self.escape) {
            Escape::None => Ok(()),
            Escape::Percent => self.emit(b"%", fields),
            Escape::Digit(first) => self.emit(&[b'%', first], fields),
        }
    }

    fn emit(&mut self, bytes: &[u8], fields: &mut Fields) -> Result<(), BodyError> {
        if self.is_value {
            return fields.bytes(bytes);
        }
        if self.name.len() + bytes.len() > FIELDS {
            return Err(FormError::TooLarge.into());
        }
        self.name.extend_from_slice(bytes);
        Ok(())
    }

    fn begin_value(&mut self, fields: &mut Fields) -> Result<(), BodyError> {
        self.is_value = true;
        let name = std::mem::take(&mut self.name);
        fields.begin_field(&String::from_utf8_lossy(&name))
    }

    /// Ends a name with its value, or without one.
    fn end_pair(&mut self, fields: &mut Fields) -> Result<(), BodyError> {
        if !self.is_value && !self.name.is_empty() {
            self.begin_value(fields)?;
        }
        self.is_value = false;
        Ok(())
    }
}

fn digit(byte: u8) -> Option<u8> {
    let digit = char::from(byte).to_digit(16)?;
    u8::try_from(digit).ok()
}
