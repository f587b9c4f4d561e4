use chrono_tz::{America, Europe, Pacific, UTC};
use domain::TimeWindow;
use proptest::prelude::*;

use super::*;

fn utc(text: &str) -> DateTime<Utc> {
    DateTime::parse_from_rfc3339(text).unwrap().to_utc()
}

fn first(text: &str, zone: Tz) -> DateTime<Utc> {
    parse(text, Edge::First, zone).unwrap().unwrap()
}

fn after(text: &str, zone: Tz) -> DateTime<Utc> {
    parse(text, Edge::Last, zone).unwrap().unwrap()
}

#[rstest::rstest]
#[case("2024-01-11 08:00:00", "2024-01-11T07:00:00Z", "2024-01-11T07:00:01Z")]
#[case("2024-01-11T08:00:00", "2024-01-11T07:00:00Z", "2024-01-11T07:00:01Z")]
#[case("2024-07-11 08:00:00", "2024-07-11T06:00:00Z", "2024-07-11T06:00:01Z")]
#[case("2024-01-11T08:00:00Z", "2024-01-11T08:00:00Z", "2024-01-11T08:00:01Z")]
#[case("2024-01-11t08:00:00z", "2024-01-11T08:00:00Z", "2024-01-11T08:00:01Z")]
#[case(
    "2024-01-11T08:00:00-03:30",
    "2024-01-11T11:30:00Z",
    "2024-01-11T11:30:01Z"
)]
#[case(
    "2024-01-11 08:00:00+02:00",
    "2024-01-11T06:00:00Z",
    "2024-01-11T06:00:01Z"
)]
#[case(
    "2024-01-11T08:00:00 02:00",
    "2024-01-11T06:00:00Z",
    "2024-01-11T06:00:01Z"
)]
#[case(
    "2024-01-11T08:00:00.5 02:00",
    "2024-01-11T06:00:00.5Z",
    "2024-01-11T06:00:00.500001Z"
)]
#[case(
    "2024-01-11 08:00:00.123456",
    "2024-01-11T07:00:00.123456Z",
    "2024-01-11T07:00:00.123457Z"
)]
#[case(
    "2024-01-11 08:00:00.1234567",
    "2024-01-11T07:00:00.123457Z",
    "2024-01-11T07:00:00.123457Z"
)]
#[case(
    "2024-01-11 08:00:00.000000",
    "2024-01-11T07:00:00Z",
    "2024-01-11T07:00:00.000001Z"
)]
#[case("2024-01-11", "2024-01-10T23:00:00Z", "2024-01-11T23:00:00Z")]
#[case("2024-02-29", "2024-02-28T23:00:00Z", "2024-02-29T23:00:00Z")]
fn dates_in_berlin(#[case] text: &str, #[case] from: &str, #[case] until: &str) {
    assert_eq!(first(text, Europe::Berlin), utc(from));
    assert_eq!(after(text, Europe::Berlin), utc(until));
}

#[test]
fn the_last_second_is_inside() {
    let window = TimeWindow {
        from: None,
        until: Some(after("2024-01-11 10:04:35", UTC)),
    };
    assert!(window.contains(utc("2024-01-11T10:04:35.999999Z")));
    assert!(!window.contains(utc("2024-01-11T10:04:36Z")));
}

