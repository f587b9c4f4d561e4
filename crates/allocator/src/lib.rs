//! Settings of the C library's allocator.
//!
//! glibc gives each thread an arena of its own, which keeps the memory that the thread frees: after
//! decoding a few large pictures on several threads, hundreds of megabytes. `mallopt` can change that, but
//! safe Rust cannot call it, and no maintained crate wraps it.

/// Makes all threads allocate from one arena, so that free memory is shared.
///
/// Must be called before the first thread starts: a thread that has an arena keeps it. Threads then contend
/// for the arena's lock, so this suits programs whose threads mostly compute. Does nothing with allocators
/// other than glibc's.
pub fn use_one_arena() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    #[expect(unsafe_code, reason = "a call of the C library")]
    // SAFETY: mallopt(3) may be called at any time, from any thread; it rejects unknown parameters.
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
