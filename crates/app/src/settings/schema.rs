//! The macro that defines the table of settings, and its rows.

use std::{
    net::{IpAddr, SocketAddr},
    num::NonZeroUsize,
    path::PathBuf,
    time::Duration,
};

use chrono_tz::Tz;
use config::ValueKind;
use domain::Threshold;
use http_api::Origin;
use ipnet::IpNet;
use secrecy::SecretString;
use url::Url;
use url_fetch::{FetchPolicy, PostPolicy};

use super::types::{
    ConsistencyChoice, KeysRequired, LogFormat, OutputChoice, ProviderChoice, SecretUrl,
    VocabularyChoice,
};
use crate::permissions::Umask;

/// A row of the table.
pub(super) struct Setting {
    /// Section and name, such as `server.port`.
    pub(super) key: &'static str,
    pub(super) default: fn() -> ValueKind,
    pub(super) visibility: Visibility,
    /// Its documentation, line by line.
    #[cfg(test)]
    pub(super) doc: &'static [&'static str],
}

impl Setting {
    /// The key that names a file with the value; only secrets have one.
    pub(super) fn file_key(&self) -> Option<String> {
        (self.visibility != Visibility::Public).then(|| format!("{}_file", self.key))
    }
}

/// How much of a value may be printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Visibility {
    Public,
    /// The value without the password of the URL.
    PasswordMasked,
    /// Only whether it is set.
    Secret,
}

/// The types of settings. The type alone decides what is printed, so no secret can be forgotten in a list
/// of secrets.
pub(super) trait SettingType {
    const VISIBILITY: Visibility;
}

impl SettingType for Option<SecretString> {
    const VISIBILITY: Visibility = Visibility::Secret;
}

impl SettingType for SecretUrl {
    const VISIBILITY: Visibility = Visibility::PasswordMasked;
}

impl SettingType for Option<SecretUrl> {
    const VISIBILITY: Visibility = Visibility::PasswordMasked;
}

macro_rules! public {
    ($($type:ty),+ $(,)?) => {
        $(impl SettingType for $type {
            const VISIBILITY: Visibility = Visibility::Public;
        })+
    };
}

public!(
    bool,
    u16,
    u32,
    u64,
    NonZeroUsize,
    Duration,
    IpAddr,
    Option<SocketAddr>,
    Vec<IpNet>,
    Vec<String>,
    String,
    Option<String>,
    Option<PathBuf>,
    Tz,
    Umask,
    Threshold,
    Url,
    Vec<Origin>,
    KeysRequired,
    ConsistencyChoice,
    OutputChoice,
    Option<Url>,
    Vec<ProviderChoice>,
    VocabularyChoice,
    FetchPolicy,
    PostPolicy,
    LogFormat,
);

/// Turns a table of settings into one struct for all of them and one for each section, for serde,
/// and into the rows of `TABLE`.
///
/// A setting is `/// documentation`, `name: type = default, "reader";`. The documentation is that
/// of the field and the row in `docs/configuration.md`; the reader is a function for serde's
/// `deserialize_with`.
macro_rules! settings {
    (
        $(#[$meta:meta])*
        $vis:vis struct $settings:ident {
            $(
                $(#[doc = $about:literal])+
                $section:ident: $struct:ident {
                    $(
                        $(#[doc = $doc:literal])+
                        $field:ident: $type:ty = $default:expr, $reader:literal;
                    )+
                }
            )+
        }
    ) => {
        $(#[$meta])*
        #[derive(Debug, Clone, serde::Deserialize)]
        $vis struct $settings {
            $(
                $(#[doc = $about])+
                pub $section: $struct,
            )+
            #[serde(skip)]
            pub(super) in_force: InForce,
        }

        $(
            #[doc = concat!("The section `[", stringify!($section), "]`.")]
            #[derive(Debug, Clone, serde::Deserialize)]
            $vis struct $struct {
                $(
                    $(#[doc = $doc])+
                    #[serde(deserialize_with = $reader)]
                    pub $field: $type,
                )+
            }
        )+

        impl $settings {
            pub(super) const TABLE: &'static [Setting] = &[
                $($(
                    Setting {
                        key: concat!(stringify!($section), ".", stringify!($field)),
                        default: || config::ValueKind::from($default),
                        visibility: <$type as SettingType>::VISIBILITY,
                        #[cfg(test)]
                        doc: &[$($doc),+],
                    },
                )+)+
            ];
        }
    };
}

pub(super) use settings;
