use std::time::Duration;

use domain::ports::{CallContext, TagProvider, UpstreamError};
use tag_provider_openai::{VisionServer, WordList};
use upstream_fakes::{Fault, Habit, Route, Vision};

use crate::support::{Stage, chain, client, kind, red, settings};

async fn meet(stage: &Stage, fault: Fault) -> UpstreamError {
    stage.vision.traffic().fail_next(Route::Chat, fault);
    stage.tag(&red()).await.unwrap_err()
}

#[rstest::rstest]
#[case(400, "refused", None)]
#[case(401, "refused", None)]
#[case(402, "quota exhausted", Some(3))]
#[case(403, "refused", None)]
#[case(404, "refused", None)]
#[case(413, "refused", None)]
#[case(408, "unavailable", Some(3))]
#[case(429, "busy", Some(3))]
#[case(500, "unavailable", Some(3))]
#[case(503, "unavailable", Some(3))]
#[case(302, "malformed", None)]
#[tokio::test]
async fn every_status_has_its_meaning(
    #[case] status: u16,
    #[case] expected: &str,
    #[case] wait: Option<u64>,
) {
    let stage = Stage::new();
    let fault = Fault::status(status).with_header("Retry-After", "3");
    assert_eq!(kind(&meet(&stage, fault).await), (expected, wait));
}

#[rstest::rstest]
#[case(429, r#"{"error": {"message": "You exceeded your current quota", "type": "insufficient_quota", "code": "insufficient_quota"}}"#, "quota exhausted")]
#[case(
    400,
    r#"{"error": {"message": "Invalid image.", "code": "image_parse_error"}}"#,
    "unreadable"
)]
#[case(
    400,
    r#"{"error": "failed to decode image: unknown format"}"#,
    "unreadable"
)]
#[case(
    400,
    r#"{"error": {"message": "this model does not support images"}}"#,
    "refused"
)]
#[tokio::test]
async fn the_servers_words_tell_more_than_their_status(
    #[case] status: u16,
    #[case] body: &str,
    #[case] expected: &str,
) {
    let stage = Stage::new();
    let error = meet(&stage, Fault::status(status).with_body(body)).await;
    assert_eq!(kind(&error).0, expected);
}

#[tokio::test]
async fn a_model_that_is_not_there_is_named() {
    let stage = Stage::with(WordList::Open, |settings| {
        settings.model = "llava".to_owned();
    });
    let error = stage.tag(&red()).await.unwrap_err();
    assert_eq!(kind(&error), ("refused", None));
    assert!(
        chain(&error).contains("model 'llava' not found"),
        "{}",
        chain(&error)
    );
}

#[rstest::rstest]
#[case(Habit::CutOff, "openai.max_tags")]
#[case(Habit::Refusal, "refuses to answer")]
#[case(Habit::Plain, "no list of tags")]
#[case(Habit::Saying(" ".to_owned()), "said nothing")]
#[case(Habit::Saying("{\"labels\": 7}".to_owned()), "no list of tags")]
#[tokio::test]
async fn an_answer_that_is_no_list_is_malformed_and_says_why(
    #[case] habit: Habit,
    #[case] why: &str,
) {
    let stage = Stage::new();
    stage.vision.answer(habit);
    let error = stage.tag(&red()).await.unwrap_err();
    assert_eq!(kind(&error), ("malformed", None));
    assert!(chain(&error).contains(why), "{}", chain(&error));
}

#[rstest::rstest]
#[case(Fault::garbage())]
#[case(Fault::truncated_json())]
#[case(Fault::status(200).with_body(""))]
#[case(Fault::status(200).with_body("null"))]
#[case(Fault::status(200).with_body(r#"{"choices": []}"#))]
#[case(Fault::status(200).with_body(r#"{"choices": [{"message": {}}]}"#))]
#[case(Fault::status(200).with_body(r#"{"choices": [{"message": {"content": 7}}]}"#))]
#[case(Fault::status(200).with_body(r#"{"choices": [{"message": {"content": "x", "refusal": 3}}]}"#))]
#[tokio::test]
async fn answers_that_are_none_are_malformed(#[case] fault: Fault) {
    let stage = Stage::new();
    let error = meet(&stage, fault).await;
    assert_eq!(kind(&error), ("malformed", None));
    stage.tag(&red()).await.unwrap();
}

#[tokio::test]
async fn content_in_parts_is_content() {
    let stage = Stage::new();
    let body = r#"{"choices": [{"message": {"content": [{"type": "text", "text": "[\"c"}, {"type": "text", "text": "at\"]"}]}}]}"#;
    stage
        .vision
        .traffic()
        .fail_next(Route::Chat, Fault::status(200).with_body(body));
    let found = stage.tag(&red()).await.unwrap();
    assert_eq!(found.as_slice()[0].label.as_str(), "cat");
}

#[tokio::test]
async fn an_endless_answer_is_not_read_to_its_end() {
    let stage = Stage::new();
    let long = format!("\"{}\"", "x".repeat(2 << 20));
    for (status, expected) in [(200, "malformed"), (500, "unavailable"), (400, "refused")] {
        let error = meet(&stage, Fault::status(status).with_body(&long)).await;
        assert_eq!(kind(&error), (expected, None));
        assert!(chain(&error).len() < 1000);
    }
}

#[tokio::test]
async fn broken_connections_and_silence_are_temporary() {
    let stage = Stage::new();
    for fault in [
        Fault::reset(),
        Fault::reset().after_effect(),
        Fault::half_body(),
    ] {
        assert_eq!(kind(&meet(&stage, fault).await), ("unavailable", None));
    }
    let vision = Vision::start().unwrap();
    let settings = settings(&vision);
    let provider =
        VisionServer::new(client(Duration::from_millis(150)), settings, WordList::Open).unwrap();
    vision.traffic().fail_next(Route::Chat, Fault::hang());
    let error = provider
        .tag(&red(), &CallContext::local())
        .await
        .unwrap_err();
    assert_eq!(kind(&error), ("timed out", None));
}

#[tokio::test]
async fn the_key_is_sent_and_never_shown() {
    let key = "sk-neverToBeSeen";
    let vision = Vision::start_with(Some(key)).unwrap();
    let provider = |key: &str| {
        let mut settings = settings(&vision);
        settings.api_key = Some(key.into());
        VisionServer::new(client(Duration::from_secs(5)), settings, WordList::Open).unwrap()
    };
    let tag = async |provider: &VisionServer| provider.tag(&red(), &CallContext::local()).await;
    tag(&provider(key)).await.unwrap();
    let wrong = "sk-wrongNeverToBeSeen";
    let error = tag(&provider(wrong)).await.unwrap_err();
    assert_eq!(kind(&error), ("refused", None));
    let echo = format!(r#"{{"error": {{"message": "bad key {key}"}}}}"#);
    vision
        .traffic()
        .fail_next(Route::Chat, Fault::status(401).with_body(&echo));
    let echoed = tag(&provider(key)).await.unwrap_err();
    for text in [chain(&error), chain(&echoed), format!("{echoed:?}")] {
        assert!(!text.contains("eToBeSeen"), "{text}");
    }
}
