//! Codes and features of originals.
//!
//! Rows are never changed: a code depends on the bytes and the model alone. That an original has no code is a row with
//! an empty one, which gives way to a code.

use std::collections::{HashMap, HashSet};

use async_trait::async_trait;
use diesel::{ExpressionMethods, OptionalExtension, QueryDsl};
use diesel_async::{RunQueryDsl, SimpleAsyncConnection};
use domain::{
    Code, ContentDigest, FeatureModel, Features, ModelCode,
    ports::{CodeNumber, FeatureStore, ImageStoreError},
};

use super::{BEGIN, Connection, Store, statement::LISTED};
use crate::{
    error::StoreError,
    schema::{feature, feature_vector, original},
    values::{DigestBytes, signed},
};

#[async_trait]
impl FeatureStore for Store {
    async fn keep_codes(
        &self,
        digest: &ContentDigest,
        codes: &[ModelCode],
    ) -> Result<(), ImageStoreError> {
        self.write(|mut connection| async move {
            connection.batch_execute(BEGIN).await?;
            if is_known(&mut connection, digest).await? {
                keep(&mut connection, digest, codes).await?;
            }
            connection.batch_execute("COMMIT").await?;
            Ok(())
        })
        .await
    }

    async fn code_of(
        &self,
        digest: &ContentDigest,
        model: &FeatureModel,
    ) -> Result<Option<ModelCode>, ImageStoreError> {
        self.read(|mut connection| async move { find(&mut connection, digest, model).await })
            .await
    }

    async fn lacking_codes(
        &self,
        digests: &[ContentDigest],
        models: &[FeatureModel],
    ) -> Result<HashSet<ContentDigest>, ImageStoreError> {
        self.read_here(
            |mut connection| async move { lacking(&mut connection, digests, models).await },
        )
        .await
    }
}

async fn is_known(connection: &mut Connection, digest: &ContentDigest) -> Result<bool, StoreError> {
    let found: Option<i64> = original::table
        .filter(original::digest.eq(digest.as_bytes().as_slice()))
        .select(original::id)
        .first(connection)
        .await
        .optional()?;
    Ok(found.is_some())
}

/// Keeps codes of an original, in a transaction. What is there stays, unless it says that there is no code.
pub(super) async fn keep(
    connection: &mut Connection,
    digest: &ContentDigest,
    codes: &[ModelCode],
) -> Result<(), StoreError> {
    for code in codes {
        let model = code.model.as_str().as_bytes();
        let own = feature::table
            .filter(feature::digest.eq(digest.as_bytes().as_slice()))
            .filter(feature::model.eq(model));
        let kept: Option<(i64, Vec<u8>)> = own
            .select((feature::id, feature::code))
            .first(connection)
            .await
            .optional()?;
        match kept {
            Some((_, kept)) if !kept.is_empty() || code.code.is_none() => continue,
            Some((id, _)) => {
                diesel::delete(feature::table.find(id))
                    .execute(connection)
                    .await?;
            }
            None => {}
        }
        insert(connection, digest, code).await?;
    }
    Ok(())
}

async fn insert(
    connection: &mut Connection,
    digest: &ContentDigest,
    code: &ModelCode,
) -> Result<(), StoreError> {
    let (digest, model) = (digest.as_bytes().as_slice(), code.model.as_str().as_bytes());
    let inserted = diesel::insert_or_ignore_into(feature::table)
        .values((
            feature::digest.eq(digest),
            feature::model.eq(model),
            feature::code.eq(written_code(code.code.as_ref())),
        ))
        .execute(connection)
        .await?;
    let Some(features) = code.features.as_ref().filter(|_| inserted > 0) else {
        return Ok(());
    };
    let id: i64 = feature::table
        .filter(feature::digest.eq(digest))
        .filter(feature::model.eq(model))
        .select(feature::id)
        .first(connection)
        .await?;
    let values = features.values().iter();
    let values: Vec<u8> = values.map(|value| value.cast_unsigned()).collect();
    diesel::insert_or_ignore_into(feature_vector::table)
        .values((feature_vector::id.eq(id), feature_vector::vector.eq(values)))
        .execute(connection)
        .await?;
    Ok(())
}

