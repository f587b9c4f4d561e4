//! What a page's walk goes along, and how far at a time.

use diesel::{
    QueryableByName,
    sql_types::{BigInt, Integer, Nullable},
};
use diesel_async::RunQueryDsl;

use super::{
    super::{BY_LABEL, BY_TIME, Connection, statement::Statement},
    Span, Walk, Wanted,
};
use crate::fault::Fault;

/// How far into an index its density is measured; also the first stride of a walk along it.
const DEPTH: usize = 1000;

/// Each stride is so many times as long as the one before it, because that was mostly in vain...
const GROWTH: usize = 4;

/// ...up to this length: a fraction of a second.
const LONGEST: usize = 32_000;

/// How many times as many images as there are matches may be walked along, rather than putting the
/// lists of several labels together.
const IN_VAIN: f64 = 8.0;

/// The most labels that are measured by one statement, and by one that is worth remembering.
const MEASURED: usize = 100;
const REMEMBERED: usize = 8;

/// The time at which a stride ends; none is the end of the list.
#[derive(Debug, Clone, Copy)]
struct Floor(Option<i64>);

/// A walk, and its next stride.
pub(super) struct Course {
    walk: Walk,
    /// None if no image is passed over: the page itself is the bound.
    stride: Option<usize>,
    /// Where the next stride ends, if that is known.
    floor: Option<Floor>,
}

impl Course {
    /// Chooses what to walk along: whatever is the rarest from the place on, because every step may be
    /// in vain.
    pub(super) async fn choose(
        connection: &mut Connection,
        wanted: &Wanted,
        span: &Span,
        limit: usize,
    ) -> Result<Self, Fault> {
        let asks_more = wanted.any_of.len() + wanted.none_of.len() > 0 || wanted.lowest.is_some();
        match wanted.all_of.as_slice() {
            [] if !asks_more => return Ok(Self::straight(Walk::Images)),
            [label] if !asks_more => return Ok(Self::straight(Walk::Label(*label))),
            [] if wanted.any_of.is_empty() => return Ok(Self::along(Walk::Images, DEPTH)),
            _ => {}
        }
        let reaches = reaches(connection, &wanted.all_of, span, DEPTH).await?;
        // The rarer a label, the further back its thousandth image lies; it has fewer if there is none.
        let rarest = reaches.into_iter().min();
        let known = rarest.map(|(floor, label)| Self {
            floor: Some(Floor(floor)),
            ..Self::along(Walk::Label(label), DEPTH)
        });
        if wanted.any_of.is_empty() {
            return Ok(known.unwrap_or(Self::along(Walk::Images, DEPTH)));
        }
        let floor = rarest.map(|(floor, _)| Floor(floor));
        let depth = depth_of_each(wanted.any_of.len(), limit);
        if is_any_of_rarer(connection, wanted, span, depth, floor).await? {
            return Ok(Self::along(Walk::AnyOf, depth));
        }
        Ok(known.unwrap_or(Self::along(Walk::Images, DEPTH)))
    }

    fn straight(walk: Walk) -> Self {
        Self {
            walk,
            stride: None,
            floor: None,
        }
    }

    fn along(walk: Walk, stride: usize) -> Self {
        Self {
            walk,
            stride: Some(stride),
            floor: None,
        }
    }

    pub(super) fn walk(&self) -> Walk {
        self.walk
    }

    /// The time at which the next stride ends; none if it goes to the end of the span.
    pub(super) async fn floor(
        &mut self,
        connection: &mut Connection,
        wanted: &Wanted,
        span: &Span,
    ) -> Result<Option<i64>, Fault> {
        let Some(stride) = self.stride else {
            return Ok(None);
        };
        let labels = wanted.any_of.len().max(1);
        let longest = if self.walk == Walk::AnyOf {
            LONGEST / labels
        } else {
            LONGEST
        };
        self.stride = Some((stride * GROWTH).min(longest).max(1));
        if let Some(Floor(known)) = self.floor.take() {
            return Ok(known);
        }
        match self.walk {
            Walk::Images => Ok(depth_of_images(connection, span, stride).await?.1),
            Walk::Label(label) => {
                let reaches = reaches(connection, &[label], span, stride).await?;
                Ok(reaches.into_iter().next().and_then(|(floor, _)| floor))
            }
            // The nearest of all: no label has more images than that in the stride.
            Walk::AnyOf => {
                let reaches = reaches(connection, &wanted.any_of, span, stride).await?;
                Ok(reaches.into_iter().filter_map(|(floor, _)| floor).max())
            }
        }
    }
}

