use chrono_tz::UTC;
use domain_testing::{at, image, label};
use proptest::prelude::*;

use super::*;

fn read(text: &str) -> Condition {
    parse(text, UTC).unwrap()
}

fn tag(name: &str) -> Condition {
    Condition::tag(name, None)
}

fn sure(name: &str, operator: Operator, confidence: f64) -> Condition {
    let value = Confidence::new(confidence).unwrap();
    Condition::tag(name, Some(Comparison { operator, value }))
}

fn not(condition: Condition) -> Condition {
    Condition::Not(Box::new(condition))
}

#[test]
fn blanks_bind_tighter_than_or() {
    let expected = Condition::Any(vec![
        Condition::All(vec![tag("a"), tag("b")]),
        Condition::All(vec![tag("c"), not(tag("d"))]),
    ]);
    for text in [
        "a b|c -d",
        " a  b OR c NOT d ",
        "a AND b | c AND -d",
        "(a b)|(c (-d))",
    ] {
        assert_eq!(read(text), expected, "{text}");
    }
}

#[test]
fn brackets_group() {
    let expected = Condition::All(vec![
        Condition::Any(vec![tag("a"), tag("b")]),
        not(tag("c")),
    ]);
    assert_eq!(read("(a|b)-c"), expected);
    assert_eq!(read("-(-a)"), not(not(tag("a"))));
    assert_eq!(read("--a"), tag("a"));
}

#[rstest::rstest]
#[case("x-ray", tag("x-ray"))]
#[case("Straße", tag("straße"))]
#[case(r#""motor vehicle""#, tag("motor vehicle"))]
#[case(r#""a ""b""""#, tag(r#"a "b""#))]
#[case("or", tag("or"))]
#[case(r#""OR""#, tag("or"))]
#[case("ORchid", tag("orchid"))]
#[case("date", tag("date"))]
#[case("taken", tag("taken"))]
#[case(r#""taken:x""#, tag("taken:x"))]
#[case("stop!", tag("stop!"))]
#[case("cat! = 80", sure("cat!", Operator::Equal, 80.0))]
#[case(r#""cat!"=80"#, sure("cat!", Operator::Equal, 80.0))]
#[case("width>=0", Condition::Width(Comparison { operator: Operator::AtLeast, value: 0 }))]
#[case("source", tag("source"))]
#[case("source:Person", Condition::Source(SourceKind::Person))]
#[case("source:provider", Condition::Source(SourceKind::Provider))]
#[case("source:file", Condition::Source(SourceKind::File))]
#[case(r#""untagged""#, tag("untagged"))]
#[case(r#""re:zero""#, tag("re:zero"))]
#[case(r#""""#, Condition::NEVER)]
#[case("untagged", Condition::Untagged)]
#[case("cat>=80", sure("cat", Operator::AtLeast, 80.0))]
#[case("cat > 80.5", sure("cat", Operator::Above, 80.5))]
#[case(r#""motor vehicle"<=7"#, sure("motor vehicle", Operator::AtMost, 7.0))]
#[case("OR<5", sure("or", Operator::Below, 5.0))]
#[case("type:jpg", Condition::Type(MediaType::Jpeg))]
#[case("type:TIFF", Condition::Type(MediaType::Tiff))]
#[case("type:heic", Condition::Type(MediaType::Heic))]
#[case("type:heif", Condition::Type(MediaType::Heic))]
#[case("width>=1000", Condition::Width(Comparison { operator: Operator::AtLeast, value: 1000 }))]
#[case("height=480", Condition::Height(Comparison { operator: Operator::Equal, value: 480 }))]
fn terms(#[case] text: &str, #[case] expected: Condition) {
    assert_eq!(read(text), expected);
}

