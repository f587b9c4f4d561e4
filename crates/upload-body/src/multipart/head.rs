//! The headers of a part.

use std::{borrow::Cow, fmt};

use percent_encoding::percent_decode_str;

use super::MultipartError;
use crate::parameters::Parameters;

/// The most headers of a part.
pub(super) const MOST_HEADERS: usize = 16;

/// The longest file name that is kept, in bytes.
const LONGEST_FILE_NAME: usize = 255;

/// How much of the name of a part is repeated in an error, in characters.
const NAME_SHOWN: usize = 64;

/// The name of a part, for error texts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartName(Option<String>);

/// A part that is a file.
#[derive(Debug)]
pub(crate) struct FilePart {
    pub(crate) name: PartName,
    /// Without its path and control characters, at most 255 bytes.
    pub(crate) file_name: Option<String>,
}

/// What the headers of a part say.
#[derive(Debug)]
pub(crate) struct PartHead {
    /// The name of the field.
    pub(crate) name: Option<String>,
    /// Whether it is a file.
    pub(crate) is_file: bool,
    /// Without its path and control characters, at most 255 bytes.
    pub(crate) file_name: Option<String>,
    /// Whether it has a transfer encoding.
    pub(crate) is_encoded: bool,
}

impl PartHead {
    /// Reads the headers of a part, each with its line end.
    pub(super) fn parse(head: &[u8]) -> Result<Self, MultipartError> {
        let head = String::from_utf8_lossy(head);
        let headers = headers(&head)?;
        let value = |name: &str| {
            let mut named = headers.iter().filter(|(known, _)| known == name);
            named.next().map(|(_, value)| value.as_ref())
        };
        let disposition = Parameters::parse(value("content-disposition").unwrap_or_default());
        if !disposition.main.eq_ignore_ascii_case("form-data") {
            return Err(MultipartError::Malformed(
                "a part has no header `Content-Disposition: form-data`",
            ));
        }
        let (plain, extended) = (disposition.get("filename"), disposition.get("filename*"));
        let file_name = extended
            .and_then(decode_extended)
            .or_else(|| plain.map(undo_form_escapes));
        Ok(Self {
            name: disposition.get("name").map(str::to_owned),
            is_file: plain.is_some() || extended.is_some(),
            file_name: file_name.as_deref().and_then(clean),
            is_encoded: !is_plain(value("content-transfer-encoding")),
        })
    }
}

impl FilePart {
    /// The part, which must be a file.
    pub(super) fn of(head: PartHead) -> Result<Self, MultipartError> {
        let name = PartName(head.name.as_deref().map(shown));
        if !head.is_file {
            return Err(MultipartError::NotAFile(name));
        }
        if head.is_encoded {
            return Err(MultipartError::Encoded(name));
        }
        let file_name = head.file_name;
        Ok(Self { name, file_name })
    }
}

impl fmt::Display for PartName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Some(name) => write!(f, "the part `{name}`"),
            None => f.write_str("a part without a name"),
        }
    }
}

fn shown(name: &str) -> String {
    let printable = name.chars().filter(|c| !c.is_control());
    printable.take(NAME_SHOWN).collect()
}

