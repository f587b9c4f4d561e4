//! The scan plan of a page: which index is read, and in what strides.

use diesel::{
    OptionalExtension, QueryableByName,
    sql_types::{BigInt, Binary, Integer, Nullable},
};
use diesel_async::RunQueryDsl;
use domain::{Condition, ImageOrder};

use super::{
    super::{BY_LABEL, BY_TAKEN, BY_TIME, Connection, statement::Statement},
    LabelIds, Scan,
    range::{Floor, ListRange, ScanRange},
};
use crate::error::StoreError;

/// The depth at which the density of an index is measured; also the first stride of its scan.
const DEPTH: usize = 1000;

/// The factor by which each stride grows after one that found too little.
const GROWTH: usize = 4;

/// The longest stride, in images: a fraction of a second.
const LONGEST: usize = 32_000;

/// How many images may be sorted for each page.
const FEW: usize = 10_000;

/// How many images may be scanned for each match before merging the lists of several labels is cheaper.
const IN_VAIN: f64 = 8.0;

/// The most labels that one statement measures; also the most in a statement that is kept prepared.
const MEASURED: usize = 100;
const REMEMBERED: usize = 8;

/// The time of the image at some depth of an index; `None` if the index has fewer.
#[derive(Debug, Clone, Copy)]
struct Measured(Option<i64>);

/// A scan, and its next stride.
pub(super) struct ScanPlan {
    scan: Scan,
    /// `None` if every image matches: the page itself is the bound.
    stride: Option<usize>,
    /// Where the next stride ends, if known.
    floor: Option<Measured>,
}

impl ScanPlan {
    /// Chooses the index to scan.
    pub(super) async fn choose(
        connection: &mut Connection,
        wanted: &LabelIds,
        range: &ListRange,
        limit: usize,
    ) -> Result<Self, StoreError> {
        match range.order {
            ImageOrder::Registered => {
                Self::choose_by_registration(connection, wanted, range, limit).await
            }
            ImageOrder::Taken => Self::choose_by_taking(connection, wanted, range).await,
        }
    }

    /// Chooses the index with the lowest density of images: each of its entries may fail the filter.
    async fn choose_by_registration(
        connection: &mut Connection,
        wanted: &LabelIds,
        range: &ListRange,
        limit: usize,
    ) -> Result<Self, StoreError> {
        let taken = range.by(ImageOrder::Taken);
        if taken.is_bounded() && nth_taken(connection, taken, FEW).await?.is_none() {
            return Ok(Self::straight(Scan::Taken));
        }
        let asks_more = wanted.any_of.len() + wanted.none_of.len() + wanted.conditions.len() > 0
            || wanted.lowest.is_some()
            || taken.is_bounded();
        match wanted.all_of.as_slice() {
            [] if !asks_more => return Ok(Self::straight(Scan::AllImages)),
            [label] if !asks_more => return Ok(Self::straight(Scan::Label(*label))),
            [] if wanted.any_of.is_empty() => return Ok(Self::along(Scan::AllImages, DEPTH)),
            _ => {}
        }
        let range = range.by(ImageOrder::Registered);
        let nth_newest = nth_newest(connection, &wanted.all_of, range, DEPTH).await?;
        // The rarer a label, the further back its thousandth image lies; `None` means fewer images than
        // that.
        let rarest = nth_newest.into_iter().min();
        let known = rarest.map(|(floor, label)| Self {
            floor: Some(Measured(floor)),
            ..Self::along(Scan::Label(label), DEPTH)
        });
        if wanted.any_of.is_empty() {
            return Ok(known.unwrap_or(Self::along(Scan::AllImages, DEPTH)));
        }
        let floor = rarest.map(|(floor, _)| Measured(floor));
        let depth = depth_of_each(wanted.any_of.len(), limit);
        if is_any_of_rarer(connection, wanted, range, depth, floor).await? {
            return Ok(Self::along(Scan::AnyLabel, depth));
        }
        Ok(known.unwrap_or(Self::along(Scan::AllImages, DEPTH)))
    }

