use base64::prelude::*;
use proptest::prelude::*;
use serde_json::json;

use super::*;

const LIMITS: BodyLimits = BodyLimits {
    image_bytes: 30_000,
};

/// A picture, or its URL.
#[derive(Debug, PartialEq)]
enum Given {
    Bytes(Vec<u8>),
    Url(String),
}

fn read(document: &str, pieces: usize) -> Result<(Vec<Given>, Option<String>), BodyError> {
    let length = Some(document.len() as u64);
    let need = PicturesBody::memory(LIMITS, length);
    let mut body = PicturesBody::new(LIMITS, length)?;
    for piece in document.as_bytes().chunks(pieces) {
        body.push(piece)?;
        assert!(body.held() <= need);
    }
    let Pictures { bytes, list, id } = body.finish()?;
    let given = |picture| match picture {
        Picture::Url(url) => Given::Url(url),
        Picture::Bytes(range, digest) => {
            let bytes = bytes.as_ref()[range].to_vec();
            assert_eq!(ContentDigest::of(&bytes), digest);
            Given::Bytes(bytes)
        }
    };
    Ok((list.into_iter().map(given).collect(), id))
}

fn data_url(bytes: &[u8]) -> String {
    format!("data:image/jpeg;base64,{}", BASE64_STANDARD.encode(bytes))
}

fn refused(document: &str) -> BodyError {
    let error = read(document, 1000).unwrap_err();
    assert_eq!(read(document, 1).unwrap_err(), error);
    error
}

#[test]
fn pictures_come_in_their_order() {
    let document = json!({
        "id": "b5d1", "model": "", "version": {"images": ["no"]},
        "images": [data_url(b"one"), "HTTPS://a/b", BASE64_STANDARD.encode(b"x"), "http://c"],
        "suffix": ["QQ"], "stream": false,
    });
    let expected = vec![
        Given::Bytes(b"one".to_vec()),
        Given::Url("HTTPS://a/b".to_owned()),
        Given::Bytes(b"x".to_vec()),
        Given::Url("http://c".to_owned()),
    ];
    let document = document.to_string();
    for text in [document.clone(), document.replace('/', "\\/")] {
        for pieces in [1, 3, 1000] {
            let (pictures, id) = read(&text, pieces).unwrap();
            assert_eq!(pictures, expected);
            assert_eq!(id.as_deref(), Some("b5d1"));
        }
    }
}

#[rstest::rstest]
#[case(r#"{"url": "https://a"}"#)]
#[case(r#"{"url": "https://a", "images": []}"#)]
#[case(r#"{"images": [], "id": 5, "url": "https:\/\/a"}"#)]
fn without_images_there_is_a_url(#[case] document: &str) {
    let expected = vec![Given::Url("https://a".to_owned())];
    assert_eq!(read(document, 4).unwrap(), (expected, None));
}

#[rstest::rstest]
#[case("{}", PicturesError::Missing)]
#[case(r#"{"images": [], "url": ""}"#, PicturesError::Missing)]
#[case(r#"{"images": "QQ"}"#, PicturesError::NotTexts)]
#[case(r#"{"images": null}"#, PicturesError::NotTexts)]
#[case(r#"{"images": {"a": "QQ"}}"#, PicturesError::NotTexts)]
#[case(r#"{"images": [["QQ"]]}"#, PicturesError::NotTexts)]
#[case(r#"{"images": ["QQ", 5]}"#, PicturesError::NotTexts)]
#[case(r#"{"images": ["QQ", null]}"#, PicturesError::NotTexts)]
#[case(r#"{"images": ["QQ"], "images": ["QQ"]}"#, PicturesError::Repeated)]
#[case(r#"{"images": [], "im\u0061ges": []}"#, PicturesError::Repeated)]
#[case(r#"{"images": ["QQ", "*"]}"#, PicturesError::NotAPicture(2))]
#[case(r#"{"images": [""]}"#, PicturesError::NotAPicture(1))]
#[case(r#"{"images": ["ftp://a"]}"#, PicturesError::NotAPicture(1))]
#[case(r#"{"images": ["data:image/png,x"]}"#, PicturesError::NotAPicture(1))]
#[case(r#"{"images": ["\u00f1andu base"]}"#, PicturesError::NotAPicture(1))]
#[case("[]", PicturesError::Document(DocumentError::NotAnObject))]
fn other_documents_are_refused(#[case] document: &str, #[case] error: PicturesError) {
    assert_eq!(refused(document), BodyError::Pictures(error));
}

#[rstest::rstest]
#[case(r#"{"images": ["QQ""#)]
#[case(r#"{"images": ["QQ" "QQ"]}"#)]
#[case(r#"{"images": ["QQ",]}"#)]
#[case(r#"{"images": ["QQ"]} x"#)]
#[case("")]
fn what_is_not_json_is_refused(#[case] document: &str) {
    let error = refused(document);
    let is_json = !matches!(
        error,
        BodyError::Pictures(PicturesError::Document(DocumentError::NotJson(_)))
    );
    assert!(!is_json, "{error:?}");
}

#[test]
fn everything_is_bounded() {
    let of = |count: usize, text: &str| json!({"images": vec![text; count]}).to_string();
    assert_eq!(
        read(&of(MAX_PICTURES, "QQ"), 9).unwrap().0.len(),
        MAX_PICTURES
    );
    for text in ["QQ", "", "http://a"] {
        let error = refused(&of(MAX_PICTURES + 1, text));
        let is_bounded = matches!(
            error,
            BodyError::Pictures(PicturesError::TooMany | PicturesError::NotAPicture(1))
        );
        assert!(is_bounded, "{error:?}");
    }
    let url = |len: usize| format!("http://{}", "x".repeat(len - "http://".len()));
    assert!(read(&of(1, &url(LONGEST_URL)), 999).is_ok());
    let error = refused(&of(1, &url(LONGEST_URL + 1)));
    assert_eq!(error, BodyError::Pictures(PicturesError::LongUrl));
    let half = BASE64_STANDARD.encode(vec![7; LIMITS.image_bytes / 2]);
    assert!(read(&of(2, &half), 999).is_ok());
    let error = refused(&of(3, &half));
    assert!(error.limit().is_some(), "{error:?}");
    let note = json!({"note": "x".repeat(2 << 20)}).to_string();
    assert!(read(&note, 1 << 16).unwrap_err().limit().is_some());
}

proptest! {
    #[test]
    fn pictures_come_back(
        pictures in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..500), 1..8),
        pieces in 1usize..300,
    ) {
        let urls: Vec<String> = pictures.iter().map(|bytes| data_url(bytes)).collect();
        let (found, _) = read(&json!({"images": urls}).to_string(), pieces).unwrap();
        let expected: Vec<Given> = pictures.into_iter().map(Given::Bytes).collect();
        prop_assert_eq!(found, expected);
    }

    #[test]
    fn garbage_is_read_alike_or_refused(
        garbage in "[\\[\\]{}:,\"\\\\QAimages ]{0,60}",
        pieces in 1usize..9,
    ) {
        let garbage = format!("{{\"images\":{garbage}");
        let whole = read(&garbage, 1000);
        prop_assert_eq!(read(&garbage, pieces).is_ok(), whole.is_ok());
    }
}
