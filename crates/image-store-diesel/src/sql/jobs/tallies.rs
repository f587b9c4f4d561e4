//! How labels changed by jobs.

use std::{cmp::Reverse, collections::HashMap};

use diesel::{
    ExpressionMethods, OptionalExtension, QueryDsl,
    dsl::sql,
    sql_query,
    sql_types::{BigInt, Binary, Double, Integer},
};
use diesel_async::RunQueryDsl;
use domain::{JobId, JobResult, Label, MAX_TALLIES, TagTally, Tallies};

use super::{
    super::{ADD_TALLY, Backend, Connection, ROWS},
    errors, rows,
};
use crate::{
    error::StoreError,
    schema::{job_detail, job_tag, label},
    values::{self, signed},
};

/// How many images changed in a label.
const CHANGES: &str = "(gained + lost + moved)";

/// Adds counts to those of a job.
pub(super) async fn add(
    connection: &mut Connection,
    id: &JobId,
    tallies: &Tallies,
    labels: &HashMap<Label, i32>,
) -> Result<(), StoreError> {
    let mut counted: Vec<(i32, &TagTally)> = tallies
        .iter()
        .filter_map(|tally| Some((*labels.get(&tally.label)?, tally)))
        .collect();
    counted.sort_unstable_by_key(|(number, _)| *number);
    for counted in counted.chunks(ROWS) {
        let places = vec!["(?, ?, ?, ?, ?, ?)"; counted.len()].join(", ");
        let mut statement = sql_query(format!(
            "INSERT INTO etiqueta_job_tag (job_id, label_id, gained, lost, moved, sum_of_moves) \
             VALUES {places} {ADD_TALLY}"
        ))
        .into_boxed::<Backend>();
        for (number, tally) in counted {
            statement = statement
                .bind::<Binary, _>(id.as_bytes().as_slice())
                .bind::<Integer, _>(*number)
                .bind::<BigInt, _>(signed(tally.gained))
                .bind::<BigInt, _>(signed(tally.lost))
                .bind::<BigInt, _>(signed(tally.moved))
                .bind::<Double, _>(tally.sum_of_moves);
        }
        statement.execute(connection).await?;
    }
    Ok(())
}

/// A label's counts.
type Row = (String, i64, i64, i64, f64);

/// What a job changed so far, and its errors.
pub(super) async fn result(
    connection: &mut Connection,
    id: &JobId,
) -> Result<JobResult, StoreError> {
    let key = id.as_bytes().as_slice();
    let kept: i64 = job_tag::table
        .filter(job_tag::job_id.eq(key))
        .count()
        .get_result(connection)
        .await?;
    let tallies: Vec<Row> = job_tag::table
        .inner_join(label::table)
        .filter(job_tag::job_id.eq(key))
        .order((sql::<BigInt>(CHANGES).desc(), label::name))
        .limit(i64::try_from(MAX_TALLIES).unwrap_or(i64::MAX))
        .select((
            label::name,
            job_tag::gained,
            job_tag::lost,
            job_tag::moved,
            job_tag::sum_of_moves,
        ))
        .load(connection)
        .await?;
    let dropped: Option<i64> = job_detail::table
        .find(key)
        .select(job_detail::more)
        .first(connection)
        .await
        .optional()?;
    let tags = tallies.into_iter().map(tally);
    let tags: Vec<TagTally> = tags.collect::<Result<_, _>>()?;
    let beyond = rows::count(kept)?.saturating_sub(tags.len() as u64);
    Ok(JobResult {
        more: beyond + rows::count(dropped.unwrap_or_default())?,
        tags,
        errors: errors::of(connection, id).await?,
    })
}

fn tally((name, gained, lost, moved, sum_of_moves): Row) -> Result<TagTally, StoreError> {
    Ok(TagTally {
        label: values::label(&name)?,
        gained: rows::count(gained)?,
        lost: rows::count(lost)?,
        moved: rows::count(moved)?,
        sum_of_moves,
    })
}

/// Drops the counts of a job that has ended, but for the labels that changed most.
pub(super) async fn trim(connection: &mut Connection, id: &JobId) -> Result<(), StoreError> {
    let key = id.as_bytes().as_slice();
    let kept: i64 = job_tag::table
        .filter(job_tag::job_id.eq(key))
        .count()
        .get_result(connection)
        .await?;
    if usize::try_from(kept).is_ok_and(|kept| kept <= MAX_TALLIES) {
        return Ok(());
    }
    let mut labels: Vec<(i32, String, i64)> = job_tag::table
        .inner_join(label::table)
        .filter(job_tag::job_id.eq(key))
        .select((job_tag::label_id, label::name, sql::<BigInt>(CHANGES)))
        .load(connection)
        .await?;
    labels.sort_unstable_by(|a, b| (Reverse(a.2), &a.1).cmp(&(Reverse(b.2), &b.1)));
    let dropped = labels.iter().skip(MAX_TALLIES).map(|(label, ..)| *label);
    let dropped: Vec<i32> = dropped.collect();
    for labels in dropped.chunks(ROWS) {
        diesel::delete(job_tag::table)
            .filter(job_tag::job_id.eq(key))
            .filter(job_tag::label_id.eq_any(labels))
            .execute(connection)
            .await?;
    }
    diesel::update(job_detail::table.find(key))
        .set(job_detail::more.eq(job_detail::more + signed(dropped.len() as u64)))
        .execute(connection)
        .await?;
    Ok(())
}
