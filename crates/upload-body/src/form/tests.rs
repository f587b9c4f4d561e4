use base64::prelude::*;
use proptest::prelude::*;

use super::*;
use crate::error::FormError;

const LIMITS: BodyLimits = BodyLimits {
    image_bytes: 30_000,
};

/// The picture, and the other fields.
type Given = (Option<Vec<u8>>, Vec<(String, String)>);

fn read(kind: &FormKind, body: &[u8], pieces: usize) -> Result<Given, BodyError> {
    let length = Some(body.len() as u64);
    let need = FormBody::memory(LIMITS, length);
    let mut form = FormBody::new(kind, LIMITS, length)?;
    for piece in body.chunks(pieces.max(1)) {
        form.push(piece)?;
        assert!(form.held() <= need, "{} of {need}", form.held());
    }
    let form = form.finish()?;
    let picture = form.picture.map(|picture| {
        let bytes = picture.bytes.as_ref().to_vec();
        assert_eq!(picture.digest, domain::ContentDigest::of(&bytes));
        bytes
    });
    Ok((picture, form.fields))
}

fn encoded(body: &str, pieces: usize) -> Result<Given, BodyError> {
    read(&FormKind::UrlEncoded, body.as_bytes(), pieces)
}

fn multipart(parts: &[(&str, &[u8])]) -> Vec<u8> {
    let mut body = Vec::new();
    for (disposition, content) in parts {
        let head = format!("--b\r\nContent-Disposition: form-data; {disposition}\r\n\r\n");
        body.extend([head.as_bytes(), content, b"\r\n"].concat());
    }
    body.extend(b"--b--\r\n");
    body
}

fn form(parts: &[(&str, &[u8])], pieces: usize) -> Result<Given, BodyError> {
    let kind = FormKind::from_content_type("multipart/form-data; boundary=b").unwrap();
    read(&kind, &multipart(parts), pieces)
}

fn fields(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    let pairs = pairs.iter();
    pairs
        .map(|(n, v)| ((*n).to_owned(), (*v).to_owned()))
        .collect()
}

#[rstest::rstest]
#[case("", &[])]
#[case("&&", &[])]
#[case("a=1&b=&c", &[("a", "1"), ("b", ""), ("c", "")])]
#[case("image_url=https%3A%2F%2Fa%2Fb%3Fc%3D1&limit=5", &[("image_url", "https://a/b?c=1"), ("limit", "5")])]
#[case("image_url=http://a/b?c=1", &[("image_url", "http://a/b?c=1")])]
#[case("a+b=c+d", &[("a b", "c d")])]
#[case("a=%zz%4&b=%", &[("a", "%zz%4"), ("b", "%")])]
#[case("a=%C3%B1&b=%ff", &[("a", "ñ"), ("b", "\u{fffd}")])]
#[case("=x", &[("", "x")])]
fn url_encoded_fields(#[case] body: &str, #[case] expected: &[(&str, &str)]) {
    for pieces in [1, 2, 3, 1000] {
        assert_eq!(encoded(body, pieces).unwrap(), (None, fields(expected)));
    }
}

#[test]
fn a_picture_may_come_as_base64_in_any_spelling() {
    let picture: Vec<u8> = (0..2000_u32).map(|n| (n * 7 % 251) as u8).collect();
    let text = BASE64_STANDARD.encode(&picture);
    assert!(text.contains('+') && text.contains('/') && text.ends_with('='));
    let quoted = text
        .replace('+', "%2B")
        .replace('/', "%2f")
        .replace('=', "%3D");
    let wrapped = quoted.replacen('A', "A%0D%0A", 20);
    let url = format!("data:image/jpeg;base64,{quoted}");
    for text in [&text, &quoted, &wrapped, &url] {
        for pieces in [1, 7, 100_000] {
            let body = format!("limit=3&image_base64={text}&verbose=1");
            let (found, others) = encoded(&body, pieces).unwrap();
            assert_eq!(found.as_deref(), Some(&picture[..]), "{body}");
            assert_eq!(others, fields(&[("limit", "3"), ("verbose", "1")]));
        }
    }
    let lines = text.replace('A', "A\r\n");
    let part = [("name=\"image_base64\"", lines.as_bytes())];
    assert_eq!(form(&part, 9).unwrap().0, Some(picture));
}

#[test]
fn a_multipart_form_has_a_file_and_fields() {
    let parts: [(&str, &[u8]); 3] = [
        ("name=\"language\"", b"en,es"),
        ("name=\"image\"; filename=\"a.jpg\"", b"\xff\xd8\r\n--"),
        ("name=\"limit\"", b"5"),
    ];
    for pieces in [1, 2, 5, 1000] {
        let (picture, others) = form(&parts, pieces).unwrap();
        assert_eq!(picture.as_deref(), Some(b"\xff\xd8\r\n--".as_slice()));
        assert_eq!(others, fields(&[("language", "en,es"), ("limit", "5")]));
    }
    assert_eq!(form(&[], 3).unwrap(), (None, vec![]));
    let unnamed: [(&str, &[u8]); 1] = [("name=image", b"xyz")];
    assert_eq!(form(&unnamed, 3).unwrap().0, Some(b"xyz".to_vec()));
}

