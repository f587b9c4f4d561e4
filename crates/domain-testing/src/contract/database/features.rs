//! Codes and features of originals.

use chrono::TimeDelta;

use super::{abandoned, claim, claim_removal, forget, limit, new, register, unique};
use crate::at;
use domain::{
    Code, ContentDigest, FeatureModel, Features, Image, ImageId, ModelCode, NewImage,
    PerceptualHash,
    ports::{CodeNumber, Database},
};

chapter![
    codes_are_kept_with_the_image,
    codes_are_kept_for_known_originals_alone,
    what_is_kept_stays,
    that_there_is_no_code_gives_way_to_one,
    originals_that_lack_a_code_are_told,
    codes_are_read_in_the_order_in_which_they_were_kept,
    numbers_are_read_without_the_codes,
    features_are_read_by_the_numbers_of_codes,
    images_are_found_by_the_numbers_of_codes,
    codes_go_with_the_original,
    numbers_are_not_given_twice,
];

fn model() -> FeatureModel {
    FeatureModel::parse("network-1").unwrap()
}

fn features(seed: i8) -> Features {
    Features::from_values((0..100).map(|place: i8| place.wrapping_mul(seed)).collect()).unwrap()
}

fn code(seed: i8) -> ModelCode {
    let features = features(seed);
    ModelCode {
        model: model(),
        code: Some(features.code()),
        features: Some(features),
    }
}

fn hash(word: u64) -> ModelCode {
    PerceptualHash(word).into()
}

async fn register_coded(store: &dyn Database, image: &Image, codes: &[ModelCode]) {
    claim(store, image).await;
    let new = NewImage {
        codes: codes.to_vec(),
        ..new(image)
    };
    store.record(&new).await.unwrap();
}

async fn kept(store: &dyn Database, digest: &ContentDigest) -> Option<ModelCode> {
    store.code_of(digest, &model()).await.unwrap()
}

async fn codes(store: &dyn Database, after: CodeNumber, most: u32) -> Vec<(CodeNumber, Code)> {
    store.codes(&model(), after, limit(most)).await.unwrap()
}

async fn numbers(store: &dyn Database) -> Vec<CodeNumber> {
    let start = CodeNumber::default();
    let numbers = store.code_numbers(&model(), start, limit(1000)).await;
    numbers.unwrap()
}

async fn images(store: &dyn Database, codes: &[CodeNumber], most: u32) -> Vec<ImageId> {
    let found = store.coded_images(codes, limit(most)).await.unwrap();
    let mut found: Vec<ImageId> = found.iter().map(|(_, image)| image.id).collect();
    found.sort_unstable();
    found
}

async fn codes_are_kept_with_the_image(store: &dyn Database) {
    let image = unique(1, at(0), &["car"]);
    register_coded(store, &image, &[code(1), hash(7)]).await;
    assert_eq!(kept(store, &image.digest).await, Some(code(1)));
    let other = store.code_of(&image.digest, &PerceptualHash::model()).await;
    assert_eq!(other.unwrap(), Some(hash(7)));
    let unknown = FeatureModel::parse("network-2").unwrap();
    let other = store.code_of(&image.digest, &unknown).await;
    assert_eq!(other.unwrap(), None);
}

async fn codes_are_kept_for_known_originals_alone(store: &dyn Database) {
    let image = unique(1, at(0), &[]);
    store.keep_codes(&image.digest, &[code(1)]).await.unwrap();
    assert_eq!(kept(store, &image.digest).await, None);
    register(store, &image).await;
    store.keep_codes(&image.digest, &[code(1)]).await.unwrap();
    assert_eq!(kept(store, &image.digest).await, Some(code(1)));
}

async fn what_is_kept_stays(store: &dyn Database) {
    let image = unique(1, at(0), &[]);
    register_coded(store, &image, &[code(1)]).await;
    let before = numbers(store).await;
    let again = Image {
        id: ImageId::from_bytes([9; 16]),
        ..image.clone()
    };
    register_coded(store, &again, &[code(2)]).await;
    let none = ModelCode::none(model());
    store.keep_codes(&image.digest, &[none]).await.unwrap();
    assert_eq!(kept(store, &image.digest).await, Some(code(1)));
    assert_eq!(numbers(store).await, before);
}

async fn that_there_is_no_code_gives_way_to_one(store: &dyn Database) {
    let image = unique(1, at(0), &[]);
    let none = ModelCode::none(model());
    register_coded(store, &image, std::slice::from_ref(&none)).await;
    assert_eq!(kept(store, &image.digest).await, Some(none));
    assert_eq!(codes(store, CodeNumber(0), 10).await, []);
    store.keep_codes(&image.digest, &[code(1)]).await.unwrap();
    assert_eq!(kept(store, &image.digest).await, Some(code(1)));
    assert_eq!(codes(store, CodeNumber(0), 10).await.len(), 1);
}

