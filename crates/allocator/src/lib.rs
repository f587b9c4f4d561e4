//! Gives freed memory back to the system.
//!
//! glibc keeps what a thread frees for the next allocations of that thread's arena, without a bound: after
//! the working memory of a few large pictures on several threads, that is hundreds of megabytes. Safe Rust
//! has no way to ask for it back, and neither has a crate that is kept up.

/// Gives the free pages of all arenas back to the system.
///
/// Walks every arena under its lock, which takes about a tenth of a millisecond for each ten megabytes
/// that are given back: worth it after work that took many megabytes. Does nothing where the allocator is
/// another one than glibc's.
pub fn trim() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    #[expect(unsafe_code, reason = "a call of the C library")]
    // SAFETY: malloc_trim(3) may be called at any time, from any thread, with any padding.
    unsafe {
        libc::malloc_trim(0);
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn memory_in_use_stays() {
        let used = vec![7u8; 1 << 20];
        drop(vec![8u8; 1 << 20]);
        super::trim();
        assert!(used.iter().all(|byte| *byte == 7));
    }
}
