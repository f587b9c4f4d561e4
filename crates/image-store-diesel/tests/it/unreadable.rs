//! Invalid rows are reported by name, and all others are still read.

use std::sync::Arc;

use diesel::{Connection, SqliteConnection, connection::SimpleConnection};
use domain::{
    Image, NewImage, ProviderIdentity, Tagging, TaggingKey,
    ports::{Database, Inspected, RowMark, Rows},
};
use domain_testing::{at, image};
use image_store_diesel::{Migrator, StoreUrl, connect};
use mysql_async::prelude::Queryable;
use tempfile::TempDir;

use crate::servers::{SETTINGS, TestDatabase};

/// Damage that a database client may do. Labels have the ids 1 to 5, in the order of their images.
const DAMAGES: [&str; 8] = [
    "UPDATE etiqueta_original SET media_type = 'image/avif' WHERE byte_size = 1",
    "UPDATE etiqueta_original SET width = -1 WHERE byte_size = 2",
    "UPDATE etiqueta_label SET name = 'Label' WHERE id = 1",
    "UPDATE etiqueta_image_tag SET confidence = 100.5 WHERE label_id = 2",
    // [["", 1]]
    "UPDATE etiqueta_tagging SET tags = x'5b5b22222c20315d5d' WHERE max_side = 1",
    "DELETE FROM etiqueta_label WHERE id = 3",
    "DELETE FROM etiqueta_original WHERE byte_size = 4",
    "UPDATE etiqueta_image SET registered_at = 9223372036854775807 \
     WHERE original_id = (SELECT id FROM etiqueta_original WHERE byte_size = 5)",
];

/// Five images, each with its own label, tagging and original, whose length grows with its time.
async fn fill(store: &dyn Database) -> Vec<Image> {
    let mut images = Vec::new();
    for number in 1..=5_u32 {
        let label = format!("label {number}");
        let content = vec![7; number as usize];
        let image = image(&content, at(i64::from(number)), &[(&label, 90.0)]);
        let until = at(100);
        store
            .claim(&image.digest, &image.facts, at(0), until)
            .await
            .unwrap();
        let key = TaggingKey {
            digest: image.digest,
            provider: ProviderIdentity::parse("imagga", "v2", "en").unwrap(),
            max_side: number,
        };
        let tagging = Tagging {
            tags: image.tags.clone(),
            tagged_at: at(0),
        };
        let new = NewImage {
            codes: Vec::new(),
            request: None,
            info: domain::ImageInfo::default(),
            fence: None,
            said: None,
            taggings: vec![(key, tagging)],
            image,
        };
        store.record(&new).await.unwrap();
        images.push(new.image);
    }
    images
}

/// All rows of a kind, read two at a time.
async fn walk(inspector: &dyn Database, rows: Rows) -> Inspected {
    let mut all = Inspected::default();
    let mut after: Option<RowMark> = None;
    loop {
        let limit = 2.try_into().unwrap();
        let page = inspector.inspect(rows, after, limit).await.unwrap();
        all.rows += page.rows;
        all.originals.extend(page.originals);
        all.unreadable.extend(page.unreadable);
        after = page.next;
        if after.is_none() {
            return all;
        }
    }
}

/// The names and reasons of the unreadable rows of a kind, and the number of rows.
async fn unreadable(inspector: &dyn Database, rows: Rows) -> (Vec<(String, String)>, u64) {
    let walked = walk(inspector, rows).await;
    let reported = walked.unreadable.iter();
    let mut reported: Vec<_> = reported
        .map(|row| (row.name.clone(), row.reason.to_string()))
        .collect();
    reported.sort();
    (reported, walked.rows)
}

async fn assert_reported(
    inspector: &dyn Database,
    rows: Rows,
    count: u64,
    expected: &[(&str, &str)],
) {
    let (reported, walked) = unreadable(inspector, rows).await;
    assert_eq!(walked, count, "{rows:?}");
    assert_eq!(reported.len(), expected.len(), "{reported:?}");
    for ((name, reason), (expected, why)) in reported.iter().zip(expected) {
        assert_eq!(name, expected, "{reported:?}");
        assert!(reason.contains(why), "{reported:?}");
    }
}