#[rstest::rstest]
#[case("date>=2024-01-02", Some(86_400), None)]
#[case("date>2024-01-02", Some(172_800), None)]
#[case("date<=2024-01-02", None, Some(172_800))]
#[case("date<2024-01-02", None, Some(86_400))]
#[case("date=2024-01-02", Some(86_400), Some(172_800))]
#[case(r#"date>="2024-01-02 00:00:01""#, Some(86_401), None)]
#[case("date>=0001-01-01", None, None)]
fn dates_bound_a_window(#[case] text: &str, #[case] from: Option<i64>, #[case] until: Option<i64>) {
    let (from, until) = (from.map(at), until.map(at));
    assert_eq!(
        read(text),
        Condition::Registered(TimeWindow { from, until })
    );
}

/// No zone changes them; nor is there a time before which no camera was.
#[rstest::rstest]
#[case("taken>=2024-01-02", Some(86_400), None)]
#[case("taken>2024-01-02", Some(172_800), None)]
#[case("taken<=2024-01-02", None, Some(172_800))]
#[case("taken<2024-01-02", None, Some(86_400))]
#[case("taken=2024-01-02", Some(86_400), Some(172_800))]
#[case("taken:2024-01-02", Some(86_400), Some(172_800))]
#[case("taken:2024-01-02T00:00:01", Some(86_401), Some(86_402))]
#[case(r#"taken>"2024-01-02 00:00:01""#, Some(86_402), None)]
#[case("taken<1960-01-01", None, Some(-2_019_686_400))]
fn times_of_taking_bound_a_window(
    #[case] text: &str,
    #[case] from: Option<i64>,
    #[case] until: Option<i64>,
) {
    let local = |seconds| at(seconds).naive_utc();
    let (from, until) = (from.map(local), until.map(local));
    for zone in [UTC, chrono_tz::Europe::Berlin] {
        assert_eq!(
            parse(text, zone),
            Ok(Condition::Taken(LocalWindow { from, until }))
        );
    }
}

#[test]
fn dates_beyond_all_images_match_none() {
    assert_eq!(read("date<0001-01-01"), Condition::NEVER);
    assert_eq!(read("date>9999-12-31"), Condition::NEVER);
}

#[rstest::rstest]
#[case("", 0, Fault::NoTerm)]
#[case("a |", 3, Fault::NoTerm)]
#[case("a OR", 4, Fault::NoTerm)]
#[case("a AND", 5, Fault::NoTerm)]
#[case("OR a", 0, Fault::NoTerm)]
#[case("a | AND b", 4, Fault::NoTerm)]
#[case("a -", 3, Fault::NoTerm)]
#[case("a NOT", 5, Fault::NoTerm)]
#[case("()", 1, Fault::NoTerm)]
#[case(">=5", 0, Fault::NoTerm)]
#[case("ñu (b", 3, Fault::Unclosed)]
#[case("a) b", 1, Fault::Unopened)]
#[case(r#"a "b"#, 2, Fault::UnclosedQuote)]
#[case("cat>=", 5, Fault::NoValue)]
#[case("cat>= |", 6, Fault::NoValue)]
#[case("cat>=high", 5, Fault::Confidence)]
#[case("cat>=101", 5, Fault::Confidence)]
#[case("cat=nan", 4, Fault::Confidence)]
#[case("cat!=80", 3, Fault::NotEqual)]
#[case("ñu (cat!=80)", 7, Fault::NotEqual)]
#[case("!=80", 0, Fault::NotEqual)]
#[case("type!=jpeg", 4, Fault::NotEqual)]
#[case("cat==80", 4, Fault::NoValue)]
#[case("cat<>80", 4, Fault::NoValue)]
#[case("a date>=yesterday", 8, Fault::Date(dates::DateError))]
#[case("width>=-1", 7, Fault::Pixels)]
#[case("width>=1e3", 7, Fault::Pixels)]
#[case("width>=0100", 7, Fault::Pixels)]
#[case("width>=99999999999", 7, Fault::Pixels)]
#[case("a type:avif", 7, Fault::Type)]
#[case("a taken>=2024", 9, Fault::Date(dates::DateError))]
#[case("a taken:soon", 8, Fault::Date(dates::DateError))]
#[case("taken>=2024-01-02T00:00:00Z", 7, Fault::Offset)]
#[case("taken:2024-01-02T00:00:00+01:00", 6, Fault::Offset)]
#[case("taken>=", 7, Fault::NoValue)]
#[case("origin:person", 0, Fault::Key("origin".to_owned()))]
#[case("source:me", 7, Fault::Source)]
fn faults_have_a_position(#[case] text: &str, #[case] position: usize, #[case] fault: Fault) {
    assert_eq!(parse(text, UTC), Err(SearchError { position, fault }));
}

