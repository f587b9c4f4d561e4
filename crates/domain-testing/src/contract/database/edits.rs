//! Changes of tags, and deletions.

use std::collections::HashMap;

use chrono::TimeDelta;
use futures_util::future::{join, join_all};

use super::{
    abandoned, all, assert_claim_lost, claim, claim_removal, forget, is_known, new, register,
    unique,
};
use crate::{FakeDatabase, at, image, label, tag};
use domain::{
    Condition, FileTags, Image, ImageId, ImageInfo, ImageQuery, ImageTags, Label, NewImage,
    ProviderAnswers, ProviderIdentity, SourceKind, Tag, TagEdit, TagSource, TaggerVersion, Tags,
    Threshold, TimeWindow,
    ports::{Database, ImageEdits, TagChange, TagsChanged, TagsVersion, VersionedTags},
};

chapter!(
    tags_of_a_new_image_are_its_providers,
    an_edit_is_seen_everywhere,
    an_edit_without_a_difference_leaves_the_version,
    an_edit_of_another_version_is_refused,
    of_several_edits_of_one_version_one_is_made,
    edits_at_once_are_all_made,
    retagging_keeps_edits_and_rejections,
    several_providers_tag_an_image,
    several_providers_tag_an_image_again,
    files_say_what_they_say_now,
    images_are_found_by_who_tagged_them,
    an_image_has_a_bound_of_tags,
    images_that_are_not_there_are_not_changed,
    a_deleted_image_is_nowhere,
    the_original_is_abandoned_with_its_last_image,
    the_last_two_images_deleted_at_once_abandon_the_original,
    an_upload_of_known_bytes_survives_the_deletion_of_the_others,
    an_upload_that_a_removal_followed_is_refused,
    changes_and_deletions_are_counted_at_once,
);

fn provider(name: &str) -> ProviderIdentity {
    ProviderIdentity::parse(name, "v1", "en").unwrap()
}

fn edit(add: &[(&str, f64)], remove: &[&str]) -> TagChange {
    let add: Vec<Tag> = add.iter().map(|(name, value)| tag(name, *value)).collect();
    let remove: Vec<Label> = remove.iter().map(|name| label(name)).collect();
    TagChange::Edit(TagEdit::new(&add, &remove).unwrap())
}

fn answer(name: &str, tags: &[(&str, f64)]) -> ProviderAnswers {
    ProviderAnswers::of(provider(name), crate::tags(tags))
}

fn retag(name: &str, tags: &[(&str, f64)], lowest: f64) -> TagChange {
    TagChange::Retag {
        answers: answer(name, tags),
        threshold: Threshold::new(domain::Confidence::new(lowest).unwrap()),
        vocabulary: std::sync::Arc::default(),
    }
}

async fn tags_of(store: &dyn Database, id: &ImageId) -> VersionedTags {
    store.tags_of(id).await.unwrap().unwrap()
}

async fn change(store: &dyn Database, id: &ImageId, change: &TagChange) -> VersionedTags {
    match store.change_tags(id, change, None).await.unwrap() {
        TagsChanged::Done(changed) => {
            assert_eq!(tags_of(store, id).await, changed);
            changed
        }
        other => panic!("{other:?}"),
    }
}

fn shown(known: &VersionedTags) -> Vec<(String, f64, SourceKind)> {
    let shown = known.tags.shown().into_iter();
    let parts = shown.map(|shown| {
        let Tag { label, confidence } = shown.tag;
        (
            label.as_str().to_owned(),
            confidence.get(),
            shown.source.kind(),
        )
    });
    parts.collect()
}

fn pairs(tags: &Tags) -> Vec<(&str, f64)> {
    tags.iter()
        .map(|tag| (tag.label.as_str(), tag.confidence.get()))
        .collect()
}

async fn registered(store: &dyn Database, content: &[u8], tags: &[(&str, f64)]) -> Image {
    let image = image(content, at(0), tags);
    claim(store, &image).await;
    let new = NewImage {
        info: ImageInfo {
            taggers: TaggerVersion::known("imagga", "v2").into(),
            ..ImageInfo::default()
        },
        ..new(&image)
    };
    store.record(&new).await.unwrap();
    image
}

