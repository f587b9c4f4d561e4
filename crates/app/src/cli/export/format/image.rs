//! The line of an image.

use domain::{
    CameraData, ContentDigest, ImageFacts, ImageInfo, ImageTags, ImportKey, ImportedFile, Location,
    MAX_SHOWN, MediaType, ProviderIdentity, SourceKind, SourcedTag, TagSource, TaggerVersion,
    Taggers,
    ports::{StoredImage, TagsVersion},
};
use serde::{Deserialize, Serialize};

use super::{
    Kind, TagPair,
    record::{digest, label, local, moment, pair, tag, threshold, written_time},
};

/// The longest name of a file and of a camera, in bytes.
const LONGEST_NAME: usize = 255;
/// The longest path, in bytes.
const LONGEST_PATH: usize = 4096;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ImageLine {
    kind: Kind,
    id: String,
    registered_at: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    registered_local: Option<String>,
    digest: String,
    media_type: String,
    width: u32,
    height: u32,
    bytes: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    file_name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    taken_at: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    camera: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    latitude: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    longitude: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    import_key: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    import_path: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    min_confidence: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    provider: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    provider_version: Option<String>,
    /// Further providers that tagged it, with their versions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    further_providers: Vec<(Option<String>, Option<String>)>,
    tags_version: u64,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    tags: Vec<SourceTags>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    rejected: Vec<String>,
}

/// What one source said.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SourceTags {
    source: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    provider: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    version: Option<String>,
    tags: Vec<TagPair>,
}

impl From<&StoredImage> for ImageLine {
    fn from(image: &StoredImage) -> Self {
        let StoredImage { facts, info, .. } = image;
        let camera = &info.camera;
        let (own, further) = (info.taggers.own(), info.taggers.further().iter());
        let file = info.imported.as_ref();
        // The key has the form of a digest.
        let key = |file: &ImportedFile| ContentDigest::from_bytes(*file.key.as_bytes());
        Self {
            kind: Kind::Image,
            id: image.id.to_string(),
            registered_at: written_time(image.registered_at.naive_utc(), "Z"),
            registered_local: info.registered_local.map(|time| written_time(time, "")),
            digest: image.digest.to_string(),
            media_type: facts.media_type.to_string(),
            width: facts.width,
            height: facts.height,
            bytes: facts.byte_size,
            file_name: info.file_name.clone(),
            taken_at: camera.taken_at.map(|time| written_time(time, "")),
            camera: camera.camera.clone(),
            latitude: camera.location.map(Location::latitude),
            longitude: camera.location.map(Location::longitude),
            import_key: file.map(|file| key(file).to_string()),
            import_path: file.map(|file| file.path.clone()),
            min_confidence: info.threshold.map(|threshold| threshold.lowest().get()),
            provider: own.name.clone(),
            provider_version: own.version.clone(),
            further_providers: further
                .map(|it| (it.name.clone(), it.version.clone()))
                .collect(),
            tags_version: image.version.0,
            tags: by_source(&image.tags),
            rejected: image.tags.rejected().map(ToString::to_string).collect(),
        }
    }
}

/// What was said, by who said it.
fn by_source(tags: &ImageTags) -> Vec<SourceTags> {
    let mut said: Vec<SourcedTag> = tags.said().collect();
    // Stable: the labels of a source stay in their order.
    said.sort_by(|a, b| a.source.cmp(&b.source));
    let chunks = said.chunk_by(|a, b| a.source == b.source);
    let groups = chunks.filter_map(|said| {
        let source = &said.first()?.source;
        let tagger = match source {
            TagSource::Provider(tagger) => tagger.clone(),
            TagSource::Person | TagSource::File => TaggerVersion::default(),
        };
        Some(SourceTags {
            source: source.kind().as_str().to_owned(),
            provider: tagger.name,
            version: tagger.version,
            tags: said.iter().map(|said| pair(&said.tag)).collect(),
        })
    });
    groups.collect()
}

impl TryFrom<ImageLine> for StoredImage {
    type Error = String;

