//! The language of `q`: a search as people type it.
//!
//! ```text
//! search     = any
//! any        = all *( ( "|" / "OR" ) all )
//! all        = 1*( negated [ "AND" ] )          ; blanks mean AND, which binds tighter than OR
//! negated    = *( "-" / "NOT" ) ( "(" any ")" / term )
//! term       = "untagged" / "type:" kind / "source:" source / "taken:" date
//!            / tag [ operator number ] / field operator value
//! field      = "date" / "taken" / "width" / "height"
//! operator   = "<" / "<=" / "=" / ">=" / ">"
//! tag        = name / quoted                    ; a quoted text is always a tag
//! value      = name / quoted
//! name       = 1*( any character but blanks, "(", ")", "|", DQUOTE, "<", "=", ">" )
//! quoted     = DQUOTE *( any character but DQUOTE / DQUOTE DQUOTE ) DQUOTE
//! ```

use chrono_tz::Tz;
use domain::{
    Comparison, Condition, Confidence, LocalWindow, MediaType, Operator, SourceKind, TimeWindow,
};
use thiserror::Error;

use super::{
    dates::{self, Edge},
    number, whole,
};

/// The longest search, in characters.
pub(super) const MAX_CHARS: usize = 2000;

/// The most terms of a search.
const MAX_TERMS: usize = 100;

/// How deep brackets may be nested. Bounds the recursion of the parser and of whatever walks its result.
const MAX_DEPTH: usize = 20;

/// What cannot be understood, and where.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{fault}")]
pub(super) struct SearchError {
    /// In characters from the beginning of the text.
    pub(super) position: usize,
    /// What is wrong there.
    pub(super) fault: Fault,
}

/// What is wrong with a search.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(super) enum Fault {
    #[error("a search has at most {MAX_CHARS} characters")]
    TooLong,
    #[error("a search has at most {MAX_TERMS} terms")]
    TooManyTerms,
    #[error("brackets are nested more than {MAX_DEPTH} deep")]
    TooDeep,
    #[error("a term is missing: a tag, a comparison or `(`")]
    NoTerm,
    #[error("`)` is missing")]
    Unclosed,
    #[error("there is no `(` for this `)`")]
    Unopened,
    #[error("the closing quote is missing")]
    UnclosedQuote,
    #[error("a value is missing after the operator")]
    NoValue,
    #[error("the confidence of a tag is a number from 0 to 100")]
    Confidence,
    #[error("there is no operator `!=`; write `-cat>=80` for images without such a tag")]
    NotEqual,
    #[error("the value {0}")]
    Date(dates::DateError),
    #[error("the value has an offset; clocks of cameras show no time zone")]
    Offset,
    #[error("the value is not a whole number of pixels")]
    Pixels,
    #[error("the value is not a type; the types are jpeg, png, webp, gif, bmp, tiff and heic")]
    Type,
    #[error("is not a source; the sources are provider, person and file")]
    Source,
    #[error("`{0}:` is not supported; a tag with a colon is written in quotes")]
    Key(String),
}

/// Reads a search; dates are read in a time zone.
pub(super) fn parse(text: &str, zone: Tz) -> Result<Condition, SearchError> {
    let text: Vec<char> = text.chars().take(MAX_CHARS + 1).collect();
    let mut parser = Parser {
        text: &text,
        at: 0,
        terms: 0,
        depth: 0,
        zone,
    };
    if text.len() > MAX_CHARS {
        return Err(error(MAX_CHARS, Fault::TooLong));
    }
    let condition = parser.any()?;
    match parser.peek() {
        None => Ok(condition),
        // Nothing else ends an expression.
        Some(_) => Err(error(parser.at, Fault::Unopened)),
    }
}

struct Parser<'t> {
    text: &'t [char],
    /// The next character, or, after blanks are skipped, the next token.
    at: usize,
    terms: usize,
    depth: usize,
    zone: Tz,
}

/// A name or a quoted text, and where it begins.
struct Text {
    content: String,
    is_quoted: bool,
    from: usize,
}