/// Names in lower case, and values. A line that begins with a blank continues the one before.
fn headers(head: &str) -> Result<Vec<(String, Cow<'_, str>)>, MultipartError> {
    let mut headers: Vec<(String, Cow<'_, str>)> = Vec::new();
    for line in head.split("\r\n").filter(|line| !line.is_empty()) {
        if line.starts_with([' ', '\t']) {
            if let Some((_, value)) = headers.last_mut() {
                value.to_mut().push_str(line);
            }
            continue;
        }
        if headers.len() == MOST_HEADERS {
            return Err(MultipartError::TooManyHeaders);
        }
        let (name, value) = line
            .split_once(':')
            .ok_or(MultipartError::Malformed("a header of a part has no colon"))?;
        headers.push((
            name.trim_ascii().to_ascii_lowercase(),
            value.trim_ascii().into(),
        ));
    }
    Ok(headers)
}

/// Whether a `Content-Transfer-Encoding` is an identity encoding.
fn is_plain(encoding: Option<&str>) -> bool {
    encoding.is_none_or(|encoding| {
        let same = |plain: &&str| encoding.eq_ignore_ascii_case(plain);
        ["7bit", "8bit", "binary"].iter().any(same)
    })
}

/// A value as of RFC 8187, `UTF-8'en'%C3%B1.jpg`; none in another encoding.
fn decode_extended(value: &str) -> Option<String> {
    let (charset, rest) = value.split_once('\'')?;
    let (_, text) = rest.split_once('\'')?;
    if !charset.eq_ignore_ascii_case("utf-8") {
        return None;
    }
    let decoded = percent_decode_str(text).decode_utf8();
    decoded.ok().map(Cow::into_owned)
}

/// Undoes the escapes of browsers in file names: quotes and line breaks only (WHATWG HTML, multipart/form-data).
/// Line breaks are dropped later with the other control characters.
fn undo_form_escapes(name: &str) -> String {
    name.replace("%22", "\"")
        .replace("%0D", "\r")
        .replace("%0A", "\n")
}

/// A file name without path and control characters, cut to its longest.
fn clean(name: &str) -> Option<String> {
    let base = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let mut cleaned: String = base.chars().filter(|c| !c.is_control()).collect();
    cleaned.truncate(cleaned.floor_char_boundary(LONGEST_FILE_NAME));
    let cleaned = cleaned.trim();
    let is_name = !matches!(cleaned, "" | "." | "..");
    is_name.then(|| cleaned.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(head: &[u8]) -> Result<FilePart, MultipartError> {
        PartHead::parse(head).and_then(FilePart::of)
    }

    fn file_name(parameters: &str) -> Option<String> {
        let head = format!("Content-Disposition: form-data; name=\"f\"; {parameters}\r\n\r\n");
        parse(head.as_bytes()).unwrap().file_name
    }

    #[rstest::rstest]
    #[case("filename=\"cat.jpg\"", "cat.jpg")]
    #[case("filename=cat.jpg", "cat.jpg")]
    #[case("filename=\"a; b.jpg\"", "a; b.jpg")]
    #[case(r#"filename="say \"cheese\".jpg""#, "say \"cheese\".jpg")]
    #[case(
        "filename=\"say %22cheese%22%0D%0A 100%25.jpg\"",
        "say \"cheese\" 100%25.jpg"
    )]
    #[case("filename=\"../../etc/cat.jpg\"", "cat.jpg")]
    #[case(r#"filename="C:\photos\cat.jpg""#, "cat.jpg")]
    #[case("filename=\"a\u{7}\u{9b}b\tc.jpg\"", "abc.jpg")]
    #[case("filename=\"ñandú.jpg\"", "ñandú.jpg")]
    #[case("filename=x; filename*=UTF-8''%C3%B1%2Fand%C3%BA.jpg", "andú.jpg")]
    #[case("filename*=utf-8'es'%e2%82%ac.jpg", "€.jpg")]
    #[case("filename=x.jpg; filename*=ISO-8859-1''%F1.jpg", "x.jpg")]
    #[case("filename=x.jpg; filename*=UTF-8''%F1.jpg", "x.jpg")]
    fn file_names(#[case] parameters: &str, #[case] expected: &str) {
        assert_eq!(file_name(parameters).as_deref(), Some(expected));
    }

    #[rstest::rstest]
    #[case("filename=\"\"")]
    #[case("filename=\"..\"")]
    #[case("filename=\"photos/\"")]
    #[case("filename*=UTF-16''%00")]
    fn files_without_a_name(#[case] parameters: &str) {
        assert_eq!(file_name(parameters), None);
    }

    #[test]
    fn long_file_names_are_cut_between_characters() {
        let long = "x".repeat(254) + "ñ.jpg";
        let name = file_name(&format!("filename=\"{long}\"")).unwrap();
        assert_eq!(name, "x".repeat(254));
        let full = "y".repeat(255);
        assert_eq!(file_name(&format!("filename={full}z")).unwrap(), full);
    }

    #[test]
    fn invalid_utf8_in_names_is_replaced() {
        let head = b"Content-Disposition: form-data; name=f; filename=\"\xf1.jpg\"\r\n\r\n";
        let part = parse(head).unwrap();
        assert_eq!(part.file_name.as_deref(), Some("\u{fffd}.jpg"));
    }

    #[test]
    fn headers_may_be_folded_and_of_any_case() {
        let head = b"content-TYPE: image/png\r\nCONTENT-disposition : Form-Data;\r\n\tname=f;\r\n filename=a\r\n\r\n";
        assert_eq!(parse(head).unwrap().file_name.as_deref(), Some("a"));
    }

    #[rstest::rstest]
    #[case("", "a part has no header `Content-Disposition: form-data`")]
    #[case(
        "Content-Disposition: attachment; filename=a",
        "`Content-Disposition: form-data`"
    )]
    #[case("Content-Disposition form-data", "a header of a part has no colon")]
    #[case("Content-Disposition: form-data; name=x", "the part `x` is not a file")]
    #[case(
        "Content-Disposition: form-data",
        "a part without a name is not a file"
    )]
    #[case(
        "Content-Transfer-Encoding: base64\r\nContent-Disposition: form-data; name=x; filename=a",
        "the part `x` has a Content-Transfer-Encoding"
    )]
    fn other_parts_are_refused(#[case] head: &str, #[case] reason: &str) {
        let error = parse(head.as_bytes()).unwrap_err().to_string();
        assert!(error.contains(reason), "{error}");
    }

    #[test]
    fn identity_transfer_encodings_are_accepted() {
        for encoding in ["binary", "8BIT", "7bit"] {
            let head = format!(
                "Content-Disposition: form-data; filename=a\r\nContent-Transfer-Encoding: {encoding}\r\n"
            );
            assert!(parse(head.as_bytes()).is_ok());
        }
    }

    #[test]
    fn a_part_has_at_most_16_headers() {
        let disposition = "Content-Disposition: form-data; filename=a\r\n";
        let with = |more: usize| format!("{disposition}{}", "X: y\r\n".repeat(more));
        assert!(parse(with(15).as_bytes()).is_ok());
        let error = parse(with(16).as_bytes()).unwrap_err();
        assert_eq!(error, MultipartError::TooManyHeaders);
    }

    #[test]
    fn long_part_names_are_cut_in_errors() {
        let head = format!(
            "Content-Disposition: form-data; name=\"\u{1b}{}\"",
            "x".repeat(999)
        );
        let error = parse(head.as_bytes()).unwrap_err();
        let shown = format!("the part `{}` is not", "x".repeat(NAME_SHOWN));
        assert!(error.to_string().starts_with(&shown), "{error}");
    }
}