/// Removes what is kept of an original, in a transaction.
pub(super) async fn forget(
    connection: &mut Connection,
    digest: &ContentDigest,
) -> Result<(), StoreError> {
    let ids: Vec<i64> = feature::table
        .filter(feature::digest.eq(digest.as_bytes().as_slice()))
        .select(feature::id)
        .load(connection)
        .await?;
    for id in ids {
        diesel::delete(feature_vector::table.find(id))
            .execute(connection)
            .await?;
        diesel::delete(feature::table.find(id))
            .execute(connection)
            .await?;
    }
    Ok(())
}

async fn find(
    connection: &mut Connection,
    digest: &ContentDigest,
    model: &FeatureModel,
) -> Result<Option<ModelCode>, StoreError> {
    let row: Option<(i64, Vec<u8>)> = feature::table
        .filter(feature::digest.eq(digest.as_bytes().as_slice()))
        .filter(feature::model.eq(model.as_str().as_bytes()))
        .select((feature::id, feature::code))
        .first(connection)
        .await
        .optional()?;
    let Some((id, code)) = row else {
        return Ok(None);
    };
    let features = vectors(connection, &[number(id)?]).await?;
    Ok(Some(ModelCode {
        model: model.clone(),
        code: (!code.is_empty()).then(|| read_code(&code)).transpose()?,
        features: features.into_values().next(),
    }))
}

async fn lacking(
    connection: &mut Connection,
    digests: &[ContentDigest],
    models: &[FeatureModel],
) -> Result<HashSet<ContentDigest>, StoreError> {
    let mut lacking = HashSet::new();
    for digests in digests.chunks(LISTED) {
        let asked = digests.iter().map(|digest| digest.as_bytes().as_slice());
        let names = models.iter().map(|model| model.as_str().as_bytes());
        let rows: Vec<(DigestBytes, Vec<u8>)> = feature::table
            .filter(feature::digest.eq_any(asked))
            .filter(feature::model.eq_any(names))
            .select((feature::digest, feature::model))
            .load(connection)
            .await?;
        let mut found: HashMap<ContentDigest, usize> = HashMap::new();
        for (digest, _) in rows {
            *found
                .entry(ContentDigest::from_bytes(digest.get()?))
                .or_default() += 1;
        }
        let is_lacking = |digest: &&ContentDigest| found.get(*digest).copied() < Some(models.len());
        lacking.extend(digests.iter().filter(is_lacking));
    }
    Ok(lacking)
}

/// The features behind some codes.
pub(super) async fn vectors(
    connection: &mut Connection,
    codes: &[CodeNumber],
) -> Result<HashMap<CodeNumber, Features>, StoreError> {
    let mut found = HashMap::new();
    for codes in codes.chunks(LISTED) {
        let ids = codes.iter().map(|code| signed(code.0));
        let rows: Vec<(i64, Vec<u8>)> = feature_vector::table
            .filter(feature_vector::id.eq_any(ids))
            .select((feature_vector::id, feature_vector::vector))
            .load(connection)
            .await?;
        for (id, vector) in rows {
            let values = vector.into_iter().map(u8::cast_signed).collect();
            let features = Features::from_values(values).map_err(StoreError::corrupt)?;
            found.insert(number(id)?, features);
        }
    }
    Ok(found)
}

pub(super) fn number(id: i64) -> Result<CodeNumber, StoreError> {
    u64::try_from(id)
        .map(CodeNumber)
        .map_err(StoreError::corrupt)
}

/// Words of eight bytes, most significant first; nothing if there is no code.
fn written_code(code: Option<&Code>) -> Vec<u8> {
    let words = code.map(Code::words).unwrap_or_default();
    words.iter().flat_map(|word| word.to_be_bytes()).collect()
}

pub(super) fn read_code(bytes: &[u8]) -> Result<Code, StoreError> {
    let (words, _) = bytes.as_chunks::<8>();
    let words = words.iter().map(|word| u64::from_be_bytes(*word));
    Code::new(words.collect()).map_err(StoreError::corrupt)
}
