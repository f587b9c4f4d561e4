//! Whether URLs are fetched, and from where.

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
}
