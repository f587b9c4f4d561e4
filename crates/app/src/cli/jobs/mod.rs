//! `etiqueta jobs`, `retag`, `edit` and `delete`: jobs, directly in the database.

mod arguments;
mod progress;

use std::{
    io::{self, Write},
    num::NonZeroU32,
    time::Duration,
};

use anyhow::{Context, bail};
use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use domain::{
    Confidence, ImageId, Job, JobAction, JobFilter, JobId, JobRequest, JobResult, JobState, Label,
    LabelFilter, MAX_IDS, ShownNames, Tag, TagEdit, TimeWindow, service::Jobs,
};
use serde_json::{Value, json};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

pub(super) use self::arguments::{
    DeleteArguments, EditArguments, FilterArguments, JobsCommand, RetagArguments,
};
use super::exit::Usage;
use crate::{
    jobs,
    settings::Settings,
    wiring::{self, Database, Gates},
};

/// How many jobs are listed unless told otherwise.
const LISTED: NonZeroU32 = NonZeroU32::new(20).unwrap();

/// How long hosted blobs may take to be released.
const DRAIN: Duration = Duration::from_secs(5);

/// How many labels of a result are printed.
const SHOWN: usize = 20;

/// Lists, shows and cancels jobs.
pub(super) async fn run(command: JobsCommand, settings: &Settings) -> anyhow::Result<()> {
    let database = Database::new(settings)?;
    // Before anything is opened: looking makes no file.
    database.require_schema().await?;
    let jobs = wiring::managing_jobs(&database)?;
    let zone = settings.server.timezone;
    match command {
        JobsCommand::List { limit, json } => {
            let listed = jobs.list(None, limit.unwrap_or(LISTED)).await?;
            let write = if json { write_json } else { write_line };
            let mut out = io::stdout().lock();
            for job in &listed {
                write(job, None, zone, &mut out)?;
            }
            Ok(out.flush()?)
        }
        JobsCommand::Show { id, json } => {
            let job = jobs.find(&id).await?.ok_or_else(|| no_job(&id))?;
            show(&jobs, &job, zone, json).await
        }
        JobsCommand::Cancel { id } => {
            let job = jobs.cancel(&id).await?.ok_or_else(|| no_job(&id))?;
            writeln!(io::stderr(), "etiqueta: {}", summary(&job))?;
            Ok(())
        }
    }
}

fn no_job(id: &JobId) -> Usage {
    Usage::because(format!("there is no job {id}"))
}

/// Has images tagged again.
pub(super) async fn retag(arguments: RetagArguments, settings: &Settings) -> anyhow::Result<()> {
    let action = JobAction::Retag {
        provider: arguments.provider,
        threshold: arguments.min_confidence,
    };
    change(action, arguments.filter, true, settings).await
}

/// Adds and removes tags.
pub(super) async fn edit(arguments: EditArguments, settings: &Settings) -> anyhow::Result<()> {
    let add = arguments.add.iter().map(|text| added(text));
    let add: Vec<Tag> = add.collect::<anyhow::Result<_>>()?;
    let remove = arguments.remove.iter().map(|text| label(text));
    let remove: Vec<Label> = remove.collect::<anyhow::Result<_>>()?;
    let edit = TagEdit::new(&add, &remove).map_err(|error| Usage::because(error.to_string()))?;
    if edit.is_empty() {
        bail!(Usage::because("`edit` needs --add or --remove"));
    }
    change(JobAction::Edit(edit), arguments.filter, false, settings).await
}

/// Deletes images.
pub(super) async fn delete(arguments: DeleteArguments, settings: &Settings) -> anyhow::Result<()> {
    change(JobAction::Delete, arguments.filter, false, settings).await
}

/// Applies the vocabulary.
pub(super) async fn apply_vocabulary(
    arguments: FilterArguments,
    settings: &Settings,
) -> anyhow::Result<()> {
    change(JobAction::Vocabulary, arguments, true, settings).await
}

/// A name, or a name and a confidence with `=` between them.
fn added(text: &str) -> anyhow::Result<Tag> {
    let given = text.rsplit_once('=');
    let number = given.and_then(|(name, number)| Some((name, number.trim().parse().ok()?)));
    let (name, confidence) = number.unwrap_or((text, 100.0));
    Ok(Tag {
        label: label(name)?,
        confidence: Confidence::new(confidence)
            .map_err(|error| Usage::because(format!("{text:?}: {error}")))?,
    })
}

fn label(text: &str) -> anyhow::Result<Label> {
    Label::parse(text).map_err(|error| Usage::because(format!("{text:?}: {error}")).into())
}

/// Makes a job, carries it out unless a server does, and prints its result.
async fn change(
    action: JobAction,
    arguments: FilterArguments,
    may_be_everything: bool,
    settings: &Settings,
) -> anyhow::Result<()> {
    let zone = settings.server.timezone;
    let (window, labels, ids) = filter(&arguments, zone)?;
    let simplest = JobFilter::new(labels.clone().within(window), ids.clone());
    if simplest.is_everything() && !may_be_everything && !arguments.all {
        bail!(Usage::because("name a condition, or --all for all images"));
    }
    let database = Database::new(settings)?;
    database.require_schema().await?;
    let gates = Gates::default();
    let parts = wiring::assemble(settings, &gates)?;
    gates.schema.open();
    let catalog = &parts.api.catalog;
    let labels = catalog.resolve(labels, &ShownNames::default()).await?;
    let request = JobRequest {
        action,
        filter: JobFilter::new(labels.within(window), ids),
        dry_run: arguments.dry_run,
    };
    let jobs = parts.api.jobs.clone();
    let job = jobs.create(request, arguments.expected, None).await?;
    let stop = CancellationToken::new();
    let running = jobs::run(&parts.runner, &parts.enqueued, &gates.schema, &stop);
    let following = async {
        let ended = progress::follow(&jobs, &job).await;
        stop.cancel();
        ended
    };
    let (ended, ()) = tokio::join!(following, running);
    if let Some(releases) = &parts.releases {
        // What is left is upkeep's.
        let _ = timeout(DRAIN, releases.drained()).await;
    }
    let Some(job) = ended? else {
        bail!(
            "interrupted; a server goes on with the job, or end it with `etiqueta jobs cancel {}`",
            job.id
        );
    };
    show(&jobs, &job, zone, arguments.json).await?;
    if job.state != JobState::Done {
        bail!(
            "the job {} was not carried out: {}",
            job.id,
            job.state.as_str()
        );
    }
    if job.failed > 0 {
        bail!("{} images failed", job.failed);
    }
    Ok(())
}

