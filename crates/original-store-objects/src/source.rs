//! Files in a bucket, to be read.

use std::{ops::Range, sync::Arc};

use async_trait::async_trait;
use bytes::Bytes;
use domain::ports::{FileSource, FileSourceError, SourceFile, cause};
use futures_util::{StreamExt, stream::BoxStream};
use object_store::{Error, GetOptions, GetRange, ObjectStore, path::Path};

use crate::{OpenError, bucket};

/// The files of a bucket below a prefix.
pub struct BucketFiles(Arc<dyn ObjectStore>);

impl BucketFiles {
    /// Opens a bucket with the usual `AWS_*` variables, without a call.
    pub fn open(name: &str, prefix: &str) -> Result<Self, OpenError> {
        let bucket = bucket::open(name, prefix).map_err(|e| OpenError::Bucket(Box::new(e)))?;
        Ok(Self(bucket.retrying))
    }
}

#[async_trait]
impl FileSource for BucketFiles {
    fn list(&self) -> BoxStream<'static, Result<SourceFile, FileSourceError>> {
        let listed = self.0.list(None).map(|object| match object {
            Ok(object) => Ok(SourceFile {
                name: object.location.to_string(),
                len: object.size,
            }),
            Err(error) => Err(unavailable(error)),
        });
        listed.boxed()
    }

    async fn read(&self, name: &str, range: Range<u64>) -> Result<Bytes, FileSourceError> {
        let options = GetOptions {
            range: Some(GetRange::Bounded(range)),
            ..GetOptions::default()
        };
        // What was listed is encoded already.
        let path = Path::parse(name).map_err(|error| FileSourceError::Unavailable(cause(error)))?;
        let found = self.0.get_opts(&path, options).await;
        let found = found.map_err(unavailable)?;
        found.bytes().await.map_err(unavailable)
    }
}

fn unavailable(error: Error) -> FileSourceError {
    match error {
        Error::NotFound { .. } => FileSourceError::Missing,
        error => FileSourceError::Unavailable(cause(error)),
    }
}

#[cfg(test)]
mod tests {
    use futures_util::TryStreamExt;
    use object_store::{ObjectStoreExt, memory::InMemory};

    use super::*;

    #[tokio::test]
    async fn files_are_listed_and_read_in_part() {
        let store = InMemory::new();
        for (name, content) in [("b/2.jpg", "second"), ("a/ñ 1.jpg", "first")] {
            let path = Path::from(name);
            store.put(&path, content.into()).await.unwrap();
        }
        let files = BucketFiles(Arc::new(store));
        let mut listed: Vec<_> = files.list().try_collect().await.unwrap();
        listed.sort_by(|a, b| a.name.cmp(&b.name));
        let lengths: Vec<_> = listed.iter().map(|file| file.len).collect();
        assert_eq!(lengths, [5, 6]);
        let read = async |range| files.read(&listed[0].name, range).await.unwrap();
        assert_eq!(read(0..100).await, "first");
        assert_eq!(read(0..2).await, "fi");
        let missing = files.read("c", 0..1).await;
        assert!(matches!(missing, Err(FileSourceError::Missing)));
    }
}
