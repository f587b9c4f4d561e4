//! The index keeps the contract of its port.
#![allow(clippy::unwrap_used, missing_docs, reason = "a test may fail loudly")]

use std::sync::Arc;

use domain_testing::contract::similarity_index::run;
use similarity_index_memory::MemoryIndex;

#[tokio::test(flavor = "multi_thread")]
async fn keeps_the_contract() {
    run(|store| Arc::new(MemoryIndex::new(store))).await;
}
