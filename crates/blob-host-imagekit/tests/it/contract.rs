use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use domain_testing::contract::blob_host::{HostProbe, all};

use crate::support::{Stage, client};

struct OverHttp(reqwest::Client);

#[async_trait]
impl HostProbe for OverHttp {
    async fn fetch(&self, url: &str) -> Option<Bytes> {
        let answer = self.0.get(url).send().await.unwrap();
        if answer.status().is_success() {
            Some(answer.bytes().await.unwrap())
        } else {
            None
        }
    }

    fn now(&self) -> DateTime<Utc> {
        SystemTime::now().into()
    }

    async fn let_time_pass(&self) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn keeps_the_contract_of_the_port() {
    let stage = Stage::new().await;
    let probe = OverHttp(client(Duration::from_secs(20)));
    all(&stage.host, &probe).await;
    assert_eq!(stage.kit().alive(), 0);
}
