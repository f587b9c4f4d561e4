//! Fills an empty database, to measure lists and statistics at scale.
//!
//! `cargo run --release -p image-store-diesel --example seed -- URL [IMAGES]`
//!
//! A million images by default, registered evenly over the five years up to now, with eight tags each on
//! average: 2000 labels `label-0001`, `label-0002`, …, the rarer the higher their number (Zipf). Everything
//! but the times is deterministic. The originals are rows alone: there are no files. A database seeded
//! before is left unchanged if it has as many images.
#![allow(clippy::print_stdout, reason = "it is what the program is for")]
#![expect(clippy::cast_possible_wrap, reason = "there are not that many images")]

use std::{
    error::Error,
    fmt::{Arguments, Write},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Instant, SystemTime, UNIX_EPOCH},
};

use diesel::{
    Connection as _, QueryableByName, RunQueryDsl, SqliteConnection, connection::SimpleConnection,
    sql_query, sql_types::BigInt,
};
use futures_util::future::try_join_all;
use image_store_diesel::{Migrator, MysqlServer, StoreUrl};
use mysql_async::{Conn, OptsBuilder, prelude::Queryable};
use rand::{Rng, SeedableRng, rngs::StdRng};
use secrecy::ExposeSecret;

type Failure = Box<dyn Error + Send + Sync>;

const LABELS: u32 = 2000;
const TAGS: std::ops::RangeInclusive<usize> = 4..=12;
const FIVE_YEARS: i64 = 5 * 365 * 24 * 3600 * 1_000_000;

/// Images per batch: one statement for each table, a megabyte at most.
const BATCH: u64 = 1000;

/// Connections used to load a MySQL server.
const CONNECTIONS: usize = 4;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let mut arguments = std::env::args().skip(1);
    let url: StoreUrl = arguments.next().ok_or("which URL?")?.parse()?;
    let images: u64 = arguments
        .next()
        .map_or(Ok(1_000_000), |text| text.parse())?;
    Migrator::new(&url).run().await?;
    let mut database = Database::open(&url).await?;
    if is_filled(&mut database, images).await? {
        println!("there are {images} images already");
        return Ok(());
    }
    let start = Instant::now();
    let plan = Arc::new(Plan::new(images)?);
    database.run(&plan.labels()).await?;
    load_all(database, &url, &plan).await?;
    let seconds = start.elapsed().as_secs_f64();
    println!("{images} images in {seconds:.0} s");
    Ok(())
}

/// Whether the database was seeded before. One with any other content must not be filled.
async fn is_filled(database: &mut Database, images: u64) -> Result<bool, Failure> {
    let found = database.count("etiqueta_image").await?;
    let labels = database
        .count("etiqueta_label WHERE name IN ('label-0001', 'label-2000')")
        .await?;
    if labels == 2 && found >= images {
        return Ok(true);
    }
    if found == 0 && labels == 0 {
        return Ok(false);
    }
    Err(format!("the database has {found} images; it must be empty").into())
}

// --- the data --------------------------------------------------------------------------------------

struct Plan {
    images: u64,
    /// The registration time of the first image, and the interval, in microseconds.
    first: i64,
    step: i64,
    /// The cumulative share of each label.
    shares: Vec<f64>,
}

impl Plan {
    fn new(images: u64) -> Result<Self, Failure> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_micros();
        let weights: Vec<f64> = (1..=LABELS).map(|rank| 1.0 / f64::from(rank)).collect();
        let all: f64 = weights.iter().sum();
        let mut sum = 0.0;
        let shares = weights.iter().map(|weight| {
            sum += weight / all;
            sum
        });
        Ok(Self {
            images,
            first: i64::try_from(now)? - FIVE_YEARS,
            step: (FIVE_YEARS / images.max(1) as i64).max(1),
            shares: shares.collect(),
        })
    }

    fn batches(&self) -> u64 {
        self.images.div_ceil(BATCH)
    }

    fn labels(&self) -> String {
        let mut labels = Insert::into("etiqueta_label (id, name)");
        for id in 1..=self.shares.len() {
            labels.push(format_args!("{id}, 'label-{id:04}'"));
        }
        labels.0
    }

    /// Statements for the originals, images and tags of a batch, in key order.
    fn batch(&self, number: u64) -> [String; 3] {
        let mut random = StdRng::seed_from_u64(number);
        let mut originals =
            Insert::into("etiqueta_original (id, digest, media_type, width, height, byte_size)");
        let mut images = Insert::into("etiqueta_image (id, original_id, registered_at)");
        let mut tags =
            Insert::into("etiqueta_image_tag (image_id, label_id, registered_at, confidence)");
        let first = number * BATCH;
        for n in first..(first + BATCH).min(self.images) {
            let original = n + 1;
            let size: u32 = random.random_range(20_000..8_000_000);
            let digest: (u128, u128) = random.random();
            originals.push(format_args!(
                "{original}, X'{:032x}{:032x}', 'image/jpeg', 1600, 1200, {size}",
                digest.0, digest.1
            ));
            let at = self.first + n as i64 * self.step + random.random_range(0..self.step);
            let id = id(at, &mut random);
            images.push(format_args!("X'{id:032x}', {original}, {at}"));
            for label in self.some_labels(&mut random) {
                let confidence = 5.0 + 95.0 * random.random::<f64>();
                tags.push(format_args!("X'{id:032x}', {label}, {at}, {confidence:?}"));
            }
        }
        [originals.0, images.0, tags.0]
    }

    /// The label numbers of one image, in order.
    fn some_labels(&self, random: &mut StdRng) -> Vec<usize> {
        let count = random.random_range(TAGS);
        let mut labels = Vec::with_capacity(count);
        while labels.len() < count {
            let place: f64 = random.random();
            let before = self.shares.partition_point(|share| *share <= place);
            let label = before.min(self.shares.len() - 1) + 1;
            if !labels.contains(&label) {
                labels.push(label);
            }
        }
        labels.sort_unstable();
        labels
    }
}

