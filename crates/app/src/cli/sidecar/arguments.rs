//! Arguments of `etiqueta sidecar`.

use std::path::PathBuf;

use clap::Args;
use domain::{Label, Threshold};
use glob::Pattern;

use crate::settings::threshold;

/// What stands between the names of a hierarchy in sidecars.
const SEPARATORS: [char; 2] = ['/', '|'];

#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub(crate) struct SidecarArguments {
    /// Folders of pictures, and pictures
    #[arg(required = true, value_name = "FOLDER")]
    pub(super) paths: Vec<PathBuf>,

    /// A keyword to put all others below, such as `auto`
    #[arg(long, value_name = "NAME", value_parser = root)]
    pub(super) root: Option<String>,

    /// Lowest confidence of the tags to write, from 0 to 100; else all tags that are shown
    #[arg(long, value_name = "N", value_parser = threshold)]
    pub(super) min_confidence: Option<Threshold>,

    /// Leave out files and folders whose name, or path below FOLDER, matches: `*.png`, `@eaDir`,
    /// `2019/**`. May be repeated
    #[arg(long, value_name = "GLOB", value_parser = Pattern::new)]
    pub(super) exclude: Vec<Pattern>,

    /// Print a JSON object a line, the last one a summary
    #[arg(long)]
    pub(super) json: bool,
}

/// A keyword, in upper and lower case as it was given.
fn root(text: &str) -> Result<String, String> {
    Label::parse(text).map_err(|error| error.to_string())?;
    let text = text.trim();
    if text.contains(SEPARATORS) || text.contains(char::is_control) {
        return Err("it must not have /, | or control characters".to_owned());
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_root_is_a_keyword() {
        assert_eq!(root(" Auto tags "), Ok("Auto tags".to_owned()));
        for text in ["", " ", "a/b", "a|b", "a\nb", &"x".repeat(256)] {
            assert!(root(text).is_err(), "{text:?}");
        }
    }
}
