//! The in-memory [`StatisticsInspector`], whose segments are set by tests.

use async_trait::async_trait;

use super::FakeDatabase;
use domain::ports::{
    ImageStoreError, Repair, RowMark, Segment, SegmentFault, StatisticsInspector, VerifiedSegment,
};

#[derive(Debug, Clone, Copy)]
pub(super) struct FakeSegment {
    segment: Segment,
    fault: Option<SegmentFault>,
    /// How many steps a repair takes; `None` if it is impossible.
    steps: Option<u32>,
}

impl FakeDatabase {
    /// Adds a segment, sound or faulty, repairable in that many steps or not at all.
    pub fn add_segment(&self, segment: Segment, fault: Option<SegmentFault>, steps: Option<u32>) {
        let added = FakeSegment {
            segment,
            fault,
            steps,
        };
        let key = (segment.level, segment.from);
        self.state().segments.insert(key, added);
    }
}

fn key(RowMark(bytes): &RowMark) -> Option<(i32, i64)> {
    let (level, from) = bytes.split_first_chunk()?;
    let from = from.try_into().ok()?;
    Some((i32::from_be_bytes(*level), i64::from_be_bytes(from)))
}

fn mark(segment: &Segment) -> RowMark {
    let mut bytes = segment.level.to_be_bytes().to_vec();
    bytes.extend(segment.from.to_be_bytes());
    RowMark(bytes)
}

#[async_trait]
impl StatisticsInspector for FakeDatabase {
    async fn count_segments(&self) -> Result<u64, ImageStoreError> {
        Ok(self.call().await.segments.len() as u64)
    }

    async fn verify_segment(
        &self,
        after: Option<RowMark>,
    ) -> Result<Option<VerifiedSegment>, ImageStoreError> {
        let state = self.call().await;
        let after = after.as_ref().and_then(key);
        let mut segments = state.segments.iter();
        let next = segments.find(|(key, _)| after.is_none_or(|after| **key > after));
        Ok(next.map(|((level, from), found)| VerifiedSegment {
            segment: found.segment,
            name: format!("segment {level} {from}"),
            fault: found.fault.map(|fault| (fault, "it was spoilt".to_owned())),
            next: mark(&found.segment),
        }))
    }

    async fn repair_segment(
        &self,
        segment: &Segment,
        _: SegmentFault,
    ) -> Result<Repair, ImageStoreError> {
        let mut state = self.call().await;
        let found = state.segments.get_mut(&(segment.level, segment.from));
        let Some(FakeSegment { fault, steps, .. }) = found else {
            return Ok(Repair::Done);
        };
        match steps {
            None => Ok(Repair::Impossible),
            Some(steps @ 2..) => {
                *steps -= 1;
                Ok(Repair::More)
            }
            Some(_) => {
                *fault = None;
                Ok(Repair::Done)
            }
        }
    }
}
