//! Arguments of the commands for jobs.

use std::num::NonZeroU32;

use clap::{Args, Subcommand};
use domain::{ImageId, JobId, Threshold};

use crate::settings::threshold;

#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub(crate) enum JobsCommand {
    /// List the jobs, newest first
    List {
        /// How many at most
        #[arg(long, value_name = "N")]
        limit: Option<NonZeroU32>,

        /// Print a JSON object a line
        #[arg(long)]
        json: bool,
    },
    /// Show a job with its result
    Show {
        /// The id of the job, as listed
        id: JobId,

        /// Print a JSON object
        #[arg(long)]
        json: bool,
    },
    /// Cancel a job: what is done stays
    Cancel {
        /// The id of the job, as listed
        id: JobId,
    },
}

/// Which images, and how.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub(crate) struct FilterArguments {
    /// A search, as in `q` of GET /images
    #[arg(long, value_name = "SEARCH")]
    pub(super) q: Option<String>,

    /// Names of tags, with commas: images with all of them
    #[arg(long, value_name = "NAMES")]
    pub(super) tags: Option<String>,

    /// Names of tags, with commas: images with one of them
    #[arg(long, value_name = "NAMES")]
    pub(super) any_tags: Option<String>,

    /// Names of tags, with commas: images with none of them
    #[arg(long, value_name = "NAMES")]
    pub(super) not_tags: Option<String>,

    /// Confidence from which on a tag counts for these names
    #[arg(long, value_name = "N")]
    pub(super) tag_confidence: Option<String>,

    /// Images registered at this date or later
    #[arg(long, value_name = "DATE")]
    pub(super) min_date: Option<String>,

    /// Images registered at this date or earlier
    #[arg(long, value_name = "DATE")]
    pub(super) max_date: Option<String>,

    /// Ids of images; may be repeated
    #[arg(long = "id", value_name = "ID", value_delimiter = ',')]
    pub(super) ids: Vec<ImageId>,

    /// All images
    #[arg(long)]
    pub(super) all: bool,

    /// Change nothing, and count what would change
    #[arg(long)]
    pub(super) dry_run: bool,

    /// Do nothing if another number of images matches
    #[arg(long, value_name = "N")]
    pub(super) expected: Option<u64>,

    /// Print the result as a JSON object
    #[arg(long)]
    pub(super) json: bool,
}

impl FilterArguments {
    /// The conditions as parameters of `GET /images`.
    pub(super) fn members(&self) -> Vec<(String, String)> {
        let all = [
            ("q", &self.q),
            ("tags", &self.tags),
            ("any_tags", &self.any_tags),
            ("not_tags", &self.not_tags),
            ("min_confidence", &self.tag_confidence),
            ("min_date", &self.min_date),
            ("max_date", &self.max_date),
        ];
        all.into_iter()
            .filter_map(|(name, value)| Some((name.to_owned(), value.clone()?)))
            .collect()
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub(crate) struct RetagArguments {
    #[command(flatten)]
    pub(super) filter: FilterArguments,

    /// Name of the tag provider, if not the one that is set up
    #[arg(long, value_name = "NAME")]
    pub(super) provider: Option<String>,

    /// Lowest confidence of its tags, which is kept with each image; else the one that is kept
    #[arg(long, value_name = "N", value_parser = threshold)]
    pub(super) min_confidence: Option<Threshold>,
}

#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub(crate) struct EditArguments {
    #[command(flatten)]
    pub(super) filter: FilterArguments,

    /// A tag to add, or one with a confidence (cat=90); may be repeated
    #[arg(long, value_name = "TAG")]
    pub(super) add: Vec<String>,

    /// A tag to remove; may be repeated
    #[arg(long, value_name = "TAG")]
    pub(super) remove: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub(crate) struct DeleteArguments {
    #[command(flatten)]
    pub(super) filter: FilterArguments,
}
