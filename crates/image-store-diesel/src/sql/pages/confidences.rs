//! The confidences of one label, in strides.

use diesel::sql_types::{BigInt, Binary, Double};
use domain::{ConfidenceHistogram, ImageId, ImageOrder, ImageQuery, Label, PageKey, TimeWindow};

use super::{
    super::{BY_LABEL, Connection, label_cache::LabelCache, load, statement::Statement},
    range::{ListRange, ScanRange},
};
use crate::{
    error::StoreError,
    values::{self, IdBytes},
};

/// How many images a stride counts: some milliseconds of work.
const STRIDE: usize = 10_000;

type Row = (IdBytes, i64, f64);

/// Counts a stride of the images with a label, newest first, after a cursor. Returns the cursor of the next
/// stride, if there may be one.
pub(in super::super) async fn confidences(
    connection: &mut Connection,
    cache: &LabelCache,
    label: &Label,
    window: &TimeWindow,
    after: Option<PageKey>,
) -> Result<(ConfidenceHistogram, Option<PageKey>), StoreError> {
    let mut histogram = ConfidenceHistogram::default();
    let known = cache.ids(connection, &[&vec![label.clone()]]).await?;
    let Some(label) = known.get(label).copied() else {
        return Ok((histogram, None));
    };
    let query = ImageQuery {
        window: *window,
        ..ImageQuery::default()
    };
    let range = ListRange::new(&query, after);
    let statement =
        stride(label, range.by(ImageOrder::Registered)).with_columns::<(Binary, BigInt, Double)>();
    let rows: Vec<Row> = load(connection, statement).await?;
    for (.., confidence) in &rows {
        histogram.count(values::confidence(*confidence)?);
    }
    let last = rows.last().filter(|_| rows.len() >= STRIDE);
    Ok((histogram, last.map(cursor).transpose()?))
}

/// The images of a label in a range, newest first, from the index alone.
pub(in super::super::super) fn stride(label: i32, range: &ScanRange) -> Statement {
    Statement::new(&format!(
        "SELECT walked.image_id, walked.registered_at, walked.confidence \
         FROM etiqueta_image_tag AS walked {BY_LABEL} WHERE walked.label_id = "
    ))
    .int(label)
    .sql(" AND ")
    .then(range.has("walked.registered_at", "walked.image_id"))
    .sql(" ORDER BY walked.registered_at DESC, walked.image_id DESC LIMIT ")
    .long(i64::try_from(STRIDE).unwrap_or(i64::MAX))
}

fn cursor((id, registered_at, _): &Row) -> Result<PageKey, StoreError> {
    Ok(PageKey {
        order: ImageOrder::Registered,
        time: values::time(*registered_at)?.naive_utc(),
        id: ImageId::from_bytes(id.get()?),
    })
}
