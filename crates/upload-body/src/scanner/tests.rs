use proptest::prelude::*;

use super::*;

/// Keeps the text as it comes.
#[derive(Default)]
struct Kept(Vec<u8>);

impl TextSink for Kept {
    type Error = DocumentError;

    fn text(&mut self, text: &[u8]) -> Result<(), DocumentError> {
        if text.iter().any(|byte| *byte < 0x20) {
            return Err(not_json());
        }
        self.0.extend_from_slice(text);
        Ok(())
    }

    fn escaped(&mut self, character: char) -> Result<(), DocumentError> {
        let mut buffer = [0; 4];
        self.0
            .extend_from_slice(character.encode_utf8(&mut buffer).as_bytes());
        Ok(())
    }
}

fn scan_in(pieces: &[&[u8]]) -> Result<String, DocumentError> {
    let (mut scanner, mut kept) = (Scanner::new(), Kept::default());
    for piece in pieces {
        scanner.push(piece, &mut kept)?;
    }
    scanner.finish()?;
    String::from_utf8(kept.0).map_err(|_| DocumentError::NotUtf8)
}

/// Any error of the grammar.
fn not_json() -> DocumentError {
    DocumentError::NotJson(SyntaxError::new("…"))
}

fn scan(document: &str) -> Result<String, DocumentError> {
    let whole = scan_in(&[document.as_bytes()]);
    let one_by_one: Vec<&[u8]> = document.as_bytes().chunks(1).collect();
    assert_eq!(scan_in(&one_by_one), whole);
    whole
}

#[rstest::rstest]
#[case(r#"{"data":"abc"}"#, "abc")]
#[case(" \r\n\t{ \"data\" : \"abc\" }\n", "abc")]
#[case(r#"{"data":""}"#, "")]
#[case(r#"{"a":1,"data":"x","b":[{"data":"no"}],"c":"\"data\":\"no\""}"#, "x")]
#[case(r#"{"a":{"data":"no"},"data":"x"}"#, "x")]
#[case(r#"{"a":["data","no",{}],"data":"x"}"#, "x")]
#[case(r#"{"a":"data","data":"x"}"#, "x")]
#[case(r#"{"d\u0061ta":"x"}"#, "x")]
#[case(r#"{"\u0064\u0061\u0074\u0061":"x"}"#, "x")]
#[case(r#"{"\u0064\u0061\u0074\u0061\u0061":"no","data":"x"}"#, "x")]
#[case(r#"{"data\\":"no","data":"x"}"#, "x")]
#[case(
    r#"{"data":"a\/b\nc\td\re\ff\bg\"h\\i\u002bj"}"#,
    "a/b\nc\td\re\u{c}f\u{8}g\"h\\i+j"
)]
#[case(r#"{"ñ\ud83d\ude00":null,"data":"x"}"#, "x")]
fn finds_the_text(#[case] document: &str, #[case] text: &str) {
    assert_eq!(scan(document).as_deref(), Ok(text));
}

#[rstest::rstest]
#[case("", not_json())]
#[case("  ", not_json())]
#[case("hello", not_json())]
#[case(" \u{feff}{\"data\":\"x\"}", not_json())]
#[case("\u{feff}\u{feff}{\"data\":\"x\"}", not_json())]
#[case("\u{feff}", not_json())]
#[case("{\0\"\0", DocumentError::NotUtf8)]
#[case("\0{\0\"", DocumentError::NotUtf8)]
#[case("[]", DocumentError::NotAnObject)]
#[case("\"data\"", DocumentError::NotAnObject)]
#[case("null", DocumentError::NotAnObject)]
#[case("{}", DocumentError::Missing)]
#[case(r#"{"Data":"x"}"#, DocumentError::Missing)]
#[case(r#"{"a":{"data":"x"}}"#, DocumentError::Missing)]
#[case(r#"{"data":null}"#, DocumentError::NotText)]
#[case(r#"{"data":1}"#, DocumentError::NotText)]
#[case(r#"{"data":{}}"#, DocumentError::NotText)]
#[case(r#"{"data":["x"]}"#, DocumentError::NotText)]
#[case(r#"{"data":}"#, DocumentError::NotText)]
#[case(r#"{"data":"x","data":"y"}"#, DocumentError::Repeated)]
#[case(r#"{"data":"x","d\u0061ta":"y"}"#, DocumentError::Repeated)]
#[case(r#"{"data":"x""#, not_json())]
#[case(r#"{"data":"x"#, not_json())]
#[case(r#"{"data":"x\"#, not_json())]
#[case(r#"{"data":"x\u00"#, not_json())]
#[case(r#"{"data":"x\q"}"#, not_json())]
#[case(r#"{"data":"x\u00zz"}"#, not_json())]
#[case(r#"{"data":"x"} {}"#, not_json())]
#[case(r#"{"data":"x",}"#, not_json())]
#[case(r#"{"data" "x"}"#, not_json())]
#[case(r#"{"data"::"x"}"#, DocumentError::NotText)]
#[case(r#"{,"data":"x"}"#, not_json())]
#[case(r#"{"data":"x" "y"}"#, not_json())]
#[case(r#"{"data":"x"1}"#, not_json())]
#[case(r#"{"a":[},"data":"x"}"#, not_json())]
#[case(r#"{"a":"\x","data":"x"}"#, not_json())]
#[case("{\"a\":\"\n\",\"data\":\"x\"}", not_json())]
#[case(r#"{'data':"x"}"#, not_json())]
#[case(r#"{"a":01,"data":"x"}"#, not_json())]
#[case(r#"{"a":1 2,"data":"x"}"#, not_json())]
fn refuses_other_documents(#[case] document: &str, #[case] error: DocumentError) {
    let found = scan(document).map_err(|error| match error {
        DocumentError::NotJson(_) => not_json(),
        error => error,
    });
    assert_eq!(found, Err(error));
}

