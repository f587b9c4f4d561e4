//! The cache of providers' answers.

use super::{claim, claim_removal, forget, key, known_tagging, tagging};
use crate::{at, image, tag, tags};
use domain::{ContentDigest, NewImage, ProviderIdentity, TaggingKey, ports::Database};

chapter!(
    a_tagging_is_known_once_it_was_kept,
    a_tagging_is_recorded_with_an_image,
    the_first_tagging_stays,
    a_tagging_without_tags_is_an_answer,
    a_large_tagging_comes_back,
    every_part_of_a_tagging_key_counts,
    taggings_outlive_the_original,
    all_taggings_of_some_originals_are_read_at_once,
);

/// An answer needs no original.
async fn a_tagging_is_known_once_it_was_kept(store: &dyn Database) {
    let key = key(&ContentDigest::of(b"a"));
    let answer = tagging(tags(&[("car", 69.437_355_041_503_9), ("cab", 1.0 / 3.0)]));
    store.keep_tagging(&key, &answer).await.unwrap();
    let known = store.known(&key).await.unwrap();
    assert_eq!(known.tagging, Some(answer));
    assert_eq!(known.facts, None);
}

/// The complete answer, beside the tags of the image.
async fn a_tagging_is_recorded_with_an_image(store: &dyn Database) {
    let image = image(b"a", at(0), &[("car", 90.0)]);
    claim(store, &image).await;
    let (key, answer) = (
        key(&image.digest),
        tagging(tags(&[("car", 90.0), ("cab", 10.0)])),
    );
    let new = NewImage {
        codes: Vec::new(),
        request: None,
        info: domain::ImageInfo::default(),
        fence: None,
        image,
        said: None,
        taggings: vec![(key.clone(), answer.clone())],
    };
    store.record(&new).await.unwrap();
    let known = store.known(&key).await.unwrap();
    assert_eq!(known.tagging, Some(answer));
    assert_eq!(known.facts, Some(new.image.facts));
    assert_eq!(store.find(&new.image.id).await.unwrap(), Some(new.image));
}

/// However the two are stored.
async fn the_first_tagging_stays(store: &dyn Database) {
    let (first, second) = (tagging(tags(&[("car", 90.0)])), tagging(tags(&[])));
    for (content, recorded_first) in [(b"a", true), (b"b", false)] {
        let image = image(content, at(0), &[]);
        let key = key(&image.digest);
        claim(store, &image).await;
        let new = |answer: &_| NewImage {
            codes: Vec::new(),
            request: None,
            info: domain::ImageInfo::default(),
            fence: None,
            image: image.clone(),
            said: None,
            taggings: vec![(key.clone(), Clone::clone(answer))],
        };
        if recorded_first {
            store.record(&new(&first)).await.unwrap();
            store.keep_tagging(&key, &second).await.unwrap();
        } else {
            store.keep_tagging(&key, &first).await.unwrap();
            store.record(&new(&second)).await.unwrap();
        }
        assert_eq!(known_tagging(store, &key).await.as_ref(), Some(&first));
    }
}

/// An empty answer is not a missing one.
async fn a_tagging_without_tags_is_an_answer(store: &dyn Database) {
    let key = key(&ContentDigest::of(b"a"));
    let answer = tagging(tags(&[]));
    store.keep_tagging(&key, &answer).await.unwrap();
    assert_eq!(known_tagging(store, &key).await, Some(answer));
}

/// A hundred labels of maximum length, with odd characters and confidences.
async fn a_large_tagging_comes_back(store: &dyn Database) {
    let key = key(&ContentDigest::of(b"a"));
    let long = "😀".repeat(250);
    let tags = (0..100_u32)
        .map(|n| tag(&format!("{long}{n:05}"), f64::from(n) / 3.0))
        .chain([
            tag("\"\\/\0\u{1}\u{7f}\u{2028}a", 5e-324),
            tag("'", 99.999_999_999_999_99),
        ])
        .collect();
    let answer = tagging(tags);
    store.keep_tagging(&key, &answer).await.unwrap();
    assert_eq!(known_tagging(store, &key).await, Some(answer));
}

