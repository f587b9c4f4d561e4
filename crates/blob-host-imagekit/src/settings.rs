//! Settings of the ImageKit host.

use secrecy::SecretString;
use thiserror::Error;
use upstream_http::BaseUrlError;

/// The default folder of hosted pictures.
pub const DEFAULT_FOLDER: &str = "/etiqueta-tagging";

/// ImageKit's deepest folder nesting.
const DEEPEST: usize = 50;

/// An account, and how it is used.
#[derive(Debug, Clone)]
pub struct ImageKitSettings {
    /// The upload API: `https://upload.imagekit.io`.
    pub upload_url: String,
    /// The rest of the API: `https://api.imagekit.io`.
    pub api_url: String,
    /// The account's private key; no other key is needed.
    pub private_key: SecretString,
    /// Whether to purge the CDN's copies of released pictures.
    pub purge: bool,
    /// The folder of the hosted pictures, shared by the servers of one account: a slash, then names of
    /// letters, digits, `_` and `-` separated by slashes.
    pub folder: String,
}

/// Why settings cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum ImageKitSettingsError {
    /// The upload URL is not a base URL.
    #[error("ImageKit's upload URL: {0}")]
    UploadUrl(#[source] BaseUrlError),
    /// The API URL is not a base URL.
    #[error("ImageKit's API URL: {0}")]
    ApiUrl(#[source] BaseUrlError),
    /// The folder.
    #[error(
        "ImageKit's folder must be a slash and names of letters, digits, _ and -, such as \
         {DEFAULT_FOLDER}"
    )]
    Folder,
}

/// The folder of the hosted pictures. Never the root, which others use too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Folder(String);

impl Folder {
    pub(crate) fn parse(text: &str) -> Result<Self, ImageKitSettingsError> {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
        let path = text
            .strip_prefix('/')
            .ok_or(ImageKitSettingsError::Folder)?;
        let levels = || path.split('/');
        let is_good = levels().all(|level| !level.is_empty() && level.chars().all(is_plain))
            && levels().count() <= DEEPEST;
        is_good
            .then(|| Self(text.to_owned()))
            .ok_or(ImageKitSettingsError::Folder)
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether a file lies directly in the folder.
    pub(crate) fn holds(&self, path: &str) -> bool {
        path.rsplit_once('/')
            .is_some_and(|(folder, _)| folder == self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[rstest::rstest]
    #[case("/etiqueta-tagging/cat.jpg", true)]
    #[case("/etiqueta-tagging/", true)]
    #[case("/etiqueta-tagging/below/cat.jpg", false)]
    #[case("/etiqueta-tagging-2/cat.jpg", false)]
    #[case("/cat.jpg", false)]
    #[case("cat.jpg", false)]
    #[case("", false)]
    fn a_folder_holds_its_own_files(#[case] path: &str, #[case] held: bool) {
        let folder = Folder::parse(DEFAULT_FOLDER).unwrap();
        assert_eq!(folder.holds(path), held);
    }

    #[rstest::rstest]
    #[case("")]
    #[case("/")]
    #[case("tagging")]
    #[case("/tagging/")]
    #[case("//tagging")]
    #[case("/a b")]
    #[case("/../a")]
    #[case("/añ")]
    fn refuses_other_folders(#[case] text: &str) {
        assert_eq!(Folder::parse(text), Err(ImageKitSettingsError::Folder));
    }

    #[test]
    fn folders_may_be_fifty_deep() {
        assert!(Folder::parse(&"/a".repeat(50)).is_ok());
        assert!(Folder::parse(&"/a".repeat(51)).is_err());
    }
}