    fn try_from(line: ImageLine) -> Result<Self, String> {
        let facts = ImageFacts {
            media_type: MediaType::from_name(&line.media_type)
                .ok_or_else(|| format!("{:?} is no known media type", line.media_type))?,
            width: line.width,
            height: line.height,
            byte_size: signed("bytes", line.bytes)?,
        };
        let said = line.tags.iter().map(SourceTags::said);
        let said = said.collect::<Result<Vec<_>, String>>()?;
        let rejected = line.rejected.iter().map(|text| label(text));
        let rejected = rejected.collect::<Result<Vec<_>, String>>()?;
        if line.width == 0 || line.height == 0 {
            return Err("a picture has a width and a height".to_owned());
        }
        let tags = ImageTags::new(said.into_iter().flatten(), rejected);
        let shown = tags.shown().len();
        if shown > MAX_SHOWN {
            return Err(format!("it shows {shown} tags, more than {MAX_SHOWN}"));
        }
        Ok(Self {
            id: line.id.parse().map_err(|error| format!("{error}"))?,
            registered_at: moment(&line.registered_at)?,
            digest: digest(&line.digest)?,
            facts,
            tags,
            version: TagsVersion(version(line.tags_version)?),
            info: line.info()?,
        })
    }
}

impl ImageLine {
    fn info(self) -> Result<ImageInfo, String> {
        let own = tagger(self.provider, self.provider_version)?;
        let further = self.further_providers.into_iter();
        let further = further.map(|(name, version)| tagger(name, version));
        let further = further.collect::<Result<Vec<_>, String>>()?;
        Ok(ImageInfo {
            threshold: self.min_confidence.map(threshold).transpose()?,
            taggers: Taggers::new(own, further),
            file_name: bounded("file_name", self.file_name, LONGEST_NAME)?,
            camera: CameraData {
                taken_at: self.taken_at.as_deref().map(local).transpose()?,
                camera: bounded("camera", self.camera, LONGEST_NAME)?,
                location: location(self.latitude, self.longitude)?,
            },
            registered_local: self.registered_local.as_deref().map(local).transpose()?,
            imported: imported(
                self.import_key.as_deref(),
                bounded("import_path", self.import_path, LONGEST_PATH)?,
            )?,
        })
    }
}

impl SourceTags {
    fn said(&self) -> Result<Vec<SourcedTag>, String> {
        let kind = SourceKind::from_name(&self.source);
        let tagger = tagger(self.provider.clone(), self.version.clone())?;
        let source = match kind {
            Some(SourceKind::Provider) => TagSource::Provider(tagger),
            Some(_) if tagger != TaggerVersion::default() => {
                return Err(format!("tags of a {} have no provider", self.source));
            }
            Some(SourceKind::Person) => TagSource::Person,
            Some(SourceKind::File) => TagSource::File,
            None => {
                return Err(format!(
                    "{:?} is no source of tags: provider, person or file",
                    self.source
                ));
            }
        };
        let tags = self.tags.iter().map(|pair| {
            Ok(SourcedTag {
                tag: tag(pair)?,
                source: source.clone(),
            })
        });
        tags.collect()
    }
}

fn tagger(name: Option<String>, version: Option<String>) -> Result<TaggerVersion, String> {
    for (what, text) in [("provider", &name), ("version of a provider", &version)] {
        let length = text.as_deref().map_or(0, |text| text.chars().count());
        if length > ProviderIdentity::LONGEST_NAME {
            return Err(format!(
                "the {what} has {length} characters, more than {}",
                ProviderIdentity::LONGEST_NAME
            ));
        }
    }
    Ok(TaggerVersion { name, version })
}

fn bounded(what: &str, text: Option<String>, longest: usize) -> Result<Option<String>, String> {
    let length = text.as_deref().map_or(0, str::len);
    if length > longest {
        return Err(format!("`{what}` has {length} bytes, more than {longest}"));
    }
    Ok(text)
}

/// A version that can still be counted up: each change of an image takes one.
fn version(number: u64) -> Result<u64, String> {
    const MOST: u64 = 1 << 53;
    if number > MOST {
        return Err(format!("`tags_version` is too large: {number}"));
    }
    Ok(number)
}

/// A number that databases can keep.
fn signed(what: &str, number: u64) -> Result<u64, String> {
    match i64::try_from(number) {
        Ok(_) => Ok(number),
        Err(_) => Err(format!("`{what}` is too large: {number}")),
    }
}

fn location(north: Option<f64>, east: Option<f64>) -> Result<Option<Location>, String> {
    match (north, east) {
        (None, None) => Ok(None),
        (Some(north), Some(east)) => match Location::new(north, east) {
            Some(location) => Ok(Some(location)),
            None => Err(format!("{north}, {east} is no place")),
        },
        _ => Err("`latitude` and `longitude` go together".to_owned()),
    }
}

fn imported(key: Option<&str>, path: Option<String>) -> Result<Option<ImportedFile>, String> {
    match (key, path) {
        (None, None) => Ok(None),
        (Some(key), Some(path)) => Ok(Some(ImportedFile {
            key: ImportKey::from_bytes(*digest(key)?.as_bytes()),
            path,
        })),
        _ => Err("`import_key` and `import_path` go together".to_owned()),
    }
}
