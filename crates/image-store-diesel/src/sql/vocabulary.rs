//! The vocabulary.
//!
//! Each change first writes the row of the version, on condition that it is the one that the change was judged by.

use std::collections::{BTreeSet, HashMap};

use async_trait::async_trait;
use diesel::{
    ExpressionMethods, QueryDsl, Queryable, sql_query,
    sql_types::{Binary, Nullable, Text},
};
use diesel_async::{RunQueryDsl, SimpleAsyncConnection};
use domain::{
    Label, VocabularyChange, VocabularyEntry,
    ports::{ImageStoreError, StoredVocabulary, VocabularyStore},
};
use thiserror::Error;

use super::{BEGIN, Backend, Connection, ROWS, Store, summaries};
use crate::{
    error::StoreError,
    schema::{vocabulary_state, vocabulary_word},
    values::{self, signed},
    vocabulary_text,
};

/// The id of the only row of its table.
const ONLY: i32 = 1;

#[derive(Debug, Error)]
enum Unreadable {
    #[error("{0} is no version of the vocabulary")]
    Version(i64),
    #[error("the words of {0:?} have no entry")]
    Orphan(String),
}

#[async_trait]
impl VocabularyStore for Store {
    async fn vocabulary_version(&self) -> Result<u64, ImageStoreError> {
        self.read(|mut connection| async move { version(&mut connection).await })
            .await
    }

    async fn vocabulary(&self) -> Result<StoredVocabulary, ImageStoreError> {
        self.read(|mut connection| async move { read(&mut connection).await })
            .await
    }

    async fn change_vocabulary(
        &self,
        change: &VocabularyChange,
        version: u64,
    ) -> Result<Option<u64>, ImageStoreError> {
        self.write(|mut connection| async move {
            self::change(&mut connection, change, signed(version)).await
        })
        .await
    }
}

#[derive(Queryable)]
struct WordRow {
    text: String,
    entry: String,
    detail: Option<Vec<u8>>,
}

async fn version(connection: &mut Connection) -> Result<u64, StoreError> {
    let version: i64 = vocabulary_state::table
        .find(ONLY)
        .select(vocabulary_state::version)
        .first(connection)
        .await?;
    u64::try_from(version).map_err(|_| StoreError::corrupt(Unreadable::Version(version)))
}

async fn read(connection: &mut Connection) -> Result<StoredVocabulary, StoreError> {
    summaries::begin(connection).await?;
    let version = version(connection).await?;
    let rows: Vec<WordRow> = vocabulary_word::table
        .select((
            vocabulary_word::text,
            vocabulary_word::entry,
            vocabulary_word::detail,
        ))
        .load(connection)
        .await?;
    connection.batch_execute("COMMIT").await?;
    Ok(StoredVocabulary {
        version,
        entries: entries(rows)?,
    })
}

fn entries(rows: Vec<WordRow>) -> Result<Vec<VocabularyEntry>, StoreError> {
    let mut aliases: HashMap<String, BTreeSet<Label>> = HashMap::new();
    let mut tags = Vec::new();
    for row in rows {
        if let Some(detail) = row.detail {
            tags.push((row.text, row.entry, detail));
        } else {
            let of_entry = aliases.entry(row.entry).or_default();
            of_entry.insert(values::label(&row.text)?);
        }
    }
    let entries = tags.into_iter().map(|(text, entry, detail)| {
        let aliases = aliases.remove(&entry).unwrap_or_default();
        vocabulary_text::read(values::label(&text)?, aliases, &detail)
    });
    let entries = entries.collect::<Result<Vec<_>, StoreError>>()?;
    match aliases.into_keys().next() {
        Some(entry) => Err(StoreError::corrupt(Unreadable::Orphan(entry))),
        None => Ok(entries),
    }
}

async fn change(
    connection: &mut Connection,
    change: &VocabularyChange,
    version: i64,
) -> Result<Option<u64>, StoreError> {
    connection.batch_execute(BEGIN).await?;
    let held = diesel::update(vocabulary_state::table.find(ONLY))
        .filter(vocabulary_state::version.eq(version))
        .set(vocabulary_state::version.eq(vocabulary_state::version + 1))
        .execute(connection)
        .await?;
    if held == 0 {
        connection.batch_execute("ROLLBACK").await?;
        return Ok(None);
    }
    let put = change.put.iter().map(|entry| &entry.tag);
    let replaced: Vec<String> = put.chain(&change.removed).map(Label::folded).collect();
    for entries in replaced.chunks(ROWS) {
        diesel::delete(vocabulary_word::table)
            .filter(vocabulary_word::entry.eq_any(entries))
            .execute(connection)
            .await?;
    }
    let words = words(change);
    for words in words.chunks(ROWS) {
        insert(connection, words).await?;
    }
    connection.batch_execute("COMMIT").await?;
    let version = version.saturating_add(1);
    let changed = u64::try_from(version);
    changed
        .map(Some)
        .map_err(|_| StoreError::corrupt(Unreadable::Version(version)))
}

/// A row to insert.
struct Word<'c> {
    text: &'c Label,
    entry: String,
    detail: Option<Vec<u8>>,
}

fn words(change: &VocabularyChange) -> Vec<Word<'_>> {
    let mut words = Vec::new();
    for entry in &change.put {
        let key = entry.tag.folded();
        words.push(Word {
            text: &entry.tag,
            entry: key.clone(),
            detail: Some(vocabulary_text::written(entry)),
        });
        words.extend(entry.aliases.iter().map(|alias| Word {
            text: alias,
            entry: key.clone(),
            detail: None,
        }));
    }
    words
}

async fn insert(connection: &mut Connection, words: &[Word<'_>]) -> Result<(), StoreError> {
    let places = vec!["(?, ?, ?, ?)"; words.len()].join(", ");
    let text = format!(
        "INSERT INTO etiqueta_vocabulary_word (folded, text, entry, detail) VALUES {places}"
    );
    let mut statement = sql_query(text).into_boxed::<Backend>();
    for word in words {
        statement = statement
            .bind::<Text, _>(word.text.folded())
            .bind::<Text, _>(word.text.as_str())
            .bind::<Text, _>(word.entry.as_str())
            .bind::<Nullable<Binary>, _>(word.detail.as_deref());
    }
    statement.execute(connection).await?;
    Ok(())
}
