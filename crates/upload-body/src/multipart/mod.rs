//! `multipart/form-data` (RFC 7578, RFC 2046 §5.1) with one file part, or with any, read as it arrives.
//!
//! The bytes of the file go out at once; at most the headers of one part are held. A delimiter has one carriage
//! return, its first byte. So a failed match never hides the start of another one, and the number of matched
//! bytes is all that is kept of a delimiter that may continue in the next piece.

mod head;

use memchr::memmem::Finder;
use thiserror::Error;

use self::head::MOST_HEADERS;
pub use self::head::PartName;
pub(crate) use self::head::{FilePart, PartHead};
use crate::kind::Boundary;

/// The most of a body that is not the file, in bytes: headers, delimiters, preamble, epilogue.
pub(crate) const ENVELOPE: usize = 32 << 10;

/// The most that the headers of a part take, in bytes.
pub(crate) const HEAD: usize = 8 << 10;

/// No part begins where one must, at the latest. That bound is no limit that another body would keep to: it is another
/// body than the header says.
const LATE_BOUNDARY: MultipartError = MultipartError::Malformed(
    "the boundary given in Content-Type does not occur in its first 32 KiB",
);

/// Why a multipart body was not taken.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum MultipartError {
    /// It violates the grammar.
    #[error("the body is not valid multipart/form-data: {0}")]
    Malformed(&'static str),
    /// No part is a file.
    #[error("the body has no file part; send exactly one")]
    NoFile,
    /// A second part is a file.
    #[error("{0} is a second file; send exactly one")]
    SecondFile(PartName),
    /// A part is no file.
    #[error("{0} is not a file; send exactly one file part, and parameters in the query")]
    NotAFile(PartName),
    /// The file has a transfer encoding.
    #[error("{0} has a Content-Transfer-Encoding; send the bytes of the file unencoded")]
    Encoded(PartName),
    /// The file has no bytes.
    #[error("the file of {0} is empty")]
    EmptyFile(PartName),
    /// A part has too many headers.
    #[error("a part has more than the {MOST_HEADERS} headers allowed")]
    TooManyHeaders,
    /// The headers of a part are too long.
    #[error("the headers of a part have more than the {HEAD} bytes allowed")]
    HeadTooLarge,
    /// There is too much beside the file.
    #[error("the body holds more than {ENVELOPE} bytes beside the file")]
    EnvelopeTooLarge,
}

impl MultipartError {
    /// The limit that was exceeded, in bytes. Without it the body could be a valid one.
    pub(crate) fn limit(&self) -> Option<u64> {
        match self {
            Self::HeadTooLarge => Some(HEAD as u64),
            Self::EnvelopeTooLarge => Some(ENVELOPE as u64),
            _ => None,
        }
    }
}

/// Takes the bytes of the file, or of each part of a form.
pub(crate) trait FileSink {
    /// Why they are not taken.
    type Error: From<MultipartError>;

    /// A part of a form begins. Not called where there is one file.
    fn begin(&mut self, _part: PartHead) -> Result<(), Self::Error> {
        Ok(())
    }

    /// The next bytes.
    fn file(&mut self, bytes: &[u8]) -> Result<(), Self::Error>;
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Before the first delimiter.
    Preamble,
    /// After a delimiter.
    Delimited,
    /// After a delimiter and a hyphen.
    Hyphen,
    /// In the blanks after a delimiter.
    Padding,
    /// After the carriage return that ends a delimiter's line.
    Return,
    /// In the headers of a part.
    Head,
    /// In the bytes of the file.
    File,
    /// After the last delimiter.
    Epilogue,
}

/// Reads a multipart body in pieces.
pub(crate) struct Multipart {
    state: State,
    delimiter: Vec<u8>,
    finder: Finder<'static>,
    /// How many bytes of the delimiter have matched at the end of the last piece.
    matched: usize,
    /// The headers being read, with their line ends.
    head: Vec<u8>,
    part: Option<FilePart>,
    /// Whether there may be any parts, which the sink tells apart.
    is_form: bool,
    /// How many bytes were not the file's, not counting delimiters that end it.
    beside: usize,
}

impl Multipart {
    pub(crate) fn new(boundary: &Boundary) -> Self {
        let delimiter = format!("\r\n--{}", boundary.as_str()).into_bytes();
        Self {
            state: State::Preamble,
            finder: Finder::new(&delimiter).into_owned(),
            delimiter,
            // The first delimiter may begin the body, without a line break before it.
            matched: b"\r\n".len(),
            head: Vec::new(),
            part: None,
            is_form: false,
            beside: 0,
        }
    }

    /// A form with any parts.
    pub(crate) fn of_form(boundary: &Boundary) -> Self {
        Self {
            is_form: true,
            ..Self::new(boundary)
        }
    }

    /// How much memory it takes, in bytes.
    pub(crate) fn held(&self) -> usize {
        self.head.capacity()
    }