    /// Sorts the images of a label, of several, or of a time of registration if they are few. Else scans all
    /// images in the order of the list: what is not rare is found soon.
    async fn choose_by_taking(
        connection: &mut Connection,
        wanted: &LabelIds,
        range: &ListRange,
    ) -> Result<Self, StoreError> {
        let registered = range.by(ImageOrder::Registered);
        if registered.is_bounded()
            && depth_of_images(connection, registered, FEW)
                .await?
                .1
                .is_none()
        {
            return Ok(Self::straight(Scan::AllImages));
        }
        let newest = nth_newest(connection, &wanted.all_of, registered, DEPTH).await?;
        if let Some((floor, label)) = newest.into_iter().min()
            && (floor.is_none() || are_few(connection, &[label], registered, FEW).await?)
        {
            return Ok(Self::straight(Scan::Label(label)));
        }
        let any_of = wanted.any_of.as_slice();
        let each = FEW / any_of.len().max(1);
        if !any_of.is_empty() && each > 0 && are_few(connection, any_of, registered, each).await? {
            return Ok(Self::straight(Scan::AnyLabel));
        }
        let labels = wanted.all_of.len() + any_of.len() + wanted.none_of.len();
        if labels + wanted.conditions.len() == 0 && !registered.is_bounded() {
            return Ok(Self::straight(Scan::Taken));
        }
        Ok(Self::along(Scan::Taken, DEPTH))
    }

    fn straight(scan: Scan) -> Self {
        Self {
            scan,
            stride: None,
            floor: None,
        }
    }

    fn along(scan: Scan, stride: usize) -> Self {
        Self {
            scan,
            stride: Some(stride),
            floor: None,
        }
    }

    /// The plan for reading everything that is left, in the longest strides. What is few is read at once.
    pub(super) fn until_the_end(self, wanted: &LabelIds, range: &ListRange) -> Self {
        if self.scan.order() != range.order {
            return self;
        }
        Self {
            stride: Some(self.longest(wanted)),
            floor: None,
            ..self
        }
    }

    pub(super) fn scan(&self) -> Scan {
        self.scan
    }

    /// The longest stride: each image in it is read once for each label, and looked up for each term.
    fn longest(&self, wanted: &LabelIds) -> usize {
        let (labels, others) = match self.scan {
            Scan::AnyLabel => (wanted.any_of.len(), 0),
            Scan::AllImages | Scan::Label(_) => (1, 0),
            // Labels are not scanned but looked up.
            Scan::Taken => (1, wanted.all_of.len()),
        };
        let terms: usize = wanted.conditions.iter().map(Condition::terms).sum();
        (LONGEST / labels.max(1) / (1 + others + terms)).max(1)
    }

    /// Where the next stride ends; `None` is the end of the range.
    pub(super) async fn floor(
        &mut self,
        connection: &mut Connection,
        wanted: &LabelIds,
        range: &ListRange,
    ) -> Result<Option<Floor>, StoreError> {
        let Some(stride) = self.stride else {
            return Ok(None);
        };
        self.stride = Some((stride * GROWTH).min(self.longest(wanted)));
        let range = range.by(self.scan.order());
        let known = self.floor.take();
        let time = match (known, self.scan) {
            (Some(Measured(known)), _) => known,
            (None, Scan::Taken) => return nth_taken(connection, range, stride).await,
            (None, Scan::AllImages) => depth_of_images(connection, range, stride).await?.1,
            (None, Scan::Label(label)) => {
                let nth_newest = nth_newest(connection, &[label], range, stride).await?;
                nth_newest.into_iter().next().and_then(|(floor, _)| floor)
            }
            // The latest of all: no label has more images than that in the stride.
            (None, Scan::AnyLabel) => {
                let nth_newest = nth_newest(connection, &wanted.any_of, range, stride).await?;
                nth_newest.into_iter().filter_map(|(floor, _)| floor).max()
            }
        };
        let id = Vec::new();
        Ok(time.map(|time| Floor { time, id }))
    }
}

/// The depth of the first stride in the list of each of several labels: together they should have enough
/// images for the page.
fn depth_of_each(labels: usize, limit: usize) -> usize {
    let enough = (2 * limit).div_ceil(labels).clamp(16, DEPTH);
    enough.min(LONGEST / labels).max(1)
}

/// Whether each of these labels has fewer than `depth` images in the range.
async fn are_few(
    connection: &mut Connection,
    labels: &[i32],
    range: &ScanRange,
    depth: usize,
) -> Result<bool, StoreError> {
    let nth_newest = nth_newest(connection, labels, range, depth).await?;
    Ok(nth_newest.iter().all(|(floor, _)| floor.is_none()))
}

