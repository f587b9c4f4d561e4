//! Recognises the HTTP library's own error responses.

use memchr::memmem;

/// The statuses of its own responses.
const STATUSES: [&[u8]; 3] = [b" 400 ", b" 431 ", b" 500 "];

/// Upper bound of their length, in bytes.
const LONGEST: usize = 256;

/// The offset of a bare response at the end of the output. It may be a false positive: a response body can
/// contain the same bytes.
pub(super) fn find(written: &[u8]) -> Option<usize> {
    if !written.ends_with(b"\r\n\r\n") {
        return None;
    }
    let from = written.len().saturating_sub(LONGEST);
    let tail = written.get(from..)?;
    let start = memmem::rfind(tail, b"HTTP/1.")?;
    let answer = tail.get(start..)?;
    let status = answer.get(8..13)?;
    let is_bare =
        STATUSES.contains(&status) && memmem::find(answer, b"\r\nx-request-id:").is_none();
    is_bare.then_some(from + start)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BARE: &[u8] = b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\
        date: Sun, 29 Nov 2026 20:04:42 GMT\r\n\r\n";

    #[test]
    fn finds_one_at_the_end() {
        assert_eq!(find(BARE), Some(0));
        let behind = [b"{\"an\":\"answer\"}".as_slice(), BARE].concat();
        assert_eq!(find(&behind), Some(15));
        let old = String::from_utf8_lossy(BARE).replace("HTTP/1.1 400", "HTTP/1.0 431");
        assert_eq!(find(old.as_bytes()), Some(0));
    }

    #[test]
    fn nothing_else_is_one() {
        let text = String::from_utf8_lossy(BARE);
        for other in [
            text.replace("400", "200"),
            text.replace("date:", "x-request-id: a\r\ndate:"),
            format!("{text}x"),
            text.trim_end().to_owned(),
            String::new(),
            "\r\n\r\n".to_owned(),
            "HTTP/1.\r\n\r\n".to_owned(),
        ] {
            assert_eq!(find(other.as_bytes()), None, "{other}");
        }
    }
}
