//! Scans a JSON document that arrives in chunks, one text of which is too large to be held.
//!
//! The scanner tracks only strings, escapes and nesting: the text of the top-level member `data`, or the texts in
//! the array `images`, are passed on as they arrive, and everything else is copied into a small *skeleton*, where
//! `""` stands for each of these texts. The skeleton is valid exactly if the document is, so the grammar is left to `serde_json`.

mod error;

use serde::Deserialize;
use serde_json::value::RawValue;

pub use self::error::DocumentError;

use crate::{
    escape::{Escape, Step},
    syntax::{Cuts, SyntaxError},
};

/// The member that holds the text, or the texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Member {
    name: &'static [u8],
    is_array: bool,
}

/// The member with one picture.
const DATA: Member = Member {
    name: b"data",
    is_array: false,
};

/// The member with several pictures.
pub(crate) const IMAGES: Member = Member {
    name: b"images",
    is_array: true,
};

/// The byte order mark of UTF-8.
const MARK: &[u8] = b"\xef\xbb\xbf";

/// The maximum size of the skeleton, in bytes.
pub(crate) const SKELETON: usize = 1024 * 1024;

/// Receives the text of the member, unescaped.
pub(crate) trait TextSink {
    /// The error for a rejected text.
    type Error: From<DocumentError>;

    /// The next literal characters; never a quote or a backslash.
    fn text(&mut self, text: &[u8]) -> Result<(), Self::Error>;

    /// An unescaped character.
    fn escaped(&mut self, character: char) -> Result<(), Self::Error>;

    /// The text has ended. Another one may follow in an array.
    fn end(&mut self) -> Result<(), Self::Error> {
        Ok(())
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// In a byte order mark.
    Mark,
    /// Before the object.
    Before,
    /// Between the strings of the object.
    Between,
    /// In a copied string.
    Copied { is_name: bool },
    /// After a backslash in a copied string.
    CopiedEscape { is_name: bool },
    /// In the text.
    Text,
    /// In an escape in the text.
    TextEscape(Escape),
    /// After the object.
    After,
}

/// The scanner's position in the top-level object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Where a name can begin.
    Name,
    /// After a name.
    Colon { is_member: bool },
    /// Where a value can begin.
    Value { is_member: bool },
    /// In or after a value.
    Rest,
}

/// Scans a document in pieces.
pub(crate) struct Scanner {
    member: Member,
    state: State,
    place: Place,
    depth: usize,
    /// Whether it is in the array of the member.
    is_in_array: bool,
    /// The name being read, unparsed, while it may be the member's.
    name: Vec<u8>,
    has_text: bool,
    skeleton: Vec<u8>,
    /// The offset in the document, in bytes.
    offset: u64,
    /// Where the skeleton omits something.
    cuts: Cuts,
}

/// What a document says where its picture is.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// In the text of `data`, which went to the sink.
    Data,
    /// At this URL.
    Url(String),
}

#[derive(Deserialize)]
struct Skeleton<'a> {
    #[serde(borrow)]
    data: Option<&'a str>,
    /// As it is written: a value of another kind is not worth reading.
    #[serde(borrow)]
    url: Option<&'a RawValue>,
}

impl Scanner {
    pub(crate) fn new() -> Self {
        Self::of(DATA)
    }

    /// A scanner that passes on the texts of a member.
    pub(crate) fn of(member: Member) -> Self {
        Self {
            member,
            state: State::Before,
            place: Place::Name,
            depth: 0,
            is_in_array: false,
            name: Vec::new(),
            has_text: false,
            skeleton: Vec::new(),
            offset: 0,
            cuts: Cuts::default(),
        }
    }

    /// How much memory the skeleton takes, in bytes.
    pub(crate) fn held(&self) -> usize {
        self.skeleton.capacity()
    }

    /// Scans the next chunk.
    pub(crate) fn push<S: TextSink>(&mut self, piece: &[u8], sink: &mut S) -> Result<(), S::Error> {
        let mut rest = piece;
        while let Some((&byte, tail)) = rest.split_first() {
            let left = match self.state {
                State::Text => self.text(rest, sink)?,
                State::Copied { is_name } => self.copied(rest, is_name)?,
                State::TextEscape(escape) => {
                    self.text_escape(escape, byte, sink)?;
                    tail
                }
                State::CopiedEscape { is_name } => {
                    self.copy(&[byte])?;
                    self.note_name(&[byte], is_name);
                    self.state = State::Copied { is_name };
                    tail
                }
                State::Mark | State::Before | State::Between | State::After => {
                    self.between(byte)?;
                    tail
                }
            };
            self.offset += (rest.len() - left.len()) as u64;
            rest = left;
        }
        Ok(())
    }

