//! Arguments of `etiqueta import`.

use std::{convert::Infallible, path::PathBuf, str::FromStr};

use chrono_tz::Tz;
use clap::Args;
use domain::Threshold;
use glob::Pattern;
use secrecy::{ExposeSecret, SecretString};

use crate::settings::threshold;

/// The URL of another program's database, with a password.
#[derive(Debug, Clone)]
pub(crate) struct ArchiveUrl(pub(super) SecretString);

impl PartialEq for ArchiveUrl {
    fn eq(&self, other: &Self) -> bool {
        self.0.expose_secret() == other.0.expose_secret()
    }
}

impl Eq for ArchiveUrl {}

impl FromStr for ArchiveUrl {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(Self(text.into()))
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub(crate) struct ImportArguments {
    /// Pictures and folders of pictures, or `s3://BUCKET/PREFIX`
    #[arg(required_unless_present_any = ["from_flask", "from_export"], value_name = "PATH")]
    pub(super) paths: Vec<PathBuf>,

    /// Lowest confidence of the tags to keep, from 0 to 100; else that of the settings
    #[arg(long, value_name = "N", value_parser = threshold, conflicts_with = "from_flask")]
    pub(super) min_confidence: Option<Threshold>,

    /// Leave out files and folders whose name, or path below PATH, matches: `*.png`, `@eaDir`,
    /// `2019/**`. May be repeated
    #[arg(long, value_name = "GLOB", value_parser = Pattern::new, conflicts_with = "from_flask")]
    pub(super) exclude: Vec<Pattern>,

    /// Take keywords along as tags: those of sidecars (a.jpg.xmp, or else a.xmp), and those in JPEG files. Also of
    /// pictures that are there already, whose tags of earlier keywords go
    #[arg(long, conflicts_with = "from_flask")]
    pub(super) tags_from_sidecars: bool,

    /// Import the pictures and tags of the Flask program that Etiqueta replaces, from its database:
    /// `mysql://USER:PASSWORD@HOST:PORT/NAME`. Nothing is written there
    #[arg(
        long,
        value_name = "URL",
        requires = "images",
        conflicts_with = "paths"
    )]
    pub(super) from_flask: Option<ArchiveUrl>,

    /// With --from-flask: the folder of that program's images. Nothing is written there
    #[arg(long, value_name = "FOLDER", requires = "from_flask")]
    pub(super) images: Option<PathBuf>,

    /// With --from-flask: the time zone of that program's dates; else that of the settings
    #[arg(long, value_name = "ZONE", requires = "from_flask")]
    pub(super) timezone: Option<Tz>,

    /// Restore what `etiqueta export` wrote, with its ids, dates, tags and answers; - is standard input. What
    /// is there already stays
    #[arg(
        long,
        value_name = "FILE",
        conflicts_with_all = ["paths", "from_flask", "min_confidence", "exclude"]
    )]
    pub(super) from_export: Option<PathBuf>,

    /// With --from-export: the folder that the originals were exported to; else they must be in the
    /// store of originals already
    #[arg(
        long,
        value_name = "FOLDER",
        requires = "from_export",
        conflicts_with = "paths"
    )]
    pub(super) originals: Option<PathBuf>,

    /// With --from-export: also into a store that has other images or another vocabulary
    #[arg(long, requires = "from_export", conflicts_with = "paths")]
    pub(super) merge: bool,

    /// Print a JSON object a line, the last one a summary
    #[arg(long)]
    pub(super) json: bool,
}
