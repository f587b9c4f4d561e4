//! The database: whether it answers, its clock, its options.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use domain::ports::{Clock, in_words};
use tokio::time::timeout;

use super::Finding;
use crate::{clock::SystemClock, settings::Settings, wiring::Database};

/// How long the database may take to answer.
const PATIENCE: Duration = Duration::from_secs(20);

/// Clocks that differ by more make dates of images wrong that a person would notice.
const APART: TimeDelta = TimeDelta::seconds(5);

/// A row of an answer of a provider may have that many bytes, and a step of a job writes several.
const LEAST_PACKET: u64 = 16 << 20;

/// A variable, the values that hurt, why, and what to do.
type Rule = (&'static str, fn(&str) -> bool, &'static str, &'static str);

/// Options that are known to hurt.
const RULES: &[Rule] = &[
    (
        "innodb_flush_log_at_trx_commit",
        |value| value != "1",
        "a power cut of the database loses images that were acknowledged",
        "set innodb_flush_log_at_trx_commit = 1, unless a cluster keeps them elsewhere",
    ),
    (
        "innodb_doublewrite",
        |value| value.eq_ignore_ascii_case("off"),
        "a power cut may leave half-written pages",
        "set innodb_doublewrite = ON, unless the file system writes pages as a whole",
    ),
    (
        "max_allowed_packet",
        |value| value.parse().is_ok_and(|bytes: u64| bytes < LEAST_PACKET),
        "large statements are refused",
        "set max_allowed_packet = 64M",
    ),
    (
        "read_only",
        |value| matches!(value, "1" | "ON"),
        "nothing can be registered",
        "name the primary in database.url, and this one in database.read_url",
    ),
    (
        "innodb_rollback_on_timeout",
        |value| value.eq_ignore_ascii_case("on"),
        "a lock that is waited for too long costs the whole transaction",
        "leave innodb_rollback_on_timeout off",
    ),
];

pub(super) async fn findings(settings: &Settings) -> Vec<Finding> {
    let database = match Database::new(settings) {
        Ok(database) => database,
        Err(error) => {
            return vec![Finding::error(
                "database",
                format!("{error:#}"),
                "see the setting that is named",
            )];
        }
    };
    let facts = match timeout(PATIENCE, database.facts()).await {
        Ok(Ok(facts)) => facts,
        Ok(Err(error)) => return vec![unreachable(in_words(&error))],
        Err(_) => return vec![unreachable("it does not answer within 20 s".to_owned())],
    };
    let mut findings = vec![Finding::ok("database", facts.version.clone())];
    findings.extend(facts.now.map(|now| clock(now, SystemClock.now())));
    findings.extend(options(|name| {
        facts.variables.get(name).map(String::as_str)
    }));
    findings.push(schema(
        database
            .require_schema()
            .await
            .map_err(|error| in_words(&error)),
    ));
    findings
}

fn unreachable(why: String) -> Finding {
    let advice = "is it running, does database.url name it, and may the account of database.url log in from here?";
    Finding::error("database", why, advice)
}

fn clock(theirs: DateTime<Utc>, ours: DateTime<Utc>) -> Finding {
    let apart = (theirs - ours).abs();
    let seconds = apart.as_seconds_f64();
    if apart <= APART {
        return Finding::ok("clock", format!("{seconds:.1} s from the database's"));
    }
    let detail = format!("{seconds:.0} s from the database's");
    Finding::warning(
        "clock",
        detail,
        "run a time service (chrony, systemd-timesyncd) on both machines",
    )
}

fn options<'a>(value: impl Fn(&str) -> Option<&'a str>) -> Vec<Finding> {
    let hurting = RULES.iter().filter_map(|(name, hurts, why, advice)| {
        let value = value(name).filter(|value| hurts(value))?;
        Some(Finding::warning(
            "database",
            format!("{name} is {value}: {why}"),
            advice,
        ))
    });
    hurting.collect()
}

fn schema(outcome: Result<(), String>) -> Finding {
    match outcome {
        Ok(()) => Finding::ok("schema", "up to date"),
        Err(why) => Finding::warning(
            "schema",
            why,
            "the next start of a server brings it up to date, or `etiqueta migrate`",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::{super::Level, *};

    #[test]
    fn clocks_may_be_five_seconds_apart() {
        let now = DateTime::<Utc>::UNIX_EPOCH;
        for (seconds, level) in [
            (0, Level::Ok),
            (5, Level::Ok),
            (-5, Level::Ok),
            (6, Level::Warning),
            (-7200, Level::Warning),
        ] {
            let found = clock(now + TimeDelta::seconds(seconds), now);
            assert_eq!(found.level, level, "{found:?}");
        }
    }

    #[rstest::rstest]
    #[case("innodb_flush_log_at_trx_commit", "2", true)]
    #[case("innodb_flush_log_at_trx_commit", "1", false)]
    #[case("max_allowed_packet", "1048576", true)]
    #[case("max_allowed_packet", "16777216", false)]
    #[case("read_only", "ON", true)]
    #[case("read_only", "OFF", false)]
    #[case("innodb_doublewrite", "off", true)]
    #[case("innodb_doublewrite", "DETECT_AND_RECOVER", false)]
    #[case("something_else", "1", false)]
    fn options_that_hurt_are_named(#[case] name: &str, #[case] value: &str, #[case] hurts: bool) {
        let found = options(|asked| (asked == name).then_some(value));
        assert_eq!(found.len(), usize::from(hurts));
        assert!(
            found
                .iter()
                .all(|one| one.detail.starts_with(&format!("{name} is {value}: ")))
        );
    }
}