#[rstest::rstest]
#[case("")]
#[case(" ")]
#[case("2024")]
#[case("2024-01")]
#[case("2024-1-1")]
#[case("24-01-11")]
#[case("+2024-01-11")]
#[case("-2024-01-11")]
#[case("12024-01-11")]
#[case("2024-02-30")]
#[case("2023-02-29")]
#[case("2024-13-01")]
#[case("2024-00-01")]
#[case("2024-01-00")]
#[case("2024/01/11")]
#[case("20240111")]
#[case("2024-01-11 ")]
#[case(" 2024-01-11")]
#[case("2024-01-11 08")]
#[case("2024-01-11 08:00")]
#[case("2024-01-11 8:00:00")]
#[case("2024-01-11 24:00:00")]
#[case("2024-01-11 23:60:00")]
#[case("2024-01-11 23:59:60")]
#[case("2024-01-11 00:00:60")]
#[case("2024-01-11  08:00:00")]
#[case("2024-01-11 08:00:00 ")]
#[case("2024-01-11_08:00:00")]
#[case("2024-01-11t08:00:00")]
#[case("2024-01-11 08:00:00.")]
#[case("2024-01-11 08:00:00,5")]
#[case("2024-01-11 08:00:00.5.5")]
#[case("2024-01-11T08:00:00+2:00")]
#[case("2024-01-11T08:00:00+0200")]
#[case("2024-01-11T08:00:00+02")]
#[case("2024-01-11T08:00:00+24:00")]
#[case("2024-01-11T08:00:00+02:60")]
#[case("2024-01-11T08:00:00+02:00:00")]
#[case("2024-01-11T08:00:00ZZ")]
#[case("2024-01-11T08:00:00 CET")]
#[case("2024-01-11+02:00")]
#[case("2024-01-11Z")]
#[case("11.01.2024")]
#[case("yesterday")]
#[case("1704067200")]
#[case("２０２４-01-11")]
fn refuses_everything_else(#[case] text: &str) {
    for edge in [Edge::First, Edge::Last] {
        assert_eq!(parse(text, edge, UTC), Err(DateError));
    }
}

#[test]
fn a_repeated_time_widens_the_window() {
    // 2024-10-27 03:00 +02:00 became 02:00 +01:00.
    let text = "2024-10-27 02:30:00";
    assert_eq!(first(text, Europe::Berlin), utc("2024-10-27T00:30:00Z"));
    assert_eq!(after(text, Europe::Berlin), utc("2024-10-27T01:30:01Z"));
}

#[test]
fn a_skipped_time_widens_the_window() {
    // 2024-03-31 02:00 +01:00 became 03:00 +02:00.
    let text = "2024-03-31 02:30:00";
    assert_eq!(first(text, Europe::Berlin), utc("2024-03-31T00:30:00Z"));
    assert_eq!(after(text, Europe::Berlin), utc("2024-03-31T01:30:01Z"));
}

#[test]
fn a_day_begins_with_its_first_instant() {
    // 2018-11-04 00:00 -03:00 became 01:00 -02:00.
    let zone = America::Sao_Paulo;
    assert_eq!(first("2018-11-04", zone), utc("2018-11-04T03:00:00Z"));
    assert_eq!(after("2018-11-03", zone), utc("2018-11-04T03:00:00Z"));
    // 2018-02-18 00:00 -02:00 became 2018-02-17 23:00 -03:00.
    assert_eq!(after("2018-02-17", zone), utc("2018-02-18T03:00:00Z"));
    assert_eq!(first("2018-02-18", zone), utc("2018-02-18T03:00:00Z"));
    // 2024-11-03 01:00 -04:00 became 00:00 -05:00.
    assert_eq!(
        first("2024-11-03", America::Havana),
        utc("2024-11-03T04:00:00Z")
    );
    assert_eq!(
        after("2024-11-02", America::Havana),
        utc("2024-11-03T04:00:00Z")
    );
}

#[test]
fn a_day_that_was_skipped_is_empty() {
    // Samoa went from 2011-12-29 to 2011-12-31.
    let window = TimeWindow {
        from: Some(first("2011-12-30", Pacific::Apia)),
        until: Some(after("2011-12-30", Pacific::Apia)),
    };
    assert!(window.is_empty());
    let noon = "2011-12-30 12:00:00";
    assert_eq!(first(noon, Pacific::Apia), utc("2011-12-29T22:00:00Z"));
    assert_eq!(after(noon, Pacific::Apia), utc("2011-12-30T22:00:01Z"));
}