async fn tags_of_a_new_image_are_its_providers(store: &dyn Database) {
    let image = registered(store, b"a", &[("cat", 90.0), ("dog", 80.5)]).await;
    let known = tags_of(store, &image.id).await;
    assert_eq!(known.version, TagsVersion(0));
    assert_eq!(known.tags.tags(), image.tags);
    for shown in known.tags.shown() {
        let TagSource::Provider(tagger) = shown.source else {
            panic!("{shown:?}");
        };
        let tagger = (tagger.name.as_deref(), tagger.version.as_deref());
        assert_eq!(tagger, (Some("imagga"), Some("v2")));
    }
    let unknown = unique(1, at(0), &["car"]);
    register(store, &unknown).await;
    let known = tags_of(store, &unknown.id).await;
    let expected = TagSource::Provider(domain::TaggerVersion::default());
    assert_eq!(known.tags.shown()[0].source, expected);
}

async fn an_edit_is_seen_everywhere(store: &dyn Database) {
    let image = registered(store, b"a", &[("cat", 90.0), ("dog", 80.5)]).await;
    let changed = change(store, &image.id, &edit(&[("carrot", 100.0)], &["dog"])).await;
    let expected = [
        ("carrot".to_owned(), 100.0, SourceKind::Person),
        ("cat".to_owned(), 90.0, SourceKind::Provider),
    ];
    assert_eq!(shown(&changed), expected);
    assert_eq!(changed.version, TagsVersion(1));
    let rejected: Vec<&str> = changed.tags.rejected().map(Label::as_str).collect();
    assert_eq!(rejected, ["dog"]);
    let found = store.find(&image.id).await.unwrap().unwrap();
    assert_eq!(pairs(&found.tags), [("carrot", 100.0), ("cat", 90.0)]);
    assert_eq!(
        all(store, &ImageQuery::default()).await,
        std::slice::from_ref(&found)
    );
    let carrot = label("carrot");
    assert_eq!(all(store, &super::carrying(&[&carrot])).await, [found]);
    let dog = label("dog");
    assert!(all(store, &super::carrying(&[&dog])).await.is_empty());
    let changed = change(store, &image.id, &edit(&[("dog", 50.0)], &["carrot"])).await;
    assert_eq!(changed.tags.rejected().count(), 0);
    let found = store.find(&image.id).await.unwrap().unwrap();
    assert_eq!(pairs(&found.tags), [("cat", 90.0), ("dog", 50.0)]);
}

async fn an_edit_without_a_difference_leaves_the_version(store: &dyn Database) {
    let image = registered(store, b"a", &[("cat", 90.0)]).await;
    let same = change(store, &image.id, &edit(&[], &["dog"])).await;
    assert_eq!(same.version, TagsVersion(0));
    let added = change(store, &image.id, &edit(&[("dog", 5.0)], &[])).await;
    let again = change(store, &image.id, &edit(&[("dog", 5.0)], &[])).await;
    assert_eq!(added, again);
}

async fn an_edit_of_another_version_is_refused(store: &dyn Database) {
    let image = registered(store, b"a", &[("cat", 90.0)]).await;
    let first = edit(&[("dog", 5.0)], &[]);
    change(store, &image.id, &first).await;
    let second = edit(&[("bird", 5.0)], &[]);
    let refused = store.change_tags(&image.id, &second, Some(TagsVersion(0)));
    assert_eq!(
        refused.await.unwrap(),
        TagsChanged::Outdated(TagsVersion(1))
    );
    assert_eq!(tags_of(store, &image.id).await.tags.shown().len(), 2);
    let made = store.change_tags(&image.id, &second, Some(TagsVersion(1)));
    assert!(matches!(made.await.unwrap(), TagsChanged::Done(_)));
}

