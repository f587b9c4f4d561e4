//! Reads columns whatever their types: the tables may have been made by hand.

use mysql_async::Value;

/// A column as text: numbers and dates as they are written, nothing for NULL.
pub(crate) fn text(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::NULL) => String::new(),
        Some(Value::Bytes(bytes)) => String::from_utf8_lossy(bytes).into_owned(),
        Some(Value::Int(number)) => number.to_string(),
        Some(Value::UInt(number)) => number.to_string(),
        Some(Value::Float(number)) => number.to_string(),
        Some(Value::Double(number)) => number.to_string(),
        Some(Value::Date(year, month, day, hour, minute, second, micros)) => {
            let seconds =
                format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}");
            match micros {
                0 => seconds,
                micros => format!("{seconds}.{micros:06}"),
            }
        }
        Some(Value::Time(..)) => "a time without a date".to_owned(),
    }
}

/// A column as a number; none if it is none.
pub(crate) fn confidence(value: Option<&Value>) -> Option<f64> {
    text(value).trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(Value::NULL, "")]
    #[case(Value::Bytes(b"a\xff".to_vec()), "a\u{fffd}")]
    #[case(Value::Int(-1), "-1")]
    #[case(Value::Date(2024, 1, 11, 8, 0, 5, 0), "2024-01-11 08:00:05")]
    #[case(Value::Date(2024, 1, 11, 8, 0, 5, 42), "2024-01-11 08:00:05.000042")]
    fn texts(#[case] value: Value, #[case] expected: &str) {
        assert_eq!(text(Some(&value)), expected);
    }

    #[rstest]
    #[case(Value::Int(61), Some(61.0))]
    #[case(Value::Double(61.5), Some(61.5))]
    #[case(Value::Bytes(b" 61 ".to_vec()), Some(61.0))]
    #[case(Value::Bytes(b"high".to_vec()), None)]
    #[case(Value::NULL, None)]
    fn confidences(#[case] value: Value, #[case] expected: Option<f64>) {
        assert_eq!(confidence(Some(&value)), expected);
    }
}
