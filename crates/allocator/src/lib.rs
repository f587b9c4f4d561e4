//! Settings of the C library's allocator.
//!
//! glibc gives each thread an arena of its own and keeps there what the thread frees: after the working memory of
//! a few large pictures on several threads, hundreds of megabytes. It can be told otherwise, but safe Rust has no
//! way to, and no crate that is kept up wraps the call.

/// Makes all threads allocate from one arena, whose free memory any of them takes again.
///
/// Call it before the first thread is started: a thread that has an arena keeps it. Threads then wait for each
/// other when they allocate, so this is for programs whose threads mostly compute. Does nothing where the
/// allocator is another one than glibc's.
pub fn use_one_arena() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    #[expect(unsafe_code, reason = "a call of the C library")]
    // SAFETY: mallopt(3) may be called at any time, from any thread; what it does not know it refuses.
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, 1);
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    #[test]
    fn threads_allocate_and_free_across_each_other() {
        super::use_one_arena();
        let threads: Vec<_> = (0..8u8)
            .map(|n| thread::spawn(move || vec![n; 1 << 20]))
            .collect();
        for (n, thread) in threads.into_iter().enumerate() {
            let bytes = thread.join().expect("ended");
            assert!(bytes.iter().all(|byte| usize::from(*byte) == n));
        }
    }
}
