use proptest::prelude::*;

use super::*;

/// The bytes of a file, and its name.
type Given = (Vec<u8>, Option<String>);

#[derive(Default)]
struct Bytes(Vec<u8>);

impl FileSink for Bytes {
    type Error = MultipartError;

    fn file(&mut self, bytes: &[u8]) -> Result<(), MultipartError> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }
}

/// Reads a body, cut at these offsets.
fn read(boundary: &str, body: &[u8], cuts: &[usize]) -> Result<Given, MultipartError> {
    let boundary = Boundary::parse(boundary).unwrap();
    let (mut multipart, mut bytes) = (Multipart::new(&boundary), Bytes::default());
    let mut rest = body;
    let mut taken = 0;
    for cut in cuts {
        let length = cut.saturating_sub(taken).min(rest.len());
        let (piece, left) = rest.split_at(length);
        multipart.push(piece, &mut bytes)?;
        assert!(multipart.held() <= 2 * HEAD);
        taken += length;
        rest = left;
    }
    multipart.push(rest, &mut bytes)?;
    Ok((bytes.0, multipart.finish()?.file_name))
}

const FILE: &str = "Content-Disposition: form-data; name=\"file\"; filename=\"a.jpg\"\r\n";

fn body(content: &[u8]) -> Vec<u8> {
    [
        b"--b\r\n",
        FILE.as_bytes(),
        b"Content-Type: image/jpeg\r\n\r\n",
        content,
        b"\r\n--b--\r\n",
    ]
    .concat()
}

fn whole(body: &str) -> Result<Given, MultipartError> {
    read("b", body.as_bytes(), &[])
}

#[rstest::rstest]
#[case(b"abc")]
#[case(b"")]
#[case(b"\r\n")]
#[case(b"\r\r\n--\r\n--c\r\n-b--\r\n--")]
#[case(b"\r\n\r\n--\r")]
#[case(b"--b")]
#[case(b"x--b--\r\n")]
fn the_file_comes_back_however_the_body_is_cut(#[case] content: &[u8]) {
    let body = body(content);
    let expected = Ok((content.to_vec(), Some("a.jpg".to_owned())));
    for cut in 0..=body.len() {
        assert_eq!(read("b", &body, &[cut]), expected, "cut at {cut}");
    }
    let all: Vec<usize> = (0..body.len()).collect();
    assert_eq!(read("b", &body, &all), expected);
}

#[rstest::rstest]
#[case("--b \t\r\n{FILE}\r\nabc\r\n--b--")]
#[case("\r\n--b\r\n{FILE}\r\nabc\r\n--b--epilogue\r\n--b\r\n")]
#[case("preamble --b\r\nx\r\n--b\r\n{FILE}\r\nabc\r\n--b--\r\n")]
fn surroundings_are_ignored(#[case] body: &str) {
    let (bytes, _) = whole(&body.replace("{FILE}", FILE)).unwrap();
    assert_eq!(bytes, b"abc");
}

#[rstest::rstest]
#[case("", "the boundary given in Content-Type does not occur")]
#[case("--c\r\n{FILE}\r\nabc\r\n--c--", "does not occur")]
#[case("--b", "ends before its last boundary")]
#[case("--b\r\n{FILE}", "ends before its last boundary")]
#[case("--b\r\n{FILE}\r\nabc\r\n--b", "ends before its last boundary")]
#[case("--b\r\n{FILE}\r\nabc\r\n--b-", "ends before its last boundary")]
#[case("--b\n{FILE}\nabc\n--b--", "other than CRLF or `--`")]
#[case("--b\r{FILE}", "other than CRLF or `--`")]
#[case("--b\r\n{FILE}\r\nabc\r\n--bc\r\n", "other than CRLF or `--`")]
#[case("--b-x", "other than CRLF or `--`")]
#[case(
    "--b\r\n\r\nabc\r\n--b--",
    "a part has no header `Content-Disposition: form-data`"
)]
#[case("--b--", "the body has no file part")]
#[case(
    "--b\r\nContent-Disposition: form-data; name=min_confidence\r\n\r\n60\r\n--b--",
    "the part `min_confidence` is not a file"
)]
#[case(
    "--b\r\n{FILE}\r\nabc\r\n--b\r\nContent-Disposition: form-data; name=\"also\"; filename=x\r\n\r\n",
    "the part `also` is a second file"
)]
#[case(
    "--b\r\n{FILE}\r\nabc\r\n--b\r\nContent-Disposition: form-data; name=\"note\"\r\n\r\n",
    "the part `note` is not a file"
)]
fn other_bodies_are_refused(#[case] body: &str, #[case] reason: &str) {
    let body = body.replace("{FILE}", FILE);
    let error = whole(&body).unwrap_err();
    assert!(error.to_string().contains(reason), "{error}");
    let all: Vec<usize> = (0..body.len()).collect();
    assert_eq!(read("b", body.as_bytes(), &all), Err(error));
}

