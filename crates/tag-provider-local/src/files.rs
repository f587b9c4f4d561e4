//! The files of a model: embedded, or in a folder.

use std::{borrow::Cow, fs, io, path::Path};

use domain::FeatureModel;
use sha2::{Digest, Sha256};
use thiserror::Error;

/// The version of the rule and the preprocessing of pictures.
const RULE: &str = "r2";

/// The version of the preprocessing of pictures for the classifier.
const VIEW: &str = "v1";

/// The largest file in bytes: far more than networks that run on a CPU need.
const LONGEST: u64 = 1 << 30;

/// A model: two networks, and the tables of their outputs.
#[derive(Debug, Clone)]
pub struct ModelFiles {
    /// `classifier.onnx`: one picture in, the probability of each class out.
    pub(crate) classifier: Cow<'static, [u8]>,
    /// `detector.onnx`: one picture in, the best score of each kind of object out.
    pub(crate) detector: Cow<'static, [u8]>,
    /// `labels.tsv`: the classes of the classifier.
    pub(crate) labels: Cow<'static, [u8]>,
    /// `hierarchy.tsv`: the nodes above the classes, and their tags.
    pub(crate) hierarchy: Cow<'static, [u8]>,
    /// `detector_labels.tsv`: the nodes of the detector's outputs.
    pub(crate) detector_labels: Cow<'static, [u8]>,
    /// Additional words. Optional.
    pub(crate) heads: Option<HeadFiles>,
}

/// The heads of a model.
#[derive(Debug, Clone)]
pub(crate) struct HeadFiles {
    /// `heads/heads.tsv`: the tag and the bias of each.
    pub(crate) table: Cow<'static, [u8]>,
    /// `heads/heads.f32`: the weights of each.
    pub(crate) weights: Cow<'static, [u8]>,
}