impl Parser<'_> {
    fn any(&mut self) -> Result<Condition, SearchError> {
        let mut any = vec![self.all()?];
        while self.take_character('|') || self.take_word("OR") {
            any.push(self.all()?);
        }
        Ok(one_or(any, Condition::Any))
    }

    fn all(&mut self) -> Result<Condition, SearchError> {
        let mut all = vec![self.negated()?];
        loop {
            let must_follow = self.take_word("AND");
            let is_over = matches!(self.peek(), None | Some('|' | ')')) || self.is_word("OR");
            if is_over && !must_follow {
                return Ok(one_or(all, Condition::All));
            }
            all.push(self.negated()?);
        }
    }

    fn negated(&mut self) -> Result<Condition, SearchError> {
        let mut is_negated = false;
        while self.take_character('-') || self.take_word("NOT") {
            is_negated = !is_negated;
        }
        let condition = if self.take_character('(') {
            self.bracket()?
        } else {
            self.term()?
        };
        Ok(if is_negated {
            Condition::Not(Box::new(condition))
        } else {
            condition
        })
    }

    /// The rest of a bracket that was opened.
    fn bracket(&mut self) -> Result<Condition, SearchError> {
        let opened = self.at - 1;
        if self.depth == MAX_DEPTH {
            return Err(error(opened, Fault::TooDeep));
        }
        self.depth += 1;
        let condition = self.any()?;
        self.depth -= 1;
        if self.take_character(')') {
            Ok(condition)
        } else {
            Err(error(opened, Fault::Unclosed))
        }
    }

    fn term(&mut self) -> Result<Condition, SearchError> {
        let is_operator = self.is_word("OR") || self.is_word("AND");
        let text = if is_operator { None } else { self.text()? };
        let text = text.ok_or_else(|| error(self.at, Fault::NoTerm))?;
        if self.terms == MAX_TERMS {
            return Err(error(text.from, Fault::TooManyTerms));
        }
        self.terms += 1;
        self.refuse_not_equal(&text)?;
        let operator = self.operator();
        if text.is_quoted {
            return self.tag(&text, operator);
        }
        match (text.content.as_str(), operator) {
            ("untagged", None) => Ok(Condition::Untagged),
            ("date", Some(operator)) => self.date(operator),
            ("taken", Some(operator)) => {
                let value = self.value()?;
                taken(&value.content, value.from, operator)
            }
            ("width", Some(operator)) => Ok(Condition::Width(self.pixels(operator)?)),
            ("height", Some(operator)) => Ok(Condition::Height(self.pixels(operator)?)),
            (_, operator) => match text.content.split_once(':') {
                Some((key, value)) => keyed(&text, key, value),
                None => self.tag(&text, operator),
            },
        }
    }

    fn tag(&mut self, name: &Text, operator: Option<Operator>) -> Result<Condition, SearchError> {
        let Some(operator) = operator else {
            return Ok(Condition::tag(&name.content, None));
        };
        let value = self.value()?;
        let confidence = number(&value.content).and_then(|number| Confidence::new(number).ok());
        let value = confidence.ok_or_else(|| error(value.from, Fault::Confidence))?;
        Ok(Condition::tag(
            &name.content,
            Some(Comparison { operator, value }),
        ))
    }

    fn pixels(&mut self, operator: Operator) -> Result<Comparison<u32>, SearchError> {
        let value = self.value()?;
        match whole(&value.content) {
            Some(value) => Ok(Comparison { operator, value }),
            None => Err(error(value.from, Fault::Pixels)),
        }
    }

    fn date(&mut self, operator: Operator) -> Result<Condition, SearchError> {
        let value = self.value()?;
        let edge = |edge| {
            dates::parse(&value.content, edge, self.zone)
                .map_err(|why| error(value.from, Fault::Date(why)))
        };
        // `None` is an edge beyond all that can be registered.
        let (first, end) = (edge(Edge::First)?, edge(Edge::Last)?);
        let from = |from| TimeWindow { from, until: None };
        let until = |until| TimeWindow { from: None, until };
        Ok(match (operator, first, end) {
            (Operator::AtLeast, first, _) => Condition::Registered(from(first)),
            (Operator::AtMost, _, end) => Condition::Registered(until(end)),
            (Operator::Equal, from, until) => Condition::Registered(TimeWindow { from, until }),
            (Operator::Above, _, None) | (Operator::Below, None, _) => Condition::NEVER,
            (Operator::Above, _, end) => Condition::Registered(from(end)),
            (Operator::Below, first, _) => Condition::Registered(until(first)),
        })
    }

    /// What follows an operator.
    fn value(&mut self) -> Result<Text, SearchError> {
        self.text()?.ok_or_else(|| error(self.at, Fault::NoValue))
    }

    /// Refuses `!=`: the mark is a character of names, and would be taken for the end of one.
    fn refuse_not_equal(&self, name: &Text) -> Result<(), SearchError> {
        let is_marked = !name.is_quoted && name.content.ends_with('!');
        if is_marked && self.text.get(self.at) == Some(&'=') {
            return Err(error(self.at - 1, Fault::NotEqual));
        }
        Ok(())
    }

    /// The operator that follows a name.
    fn operator(&mut self) -> Option<Operator> {
        self.peek();
        let rest = self.text.get(self.at..)?;
        let (operator, length) = match rest {
            ['>', '=', ..] => (Operator::AtLeast, 2),
            ['<', '=', ..] => (Operator::AtMost, 2),
            ['>', ..] => (Operator::Above, 1),
            ['<', ..] => (Operator::Below, 1),
            ['=', ..] => (Operator::Equal, 1),
            _ => return None,
        };
        self.at += length;
        Some(operator)
    }

    /// A name or a quoted text; `None` if neither is next.
    fn text(&mut self) -> Result<Option<Text>, SearchError> {
        let next = self.peek();
        let from = self.at;
        let (content, is_quoted) = match next {
            Some('"') => (self.quoted()?, true),
            _ => (self.name(), false),
        };
        let is_there = is_quoted || !content.is_empty();
        Ok(is_there.then_some(Text {
            content,
            is_quoted,
            from,
        }))
    }

    fn name(&mut self) -> String {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let name: String = rest.iter().take_while(|c| is_of_name(**c)).collect();
        self.at += name.chars().count();
        name
    }

    fn quoted(&mut self) -> Result<String, SearchError> {
        let from = self.at;
        let mut text = String::new();
        self.at += 1;
        loop {
            match self.text.get(self.at..).unwrap_or_default() {
                [] => return Err(error(from, Fault::UnclosedQuote)),
                ['"', '"', ..] => {
                    text.push('"');
                    self.at += 2;
                }
                ['"', ..] => {
                    self.at += 1;
                    return Ok(text);
                }
                [other, ..] => {
                    text.push(*other);
                    self.at += 1;
                }
            }
        }
    }

    /// The next character behind blanks.
    fn peek(&mut self) -> Option<char> {
        let is_blank = |c: &char| c.is_whitespace();
        while self.text.get(self.at).is_some_and(is_blank) {
            self.at += 1;
        }
        self.text.get(self.at).copied()
    }

    fn take_character(&mut self, character: char) -> bool {
        let is_next = self.peek() == Some(character);
        self.at += usize::from(is_next);
        is_next
    }

    /// Whether that word is next. In quotes, or in lower case, it is a tag.
    fn is_word(&mut self, word: &str) -> bool {
        self.peek();
        let rest = self.text.get(self.at..).unwrap_or_default();
        let name = rest.iter().take_while(|c| is_of_name(**c));
        let end = rest.get(word.len());
        name.copied().eq(word.chars()) && !matches!(end, Some('<' | '=' | '>'))
    }

    fn take_word(&mut self, word: &str) -> bool {
        let is_next = self.is_word(word);
        self.at += if is_next { word.len() } else { 0 };
        is_next
    }
}