#[test]
fn the_headers_of_a_part_are_bounded() {
    let with = |length: usize| {
        let filler = "x".repeat(length - FILE.len() - "X: \r\n\r\n".len());
        whole(&format!("--b\r\n{FILE}X: {filler}\r\n\r\nabc\r\n--b--"))
    };
    assert!(with(HEAD).is_ok());
    assert_eq!(with(HEAD + 1), Err(MultipartError::HeadTooLarge));
    let endless = format!("--b\r\nX: {}", "x".repeat(HEAD));
    assert_eq!(whole(&endless), Err(MultipartError::HeadTooLarge));
}

#[test]
fn the_envelope_is_bounded() {
    let around = |before: usize, after: usize| {
        let (before, after) = ("x".repeat(before), "x".repeat(after));
        whole(&format!("{before}\r\n--b\r\n{FILE}\r\nabc\r\n--b--{after}"))
    };
    let rest = format!("\r\n--b\r\n{FILE}\r\n--").len();
    let room = ENVELOPE - rest;
    assert!(around(room, 0).is_ok());
    assert!(around(0, room).is_ok());
    for (before, after) in [(room + 1, 0), (0, room + 1), (room / 2 + 1, room / 2 + 1)] {
        assert_eq!(around(before, after), Err(MultipartError::EnvelopeTooLarge));
    }
    let padding = format!("--b{}", " ".repeat(ENVELOPE));
    assert_eq!(whole(&padding), Err(MultipartError::EnvelopeTooLarge));
}

/// It is another body than the header says, not one that is too large.
#[test]
fn a_body_without_its_boundary_is_malformed() {
    let reason = "does not occur in its first 32 KiB";
    for body in [
        "x".repeat(ENVELOPE + 1),
        "--c\r\n".repeat(ENVELOPE),
        format!("{}\r\n--b\r\n{FILE}\r\nabc\r\n--b--", "x".repeat(ENVELOPE)),
    ] {
        let cuts: Vec<usize> = (0..body.len()).step_by(1000).collect();
        for cuts in [&cuts[..], &[]] {
            let error = read("b", body.as_bytes(), cuts).unwrap_err();
            assert!(error.to_string().contains(reason), "{error}");
            assert_eq!(error.limit(), None);
        }
    }
    let shorter = "x".repeat(ENVELOPE);
    let error = whole(&shorter).unwrap_err().to_string();
    assert!(error.ends_with("does not occur"), "{error}");
}

#[test]
fn boundaries_may_repeat_themselves() {
    for boundary in ["-", "--", "-b", "--b--b", "aaaa"] {
        let content = "\r\n\r\n-\r\n--\r\n---\r\n--b\r\n--a\r\n--aaa\r";
        let content = content.replace(&format!("\r\n--{boundary}"), "");
        let body = format!("--{boundary}\r\n{FILE}\r\n{content}\r\n--{boundary}--\r\n");
        for cut in 0..body.len() {
            let (bytes, _) = read(boundary, body.as_bytes(), &[cut, cut + 1]).unwrap();
            assert_eq!(String::from_utf8(bytes).unwrap(), content);
        }
    }
}

/// Random bytes mixed with fragments of multipart bodies.
fn fragments() -> impl Strategy<Value = Vec<u8>> {
    let fragment = prop_oneof![
        Just("\r\n--b".as_bytes().to_vec()),
        Just(b"--b\r\n".to_vec()),
        Just(b"--".to_vec()),
        Just(b"\r\n".to_vec()),
        Just(b"\r".to_vec()),
        Just(b"\r\n\r\n".to_vec()),
        Just(FILE.as_bytes().to_vec()),
        Just(b"Content-Disposition: form-data; name=\"x\r\n".to_vec()),
        Just(b"Content-Disposition: form-data; filename*=UTF-8''%\r\n".to_vec()),
        prop::collection::vec(any::<u8>(), 0..20),
    ];
    prop::collection::vec(fragment, 0..30).prop_map(|fragments| fragments.concat())
}

fn without_delimiters(mut content: Vec<u8>) -> Vec<u8> {
    while let Some(at) = memchr::memmem::find(&content, b"\r\n--b") {
        content.remove(at);
    }
    content
}

proptest! {
    #[test]
    fn any_split_gives_the_same(
        content in fragments(),
        mut cuts in prop::collection::vec(0usize..2000, 0..20),
    ) {
        cuts.sort_unstable();
        let body = body(&content);
        prop_assert_eq!(read("b", &body, &cuts), read("b", &body, &[]));
    }

    #[test]
    fn content_without_the_delimiter_comes_back(content in fragments(), cut in 0usize..2000) {
        let content = without_delimiters(content);
        let (bytes, _) = read("b", &body(&content), &[cut]).unwrap();
        prop_assert_eq!(bytes, content);
    }

    #[test]
    fn garbage_is_read_alike_or_refused_and_never_panics(
        garbage in fragments(),
        mut cuts in prop::collection::vec(0usize..1000, 0..20),
    ) {
        cuts.sort_unstable();
        prop_assert_eq!(read("b", &garbage, &cuts), read("b", &garbage, &[]));
    }
}
