//! Usage of labels.

use super::{MICROSECOND, register, register_all};
use crate::{at, image, label};
use domain::{Confidence, ConfidenceHistogram, Image, TagSummary, TimeWindow, ports::Database};

chapter!(
    summaries_count_exactly,
    summaries_are_sorted,
    summaries_keep_to_their_window,
    summaries_hold_only_labels_in_use,
    a_mean_lies_between_its_extremes,
    confidences_are_counted_in_their_window,
);

fn summary(text: &str, images: u64, min: f64, max: f64, mean: f64) -> TagSummary {
    TagSummary {
        label: label(text),
        images,
        min_confidence: Confidence::new(min).unwrap(),
        max_confidence: Confidence::new(max).unwrap(),
        mean_confidence: mean,
    }
}

async fn summaries(store: &dyn Database, window: TimeWindow) -> Vec<TagSummary> {
    store.tag_summaries(&window).await.unwrap()
}

/// Numbers whose sums are exact in binary, so that the mean must be exact too.
async fn summaries_count_exactly(store: &dyn Database) {
    let images = [
        image(b"a", at(0), &[("car", 90.5), ("cab", 12.25)]),
        image(b"b", at(1), &[("car", 80.25), ("cab", 12.25)]),
        image(b"b", at(2), &[("car", 70.0)]),
        image(b"c", at(3), &[("car", 0.0), ("road", 100.0)]),
    ];
    register_all(store, &images).await;
    assert_eq!(
        summaries(store, TimeWindow::default()).await,
        [
            summary("car", 4, 0.0, 90.5, 60.1875),
            summary("cab", 2, 12.25, 12.25, 12.25),
            summary("road", 1, 100.0, 100.0, 100.0),
        ]
    );
}

/// Most used first, then by label, character by character.
async fn summaries_are_sorted(store: &dyn Database) {
    let rare = ["zebra", "é", "e", "f", "😀", "\u{ffee}", "a b", "a-b", "a"];
    for (n, text) in (0_u8..).zip(rare) {
        let pairs = [(text, 50.0), ("middle", 50.0), ("often", 50.0)];
        let image = image(&[n], at(0), &pairs[..if n == 0 { 2 } else { 3 }]);
        register(store, &image).await;
    }
    register(
        store,
        &image(b"more", at(0), &[("often", 50.0), ("most", 1.0)]),
    )
    .await;
    register(store, &image(b"more", at(0), &[("often", 50.0)])).await;
    let found = summaries(store, TimeWindow::default()).await;
    let found: Vec<&str> = found.iter().map(|s| s.label.as_str()).collect();
    assert_eq!(
        found,
        [
            "often", "middle", "a", "a b", "a-b", "e", "f", "most", "zebra", "é", "\u{ffee}", "😀"
        ]
    );
}

/// The start is included, the end is not.
async fn summaries_keep_to_their_window(store: &dyn Database) {
    let times = [at(10) - MICROSECOND, at(10), at(20) - MICROSECOND, at(20)];
    let images: Vec<Image> = [8.0, 4.0, 2.0, 1.0]
        .into_iter()
        .zip(times)
        .map(|(confidence, time)| image(b"a", time, &[("car", confidence)]))
        .collect();
    register_all(store, &images).await;
    let within = |from, until| TimeWindow { from, until };
    for (window, expected) in [
        (within(None, None), summary("car", 4, 1.0, 8.0, 3.75)),
        (
            within(Some(at(10)), Some(at(20))),
            summary("car", 2, 2.0, 4.0, 3.0),
        ),
        (within(Some(at(20)), None), summary("car", 1, 1.0, 1.0, 1.0)),
        (within(None, Some(at(10))), summary("car", 1, 8.0, 8.0, 8.0)),
    ] {
        assert_eq!(summaries(store, window).await, [expected], "{window:?}");
    }
    assert!(
        summaries(store, within(Some(at(21)), None))
            .await
            .is_empty()
    );
}

/// Labels used only outside the window are not listed.
async fn summaries_hold_only_labels_in_use(store: &dyn Database) {
    register(store, &image(b"a", at(0), &[("car", 90.0)])).await;
    register(store, &image(b"b", at(100), &[("cab", 90.0)])).await;
    let window = TimeWindow {
        from: Some(at(50)),
        until: None,
    };
    assert_eq!(
        summaries(store, window).await,
        [summary("cab", 1, 90.0, 90.0, 90.0)]
    );
}

/// Rounding must not move the mean of equal numbers past them.
async fn a_mean_lies_between_its_extremes(store: &dyn Database) {
    let confidence = 69.437_355_041_503_9;
    for n in 0..7_u8 {
        register(
            store,
            &image(&[n], at(i64::from(n)), &[("car", confidence)]),
        )
        .await;
    }
    assert_eq!(
        summaries(store, TimeWindow::default()).await,
        [summary("car", 7, confidence, confidence, confidence)]
    );
}

/// All strides together.
async fn confidences(store: &dyn Database, text: &str, window: &TimeWindow) -> Vec<u64> {
    let mut histogram = ConfidenceHistogram::default();
    let mut after = None;
    loop {
        let (counted, next) = store
            .confidences(&label(text), window, after)
            .await
            .unwrap();
        histogram.add(&counted);
        if next.is_none() {
            return histogram.bins().to_vec();
        }
        after = next;
    }
}

async fn confidences_are_counted_in_their_window(store: &dyn Database) {
    let images = [
        image(b"a", at(10) - MICROSECOND, &[("car", 0.0)]),
        image(b"a", at(10), &[("car", 0.0), ("cab", 50.0)]),
        image(b"b", at(10), &[("car", 4.5)]),
        image(b"c", at(11), &[("car", 97.0)]),
        image(b"d", at(12), &[("car", 100.0)]),
        image(b"e", at(12), &[("road", 60.0)]),
        image(b"f", at(20), &[("car", 60.0)]),
    ];
    register_all(store, &images).await;
    let window = TimeWindow {
        from: Some(at(10)),
        until: Some(at(20)),
    };
    let expected = |bins: &[(usize, u64)]| {
        let mut all = vec![0; 20];
        for (bin, images) in bins {
            all[*bin] = *images;
        }
        all
    };
    let car = confidences(store, "car", &window).await;
    assert_eq!(car, expected(&[(0, 2), (19, 2)]));
    let ever = confidences(store, "car", &TimeWindow::default()).await;
    assert_eq!(ever, expected(&[(0, 3), (12, 1), (19, 2)]));
    let cab = confidences(store, "cab", &window).await;
    assert_eq!(cab, expected(&[(10, 1)]));
    assert_eq!(
        confidences(store, "never seen", &window).await,
        expected(&[])
    );
}