#[test]
fn an_empty_picture_is_one() {
    assert_eq!(encoded("image_base64=", 4).unwrap().0, Some(vec![]));
    let parts: [(&str, &[u8]); 1] = [("name=image; filename=a", b"")];
    assert_eq!(form(&parts, 3).unwrap().0, Some(vec![]));
}

#[test]
fn two_pictures_are_refused() {
    let second = BodyError::Form(FormError::SecondPicture);
    let body = "image_base64=QUJD&image_base64=QUJD";
    assert_eq!(encoded(body, 5).unwrap_err(), second);
    let parts: [(&str, &[u8]); 2] = [
        ("name=image; filename=a", b"x"),
        ("name=image_base64", b"QQ"),
    ];
    assert_eq!(form(&parts, 5).unwrap_err(), second);
}

#[rstest::rstest]
#[case("image_base64=*")]
#[case("image_base64=Q")]
#[case("image_base64=%00QUJD")]
#[case("image_base64=%ff%ff")]
#[case("image_base64=data:image/png,QUJD")]
fn what_is_not_base64_is_refused(#[case] body: &str) {
    let expected = BodyError::Form(FormError::NotBase64);
    assert_eq!(encoded(body, 3).unwrap_err(), expected);
}

#[test]
fn a_transfer_encoding_is_refused() {
    let disposition = "name=image; filename=a\r\nContent-Transfer-Encoding: base64";
    let error = form(&[(disposition, b"QUJD")], 5).unwrap_err();
    assert_eq!(error, BodyError::Form(FormError::Encoded));
}

#[test]
fn everything_is_bounded() {
    let too_large = BodyError::Form(FormError::TooLarge);
    assert_eq!(too_large.limit(), Some(FIELDS as u64));
    let long = "x".repeat(FIELDS);
    for body in [format!("a={long}"), long.clone() + "x", "a&".repeat(65)] {
        assert_eq!(
            encoded(&body, 1000).unwrap_err(),
            too_large,
            "{}",
            body.len()
        );
    }
    assert!(encoded(&"a&".repeat(64), 1000).is_ok());
    let fits = vec![1; LIMITS.image_bytes];
    let file = "name=image; filename=a";
    assert!(form(&[(file, &fits)], 1000).is_ok());
    let body = format!(
        "image_base64={}",
        BASE64_STANDARD.encode(&fits).replace('/', "%2F")
    );
    assert!(encoded(&body, 1000).is_ok());
    let larger = vec![1; LIMITS.image_bytes + 1];
    let expected = BodyError::ImageTooLarge(LIMITS.image_bytes);
    assert_eq!(form(&[(file, &larger)], 1000).unwrap_err(), expected);
    let body = format!("image_base64={}", BASE64_STANDARD.encode(&larger));
    assert_eq!(encoded(&body, 1000).unwrap_err(), expected);
    let announced = FormBody::new(&FormKind::UrlEncoded, LIMITS, Some(1 << 20));
    assert!(matches!(announced.err(), Some(BodyError::BodyTooLarge(_))));
    let mut endless = FormBody::new(&FormKind::UrlEncoded, LIMITS, None).unwrap();
    let blanks = "image_base64=".to_owned() + &"+".repeat(1 << 20).replace('+', "%20");
    assert!(matches!(
        endless.push(blanks.as_bytes()),
        Err(BodyError::BodyTooLarge(_))
    ));
}

#[test]
fn a_form_takes_no_more_memory_than_the_largest_upload() {
    let most = LIMITS.memory(&crate::BodyKind::Json, None);
    assert!(FormBody::memory(LIMITS, None) <= most);
}

#[rstest::rstest]
#[case(
    "application/x-www-form-urlencoded; charset=utf-8",
    Some(FormKind::UrlEncoded)
)]
#[case("multipart/form-data", None)]
#[case("application/json", None)]
#[case("", None)]
fn content_types(#[case] value: &str, #[case] kind: Option<FormKind>) {
    assert_eq!(FormKind::from_content_type(value).ok(), kind);
}

proptest! {
    #[test]
    fn fields_come_back(
        pairs in prop::collection::vec(("[a-z]{1,8}", "\\PC{0,20}"), 0..8),
        pieces in 1usize..50,
    ) {
        let pairs: Vec<(String, String)> = pairs.into_iter().map(|(n, v)| (n + "_", v)).collect();
        let byte = |byte: u8| format!("%{byte:02x}");
        let quote = |text: &String| text.bytes().map(byte).collect::<String>();
        let body: Vec<String> = pairs.iter().map(|(n, v)| format!("{n}={}", quote(v))).collect();
        prop_assert_eq!(encoded(&body.join("&"), pieces).unwrap(), (None, pairs));
    }

    #[test]
    fn any_split_gives_the_same(body in "[a&=%+2F]{0,40}|image_base64=[A-D%2b+=&]{0,30}", pieces in 1usize..9) {
        prop_assert_eq!(encoded(&body, pieces), encoded(&body, 1000));
    }
}
