//! Imports the objects of a bucket.

use std::{iter, path::Path, sync::Arc};

use domain::{
    ContentDigest, ImportedFile,
    ports::{CallContext, FileSource, FileSourceError, SourceFile},
    service::{Imported, Importing, TaggerChoice, Upload},
};
use futures_util::{StreamExt, stream::BoxStream};
use tokio::runtime::Handle;

use super::{
    Failure, Wanted,
    read::{begins_like_a_picture, off_thread},
};
use crate::cli::kind::{LeftOut, PREFIX};

/// An object to import, or why the listing ended.
pub(super) struct FoundObject {
    source: Arc<dyn FileSource>,
    /// The URL of the object, or of what is listed.
    pub(super) url: String,
    file: Result<SourceFile, FileSourceError>,
}

/// The objects below a URL.
pub(super) fn find(source: Arc<dyn FileSource>, url: &str) -> BoxStream<'static, FoundObject> {
    let url = url.trim_end_matches('/').to_owned();
    let listed = source.list().map(move |file| FoundObject {
        source: Arc::clone(&source),
        url: match &file {
            Ok(file) => format!("{url}/{}", file.name),
            Err(_) => url.clone(),
        },
        file,
    });
    listed.boxed()
}

/// As many items as there are objects, for a thread outside the runtime.
pub(super) fn count(
    mut objects: BoxStream<'static, FoundObject>,
    runtime: Handle,
) -> impl Iterator<Item = ()> + Send {
    iter::from_fn(move || runtime.block_on(objects.next()).map(drop))
}

pub(super) async fn import(
    found: FoundObject,
    importing: &Importing,
    wanted: &Wanted,
) -> Result<Imported, Failure> {
    let FoundObject { source, url, file } = found;
    let file = file?;
    if wanted.exclusion.covers(Path::new(&file.name)) {
        return Err(Failure::LeftOut(LeftOut::Excluded));
    }
    let limit = wanted.reading.limit as u64;
    if file.len == 0 {
        return Err(Failure::LeftOut(LeftOut::NoPicture));
    }
    if file.len > limit {
        // What is no picture may have any length.
        begins_like_a_picture(&source.read(&file.name, 0..PREFIX as u64).await?)?;
        let limit = wanted.reading.limit;
        return Err(Failure::TooLarge { limit });
    }
    let length = usize::try_from(file.len).unwrap_or(usize::MAX);
    let _reserved = wanted.reading.budget.reserve(length).await;
    // An object that grew since is not read further.
    let bytes = source.read(&file.name, 0..file.len).await?;
    begins_like_a_picture(&bytes)?;
    let content = bytes.clone();
    let digest = off_thread(move || Ok(ContentDigest::of(&content))).await?;
    let name = Path::new(&file.name).file_name();
    let upload = Upload {
        bytes,
        digest,
        threshold: wanted.threshold,
        taggers: TaggerChoice::default(),
        file_name: name.map(|name| name.to_string_lossy().into_owned()),
        imported: Some(ImportedFile::new(&digest, url.as_bytes())),
        request: None,
        context: CallContext::local(),
    };
    Ok(importing.import(upload).await?)
}
