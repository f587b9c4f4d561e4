//! Progress bar on a terminal.

use std::{path::PathBuf, thread};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle, WeakProgressBar};

use super::files;

const TEMPLATE: &str = "{bar:32} {human_pos} of {human_len}  {eta} left";

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
    /// Tagging starts while the folders are still being walked, so files are counted separately, in a
    /// thread that ends with the process: a large tree delays nothing.
    pub(super) fn begin(
        names: Vec<PathBuf>,
        target: impl FnOnce() -> ProgressDrawTarget + Send + 'static,
    ) -> Self {
        let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::hidden());
        if let Ok(style) = ProgressStyle::with_template(TEMPLATE) {
            bar.set_style(style);
        }
        let counted = bar.downgrade();
        // Without a thread there is no bar; the work goes on.
        let _ = thread::Builder::new().spawn(move || count(names, &counted, target));
        Self { bar }
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

/// Counts files until the receiver is dropped.
fn count(
    names: Vec<PathBuf>,
    counted: &WeakProgressBar,
    target: impl FnOnce() -> ProgressDrawTarget,
) {
    let mut target = Some(target);
    for (number, _) in names.into_iter().flat_map(files::find).enumerate() {
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

    fn begin(terminal: &InMemoryTerm, names: &[&str]) -> Progress {
        let terminal = terminal.clone();
        let names = names.iter().map(PathBuf::from).collect();
        Progress::begin(names, move || {
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