#[rstest::rstest]
#[case("", "it ends too early, at offset 0")]
#[case("hello", "expected `{`, at offset 0")]
#[case("\u{feff}hello", "expected `{`, at offset 3")]
#[case(r#"{"data":"QUJDQUJD""#, "it ends too early, at offset 18")]
#[case(r#"{"data":"QUJDQUJD",}"#, "trailing comma, at offset 19")]
#[case(r#"{"data":"QUJDQUJD" "note":1}"#, "expected `,` or `}`, at offset 19")]
#[case(r#"{    "data"   "QUJD"}"#, "expected `:`, at offset 14")]
#[case(r#"{  "note":  01, "data":"QUJD"}"#, "invalid number, at offset 13")]
#[case(r#"{'data':"QUJD"}"#, "key must be a string, at offset 1")]
#[case(r#"{"data":"QUJD"} {}"#, "the object has ended, at offset 16")]
#[case(r#"{"data":"QUJD\q"}"#, "there is no such escape, at offset 14")]
#[case(
    r#"{"data":"QUJD","note":tru}"#,
    "expected `true`, `false` or `null`, at offset 25"
)]
fn says_what_is_wrong_and_where(#[case] document: &str, #[case] what: &str) {
    let error = scan(document).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("the body is not valid JSON: {what}")
    );
}

#[test]
fn a_byte_order_mark_may_stand_before_the_object() {
    for document in ["\u{feff}{\"data\":\"x\"}", "\u{feff} \n{\"data\":\"x\"}"] {
        assert_eq!(scan(document).as_deref(), Ok("x"));
    }
}

#[rstest::rstest]
#[case(b"\xff\xfe{\0\"\0d\0")]
#[case(b"\xfe\xff\0{\0\"")]
#[case(b"\xef\xbb{\"data\":\"x\"}")]
#[case(b"{\"n\xf1\":1,\"data\":\"x\"}")]
#[case(b"{\xff\"data\":\"x\"}")]
fn other_encodings_are_told_from_bad_grammar(#[case] document: &[u8]) {
    assert_eq!(scan_in(&[document]), Err(DocumentError::NotUtf8));
    let one_by_one: Vec<&[u8]> = document.chunks(1).collect();
    assert_eq!(scan_in(&one_by_one), Err(DocumentError::NotUtf8));
}

#[test]
fn refuses_what_is_not_utf8() {
    let document = b"{\"a\":\"\xff\",\"data\":\"x\"}";
    assert_eq!(scan_in(&[document]), Err(DocumentError::NotUtf8));
}

#[test]
fn holds_no_more_than_its_share() {
    let endless = [b"{\"a\":\"".as_slice(), &vec![b'x'; SKELETON]].concat();
    assert_eq!(scan_in(&[&endless]), Err(DocumentError::TooLarge));
    let blanks = [
        b"{".as_slice(),
        &vec![b'\n'; 3 * SKELETON],
        b"\"data\":\"x\"}",
    ]
    .concat();
    assert_eq!(scan_in(&[&blanks]).as_deref(), Ok("x"));
}

/// What `serde_json` makes of the whole document.
fn reference(document: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Body {
        data: String,
    }
    let text = std::str::from_utf8(document).ok()?;
    serde_json::from_str::<Body>(text)
        .ok()
        .map(|body| body.data)
}

/// A JSON string as one of many writers would write it.
fn json_string(text: String) -> impl Strategy<Value = String> {
    prop::collection::vec(any::<bool>(), text.chars().count()).prop_map(move |escaped| {
        let mut json = String::from("\"");
        for (character, is_escaped) in text.chars().zip(escaped) {
            if is_escaped || matches!(character, '"' | '\\') || character < ' ' {
                json.extend(format!("\\u{:04X}", u32::from(character)).chars());
            } else {
                json.push(character);
            }
        }
        json.push('"');
        json
    })
}

fn member() -> impl Strategy<Value = String> {
    let name = prop_oneof![
        2 => Just("data".to_owned()),
        1 => "[a-d\"\\\\]{0,5}",
    ];
    let value = prop_oneof![
        3 => "[A-Za-z0-9+/=\n\" ñ]{0,30}".prop_flat_map(json_string),
        1 => prop_oneof!["null", "-1\\.5e3", "\\[\\]", "\\[1, \\{\"data\": \"no\"\\}\\]", "\\{\"a\":\\{\\}\\}"]
            .prop_map(|value| value.replace('\\', "")),
    ];
    ("[ \n]{0,2}", name.prop_flat_map(json_string), value)
        .prop_map(|(blank, name, value)| format!("{blank}{name}{blank}:{blank}{value}{blank}"))
}

fn document() -> impl Strategy<Value = Vec<u8>> {
    let whole = prop::collection::vec(member(), 0..4)
        .prop_map(|members| format!("{{{}}}", members.join(",")).into_bytes());
    let blow = (
        any::<prop::sample::Index>(),
        prop::sample::select(br#"{}[]",:\u0x"#.to_vec()),
    );
    (whole, prop::collection::vec(blow, 0..2)).prop_map(|(mut document, blows)| {
        for (at, byte) in blows {
            let at = at.index(document.len());
            document[at] = byte;
        }
        document
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn agrees_with_serde_json(document in document(), cut in any::<prop::sample::Index>()) {
        let (head, tail) = document.split_at(cut.index(document.len()));
        prop_assert_eq!(scan_in(&[head, tail]).ok(), reference(&document));
    }
}
