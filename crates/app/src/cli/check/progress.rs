//! Progress bars on a terminal.

use domain::{ports::Rows, service::Part};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

const WITH_LENGTH: &str = "{msg:9} {bar:32} {human_pos} of {human_len}  {eta} left";
const WITHOUT_LENGTH: &str = "{msg:9} {human_pos}";

/// One bar for each part, cleared at the end.
pub(super) struct Progress {
    bar: ProgressBar,
}

impl Progress {
    /// Shows nothing.
    pub(super) fn hidden() -> Self {
        Self {
            bar: ProgressBar::hidden(),
        }
    }

    /// Draws to `target`.
    pub(super) fn shown(target: ProgressDrawTarget) -> Self {
        Self {
            bar: ProgressBar::with_draw_target(None, target),
        }
    }

    /// Starts a part, of `length` steps if known.
    pub(super) fn begin(&self, part: Part, length: Option<u64>) {
        let template = if let Some(length) = length {
            self.bar.set_length(length);
            WITH_LENGTH
        } else {
            self.bar.unset_length();
            WITHOUT_LENGTH
        };
        if let Ok(style) = ProgressStyle::with_template(template) {
            self.bar.set_style(style);
        }
        self.bar.set_message(name(part));
        self.bar.reset();
    }

    /// Advances the current part by `count`.
    pub(super) fn advance(&self, count: u64) {
        self.bar.inc(count);
    }

    /// Runs `write` with the bar hidden.
    pub(super) fn aside<T>(&self, write: impl FnOnce() -> T) -> T {
        self.bar.suspend(write)
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

fn name(part: Part) -> &'static str {
    match part {
        Part::Rows(Rows::Labels) => "labels",
        Part::Rows(Rows::Images) => "images",
        Part::Rows(Rows::Taggings) => "taggings",
        Part::Rows(Rows::Originals) => "originals",
        Part::Statistics => "counts",
        Part::Objects => "stored",
    }
}

#[cfg(test)]
mod tests {
    use indicatif::InMemoryTerm;

    use super::*;

    #[test]
    fn bar_restarts_with_each_part_and_is_cleared_at_the_end() {
        let terminal = InMemoryTerm::new(10, 80);
        let target = ProgressDrawTarget::term_like_with_hz(Box::new(terminal.clone()), 255);
        let progress = Progress::shown(target);
        let shows = |text: &str| {
            progress.bar.force_draw();
            let contents = terminal.contents();
            assert!(contents.contains(text), "{contents}");
        };
        progress.begin(Part::Rows(Rows::Images), Some(1200));
        progress.advance(500);
        shows("500 of 1,200");
        assert_eq!(progress.aside(|| terminal.contents()), "");
        progress.begin(Part::Objects, None);
        shows("stored    0");
        progress.advance(70);
        shows("stored    70");
        drop(progress);
        assert_eq!(terminal.contents(), "");
    }
}
