//! Dates in query parameters, and the instants at which a window starts and ends.
//!
//! The canonical form is `YYYY-MM-DD HH:MM:SS` in the server's time zone. Also accepted are `T` between
//! date and time, fractions of a second, an offset as in RFC 3339, and a bare `YYYY-MM-DD`.

use chrono::{
    DateTime, Days, FixedOffset, NaiveDate, NaiveDateTime, NaiveTime, Offset, TimeDelta, TimeZone,
    Utc,
};
use chrono_tz::{GapInfo, Tz};
use thiserror::Error;

/// Longer than any gap in local time.
const BEYOND_ANY_GAP: TimeDelta = TimeDelta::hours(26);

/// Which bound of a window a date is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Edge {
    /// The lower bound.
    First,
    /// The upper bound.
    Last,
}

/// The text is not a date.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("is not a date such as `2024-01-31 08:00:00`, `2024-01-31T08:00:00+01:00` or `2024-01-31`")]
pub(super) struct DateError;

/// The instant at which a window starts, or the first one after it.
///
/// Bounds are inclusive: to the second, the day or the fraction as written. A local time that is ambiguous
/// or skipped by a clock change is resolved to the wider window. `None` means no bound, as it lies before
/// or after everything that can be registered.
pub(super) fn parse(text: &str, edge: Edge, zone: Tz) -> Result<Option<DateTime<Utc>>, DateError> {
    Ok(reachable(instant(text, edge, zone)?, edge))
}

/// The first moment of what is written, or the first one after it, by a clock in an unknown time zone.
///
/// `None` if an offset is written.
pub(super) fn local(text: &str, edge: Edge) -> Result<Option<NaiveDateTime>, DateError> {
    let has_offset = Reader(text.as_bytes())
        .date_and_moment()
        .is_some_and(|(_, moment)| moment.is_some_and(|moment| moment.offset.is_some()));
    let instant = instant(text, edge, Tz::UTC)?;
    Ok((!has_offset).then(|| instant.naive_utc()))
}

/// Like [`parse`], also for what lies before or after everything that can be registered.
pub(super) fn instant(text: &str, edge: Edge, zone: Tz) -> Result<DateTime<Utc>, DateError> {
    let written = Reader(text.as_bytes()).date_and_moment();
    Ok(match written.ok_or(DateError)? {
        (date, None) => day_edge(date, edge, zone),
        (date, Some(moment)) => moment.edge(date, edge, zone),
    })
}

/// Drops and clamps bounds that no image can exceed: stores need not handle the years 0 and 10000.
fn reachable(instant: DateTime<Utc>, edge: Edge) -> Option<DateTime<Utc>> {
    let (earliest, latest) = (DateTime::UNIX_EPOCH, end_of_time());
    match edge {
        Edge::First => (instant > earliest).then(|| instant.min(latest)),
        Edge::Last => (instant < latest).then(|| instant.max(earliest)),
    }
}

/// The last second of the year 9999.
fn end_of_time() -> DateTime<Utc> {
    DateTime::from_timestamp(253_402_300_799, 0).unwrap_or(DateTime::<Utc>::MAX_UTC)
}

/// The part after a date: a time, possibly with a fraction and an offset.
struct Moment {
    time: NaiveTime,
    fraction: Option<Fraction>,
    offset: Option<FixedOffset>,
}

/// A fraction of a second: whole microseconds, and whether there is a remainder.
#[derive(Clone, Copy)]
struct Fraction {
    micros: i64,
    has_more: bool,
}

impl Moment {
    fn edge(&self, date: NaiveDate, edge: Edge, zone: Tz) -> DateTime<Utc> {
        let local = date.and_time(self.time);
        let second = match self.offset {
            Some(offset) => local.and_utc() - TimeDelta::seconds(offset.local_minus_utc().into()),
            None => reading(local, edge, zone),
        };
        let within = match (self.fraction, edge) {
            (None, Edge::First) => TimeDelta::zero(),
            (None, Edge::Last) => TimeDelta::seconds(1),
            (Some(f), Edge::First) => TimeDelta::microseconds(f.micros + i64::from(f.has_more)),
            (Some(f), Edge::Last) => TimeDelta::microseconds(f.micros + 1),
        };
        second + within
    }
}

/// The instant of a local time; if ambiguous the one that makes the window wider.
fn reading(local: NaiveDateTime, edge: Edge, zone: Tz) -> DateTime<Utc> {
    let (earliest, latest) = match zone.from_local_datetime(&local) {
        chrono::MappedLocalTime::Single(at) => (at.to_utc(), at.to_utc()),
        chrono::MappedLocalTime::Ambiguous(a, b) => (a.to_utc(), b.to_utc()),
        // Skipped: use the offset before or after the gap.
        chrono::MappedLocalTime::None => {
            let shown = |near: NaiveDateTime| {
                let offset = zone.offset_from_utc_datetime(&near).fix().local_minus_utc();
                local.and_utc() - TimeDelta::seconds(offset.into())
            };
            (shown(local + BEYOND_ANY_GAP), shown(local - BEYOND_ANY_GAP))
        }
    };
    match edge {
        Edge::First => earliest.min(latest),
        Edge::Last => earliest.max(latest),
    }
}

