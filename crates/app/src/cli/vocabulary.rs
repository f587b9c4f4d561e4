//! `etiqueta vocabulary`: the vocabulary as a file, directly in the database.

use std::{
    fs::{self, File},
    io::{self, Read, Write},
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};
use clap::Subcommand;
use domain::{
    service::{SharedVocabulary, VocabularyError},
    vocabulary::file,
};

use super::jobs::{self, FilterArguments};
use crate::{
    settings::Settings,
    wiring::{self, Database},
};

/// The largest file in bytes.
const LONGEST: u64 = 64 << 20;

/// The name of a file that stands for standard input or output.
const STANDARD: &str = "-";

#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub(crate) enum VocabularyCommand {
    /// Write all entries to a file, as a tab-separated table
    Export {
        /// The file, which is overwritten; - is standard output
        file: PathBuf,

        /// Write a keyword list as Lightroom reads it, without thresholds and names
        #[arg(long)]
        keywords: bool,
    },
    /// Put the entries of a file, in place of those of the same tags: a table, or a keyword list of Lightroom
    Import {
        /// The file; - is standard input
        file: PathBuf,
    },
    /// Apply the vocabulary to the images that are there, from the providers' stored answers
    Apply(FilterArguments),
}

pub(super) async fn run(command: VocabularyCommand, settings: &Settings) -> anyhow::Result<()> {
    let command = match command {
        VocabularyCommand::Apply(filter) => return jobs::apply_vocabulary(filter, settings).await,
        command => command,
    };
    let database = Database::new(settings)?;
    // Before anything is opened: looking makes no file.
    database.require_schema().await?;
    let vocabulary = wiring::managing_vocabulary(&database)?;
    match command {
        VocabularyCommand::Export { file, keywords } => export(&vocabulary, &file, keywords).await,
        VocabularyCommand::Import { file } => import(&vocabulary, &file).await,
        VocabularyCommand::Apply(_) => Ok(()),
    }
}

async fn export(vocabulary: &SharedVocabulary, path: &Path, keywords: bool) -> anyhow::Result<()> {
    let known = vocabulary.read().await?;
    let entries = known.vocabulary.after(None);
    let text = if keywords {
        file::to_keywords(entries)
    } else {
        file::to_table(entries)
    };
    if path == Path::new(STANDARD) {
        let mut out = io::stdout().lock();
        out.write_all(text.as_bytes())?;
        return Ok(out.flush()?);
    }
    fs::write(path, text).with_context(|| format!("writing {}", path.display()))
}

/// Puts all entries of a file, or none.
async fn import(vocabulary: &SharedVocabulary, path: &Path) -> anyhow::Result<()> {
    let text = read(path).with_context(|| format!("reading {}", path.display()))?;
    let shown = path.display();
    let read = match file::from_text(&text) {
        Ok(read) => read,
        Err(error) => bail!("{shown}, {error}; nothing was changed"),
    };
    match vocabulary.import(read.entries()).await {
        Ok(()) => {}
        Err(VocabularyError::Conflict(conflict)) => match read.line_of(&conflict) {
            Some(line) => bail!("{shown}, line {line}: {conflict}; nothing was changed"),
            None => bail!("{shown}: {conflict}; nothing was changed"),
        },
        Err(error) => return Err(error.into()),
    }
    let count = read.entries().len();
    writeln!(io::stderr(), "etiqueta: {count} entries are put")?;
    Ok(())
}

fn read(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    let source: Box<dyn Read> = if path == Path::new(STANDARD) {
        Box::new(io::stdin())
    } else {
        Box::new(File::open(path)?)
    };
    source.take(LONGEST + 1).read_to_string(&mut text)?;
    if text.len() as u64 > LONGEST {
        return Err(io::Error::other("it is larger than 64 MiB"));
    }
    Ok(text)
}
