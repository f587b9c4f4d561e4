//! A service's response.

use std::{
    str::FromStr,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use chrono::{DateTime, Utc};
use reqwest::{
    StatusCode,
    header::{DATE, HeaderMap, RETRY_AFTER},
};

/// Upper bound of a requested wait between two attempts, so that it can be added to any instant.
const LONGEST_WAIT: Duration = Duration::from_hours(24);

/// Upper bound of the time until a renewal.
const LONGEST_PERIOD: Duration = Duration::from_hours(366 * 24);

/// A complete response: status, headers and body.
#[derive(Debug, Clone)]
pub struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    /// The status.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// The body.
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// A header, if present and text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok().map(str::trim)
    }

    /// A header, if present and parseable.
    pub fn parsed_header<T: FromStr>(&self, name: &str) -> Option<T> {
        self.header(name)?.parse().ok()
    }

    /// When the service answered, by its own clock, or by ours if it does not say.
    pub fn date(&self) -> DateTime<Utc> {
        let date = self.header(DATE.as_str()).and_then(http_date);
        date.unwrap_or_else(|| SystemTime::now().into())
    }

    /// The time from the response to an instant of the service's clock, at most a year; `None` if it has
    /// passed.
    pub fn until(&self, time: DateTime<Utc>) -> Option<Duration> {
        let wait = (time - self.date()).to_std().ok()?;
        (!wait.is_zero()).then_some(wait.min(LONGEST_PERIOD))
    }

    /// The wait in a header of milliseconds, at most a day.
    pub fn milliseconds(&self, name: &str) -> Option<Duration> {
        let wait = Duration::from_millis(self.parsed_header(name)?);
        Some(wait.min(LONGEST_WAIT))
    }

    /// The wait in `Retry-After` (RFC 9110, section 10.2.3), at most a day.
    pub fn retry_after(&self) -> Option<Duration> {
        let text = self.header(RETRY_AFTER.as_str())?;
        let wait = match text.parse() {
            Ok(seconds) => Some(Duration::from_secs(seconds)),
            Err(_) => self.until(http_date(text)?),
        };
        wait.map(|wait| wait.min(LONGEST_WAIT))
    }
}

/// A date such as `Sun, 06 Nov 1994 08:49:37 GMT`.
fn http_date(text: &str) -> Option<DateTime<Utc>> {
    let date = DateTime::parse_from_rfc2822(text).ok()?;
    Some(date.to_utc())
}

#[cfg(test)]
mod tests {
    use reqwest::header::{HeaderName, HeaderValue};

    use super::*;

    fn answer(headers: &[(&'static str, &'static str)]) -> Answer {
        Answer {
            status: StatusCode::SERVICE_UNAVAILABLE,
            headers: headers
                .iter()
                .map(|(name, value)| {
                    (
                        HeaderName::from_static(name),
                        HeaderValue::from_static(value),
                    )
                })
                .collect(),
            body: Bytes::new(),
        }
    }

    const DATE: (&str, &str) = ("date", "Mon, 23 Nov 2026 21:37:39 GMT");

    #[rstest::rstest]
    #[case("0", Some(0))]
    #[case("120", Some(120))]
    #[case("99999999999999", Some(86_400))]
    #[case("Mon, 23 Nov 2026 21:38:09 GMT", Some(30))]
    #[case("Mon, 23 Nov 2026 21:37:09 GMT", None)]
    #[case("Tue, 23 Nov 9999 21:37:09 GMT", Some(86_400))]
    #[case("-5", None)]
    #[case("1.5", None)]
    #[case("soon", None)]
    #[case("", None)]
    fn reads_how_long_to_wait(#[case] text: &'static str, #[case] seconds: Option<u64>) {
        let answer = answer(&[DATE, ("retry-after", text)]);
        assert_eq!(answer.retry_after(), seconds.map(Duration::from_secs));
    }

    #[rstest::rstest]
    #[case("1250", Some(1250))]
    #[case("18446744073709551615", Some(86_400_000))]
    #[case("-1", None)]
    #[case("1.5", None)]
    fn reads_milliseconds(#[case] text: &'static str, #[case] milliseconds: Option<u64>) {
        let answer = answer(&[("x-reset", text)]);
        let wait = milliseconds.map(Duration::from_millis);
        assert_eq!(answer.milliseconds("x-reset"), wait);
    }

    #[test]
    fn no_wait_is_longer_than_a_year() {
        let wait = answer(&[DATE]).until(DateTime::<Utc>::MAX_UTC).unwrap();
        assert_eq!(wait, Duration::from_hours(366 * 24));
        assert_eq!(answer(&[DATE]).until(DateTime::<Utc>::MIN_UTC), None);
    }

    #[test]
    fn without_a_date_our_own_clock_counts() {
        let then: DateTime<Utc> = (SystemTime::now() + Duration::from_mins(1)).into();
        let wait = answer(&[]).until(then).unwrap();
        assert!(wait > Duration::from_secs(30) && wait <= Duration::from_mins(1));
    }
}
