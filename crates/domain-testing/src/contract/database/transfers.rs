//! Exports, and what is restored from them.

use chrono::{NaiveDate, TimeDelta};
use futures_util::future::join;

use super::{
    FENCE, MICROSECOND, claim, claim_removal_by, key, limit, new, register, register_with, tagging,
    unique,
};
use crate::{at, image, label, tag, tags};
use domain::{
    CameraData, Confidence, ContentDigest, Fence, Image, ImageId, ImageInfo, ImageTags,
    ImportedFile, Location, ProviderIdentity, SourcedTag, TagEdit, TagSource, TaggerVersion,
    Taggers, Tagging, TaggingKey, Threshold, TimeWindow,
    ports::{
        Claimed, Database, ExportPosition, Restoration, RestoredImage, StoredImage, TagChange,
        TagsVersion,
    },
};

chapter!(
    images_are_exported_in_the_order_of_registration,
    pages_of_images_meet,
    images_of_one_time_are_in_the_order_of_their_ids,
    an_export_has_what_was_said,
    images_are_read_by_their_ids,
    answers_are_exported_by_their_keys,
    a_restored_image_is_as_it_was,
    a_restored_image_is_counted_and_listed,
    restored_images_share_originals,
    an_image_that_is_there_is_not_restored,
    a_file_is_not_imported_by_two_images,
    an_image_without_a_claim_is_not_restored,
    originals_are_claimed_together,
    an_original_that_is_being_removed_is_not_claimed,
    answers_are_restored_once,
    a_thousand_images_are_restored_at_once,
    images_restored_at_once_are_restored_once,
    a_restored_image_is_edited_and_deleted,
);

async fn exported(store: &dyn Database, page_size: u32) -> Vec<StoredImage> {
    let (mut all, mut after) = (Vec::new(), None::<ExportPosition>);
    loop {
        let page = store.export_images(after, limit(page_size)).await.unwrap();
        assert!(page.len() <= page_size as usize, "a page is too long");
        let Some(last) = page.last() else {
            return all;
        };
        after = Some(last.position());
        all.extend(page);
    }
}

fn ids(images: &[StoredImage]) -> Vec<ImageId> {
    images.iter().map(|image| image.id).collect()
}

/// Claims the originals of images, and restores these.
async fn restore(store: &dyn Database, images: &[StoredImage]) -> Vec<Restoration> {
    let mut originals: Vec<_> = images.iter().map(|it| (it.digest, it.facts)).collect();
    originals.sort_unstable_by_key(|(digest, _)| *digest);
    originals.dedup_by_key(|(digest, _)| *digest);
    let until = at(0) + TimeDelta::hours(1);
    let claims = store
        .claim_originals(&originals, at(0), until)
        .await
        .unwrap();
    let fence = |digest: &ContentDigest| {
        let place = originals.binary_search_by_key(digest, |(digest, _)| *digest);
        claims[place.unwrap()].unwrap().fence
    };
    let images: Vec<RestoredImage> = images
        .iter()
        .map(|image| RestoredImage {
            image: image.clone(),
            fence: fence(&image.digest),
        })
        .collect();
    store.restore_images(&images).await.unwrap()
}

fn provider(name: &str) -> TaggerVersion {
    TaggerVersion {
        name: Some(name.to_owned()),
        version: Some("v2".to_owned()),
    }
}

fn said(text: &str, confidence: f64, source: TagSource) -> SourcedTag {
    SourcedTag {
        tag: tag(text, confidence),
        source,
    }
}

/// An image of which everything is known, with tags of all sources.
fn full(content: &[u8], seconds: i64) -> StoredImage {
    let Image {
        id,
        digest,
        facts,
        registered_at,
        ..
    } = image(content, at(seconds) + MICROSECOND, &[]);
    let taken = NaiveDate::from_ymd_opt(1899, 12, 31).unwrap();
    let info = ImageInfo {
        threshold: Some(Threshold::new(
            Confidence::new(69.437_355_041_503_9).unwrap(),
        )),
        taggers: Taggers::new(
            TaggerVersion::known("imagga", "v2"),
            [
                TaggerVersion::known("local", "\"1\", ñ"),
                TaggerVersion::default(),
            ],
        ),
        file_name: Some("Niño 😀'\"\\%_.JPG".to_owned()),
        camera: CameraData {
            taken_at: taken.and_hms_opt(23, 59, 59),
            camera: Some("Canon EOS".to_owned()),
            location: Location::new(-33.51, 151.205),
        },
        registered_local: taken.and_hms_micro_opt(1, 2, 3, 456_789),
        imported: Some(ImportedFile::new(&digest, b"/photos/\xff.jpg")),
    };
    let given = [
        said("alone", 90.0, TagSource::Provider(provider("imagga"))),
        said(
            "third",
            100.0 / 3.0,
            TagSource::Provider(provider("imagga")),
        ),
        said("older", 70.0, TagSource::Provider(provider("other"))),
        said("both", 60.0, TagSource::Provider(provider("imagga"))),
        said("both", 100.0, TagSource::Person),
        said("file", 100.0, TagSource::File),
        said("rejected", 80.0, TagSource::Provider(provider("imagga"))),
        said(
            "unknown",
            50.0,
            TagSource::Provider(TaggerVersion::default()),
        ),
    ];
    let rejected = ["rejected", "never said", "ñandú"].map(label);
    StoredImage {
        id,
        registered_at,
        digest,
        facts,
        info,
        tags: ImageTags::new(given, rejected),
        version: TagsVersion(7),
    }
}