    /// Ends the document, which must have either `data` or `url`.
    pub(crate) fn finish(self) -> Result<Source, DocumentError> {
        let skeleton: Skeleton<'_> = self.read()?;
        match (skeleton.data, skeleton.url) {
            (Some(_), None) => Ok(Source::Data),
            (None, Some(url)) => serde_json::from_str(url.get())
                .map(Source::Url)
                .map_err(|_| DocumentError::UrlNotText),
            (None, None) => Err(DocumentError::Missing),
            (Some(_), Some(_)) => Err(DocumentError::Both),
        }
    }

    /// Reads the whole document without its texts.
    pub(crate) fn read<'s, T: Deserialize<'s>>(&'s self) -> Result<T, DocumentError> {
        // `from_slice` validates UTF-8 only where it must; the whole document has to be valid.
        let text = std::str::from_utf8(&self.skeleton).map_err(|_| DocumentError::NotUtf8)?;
        serde_json::from_str(text).map_err(|error| {
            DocumentError::NotJson(SyntaxError::in_skeleton(&error, &self.cuts, self.offset))
        })
    }

    /// The error at the current byte.
    fn not_json(&self, problem: &'static str) -> DocumentError {
        DocumentError::NotJson(SyntaxError::new(problem).at(self.offset))
    }

