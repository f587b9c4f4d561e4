//! Scopes: the permissions of API keys.

use std::{collections::BTreeSet, fmt, str::FromStr};

use thiserror::Error;

/// One permission.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// Reads images, tags and their statistics.
    Read,
    /// Tags pictures without registering them.
    Tag,
    /// Registers images.
    Upload,
    /// Changes and removes images and tags. Includes [`Scope::Read`], [`Scope::Tag`] and [`Scope::Upload`].
    Write,
    /// Reads the metrics.
    Metrics,
    /// Everything, keys included.
    Admin,
}

/// The text is not a scope.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("a scope is one of read, tag, upload, write, metrics, admin")]
pub struct ScopeError;

impl Scope {
    /// Every scope.
    pub const ALL: [Self; 6] = [
        Self::Read,
        Self::Tag,
        Self::Upload,
        Self::Write,
        Self::Metrics,
        Self::Admin,
    ];

    /// The name used in settings, requests and the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Tag => "tag",
            Self::Upload => "upload",
            Self::Write => "write",
            Self::Metrics => "metrics",
            Self::Admin => "admin",
        }
    }

    /// Whether this scope grants what `other` grants.
    pub fn includes(self, other: Self) -> bool {
        self == other
            || match self {
                Self::Admin => true,
                Self::Write => matches!(other, Self::Read | Self::Tag | Self::Upload),
                Self::Read | Self::Tag | Self::Upload | Self::Metrics => false,
            }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Scope {
    type Err = ScopeError;

    fn from_str(text: &str) -> Result<Self, ScopeError> {
        let mut all = Self::ALL.into_iter();
        all.find(|scope| scope.as_str() == text).ok_or(ScopeError)
    }
}

/// The scopes of a key: at least one, in the order of [`Scope::ALL`], written with commas.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scopes(BTreeSet<Scope>);

impl Scopes {
    /// These scopes, each once. None if there are none.
    pub fn new(scopes: impl IntoIterator<Item = Scope>) -> Option<Self> {
        let scopes: BTreeSet<_> = scopes.into_iter().collect();
        (!scopes.is_empty()).then_some(Self(scopes))
    }

    /// The scope `admin` alone.
    pub fn admin() -> Self {
        Self(BTreeSet::from([Scope::Admin]))
    }

    /// Whether one of them includes `scope`.
    pub fn allow(&self, scope: Scope) -> bool {
        self.0.iter().any(|own| own.includes(scope))
    }

    /// Iterates in the order of [`Scope::ALL`].
    pub fn iter(&self) -> impl Iterator<Item = Scope> {
        self.0.iter().copied()
    }
}

impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.iter().map(Scope::as_str).collect();
        f.write_str(&names.join(","))
    }
}

impl FromStr for Scopes {
    type Err = ScopeError;

    fn from_str(text: &str) -> Result<Self, ScopeError> {
        let scopes: Result<Vec<Scope>, _> = text.split(',').map(str::parse).collect();
        Self::new(scopes?).ok_or(ScopeError)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[rstest::rstest]
    #[case(Scope::Read, &[Scope::Read])]
    #[case(Scope::Tag, &[Scope::Tag])]
    #[case(Scope::Upload, &[Scope::Upload])]
    #[case(Scope::Write, &[Scope::Read, Scope::Tag, Scope::Upload, Scope::Write])]
    #[case(Scope::Metrics, &[Scope::Metrics])]
    #[case(Scope::Admin, &Scope::ALL)]
    fn a_scope_includes_itself_and_what_is_below(#[case] scope: Scope, #[case] included: &[Scope]) {
        let scopes = Scopes::new([scope]).unwrap();
        for other in Scope::ALL {
            assert_eq!(scope.includes(other), included.contains(&other), "{other}");
            assert_eq!(scopes.allow(other), included.contains(&other), "{other}");
        }
    }

    #[test]
    fn scopes_are_written_once_each_in_order() {
        let scopes: Scopes = "write,read,write,metrics".parse().unwrap();
        assert_eq!(scopes.to_string(), "read,write,metrics");
        for scope in Scope::ALL {
            assert_eq!(scope.as_str().parse(), Ok(scope));
        }
    }

    #[test]
    fn other_texts_are_refused() {
        for text in ["", ",", "read,", "Read", " read", "root", "read;tag"] {
            assert_eq!(text.parse::<Scopes>(), Err(ScopeError), "{text}");
        }
        assert_eq!(Scopes::new([]), None);
    }
}
