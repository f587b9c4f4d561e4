//! Labels are compared character by character, never by a collation.

use super::{all, carrying, register};
use crate::{at, image, label};
use domain::{Image, Label, TimeWindow, ports::Database};

chapter!(
    labels_that_look_alike_are_apart,
    odd_labels_are_found_as_they_are,
    the_longest_labels_come_back_and_are_apart,
    only_labels_of_images_are_carried,
);

/// Registers one image for each label.
async fn register_each(store: &dyn Database, labels: &[Label]) -> Vec<Image> {
    let mut images = Vec::new();
    for label in labels {
        let text = label.as_str();
        let image = image(text.as_bytes(), at(0), &[(text, 90.0)]);
        register(store, &image).await;
        images.push(image);
    }
    images
}

/// Each label finds only its own image, and is counted separately.
async fn assert_apart(store: &dyn Database, labels: &[Label]) {
    let images = register_each(store, labels).await;
    for (label, image) in labels.iter().zip(&images) {
        let found = all(store, &carrying(&[label])).await;
        assert_eq!(found, std::slice::from_ref(image), "{label:?}");
    }
    let mut sorted = labels.to_vec();
    sorted.sort_unstable();
    let summaries = store.tag_summaries(&TimeWindow::default()).await.unwrap();
    let summed: Vec<Label> = summaries.into_iter().map(|s| s.label).collect();
    assert_eq!(summed, sorted);
}

/// Pairs that some collation considers equal.
async fn labels_that_look_alike_are_apart(store: &dyn Database) {
    let texts = [
        "cafe",
        "café",
        "straße",
        "strasse",
        "ss",
        "ß",
        "ﬁn",
        "fin",
        "ı",
        "i",
        "ø",
        "o",
        "æ",
        "ae",
        "か",
        "カ",
        "ｶ",
        "か゚",
        "1",
        "①",
        "１",
        "σ",
        "ς",
        "😀",
        "😁",
        "☃",
        "☃\u{fe0f}",
        "ab",
        "a\u{ad}b",
        "a\u{200b}b",
        "a b",
        "a\u{a0}b",
        "a  b",
        "co-op",
        "coop",
        "a",
    ];
    assert_apart(store, &texts.map(label)).await;
}

/// Quotes, wildcards and the like have no special meaning.
async fn odd_labels_are_found_as_they_are(store: &dyn Database) {
    let texts = [
        "%",
        "_",
        "a%",
        "a_",
        "a\\%",
        "\\",
        "'",
        "''",
        "\"",
        "`",
        "o'neil",
        "?",
        "$1",
        ":a",
        "null",
        "0",
        "0.0",
        "1e1",
        "[]",
        "{}",
        "a,b",
        "a;b",
        "-- a",
        "/* a */",
        "\u{feff}a",
        "𐍈",
        "🏳\u{fe0f}\u{200d}🌈",
    ];
    assert_apart(store, &texts.map(label)).await;
}

/// 255 characters of four bytes each, which differ in the last one alone.
async fn the_longest_labels_come_back_and_are_apart(store: &dyn Database) {
    let labels = ["😀", "😁", "a", "é", ""].map(|last| label(&("😀".repeat(254) + last)));
    assert_apart(store, &labels).await;
}

/// A label that no image has any more is as unknown as one that none ever had.
async fn only_labels_of_images_are_carried(store: &dyn Database) {
    let left = image(b"left", at(0), &[("car", 90.0), ("cab", 50.0)]);
    let gone = image(b"gone", at(1), &[("car", 90.0), ("perro", 90.0)]);
    for image in [&left, &gone] {
        register(store, image).await;
    }
    let asked = ["car", "perro", "cat", "cab", "can"].map(label);
    let carried = async |expected: &[&str]| {
        let carried = store.carried(&asked).await.unwrap();
        let expected = expected.iter().map(|text| label(text));
        assert_eq!(carried, expected.collect());
    };
    carried(&["car", "cab", "perro"]).await;
    assert!(store.delete(&gone.id, at(2)).await.unwrap());
    carried(&["car", "cab"]).await;
    assert!(store.carried(&[]).await.unwrap().is_empty());
    let mut many: Vec<Label> = (0..1200).map(|n| label(&format!("l{n}"))).collect();
    many.push(label("car"));
    let carried = store.carried(&many).await.unwrap();
    assert_eq!(carried, [label("car")].into());
}