async fn images_are_exported_in_the_order_of_registration(store: &dyn Database) {
    assert!(exported(store, 2).await.is_empty());
    let later = unique(1, at(5), &["a"]);
    let earlier = unique(2, at(5) - MICROSECOND, &["b"]);
    register(store, &later).await;
    register(store, &earlier).await;
    let exported = exported(store, 10).await;
    assert_eq!(ids(&exported), [earlier.id, later.id]);
    assert_eq!(exported[1].tags.tags(), later.tags);
    assert_eq!(exported[1].facts, later.facts);
    assert_eq!(exported[1].registered_at, later.registered_at);
}

async fn pages_of_images_meet(store: &dyn Database) {
    let mut expected = Vec::new();
    for number in 0..7 {
        let image = unique(number, at(i64::from(number / 3)), &["a"]);
        register(store, &image).await;
        expected.push((image.registered_at, image.id));
    }
    expected.sort_unstable();
    let expected: Vec<ImageId> = expected.into_iter().map(|(_, id)| id).collect();
    for page_size in 1..9 {
        assert_eq!(ids(&exported(store, page_size).await), expected);
    }
}

async fn images_of_one_time_are_in_the_order_of_their_ids(store: &dyn Database) {
    for number in [3, 1, 2] {
        let image = Image {
            id: ImageId::from_bytes([number; 16]),
            ..unique(number.into(), at(0), &[])
        };
        register(store, &image).await;
    }
    let expected = [1, 2, 3].map(|number| ImageId::from_bytes([number; 16]));
    assert_eq!(ids(&exported(store, 1).await), expected);
}

/// Edits, rejections and versions included.
async fn an_export_has_what_was_said(store: &dyn Database) {
    let image = unique(1, at(0), &["cat", "dog"]);
    let info = ImageInfo {
        taggers: TaggerVersion::known("imagga", "v2").into(),
        ..ImageInfo::default()
    };
    register_with(store, &image, &info).await;
    let edit = TagEdit::new(&[tag("tree", 100.0)], &[label("cat")]).unwrap();
    let edit = TagChange::Edit(edit);
    store.change_tags(&image.id, &edit, None).await.unwrap();
    let known = store.tags_of(&image.id).await.unwrap().unwrap();
    let exported = exported(store, 10).await;
    assert_eq!(exported[0].tags, known.tags);
    assert_eq!(exported[0].version, TagsVersion(1));
    assert!(exported[0].tags.is_rejected(&label("cat")));
    assert_eq!(exported[0].info, info);
}

async fn images_are_read_by_their_ids(store: &dyn Database) {
    assert!(store.stored_images(&[]).await.unwrap().is_empty());
    let image = unique(1, at(0), &["a"]);
    register(store, &image).await;
    register(store, &unique(2, at(1), &["b"])).await;
    let missing = (0..999u128).map(|n| ImageId::from_bytes(n.to_be_bytes()));
    let asked: Vec<ImageId> = missing.chain([image.id]).collect();
    let found = store.stored_images(&asked).await.unwrap();
    assert_eq!(ids(&found), [image.id]);
    assert_eq!(found, [exported(store, 1).await.remove(0)]);
}

fn key_of(content: &[u8], name: &str, language: &str) -> TaggingKey {
    TaggingKey {
        provider: ProviderIdentity::parse(name, "v2", language).unwrap(),
        ..key(&ContentDigest::of(content))
    }
}

async fn exported_answers(store: &dyn Database, digests: u32) -> Vec<(TaggingKey, Tagging)> {
    let (mut all, mut after) = (Vec::new(), None);
    loop {
        let page = store.export_answers(after, limit(digests)).await.unwrap();
        let Some((last, _)) = page.last() else {
            return all;
        };
        after = Some(last.digest);
        all.extend(page);
    }
}

