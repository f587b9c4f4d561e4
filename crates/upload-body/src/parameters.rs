//! Header values with parameters: `form-data; name="file"; filename="a \"b\".jpg"`.

/// A parsed header value.
pub(crate) struct Parameters<'v> {
    /// The text before the parameters.
    pub(crate) main: &'v str,
    /// Names in lower case, and values without their quotes.
    list: Vec<(String, String)>,
}

impl<'v> Parameters<'v> {
    /// Parses a value. Text that is not a parameter is skipped; an unterminated quoted value extends to the end.
    pub(crate) fn parse(value: &'v str) -> Self {
        let (main, mut rest) = value.split_once(';').unwrap_or((value, ""));
        let mut list = Vec::new();
        while !rest.is_empty() {
            let end = rest.find(['=', ';']).unwrap_or(rest.len());
            let (name, tail) = rest.split_at(end);
            let Some(value) = tail.strip_prefix('=') else {
                rest = tail.strip_prefix(';').unwrap_or_default();
                continue;
            };
            let value = value.trim_ascii_start();
            let (value, tail) = match value.strip_prefix('"') {
                Some(quoted) => unquote(quoted),
                None => plain(value),
            };
            list.push((name.trim_ascii().to_ascii_lowercase(), value));
            // Text between a closing quote and the next parameter is skipped.
            rest = tail.split_once(';').map_or("", |(_, rest)| rest);
        }
        Self {
            main: main.trim_ascii(),
            list,
        }
    }

    /// The value of the first parameter with that name, which is in lower case.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        let mut named = self.list.iter().filter(|(known, _)| known == name);
        named.next().map(|(_, value)| value.as_str())
    }
}

/// A value without quotes, and what follows it.
fn plain(value: &str) -> (String, &str) {
    let (value, tail) = value.split_at(value.find(';').unwrap_or(value.len()));
    (value.trim_ascii_end().to_owned(), tail)
}

/// A quoted value after its first quote, and what follows its last one.
///
/// A backslash escapes a quote or a backslash alone: old browsers send whole paths, `C:\photos\cat.jpg`.
fn unquote(quoted: &str) -> (String, &str) {
    let mut value = String::new();
    let mut chars = quoted.chars();
    while let Some(character) = chars.next() {
        match character {
            '"' => break,
            '\\' => match chars.clone().next() {
                Some(escaped @ ('"' | '\\')) => {
                    chars.next();
                    value.push(escaped);
                }
                _ => value.push('\\'),
            },
            _ => value.push(character),
        }
    }
    (value, chars.as_str())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[rstest::rstest]
    #[case("form-data; name=a", Some("a"))]
    #[case("form-data;NAME=\"a\"", Some("a"))]
    #[case("form-data ; x=\"; name=b\" ; name = \"a\" ", Some("a"))]
    #[case("form-data; name=a; name=b", Some("a"))]
    #[case("form-data; name=\"a\"rest; x=1", Some("a"))]
    #[case("form-data; name=\"a", Some("a"))]
    #[case("form-data; name=", Some(""))]
    #[case("form-data;;; name=a;", Some("a"))]
    #[case("form-data; x; name=a=b c ", Some("a=b c"))]
    #[case(r#"form-data; name="a \"b\" \\ c""#, Some(r#"a "b" \ c"#))]
    #[case(r#"form-data; name="C:\photos\cat.jpg""#, Some(r"C:\photos\cat.jpg"))]
    #[case("form-data; filename=a", None)]
    #[case("form-data", None)]
    fn names_and_values(#[case] header: &str, #[case] name: Option<&str>) {
        let parameters = Parameters::parse(header);
        assert_eq!(parameters.main, "form-data");
        assert_eq!(parameters.get("name"), name);
    }

    proptest! {
        #[test]
        fn quoted_values_come_back(value in "\\PC*", other in "[a-z;= ]*") {
            let escaped = value.replace('\\', "\\\\").replace('"', "\\\"");
            let header = format!("x; a=\"{escaped}\"; b=\"{other}\"");
            let parameters = Parameters::parse(&header);
            prop_assert_eq!(parameters.get("a"), Some(value.as_str()));
            prop_assert_eq!(parameters.get("b"), Some(other.as_str()));
        }

        #[test]
        fn any_text_can_be_read(header in "[a;=\" \\\\]{0,40}") {
            Parameters::parse(&header);
        }
    }
}