async fn of_several_edits_of_one_version_one_is_made(store: &dyn Database) {
    let image = registered(store, b"a", &[]).await;
    let edits: Vec<TagChange> = (0..8)
        .map(|n| edit(&[(&format!("label {n}"), 1.0)], &[]))
        .collect();
    let outcomes = join_all(edits.iter().map(|edit| async {
        let made = store.change_tags(&image.id, edit, Some(TagsVersion(0)));
        matches!(made.await.unwrap(), TagsChanged::Done(_))
    }))
    .await;
    assert_eq!(outcomes.iter().filter(|made| **made).count(), 1);
    assert_eq!(tags_of(store, &image.id).await.tags.shown().len(), 1);
}

async fn edits_at_once_are_all_made(store: &dyn Database) {
    let image = registered(store, b"a", &[("cat", 90.0)]).await;
    let edits: Vec<TagChange> = (0..8)
        .map(|n| edit(&[(&format!("label {n}"), 1.0)], &[]))
        .collect();
    join_all(edits.iter().map(|edit| async {
        let made = store.change_tags(&image.id, edit, None);
        assert!(matches!(made.await.unwrap(), TagsChanged::Done(_)));
    }))
    .await;
    let known = tags_of(store, &image.id).await;
    assert_eq!(known.tags.shown().len(), 9);
    assert_eq!(known.version, TagsVersion(8));
}

async fn retagging_keeps_edits_and_rejections(store: &dyn Database) {
    let image = registered(store, b"a", &[("cat", 90.0), ("dog", 80.0)]).await;
    change(store, &image.id, &edit(&[("mia", 100.0)], &["dog"])).await;
    let answer = [("dog", 99.0), ("tiger", 70.0)];
    let changed = change(store, &image.id, &retag("local", &answer, 65.0)).await;
    let expected = [
        ("mia".to_owned(), 100.0, SourceKind::Person),
        ("tiger".to_owned(), 70.0, SourceKind::Provider),
    ];
    assert_eq!(shown(&changed), expected);
    let infos = store.infos(&[image.id]).await.unwrap();
    let info = &infos[&image.id];
    assert_eq!(info.taggers, TaggerVersion::known("local", "v1").into());
    assert_eq!(info.threshold.map(|it| it.lowest().get()), Some(65.0));
    // What was said of a rejected label is kept beside.
    let said = changed
        .tags
        .said()
        .filter(|said| said.tag.label == label("dog"));
    assert_eq!(said.count(), 1);
}

/// Two providers, of which each has a label of its own, and each a confidence of a label that both have.
fn two_answers() -> ProviderAnswers {
    let local = [("cat", 90.0), ("dog", 60.0)];
    let other = [("cat", 70.0), ("rug", 80.0), ("dust", 10.0)];
    answer("local", &local).and(provider("openai"), crate::tags(&other))
}

fn at_least(lowest: f64) -> Threshold {
    Threshold::new(domain::Confidence::new(lowest).unwrap())
}

async fn taggers_of(store: &dyn Database, id: &ImageId) -> Option<String> {
    let infos = store.infos(&[*id]).await.unwrap();
    infos[id].taggers.names()
}