/// A UUID of version 7 (RFC 9562) of that time in microseconds.
fn id(at: i64, random: &mut StdRng) -> u128 {
    let millis = u128::from(at.unsigned_abs() / 1000);
    let noise: u128 = random.random();
    let (version, variant) = (0x7 << 76, 0x2 << 62);
    let free = !(0xF << 76 | 0x3 << 62);
    (millis << 80) | version | variant | (noise >> 48 & free)
}

/// An `INSERT` of many rows, in SQL common to all databases.
struct Insert(String);

impl Insert {
    fn into(table: &str) -> Self {
        Self(format!("INSERT INTO {table} VALUES "))
    }

    fn push(&mut self, row: Arguments<'_>) {
        let comma = if self.0.ends_with(')') { "," } else { "" };
        // Writing to a `String` never fails.
        let _ = write!(self.0, "{comma}({row})");
    }
}

// --- loading ---------------------------------------------------------------------------------------

enum Database {
    Sqlite(Box<SqliteConnection>),
    Mysql(Box<Conn>),
}

#[derive(QueryableByName)]
struct Count {
    #[diesel(sql_type = BigInt)]
    count: i64,
}

impl Database {
    async fn open(url: &StoreUrl) -> Result<Self, Failure> {
        match url {
            StoreUrl::Sqlite { path } => {
                let path = path.to_str().ok_or("the path is not UTF-8")?;
                let connection = SqliteConnection::establish(path)?;
                Ok(Self::Sqlite(Box::new(connection)))
            }
            StoreUrl::Mysql(server) => Ok(Self::Mysql(Box::new(log_in(server).await?))),
        }
    }

    async fn run(&mut self, statement: &str) -> Result<(), Failure> {
        match self {
            Self::Sqlite(connection) => connection.batch_execute(statement)?,
            Self::Mysql(connection) => connection.query_drop(statement).await?,
        }
        Ok(())
    }

    async fn count(&mut self, rows: &str) -> Result<u64, Failure> {
        let query = format!("SELECT COUNT(*) AS count FROM {rows}");
        match self {
            Self::Sqlite(connection) => {
                let found: Count = sql_query(query).get_result(&mut **connection)?;
                Ok(found.count.try_into()?)
            }
            Self::Mysql(connection) => {
                let found = connection.query_first(query).await?;
                Ok(found.ok_or("nothing was counted")?)
            }
        }
    }
}

async fn log_in(server: &MysqlServer) -> Result<Conn, Failure> {
    if server.tls.is_some() {
        return Err("this program speaks to servers without TLS alone".into());
    }
    let host = server.hosts.first().ok_or("no host is named")?;
    let options = OptsBuilder::default()
        .ip_or_hostname(&host.name)
        .tcp_port(host.port)
        .user(Some(&server.user))
        .pass(Some(server.password.expose_secret()))
        .db_name(Some(&server.database))
        .prefer_socket(false)
        .init(vec![
            "SET SESSION unique_checks = 0, foreign_key_checks = 0",
        ]);
    Ok(Conn::new(options).await?)
}

/// No durability before the last commit: after a power cut, seeding starts over.
const SQLITE_BEGIN: &str = "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; \
     PRAGMA cache_size = -1048576; PRAGMA foreign_keys = OFF; BEGIN";
const SQLITE_END: &str = "COMMIT; PRAGMA synchronous = FULL; PRAGMA journal_mode = WAL";

async fn load_all(mut database: Database, url: &StoreUrl, plan: &Arc<Plan>) -> Result<(), Failure> {
    let next = Arc::new(AtomicU64::new(0));
    if matches!(database, Database::Sqlite(_)) {
        database.run(SQLITE_BEGIN).await?;
        let mut database = load(database, Arc::clone(plan), next).await?;
        return database.run(SQLITE_END).await;
    }
    // MariaDB locks an empty table for the first session that fills it.
    for statement in plan.batch(next.fetch_add(1, Ordering::Relaxed)) {
        database.run(&statement).await?;
    }
    let mut loads = Vec::new();
    for _ in 0..CONNECTIONS {
        let database = Database::open(url).await?;
        loads.push(tokio::spawn(load(
            database,
            Arc::clone(plan),
            Arc::clone(&next),
        )));
    }
    for outcome in try_join_all(loads).await? {
        outcome?;
    }
    database
        .run("ANALYZE TABLE etiqueta_original, etiqueta_image, etiqueta_label, etiqueta_image_tag")
        .await
}

/// Loads batches until none is left.
async fn load(
    mut database: Database,
    plan: Arc<Plan>,
    next: Arc<AtomicU64>,
) -> Result<Database, Failure> {
    loop {
        let number = next.fetch_add(1, Ordering::Relaxed);
        if number >= plan.batches() {
            return Ok(database);
        }
        for statement in plan.batch(number) {
            database.run(&statement).await?;
        }
    }
}