    /// Takes the next piece of the body.
    pub(crate) fn push<S: FileSink>(&mut self, piece: &[u8], sink: &mut S) -> Result<(), S::Error> {
        let mut rest = piece;
        while let Some((&byte, tail)) = rest.split_first() {
            let is_beside = self.state != State::File;
            let is_preamble = self.state == State::Preamble;
            let left = match self.state {
                State::Preamble | State::File if self.matched > 0 => self.resume(rest, sink)?,
                State::Preamble | State::File => self.content(rest, sink)?,
                State::Head => self.head(rest, sink)?,
                State::Epilogue => &[],
                State::Delimited | State::Hyphen | State::Padding | State::Return => {
                    self.state = self.after_delimiter(byte)?;
                    tail
                }
            };
            if is_beside {
                self.beside += rest.len() - left.len();
                if self.beside > ENVELOPE {
                    return Err(if is_preamble {
                        LATE_BOUNDARY
                    } else {
                        MultipartError::EnvelopeTooLarge
                    }
                    .into());
                }
            }
            rest = left;
        }
        Ok(())
    }

    /// Ends the body, which has one file.
    pub(crate) fn finish(self) -> Result<FilePart, MultipartError> {
        self.finish_form()?.ok_or(MultipartError::NoFile)
    }

    /// Ends the body.
    pub(crate) fn finish_form(self) -> Result<Option<FilePart>, MultipartError> {
        match self.state {
            State::Epilogue => Ok(self.part),
            State::Preamble => Err(MultipartError::Malformed(
                "the boundary given in Content-Type does not occur",
            )),
            _ => Err(MultipartError::Malformed(
                "it ends before its last boundary",
            )),
        }
    }

    /// Takes bytes up to the next delimiter, or up to a prefix of one at the end of the piece.
    fn content<'p, S: FileSink>(
        &mut self,
        rest: &'p [u8],
        sink: &mut S,
    ) -> Result<&'p [u8], S::Error> {
        if let Some(at) = self.finder.find(rest) {
            self.emit(rest.get(..at).unwrap_or_default(), sink)?;
            self.state = State::Delimited;
            return Ok(rest.get(at + self.delimiter.len()..).unwrap_or_default());
        }
        let at = memchr::memrchr(b'\r', rest).filter(|at| {
            let end = rest.get(*at..).unwrap_or_default();
            self.delimiter.starts_with(end)
        });
        let at = at.unwrap_or(rest.len());
        self.emit(rest.get(..at).unwrap_or_default(), sink)?;
        self.matched = rest.len() - at;
        Ok(&[])
    }

    /// Continues a partial match from the previous piece.
    fn resume<'p, S: FileSink>(
        &mut self,
        rest: &'p [u8],
        sink: &mut S,
    ) -> Result<&'p [u8], S::Error> {
        let expected = self.delimiter.get(self.matched..).unwrap_or_default();
        let pairs = expected.iter().zip(rest);
        let same = pairs.take_while(|(one, other)| one == other).count();
        let left = rest.get(same..).unwrap_or_default();
        if same == expected.len() {
            self.matched = 0;
            self.state = State::Delimited;
        } else if left.is_empty() {
            self.matched += same;
        } else {
            // No delimiter: the bytes matched so far are content.
            let content = self.delimiter.get(..self.matched + same);
            self.emit(content.unwrap_or_default(), sink)?;
            self.matched = 0;
        }
        Ok(left)
    }

    fn emit<S: FileSink>(&self, bytes: &[u8], sink: &mut S) -> Result<(), S::Error> {
        if self.state == State::File && !bytes.is_empty() {
            sink.file(bytes)?;
        }
        Ok(())
    }

    /// The state after the next byte of a delimiter's line.
    fn after_delimiter(&self, byte: u8) -> Result<State, MultipartError> {
        match (self.state, byte) {
            (State::Delimited, b'-') => Ok(State::Hyphen),
            (State::Hyphen, b'-') => Ok(State::Epilogue),
            (State::Delimited | State::Padding, b' ' | b'\t') => Ok(State::Padding),
            (State::Delimited | State::Padding, b'\r') => Ok(State::Return),
            (State::Return, b'\n') => Ok(State::Head),
            _ => Err(MultipartError::Malformed(
                "a boundary is followed by something other than CRLF or `--`",
            )),
        }
    }

    /// Takes the next line of the headers, or a piece of it.
    fn head<'p, S: FileSink>(
        &mut self,
        rest: &'p [u8],
        sink: &mut S,
    ) -> Result<&'p [u8], S::Error> {
        let end = memchr::memchr(b'\n', rest).map_or(rest.len(), |at| at + 1);
        let (line, left) = rest.split_at(end);
        if self.head.len() + line.len() > HEAD {
            return Err(MultipartError::HeadTooLarge.into());
        }
        self.head.extend_from_slice(line);
        if self.head == b"\r\n" || self.head.ends_with(b"\r\n\r\n") {
            self.begin_part(sink)?;
        }
        Ok(left)
    }

    fn begin_part<S: FileSink>(&mut self, sink: &mut S) -> Result<(), S::Error> {
        let head = PartHead::parse(&self.head)?;
        if self.is_form {
            sink.begin(head)?;
        } else {
            let part = FilePart::of(head)?;
            if self.part.is_some() {
                return Err(MultipartError::SecondFile(part.name).into());
            }
            self.part = Some(part);
        }
        self.head.clear();
        self.state = State::File;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