/// Those of one original are never torn apart, and answers need no image.
async fn answers_are_exported_by_their_keys(store: &dyn Database) {
    assert!(exported_answers(store, 1).await.is_empty());
    let mut expected = Vec::new();
    for content in [b"a", b"b", b"c", b"d"] {
        for (name, language) in [("imagga", "en"), ("imagga", "de"), ("Local", "en")] {
            let answer = tagging(tags(&[("car", 100.0 / 3.0), ("cab", 10.0)]));
            let key = key_of(content, name, language);
            store.keep_tagging(&key, &answer).await.unwrap();
            expected.push((key, answer));
        }
    }
    expected.sort_unstable_by(|(a, _), (b, _)| a.position().cmp(&b.position()));
    for digests in [1, 2, 3, 4, 9] {
        assert_eq!(exported_answers(store, digests).await, expected);
    }
}

/// To the last bit, whatever was said by whom.
async fn a_restored_image_is_as_it_was(store: &dyn Database) {
    let plain = StoredImage {
        info: ImageInfo::default(),
        tags: ImageTags::default(),
        version: TagsVersion::default(),
        ..full(b"plain", 0)
    };
    let images = [plain, full(b"full", 1)];
    assert_eq!(restore(store, &images).await, [Restoration::Recorded; 2]);
    assert_eq!(exported(store, 10).await, images);
    let known = store.tags_of(&images[1].id).await.unwrap().unwrap();
    assert_eq!(known.tags, images[1].tags);
    assert_eq!(known.version, TagsVersion(7));
    let infos = store.infos(&[images[1].id]).await.unwrap();
    assert_eq!(infos[&images[1].id], images[1].info);
}

async fn a_restored_image_is_counted_and_listed(store: &dyn Database) {
    register(store, &unique(1, at(2), &["alone"])).await;
    let restored = full(b"full", 1);
    restore(store, std::slice::from_ref(&restored)).await;
    let found = store.find(&restored.id).await.unwrap().unwrap();
    assert_eq!(found.tags, restored.tags.tags());
    assert_eq!(found.registered_at, restored.registered_at);
    let summaries = store.tag_summaries(&TimeWindow::default()).await.unwrap();
    let alone = summaries.iter().find(|it| it.label == label("alone"));
    assert_eq!(alone.unwrap().images, 2);
    let rejected = summaries.iter().find(|it| it.label == label("rejected"));
    assert!(rejected.is_none());
    assert_eq!(summaries.len(), restored.tags.shown().len());
}

async fn restored_images_share_originals(store: &dyn Database) {
    let mut images: Vec<StoredImage> = (0..3).map(|n| full(b"same", n)).collect();
    for image in &mut images {
        image.info.imported = None;
    }
    assert_eq!(restore(store, &images).await, [Restoration::Recorded; 3]);
    assert_eq!(exported(store, 10).await, images);
    assert!(
        store
            .is_needed(&images[0].digest, at(99_999))
            .await
            .unwrap()
    );
}

/// Nothing of it changes, and the others are restored.
async fn an_image_that_is_there_is_not_restored(store: &dyn Database) {
    let first = full(b"first", 0);
    restore(store, std::slice::from_ref(&first)).await;
    let other = StoredImage {
        id: first.id,
        ..full(b"other", 5)
    };
    let next = full(b"next", 6);
    let outcomes = restore(store, &[other, next.clone()]).await;
    assert_eq!(outcomes, [Restoration::IdTaken, Restoration::Recorded]);
    assert_eq!(exported(store, 10).await, [first, next]);
}

async fn a_file_is_not_imported_by_two_images(store: &dyn Database) {
    let first = full(b"same", 0);
    let second = full(b"same", 1);
    let outcomes = restore(store, &[first.clone(), second.clone()]).await;
    assert_eq!(outcomes, [Restoration::Recorded, Restoration::FileTaken]);
    assert_eq!(restore(store, &[second]).await, [Restoration::FileTaken]);
    assert_eq!(exported(store, 10).await, [first]);
}

async fn an_image_without_a_claim_is_not_restored(store: &dyn Database) {
    let image = full(b"a", 0);
    let unclaimed = RestoredImage {
        image: image.clone(),
        fence: Fence::from_i64(99),
    };
    let unclaimed = [unclaimed];
    let outcomes = store.restore_images(&unclaimed).await.unwrap();
    assert_eq!(outcomes, [Restoration::ClaimLost]);
    let (now, until) = (at(0), at(9));
    let original = (image.digest, image.facts);
    store
        .claim_originals(&[original], now, until)
        .await
        .unwrap();
    // Under a fence of its own.
    let outcomes = store.restore_images(&unclaimed).await.unwrap();
    assert_eq!(outcomes, [Restoration::ClaimLost]);
    assert!(exported(store, 10).await.is_empty());
}

