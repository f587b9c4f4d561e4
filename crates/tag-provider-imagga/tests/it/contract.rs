use bytes::Bytes;
use domain_testing::contract::tag_provider::{Samples, all};
use tag_provider_imagga::Delivery;

use crate::support::{Stage, bmp, bytes, red};

#[tokio::test]
async fn keeps_the_contract_of_the_port_with_bytes() {
    let stage = Stage::new(Delivery::File).await;
    let samples = Samples {
        readable: red(),
        unreadable: Some(bytes(Bytes::from_static(b"no picture"))),
    };
    all(&stage.provider, &samples).await;
}

#[tokio::test]
async fn keeps_the_contract_of_the_port_with_urls() {
    let stage = Stage::new(Delivery::PublicUrl).await;
    let samples = Samples {
        readable: stage.publish("red.bmp", bmp([200, 10, 10])),
        unreadable: Some(stage.publish("text.bmp", Bytes::from_static(b"no picture"))),
    };
    all(&stage.provider, &samples).await;
}