/// Images that are asked for, before names of tags are looked up.
type Wanted = (TimeWindow, LabelFilter, Option<Vec<ImageId>>);

fn filter(arguments: &FilterArguments, zone: Tz) -> anyhow::Result<Wanted> {
    let members = arguments.members();
    if arguments.all && (!members.is_empty() || !arguments.ids.is_empty()) {
        bail!(Usage::because("--all stands alone"));
    }
    if arguments.ids.len() > MAX_IDS {
        bail!(Usage::because(format!("at most {MAX_IDS} ids")));
    }
    let (window, labels) = http_api::queries::job_filter(members, zone)
        .map_err(|problem| Usage::because(problem.to_string()))?;
    let ids = (!arguments.ids.is_empty()).then(|| arguments.ids.clone());
    Ok((window, labels, ids))
}

async fn show(jobs: &Jobs, job: &Job, zone: Tz, json: bool) -> anyhow::Result<()> {
    let result = jobs.result(job).await.context("reading the result")?;
    let mut out = io::stdout().lock();
    let write = if json { write_json } else { write_text };
    write(job, result.as_ref(), zone, &mut out)?;
    Ok(out.flush()?)
}

fn date(at: DateTime<Utc>, zone: Tz) -> String {
    let local = at.with_timezone(&zone);
    local.format("%Y-%m-%d %H:%M:%S").to_string()
}

fn summary(job: &Job) -> String {
    let Job {
        id,
        done,
        total,
        failed,
        ..
    } = job;
    let (kind, state) = (job.kind.as_str(), job.state.as_str());
    let dry = if job.dry_run { " (dry run)" } else { "" };
    format!("{id}  {kind}{dry}  {state}  {done} of {total} images, {failed} failed")
}

fn write_line(job: &Job, _: Option<&JobResult>, zone: Tz, out: &mut dyn Write) -> io::Result<()> {
    let created = date(job.created_at, zone);
    writeln!(out, "{}  created {created}", summary(job))
}

fn write_text(
    job: &Job,
    result: Option<&JobResult>,
    zone: Tz,
    out: &mut dyn Write,
) -> io::Result<()> {
    write_line(job, None, zone, out)?;
    let Some(result) = result else {
        return Ok(());
    };
    let would = if job.dry_run {
        "would change"
    } else {
        "changed"
    };
    writeln!(out, "{} images {would}", job.changed)?;
    for tally in result.tags.iter().take(SHOWN) {
        let (label, moved) = (tally.label.as_str(), tally.moved);
        let (gained, lost, mean) = (tally.gained, tally.lost, tally.mean_move());
        writeln!(
            out,
            "  {label}: +{gained} -{lost}, {moved} moved by {mean:+.1}"
        )?;
    }
    let more = result.tags.len().saturating_sub(SHOWN) as u64 + result.more;
    if more > 0 {
        writeln!(out, "  and {more} other tags")?;
    }
    for error in &result.errors {
        writeln!(out, "  {} {}: {}", error.image, error.code, error.detail)?;
    }
    Ok(())
}

fn write_json(
    job: &Job,
    result: Option<&JobResult>,
    zone: Tz,
    out: &mut dyn Write,
) -> io::Result<()> {
    let line = json!({
        "id": job.id.to_string(),
        "kind": job.kind.as_str(),
        "state": job.state.as_str(),
        "dry_run": job.dry_run,
        "done": job.done,
        "total": job.total,
        "failed": job.failed,
        "created": date(job.created_at, zone),
        "started": job.started_at.map(|at| date(at, zone)),
        "finished": job.finished_at.map(|at| date(at, zone)),
        "result": result.map(|result| result_json(job, result)),
    });
    writeln!(out, "{line}")
}

fn result_json(job: &Job, result: &JobResult) -> Value {
    let tags: Vec<Value> = result
        .tags
        .iter()
        .map(|tally| {
            json!({
                "tag": tally.label.as_str(),
                "gained": tally.gained,
                "lost": tally.lost,
                "moved": tally.moved,
                "mean_move": tally.mean_move(),
            })
        })
        .collect();
    let errors: Vec<Value> = result
        .errors
        .iter()
        .map(|error| json!({"id": error.image.to_string(), "code": error.code, "detail": error.detail}))
        .collect();
    json!({"changed": job.changed, "tags": tags, "more": result.more, "errors": errors})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_to_add_may_have_a_confidence() {
        for (text, name, value) in [
            ("cat", "cat", 100.0),
            ("cat=90", "cat", 90.0),
            ("a=b", "a=b", 100.0),
            ("a=b=12.5", "a=b", 12.5),
        ] {
            let tag = added(text).unwrap();
            assert_eq!(tag.label.as_str(), name);
            assert!((tag.confidence.get() - value).abs() < 1e-9);
        }
        for text in ["", "cat=101", "=90"] {
            assert!(added(text).is_err(), "{text}");
        }
    }
}
