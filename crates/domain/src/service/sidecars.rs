//! Tags that go from the files of images to the store, and back.

use std::{
    collections::{BTreeSet, HashSet},
    num::NonZeroU32,
    sync::Arc,
};

use super::SharedVocabulary;
use crate::{
    ContentDigest, FileTags, ImageId, ImageTags, Label, MAX_SHOWN, SourceKind, SourcedTag, Tag,
    Tags, Threshold, Vocabulary,
    ports::{
        ImageEdits, ImageInfoStore, ImageStoreError, TagChange, TagsChanged, TagsVersion, cause,
    },
};

/// How often a change is made again because another one came first.
const ATTEMPTS: usize = 5;

/// The most images of the same bytes whose tags are joined.
const MOST_IMAGES: NonZeroU32 = NonZeroU32::new(1000).unwrap();

/// The most hierarchies of a picture's tags.
const MOST_PATHS: usize = 2 * MAX_SHOWN;

/// The most tags above each other in a hierarchy.
const DEEPEST: usize = 20;

/// The ports of sidecars.
#[derive(Clone)]
pub struct SidecarPorts {
    /// Finds images by their bytes.
    pub infos: Arc<dyn ImageInfoStore>,
    /// Reads and changes the tags of images.
    pub edits: Arc<dyn ImageEdits>,
}

/// Takes the keywords of files as tags of their images, and says what sidecars are to hold. Clones share the
/// vocabulary.
#[derive(Clone)]
pub struct Sidecars {
    ports: SidecarPorts,
    vocabulary: SharedVocabulary,
}

/// The keywords of an image's files.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct FileKeywords {
    /// Those of persons and other programs.
    pub tags: Tags,
    /// Those that Etiqueta wrote itself, with who gave them.
    pub written: Vec<(Tag, SourceKind)>,
}

/// What became of the keywords of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    /// The image has these tags now.
    Changed,
    /// It had them, or is not there any more.
    Unchanged,
    /// It would show more than [`MAX_SHOWN`] tags. It is as it was.
    TooMany,
}

/// The tags that the sidecar of a picture is to hold.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SidecarTags {
    /// The tags, highest confidence first.
    pub tags: Vec<SourcedTag>,
    /// The same tags in their hierarchy, each from the uppermost one on; one with several parents several times.
    pub paths: Vec<Vec<Label>>,
}

impl FileKeywords {
    /// What they say of an image. Of what Etiqueta wrote, taggers' tags are theirs to give again; those of persons and
    /// files are given to an image that was never changed, as in a new store. Otherwise they may have been removed
    /// since, so that they are kept at most.
    fn of(&self, version: TagsVersion) -> FileTags {
        let written = |kinds: &'static [SourceKind]| {
            let written = self.written.iter();
            let of_kind = written.filter(move |(_, source)| kinds.contains(source));
            of_kind.map(|(tag, _)| tag.clone())
        };
        if version == TagsVersion::default() {
            let given = written(&[SourceKind::Person, SourceKind::File]);
            return FileTags {
                tags: self.tags.iter().cloned().chain(given).collect(),
                kept: BTreeSet::new(),
            };
        }
        let kept = written(&[SourceKind::Person]);
        FileTags {
            tags: self.tags.clone(),
            kept: kept.map(|tag| tag.label).collect(),
        }
    }
}

impl Sidecars {
    /// Creates the service.
    pub fn new(ports: SidecarPorts, vocabulary: SharedVocabulary) -> Self {
        Self { ports, vocabulary }
    }

    /// Takes what an image's files say now in place of what they said before; see
    /// [`ImageTags::filed`](crate::ImageTags::filed).
    ///
    /// # Errors
    /// [`ImageStoreError::Contended`] if the image is changed by others all the time.
    pub async fn take(
        &self,
        id: &ImageId,
        keywords: &FileKeywords,
    ) -> Result<Taken, ImageStoreError> {
        let edits = &self.ports.edits;
        for _ in 0..ATTEMPTS {
            let Some(known) = edits.tags_of(id).await? else {
                return Ok(Taken::Unchanged);
            };
            let change = TagChange::File {
                file: keywords.of(known.version),
                vocabulary: self.vocabulary().await?,
            };
            match change.apply(&known.tags) {
                Err(_) => return Ok(Taken::TooMany),
                // Most files say what they said: nothing is locked for them.
                Ok(tags) if tags == known.tags => return Ok(Taken::Unchanged),
                Ok(_) => {}
            }
            match edits.change_tags(id, &change, Some(known.version)).await? {
                TagsChanged::Done(_) => return Ok(Taken::Changed),
                TagsChanged::NotFound => return Ok(Taken::Unchanged),
                TagsChanged::TooMany => return Ok(Taken::TooMany),
                TagsChanged::Outdated(_) => {}
            }
        }
        let reason = cause("the image is changed all the time");
        Err(ImageStoreError::Contended(reason))
    }

    /// The shown tags of all images with those bytes, at or above a threshold; of a label that several have, a
    /// person's, else the highest confidence. None if there is no such image.
    pub async fn tags_of(
        &self,
        digest: &ContentDigest,
        lowest: Threshold,
    ) -> Result<Option<SidecarTags>, ImageStoreError> {
        let images = self.ports.infos.images_of(digest, MOST_IMAGES).await?;
        let mut shown: Option<Vec<SourcedTag>> = None;
        for id in images {
            if let Some(known) = self.ports.edits.tags_of(&id).await? {
                shown.get_or_insert_default().extend(known.tags.shown());
            }
        }
        let Some(shown) = shown else {
            return Ok(None);
        };
        let tags = ImageTags::new(shown, []).shown().into_iter();
        let tags = tags.filter(|said| lowest.admits(said.tag.confidence));
        let tags: Vec<SourcedTag> = tags.take(MAX_SHOWN).collect();
        let labels: Vec<&Label> = tags.iter().map(|said| &said.tag.label).collect();
        let paths = paths(&labels, &*self.vocabulary().await?);
        Ok(Some(SidecarTags { tags, paths }))
    }

    async fn vocabulary(&self) -> Result<Arc<Vocabulary>, ImageStoreError> {
        let known = self.vocabulary.current().await?;
        Ok(Arc::clone(&known.vocabulary))
    }
}

/// Labels with those among them that are above, by the vocabulary. What is in the path of another label has none of its
/// own.
fn paths(labels: &[&Label], vocabulary: &Vocabulary) -> Vec<Vec<Label>> {
    let known: HashSet<&Label> = labels.iter().copied().collect();
    let parents = |label: &Label| {
        let parents = vocabulary.parents_of(label).into_iter();
        parents.filter(|parent| known.contains(parent))
    };
    let above: HashSet<Label> = labels.iter().flat_map(|label| parents(label)).collect();
    let is_above = |label: &&Label| above.contains(*label);
    let leaves = labels.iter().copied().filter(|label| !is_above(label));
    let others = labels.iter().copied().filter(is_above);
    let (mut paths, mut covered) = (Vec::new(), HashSet::new());
    for label in leaves.chain(others) {
        if covered.contains(label) {
            continue;
        }
        let mut own: Vec<Vec<Label>> = parents(label)
            .map(|parent| {
                let next = |label: &Label| parents(label).next();
                let up = std::iter::successors(Some(parent), next).take(DEEPEST);
                let mut path: Vec<Label> = up.collect();
                path.reverse();
                path.push(label.clone());
                path
            })
            .collect();
        if own.is_empty() {
            own.push(vec![label.clone()]);
        }
        covered.extend(own.iter().flatten().cloned());
        paths.extend(own);
    }
    paths.truncate(MOST_PATHS);
    paths
}
