use bytes::Bytes;
use domain_testing::contract::tag_provider::{Samples, all};

use crate::support::{Stage, bytes, red};

#[tokio::test]
async fn keeps_the_contract_of_the_port() {
    let stage = Stage::new();
    let samples = Samples {
        readable: red(),
        unreadable: Some(bytes(Bytes::from_static(b"no picture"))),
    };
    all(&stage.provider, &samples).await;
}