async fn several_providers_tag_an_image(store: &dyn Database) {
    let answers = two_answers();
    let said = ImageTags::of_answers(&answers, at_least(50.0), &domain::Vocabulary::default());
    let pairs: Vec<(String, f64)> = said
        .tags()
        .iter()
        .map(|tag| (tag.label.to_string(), tag.confidence.get()))
        .collect();
    let pairs: Vec<(&str, f64)> = pairs.iter().map(|(name, it)| (&**name, *it)).collect();
    let image = image(b"a", at(0), &pairs);
    claim(store, &image).await;
    let info = ImageInfo {
        taggers: answers.taggers(),
        ..ImageInfo::default()
    };
    let new = NewImage {
        said: Some(said.clone()),
        info: info.clone(),
        ..new(&image)
    };
    store.record(&new).await.unwrap();
    let known = tags_of(store, &image.id).await;
    assert_eq!((&known.tags, known.version), (&said, TagsVersion(0)));
    assert_eq!(known.tags.said().count(), 4);
    assert_eq!(store.find(&image.id).await.unwrap(), Some(image.clone()));
    let expected = crate::tags(&[("cat", 90.0), ("rug", 80.0), ("dog", 60.0)]);
    assert_eq!(image.tags, expected);
    let infos = store.infos(&[image.id]).await.unwrap();
    assert_eq!(infos[&image.id], info);
    let summaries = store.tag_summaries(&TimeWindow::default()).await.unwrap();
    let counts = summaries.iter().map(|it| (it.label.as_str(), it.images));
    assert_eq!(
        counts.collect::<Vec<_>>(),
        [("cat", 1), ("dog", 1), ("rug", 1)]
    );
    change(store, &image.id, &edit(&[("mia", 100.0)], &["cat"])).await;
    let known = tags_of(store, &image.id).await;
    assert_eq!(known.tags.said().count(), 5, "what was said stays");
}

async fn several_providers_tag_an_image_again(store: &dyn Database) {
    let image = registered(store, b"a", &[("cat", 95.0), ("old", 90.0)]).await;
    let both = TagChange::Retag {
        answers: two_answers(),
        threshold: at_least(50.0),
        vocabulary: std::sync::Arc::default(),
    };
    let known = change(store, &image.id, &both).await;
    assert_eq!(known, tags_of(store, &image.id).await);
    let expected = crate::tags(&[("cat", 90.0), ("rug", 80.0), ("dog", 60.0)]);
    assert_eq!(known.tags.tags(), expected);
    assert_eq!(
        taggers_of(store, &image.id).await.as_deref(),
        Some("local, openai")
    );
    let one = retag("openai", &[("rug", 80.0)], 50.0);
    let known = change(store, &image.id, &one).await;
    assert_eq!(known.tags.said().count(), 1, "the other is dropped");
    assert_eq!(
        taggers_of(store, &image.id).await.as_deref(),
        Some("openai")
    );
}

async fn images_are_found_by_who_tagged_them(store: &dyn Database) {
    let mut plain = registered(store, b"a", &[("cat", 90.0)]).await;
    let mut edited = registered(store, b"b", &[("cat", 90.0)]).await;
    let mut own = registered(store, b"c", &[]).await;
    registered(store, b"d", &[]).await;
    let cleared = registered(store, b"e", &[("cat", 90.0)]).await;
    for image in [&mut edited, &mut own] {
        change(store, &image.id, &edit(&[("mia", 100.0)], &[])).await;
    }
    change(store, &cleared.id, &edit(&[], &["cat"])).await;
    for image in [&mut plain, &mut edited, &mut own] {
        *image = store.find(&image.id).await.unwrap().unwrap();
    }
    for (kind, expected) in [
        (SourceKind::Provider, vec![plain, edited.clone()]),
        (SourceKind::Person, vec![edited, own]),
        (SourceKind::File, vec![]),
    ] {
        let query = ImageQuery {
            conditions: vec![Condition::Source(kind)],
            ..ImageQuery::default()
        };
        assert_eq!(
            all(store, &query).await,
            super::newest_first(expected),
            "{kind:?}"
        );
    }
}

async fn files_say_what_they_say_now(store: &dyn Database) {
    let image = registered(store, b"a", &[("cat", 90.0)]).await;
    let file = |names: &[&str], kept: &[&str]| TagChange::File {
        file: FileTags {
            tags: names.iter().map(|name| tag(name, 100.0)).collect(),
            kept: kept.iter().map(|name| label(name)).collect(),
        },
        vocabulary: std::sync::Arc::default(),
    };
    let known = change(store, &image.id, &file(&["sea", "boat", "cat"], &[])).await;
    assert_eq!(known.version, TagsVersion(1));
    let filed = |name: &str| (name.to_owned(), 100.0, SourceKind::File);
    assert_eq!(shown(&known), [filed("boat"), filed("cat"), filed("sea")]);
    change(store, &image.id, &edit(&[], &["sea"])).await;
    let known = change(store, &image.id, &file(&["sea", "mia"], &["boat"])).await;
    let given = ("cat".to_owned(), 90.0, SourceKind::Provider);
    assert_eq!(shown(&known), [filed("boat"), filed("mia"), given]);
    let again = change(store, &image.id, &file(&["sea", "mia"], &["boat"])).await;
    assert_eq!(again.version, known.version);
    let image = store.find(&image.id).await.unwrap().unwrap();
    let query = ImageQuery {
        conditions: vec![Condition::Source(SourceKind::File)],
        ..ImageQuery::default()
    };
    assert_eq!(all(store, &query).await, [image]);
}

