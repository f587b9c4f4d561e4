//! Command-line arguments.

use std::{path::PathBuf, time::Duration};

use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;
use domain::{DatabaseId, KeyId, KeyName, Scope, Threshold};

use super::{
    export::ExportArguments,
    import::ImportArguments,
    jobs::{DeleteArguments, EditArguments, JobsCommand, RetagArguments},
    sidecar::SidecarArguments,
    vocabulary::VocabularyCommand,
};
use crate::settings::threshold;

/// A self-hosted image-tagging server.
#[derive(Debug, Parser)]
#[command(name = "etiqueta", version, about)]
pub(super) struct Arguments {
    /// Settings file, in place of etiqueta.toml in the working directory
    #[arg(long, global = true, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,

    #[command(subcommand)]
    command: Option<Command>,
}

impl Arguments {
    /// The command; `serve` by default.
    pub(super) fn command(&self) -> Command {
        let serve = Command::Serve { no_migrate: false };
        self.command.clone().unwrap_or(serve)
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub(super) enum Command {
    /// Serve the API (the default)
    Serve {
        /// Refuse to start if migrations of the database are pending, instead of applying them
        #[arg(long)]
        no_migrate: bool,
    },
    /// Apply the pending migrations of the database
    Migrate,
    /// Print the settings in force, without secrets
    Config,
    /// Print the description of the API as an OpenAPI document
    Openapi,
    /// Create, list and revoke API keys; also while servers run
    #[command(subcommand)]
    Key(KeyCommand),
    /// Write the vocabulary to a file, read it from one, and apply it; also while servers run
    #[command(subcommand)]
    Vocabulary(VocabularyCommand),
    /// List, show and cancel jobs; also while servers run
    #[command(subcommand)]
    Jobs(JobsCommand),
    /// Have images tagged again; also while servers run
    Retag(RetagArguments),
    /// Add tags to images and remove tags from them; also while servers run
    Edit(EditArguments),
    /// Delete images; also while servers run. There is no bin
    Delete(DeleteArguments),
    /// Print the tags of pictures, without storing anything
    Tag(TagArguments),
    /// Import pictures and folders of pictures, those of the Flask program, or an export; also while servers run
    ///
    /// What was imported before is left alone: an import can be broken off and started again.
    Import(ImportArguments),
    /// Export everything as lines of JSON, or tags as a table; also while servers run
    ///
    /// Lines of JSON are a backup in plain text, and the way to another kind of database: `etiqueta import
    /// --from-export` reads them. Keys, sessions and jobs are not exported.
    Export(ExportArguments),
    /// Write the tags of pictures into XMP sidecars beside them; also while servers run
    ///
    /// What other programs wrote stays. What an earlier run wrote is taken back where it is not a tag any more.
    Sidecar(SidecarArguments),
    /// Check that all images and originals are there and whole, or what the server runs on; also while servers run
    ///
    /// Exit codes: 0 all is sound; 1 what was found was repaired; 2 the command line or the settings
    /// are wrong; 4 something found is left; 8 it could not be checked.
    Check(CheckArguments),
    /// Copy the SQLite database into a new file, and check the copy; also while servers run
    ///
    /// The file appears once it is whole. Originals are not part of it: copy them afterwards.
    Backup {
        /// The new file
        file: PathBuf,
    },
    /// Ask the server of these settings whether it answers
    Healthcheck,
    /// Print the completions of a shell
    Completions {
        /// The shell
        shell: Shell,
    },
    /// Write the manual pages
    Man {
        /// The folder for them
        folder: PathBuf,
    },
}

#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub(super) enum KeyCommand {
    /// Create a key and print it; it is shown only once
    Create {
        /// Its name
        #[arg(value_parser = KeyName::parse)]
        name: KeyName,

        /// Its permissions: read, tag, upload, write (these three and changes), metrics, admin
        /// (everything). May be repeated
        #[arg(
            long = "scope",
            required = true,
            value_delimiter = ',',
            value_name = "SCOPE"
        )]
        scopes: Vec<Scope>,

        /// Validity, such as 90d or 12h; by default it does not expire
        #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
        expires: Option<Duration>,
    },
    /// List the keys, without their secrets
    List {
        /// Print a JSON object a line
        #[arg(long)]
        json: bool,
    },
    /// Revoke a key: it is refused from the next request on, and its sessions end
    Revoke {
        /// The id of the key, as listed
        id: KeyId,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Args)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a switch of the command line"
)]
pub(super) struct CheckArguments {
    /// Move originals that no image refers to into the quarantine; nothing is removed
    #[arg(long)]
    pub(super) repair: bool,