/// Asserts that all damage is reported.
async fn assert_damages_are_reported(inspector: &dyn Database, images: &[Image]) {
    let avif = "\"image/avif\" is no media type";
    let originals = [
        ("etiqueta_original 1", avif),
        ("etiqueta_original 2", "-1 is no number of pixels"),
    ];
    assert_reported(inspector, Rows::Originals, 4, &originals).await;
    let labels = [("etiqueta_label 1", "\"Label\" is not written as labels are")];
    assert_reported(inspector, Rows::Labels, 4, &labels).await;
    let taggings = [("etiqueta_tagging 1", "a label cannot be empty")];
    assert_reported(inspector, Rows::Taggings, 5, &taggings).await;
    let names = [3, 4].map(|n| format!("etiqueta_image {}", images[n].id));
    let tags = [1, 2].map(|n| format!("etiqueta_image_tag {} {}", images[n].id, n + 1));
    let expected = [
        (&*names[0], "its original, number 4, is not recorded"),
        (&*names[1], "9223372036854775807 is no time"),
        (&*tags[0], "100.5 is not a number from 0 to 100"),
        (&*tags[1], "its label, number 3, is not there"),
    ];
    assert_reported(inspector, Rows::Images, 5, &expected).await;
    // The readable rest of a row suffices to check the bytes.
    let walked = walk(inspector, Rows::Originals).await;
    let first = &walked.originals[0];
    assert_eq!((first.digest, first.facts), (images[0].digest, None));
    assert_eq!((first.is_used, first.image), (true, Some(images[0].id)));
    let unreadable = walked.unreadable.first().unwrap();
    assert_eq!(unreadable.digest, Some(images[0].digest));
    assert_eq!(unreadable.image, Some(images[0].id));
}

#[tokio::test]
async fn on_mysql() {
    let database = TestDatabase::migrated().await;
    let images = fill(&*database.store(SETTINGS)).await;
    let mut admin = database.admin().await;
    admin
        .query_drop("SET foreign_key_checks = 0")
        .await
        .unwrap();
    for damage in DAMAGES {
        admin.query_drop(damage).await.unwrap();
    }
    let inspector = connect(&database.url(), SETTINGS).unwrap();
    assert_damages_are_reported(&*inspector, &images).await;
}

/// A filled SQLite file, and an unrestricted connection to it.
async fn file(folder: &TempDir) -> (Arc<dyn Database>, Vec<Image>, SqliteConnection) {
    let path = folder.path().join("etiqueta.db");
    let url: StoreUrl = format!("sqlite://{}", path.display()).parse().unwrap();
    Migrator::new(&url).run().await.unwrap();
    let images = fill(&*connect(&url, SETTINGS).unwrap()).await;
    let mut connection = SqliteConnection::establish(path.to_str().unwrap()).unwrap();
    connection
        .batch_execute("PRAGMA foreign_keys = OFF; PRAGMA ignore_check_constraints = ON")
        .unwrap();
    (connect(&url, SETTINGS).unwrap(), images, connection)
}

#[tokio::test]
async fn on_sqlite() {
    let folder = TempDir::new().unwrap();
    let (inspector, images, mut connection) = file(&folder).await;
    for damage in DAMAGES {
        connection.batch_execute(damage).unwrap();
    }
    assert_damages_are_reported(&*inspector, &images).await;
}

/// Values that fixed-length columns and character sets of other databases reject.
#[tokio::test]
async fn bytes_that_are_no_key_and_no_text() {
    let folder = TempDir::new().unwrap();
    let (inspector, images, mut connection) = file(&folder).await;
    for damage in [
        "UPDATE etiqueta_label SET name = CAST(x'ff' AS TEXT) WHERE id = 1",
        "UPDATE etiqueta_original SET digest = x'00' WHERE byte_size = 1",
        "UPDATE etiqueta_original SET media_type = CAST(x'ff' AS TEXT) WHERE byte_size = 2",
        "UPDATE etiqueta_original SET claimed_until = 9223372036854775807 WHERE byte_size = 3",
        "UPDATE etiqueta_image SET id = x'00ff' WHERE original_id = 1",
    ] {
        connection.batch_execute(damage).unwrap();
    }
    let labels = [("etiqueta_label 1", "utf-8")];
    assert_reported(&*inspector, Rows::Labels, 5, &labels).await;
    let originals = [
        ("etiqueta_original 1", "1 bytes are no id or digest"),
        ("etiqueta_original 2", "utf-8"),
        ("etiqueta_original 3", "9223372036854775807 is no time"),
    ];
    assert_reported(&*inspector, Rows::Originals, 5, &originals).await;
    let rows = [("etiqueta_image 0x00ff", "2 bytes are no id or digest")];
    assert_reported(&*inspector, Rows::Images, 5, &rows).await;
    let walked = walk(&*inspector, Rows::Originals).await;
    assert_eq!(walked.originals.len(), 4, "one has no digest");
    // An original whose claim is unreadable must count as needed.
    let claimed = walked
        .originals
        .iter()
        .find(|o| o.digest == images[2].digest);
    assert!(claimed.unwrap().claimed_until.unwrap() > at(1_000_000_000));
}
