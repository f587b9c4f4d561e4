//! The web page: static files, embedded in the binary.
//!
//! The page speaks to the server through its public HTTP API alone. Its modules are served as they are written: nothing
//! is built, bundled or minified. They lie below a folder that is named after the digest of them all, so that a browser
//! keeps them for good and never mixes two versions.

mod sources;

use std::{collections::HashMap, io::Write as _, sync::LazyLock};

use flate2::{Compression, write::GzEncoder};
use sha2::{Digest as _, Sha256};

use self::sources::{PAGE, SOURCES};

/// The `Content-Security-Policy` of the page: resources of this server alone, and nothing inline.
pub const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
    form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// Shorter files are not worth compressing.
const LEAST_COMPRESSED: usize = 512;

/// The bytes of digests that names of versions and entity tags have, in hexadecimal digits.
const DIGITS: usize = 16;

/// A file that is part of the program.
pub struct File {
    /// Its media type, with the charset of texts.
    pub media_type: &'static str,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// Its bytes, compressed by gzip, where that makes them shorter.
    pub gzip: Option<Vec<u8>>,
    /// The digest of its bytes, from which entity tags are made: letters and digits.
    pub digest: String,
}

struct Gallery {
    page: File,
    version: String,
    files: HashMap<&'static str, File>,
}

static GALLERY: LazyLock<Gallery> = LazyLock::new(Gallery::new);

/// The page itself.
pub fn page() -> &'static File {
    &GALLERY.page
}

/// The file at a path below `ui/`: `{version}/{path}`. `None` if there is none, or if it is of another version.
pub fn file(path: &str) -> Option<&'static File> {
    let (version, path) = path.split_once('/')?;
    (version == GALLERY.version).then(|| GALLERY.files.get(path))?
}

impl Gallery {
    fn new() -> Self {
        let version = version();
        let files = SOURCES.iter().map(|(path, bytes)| {
            let file = File::new(media_type(path), bytes.to_vec());
            (*path, file)
        });
        Self {
            page: File::new("text/html; charset=utf-8", html(&version).into_bytes()),
            files: files.collect(),
            version,
        }
    }
}

impl File {
    /// Compresses and digests a file.
    pub fn new(media_type: &'static str, bytes: Vec<u8>) -> Self {
        Self {
            media_type,
            gzip: compressed(&bytes),
            digest: hex(&Sha256::digest(&bytes)),
            bytes,
        }
    }
}

/// The digest of all files with their paths.
fn version() -> String {
    let mut digest = Sha256::new();
    for (path, bytes) in SOURCES {
        digest.update(path.as_bytes());
        digest.update([0]);
        digest.update(Sha256::digest(bytes));
    }
    hex(&digest.finalize())
}

fn hex(digest: &[u8]) -> String {
    let digits = digest.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits
        .take(DIGITS)
        .filter_map(|digit| char::from_digit(digit.into(), 16))
        .collect()
}

/// The page, with the paths of its files. The modules are announced in its head, so that they are fetched side by side.
fn html(version: &str) -> String {
    let modules = SOURCES.iter().map(|(path, _)| *path);
    let preload: Vec<String> = modules
        .filter(|path| extension(path) == Some("js") && !["main.js", "early.js"].contains(path))
        .map(|path| format!("<link rel=\"modulepreload\" href=\"ui/{version}/{path}\">\n"))
        .collect();
    PAGE.replace("{{ui}}", &format!("ui/{version}"))
        .replace("{{preload}}\n", &preload.concat())
}

fn compressed(bytes: &[u8]) -> Option<Vec<u8>> {
    if bytes.len() < LEAST_COMPRESSED {
        return None;
    }
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).ok()?;
    let gzip = encoder.finish().ok()?;
    (gzip.len() < bytes.len()).then_some(gzip)
}

fn extension(path: &str) -> Option<&str> {
    path.rsplit_once('.').map(|(_, extension)| extension)
}

fn media_type(path: &str) -> &'static str {
    match extension(path) {
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("json") => "application/json",
        Some("svg") => "image/svg+xml",
        _ => "text/plain; charset=utf-8",
    }
}

#[cfg(test)]
mod tests;