/// How far into the list of each of several labels the first stride goes: together they should have
/// enough images for the page.
fn depth_of_each(labels: usize, limit: usize) -> usize {
    let enough = (2 * limit).div_ceil(labels).clamp(16, DEPTH);
    enough.min(LONGEST / labels).max(1)
}

/// Whether the lists of all the labels of which one must be carried have fewer images together than
/// the list that would be walked along else: that of a label, with its floor, or that of all images.
async fn is_any_of_rarer(
    connection: &mut Connection,
    wanted: &Wanted,
    span: &Span,
    depth: usize,
    rival: Option<Floor>,
) -> Result<bool, Fault> {
    let (newest, images) = depth_of_images(connection, span, DEPTH).await?;
    let Some(newest) = newest else {
        return Ok(false);
    };
    let reaches = reaches(connection, &wanted.any_of, span, depth).await?;
    let floors = reaches.into_iter().map(|(floor, _)| floor);
    let any_of: f64 = floors.map(|floor| density(newest, floor, depth)).sum();
    Ok(match rival {
        Some(Floor(floor)) => any_of < density(newest, floor, DEPTH),
        None => images.is_some() && any_of * IN_VAIN < density(newest, images, DEPTH),
    })
}

/// Images in a microsecond, if so many lie from the floor on; close to none where there is no floor.
#[expect(clippy::cast_precision_loss, reason = "it is a rough measure")]
fn density(newest: i64, floor: Option<i64>, depth: usize) -> f64 {
    let time = |floor| newest.saturating_sub(floor).max(1) as f64;
    floor.map_or(0.0, |floor| depth as f64 / time(floor))
}

#[derive(QueryableByName)]
struct ReachRow {
    #[diesel(sql_type = Integer)]
    label_id: i32,
    #[diesel(sql_type = BigInt)]
    registered_at: i64,
}

/// For each label the time of the image that is the so-manieth of its list in a span; none if the list
/// is shorter.
async fn reaches(
    connection: &mut Connection,
    labels: &[i32],
    span: &Span,
    depth: usize,
) -> Result<Vec<(Option<i64>, i32)>, Fault> {
    let mut reaches: Vec<(Option<i64>, i32)> = Vec::new();
    for labels in labels.chunks(MEASURED) {
        let rows: Vec<ReachRow> = measuring(labels, span, depth).load(connection).await?;
        reaches.extend(
            rows.iter()
                .map(|row| (Some(row.registered_at), row.label_id)),
        );
        let is_short = |label: &&i32| !rows.iter().any(|row| row.label_id == **label);
        reaches.extend(labels.iter().filter(is_short).map(|label| (None, *label)));
    }
    Ok(reaches)
}

pub(in super::super::super) fn measuring(labels: &[i32], span: &Span, depth: usize) -> Statement {
    let mut statement = Statement::default();
    for (n, label) in labels.iter().enumerate() {
        let before = if n == 0 { "" } else { " UNION ALL " };
        statement = statement
            .sql(&format!(
                "{before}SELECT * FROM (SELECT label_id, registered_at \
                 FROM etiqueta_image_tag {BY_LABEL} WHERE "
            ))
            .one_of("label_id", &[*label])
            .sql(" AND ")
            .then(last_within(span, depth))
            .sql(&format!(") AS reach{n}"));
    }
    if labels.len() > REMEMBERED {
        return statement.unique();
    }
    statement
}

/// Picks the time of the image that is the so-manieth in a span.
fn last_within(span: &Span, depth: usize) -> Statement {
    Statement::new("registered_at BETWEEN ")
        .long(span.first)
        .sql(" AND ")
        .long(span.last)
        .sql(" ORDER BY registered_at DESC LIMIT 1 OFFSET ")
        .long(i64::try_from(depth - 1).unwrap_or(i64::MAX))
}

#[derive(QueryableByName)]
struct DepthRow {
    #[diesel(sql_type = Nullable<BigInt>)]
    newest: Option<i64>,
    #[diesel(sql_type = Nullable<BigInt>)]
    floor: Option<i64>,
}

/// The times of the newest image of a span, and of the one that is the so-manieth.
async fn depth_of_images(
    connection: &mut Connection,
    span: &Span,
    depth: usize,
) -> Result<(Option<i64>, Option<i64>), Fault> {
    let one = || {
        Statement::new(&format!(
            "(SELECT registered_at FROM etiqueta_image {BY_TIME} WHERE "
        ))
    };
    let statement = Statement::new("SELECT ")
        .then(one())
        .then(last_within(span, 1))
        .sql(") AS newest, ")
        .then(one())
        .then(last_within(span, depth))
        .sql(") AS floor");
    let row: DepthRow = statement.get_result(connection).await?;
    Ok((row.newest, row.floor))
}
