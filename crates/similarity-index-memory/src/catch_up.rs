//! Reads what was kept since the last call.

use std::{
    collections::{HashSet, VecDeque},
    num::NonZeroU32,
    time::Duration,
};

use domain::{
    FeatureModel,
    ports::{CodeNumber, CodeStore, ImageStoreError},
};
use tokio::time::Instant;

use crate::segments::Segments;

/// How many codes are read at a time.
const PAGE: NonZeroU32 = NonZeroU32::new(5000).unwrap();

/// How many numbers are compared with the store in a call, to find those that are gone.
const SWEPT: NonZeroU32 = NonZeroU32::new(500).unwrap();

/// The shortest time between two sweeps.
const SWEEP_PAUSE: Duration = Duration::from_millis(100);

/// How long after a number was seen smaller ones may still become visible: longer than a transaction takes.
const SETTLED: Duration = Duration::from_mins(2);

/// How many of the last numbers are looked at again after the first reading, when it is not known how old they are.
const UNSETTLED: u64 = 2000;

/// What was read so far.
#[derive(Debug, Default)]
pub(crate) struct CatchUp {
    /// The greatest number that was seen.
    last: CodeNumber,
    /// Up to this number nothing new appears.
    settled: CodeNumber,
    /// The numbers after that one that were seen.
    seen: HashSet<CodeNumber>,
    /// The greatest number at some times, oldest first.
    marks: VecDeque<(Instant, CodeNumber)>,
    /// The place of the sweep, and when it went on last.
    swept: CodeNumber,
    swept_at: Option<Instant>,
    is_loaded: bool,
}

impl CatchUp {
    /// Reads what is new, late or gone. What was read when it fails stays read.
    pub(crate) async fn run(
        &mut self,
        store: &dyn CodeStore,
        model: &FeatureModel,
        codes: &mut Segments,
    ) -> Result<(), ImageStoreError> {
        let known = self.last;
        self.read_new(store, model, codes).await?;
        if !self.is_loaded {
            self.is_loaded = true;
            self.settle(CodeNumber(self.last.0.saturating_sub(UNSETTLED)));
            tracing::info!(%model, codes = codes.len(), "the index of look-alikes is loaded");
        }
        self.read_late(store, model, known, codes).await?;
        self.sweep(store, model, codes).await?;
        self.mark();
        Ok(())
    }

    async fn read_new(
        &mut self,
        store: &dyn CodeStore,
        model: &FeatureModel,
        codes: &mut Segments,
    ) -> Result<(), ImageStoreError> {
        loop {
            let page = store.codes(model, self.last, PAGE).await?;
            for (number, code) in &page {
                codes.insert(*number, code);
                self.seen.insert(*number);
            }
            if !self.is_loaded {
                let settled = page.last().map_or(0, |(last, _)| last.0);
                let settled = settled.saturating_sub(UNSETTLED);
                self.seen.retain(|number| number.0 > settled);
            }
            if let Some((last, _)) = page.last() {
                self.last = *last;
            }
            if page.len() < PAGE.get() as usize {
                return Ok(());
            }
        }
    }

    /// Reads codes up to `known` that became visible after greater ones.
    async fn read_late(
        &mut self,
        store: &dyn CodeStore,
        model: &FeatureModel,
        known: CodeNumber,
        codes: &mut Segments,
    ) -> Result<(), ImageStoreError> {
        let known = known.max(self.last);
        let mut after = self.settled;
        while after < known {
            let page = store.code_numbers(model, after, PAGE).await?;
            for number in page.iter().take_while(|number| **number <= known) {
                if self.seen.insert(*number) {
                    // One alone, if it has a code.
                    let before = CodeNumber(number.0.saturating_sub(1));
                    let found = store.codes(model, before, NonZeroU32::MIN).await?;
                    for (found, code) in found.iter().filter(|(found, _)| found == number) {
                        codes.insert(*found, code);
                    }
                }
            }
            match page.last() {
                Some(last) if page.len() == PAGE.get() as usize => after = *last,
                _ => return Ok(()),
            }
        }
        Ok(())
    }

    /// Drops some codes that are gone: all of them, in the course of time.
    async fn sweep(
        &mut self,
        store: &dyn CodeStore,
        model: &FeatureModel,
        codes: &mut Segments,
    ) -> Result<(), ImageStoreError> {
        if self.swept_at.is_some_and(|at| at.elapsed() < SWEEP_PAUSE) {
            return Ok(());
        }
        self.swept_at = Some(Instant::now());
        let page = store.code_numbers(model, self.swept, SWEPT).await?;
        let is_last = page.len() < SWEPT.get() as usize;
        // What is kept from now on is not on the page.
        let until = page
            .last()
            .copied()
            .filter(|_| !is_last)
            .unwrap_or(self.last);
        codes.sweep(self.swept, until, &page);
        self.swept = if is_last { CodeNumber(0) } else { until };
        Ok(())
    }

    /// Notes the greatest number, and settles what is old enough.
    fn mark(&mut self) {
        let now = Instant::now();
        while let Some((at, number)) = self.marks.front().copied() {
            if now.duration_since(at) < SETTLED {
                break;
            }
            self.marks.pop_front();
            self.settle(number);
        }
        // One a second is enough, and bounds them.
        let is_due = |(at, _): &(Instant, _)| now.duration_since(*at) >= Duration::from_secs(1);
        if self.marks.back().is_none_or(is_due) {
            self.marks.push_back((now, self.last));
        }
    }

    fn settle(&mut self, number: CodeNumber) {
        self.settled = self.settled.max(number);
        let settled = self.settled;
        self.seen.retain(|number| *number > settled);
    }
}