/// Why a model cannot be used.
#[derive(Debug, Error)]
pub enum ModelError {
    /// A file cannot be read.
    #[error("{file} cannot be read: {source}")]
    Unreadable {
        /// The file's name.
        file: &'static str,
        /// The system's error.
        source: io::Error,
    },
    /// A line of a table is invalid.
    #[error("{file}, line {line}: {reason}")]
    Line {
        /// The file's name.
        file: &'static str,
        /// The line, counted from 1.
        line: usize,
        /// What is wrong with it.
        reason: String,
    },
    /// A table has no lines.
    #[error("{file} has no entries")]
    Empty {
        /// The file's name.
        file: &'static str,
    },
    /// The model's identity is invalid.
    #[error(transparent)]
    Identity(#[from] domain::ProviderIdentityError),
    /// The identity of the classifier is invalid.
    #[error(transparent)]
    FeatureModel(#[from] domain::FeatureModelError),
    /// The system provides no threads for the networks.
    #[error("no threads to run the networks on")]
    Threads(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The weights of the heads do not match their table or the classifier.
    #[error("{file}: {reason}")]
    Weights {
        /// The file's name.
        file: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// A network cannot be loaded, or has another shape than required.
    #[error("{file}: {reason}")]
    Network {
        /// The file's name.
        file: &'static str,
        /// What is wrong with it.
        reason: String,
    },
}

impl ModelFiles {
    /// The model embedded in the binary.
    pub fn embedded() -> Self {
        Self {
            classifier: Cow::Borrowed(include_bytes!("../model/classifier.onnx")),
            detector: Cow::Borrowed(include_bytes!("../model/detector.onnx")),
            labels: Cow::Borrowed(include_bytes!("../model/labels.tsv")),
            hierarchy: Cow::Borrowed(include_bytes!("../model/hierarchy.tsv")),
            detector_labels: Cow::Borrowed(include_bytes!("../model/detector_labels.tsv")),
            heads: Some(HeadFiles {
                table: Cow::Borrowed(include_bytes!("../model/heads/heads.tsv")),
                weights: Cow::Borrowed(include_bytes!("../model/heads/heads.f32")),
            }),
        }
    }

    /// A model in a folder with files of the same names and formats. Its subfolder `heads` may be missing.
    pub fn open(folder: &Path) -> Result<Self, ModelError> {
        let read = |file| read(folder, file);
        Ok(Self {
            classifier: read("classifier.onnx")?,
            detector: read("detector.onnx")?,
            labels: read("labels.tsv")?,
            hierarchy: read("hierarchy.tsv")?,
            detector_labels: read("detector_labels.tsv")?,
            heads: HeadFiles::open(folder)?,
        })
    }

    /// Identifies the exact files, and the rule, so that the tags of different models can be told apart.
    pub(crate) fn version(&self) -> String {
        let mut digest = Sha256::new();
        let files = [
            &self.classifier,
            &self.detector,
            &self.labels,
            &self.hierarchy,
            &self.detector_labels,
        ];
        let heads = self.heads.iter();
        let heads = heads.flat_map(|heads| [&heads.table, &heads.weights]);
        for file in files.into_iter().chain(heads) {
            // The length first, so that different models never concatenate to the same bytes.
            digest.update((file.len() as u64).to_be_bytes());
            digest.update(file);
        }
        format!("{RULE}-{}", short(digest))
    }

    /// Identifies the classifier and what it is shown, so that features of different models can be told apart.
    /// Other files may change without making them void.
    pub(crate) fn feature_model(&self) -> Result<FeatureModel, ModelError> {
        let digest = Sha256::new_with_prefix(&self.classifier);
        Ok(FeatureModel::parse(&format!(
            "classifier-{VIEW}-{}",
            short(digest)
        ))?)
    }
}

/// The first 64 bits, in hexadecimal.
fn short(digest: Sha256) -> String {
    let digest = digest.finalize();
    let name = digest.first_chunk().copied().map_or(0, u64::from_be_bytes);
    format!("{name:016x}")
}

impl HeadFiles {
    fn open(folder: &Path) -> Result<Option<Self>, ModelError> {
        let unreadable = |source| ModelError::Unreadable {
            file: "heads",
            source,
        };
        if !folder.join("heads").try_exists().map_err(unreadable)? {
            return Ok(None);
        }
        Ok(Some(Self {
            table: read(folder, "heads/heads.tsv")?,
            weights: read(folder, "heads/heads.f32")?,
        }))
    }
}

fn read(folder: &Path, file: &'static str) -> Result<Cow<'static, [u8]>, ModelError> {
    let path = folder.join(file);
    let bytes = fs::metadata(&path).and_then(|facts| {
        if facts.len() > LONGEST {
            return Err(io::Error::other("it is larger than 1 GiB"));
        }
        fs::read(&path)
    });
    match bytes {
        Ok(bytes) => Ok(Cow::Owned(bytes)),
        Err(source) => Err(ModelError::Unreadable { file, source }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_counts_for_the_version() {
        let model = ModelFiles::embedded();
        let version = model.version();
        assert!(
            version.starts_with("r2-") && version.len() == 19,
            "{version}"
        );
        let mut other = model.clone();
        other.hierarchy.to_mut()[0] ^= 1;
        assert_ne!(other.version(), version);
        let mut lighter = model.clone();
        lighter.heads.as_mut().unwrap().weights.to_mut()[0] ^= 1;
        assert_ne!(lighter.version(), version);
        lighter.heads = None;
        assert_ne!(lighter.version(), version);
        let mut moved = model;
        let byte = moved.labels.to_mut().pop().unwrap();
        moved.hierarchy.to_mut().insert(0, byte);
        assert_ne!(moved.version(), version);
    }

    #[test]
    fn only_the_classifier_counts_for_the_identity_of_features() {
        let model = ModelFiles::embedded();
        let mut other = model.clone();
        other.hierarchy.to_mut()[0] ^= 1;
        other.heads = None;
        let identity = model.feature_model().unwrap();
        assert_eq!(other.feature_model().unwrap(), identity);
        other.classifier.to_mut()[0] ^= 1;
        assert_ne!(other.feature_model().unwrap(), identity);
    }

    #[test]
    fn a_file_that_is_missing_is_named() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("classifier.onnx"), b"x").unwrap();
        let error = ModelFiles::open(folder.path()).unwrap_err().to_string();
        assert!(
            error.starts_with("detector.onnx cannot be read: "),
            "{error}"
        );
    }

    #[test]
    fn heads_are_optional_but_whole() {
        let folder = tempfile::tempdir().unwrap();
        for file in [
            "classifier.onnx",
            "detector.onnx",
            "labels.tsv",
            "hierarchy.tsv",
            "detector_labels.tsv",
        ] {
            fs::write(folder.path().join(file), b"x").unwrap();
        }
        assert!(ModelFiles::open(folder.path()).unwrap().heads.is_none());
        fs::create_dir(folder.path().join("heads")).unwrap();
        fs::write(folder.path().join("heads/heads.tsv"), b"x").unwrap();
        let error = ModelFiles::open(folder.path()).unwrap_err().to_string();
        assert!(
            error.starts_with("heads/heads.f32 cannot be read: "),
            "{error}"
        );
        fs::write(folder.path().join("heads/heads.f32"), b"weights").unwrap();
        let heads = ModelFiles::open(folder.path()).unwrap().heads.unwrap();
        assert_eq!(*heads.weights, *b"weights");
    }
}
