//! The records of an export, some hundreds of one kind at a time.

use std::{
    io::{self, BufRead},
    mem::{self, Discriminant},
    thread,
};

use domain::vocabulary::MAX_ENTRIES;
use tokio::sync::mpsc::{self, Receiver};

use crate::cli::export::format::{ExportReader, Numbered, ReadError, Record};

/// The most images or answers of a batch.
const MOST: usize = 200;

/// The lengths of the lines of a batch together, from which on it is full.
const FULL: usize = 4 << 20;

/// How many batches wait while one is restored.
const WAITING: usize = 2;

/// Records of one kind, which are restored together. The vocabulary is one batch.
pub(super) type Batch = Vec<Numbered<Record>>;

/// Reads batches in a thread of its own, so that lines are parsed while others are restored.
///
/// The thread is not waited for at the end of the process: it may be waiting for standard input.
pub(super) fn in_background<R: BufRead + Send + 'static>(
    reader: ExportReader<R>,
) -> io::Result<Receiver<Result<Batch, ReadError>>> {
    let (sender, receiver) = mpsc::channel(WAITING);
    let mut batches = Batches {
        reader,
        next: None,
        broken: None,
    };
    thread::Builder::new().spawn(move || {
        while let Some(batch) = batches.next().transpose() {
            let is_last = batch.is_err();
            if sender.blocking_send(batch).is_err() || is_last {
                return;
            }
        }
    })?;
    Ok(receiver)
}

/// Cuts an export into batches.
struct Batches<R> {
    reader: ExportReader<R>,
    /// The first record of the next batch, with the length of its line.
    next: Option<(Numbered<Record>, usize)>,
    /// Why nothing follows the batch before.
    broken: Option<ReadError>,
}

impl<R: BufRead> Batches<R> {
    /// The next batch; `None` at the end of the export.
    fn next(&mut self) -> Result<Option<Batch>, ReadError> {
        if let Some(error) = self.broken.take() {
            return Err(error);
        }
        let Some((first, mut length)) = self.record()? else {
            return Ok(None);
        };
        let kind = kind(&first);
        let is_vocabulary = matches!(first.record, Record::Entry(_));
        let most = if is_vocabulary { MAX_ENTRIES + 1 } else { MOST };
        let mut batch = vec![first];
        while batch.len() < most && (is_vocabulary || length < FULL) {
            let (record, bytes) = match self.record() {
                Ok(Some(record)) => record,
                Ok(None) => break,
                // All of the vocabulary or nothing.
                Err(error) if is_vocabulary => return Err(error),
                Err(error) => {
                    self.broken = Some(error);
                    break;
                }
            };
            if self::kind(&record) != kind {
                self.next = Some((record, bytes));
                break;
            }
            length += bytes;
            batch.push(record);
        }
        Ok(Some(batch))
    }

    fn record(&mut self) -> Result<Option<(Numbered<Record>, usize)>, ReadError> {
        if let Some(next) = self.next.take() {
            return Ok(Some(next));
        }
        let record = self.reader.next()?;
        Ok(record.map(|record| (record, self.reader.line_length())))
    }
}

fn kind(record: &Numbered<Record>) -> Discriminant<Record> {
    mem::discriminant(&record.record)
}