async fn originals_that_lack_a_code_are_told(store: &dyn Database) {
    let all: Vec<Image> = (0..4).map(|number| unique(number, at(0), &[])).collect();
    register_coded(store, &all[0], &[code(1), hash(1)]).await;
    register_coded(store, &all[1], &[code(1)]).await;
    register_coded(store, &all[2], &[ModelCode::none(model()), hash(2)]).await;
    let digests: Vec<ContentDigest> = all.iter().map(|image| image.digest).collect();
    let models = [model(), PerceptualHash::model()];
    let lacking = store.lacking_codes(&digests, &models).await.unwrap();
    assert_eq!(lacking, [digests[1], digests[3]].into());
    let lacking = store.lacking_codes(&digests, &models[..1]).await.unwrap();
    assert_eq!(lacking, [digests[3]].into());
}

async fn codes_are_read_in_the_order_in_which_they_were_kept(store: &dyn Database) {
    for number in 1..=5_i8 {
        let image = unique(number.unsigned_abs().into(), at(0), &[]);
        register_coded(store, &image, &[hash(1), code(number)]).await;
    }
    let all = codes(store, CodeNumber(0), 10).await;
    let expected: Vec<Code> = (1..=5).map(|seed| features(seed).code()).collect();
    let found: Vec<Code> = all.iter().map(|(_, code)| code.clone()).collect();
    assert_eq!(found, expected);
    assert!(all.is_sorted_by_key(|(number, _)| *number));
    assert_eq!(codes(store, CodeNumber(0), 2).await, all[..2]);
    assert_eq!(codes(store, all[1].0, 2).await, all[2..4]);
    assert_eq!(codes(store, all[4].0, 2).await, []);
}

async fn numbers_are_read_without_the_codes(store: &dyn Database) {
    for number in 1..=4_i8 {
        let image = unique(number.unsigned_abs().into(), at(0), &[]);
        register_coded(store, &image, &[code(number), hash(1)]).await;
    }
    let all = codes(store, CodeNumber(0), 10).await;
    let expected: Vec<CodeNumber> = all.iter().map(|(number, _)| *number).collect();
    assert_eq!(numbers(store).await, expected);
    let rest = store.code_numbers(&model(), expected[0], limit(2)).await;
    assert_eq!(rest.unwrap(), expected[1..3]);
}

async fn features_are_read_by_the_numbers_of_codes(store: &dyn Database) {
    for number in 1..=3_i8 {
        let image = unique(number.unsigned_abs().into(), at(0), &[]);
        register_coded(store, &image, &[code(number)]).await;
    }
    let numbers = numbers(store).await;
    let found = store.features(&numbers[1..]).await.unwrap();
    assert_eq!(found.len(), 2);
    assert_eq!(found.get(&numbers[1]), Some(&features(2)));
    let beyond = CodeNumber(numbers[2].0 + 1000);
    assert!(store.features(&[beyond]).await.unwrap().is_empty());
}

async fn images_are_found_by_the_numbers_of_codes(store: &dyn Database) {
    let one = unique(1, at(0), &["car"]);
    let again = Image {
        id: ImageId::from_bytes([9; 16]),
        ..one.clone()
    };
    let other = unique(2, at(1), &[]);
    register_coded(store, &one, &[code(1)]).await;
    register_coded(store, &again, &[]).await;
    register_coded(store, &other, &[code(2)]).await;
    let numbers = numbers(store).await;
    let both = {
        let mut ids = [one.id, again.id];
        ids.sort_unstable();
        ids
    };
    assert_eq!(images(store, &numbers[..1], 10).await, both);
    assert_eq!(images(store, &numbers, 10).await.len(), 3);
    assert_eq!(images(store, &numbers, 2).await.len(), 2);
    let found = store.coded_images(&numbers[1..], limit(5)).await.unwrap();
    assert_eq!(found, [(numbers[1], (&other).into())]);
    store.delete(&other.id, at(5)).await.unwrap();
    assert_eq!(images(store, &numbers, 10).await, both);
}

async fn codes_go_with_the_original(store: &dyn Database) {
    let image = unique(1, at(0), &[]);
    register_coded(store, &image, &[code(1), hash(1)]).await;
    let number = numbers(store).await[0];
    store.delete(&image.id, at(5)).await.unwrap();
    let later = at(5) + TimeDelta::days(1);
    assert_eq!(abandoned(store, later).await, [image.digest]);
    assert_eq!(kept(store, &image.digest).await, Some(code(1)));
    assert!(claim_removal(store, &image.digest, later).await);
    assert!(forget(store, &image.digest).await);
    assert_eq!(kept(store, &image.digest).await, None);
    assert!(store.features(&[number]).await.unwrap().is_empty());
    assert!(numbers(store).await.is_empty());
}

async fn numbers_are_not_given_twice(store: &dyn Database) {
    let image = unique(1, at(0), &[]);
    register_coded(store, &image, &[code(1)]).await;
    let first = numbers(store).await;
    store.delete(&image.id, at(5)).await.unwrap();
    let later = at(5) + TimeDelta::days(1);
    assert!(claim_removal(store, &image.digest, later).await);
    assert!(forget(store, &image.digest).await);
    let image = unique(2, at(9), &[]);
    register_coded(store, &image, &[code(1)]).await;
    assert!(numbers(store).await > first);
}
