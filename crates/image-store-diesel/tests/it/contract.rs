//! Runs the contract of the port, one test for each chapter.

/// Defines a test for each chapter. `$stores` is a value whose `store()` makes empty stores.
macro_rules! run_contract {
    ($stores:expr) => {
        #[tokio::test]
        async fn inspection() {
            let stores = $stores;
            domain_testing::contract::inspector::run(&async || stores.store().await).await;
        }

        crate::contract::run_contract!(
            $stores;
            claims, removal, fencing, damage, images, infos, labels, taggings, pages, filters, taken,
            backfill, edits, summaries, rollups, keys, sessions, requests, jobs, transfers, features, sizes,
            concurrency, vocabulary, webhooks
        );
    };
    ($stores:expr; $($chapter:ident),*) => {
        $(
            #[tokio::test]
            async fn $chapter() {
                let stores = $stores;
                domain_testing::contract::database::$chapter::run(&async || {
                    stores.store().await
                })
                .await;
            }
        )*
    };
}
pub(crate) use run_contract;
