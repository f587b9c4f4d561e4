//! `GET /taggers`.

use domain::ports::{UpstreamError, cause};
use reqwest::Method;
use serde_json::json;

use super::test_server::TestServer;

#[tokio::test(flavor = "multi_thread")]
async fn taggers_are_listed_with_their_state() {
    let server = TestServer::start();
    let loading = UpstreamError::Unavailable {
        retry_after: None,
        source: cause("the model is being loaded"),
    };
    let exhausted = UpstreamError::QuotaExhausted { retry_after: None };
    for (reason, state) in [
        (None, "ready"),
        (Some(exhausted), "quota-exhausted"),
        (Some(loading), "not-ready"),
    ] {
        server.provider.set_not_ready(reason);
        let expected = json!([{
            "name": "fake", "version": "1", "state": state, "languages": ["en"],
            "embeds_pictures": false, "embeds_words": false,
        }]);
        assert_eq!(server.read("/taggers").await, expected);
    }
    assert_eq!(server.provider.calls(), 0);
    let request = server.request(Method::GET, "/taggers?limit=1");
    server.refused(request, 400, "invalid-parameter").await;
}
