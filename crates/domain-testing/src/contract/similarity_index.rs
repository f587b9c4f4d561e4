//! The contract of [`SimilarityIndex`].

use std::{num::NonZeroUsize, sync::Arc};

use chrono::TimeDelta;
use futures_util::future::join_all;

use crate::{FakeDatabase, at, image};
use domain::{
    Code, ContentDigest, FeatureModel, Fence, ModelCode,
    ports::{CodeStore, FeatureStore, OriginalLedger, RemovalLedger, SimilarityIndex},
};

/// Runs the whole suite on indexes over stores.
pub async fn run<I: SimilarityIndex + 'static>(make: impl Fn(Arc<dyn CodeStore>) -> Arc<I>) {
    for rule in [
        Rule::Order,
        Rule::Later,
        Rule::Gone,
        Rule::Many,
        Rule::Models,
    ] {
        let store = Arc::new(FakeDatabase::default());
        let index = make(store.clone());
        match rule {
            Rule::Order => it_finds_the_nearest_first(&store, &*index).await,
            Rule::Later => it_finds_what_was_kept_before_the_call(&store, &*index).await,
            Rule::Gone => it_forgets_what_is_gone(&store, &*index).await,
            Rule::Many => it_serves_many_callers(&store, &*index).await,
            Rule::Models => it_keeps_models_apart(&store, &*index).await,
        }
    }
}

#[derive(Clone, Copy)]
enum Rule {
    Order,
    Later,
    Gone,
    Many,
    Models,
}

fn model() -> FeatureModel {
    FeatureModel::parse("network-1").unwrap()
}

fn code(word: u64) -> Code {
    Code::new(vec![word, 0]).unwrap()
}

/// Keeps a code of an original of its own.
async fn keep(
    store: &FakeDatabase,
    number: u32,
    model: &FeatureModel,
    code: Code,
) -> ContentDigest {
    let image = image(&number.to_be_bytes(), at(0), &[]);
    let until = at(0) + TimeDelta::hours(1);
    let claimed = store.claim(&image.digest, &image.facts, at(0), until);
    claimed.await.unwrap();
    let kept = ModelCode {
        model: model.clone(),
        code: Some(code),
        features: None,
    };
    store.keep_codes(&image.digest, &[kept]).await.unwrap();
    image.digest
}

/// The distances of the codes found.
async fn distances(index: &dyn SimilarityIndex, word: u64, count: usize) -> Vec<u32> {
    let count = NonZeroUsize::new(count).unwrap();
    let found = index.nearest(&model(), &code(word), count).await.unwrap();
    found.iter().map(|found| found.distance).collect()
}

async fn it_finds_the_nearest_first(store: &FakeDatabase, index: &dyn SimilarityIndex) {
    assert!(distances(index, 0, 5).await.is_empty());
    for (number, word) in [(1, 0b111), (2, 0b1), (3, 0b11), (4, 0b1)] {
        keep(store, number, &model(), code(word)).await;
    }
    assert_eq!(distances(index, 0, 5).await, [1, 1, 2, 3]);
    assert_eq!(distances(index, 0, 3).await, [1, 1, 2]);
    let found = index.nearest(&model(), &code(1), NonZeroUsize::MIN).await;
    let nearest = found.unwrap().remove(0).code;
    let four = NonZeroUsize::new(4).unwrap();
    let all = index.nearest(&model(), &code(1), four).await.unwrap();
    let numbers: Vec<_> = all.iter().map(|found| found.code).collect();
    assert_eq!(
        Some(&nearest),
        numbers.iter().max(),
        "the latest comes first"
    );
}

async fn it_finds_what_was_kept_before_the_call(store: &FakeDatabase, index: &dyn SimilarityIndex) {
    for number in 0..50 {
        keep(store, number, &model(), code(1 << number)).await;
        assert_eq!(distances(index, 1 << number, 1).await, [0], "{number}");
    }
}

async fn it_forgets_what_is_gone(store: &FakeDatabase, index: &dyn SimilarityIndex) {
    let digest = keep(store, 1, &model(), code(1)).await;
    keep(store, 2, &model(), code(3)).await;
    assert_eq!(distances(index, 1, 5).await, [0, 1]);
    let (fence, later) = (Fence::from_i64(5), at(0) + TimeDelta::days(1));
    let until = later + TimeDelta::hours(1);
    let claimed = store.claim_for_removal(&digest, fence, later, until).await;
    assert!(claimed.unwrap());
    assert!(store.forget(&digest, fence).await.unwrap());
    // It may take some calls.
    let mut found = Vec::new();
    for _ in 0..1000 {
        found = distances(index, 1, 5).await;
        if found == [1] {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    assert_eq!(found, [1]);
    keep(store, 1, &model(), code(1)).await;
    assert_eq!(distances(index, 1, 5).await, [0, 1]);
}

async fn it_serves_many_callers(store: &FakeDatabase, index: &dyn SimilarityIndex) {
    for number in 0..100 {
        keep(store, number, &model(), code(u64::from(number))).await;
    }
    let calls = (0..20).map(|word| distances(index, word, 1));
    for found in join_all(calls).await {
        assert_eq!(found, [0]);
    }
}

async fn it_keeps_models_apart(store: &FakeDatabase, index: &dyn SimilarityIndex) {
    let other = FeatureModel::parse("network-2").unwrap();
    keep(store, 1, &other, code(1)).await;
    keep(store, 2, &model(), code(2)).await;
    keep(store, 3, &model(), Code::new(vec![1]).unwrap()).await;
    assert_eq!(distances(index, 1, 5).await, [2]);
    let found = index.nearest(&other, &code(1), NonZeroUsize::MIN).await;
    assert_eq!(found.unwrap().len(), 1);
}