/// Whether the labels of `any_of` together have fewer images than the index that would be scanned
/// otherwise: that of a label, with its floor, or that of all images.
async fn is_any_of_rarer(
    connection: &mut Connection,
    wanted: &LabelIds,
    range: &ScanRange,
    depth: usize,
    rival: Option<Measured>,
) -> Result<bool, StoreError> {
    let (newest, images) = depth_of_images(connection, range, DEPTH).await?;
    let Some(newest) = newest else {
        return Ok(false);
    };
    let nth_newest = nth_newest(connection, &wanted.any_of, range, depth).await?;
    let floors = nth_newest.into_iter().map(|(floor, _)| floor);
    let any_of: f64 = floors.map(|floor| density(newest, floor, depth)).sum();
    Ok(match rival {
        Some(Measured(floor)) => any_of < density(newest, floor, DEPTH),
        None => images.is_some() && any_of * IN_VAIN < density(newest, images, DEPTH),
    })
}

/// Images per microsecond, if `depth` of them lie from the floor on; close to zero without a floor.
#[expect(clippy::cast_precision_loss, reason = "it is a rough measure")]
fn density(newest: i64, floor: Option<i64>, depth: usize) -> f64 {
    let time = |floor| newest.saturating_sub(floor).max(1) as f64;
    floor.map_or(0.0, |floor| depth as f64 / time(floor))
}

#[derive(QueryableByName)]
struct NthNewestRow {
    #[diesel(sql_type = Integer)]
    label_id: i32,
    #[diesel(sql_type = BigInt)]
    registered_at: i64,
}

/// For each label, the registration time of its `depth`-th newest image in the range; `None` if it has
/// fewer.
async fn nth_newest(
    connection: &mut Connection,
    labels: &[i32],
    range: &ScanRange,
    depth: usize,
) -> Result<Vec<(Option<i64>, i32)>, StoreError> {
    let mut nth_newest: Vec<(Option<i64>, i32)> = Vec::new();
    for labels in labels.chunks(MEASURED) {
        let rows: Vec<NthNewestRow> = measuring(labels, range, depth).load(connection).await?;
        nth_newest.extend(
            rows.iter()
                .map(|row| (Some(row.registered_at), row.label_id)),
        );
        let is_short = |label: &&i32| !rows.iter().any(|row| row.label_id == **label);
        nth_newest.extend(labels.iter().filter(is_short).map(|label| (None, *label)));
    }
    Ok(nth_newest)
}

pub(in super::super::super) fn measuring(
    labels: &[i32],
    range: &ScanRange,
    depth: usize,
) -> Statement {
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
            .then(last_within(range, depth))
            .sql(&format!(") AS nth{n}"));
    }
    if labels.len() > REMEMBERED {
        return statement.unique();
    }
    statement
}

/// Selects the time of the `depth`-th newest image in the range.
fn last_within(range: &ScanRange, depth: usize) -> Statement {
    Statement::new("registered_at BETWEEN ")
        .long(range.first)
        .sql(" AND ")
        .long(range.last)
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

/// The times of the newest and of the `depth`-th newest image in the range.
async fn depth_of_images(
    connection: &mut Connection,
    range: &ScanRange,
    depth: usize,
) -> Result<(Option<i64>, Option<i64>), StoreError> {
    let one = || {
        Statement::new(&format!(
            "(SELECT registered_at FROM etiqueta_image {BY_TIME} WHERE "
        ))
    };
    let statement = Statement::new("SELECT ")
        .then(one())
        .then(last_within(range, 1))
        .sql(") AS newest, ")
        .then(one())
        .then(last_within(range, depth))
        .sql(") AS floor");
    let row: DepthRow = statement.get_result(connection).await?;
    Ok((row.newest, row.floor))
}

#[derive(QueryableByName)]
struct TakenRow {
    #[diesel(sql_type = BigInt)]
    time: i64,
    #[diesel(sql_type = Binary)]
    id: Vec<u8>,
}

/// The `depth`-th image of the range in the order of taking. By its id too: any number of images have one time.
async fn nth_taken(
    connection: &mut Connection,
    range: &ScanRange,
    depth: usize,
) -> Result<Option<Floor>, StoreError> {
    let row: Option<TakenRow> = taken(range, depth)
        .get_result(connection)
        .await
        .optional()?;
    Ok(row.map(|TakenRow { time, id }| Floor { time, id }))
}

pub(in super::super::super) fn taken(range: &ScanRange, depth: usize) -> Statement {
    Statement::new(&format!(
        "SELECT taken_order AS time, id FROM etiqueta_image {BY_TAKEN} WHERE "
    ))
    .then(range.has("taken_order", "id"))
    .sql(" ORDER BY taken_order DESC, id DESC LIMIT 1 OFFSET ")
    .long(i64::try_from(depth - 1).unwrap_or(i64::MAX))
}