/// When a picture was taken, by its camera's clock.
fn taken(value: &str, position: usize, operator: Operator) -> Result<Condition, SearchError> {
    let edge = |edge| match dates::local(value, edge) {
        Ok(Some(time)) => Ok(Some(time)),
        Ok(None) => Err(error(position, Fault::Offset)),
        Err(why) => Err(error(position, Fault::Date(why))),
    };
    let (first, end) = (edge(Edge::First)?, edge(Edge::Last)?);
    let (from, until) = match operator {
        Operator::AtLeast => (first, None),
        Operator::AtMost => (None, end),
        Operator::Equal => (first, end),
        Operator::Above => (end, None),
        Operator::Below => (None, first),
    };
    Ok(Condition::Taken(LocalWindow { from, until }))
}

/// A term `key:value`.
fn keyed(text: &Text, key: &str, value: &str) -> Result<Condition, SearchError> {
    let position = text.from + key.len() + 1;
    match key {
        "type" => media_type(value)
            .map(Condition::Type)
            .ok_or_else(|| error(position, Fault::Type)),
        "taken" => taken(value, position, Operator::Equal),
        "source" => SourceKind::from_name(&value.to_ascii_lowercase())
            .map(Condition::Source)
            .ok_or_else(|| error(position, Fault::Source)),
        _ => Err(error(text.from, Fault::Key(key.to_owned()))),
    }
}

fn error(position: usize, fault: Fault) -> SearchError {
    SearchError { position, fault }
}

/// The only one, or all of them put together.
fn one_or(mut some: Vec<Condition>, together: fn(Vec<Condition>) -> Condition) -> Condition {
    match (some.len(), some.pop()) {
        (1, Some(only)) => only,
        (_, last) => {
            some.extend(last);
            together(some)
        }
    }
}

fn is_of_name(character: char) -> bool {
    !character.is_whitespace() && !matches!(character, '(' | ')' | '|' | '"' | '<' | '=' | '>')
}

/// The media type of a short or registered name, in any case.
fn media_type(name: &str) -> Option<MediaType> {
    let name = name.to_ascii_lowercase();
    let name = match name.as_str() {
        "jpg" => "jpeg",
        "tif" => "tiff",
        "heif" => "heic",
        other => other,
    };
    MediaType::from_name(&format!("image/{name}"))
}

#[cfg(test)]
mod tests;
