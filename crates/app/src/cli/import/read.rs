//! Reads files: regular ones, of a bounded size.

use std::{
    fs::{File, OpenOptions},
    io::{self, Read},
    os::unix::fs::{FileExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use bytes::Bytes;
use domain::ContentDigest;
use rustix::fs::OFlags;
use support::{ByteBudget, Reservation};
use tokio::task;

use super::Failure;
use crate::cli::kind::{Kind, LeftOut, PREFIX};

/// The bytes of a file, with their share of the budget.
pub(in crate::cli) struct Content {
    pub(in crate::cli) bytes: Bytes,
    pub(in crate::cli) digest: ContentDigest,
    pub(in crate::cli) _reserved: Reservation,
}

/// How files are read.
#[derive(Debug, Clone)]
pub(in crate::cli) struct Reading {
    /// The most bytes of a file.
    pub(in crate::cli) limit: usize,
    /// Bounds the bytes of the files held at a time.
    pub(in crate::cli) budget: ByteBudget,
}

impl Reading {
    /// Reads a file once the budget has room for it. With `is_picture` one that does not begin like a picture is left
    /// out.
    pub(in crate::cli) async fn read(
        &self,
        path: PathBuf,
        is_picture: bool,
    ) -> Result<Content, Failure> {
        let limit = self.limit;
        let (file, length) = off_thread(move || open(&path, limit, is_picture)).await?;
        let reserved = self.budget.reserve(length).await;
        let (bytes, digest) = off_thread(move || {
            let bytes = read_at_most(file, length, limit)?;
            let digest = ContentDigest::of(&bytes);
            Ok((bytes, digest))
        })
        .await?;
        Ok(Content {
            bytes: bytes.into(),
            digest,
            _reserved: reserved,
        })
    }
}

/// Opens a file and returns its length. A pipe does not hold it up, and may have taken the place of a file since the
/// folder was read.
fn open(path: &Path, limit: usize, is_picture: bool) -> Result<(File, usize), Failure> {
    let flags = OFlags::NONBLOCK.bits().cast_signed();
    let opened = OpenOptions::new().read(true).custom_flags(flags).open(path);
    let file = opened.map_err(Failure::unreadable)?;
    let metadata = file.metadata().map_err(Failure::unreadable)?;
    if !metadata.is_file() {
        return Err(Failure::LeftOut(LeftOut::NoFile));
    }
    if is_picture {
        sniff(&file)?;
    }
    let length = usize::try_from(metadata.len()).unwrap_or(usize::MAX);
    if length > limit {
        return Err(Failure::TooLarge { limit });
    }
    Ok((file, length))
}

/// Fails if a file does not begin like a picture of a supported format.
fn sniff(file: &File) -> Result<(), Failure> {
    let mut prefix = [0; PREFIX];
    let mut length = 0;
    while let Some(rest) = prefix.get_mut(length..).filter(|rest| !rest.is_empty()) {
        match file.read_at(rest, length as u64) {
            Ok(0) => break,
            Ok(read) => length += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(Failure::unreadable(error)),
        }
    }
    begins_like_a_picture(prefix.get(..length).unwrap_or_default())
}

/// Fails if the first bytes of a file are not those of a picture of a supported format.
pub(in crate::cli) fn begins_like_a_picture(prefix: &[u8]) -> Result<(), Failure> {
    match Kind::sniff(prefix) {
        Kind::Picture => Ok(()),
        Kind::Unread(format) => Err(Failure::LeftOut(LeftOut::Unread(format))),
        Kind::Other => Err(Failure::LeftOut(LeftOut::NoPicture)),
    }
}

/// Reads one byte more than it returns, so that a file that grows cannot exhaust memory.
fn read_at_most(file: File, length: usize, limit: usize) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::with_capacity(length + 1);
    file.take(limit as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(Failure::unreadable)?;
    if bytes.len() > limit {
        return Err(Failure::TooLarge { limit });
    }
    Ok(bytes)
}

pub(in crate::cli) async fn off_thread<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Failure> + Send + 'static,
) -> Result<T, Failure> {
    let done = task::spawn_blocking(work).await;
    done.map_err(|error| Failure::unreadable(io::Error::other(error)))
        .flatten()
}