fn changed(key: &TaggingKey, change: impl FnOnce(&mut TaggingKey)) -> TaggingKey {
    let mut key = key.clone();
    change(&mut key);
    key
}

/// Keys are compared exactly: case, accents and trailing blanks included.
async fn every_part_of_a_tagging_key_counts(store: &dyn Database) {
    let base = key(&ContentDigest::of(b"a"));
    let long = "😀".repeat(ProviderIdentity::LONGEST_NAME);
    let long_language = "😀".repeat(ProviderIdentity::LONGEST_LANGUAGE);
    let mut keys = vec![
        changed(&base, |key| key.digest = ContentDigest::of(b"b")),
        changed(&base, |key| key.max_side = 0),
        changed(&base, |key| key.max_side = u32::MAX),
    ];
    let identities = [
        ("imagga", "v2", "en"),
        ("local", "v2", "en"),
        ("Imagga", "v2", "en"),
        ("imaggá", "v2", "en"),
        (&long, "v2", "en"),
        ("imagga", "v3", "en"),
        ("imagga", "v2 ", "en"),
        ("imagga", &long, "en"),
        ("imagga", "v2", "es"),
        ("imagga", "v2", "EN"),
        ("imagga", "v2", &long_language),
    ];
    keys.extend(identities.map(|(name, version, language)| {
        let provider = ProviderIdentity::parse(name, version, language).unwrap();
        changed(&base, |key| key.provider = provider)
    }));
    let answer = |n: u32| tagging([tag("car", f64::from(n))].into_iter().collect());
    for (n, key) in (0..).zip(&keys) {
        assert_eq!(known_tagging(store, key).await, None, "{key:?}");
        store.keep_tagging(key, &answer(n)).await.unwrap();
    }
    for (n, key) in (0..).zip(&keys) {
        assert_eq!(known_tagging(store, key).await, Some(answer(n)), "{key:?}");
    }
}

/// Answers that were paid for are kept when the bytes are removed.
async fn taggings_outlive_the_original(store: &dyn Database) {
    let image = image(b"a", at(0), &[]);
    let (key, answer) = (key(&image.digest), tagging(tags(&[("car", 90.0)])));
    store
        .claim(&image.digest, &image.facts, at(0), at(1))
        .await
        .unwrap();
    store.keep_tagging(&key, &answer).await.unwrap();
    assert!(claim_removal(store, &image.digest, at(1)).await);
    forget(store, &image.digest).await;
    let known = store.known(&key).await.unwrap();
    assert_eq!(known.facts, None);
    assert_eq!(known.tagging, Some(answer));
}

async fn all_taggings_of_some_originals_are_read_at_once(store: &dyn Database) {
    let digest = |n: u32| ContentDigest::of(&n.to_be_bytes());
    let mut expected = Vec::new();
    for n in 0..600 {
        let (key, answer) = (
            key(&digest(n)),
            tagging(tags(&[("car", f64::from(n) / 8.0)])),
        );
        store.keep_tagging(&key, &answer).await.unwrap();
        if n != 7 {
            expected.push((key, answer));
        }
    }
    let other = TaggingKey {
        provider: ProviderIdentity::parse("local", "ñ 2", "es").unwrap(),
        max_side: 0,
        ..key(&digest(3))
    };
    let answer = tagging(tags(&[]));
    store.keep_tagging(&other, &answer).await.unwrap();
    expected.push((other, answer));
    let asked: Vec<ContentDigest> = (0..700).filter(|n| *n != 7).map(digest).collect();
    let mut found = store.taggings_of(&asked).await.unwrap();
    let order = |(key, _): &(TaggingKey, domain::Tagging)| (key.digest, key.max_side);
    found.sort_by_key(order);
    expected.sort_by_key(order);
    assert_eq!(found, expected);
    assert_eq!(store.taggings_of(&[]).await.unwrap(), []);
}
