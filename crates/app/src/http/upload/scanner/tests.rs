use proptest::prelude::*;

use super::*;

/// Keeps the text as it comes.
#[derive(Default)]
struct Kept(Vec<u8>);

impl TextSink for Kept {
    type Error = DocumentError;

    fn text(&mut self, text: &[u8]) -> Result<(), DocumentError> {
        if text.iter().any(|byte| *byte < 0x20) {
            return Err(DocumentError::NotJson);
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
    String::from_utf8(kept.0).map_err(|_| DocumentError::NotJson)
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
#[case("", DocumentError::NotJson)]
#[case("  ", DocumentError::NotJson)]
#[case("hello", DocumentError::NotJson)]
#[case("\u{feff}{\"data\":\"x\"}", DocumentError::NotJson)]
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
#[case(r#"{"data":"x""#, DocumentError::NotJson)]
#[case(r#"{"data":"x"#, DocumentError::NotJson)]
#[case(r#"{"data":"x\"#, DocumentError::NotJson)]
#[case(r#"{"data":"x\u00"#, DocumentError::NotJson)]
#[case(r#"{"data":"x\q"}"#, DocumentError::NotJson)]
#[case(r#"{"data":"x\u00zz"}"#, DocumentError::NotJson)]
#[case(r#"{"data":"x"} {}"#, DocumentError::NotJson)]
#[case(r#"{"data":"x",}"#, DocumentError::NotJson)]
#[case(r#"{"data" "x"}"#, DocumentError::NotJson)]
#[case(r#"{"data"::"x"}"#, DocumentError::NotText)]
#[case(r#"{,"data":"x"}"#, DocumentError::NotJson)]
#[case(r#"{"data":"x" "y"}"#, DocumentError::NotJson)]
#[case(r#"{"data":"x"1}"#, DocumentError::NotJson)]
#[case(r#"{"a":[},"data":"x"}"#, DocumentError::NotJson)]
#[case(r#"{"a":"\x","data":"x"}"#, DocumentError::NotJson)]
#[case("{\"a\":\"\n\",\"data\":\"x\"}", DocumentError::NotJson)]
#[case(r#"{'data':"x"}"#, DocumentError::NotJson)]
#[case(r#"{"a":01,"data":"x"}"#, DocumentError::NotJson)]
#[case(r#"{"a":1 2,"data":"x"}"#, DocumentError::NotJson)]
fn refuses_other_documents(#[case] document: &str, #[case] error: DocumentError) {
    assert_eq!(scan(document), Err(error));
}

#[test]
fn refuses_what_is_not_utf8() {
    let document = b"{\"a\":\"\xff\",\"data\":\"x\"}";
    assert_eq!(scan_in(&[document]), Err(DocumentError::NotJson));
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