async fn originals_are_claimed_together(store: &dyn Database) {
    assert!(
        store
            .claim_originals(&[], at(0), at(9))
            .await
            .unwrap()
            .is_empty()
    );
    let known = unique(1, at(0), &[]);
    register(store, &known).await;
    let other = unique(2, at(0), &[]);
    let originals = [&other, &known].map(|image| (image.digest, image.facts));
    let claims = store
        .claim_originals(&originals, at(0), at(9))
        .await
        .unwrap();
    let rewrite = |claim: &Option<Claimed>| claim.unwrap().rewrite;
    assert_eq!(
        claims.iter().map(rewrite).collect::<Vec<_>>(),
        [true, false]
    );
    assert!(store.is_needed(&other.digest, at(8)).await.unwrap());
    assert!(!store.is_needed(&other.digest, at(10)).await.unwrap());
}

async fn an_original_that_is_being_removed_is_not_claimed(store: &dyn Database) {
    let [removed, other] = [1, 2].map(|number| unique(number, at(0), &[]));
    claim(store, &removed).await;
    let later = at(7200);
    assert!(claim_removal_by(store, &removed.digest, FENCE, later).await);
    let originals = [&removed, &other].map(|image| (image.digest, image.facts));
    let until = later + TimeDelta::hours(1);
    let claims = store
        .claim_originals(&originals, later, until)
        .await
        .unwrap();
    assert_eq!(claims[0], None);
    assert!(claims[1].is_some());
}

async fn answers_are_restored_once(store: &dyn Database) {
    store.restore_answers(&[]).await.unwrap();
    let (first, second) = (tagging(tags(&[("car", 90.0)])), tagging(tags(&[])));
    let keys = [b"a", b"b"].map(|content| key_of(content, "imagga", "en"));
    let answers = keys.clone().map(|key| (key, first.clone()));
    store.restore_answers(&answers[..1]).await.unwrap();
    let again = [(keys[0].clone(), second), answers[1].clone()];
    store.restore_answers(&again).await.unwrap();
    let mut expected = answers.to_vec();
    expected.sort_unstable_by(|(a, _), (b, _)| a.position().cmp(&b.position()));
    assert_eq!(exported_answers(store, 5).await, expected);
}

async fn a_thousand_images_are_restored_at_once(store: &dyn Database) {
    let images: Vec<StoredImage> = (0..1000u32)
        .map(|number| StoredImage {
            tags: ImageTags::of_provider(&provider("imagga"), &tags(&[("a", 90.0), ("b", 1.5)])),
            ..full(&number.to_be_bytes(), number.into())
        })
        .collect();
    let outcomes = restore(store, &images).await;
    assert!(outcomes.iter().all(|it| *it == Restoration::Recorded));
    assert_eq!(exported(store, 1000).await, images);
    let summaries = store.tag_summaries(&TimeWindow::default()).await.unwrap();
    assert_eq!(summaries[0].images, 1000);
}

/// By two imports of the same export.
async fn images_restored_at_once_are_restored_once(store: &dyn Database) {
    let images: Vec<StoredImage> = (0..20u8).map(|n| full(&[n], n.into())).collect();
    let (one, other) = join(restore(store, &images), restore(store, &images)).await;
    for (one, other) in one.into_iter().zip(other) {
        let mut outcomes = [one, other];
        outcomes.sort_by_key(|it| *it != Restoration::Recorded);
        assert_eq!(outcomes, [Restoration::Recorded, Restoration::IdTaken]);
    }
    assert_eq!(exported(store, 100).await, images);
}

async fn a_restored_image_is_edited_and_deleted(store: &dyn Database) {
    let image = full(b"a", 0);
    restore(store, std::slice::from_ref(&image)).await;
    let edit = TagChange::Edit(TagEdit::new(&[tag("rejected", 55.0)], &[label("alone")]).unwrap());
    let version = Some(TagsVersion(7));
    store.change_tags(&image.id, &edit, version).await.unwrap();
    let known = store.tags_of(&image.id).await.unwrap().unwrap();
    assert_eq!(known.version, TagsVersion(8));
    assert_eq!(known.tags, edit.apply(&image.tags).unwrap());
    assert!(store.delete(&image.id, at(9)).await.unwrap());
    assert!(exported(store, 10).await.is_empty());
    let summaries = store.tag_summaries(&TimeWindow::default()).await.unwrap();
    assert!(summaries.is_empty(), "{summaries:?}");
    // Its id and its file are free again.
    assert_eq!(restore(store, &[image]).await, [Restoration::Recorded]);
    let recorded = new(&unique(1, at(0), &[]));
    claim(store, &recorded.image).await;
    store.record(&recorded).await.unwrap();
}
