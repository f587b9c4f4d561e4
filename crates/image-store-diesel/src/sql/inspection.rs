//! Scans rows for checks.
//!
//! Texts are read as bytes here, and references by outer joins: a broken row must not keep the next one
//! from being read.

mod originals;
mod rows;

use std::num::NonZeroU32;

use async_trait::async_trait;
use diesel::{QueryableByName, sql_query, sql_types::BigInt};
use diesel_async::RunQueryDsl;
use domain::{
    ContentDigest,
    ports::{
        Cause, ImageStoreError, Inspected, Inspector, RecordedOriginal, Repair, RowMark, Rows,
        Segment, SegmentFault, StatisticsInspector, UnreadableRow, VerifiedSegment,
    },
};
use thiserror::Error;

use super::{Backend, Connection, ROWS, Store, statistics};
use crate::error::StoreError;

/// What is wrong with a readable row.
#[derive(Debug, Error)]
enum RowError {
    #[error("{0:?} is not written as labels are")]
    Label(String),
    #[error("its original, number {0}, is not recorded")]
    Original(i64),
    #[error("its label, number {0}, is not there")]
    Unlabelled(i32),
}

#[async_trait]
impl Inspector for Store {
    async fn count(&self, rows: Rows) -> Result<u64, ImageStoreError> {
        self.read(|mut connection| async move { count(&mut connection, rows).await })
            .await
    }

    async fn inspect(
        &self,
        rows: Rows,
        after: Option<RowMark>,
        limit: NonZeroU32,
    ) -> Result<Inspected, ImageStoreError> {
        let after = &after;
        self.read(|mut connection| async move {
            let after = after.clone().map(|RowMark(key)| key);
            match rows {
                Rows::Labels => rows::labels(&mut connection, after, limit).await,
                Rows::Images => rows::images(&mut connection, after, limit).await,
                Rows::Taggings => rows::taggings(&mut connection, after, limit).await,
                Rows::Originals => originals::walk(&mut connection, after, limit).await,
            }
        })
        .await
    }

    async fn recorded(
        &self,
        digests: &[ContentDigest],
    ) -> Result<Vec<RecordedOriginal>, ImageStoreError> {
        self.read(|mut connection| async move {
            let mut recorded = Vec::new();
            for digests in digests.chunks(ROWS) {
                recorded.extend(originals::find(&mut connection, digests).await?);
            }
            Ok(recorded)
        })
        .await
    }
}

#[async_trait]
impl StatisticsInspector for Store {
    async fn count_segments(&self) -> Result<u64, ImageStoreError> {
        self.read(|mut connection| async move { statistics::count(&mut connection).await })
            .await
    }

    async fn verify_segment(
        &self,
        after: Option<RowMark>,
    ) -> Result<Option<VerifiedSegment>, ImageStoreError> {
        let after = &after;
        self.read(|mut connection| async move {
            statistics::verify(&mut connection, after.clone()).await
        })
        .await
    }

    async fn repair_segment(
        &self,
        segment: &Segment,
        fault: SegmentFault,
    ) -> Result<Repair, ImageStoreError> {
        self.write(|mut connection| async move {
            statistics::repair(&mut connection, *segment, fault, self.sizes).await
        })
        .await
    }
}

fn table(rows: Rows) -> &'static str {
    match rows {
        Rows::Labels => "etiqueta_label",
        Rows::Images => "etiqueta_image",
        Rows::Taggings => "etiqueta_tagging",
        Rows::Originals => "etiqueta_original",
    }
}

#[derive(QueryableByName)]
struct CountRow {
    #[diesel(sql_type = BigInt)]
    number: i64,
}

async fn count(connection: &mut Connection, rows: Rows) -> Result<u64, StoreError> {
    let statement = format!("SELECT COUNT(*) AS number FROM {}", table(rows));
    let row: CountRow = sql_query(statement).get_result(connection).await?;
    u64::try_from(row.number).map_err(StoreError::corrupt)
}

/// A batch; `next` is the key of the last row if there may be more.
fn inspected(count: usize, limit: NonZeroU32, last: Option<Vec<u8>>) -> Inspected {
    let is_full = count >= limit.get() as usize;
    Inspected {
        rows: count as u64,
        next: last.filter(|_| is_full).map(RowMark),
        ..Inspected::default()
    }
}

/// An unreadable row, by table and key.
fn unreadable(rows: Rows, key: impl std::fmt::Display, reason: Cause) -> UnreadableRow {
    UnreadableRow {
        name: format!("{} {key}", table(rows)),
        image: None,
        digest: None,
        reason,
    }
}

/// An integer key as a cursor.
fn mark(id: i64) -> Vec<u8> {
    id.to_be_bytes().to_vec()
}

/// The integer key of a cursor.
fn number(mark: Option<Vec<u8>>) -> i64 {
    let bytes = mark.and_then(|mark| mark.try_into().ok());
    bytes.map_or(i64::MIN, i64::from_be_bytes)
}

fn text(bytes: Vec<u8>) -> Result<String, StoreError> {
    String::from_utf8(bytes).map_err(StoreError::corrupt)
}
