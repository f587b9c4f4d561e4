//! Checks the rollup segments against the rows.

use futures_util::{StreamExt, stream};

use super::{Check, CheckError, Event, Events, Finding, FindingKind, Part};
use crate::ports::{Repair, Segment, SegmentFault, VerifiedSegment};

/// How many wrong segments are remembered, so that those above are not compared with them.
const REMEMBERED: usize = 10_000;

/// The state of the scan along segments.
#[derive(Default)]
struct Walk {
    last: Option<VerifiedSegment>,
    /// The segments that are wrong and were not repaired.
    wrong: Vec<Segment>,
}

impl Check {
    pub(super) fn statistics(&self) -> Events {
        let check = self.clone();
        stream::try_unfold(Walk::default(), move |walk| {
            let check = check.clone();
            async move { check.next_segment(walk).await }
        })
        .flat_map(|step| match step {
            Ok(events) => stream::iter(events.into_iter().map(Ok).collect::<Vec<_>>()),
            Err(error) => stream::iter(vec![Err(error)]),
        })
        .boxed()
    }

    async fn next_segment(&self, mut walk: Walk) -> Result<Option<(Vec<Event>, Walk)>, CheckError> {
        let after = walk.last.take().map(|last| last.next);
        let verified = self.ports.statistics.verify_segment(after).await?;
        let Some(verified) = verified else {
            return Ok(None);
        };
        let mut events = vec![Event::Done {
            part: Part::Statistics,
            count: 1,
            bytes: 0,
        }];
        if let Some((fault, detail)) = &verified.fault
            && !walk.is_above_a_wrong_one(&verified.segment)
        {
            let is_repaired =
                self.settings.repair && self.repair(&verified.segment, *fault).await?;
            if !is_repaired {
                walk.remember(verified.segment);
            }
            events.push(Event::Found(Finding {
                row: Some(verified.name.clone()),
                is_repaired,
                ..Finding::new(FindingKind::WrongStatistics, detail.as_str())
            }));
        }
        walk.last = Some(verified);
        Ok(Some((events, walk)))
    }

    /// Repairs a segment, step by step. `false` if that is impossible.
    ///
    /// A crash in between leaves the rest to the next check.
    async fn repair(&self, segment: &Segment, fault: SegmentFault) -> Result<bool, CheckError> {
        loop {
            match self.ports.statistics.repair_segment(segment, fault).await? {
                Repair::Done => return Ok(true),
                Repair::More => {}
                Repair::Impossible => return Ok(false),
            }
        }
    }
}

impl Walk {
    /// Whether an input of the segment is wrong, which makes a comparison useless.
    fn is_above_a_wrong_one(&self, segment: &Segment) -> bool {
        self.wrong.iter().any(|wrong| segment.is_above(wrong))
    }

    fn remember(&mut self, segment: Segment) {
        if self.wrong.len() < REMEMBERED {
            self.wrong.push(segment);
        }
    }
}