#[test]
fn bounds_out_of_reach_are_no_bounds() {
    for text in [
        "0000-01-01",
        "1969-12-31 23:59:59",
        "0001-01-01T00:00:00+23:59",
    ] {
        assert_eq!(parse(text, Edge::First, UTC), Ok(None));
        assert_eq!(parse(text, Edge::Last, UTC), Ok(Some(DateTime::UNIX_EPOCH)));
    }
    for text in ["9999-12-31", "9999-12-31T23:59:59-23:59"] {
        assert_eq!(parse(text, Edge::Last, UTC), Ok(None));
        assert!(first(text, UTC) <= end_of_time());
    }
}

/// Also where clocks were put on or back.
#[test]
fn times_without_a_zone_are_as_they_are_written() {
    let shown = |text: &str, edge| local(text, edge).unwrap().unwrap().to_string();
    for (text, from, until) in [
        (
            "2024-03-31 02:30:00",
            "2024-03-31 02:30:00",
            "2024-03-31 02:30:01",
        ),
        ("1899-12-31", "1899-12-31 00:00:00", "1900-01-01 00:00:00"),
        ("0000-01-01", "0000-01-01 00:00:00", "0000-01-02 00:00:00"),
        ("9999-12-31", "9999-12-31 00:00:00", "+10000-01-01 00:00:00"),
    ] {
        assert_eq!(shown(text, Edge::First), from);
        assert_eq!(shown(text, Edge::Last), until);
    }
    assert_eq!(local("2024-01-11T08:00:00Z", Edge::First), Ok(None));
    assert_eq!(local("2024-01", Edge::First), Err(DateError));
}

proptest! {
    #[test]
    fn formatted_dates_are_parsed(seconds in 1i64..253_402_300_000, zone in prop::sample::select(&[UTC, Europe::Berlin, Pacific::Apia, America::New_York])) {
        let at = DateTime::from_timestamp(seconds, 0).unwrap();
        let local = at.with_timezone(&zone);
        let text = local.format("%Y-%m-%d %H:%M:%S").to_string();
        prop_assume!(text.len() == 19);
        let (from, until) = (parse(&text, Edge::First, zone).unwrap(), parse(&text, Edge::Last, zone).unwrap());
        let window = TimeWindow { from, until };
        prop_assert!(window.contains(at));
        // A repeated hour adds an hour, no more.
        if let (Some(from), Some(until)) = (from, until) {
            prop_assert!(until - from <= TimeDelta::seconds(3 * 3600 + 1));
        }
        let exact = local.to_rfc3339();
        if exact.len() == 25 {
            prop_assert_eq!(parse(&exact, Edge::First, UTC).unwrap(), Some(at));
        }
    }

    #[test]
    fn takes_the_plain_form_exactly_if_it_is_a_time(
        (y, mo, d) in (0u32..10_000, 0u32..14, 0u32..33),
        (h, mi, s) in (0u32..26, 0u32..62, 0u32..62),
    ) {
        let text = format!("{y:04}-{mo:02}-{d:02} {h:02}:{mi:02}:{s:02}");
        let exists = NaiveDate::from_ymd_opt(y.try_into().unwrap(), mo, d)
            .and_then(|date| date.and_hms_opt(h, mi, s));
        prop_assert_eq!(parse(&text, Edge::First, UTC).is_ok(), exists.is_some());
    }

    #[test]
    fn a_window_of_one_date_is_never_turned_around(
        text in "(19|20)[0-9]{2}-[01][0-9]-[0-3][0-9]([ T][0-2][0-9]:[0-5][0-9]:[0-5][0-9](\\.[0-9]{1,9})?)?",
        zone in prop::sample::select(&[UTC, Europe::Lisbon, America::Sao_Paulo, Pacific::Apia]),
    ) {
        if let (Ok(Some(from)), Ok(Some(until))) = (parse(&text, Edge::First, zone), parse(&text, Edge::Last, zone)) {
            prop_assert!(from <= until);
        }
    }

    #[test]
    fn never_panics(text in "\\PC{0,30}|[0-9:T+. Z-]{0,40}") {
        let _ = parse(&text, Edge::First, Europe::Berlin);
        let _ = parse(&text, Edge::Last, Pacific::Apia);
    }
}