async fn an_image_has_a_bound_of_tags(store: &dyn Database) {
    let image = registered(store, b"a", &[("cat", 90.0)]).await;
    let many = |range: std::ops::Range<usize>| {
        let add: Vec<Tag> = range.map(|n| tag(&format!("label {n}"), 1.0)).collect();
        TagChange::Edit(TagEdit::new(&add, &[]).unwrap())
    };
    change(store, &image.id, &many(0..999)).await;
    let refused = store.change_tags(&image.id, &many(999..1000), None).await;
    assert_eq!(refused.unwrap(), TagsChanged::TooMany);
    let found = store.find(&image.id).await.unwrap().unwrap();
    assert_eq!(found.tags.len(), 1000);
    let known = tags_of(store, &image.id).await;
    assert_eq!(known.version, TagsVersion(1));
}

async fn images_that_are_not_there_are_not_changed(store: &dyn Database) {
    let unknown = unique(1, at(0), &[]).id;
    assert_eq!(store.tags_of(&unknown).await.unwrap(), None);
    let edit = edit(&[("cat", 1.0)], &[]);
    let changed = store.change_tags(&unknown, &edit, None);
    assert_eq!(changed.await.unwrap(), TagsChanged::NotFound);
    assert!(!store.delete(&unknown, at(0)).await.unwrap());
}

async fn a_deleted_image_is_nowhere(store: &dyn Database) {
    let image = registered(store, b"a", &[("cat", 90.0)]).await;
    let other = registered(store, b"b", &[("cat", 80.0)]).await;
    change(store, &image.id, &edit(&[("mia", 100.0)], &["cat"])).await;
    let seen = store
        .untagged_page(&ImageQuery::default(), None, super::limit(10))
        .await
        .unwrap();
    assert!(store.delete(&image.id, at(5)).await.unwrap());
    assert!(!store.delete(&image.id, at(5)).await.unwrap());
    assert_eq!(store.find(&image.id).await.unwrap(), None);
    assert_eq!(store.tags_of(&image.id).await.unwrap(), None);
    assert_eq!(store.infos(&[image.id]).await.unwrap(), HashMap::new());
    assert_eq!(
        all(store, &ImageQuery::default()).await,
        std::slice::from_ref(&other)
    );
    // A list that was at it leaves it out.
    assert_eq!(store.with_tags(&seen).await.unwrap(), [other]);
    let summaries = store.tag_summaries(&TimeWindow::default()).await.unwrap();
    let counts: Vec<_> = summaries
        .iter()
        .map(|it| (it.label.as_str(), it.images))
        .collect();
    assert_eq!(counts, [("cat", 1)]);
}

async fn the_original_is_abandoned_with_its_last_image(store: &dyn Database) {
    let images = [
        registered(store, b"a", &[]).await,
        registered(store, b"a", &[]).await,
    ];
    let digest = &images[0].digest;
    assert!(store.delete(&images[0].id, at(5)).await.unwrap());
    assert!(abandoned(store, at(1_000_000)).await.is_empty());
    assert!(!claim_removal(store, digest, at(1_000_000)).await);
    assert!(store.delete(&images[1].id, at(6)).await.unwrap());
    assert!(abandoned(store, at(6)).await.is_empty());
    assert_eq!(abandoned(store, at(7)).await, [*digest]);
    assert!(!store.is_needed(digest, at(7)).await.unwrap());
    assert!(claim_removal(store, digest, at(7)).await);
    assert!(forget(store, digest).await);
    assert!(!is_known(store, digest).await);
}

