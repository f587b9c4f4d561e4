//! Findings of a check.

use std::{collections::BTreeMap, fmt};

use super::{Event, Part};
use crate::{ContentDigest, ImageId, ports::Rows};

/// The kind of a problem. The names are stable, for programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FindingKind {
    /// An image refers to bytes that do not exist.
    MissingOriginal,
    /// The bytes have another length than recorded.
    TruncatedOriginal,
    /// The bytes do not match their digest.
    AlteredOriginal,
    /// The bytes exist but cannot be read.
    UnreadableOriginal,
    /// The bytes match their digest, but the row records another length.
    WrongSize,
    /// A row holds an invalid value.
    UnreadableRow,
    /// A rollup segment disagrees with the rows.
    WrongStatistics,
    /// No image refers to bytes that this database has recorded.
    UnreferencedOriginal,
    /// This database has no record of these bytes.
    UnknownOriginal,
    /// A file among the originals that is not one. Harmless.
    ForeignFile,
    /// Another database, by its id, shares the originals. Harmless.
    SharedOriginals,
}

impl FindingKind {
    /// Its stable name in kebab case.
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

    /// Whether an upload of the same bytes repairs it.
    pub(super) fn is_damage(self) -> bool {
        matches!(
            self,
            Self::MissingOriginal
                | Self::TruncatedOriginal
                | Self::AlteredOriginal
                | Self::UnreadableOriginal
        )
    }

    /// Whether it needs action: repair or restore.
    pub fn is_fault(self) -> bool {
        !matches!(self, Self::ForeignFile | Self::SharedOriginals)
    }
}

impl fmt::Display for FindingKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A problem found by a check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The kind of problem.
    pub kind: FindingKind,
    /// The original concerned.
    pub digest: Option<ContentDigest>,
    /// The image concerned; of several the first.
    pub image: Option<ImageId>,
    /// The row concerned: its table and key.
    pub row: Option<String>,
    /// The name of the foreign file.
    pub file: Option<String>,
    /// A description for people.
    pub detail: String,
    /// Whether the check repaired it.
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

/// The counts of a check.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Summary {
    /// Labels checked.
    pub labels: u64,
    /// Images checked.
    pub images: u64,
    /// Providers' answers checked.
    pub taggings: u64,
    /// Originals checked.
    pub originals: u64,
    /// Bytes of originals read.
    pub bytes: u64,
    /// Rollup segments verified.
    pub segments: u64,
    /// Objects listed in the store of originals.
    pub objects: u64,
    /// Findings of each kind.
    pub findings: BTreeMap<FindingKind, u64>,
    /// Findings that were repaired.
    pub repaired: u64,
    /// Findings that need action and were not repaired.
    pub left: u64,
}

impl Summary {
    /// Adds an event to the counts.
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
