//! Whether URLs are fetched, and from where; where messages are posted.

use std::{fmt, str::FromStr};

use thiserror::Error;

/// Whether URLs are fetched, and from where. Written `none`, `public` or `any`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum FetchPolicy {
    /// No URL is fetched.
    None,
    /// Ports 80 and 443 of globally routable addresses.
    #[default]
    Public,
    /// Any port and address. The rules for schemes, credentials, redirects and sizes still apply.
    Any,
}

/// The text is not a policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("must be none, public or any")]
pub struct UnknownPolicy;

impl FromStr for FetchPolicy {
    type Err = UnknownPolicy;

    fn from_str(text: &str) -> Result<Self, UnknownPolicy> {
        match text {
            "none" => Ok(Self::None),
            "public" => Ok(Self::Public),
            "any" => Ok(Self::Any),
            _ => Err(UnknownPolicy),
        }
    }
}

impl fmt::Display for FetchPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "none",
            Self::Public => "public",
            Self::Any => "any",
        })
    }
}

/// Where messages may be posted. Written `any` or `public`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PostPolicy {
    /// Any port and address but link-local ones and metadata services of clouds.
    #[default]
    AnyButLinkLocal,
    /// Ports 80 and 443 of globally routable addresses.
    Public,
}

/// The text is not a policy for posts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("must be any or public")]
pub struct UnknownPostPolicy;

impl FromStr for PostPolicy {
    type Err = UnknownPostPolicy;

    fn from_str(text: &str) -> Result<Self, UnknownPostPolicy> {
        match text {
            "any" => Ok(Self::AnyButLinkLocal),
            "public" => Ok(Self::Public),
            _ => Err(UnknownPostPolicy),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn policies_are_read_as_they_are_written() {
        for policy in [FetchPolicy::None, FetchPolicy::Public, FetchPolicy::Any] {
            assert_eq!(policy.to_string().parse(), Ok(policy));
        }
        assert_eq!("PUBLIC".parse::<FetchPolicy>(), Err(UnknownPolicy));
        assert_eq!("".parse::<FetchPolicy>(), Err(UnknownPolicy));
    }

    #[test]
    fn policies_for_posts_are_read() {
        assert_eq!("any".parse(), Ok(PostPolicy::AnyButLinkLocal));
        assert_eq!("public".parse(), Ok(PostPolicy::Public));
        assert_eq!("none".parse::<PostPolicy>(), Err(UnknownPostPolicy));
    }
}