/// However they meet.
async fn the_last_two_images_deleted_at_once_abandon_the_original(store: &dyn Database) {
    for number in 0..8_u8 {
        let one = registered(store, &[number], &[]).await;
        let other = registered(store, &[number], &[]).await;
        let delete = |id| async move { store.delete(id, at(5)).await.unwrap() };
        assert_eq!(join(delete(&one.id), delete(&other.id)).await, (true, true));
        assert!(claim_removal(store, &one.digest, at(7)).await);
    }
}

/// Its claim wrote nothing, as an image protected the bytes.
async fn an_upload_of_known_bytes_survives_the_deletion_of_the_others(store: &dyn Database) {
    let first = registered(store, b"a", &[]).await;
    let second = image(b"a", at(1), &[]);
    claim(store, &second).await;
    assert!(store.delete(&first.id, at(2)).await.unwrap());
    store.record(&new(&second)).await.unwrap();
    assert!(abandoned(store, at(1_000_000)).await.is_empty());
    assert!(!claim_removal(store, &second.digest, at(1_000_000)).await);
}

async fn an_upload_that_a_removal_followed_is_refused(store: &dyn Database) {
    let first = registered(store, b"a", &[]).await;
    let second = image(b"a", at(1), &[]);
    let until = at(1) + TimeDelta::hours(1);
    let claimed = store
        .claim(&second.digest, &second.facts, at(1), until)
        .await;
    let new = NewImage {
        fence: Some(claimed.unwrap().fence),
        ..new(&second)
    };
    assert!(store.delete(&first.id, at(2)).await.unwrap());
    assert!(claim_removal(store, &second.digest, at(3)).await);
    assert_claim_lost(&store.record(&new).await);
    assert!(forget(store, &second.digest).await);
    assert_claim_lost(&store.record(&new).await);
}

/// Random images, edits, taggings, deletions and rollups, compared with a store that counts image by image.
async fn changes_and_deletions_are_counted_at_once(store: &dyn Database) {
    let fake = FakeDatabase::default();
    let mut images: Vec<Image> = Vec::new();
    for step in 0..120_u64 {
        // Knuth's MMIX constants.
        let dice = (step + 1)
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407)
            >> 33;
        let second = i64::try_from(dice % 50).unwrap();
        let name = format!("label {}", dice % 5);
        let value = f64::from(u32::try_from(dice % 1000).unwrap()) / 10.0;
        if images.len() < 10 || dice % 7 < 3 {
            let image = image(
                &step.to_be_bytes(),
                at(second),
                &[(&name, value), ("all", 50.0)],
            );
            register(store, &image).await;
            register(&fake, &image).await;
            images.push(image);
        } else {
            let count = u64::try_from(images.len()).unwrap();
            let at_random = usize::try_from(dice / 7 % count).unwrap();
            let id = images[at_random].id;
            let made = match dice % 4 {
                0 => Some(edit(&[(&name, value)], &[])),
                1 => Some(edit(&[], &[&name, "all"])),
                2 => Some(retag("local", &[(&name, value), ("all", 40.0)], 1.0)),
                _ => None,
            };
            if let Some(made) = made {
                let found = store.change_tags(&id, &made, None).await.unwrap();
                assert_eq!(found, fake.change_tags(&id, &made, None).await.unwrap());
            } else {
                images.remove(at_random);
                assert!(store.delete(&id, at(60)).await.unwrap());
                assert!(fake.delete(&id, at(60)).await.unwrap());
            }
        }
        if dice % 3 == 0 {
            store.roll_up(at(second + 30)).await.unwrap();
        }
        for (from, until) in [(None, None), (Some(second - 10), Some(second + 10))] {
            let window = TimeWindow {
                from: from.map(at),
                until: until.map(at),
            };
            super::rollups::assert_counted(store, &fake, &window).await;
        }
    }
}
