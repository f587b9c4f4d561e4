//! `credentials.json`: the keys of the two cloud services.

use serde_json::Value;

use super::{
    environment::Environment,
    error::{SettingsError, Warning},
    files::{self, Content},
    layer::Layer,
    variables::Variables,
};

/// The default credentials file.
const NAME: &str = "credentials.json";

/// The variable that names another one.
const VARIABLE: &str = "ETIQUETA_CREDENTIALS";

/// A field and its setting. A field without a setting is accepted but not used.
type Field = (&'static str, Option<&'static str>);

const SERVICES: [(&str, &[Field]); 3] = [
    (
        "imagekitio",
        &[
            ("public_key", None),
            ("private_key", Some("imagekit.private_key")),
            ("url_endpoint", None),
        ],
    ),
    ("imaggan", IMAGGA),
    ("imagga", IMAGGA),
];

const IMAGGA: &[Field] = &[
    ("api_key", Some("imagga.api_key")),
    ("api_secret", Some("imagga.api_secret")),
];

pub(super) fn layer(
    environment: &Environment,
    variables: &Variables,
    warnings: &mut Vec<Warning>,
) -> Result<Layer, SettingsError> {
    let named = variables.text(VARIABLE)?;
    let file = named.unwrap_or(NAME);
    match files::read(&environment.folder.join(file), file)? {
        Content::Text(text) if text.trim().is_empty() => {
            let file = file.to_owned();
            warnings.push(Warning::EmptyFile { file });
        }
        Content::Text(text) => return parse(&text, file, warnings),
        Content::Folder(warning) => warnings.push(warning),
        Content::Missing if named.is_none() => {}
        Content::Missing => {
            let file = file.to_owned();
            return Err(SettingsError::NoFile { file });
        }
    }
    Ok(Layer::default())
}

fn parse(text: &str, file: &str, warnings: &mut Vec<Warning>) -> Result<Layer, SettingsError> {
    let not_an_object = |line| SettingsError::Syntax {
        file: file.to_owned(),
        line,
        problem: "not a JSON object".to_owned(),
    };
    let wrong = |field: &str, problem: &str| SettingsError::Impossible {
        key: field.to_owned(),
        problem: problem.to_owned(),
        origin: file.to_owned(),
    };
    let document: Value =
        serde_json::from_str(text).map_err(|error| not_an_object(error.line()))?;
    let document = document.as_object().ok_or_else(|| not_an_object(1))?;
    if document.contains_key("imaggan") && document.contains_key("imagga") {
        return Err(wrong("imagga", "is given more than once, as imaggan too"));
    }
    let mut layer = Layer::default();
    for (service, fields) in document {
        let known = SERVICES.iter().find(|(name, _)| name == service);
        let (_, known) = known.ok_or_else(|| wrong(service, "no such field"))?;
        let fields = fields.as_object();
        for (field, value) in fields.ok_or_else(|| wrong(service, "is not an object"))? {
            let path = format!("{service}.{field}");
            let known = known.iter().find(|(name, _)| name == field);
            let (_, key) = known.ok_or_else(|| wrong(&path, "no such field"))?;
            let Some(key) = key else { continue };
            let text = value
                .as_str()
                .ok_or_else(|| wrong(&path, "is not a text"))?;
            match text.trim() {
                text if is_placeholder(text) => warnings.push(Warning::NotFilledIn {
                    file: file.to_owned(),
                    field: path,
                }),
                text => layer.set(key, text, file),
            }
        }
    }
    Ok(layer)
}

/// Empty, or a placeholder like `<your_key>` in the example file.
fn is_placeholder(text: &str) -> bool {
    text.is_empty() || text.starts_with('<') && text.ends_with('>')
}
