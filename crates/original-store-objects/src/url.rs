//! URLs of stores of originals.

use std::{fmt, path::PathBuf, str::FromStr};

use thiserror::Error;

/// The location of the originals: `file:FOLDER`, or `s3://BUCKET/PREFIX`.
///
/// It is a scheme and the rest, not an RFC 3986 URL: `file:Images` is a relative path and
/// `file:/srv/images` an absolute one; nothing is percent-decoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OriginalsUrl {
    /// A folder of a local file system.
    Folder(PathBuf),
    /// An S3 bucket, with a key prefix.
    Bucket {
        /// The bucket's name, without the prefix.
        name: String,
        /// The prefix of all keys; may be empty.
        prefix: String,
    },
}

/// Why a text is not a URL of originals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum OriginalsUrlError {
    /// The text begins with none of the schemes.
    #[error("it begins with neither file: nor s3://")]
    Scheme,
    /// `file:` without a path.
    #[error("file: is followed by the path of a folder")]
    Folder,
    /// `s3://` without a bucket.
    #[error("s3:// is followed by the name of a bucket, and perhaps a slash and a prefix")]
    Bucket,
}

impl FromStr for OriginalsUrl {
    type Err = OriginalsUrlError;

    fn from_str(text: &str) -> Result<Self, OriginalsUrlError> {
        if let Some(path) = text.strip_prefix("file:") {
            let has_path = !path.trim_matches('/').is_empty();
            return if has_path {
                Ok(Self::Folder(path.into()))
            } else {
                Err(OriginalsUrlError::Folder)
            };
        }
        let rest = text
            .strip_prefix("s3://")
            .ok_or(OriginalsUrlError::Scheme)?;
        let (name, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        // Credentials and ports do not belong here, and would be taken for a part of the name.
        let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
        if name.is_empty() || !name.chars().all(is_name) {
            return Err(OriginalsUrlError::Bucket);
        }
        Ok(Self::Bucket {
            name: name.to_owned(),
            prefix: prefix.trim_matches('/').to_owned(),
        })
    }
}

impl fmt::Display for OriginalsUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(path) => write!(f, "file:{}", path.display()),
            Self::Bucket { name, prefix } if prefix.is_empty() => write!(f, "s3://{name}"),
            Self::Bucket { name, prefix } => write!(f, "s3://{name}/{prefix}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_folders_and_buckets() {
        let folder = |path: &str| Ok(OriginalsUrl::Folder(path.into()));
        assert_eq!("file:Images".parse(), folder("Images"));
        assert_eq!("file:/srv/my images".parse(), folder("/srv/my images"));
        let bucket = |name: &str, prefix: &str| {
            Ok(OriginalsUrl::Bucket {
                name: name.to_owned(),
                prefix: prefix.to_owned(),
            })
        };
        assert_eq!("s3://pictures".parse(), bucket("pictures", ""));
        assert_eq!(
            "s3://my.pictures/a/b/".parse(),
            bucket("my.pictures", "a/b")
        );
    }

    #[test]
    fn refuses_everything_else() {
        for (text, error) in [
            ("Images", OriginalsUrlError::Scheme),
            ("http://bucket", OriginalsUrlError::Scheme),
            ("file:", OriginalsUrlError::Folder),
            ("file:/", OriginalsUrlError::Folder),
            ("s3://", OriginalsUrlError::Bucket),
            ("s3:///prefix", OriginalsUrlError::Bucket),
            ("s3://key:secret@bucket", OriginalsUrlError::Bucket),
        ] {
            assert_eq!(text.parse::<OriginalsUrl>(), Err(error), "{text}");
        }
    }
}
