use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use proptest::prelude::*;

use super::*;

fn decode_in(pieces: &[&[u8]]) -> Result<Vec<u8>, TextError> {
    let (mut decoder, mut out) = (Decoder::new(), Vec::new());
    for piece in pieces {
        decoder.push(piece, &mut out)?;
    }
    decoder.finish(&mut out)?;
    Ok(out)
}

fn decode(text: &str) -> Result<Vec<u8>, TextError> {
    decode_in(&[text.as_bytes()])
}

#[rstest::rstest]
#[case("cGljdHVyZQ==")]
#[case("cGljdHVyZQ=")]
#[case("cGljdHVyZQ")]
#[case(" cGlj dHVy ZQ = = ")]
#[case("data:image/png;base64,cGljdHVyZQ==")]
#[case("DATA:Image/SVG+xml;charset=utf-8;Base64, cGljdHVyZQ==")]
#[case("  data:image/jpeg;base64,cGljdHVyZQ==")]
#[case("data:;base64,cGljdHVyZQ==")]
#[case("data:application/octet-stream;base64,cGljdHVyZQ==")]
#[case("data:text/plain;base64,cGljdHVyZQ==")]
#[case("data:image/jpeg;name=a,b.jpg;base64,cGljdHVyZQ==")]
#[case("data:image/jpeg;name=\"a,b.jpg\";base64,cGljdHVyZQ==")]
#[case("data:image/jpeg;name=año.jpg; base64,cGljdHVyZQ==")]
fn takes_what_encoders_write(#[case] text: &str) {
    assert_eq!(decode(text).unwrap(), b"picture");
}

#[test]
fn a_text_that_only_begins_like_a_prefix_is_text() {
    assert_eq!(
        decode("dataABCD").unwrap(),
        BASE64_STANDARD.decode("dataABCD").unwrap()
    );
    assert_eq!(
        decode("data").unwrap(),
        BASE64_STANDARD.decode("data").unwrap()
    );
}

#[test]
fn takes_the_url_safe_alphabet() {
    assert_eq!(decode("-_-_").unwrap(), decode("+/+/").unwrap());
}

#[rstest::rstest]
#[case("", TextError::Empty(0))]
#[case("   ", TextError::Empty(3))]
#[case("data:image/png;base64,", TextError::Empty(22))]
#[case("=", TextError::Character(0))]
#[case("QUJD=", TextError::Character(4))]
#[case("QQ===", TextError::Character(4))]
#[case("QUI==", TextError::Character(4))]
#[case("QQ==QQ==", TextError::Character(4))]
#[case("QU%D", TextError::Character(2))]
#[case("QUñD", TextError::Character(2))]
#[case("Q", TextError::Incomplete(1))]
#[case("QUJDQ", TextError::Incomplete(5))]
#[case("QR", TextError::LastCharacter(1))]
#[case("QUJDQ R", TextError::LastCharacter(6))]
#[case("QU\nJD", TextError::Control(2))]
#[case("data:text/plain;charset=utf-8,QQ==", TextError::Prefix(29))]
#[case("data:image/png;name=a,b,QQ==", TextError::Prefix(21))]
#[case("data:image/png,QQ==", TextError::Prefix(14))]
#[case("data:image/png;base64", TextError::Prefix(21))]
#[case("data:\n", TextError::Control(5))]
fn names_what_is_wrong_and_where(#[case] text: &str, #[case] error: TextError) {
    assert_eq!(decode(text), Err(error));
    let one_by_one: Vec<&[u8]> = text.as_bytes().chunks(1).collect();
    assert_eq!(decode_in(&one_by_one), Err(error));
}

#[test]
fn gives_up_on_a_prefix_without_end() {
    let text = format!("data:image/{}", "x".repeat(3000));
    assert_eq!(decode(&text), Err(TextError::Prefix(1024)));
    let text = format!("data:image/{}", ",x".repeat(3000));
    assert_eq!(decode(&text), Err(TextError::Prefix(11)));
}

#[rstest::rstest]
#[case(b"QU\xf1D")]
#[case(b"QU\xc3")]
#[case(b"QU\xe2\x82D")]
#[case(b"\xff\xfeQ")]
#[case(b"data:image/\xf1o;base64,QUJD")]
#[case(b"data:image/\xf1o")]
fn what_is_not_utf8_is_told_from_a_bad_character(#[case] text: &[u8]) {
    assert_eq!(decode_in(&[text]), Err(TextError::NotUtf8));
    let one_by_one: Vec<&[u8]> = text.chunks(1).collect();
    assert_eq!(decode_in(&one_by_one), Err(TextError::NotUtf8));
}

#[test]
fn finds_the_bad_character_in_a_long_text() {
    for at in [0, 3, 1023, 1024, 4097, 70_001] {
        let mut text = "QUJD".repeat(20_000).into_bytes();
        text[at] = b'*';
        assert_eq!(decode_in(&[&text]), Err(TextError::Character(at as u64)));
    }
}

/// Writes bytes in one of the ways that are taken.
fn written(bytes: &[u8], is_url_safe: bool, blanks: &[usize]) -> String {
    let mut text = if is_url_safe {
        BASE64_URL_SAFE_NO_PAD.encode(bytes)
    } else {
        BASE64_STANDARD.encode(bytes)
    };
    for blank in blanks {
        text.insert(blank % (text.len() + 1), ' ');
    }
    text
}

proptest! {
    #[test]
    fn is_the_reverse_of_encoding_whatever_the_pieces(
        bytes in prop::collection::vec(any::<u8>(), 1..12_000),
        is_url_safe: bool,
        blanks in prop::collection::vec(any::<usize>(), 0..6),
        cuts in prop::collection::vec(1usize..5000, 1..20),
    ) {
        let text = written(&bytes, is_url_safe, &blanks);
        let mut rest = text.as_bytes();
        let mut pieces = Vec::new();
        for cut in cuts.iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let (piece, tail) = rest.split_at((*cut).min(rest.len()));
            pieces.push(piece);
            rest = tail;
        }
        prop_assert_eq!(decode_in(&pieces).unwrap(), bytes);
    }

    #[test]
    fn refuses_what_the_engine_refuses(text in "[A-Za-z0-9+/=_ *-]{0,40}") {
        let plain: String = text
            .chars()
            .filter(|c| *c != ' ')
            .map(|c| match c { '-' => '+', '_' => '/', c => c })
            .collect();
        let symbols = plain.trim_end_matches('=');
        let padding = plain.len() - symbols.len();
        let reference = DECODER
            .decode(symbols)
            .ok()
            .filter(|_| !symbols.is_empty() && (padding == 0 || padding <= (4 - symbols.len() % 4) % 4));
        prop_assert_eq!(decode(&text).ok(), reference);
    }
}
