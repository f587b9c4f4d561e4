//! What a check finds.

use std::{collections::BTreeMap, fmt};

use super::{Event, Part};
use crate::{ContentDigest, ImageId, ports::Rows};

/// What is wrong. The names are for programs, and stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FindingKind {
    /// An image refers to bytes that are not there.
    MissingOriginal,
    /// Bytes have another length than they had.
    TruncatedOriginal,
    /// Bytes are others than they were.
    AlteredOriginal,
    /// Bytes are there and cannot be read.
    UnreadableOriginal,
    /// Bytes are what they were, and the row says that they have another length.
    WrongSize,
    /// A row says something that cannot be.
    UnreadableRow,
    /// What is kept of how labels are used is not what the rows say.
    WrongStatistics,
    /// No image refers to bytes that this database noted once.
    UnreferencedOriginal,
    /// This database never heard of these bytes.
    UnknownOriginal,
    /// Something among the originals is none. It does no harm.
    ForeignFile,
    /// A database, by its id, keeps originals in the same place as others. It does no harm.
    SharedOriginals,
}

impl FindingKind {
    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::MissingOriginal => "missing-original",
            Self::TruncatedOriginal => "truncated-original",
            Self::AlteredOriginal => "altered-original",
            Self::UnreadableOriginal => "unreadable-original",
            Self::WrongSize => "wrong-size",
            Self::UnreadableRow => "unreadable-row",
            Self::WrongStatistics => "wrong-statistics",
            Self::UnreferencedOriginal => "unreferenced-original",
            Self::UnknownOriginal => "unknown-original",
            Self::ForeignFile => "foreign-file",
            Self::SharedOriginals => "shared-originals",
        }
    }

    /// Whether an upload of the same bytes mends it.
    pub(super) fn is_damage(self) -> bool {
        matches!(
            self,
            Self::MissingOriginal
                | Self::TruncatedOriginal
                | Self::AlteredOriginal
                | Self::UnreadableOriginal
        )
    }

    /// Whether something should be done about it.
    pub fn is_fault(self) -> bool {
        !matches!(self, Self::ForeignFile | Self::SharedOriginals)
    }
}

impl fmt::Display for FindingKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Something that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What it is.
    pub kind: FindingKind,
    /// The original that it is about.
    pub digest: Option<ContentDigest>,
    /// The image that it is about; of several the first.
    pub image: Option<ImageId>,
    /// The row that it is about: its table and its key.
    pub row: Option<String>,
    /// The name of what is no original.
    pub file: Option<String>,
    /// What is wrong, in words.
    pub detail: String,
    /// Whether it was put right.
    pub is_repaired: bool,
}

impl Finding {
    pub(super) fn new(kind: FindingKind, detail: impl Into<String>) -> Self {
        Self {
            kind,
            digest: None,
            image: None,
            row: None,
            file: None,
            detail: detail.into(),
            is_repaired: false,
        }
    }
}

/// A check in numbers.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Summary {
    /// Labels that were looked at.
    pub labels: u64,
    /// Images that were looked at.
    pub images: u64,
    /// Providers' answers that were looked at.
    pub taggings: u64,
    /// Originals that were looked for.
    pub originals: u64,
    /// Bytes of originals that were read.
    pub bytes: u64,
    /// Segments of the statistics that were verified.
    pub segments: u64,
    /// Objects that the store of originals holds.
    pub objects: u64,
    /// What was found, how often.
    pub findings: BTreeMap<FindingKind, u64>,
    /// How much of it was put right.
    pub repaired: u64,
    /// How much of it should be put right, and was not.
    pub left: u64,
}

impl Summary {
    /// Takes an event into account.
    pub fn note(&mut self, event: &Event) {
        match event {
            Event::Begun { .. } => {}
            Event::Done { part, count, bytes } => {
                self.bytes += bytes;
                *self.counter(*part) += count;
            }
            Event::Found(finding) => {
                *self.findings.entry(finding.kind).or_default() += 1;
                if finding.is_repaired {
                    self.repaired += 1;
                } else if finding.kind.is_fault() {
                    self.left += 1;
                }
            }
        }
    }

    fn counter(&mut self, part: Part) -> &mut u64 {
        match part {
            Part::Rows(Rows::Labels) => &mut self.labels,
            Part::Rows(Rows::Images) => &mut self.images,
            Part::Rows(Rows::Taggings) => &mut self.taggings,
            Part::Rows(Rows::Originals) => &mut self.originals,
            Part::Statistics => &mut self.segments,
            Part::Objects => &mut self.objects,
        }
    }
}
