//! The text as a whole: its grammar, its names, its documentation.

use std::collections::{BTreeMap, BTreeSet};

use domain::ports::{Figures, MockStoreFigures, Quota};
use support::{BreakerState, LimitUsage};

use super::{
    names::{Kind, TABLE},
    *,
};

/// A family of the text: its kind, and its samples by their whole name with labels.
#[derive(Debug, Default)]
struct Family {
    kind: String,
    has_help: bool,
    samples: BTreeMap<String, f64>,
}

/// Reads Prometheus' text, strictly: each family once and together, help and type before its samples, no sample twice.
fn parsed(text: &str) -> BTreeMap<String, Family> {
    assert!(text.ends_with('\n'), "{text}");
    let mut families = BTreeMap::<String, Family>::new();
    let mut current = String::new();
    for line in text.lines().filter(|line| !line.is_empty()) {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, help) = rest.split_once(' ').expect(line);
            assert!(!help.is_empty() && !help.contains('\n'), "{line}");
            assert!(!families.contains_key(name), "twice: {line}");
            let family = families.entry(name.to_owned()).or_default();
            family.has_help = true;
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').expect(line);
            assert!(["counter", "gauge", "histogram"].contains(&kind), "{line}");
            let family = families.entry(name.to_owned()).or_default();
            assert!(family.kind.is_empty(), "twice: {line}");
            kind.clone_into(&mut family.kind);
            name.clone_into(&mut current);
        } else {
            let (series, value) = line.rsplit_once(' ').expect(line);
            let value: f64 = value.parse().expect(line);
            let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
            let suffixes = ["_bucket", "_sum", "_count"].into_iter();
            let mut stems = suffixes.filter_map(|suffix| name.strip_suffix(suffix));
            let is_member = name == current || stems.any(|stem| stem == current);
            assert!(is_member, "{line} among {current}");
            assert_labels(labels, line);
            let family = families.get_mut(&current).unwrap();
            let before = family.samples.insert(series.to_owned(), value);
            assert_eq!(before, None, "twice: {line}");
        }
    }
    families
}

fn assert_labels(labels: &str, line: &str) {
    let mut rest = labels.strip_suffix('}').expect(line);
    while !rest.is_empty() {
        let (name, after) = rest.split_once("=\"").expect(line);
        let is_name = |c: char| c.is_ascii_lowercase() || c == '_';
        assert!(!name.is_empty() && name.chars().all(is_name), "{line}");
        let (value, after) = after.split_once('"').expect(line);
        assert!(!value.contains('\\'), "{line}");
        rest = after.strip_prefix(',').unwrap_or(after);
    }
}

fn usage() -> Usage {
    let calls = LimitUsage {
        in_flight: 3,
        limit: 32,
        waiting: 2,
    };
    let upstream = |name, breaker| Upstream {
        name,
        breaker,
        calls,
    };
    let quota = Quota {
        limit: 1000,
        remaining: 17,
        resets_at: None,
    };
    Usage {
        upstreams: vec![
            upstream("imagga", Some(BreakerState::Open)),
            upstream("imagekit", Some(BreakerState::HalfOpen)),
            upstream("imagekit-housekeeping", None),
        ],
        quotas: vec![("imagga".to_owned(), quota)],
        unreleased: Some(4),
        renditions: Some(12),
        ..Usage::default()
    }
}

fn figures() -> StoredFigures {
    let mut store = MockStoreFigures::new();
    store.expect_figures().returning(|| {
        Ok(Figures {
            jobs: [0, 1, 2, 0, 0],
            unrolled_changes: 9,
            waiting_deliveries: 6,
        })
    });
    StoredFigures::new(Arc::new(store))
}