    /// With --repair: also those that the database never heard of. Only where no other database uses
    /// the same place
    #[arg(long, requires = "repair")]
    pub(super) unknown: bool,

    /// Another database uses the same place: pass over the originals that this one never heard of
    #[arg(long, conflicts_with = "unknown")]
    pub(super) shared: bool,

    /// Look at the lengths of originals alone, not at their bytes
    #[arg(long)]
    pub(super) quick: bool,

    /// Print a JSON object a line, the last one a summary
    #[arg(long)]
    pub(super) json: bool,

    /// Check not the store but what it runs on: database, originals, clock, space, memory, permissions, and the
    /// tagger, which gets one small picture
    #[arg(long, conflicts_with_all = ["repair", "unknown", "shared", "quick", "forget_database"])]
    pub(super) settings: bool,

    /// Check nothing: take away the id that a database left with the originals. Only if that database
    /// will never be used with them again; its originals are not protected any more
    #[arg(long, value_name = "ID", exclusive = true)]
    pub(super) forget_database: Option<DatabaseId>,
}

#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub(super) struct TagArguments {
    /// Pictures, and folders of pictures
    #[arg(required = true, value_name = "FILE")]
    pub(super) files: Vec<PathBuf>,

    /// Print a JSON object a line
    #[arg(long)]
    pub(super) json: bool,

    /// Lowest confidence of the tags to print, from 0 to 100; else that of the settings
    #[arg(long, value_name = "N", value_parser = threshold)]
    pub(super) min_confidence: Option<Threshold>,
}

impl Command {
    /// The log level if the settings leave it to the command.
    pub(super) fn log_level(&self) -> &'static str {
        match self {
            Self::Serve { .. } => "info",
            Self::Migrate
            | Self::Config
            | Self::Openapi
            | Self::Key(_)
            | Self::Vocabulary(_)
            | Self::Jobs(_)
            | Self::Retag(_)
            | Self::Edit(_)
            | Self::Delete(_)
            | Self::Tag(_)
            | Self::Import(_)
            | Self::Sidecar(_)
            | Self::Export(_)
            | Self::Check(_)
            | Self::Backup { .. }
            | Self::Healthcheck
            | Self::Completions { .. }
            | Self::Man { .. } => "warn",
        }
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn parsed(line: &str) -> Result<Arguments, clap::Error> {
        Arguments::try_parse_from(line.split(' '))
    }

    #[rstest]
    #[case("etiqueta", Command::Serve { no_migrate: false })]
    #[case("etiqueta serve", Command::Serve { no_migrate: false })]
    #[case("etiqueta serve --no-migrate", Command::Serve { no_migrate: true })]
    #[case("etiqueta migrate", Command::Migrate)]
    #[case("etiqueta config", Command::Config)]
    #[case("etiqueta openapi", Command::Openapi)]
    fn commands(#[case] line: &str, #[case] command: Command) {
        assert_eq!(parsed(line).unwrap().command(), command);
    }

    #[rstest]
    #[case("etiqueta --config my.toml")]
    #[case("etiqueta --config my.toml migrate")]
    #[case("etiqueta migrate --config my.toml")]
    fn config_option_precedes_or_follows_the_command(#[case] line: &str) {
        let file = parsed(line).unwrap().config;
        assert_eq!(file, Some(PathBuf::from("my.toml")));
    }

    #[test]
    fn tag_takes_files_and_a_threshold() {
        let command = parsed("etiqueta tag a.jpg b --json --min-confidence 72.5")
            .unwrap()
            .command();
        let Command::Tag(arguments) = command else {
            panic!("{command:?}");
        };
        assert_eq!(arguments.files, ["a.jpg", "b"].map(PathBuf::from));
        assert!(arguments.json);
        assert_eq!(
            arguments.min_confidence.unwrap().lowest().get().to_string(),
            "72.5"
        );
    }

    #[test]
    fn check_takes_switches() {
        let command = parsed("etiqueta check --repair --unknown --quick --json")
            .unwrap()
            .command();
        let expected = CheckArguments {
            repair: true,
            unknown: true,
            shared: false,
            quick: true,
            json: true,
            settings: false,
            forget_database: None,
        };
        assert_eq!(command, Command::Check(expected));
        let forget = "etiqueta check --forget-database 1b4e28ba-2fa1-41d2-883f-0016d3cca427";
        assert!(parsed(forget).is_ok());
        assert!(parsed("etiqueta check --shared --repair").is_ok());
        assert!(parsed("etiqueta check --settings --json").is_ok());
    }

