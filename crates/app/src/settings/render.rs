//! The settings in force as TOML, without the secrets.

use super::{
    layer::{Form, Given, Origin},
    values::{Values, entries},
};

/// What is printed in the place of a secret.
const MASK: &str = "********";

/// The settings that are secrets as a whole.
const SECRETS: [&str; 3] = [
    "imagekit.private_key",
    "imagga.api_key",
    "imagga.api_secret",
];

/// The settings that are URLs, in which a password may be.
const URLS: [&str; 2] = ["database.url", "originals.url"];

/// Writes a line for each setting, which says where the value comes from unless it is a default.
pub(super) fn to_toml(values: &Values) -> String {
    let mut lines = Vec::new();
    let mut current = "";
    for (key, given) in values.iter() {
        let (section, name) = key.split_once('.').unwrap_or(("", key));
        if section != current {
            if !lines.is_empty() {
                lines.push(String::new());
            }
            lines.push(format!("[{section}]"));
            current = section;
        }
        lines.push(format!("{name} = {}{}", value(key, given), comment(given)));
    }
    lines.push(String::new());
    lines.join("\n")
}

fn comment(given: &Given) -> String {
    match &given.origin {
        Origin::Default => String::new(),
        origin => format!(" # {}", origin.to_string().replace(char::is_control, " ")),
    }
}

fn value(key: &str, given: &Given) -> String {
    let text = given.text.as_str();
    if SECRETS.contains(&key) && !text.is_empty() {
        quoted(MASK)
    } else if URLS.contains(&key) {
        quoted(&without_password(text))
    } else if given.form == Form::List {
        list(text)
    } else if given.form == Form::Bare {
        bare(text)
    } else {
        quoted(text)
    }
}

fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

fn list(text: &str) -> String {
    let entries: Vec<_> = entries(text).map(quoted).collect();
    format!("[{}]", entries.join(", "))
}

/// A number or truth value that was read; not every spelling that is read is TOML.
fn bare(text: &str) -> String {
    if let Ok(number) = text.parse::<i64>() {
        return number.to_string();
    }
    text.parse::<f64>().map_or_else(
        |_| text.to_owned(),
        |number| toml::Value::Float(number).to_string(),
    )
}

/// Masks the password of a URL. Whatever comes before the last `@` counts as user and password, also
/// where it should have been encoded; the path of a file has none.
fn without_password(url: &str) -> String {
    match url.split_once(':') {
        None | Some(("file" | "sqlite", _)) => url.to_owned(),
        Some((scheme, rest)) => {
            masked(rest).map_or_else(|| url.to_owned(), |rest| format!("{scheme}:{rest}"))
        }
    }
}

fn masked(rest: &str) -> Option<String> {
    let (account, place) = rest.rsplit_once('@')?;
    let (user, _) = account.split_once(':')?;
    Some(format!("{user}:{MASK}@{place}"))
}
