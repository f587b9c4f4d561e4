//! The trace that a request belongs to (W3C Trace Context), for the log.

use actix_web::http::header::HeaderMap;

/// The header with the trace.
const TRACEPARENT: &str = "traceparent";

/// A trace, and the span in it from which the request came: 32 and 16 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TraceParent<'h> {
    pub(crate) trace_id: &'h str,
    pub(crate) parent_id: &'h str,
}

impl<'h> TraceParent<'h> {
    /// The trace of the header, if there is one header and it is valid.
    pub(crate) fn from_headers(headers: &'h HeaderMap) -> Option<Self> {
        let mut given = headers.get_all(TRACEPARENT);
        let (Some(value), None) = (given.next(), given.next()) else {
            return None;
        };
        Self::parse(value.to_str().ok()?)
    }

    /// `00-TRACE-PARENT-FLAGS`. Later versions may append members.
    fn parse(text: &'h str) -> Option<Self> {
        let mut parts = text.split('-');
        let (version, trace_id) = (parts.next()?, parts.next()?);
        let (parent_id, flags) = (parts.next()?, parts.next()?);
        let has_more = parts.next().is_some();
        let is_valid = is_hex(version, 2)
            && version != "ff"
            && is_hex(trace_id, 32)
            && !is_zero(trace_id)
            && is_hex(parent_id, 16)
            && !is_zero(parent_id)
            && is_hex(flags, 2)
            && !(has_more && version == "00");
        is_valid.then_some(Self {
            trace_id,
            parent_id,
        })
    }
}

fn is_hex(text: &str, length: usize) -> bool {
    let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    text.len() == length && text.bytes().all(is_digit)
}

fn is_zero(text: &str) -> bool {
    text.bytes().all(|byte| byte == b'0')
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
    const PARENT: &str = "b7ad6b7169203331";

    #[rstest::rstest]
    #[case("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")]
    #[case("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00")]
    #[case("cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")]
    #[case("cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-what-comes")]
    fn valid_header_names_trace_and_parent(#[case] text: &str) {
        let expected = TraceParent {
            trace_id: TRACE,
            parent_id: PARENT,
        };
        assert_eq!(TraceParent::parse(text), Some(expected));
    }

    #[rstest::rstest]
    #[case("")]
    #[case("00")]
    #[case("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331")]
    #[case("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more")]
    #[case("ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")]
    #[case("00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01")]
    #[case("00-0af7651916cd43dd8448eb211c80319-b7ad6b7169203331-01")]
    #[case("00-00000000000000000000000000000000-b7ad6b7169203331-01")]
    #[case("00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01")]
    #[case("00-0af7651916cd43dd8448eb211c80319c-b7ad6b716920333g-01")]
    #[case("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-1")]
    #[case(" 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")]
    fn any_other_is_ignored(#[case] text: &str) {
        assert_eq!(TraceParent::parse(text), None);
    }
}