#[tokio::test]
async fn the_text_is_that_of_prometheus() {
    install();
    // Each kind of what is counted through the facade.
    metrics::counter!(TAGGINGS, "provider" => "imagga", "outcome" => "tagged").increment(1);
    metrics::histogram!(HISTOGRAMS[0], "http_route" => "/image/{id}").record(0.004);
    let exposition = exposition(Arc::new(usage), figures());
    let text = exposition(HttpUsage::default()).await;
    let families = parsed(&text);
    for (name, family) in &families {
        let row = names::find(name).unwrap_or_else(|| panic!("{name} is in no table"));
        let kind = match row.kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        };
        assert_eq!(family.kind, kind, "{name}");
        assert!(family.has_help && !family.samples.is_empty(), "{name}");
    }
    let value = |series: &str| {
        let name = series.split_once('{').map_or(series, |(name, _)| name);
        let family = families.get(name).unwrap_or_else(|| panic!("no {name}"));
        family.samples.get(series).copied()
    };
    for (series, expected) in [
        ("etiqueta_breaker_state{upstream=\"imagga\"}", Some(2.0)),
        ("etiqueta_breaker_state{upstream=\"imagekit\"}", Some(1.0)),
        (
            "etiqueta_breaker_state{upstream=\"imagekit-housekeeping\"}",
            None,
        ),
        ("etiqueta_queue_waiting{queue=\"imagga\"}", Some(2.0)),
        (
            "etiqueta_provider_quota_remaining{provider=\"imagga\"}",
            Some(17.0),
        ),
        ("etiqueta_hosted_blobs_unreleased", Some(4.0)),
        ("etiqueta_jobs{state=\"done\"}", Some(2.0)),
        ("etiqueta_rollup_pending_changes", Some(9.0)),
        ("etiqueta_webhook_deliveries_waiting", Some(6.0)),
        ("etiqueta_database_up", Some(1.0)),
    ] {
        assert_eq!(value(series), expected, "{series}");
    }
    let requests = &families["http_server_request_duration_seconds"].samples;
    let buckets: BTreeSet<_> = requests
        .keys()
        .filter_map(|series| series.split_once("le=\"")?.1.strip_suffix("\"}"))
        .collect();
    let expected = BUCKETS.map(|bound| bound.to_string());
    let expected: BTreeSet<_> = expected
        .iter()
        .map(String::as_str)
        .chain(["+Inf"])
        .collect();
    assert_eq!(buckets, expected);
}

#[test]
fn names_are_unique_and_as_prometheus_wants_them() {
    let mut seen = BTreeSet::new();
    for row in TABLE {
        assert!(seen.insert(row.name), "{}", row.name);
        let is_counted = row.name.ends_with("_total");
        assert_eq!(is_counted, row.kind == Kind::Counter, "{}", row.name);
        if row.kind == Kind::Histogram {
            assert!(row.name.ends_with("_seconds"), "{}", row.name);
            assert!(HISTOGRAMS.contains(&row.name), "{}", row.name);
        }
    }
}

/// The rows of the documented table, in its order.
#[test]
fn the_documented_metrics_are_these() {
    let documentation = include_str!("../../../../docs/operations.md");
    let head = "| metric | labels | |\n|---|---|---|\n";
    let (_, below) = documentation.split_once(head).unwrap();
    let (written, _) = below.split_once("\n\n").unwrap();
    let documented = written.lines().map(|line| {
        let name = line.strip_prefix("| `").and_then(|it| it.split_once('`'));
        name.expect(line).0
    });
    let documented: Vec<_> = documented.collect();
    let names: Vec<_> = TABLE.iter().map(|row| row.name).collect();
    assert_eq!(documented, names);
}

/// The names of metrics in a text of queries: words such as those of the table, without a histogram's suffix.
fn named(text: &str) -> BTreeSet<&str> {
    let is_part = |character: char| character.is_ascii_alphanumeric() || character == '_';
    let words = text.split(|character| !is_part(character));
    let prefixes = [
        "etiqueta_",
        "http_server_",
        "http_client_",
        "db_client_",
        "process_",
    ];
    words
        .filter(|word| prefixes.iter().any(|prefix| word.starts_with(prefix)))
        .map(|word| {
            word.strip_suffix("_bucket")
                .or(word.strip_suffix("_count"))
                .unwrap_or(word)
        })
        .collect()
}

#[test]
fn the_dashboard_shows_every_metric_and_no_other() {
    let shown = named(include_str!(
        "../../../../docker/monitoring/grafana/dashboards/etiqueta.json"
    ));
    let alerted = named(include_str!("../../../../docker/monitoring/alerts.yml"));
    let known: BTreeSet<&str> = TABLE.iter().map(|row| row.name).collect();
    let unknown: Vec<_> = shown
        .union(&alerted)
        .filter(|name| !known.contains(*name))
        .collect();
    assert_eq!(unknown, Vec::<&&str>::new());
    let named = &shown | &alerted;
    let left_out: Vec<_> = known.difference(&named).collect();
    assert_eq!(left_out, [&"process_threads"]);
}
