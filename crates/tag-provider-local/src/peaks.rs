//! Locates objects in the detector's scores, before only the maximum of a picture is kept.

use std::iter;

/// The detector's grids have a cell for each square of that many pixels of its input.
const STRIDES: [usize; 4] = [8, 16, 32, 64];
/// The lowest score of a peak.
const LOWEST_PEAK: f32 = 0.6;
/// Peaks closer than this, as a fraction of the picture's side, are one object.
const NEIGHBOURHOOD: f64 = 0.12;

/// The detector's grids, concatenated, each row by row.
#[derive(Debug)]
pub(crate) struct Grids(Vec<Grid>);

#[derive(Debug)]
struct Grid {
    /// Width in cells.
    across: usize,
    down: usize,
    /// The distance between cells, as a fraction of the picture's sides.
    step_across: f64,
    step_down: f64,
}

/// A cell whose score no neighbour in its grid exceeds.
#[derive(Debug, Clone, Copy)]
struct Peak {
    score: f32,
    /// Its centre, from 0 to 1.
    x: f64,
    y: f64,
}

impl Grids {
    /// The grids of a detector with an input of that many pixels.
    #[expect(
        clippy::cast_precision_loss,
        reason = "no picture has 2^52 pixels a side"
    )]
    pub(crate) fn new(width: usize, height: usize) -> Self {
        let grid = |stride| Grid {
            across: width.div_ceil(stride),
            down: height.div_ceil(stride),
            step_across: stride as f64 / width as f64,
            step_down: stride as f64 / height as f64,
        };
        Self(STRIDES.map(grid).into())
    }

    /// The cells of all grids together.
    pub(crate) fn cells(&self) -> usize {
        self.0.iter().map(Grid::cells).sum()
    }

    /// The score of the second object of a kind, by the kind's score in each cell.
    ///
    /// Objects are the peaks of all grids, strongest first, except those in the neighbourhood of a stronger
    /// one.
    pub(crate) fn second_peak(&self, scores: &[f32]) -> Option<f32> {
        let mut rest = scores;
        let mut peaks = Vec::new();
        for grid in &self.0 {
            let (scores, after) = rest.split_at_checked(grid.cells())?;
            peaks.extend(grid.peaks(scores));
            rest = after;
        }
        let strongest = |a: &Peak, b: &Peak| a.score.total_cmp(&b.score);
        let first = peaks.iter().copied().max_by(strongest)?;
        let others = peaks.into_iter().filter(|peak| !peak.is_near(&first));
        others.max_by(strongest).map(|second| second.score)
    }
}

impl Grid {
    fn cells(&self) -> usize {
        self.across * self.down
    }

    fn peaks(&self, scores: &[f32]) -> impl Iterator<Item = Peak> {
        let candidates = (0..).zip(scores);
        let candidates = candidates.filter(|(_, score)| **score >= LOWEST_PEAK);
        candidates.filter_map(|(cell, score)| {
            let mut neighbours = self.neighbours(cell).filter_map(|cell| scores.get(cell));
            let is_peak = neighbours.all(|neighbour| neighbour <= score);
            is_peak.then(|| self.peak(cell, *score))
        })
    }

    /// A cell and those around it.
    fn neighbours(&self, cell: usize) -> impl Iterator<Item = usize> {
        let around = |at: usize, length: usize| at.saturating_sub(1)..(at + 2).min(length);
        let (x, y) = (cell % self.across, cell / self.across);
        let columns = around(x, self.across);
        around(y, self.down)
            .flat_map(move |row| iter::repeat(row).zip(columns.clone()))
            .map(|(row, column)| row * self.across + column)
    }

    #[expect(clippy::cast_precision_loss, reason = "no grid has 2^52 cells a side")]
    fn peak(&self, cell: usize, score: f32) -> Peak {
        let centre = |at: usize, step: f64| (at as f64 + 0.5) * step;
        Peak {
            score,
            x: centre(cell % self.across, self.step_across),
            y: centre(cell / self.across, self.step_down),
        }
    }
}

impl Peak {
    fn is_near(&self, other: &Self) -> bool {
        (self.x - other.x).hypot(self.y - other.y) <= NEIGHBOURHOOD
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Grids of 16 x 16, 8 x 8, 4 x 4 and 2 x 2 cells.
    fn grids() -> Grids {
        Grids::new(128, 128)
    }

    /// Scores of cells by grid, column and row; the others are 0.1.
    fn second(found: &[(usize, usize, usize, f32)]) -> Option<f32> {
        let mut scores = vec![0.1; grids().cells()];
        for (grid, x, y, score) in found {
            let start: usize = grids().0[..*grid].iter().map(Grid::cells).sum();
            scores[start + y * grids().0[*grid].across + x] = *score;
        }
        grids().second_peak(&scores)
    }

    #[test]
    fn the_models_grids_have_3598_cells() {
        assert_eq!(Grids::new(416, 416).cells(), 3598);
        assert_eq!(grids().cells(), 340);
    }

    #[test]
    fn two_things_apart_are_two_peaks() {
        assert_eq!(second(&[]), None);
        assert_eq!(second(&[(0, 2, 3, 0.9)]), None);
        assert_eq!(second(&[(0, 2, 3, 0.9), (0, 12, 3, 0.7)]), Some(0.7));
        assert_eq!(second(&[(0, 15, 15, 0.7), (0, 0, 0, 0.9)]), Some(0.7));
        assert_eq!(second(&[(0, 2, 3, 0.9), (0, 12, 3, 0.59)]), None);
        let third = [(0, 2, 3, 0.9), (0, 12, 3, 0.7), (0, 7, 12, 0.8)];
        assert_eq!(second(&third), Some(0.8));
    }

    #[test]
    fn adjacent_cells_are_one_peak() {
        assert_eq!(second(&[(0, 2, 3, 0.9), (0, 3, 4, 0.8)]), None);
        assert_eq!(second(&[(0, 2, 3, 0.9), (0, 3, 3, 0.9)]), None);
        // Adjacent in memory alone: the end of a row and the start of the next.
        assert_eq!(second(&[(0, 15, 3, 0.9), (0, 0, 4, 0.8)]), Some(0.8));
    }

    #[test]
    fn grids_that_see_the_same_thing_count_it_once() {
        // Centres 0.156 and 0.188.
        assert_eq!(second(&[(0, 2, 2, 0.9), (1, 1, 1, 0.8)]), None);
        assert_eq!(second(&[(0, 2, 2, 0.9), (1, 5, 5, 0.8)]), Some(0.8));
        // Two cells of 1/16 apart are 0.125, more than the neighbourhood.
        assert_eq!(second(&[(0, 2, 2, 0.9), (0, 4, 2, 0.8)]), Some(0.8));
    }

    #[test]
    fn too_few_scores_have_no_peak() {
        assert_eq!(grids().second_peak(&[0.9; 100]), None);
    }
}
