//! Lists whose scans take several strides.

use std::num::NonZeroU32;

use diesel::sql_query;
use diesel_async::RunQueryDsl;
use domain::{
    Comparison, Condition, ImageOrder, ImageQuery, Operator, PageKey, UntaggedImage,
    ports::Database,
};
use domain_testing::label;

use super::super::{super::test_database::TestDatabase, Sizes};

/// Eleven thousand images: of each three one at a time of its own, one at a time of hundreds, and one at a time
/// of thousands. Those of every eleventh original are wide.
const FILLING: [&str; 4] = [
    "INSERT INTO etiqueta_label (id, name) VALUES (1, 'common'), (2, 'rare')",
    "INSERT INTO etiqueta_original (id, digest, media_type, width, height, byte_size) \
     WITH RECURSIVE n AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM n WHERE n < 1000), \
     more AS (SELECT 0 AS k UNION ALL SELECT k + 1 FROM more WHERE k < 10) \
     SELECT n + 1000 * k, DIGEST(n + 1000 * k), 'image/png', \
     CASE WHEN (n + 1000 * k) % 11 = 0 THEN 2000 ELSE 1 END, 1, 1 FROM n CROSS JOIN more",
    "INSERT INTO etiqueta_image (id, original_id, registered_at, taken_at) \
     SELECT ID(digest), id, id * 7919 % 11003, CASE id % 3 WHEN 0 THEN NULL WHEN 1 THEN id % 20 ELSE 5 END \
     FROM etiqueta_original",
    "INSERT INTO etiqueta_image_tag (image_id, label_id, registered_at, confidence) \
     SELECT image.id, label.id, image.registered_at, 90 \
     FROM etiqueta_image AS image CROSS JOIN etiqueta_label AS label \
     WHERE label.id = 1 OR image.original_id % 100 = 0",
];

async fn filled() -> TestDatabase {
    let database = TestDatabase::create().await;
    let mut connection = database.connection().await;
    for statement in FILLING {
        let statement = super::super::super::in_dialect(statement);
        sql_query(statement).execute(&mut connection).await.unwrap();
    }
    database
}

fn limit(count: u32) -> NonZeroU32 {
    NonZeroU32::new(count).unwrap()
}

async fn walk(store: &dyn Database, query: &ImageQuery, size: u32) -> Vec<UntaggedImage> {
    let mut walked: Vec<UntaggedImage> = Vec::new();
    loop {
        let after = walked
            .last()
            .map(|image| PageKey::after(query.order, image));
        let page = store
            .untagged_page(query, after, limit(size))
            .await
            .unwrap();
        let is_last = page.len() < size as usize;
        walked.extend(page);
        if is_last {
            return walked;
        }
    }
}

fn wide() -> Condition {
    Condition::Width(Comparison {
        operator: Operator::AtLeast,
        value: 2000,
    })
}

/// However many images share a time, and whichever index is scanned.
#[tokio::test(flavor = "multi_thread")]
async fn strides_join_without_gap_or_overlap() {
    let database = filled().await;
    let store = database.store(Sizes::default());
    let all = walk(&*store, &ImageQuery::default(), 1000).await;
    let all = store.with_tags(&all).await.unwrap();
    assert_eq!(all.len(), 11_000);
    let of_labels = |all_of: &[&str], any_of: &[&str], none_of: &[&str]| {
        let labels = |names: &[&str]| names.iter().map(|name| label(name)).collect();
        ImageQuery {
            all_of: labels(all_of),
            any_of: labels(any_of),
            none_of: labels(none_of),
            ..ImageQuery::default()
        }
    };
    for query in [
        ImageQuery::default(),
        ImageQuery {
            conditions: vec![wide()],
            ..ImageQuery::default()
        },
        of_labels(&["common"], &[], &["rare"]),
        of_labels(&["common", "rare"], &[], &[]),
        of_labels(&[], &["common", "rare"], &[]),
    ] {
        for order in [ImageOrder::Registered, ImageOrder::Taken] {
            let query = ImageQuery {
                order,
                ..query.clone()
            };
            let matching = all.iter().filter(|image| query.admits(image));
            let mut expected: Vec<UntaggedImage> = matching.map(Into::into).collect();
            let place = |image: &UntaggedImage| (PageKey::after(order, image).time, image.id);
            expected.sort_unstable_by_key(|image| std::cmp::Reverse(place(image)));
            assert!(!expected.is_empty());
            for size in [97, 1000] {
                let walked = walk(&*store, &query, size).await;
                assert!(walked == expected, "{query:?}, pages of {size}");
            }
        }
    }
    drop(store);
    database.remove().await;
}
