//! Small JSON bodies, read strictly.

use std::fmt;

use actix_web::{
    HttpRequest,
    http::header::{self, HeaderMap},
    web::Payload,
};
use serde::{
    Deserialize, Deserializer,
    de::{DeserializeOwned, MapAccess, Visitor},
};
use serde_json::{Value, error::Category};

use crate::{
    HttpSettings,
    problem::{Code, Problem},
    upload::Arriving,
};

/// The largest body, in bytes.
const MAX_BYTES: usize = 1 << 20;

/// How much of an unknown name or word is quoted, in characters.
const SHOWN: usize = 64;

/// A body that is read as a whole: an object with these members and no others, each at most once.
pub(crate) trait JsonBody: DeserializeOwned {
    /// Describes the expected body, for error messages.
    const EXPECTED: &str;
    /// Its members.
    const MEMBERS: &'static [Member];
    /// Whether it holds a secret: then error messages quote nothing of it.
    const IS_SECRET: bool;
}

/// A member of a body.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Member {
    /// A text.
    Text(&'static str),
    /// A text; without it, or with null in its place, there is none.
    OptionalText(&'static str),
    /// An array of some of these words.
    Words(&'static str, &'static [&'static str]),
    /// An array, whose elements deserializing checks; without it there is none.
    OptionalArray(&'static str),
    /// An object, whose members deserializing checks; without it there is none.
    OptionalObject(&'static str),
    /// A number; without it, or with null in its place, there is none.
    OptionalNumber(&'static str),
    /// A whole number from 0 on; without it, or with null in its place, there is none.
    OptionalCount(&'static str),
    /// `true` or `false`; without it there is none.
    OptionalFlag(&'static str),
}

impl Member {
    fn name(self) -> &'static str {
        match self {
            Self::Text(name)
            | Self::OptionalText(name)
            | Self::Words(name, _)
            | Self::OptionalArray(name)
            | Self::OptionalObject(name)
            | Self::OptionalNumber(name)
            | Self::OptionalCount(name)
            | Self::OptionalFlag(name) => name,
        }
    }

    /// What is wrong with its value.
    fn check(self, value: Option<&Value>) -> Result<(), String> {
        let name = self.name();
        match (self, value) {
            (Self::OptionalArray(_), None | Some(Value::Array(_)))
            | (Self::OptionalObject(_), None | Some(Value::Object(_)))
            | (Self::OptionalFlag(_), None | Some(Value::Bool(_)))
            | (Self::OptionalNumber(_), None | Some(Value::Null | Value::Number(_)))
            | (Self::OptionalCount(_) | Self::OptionalText(_), None | Some(Value::Null))
            | (Self::Text(_) | Self::OptionalText(_), Some(Value::String(_))) => Ok(()),
            (Self::OptionalCount(_), Some(value)) if value.is_u64() => Ok(()),
            (Self::OptionalCount(_), Some(_)) => {
                Err(format!("`{name}` is not a whole number from 0 on"))
            }
            (Self::OptionalArray(_), Some(_)) => Err(format!("`{name}` is not an array")),
            (Self::OptionalObject(_), Some(_)) => Err(format!("`{name}` is not an object")),
            (Self::OptionalNumber(_), Some(_)) => Err(format!("`{name}` is not a number")),
            (Self::OptionalFlag(_), Some(_)) => Err(format!("`{name}` is neither true nor false")),
            (_, None) => Err(format!("`{name}` is missing")),
            (Self::Text(_) | Self::OptionalText(_), _) => Err(format!("`{name}` is not a text")),
            (Self::Words(_, words), Some(value)) => check_words(name, words, value),
        }
    }
}

fn check_words(name: &str, words: &[&str], value: &Value) -> Result<(), String> {
    let list = value.as_array().map(Vec::as_slice).unwrap_or_default();
    if !value.is_array() || !list.iter().all(Value::is_string) {
        return Err(format!("`{name}` is not an array of texts"));
    }
    let given = list.iter().filter_map(Value::as_str);
    let unknown = given.into_iter().find(|given| !words.contains(given));
    unknown.map_or(Ok(()), |unknown| {
        let words = words.join(", ");
        Err(format!(
            "`{name}` holds `{}`; it takes {words}",
            shown(unknown)
        ))
    })
}

fn shown(text: &str) -> String {
    text.chars().take(SHOWN).collect()
}

/// The members of an object as they are written, repeated ones included.
struct Members(Vec<(String, Value)>);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Members;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Object)
    }
}

impl Members {
    /// What is wrong with them.
    fn check(&self, known: &[Member]) -> Result<(), String> {
        for (position, (name, _)) in self.0.iter().enumerate() {
            if !known.iter().any(|member| member.name() == name) {
                return Err(format!("`{}` is not a member of it", shown(name)));
            }
            if self.0.iter().take(position).any(|(other, _)| other == name) {
                return Err(format!("`{name}` is given more than once"));
            }
        }
        known.iter().try_for_each(|member| {
            let mut members = self.0.iter();
            let found = members.find(|(name, _)| name == member.name());
            member.check(found.map(|(_, value)| value))
        })
    }
}

/// Reads the body of a request, within its limits of size and time.
pub(crate) async fn read<T: JsonBody>(
    request: &HttpRequest,
    payload: Payload,
    settings: &HttpSettings,
) -> Result<T, Problem> {
    check_type(request.headers())?;
    let mut arriving = Arriving::new(payload, settings);
    let mut bytes = Vec::new();
    while let Some(piece) = arriving.next(false).await? {
        if bytes.len() + piece.len() > MAX_BYTES {
            let detail = format!("the body has more than the {MAX_BYTES} bytes allowed");
            return Err(Problem::new(Code::InvalidBody, detail).limit(MAX_BYTES as u64));
        }
        bytes.extend_from_slice(&piece);
    }
    parse(&bytes)
}

/// Reads a body. It may begin with a byte order mark.
fn parse<T: JsonBody>(bytes: &[u8]) -> Result<T, Problem> {
    let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let wrong = |detail: String| Problem::new(Code::InvalidBody, detail);
    let expected = T::EXPECTED;
    let members: Members = serde_json::from_slice(text).map_err(|error| {
        wrong(match error.classify() {
            Category::Data => format!("the body is not {expected}"),
            _ => format!(
                "the body is not JSON: line {}, column {}",
                error.line(),
                error.column()
            ),
        })
    })?;
    members.check(T::MEMBERS).map_err(|why| {
        wrong(if T::IS_SECRET {
            format!("the body is not {expected}")
        } else {
            format!("the body is not {expected}: {why}")
        })
    })?;
    // Only elements of an array are left to be wrong.
    T::deserialize(Value::Object(members.0.into_iter().collect()))
        .map_err(|_| wrong(format!("the body is not {expected}")))
}

/// Takes JSON that is not compressed.
fn check_type(headers: &HeaderMap) -> Result<(), Problem> {
    let kind = headers.get(header::CONTENT_TYPE);
    let essence = kind
        .and_then(|kind| kind.to_str().ok())
        .and_then(|kind| kind.split(';').next());
    let is_json = essence.is_some_and(|it| it.trim().eq_ignore_ascii_case("application/json"));
    if is_json && !headers.contains_key(header::CONTENT_ENCODING) {
        return Ok(());
    }
    let detail = "the body must be application/json, and not compressed";
    Err(Problem::new(Code::UnsupportedMediaType, detail))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize, PartialEq)]
    struct Plain {
        a: String,
        b: Option<String>,
        #[serde(default)]
        c: Vec<String>,
    }

    impl JsonBody for Plain {
        const EXPECTED: &str = "an object with `a` and `c`";
        const MEMBERS: &'static [Member] = &[
            Member::Text("a"),
            Member::OptionalText("b"),
            Member::Words("c", &["one", "two"]),
        ];
        const IS_SECRET: bool = false;
    }

    #[derive(Debug, Deserialize)]
    struct Secret {
        #[expect(dead_code, reason = "it is only read")]
        key: String,
    }

    impl JsonBody for Secret {
        const EXPECTED: &str = "an object with a text `key`";
        const MEMBERS: &'static [Member] = &[Member::Text("key")];
        const IS_SECRET: bool = true;
    }

    #[rstest::rstest]
    #[case("{\"a\": \"x\", \"c\": [\"two\"]}", None)]
    #[case("\u{feff}{\"c\":[\"two\"],\"b\":null,\"a\":\"x\"}", None)]
    #[case("{\"a\": \"x\", \"b\": \"y\", \"c\": [\"two\"]}", Some("y"))]
    fn reads_json_with_or_without_a_mark(#[case] body: &str, #[case] b: Option<&str>) {
        let expected = Plain {
            a: "x".to_owned(),
            b: b.map(str::to_owned),
            c: vec!["two".to_owned()],
        };
        assert_eq!(parse::<Plain>(body.as_bytes()).unwrap(), expected);
    }

    #[rstest::rstest]
    #[case("", "the body is not JSON: line 1, column 0")]
    #[case("{\"a\": 1", "the body is not JSON: line 1, column 7")]
    #[case("{\"a\": 1}\n}", "the body is not JSON: line 2, column 1")]
    #[case("{}", "the body is not an object with `a` and `c`: `a` is missing")]
    #[case("{\"a\": \"x\"}", ": `c` is missing")]
    #[case("{\"a\": \"x\", \"d\": 2}", ": `d` is not a member of it")]
    #[case("{\"a\": \"x\", \"a\": \"x\"}", ": `a` is given more than once")]
    #[case("{\"a\": 1, \"c\": []}", ": `a` is not a text")]
    #[case("{\"a\": null, \"c\": []}", ": `a` is not a text")]
    #[case("{\"a\": \"x\", \"b\": [], \"c\": []}", ": `b` is not a text")]
    #[case("{\"a\": \"x\", \"c\": \"one\"}", ": `c` is not an array of texts")]
    #[case("{\"a\": \"x\", \"c\": [1]}", ": `c` is not an array of texts")]
    #[case(
        "{\"a\": \"x\", \"c\": [\"one\", \"six\"]}",
        ": `c` holds `six`; it takes one, two"
    )]
    #[case("[\"x\"]", "the body is not an object with `a` and `c`")]
    #[case("\"a\"", "the body is not an object with `a` and `c`")]
    fn refuses_everything_else(#[case] body: &str, #[case] why: &str) {
        let problem = parse::<Plain>(body.as_bytes()).unwrap_err();
        assert_eq!(problem.code(), Code::InvalidBody);
        assert!(problem.to_string().ends_with(why), "{problem}");
    }

    #[test]
    fn a_foreign_name_is_shown_in_part() {
        let body = format!("{{\"{}\": 1}}", "x".repeat(1000));
        let problem = parse::<Plain>(body.as_bytes()).unwrap_err();
        assert!(problem.to_string().len() < 200, "{problem}");
    }

    #[rstest::rstest]
    #[case("\"hush\"")]
    #[case("{\"hush\": 1}")]
    #[case("{\"key\": [\"hush\"]}")]
    #[case("{\"key\": \"a\", \"hush\": 1}")]
    #[case("{\"key\": \"hush\" \"hush\"}")]
    fn repeats_nothing_of_a_secret(#[case] body: &str) {
        let problem = parse::<Secret>(body.as_bytes()).unwrap_err();
        assert!(!problem.to_string().contains("hush"), "{problem}");
    }
}
