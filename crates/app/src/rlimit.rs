//! The limit of open files and connections (`RLIMIT_NOFILE`).

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Treated as unlimited.
const PLENTY: u64 = 1 << 20;

/// Raises the soft limit to the hard limit: the default soft limit is often too low for a server with many
/// connections.
pub fn raise() {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    let wanted = Rlimit {
        current: maximum,
        maximum,
    };
    if let Err(error) = setrlimit(Resource::Nofile, wanted) {
        tracing::warn!(%error, "the limit of open files stays as it is");
    }
    tracing::debug!(limit = limit(), "files and connections that may be open");
}

/// The current soft limit, capped at 1,048,576.
pub fn limit() -> usize {
    let limit = getrlimit(Resource::Nofile).current.unwrap_or(PLENTY);
    usize::try_from(limit.min(PLENTY)).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_is_raised_as_far_as_it_goes() {
        raise();
        let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
        assert_eq!(current, maximum);
        assert!(limit() > 0);
    }
}