    /// Copies a string up to its end, its next escape, or the end of the chunk.
    fn copied<'p>(&mut self, rest: &'p [u8], is_name: bool) -> Result<&'p [u8], DocumentError> {
        let (run, stop, tail) = split(rest);
        self.copy(rest.get(..rest.len() - tail.len()).unwrap_or_default())?;
        self.note_name(run, is_name);
        match stop {
            None => {}
            Some(b'"') => {
                self.state = State::Between;
                self.end_string(is_name)?;
            }
            Some(escape) => {
                self.note_name(&[escape], is_name);
                self.state = State::CopiedEscape { is_name };
            }
        }
        Ok(tail)
    }

    fn end_string(&mut self, is_name: bool) -> Result<(), DocumentError> {
        if !is_name {
            return Ok(());
        }
        let is_member = self.is_member();
        if is_member && self.has_text {
            return Err(DocumentError::Repeated);
        }
        self.place = Place::Colon { is_member };
        Ok(())
    }

    /// Passes on the text up to its end, its next escape, or the end of the chunk.
    fn text<'p, S: TextSink>(
        &mut self,
        rest: &'p [u8],
        sink: &mut S,
    ) -> Result<&'p [u8], S::Error> {
        let (run, stop, tail) = split(rest);
        if !run.is_empty() {
            sink.text(run)?;
        }
        match stop {
            None => {}
            Some(b'"') => {
                self.state = State::Between;
                sink.end()?;
            }
            Some(_) => self.state = State::TextEscape(Escape::Begun),
        }
        Ok(tail)
    }

    fn text_escape<S: TextSink>(
        &mut self,
        escape: Escape,
        byte: u8,
        sink: &mut S,
    ) -> Result<(), S::Error> {
        let step = escape.next(byte);
        match step.ok_or_else(|| self.not_json("there is no such escape"))? {
            Step::More(escape) => {
                self.state = State::TextEscape(escape);
                Ok(())
            }
            Step::Done(character) => {
                self.state = State::Text;
                sink.escaped(character)
            }
        }
    }

    fn between(&mut self, byte: u8) -> Result<(), DocumentError> {
        if matches!(byte, b' ' | b'\t' | b'\n' | b'\r') {
            return self.blank();
        }
        match self.state {
            State::Mark => return self.mark(byte),
            // Bytes that only occur in other encodings of Unicode.
            _ if byte == 0 || byte >= 0xf5 => return Err(DocumentError::NotUtf8),
            State::Before if self.offset == 0 && Some(&byte) == MARK.first() => {
                self.state = State::Mark;
                return Ok(());
            }
            State::Before if byte != b'{' => return Err(self.no_object(byte)),
            State::Before => self.state = State::Between,
            State::After => return Err(self.not_json("the object has ended")),
            _ => {}
        }
        self.check_member(byte)?;
        self.copy(&[byte])?;
        match byte {
            b'"' => return self.begin_string(),
            b'{' | b'[' => self.depth += 1,
            b'}' | b']' => self.depth = self.depth.saturating_sub(1),
            _ => {}
        }
        self.is_in_array &= self.depth > 1;
        if self.depth == 0 {
            self.state = State::After;
        } else if self.depth == 1 {
            self.place = self.place_after(byte);
        }
        Ok(())
    }

    /// Checks that a structural byte fits to the member, and notes where its array begins.
    fn check_member(&mut self, byte: u8) -> Result<(), DocumentError> {
        let is_value = self.depth == 1 && self.place == (Place::Value { is_member: true });
        let fits = match (is_value, self.is_in_array) {
            (true, _) if self.member.is_array => {
                self.is_in_array = byte == b'[';
                self.has_text = true;
                self.is_in_array
            }
            (true, _) => byte == b'"',
            (false, true) => matches!(byte, b'"' | b',' | b']'),
            (false, false) => true,
        };
        fits.then_some(()).ok_or(DocumentError::NotText)
    }

    /// Consumes a byte of an optional byte order mark.
    fn mark(&mut self, byte: u8) -> Result<(), DocumentError> {
        let at = usize::try_from(self.offset).unwrap_or(usize::MAX);
        if MARK.get(at) != Some(&byte) {
            return Err(DocumentError::NotUtf8);
        }
        if at + 1 == MARK.len() {
            self.state = State::Before;
        }
        Ok(())
    }

    /// The error for a document that starts with another byte than an object.
    fn no_object(&self, byte: u8) -> DocumentError {
        match byte {
            b'[' | b'"' | b'0'..=b'9' | b'-' | b't' | b'f' | b'n' => DocumentError::NotAnObject,
            _ => self.not_json("expected `{`"),
        }
    }

    /// The position after a structural byte of the top-level object.
    fn place_after(&self, byte: u8) -> Place {
        match (byte, self.place) {
            (b'{', Place::Name) | (b',', _) => Place::Name,
            (b':', Place::Colon { is_member }) => Place::Value { is_member },
            _ => Place::Rest,
        }
    }

    fn begin_string(&mut self) -> Result<(), DocumentError> {
        let place = if self.depth == 1 {
            self.place
        } else {
            let is_member = self.is_in_array;
            Place::Value { is_member }
        };
        self.state = match place {
            Place::Name => {
                self.name.clear();
                State::Copied { is_name: true }
            }
            Place::Value { is_member: true } => {
                self.has_text = true;
                if !self.is_in_array {
                    self.place = Place::Rest;
                }
                // The text is omitted; its end follows at once.
                self.hold(b"\"")?;
                State::Text
            }
            _ => State::Copied { is_name: false },
        };
        Ok(())
    }

    /// Keeps one blank of a run, enough to separate tokens.
    fn blank(&mut self) -> Result<(), DocumentError> {
        if self.skeleton.last() == Some(&b' ') {
            return Ok(());
        }
        self.copy(b" ")
    }

    /// Copies bytes of the document at the offset.
    fn copy(&mut self, bytes: &[u8]) -> Result<(), DocumentError> {
        self.cuts.note(self.skeleton.len(), self.offset);
        self.hold(bytes)
    }

    fn hold(&mut self, bytes: &[u8]) -> Result<(), DocumentError> {
        if self.skeleton.len() + bytes.len() > SKELETON {
            return Err(DocumentError::TooLarge);
        }
        self.skeleton.extend_from_slice(bytes);
        Ok(())
    }

    fn note_name(&mut self, bytes: &[u8], is_name: bool) {
        // One byte more than the longest name shows that it is longer.
        let room = (self.longest_name() + 1).saturating_sub(self.name.len());
        if is_name {
            self.name.extend(bytes.iter().take(room));
        }
    }

    /// The longest spelling of the member's name: every character escaped.
    fn longest_name(&self) -> usize {
        6 * self.member.name.len()
    }

    /// Whether the name just read is the member's, with or without escapes.
    fn is_member(&self) -> bool {
        if !self.name.contains(&b'\\') {
            return self.name == self.member.name;
        }
        let quoted = [b"\"", self.name.as_slice(), b"\""].concat();
        serde_json::from_slice::<String>(&quoted)
            .is_ok_and(|name| name.as_bytes() == self.member.name)
    }
}

/// Splits off the run before the next quote or backslash: that run, the byte that ended it, and the rest.
fn split(rest: &[u8]) -> (&[u8], Option<u8>, &[u8]) {
    match memchr::memchr2(b'"', b'\\', rest) {
        None => (rest, None, &[]),
        Some(at) => (
            rest.get(..at).unwrap_or_default(),
            rest.get(at).copied(),
            rest.get(at + 1..).unwrap_or_default(),
        ),
    }
}

#[cfg(test)]
mod tests;
