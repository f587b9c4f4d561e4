//! The query strings of all routes: whatever is asked is refused, or means what its links repeat.
#![no_main]

use chrono::{DateTime, TimeDelta};
use chrono_tz::{TZ_VARIANTS, Tz};
use domain::{ImageId, Label, PageKey, TimeWindow};
use http_api::queries::{self, List};
use libfuzzer_sys::fuzz_target;

/// The last second of the year 9999.
const END_OF_TIME: i64 = 253_402_300_799;

fuzz_target!(|input: &[u8]| {
    let Some((zone, query)) = input.split_first() else { return };
    let Ok(query) = std::str::from_utf8(query) else { return };
    // There are nearly six hundred zones.
    let zone = TZ_VARIANTS[usize::from(*zone) * 2 % TZ_VARIANTS.len()];

    let list = queries::images(query, zone).ok();
    if let Some(list) = &list {
        check_labels(list);
        check_window(list.window);
        check_link(query, zone, list);
    }
    // Each has parameters that the other refuses.
    if let (Ok((tags, language)), Some(list)) = (queries::tags(query, zone), &list) {
        assert_eq!(tags.window, list.window);
        assert_eq!(language, list.language);
    }
    if let Ok(upload) = queries::upload(query) {
        assert!(upload.threshold.is_none_or(|lowest| (0.0..=100.0).contains(&lowest.lowest().get())));
        assert!(list.is_some(), "both routes read it alike");
    }
    if let Ok(language) = queries::image(query) {
        let expected = queries::images("", zone).ok();
        assert_eq!(list, expected.map(|list| List { language, ..list }));
    }
});

/// Stores rely on it: labels are as labels are written, sorted, none is there twice.
fn check_labels(list: &List) {
    let Some(query) = list.labels.clone().within(list.window) else { return };
    for labels in [&query.all_of, &query.any_of, &query.none_of] {
        assert!(labels.is_sorted_by(|one, next| one < next));
        for label in labels {
            assert_eq!(Label::parse(label.as_str()).as_ref(), Ok(label));
        }
    }
}

/// Both ends are times that stores know, and mean the same when they are written out.
fn check_window(window: TimeWindow) {
    let mut query = String::new();
    if let Some(from) = window.from {
        assert!(from.timestamp_micros() > 0 && from.timestamp() <= END_OF_TIME);
        query += &from.format("min_date=%Y-%m-%dT%H:%M:%S%.6fZ&").to_string();
    }
    if let Some(until) = window.until {
        assert!(until.timestamp_micros() >= 0 && until.timestamp() < END_OF_TIME);
        let last = until - TimeDelta::microseconds(1);
        query += &last.format("max_date=%Y-%m-%dT%H:%M:%S%.6fZ").to_string();
    }
    assert_eq!(queries::tags(&query, Tz::UTC).unwrap().0.window, window);
}

/// The link to the next page asks the same question from another place on.
fn check_link(query: &str, zone: Tz, list: &List) {
    let place = list.after.unwrap_or(PageKey {
        registered_at: DateTime::UNIX_EPOCH,
        id: ImageId::from_bytes([7; 16]),
    });
    let link = queries::next(query, place);
    assert!(link.bytes().all(|byte| (0x20..0x7f).contains(&byte)));
    let target = link.strip_prefix("<?").and_then(|link| link.strip_suffix(">; rel=\"next\""));
    let next = queries::images(target.unwrap(), zone).unwrap();
    let expected = List { after: Some(place), ..list.clone() };
    assert_eq!(next, expected);
}