/// The instant at which a day starts, or the first one after it.
fn day_edge(date: NaiveDate, edge: Edge, zone: Tz) -> DateTime<Utc> {
    let midnight = date.and_time(NaiveTime::MIN);
    let (local, rest) = match edge {
        Edge::First => (midnight, TimeDelta::zero()),
        Edge::Last => {
            let second = TimeDelta::seconds(1);
            (midnight + Days::new(1) - second, second)
        }
    };
    // If the edge of the day is skipped, the day starts or ends at the gap.
    match GapInfo::new(&local, &zone).and_then(|gap| gap.end) {
        Some(end) if zone.from_local_datetime(&local).latest().is_none() => end.to_utc(),
        _ => reading(local, edge, zone) + rest,
    }
}

/// Parses fixed-width fields from the front of a text.
struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    /// Parses the whole text; without a moment it is a bare date.
    fn date_and_moment(mut self) -> Option<(NaiveDate, Option<Moment>)> {
        let date = self.date()?;
        if self.0.is_empty() {
            return Some((date, None));
        }
        Some((date, Some(self.moment()?)))
    }

    fn date(&mut self) -> Option<NaiveDate> {
        let year = self.digits(4)?;
        self.expect(b'-')?;
        let month = self.digits(2)?;
        self.expect(b'-')?;
        let day = self.digits(2)?;
        NaiveDate::from_ymd_opt(i32::try_from(year).ok()?, month, day)
    }

    /// Parses the part after the date, to the end of the text.
    fn moment(&mut self) -> Option<Moment> {
        let separator = self.byte()?;
        let time = self.time()?;
        let fraction = self.fraction()?;
        let offset = self.offset()?;
        // RFC 3339 allows a lower-case `t`; without a time zone it is a typo.
        let is_separator =
            matches!(separator, b' ' | b'T') || separator == b't' && offset.is_some();
        (is_separator && self.0.is_empty()).then_some(Moment {
            time,
            fraction,
            offset,
        })
    }

    fn time(&mut self) -> Option<NaiveTime> {
        let hour = self.digits(2)?;
        self.expect(b':')?;
        let minute = self.digits(2)?;
        self.expect(b':')?;
        let second = self.digits(2)?;
        NaiveTime::from_hms_opt(hour, minute, second)
    }

    /// A fraction, if there is one.
    #[expect(
        clippy::option_option,
        reason = "the outer one is the error, as everywhere in the reader"
    )]
    fn fraction(&mut self) -> Option<Option<Fraction>> {
        if self.0.first() != Some(&b'.') {
            return Some(None);
        }
        self.byte()?;
        let count = self
            .0
            .iter()
            .take_while(|byte| byte.is_ascii_digit())
            .count();
        let (digits, rest) = self.0.split_at_checked(count).filter(|_| count > 0)?;
        self.0 = rest;
        let micros = (0..6).fold(0, |micros, place| {
            let digit = digits.get(place).map_or(0, |digit| digit - b'0');
            micros * 10 + i64::from(digit)
        });
        let has_more = digits.iter().skip(6).any(|digit| *digit != b'0');
        Some(Some(Fraction { micros, has_more }))
    }

    /// An offset, if there is one. A blank stands for a `+` that the client forgot to encode.
    #[expect(
        clippy::option_option,
        reason = "the outer one is the error, as everywhere in the reader"
    )]
    fn offset(&mut self) -> Option<Option<FixedOffset>> {
        let Some(sign) = self.byte() else {
            return Some(None);
        };
        if matches!(sign, b'Z' | b'z') {
            return FixedOffset::east_opt(0).map(Some);
        }
        let hours = self.digits(2)?;
        self.expect(b':')?;
        let minutes = self.digits(2).filter(|minutes| *minutes < 60)?;
        let seconds = i32::try_from(hours * 3600 + minutes * 60).ok()?;
        // `east_opt` rejects a day or more.
        match sign {
            b'+' | b' ' => FixedOffset::east_opt(seconds),
            b'-' => FixedOffset::west_opt(seconds),
            _ => None,
        }
        .map(Some)
    }

    fn byte(&mut self) -> Option<u8> {
        let (byte, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*byte)
    }

    fn expect(&mut self, expected: u8) -> Option<()> {
        (self.byte()? == expected).then_some(())
    }

    fn digits(&mut self, count: usize) -> Option<u32> {
        let (digits, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        digits.iter().try_fold(0, |number, byte| {
            let digit = byte.is_ascii_digit().then(|| u32::from(byte - b'0'))?;
            Some(number * 10 + digit)
        })
    }
}

#[cfg(test)]
mod tests;
