//! Progress bar over files on a terminal.

use std::thread;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle, WeakProgressBar};

const TEMPLATE: &str = "{bar:32} {human_pos} of {human_len}  {per_sec:1}  {eta} left";

/// A bar, shown if there is more than one file and cleared at the end.
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
    ///
    /// The work starts while the folders are still being walked, so files are counted separately, in a
    /// thread that ends with the process: a large tree delays nothing.
    pub(super) fn begin<T>(
        files: impl Iterator<Item = T> + Send + 'static,
        target: impl FnOnce() -> ProgressDrawTarget + Send + 'static,
    ) -> Self {
        let bar = bar(0);
        let counted = bar.downgrade();
        // Without a thread there is no bar; the work goes on.
        let _ = thread::Builder::new().spawn(move || count(files, &counted, target));
        Self { bar }
    }

    /// Draws to `target` for a known number of items.
    pub(super) fn over(items: u64, target: ProgressDrawTarget) -> Self {
        let bar = bar(items);
        bar.set_draw_target(target);
        Self { bar }
    }

    /// Runs `write` with the bar hidden.
    pub(super) fn aside<T>(&self, write: impl FnOnce() -> T) -> T {
        self.bar.suspend(write)
    }

    /// Counts one file as done.
    pub(super) fn pass(&self) {
        self.bar.inc(1);
    }

    /// Counts one file as done, and runs `write` with the bar hidden.
    pub(super) fn advance<T>(&self, write: impl FnOnce() -> T) -> T {
        let result = self.bar.suspend(write);
        self.bar.inc(1);
        result
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

fn bar(items: u64) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(items), ProgressDrawTarget::hidden());
    if let Ok(style) = ProgressStyle::with_template(TEMPLATE) {
        bar.set_style(style);
    }
    bar
}

/// Counts files until the receiver is dropped.
fn count<T>(
    files: impl Iterator<Item = T>,
    counted: &WeakProgressBar,
    target: impl FnOnce() -> ProgressDrawTarget,
) {
    let mut target = Some(target);
    for (number, _) in files.enumerate() {
        let Some(bar) = counted.upgrade().filter(|bar| !bar.is_finished()) else {
            return;
        };
        bar.inc_length(1);
        if number == 1
            && let Some(target) = target.take()
        {
            bar.set_draw_target(target());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use indicatif::InMemoryTerm;

    use super::*;

    fn begin(terminal: &InMemoryTerm, names: &'static [&'static str]) -> Progress {
        let terminal = terminal.clone();
        Progress::begin(names.iter(), move || {
            ProgressDrawTarget::term_like_with_hz(Box::new(terminal), 255)
        })
    }

    fn wait_for(progress: &Progress, files: u64) {
        let deadline = Instant::now() + Duration::from_mins(1);
        while progress.bar.length() != Some(files) || (files > 1 && progress.bar.is_hidden()) {
            assert!(Instant::now() < deadline, "{:?}", progress.bar.length());
            thread::yield_now();
        }
    }

    #[test]
    fn bar_is_hidden_for_lines_and_cleared_at_the_end() {
        let terminal = InMemoryTerm::new(10, 80);
        let progress = begin(&terminal, &["a.jpg", "b.jpg", "c.jpg"]);
        wait_for(&progress, 3);
        progress.bar.force_draw();
        assert!(
            terminal.contents().contains("0 of 3"),
            "{}",
            terminal.contents()
        );
        assert_eq!(progress.advance(|| terminal.contents()), "");
        progress.bar.force_draw();
        assert!(
            terminal.contents().contains("1 of 3"),
            "{}",
            terminal.contents()
        );
        drop(progress);
        assert_eq!(terminal.contents(), "");
    }

    #[test]
    fn bar_over_a_known_number_is_there_from_the_start() {
        let terminal = InMemoryTerm::new(10, 80);
        let target = ProgressDrawTarget::term_like_with_hz(Box::new(terminal.clone()), 255);
        let progress = Progress::over(7, target);
        progress.pass();
        progress.bar.force_draw();
        let shown = terminal.contents();
        assert!(shown.contains("1 of 7") && shown.contains("/s"), "{shown}");
    }

    #[test]
    fn one_file_has_no_bar() {
        let terminal = InMemoryTerm::new(10, 80);
        let progress = begin(&terminal, &["a.jpg"]);
        wait_for(&progress, 1);
        progress.bar.force_draw();
        progress.advance(|| ());
        assert!(progress.bar.is_hidden());
        assert_eq!(terminal.contents(), "");
    }
}