/// What follows the position in a problem document.
#[rstest::rstest]
#[case("date>=soon", "the value is not a date such as")]
#[case("width>=big", "the value is not a whole number of pixels")]
#[case("type:avif", "the value is not a type; the types are")]
#[case("cat>=101", "the confidence of a tag is a number")]
fn faults_of_values_say_what_is_wrong(#[case] text: &str, #[case] begins: &str) {
    let error = parse(text, UTC).unwrap_err().to_string();
    assert!(error.starts_with(begins), "{error}");
}

#[test]
fn length_terms_and_depth_are_bounded() {
    let fault = |text: &str| parse(text, UTC).unwrap_err();
    let long = "a".repeat(MAX_CHARS + 1);
    assert_eq!(
        (fault(&long).position, fault(&long).fault),
        (MAX_CHARS, Fault::TooLong)
    );
    assert!(parse(&"ñ".repeat(MAX_CHARS), UTC).is_ok());
    let many = |count: usize| vec!["a"; count].join(" ");
    assert_eq!(read(&many(MAX_TERMS)).terms(), MAX_TERMS);
    let error = fault(&many(MAX_TERMS + 1));
    assert_eq!(
        (error.position, error.fault),
        (2 * MAX_TERMS, Fault::TooManyTerms)
    );
    let deep = |count: usize| format!("{}a{}", "(".repeat(count), ")".repeat(count));
    assert!(parse(&deep(MAX_DEPTH), UTC).is_ok());
    let error = fault(&deep(MAX_DEPTH + 1));
    assert_eq!((error.position, error.fault), (MAX_DEPTH, Fault::TooDeep));
    assert_eq!(fault(&"-(".repeat(MAX_CHARS / 2)).fault, Fault::TooDeep);
    assert_eq!(fault(&"-".repeat(MAX_CHARS)).fault, Fault::NoTerm);
}

proptest! {
    #[test]
    fn no_text_panics(text in "[a-c>=<()|\" :-]{0,60}|\\PC{0,60}") {
        let _ = parse(&text, UTC);
    }

    /// Whatever a condition is, the store's question means the same.
    #[test]
    fn searches_mean_what_their_conditions_say(
        text in "(-?(a|b|\"c\"|untagged|a>=60|b<60|\\(a\\|-b\\)|width>=5)( | OR |\\|)){0,6}c",
        carried in prop::collection::btree_map(
            prop::sample::select(vec!["a", "b", "c"]),
            prop::sample::select(vec![10.0, 60.0, 90.0]),
            0..3,
        ),
        lowest in prop::sample::select(vec![0.0, 50.0, 80.0]),
    ) {
        let carried: Vec<(&str, f64)> = carried.into_iter().collect();
        let image = image(b"x", at(0), &carried);
        let condition = read(&text);
        let threshold = domain::Threshold::new(Confidence::new(lowest).unwrap());
        let filter = domain::LabelFilter::default();
        let plain = filter.clone().matching(condition.clone()).within(TimeWindow::default());
        prop_assert_eq!(plain.is_some_and(|query| query.admits(&image)), condition.holds(&image));
        // With a threshold, tags below it are not there for terms that compare nothing.
        let counted: Vec<(&str, f64)> =
            carried.iter().filter(|(_, sure)| *sure >= lowest).copied().collect();
        if !text.contains(['<', '>']) && !text.contains("untagged") {
            let fewer = domain_testing::image(b"x", at(0), &counted);
            let query = filter.at_least(threshold).matching(condition.clone());
            let query = query.within(TimeWindow::default());
            prop_assert_eq!(query.is_some_and(|query| query.admits(&image)), condition.holds(&fewer));
        }
        prop_assert!(condition.labels().iter().all(|l| [label("a"), label("b"), label("c")].contains(l)));
    }
}