    #[test]
    fn key_create_takes_scopes_and_a_time() {
        let command =
            parsed("etiqueta key create phone --scope read --scope tag,upload --expires 90d");
        let expected = KeyCommand::Create {
            name: KeyName::parse("phone").unwrap(),
            scopes: vec![Scope::Read, Scope::Tag, Scope::Upload],
            expires: Some(Duration::from_hours(90 * 24)),
        };
        assert_eq!(command.unwrap().command(), Command::Key(expected));
        assert!(parsed("etiqueta key list --json").is_ok());
        assert!(parsed("etiqueta key revoke 1b4e28ba-2fa1-41d2-883f-0016d3cca427").is_ok());
    }

    #[rstest]
    #[case("etiqueta jobs list --limit 5 --json")]
    #[case("etiqueta jobs show 1b4e28ba-2fa1-41d2-883f-0016d3cca427")]
    #[case("etiqueta jobs cancel 1b4e28ba-2fa1-41d2-883f-0016d3cca427")]
    #[case("etiqueta retag --all --min-confidence 60 --provider imagga --dry-run")]
    #[case("etiqueta edit --tags dog --add pet=90 --remove dog --expected 12")]
    #[case(
        "etiqueta delete --q untagged --not-tags a,b --any-tags c --tag-confidence 50 --min-date 2024-01-01 --json"
    )]
    #[case("etiqueta delete --id 1b4e28ba-2fa1-41d2-883f-0016d3cca427")]
    #[case("etiqueta backup copy.db")]
    #[case("etiqueta healthcheck")]
    #[case("etiqueta completions zsh")]
    #[case("etiqueta man folder")]
    #[case("etiqueta vocabulary export -")]
    #[case("etiqueta vocabulary export --keywords list.txt")]
    #[case("etiqueta vocabulary import list.txt")]
    #[case("etiqueta vocabulary apply --q date>=2024-01-01 --dry-run")]
    #[case("etiqueta export")]
    #[case("etiqueta export --jsonl --output store.jsonl --originals originals")]
    #[case("etiqueta export --csv")]
    #[case("etiqueta import --from-export store.jsonl --originals originals --merge --json")]
    #[case("etiqueta import --from-export -")]
    fn others(#[case] line: &str) {
        assert!(parsed(line).is_ok());
    }

    #[rstest]
    #[case("etiqueta backup")]
    #[case("etiqueta completions")]
    #[case("etiqueta completions csh")]
    #[case("etiqueta jobs")]
    #[case("etiqueta jobs show 1")]
    #[case("etiqueta jobs list --limit 0")]
    #[case("etiqueta retag --min-confidence 101")]
    #[case("etiqueta delete --id 1")]
    #[case("etiqueta delete --add x")]
    #[case("etiqueta vocabulary")]
    #[case("etiqueta vocabulary import")]
    #[case("etiqueta key")]
    #[case("etiqueta key create")]
    #[case("etiqueta key create phone")]
    #[case("etiqueta key create phone --scope root")]
    #[case("etiqueta key create phone --scope read --expires soon")]
    #[case("etiqueta key revoke phone")]
    #[case("etiqueta tag")]
    #[case("etiqueta check --unknown")]
    #[case("etiqueta check --repair --unknown --shared")]
    #[case("etiqueta check --settings --repair")]
    #[case("etiqueta check Images")]
    #[case("etiqueta check --forget-database mine")]
    #[case("etiqueta check --repair --forget-database 1b4e28ba-2fa1-41d2-883f-0016d3cca427")]
    #[case("etiqueta tag a.jpg --min-confidence 101")]
    #[case("etiqueta tag a.jpg --min-confidence NaN")]
    #[case("etiqueta export --jsonl --csv")]
    #[case("etiqueta import --from-export")]
    #[case("etiqueta import --from-export store.jsonl photos")]
    #[case("etiqueta import photos --merge")]
    #[case("etiqueta import photos --originals originals")]
    #[case("etiqueta sing")]
    #[case("etiqueta --colour")]
    #[case("etiqueta serve now")]
    fn mistakes(#[case] line: &str) {
        assert!(parsed(line).unwrap_err().use_stderr());
    }
}
