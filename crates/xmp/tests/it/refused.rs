//! What is not read.

use std::time::{Duration, Instant};

use xmp::{MAX_BYTES, Wanted, XmpError, merge, read};

use super::forms::{ALL, LIGHTROOM};

const RDF: &str = "xmlns:rdf='http://www.w3.org/1999/02/22-rdf-syntax-ns#'";

fn refusal(text: &str) -> XmpError {
    let error = read(text.as_bytes()).unwrap_err();
    let merged = merge(Some(text.as_bytes()), &Wanted::default());
    assert_eq!(merged, Err(error.clone()));
    error
}

#[test]
fn entities_and_document_types_are_refused() {
    let bomb = format!(
        "<!DOCTYPE a [<!ENTITY a 'aaaa'><!ENTITY b '&a;&a;&a;&a;'>]><rdf:RDF {RDF}>&b;</rdf:RDF>"
    );
    assert_eq!(refusal(&bomb), XmpError::DocumentType);
    let file = format!("<!DOCTYPE a SYSTEM 'file:///etc/passwd'><rdf:RDF {RDF}/>");
    assert_eq!(refusal(&file), XmpError::DocumentType);
    for text in ["&b;", "<a b='&b;'/>", "&#0;", "&#xD800;", "&#x110000;"] {
        let text = format!("<rdf:RDF {RDF}>{text}</rdf:RDF>");
        assert_eq!(refusal(&text), XmpError::Entity, "{text}");
    }
}

#[test]
fn depth_size_and_numbers_are_bounded() {
    let deep = format!("<rdf:RDF {RDF}>{}", "<a>".repeat(1_000_000));
    assert_eq!(refusal(&deep), XmpError::TooDeep);
    let long = format!("<rdf:RDF {RDF}/>{}", " ".repeat(MAX_BYTES));
    assert_eq!(refusal(&long), XmpError::TooLarge);
    let many = format!(
        "<rdf:RDF {RDF}><rdf:Description xmlns:dc='http://purl.org/dc/elements/1.1/'>\
         <dc:subject><rdf:Bag>{}</rdf:Bag></dc:subject></rdf:Description></rdf:RDF>",
        "<rdf:li>x</rdf:li>".repeat(20_001)
    );
    assert_eq!(refusal(&many), XmpError::TooMany);
}

#[test]
fn the_names_of_hierarchies_are_bounded() {
    let deep = "a|".repeat(100_000);
    let items = (0..20_000).map(|n| format!("<rdf:li>{n}|b{n}|{deep:.10}</rdf:li>"));
    let many = items.collect::<Vec<_>>().concat();
    let text = format!(
        "<rdf:RDF {RDF}><rdf:Description xmlns:lr='http://ns.adobe.com/lightroom/1.0/'>\
         <lr:hierarchicalSubject><rdf:Bag>{many}</rdf:Bag></lr:hierarchicalSubject>\
         <lr:hierarchicalSubject>{deep}</lr:hierarchicalSubject></rdf:Description></rdf:RDF>"
    );
    assert_eq!(refusal(&text), XmpError::TooMany);
    let text = text.replacen("<rdf:li>0|b0|a|a|a|a|a|</rdf:li>", "", 1);
    assert_eq!(read(text.as_bytes()).unwrap().names.len(), 20_000);
}

/// Neither many prefixes nor many attributes take more time than their length.
#[test]
fn the_time_grows_with_the_length_alone() {
    let began = Instant::now();
    let prefixes = (0..200_000).map(|n| format!(" xmlns:a{n}='b'"));
    let prefixes = prefixes.collect::<Vec<_>>().concat();
    let text = format!(
        "<rdf:RDF {RDF}{prefixes}>{}</rdf:RDF>",
        "<x:y/>".repeat(200_000)
    );
    assert!(read(text.as_bytes()).unwrap().is_empty());
    let attributes = (0..500_000).map(|n| format!(" a{n}='b'"));
    let attributes = attributes.collect::<Vec<_>>().concat();
    let text = format!("<rdf:RDF {RDF}><rdf:Description{attributes}/></rdf:RDF>");
    assert!(read(text.as_bytes()).unwrap().is_empty());
    assert!(began.elapsed() < Duration::from_secs(20));
}

#[rstest::rstest]
#[case("<a>")]
#[case("<a></b>")]
#[case("<a/><a/>")]
#[case("x<a/>")]
#[case("<a/>x")]
#[case("<a b='1' b='2'/>")]
#[case("<a b=1/>")]
#[case("<a>&</a>")]
#[case("<a/>\0")]
#[case("</a>")]
#[case("<a")]
fn what_is_not_well_formed_is_refused(#[case] text: &str) {
    let error = refusal(text);
    assert!(matches!(error, XmpError::Malformed { .. }), "{error:?}");
}

#[test]
fn what_is_no_xmp_or_not_unicode_is_refused() {
    for text in [
        "",
        "<a/>",
        "<a><b><rdf:RDF xmlns:rdf='x'/></b></a>",
        "<?xml version='1.0'?>",
    ] {
        assert_eq!(refusal(text), XmpError::NoXmp, "{text}");
    }
    assert_eq!(read(b"<a>\xff</a>"), Err(XmpError::Encoding));
    assert_eq!(read(b"\xff\xfe<\0a"), Err(XmpError::Encoding));
    assert_eq!(read(b"\xfe\xff\xd8\0"), Err(XmpError::Encoding));
    let latin = format!("<?xml version='1.0' encoding='ISO-8859-1'?><rdf:RDF {RDF}/>");
    assert_eq!(refusal(&latin), XmpError::Encoding);
}

/// What is cut off anywhere is refused, or has its closing parts still to come.
#[test]
fn cut_files_are_refused() {
    for text in ALL {
        let end = text.find("</x:xmpmeta>").or(text.rfind("</RDF>")).unwrap();
        for length in (0..end).filter(|length| text.is_char_boundary(*length)) {
            assert!(read(&text.as_bytes()[..length]).is_err(), "{length}");
        }
    }
}

#[test]
fn a_property_of_an_unknown_form_is_not_changed() {
    let text = LIGHTROOM.replacen("<dc:subject>", "<dc:subject rdf:parseType='Resource'>", 1);
    let wanted = super::merging::wanted(&["cat"], &[]);
    let refused = merge(Some(text.as_bytes()), &wanted);
    assert_eq!(refused, Err(XmpError::Form { name: "dc:subject" }));
}
