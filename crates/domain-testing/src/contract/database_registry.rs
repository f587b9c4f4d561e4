//! The contract of [`DatabaseRegistry`], beside that of its [`OriginalStore`].

use std::{collections::BTreeMap, sync::Arc};

use chrono::{DateTime, Utc};

use super::originals::listed;
use domain::{
    DatabaseId,
    ports::{DatabaseRegistry, OriginalRemoval, OriginalStore},
};

/// Runs every rule, each on a new empty store.
pub(super) async fn run<S>(empty: &impl AsyncFn() -> Arc<S>)
where
    S: OriginalStore + OriginalRemoval + DatabaseRegistry,
{
    databases_are_there_once_each(&*empty().await).await;
    databases_are_no_originals(&*empty().await).await;
}

async fn databases_are_there_once_each(registry: &dyn DatabaseRegistry) {
    let databases = async || registry.databases().await.expect("listed");
    assert_eq!(databases().await, []);
    let mut ids = [DatabaseId::random(), DatabaseId::random()];
    ids.sort_unstable();
    for id in [ids[1], ids[0], ids[1]] {
        registry.register(&id).await.expect("registered");
    }
    assert_eq!(databases().await, ids);
    for was_there in [true, false] {
        let outcome = registry.unregister(&ids[0]).await.expect("taken away");
        assert_eq!(outcome, was_there);
        assert_eq!(databases().await, [ids[1]]);
    }
    registry.register(&ids[0]).await.expect("registered again");
    assert_eq!(databases().await, ids);
}

/// Registered ids are neither listed nor swept.
async fn databases_are_no_originals<S>(store: &S)
where
    S: OriginalStore + OriginalRemoval + DatabaseRegistry,
{
    let id = DatabaseId::random();
    store.register(&id).await.expect("registered");
    assert_eq!(listed(store).await, BTreeMap::new());
    assert_eq!(
        store.sweep(DateTime::<Utc>::MAX_UTC).await.expect("swept"),
        0
    );
    assert_eq!(store.databases().await.expect("listed"), [id]);
    store.ready().await.expect("ready");
}
