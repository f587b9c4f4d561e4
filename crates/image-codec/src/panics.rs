//! Catches panics of decoders, which count as errors of the files.

use std::{
    any::Any,
    cell::Cell,
    panic::{self, AssertUnwindSafe},
    sync::Once,
};

thread_local! {
    /// Whether a panic on this thread would be caught here.
    static IS_CAUGHT: Cell<bool> = const { Cell::new(false) };
}

static INSTALL: Once = Once::new();

/// Runs work and returns its result, or the panic message.
///
/// Such a panic prints nothing: the panic hook passes on only all others.
pub(crate) fn caught<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    INSTALL.call_once(install);
    let was_caught = IS_CAUGHT.replace(true);
    let done = panic::catch_unwind(AssertUnwindSafe(work));
    IS_CAUGHT.set(was_caught);
    done.map_err(|payload| message(payload.as_ref()))
}

fn install() {
    let others = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        if IS_CAUGHT.get() {
            tracing::debug!(panic = %info, "a decoder panicked");
        } else {
            others(info);
        }
    }));
}

fn message(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().copied();
    let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("a panic").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_what_the_work_says() {
        assert_eq!(caught(|| 1), Ok(1));
        let panicked = caught(|| -> () { panic!("at the {}", "end") });
        assert_eq!(panicked, Err("at the end".to_owned()));
        assert!(!IS_CAUGHT.get());
    }
}
