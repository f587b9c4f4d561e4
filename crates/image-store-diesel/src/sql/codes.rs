//! The codes of all originals, in the order in which they were kept, and what they stand for.

use std::{collections::HashMap, num::NonZeroU32};

use async_trait::async_trait;
use diesel::{ExpressionMethods, QueryDsl, sql_types::BigInt};
use diesel_async::RunQueryDsl;
use domain::{
    Code, FeatureModel, Features, UntaggedImage,
    ports::{CodeNumber, CodeStore, ImageStoreError},
};

use super::{
    Connection, JOIN_IN_ORDER, Store,
    features::{number, read_code, vectors},
    images::ImageColumns,
    load,
    statement::{LISTED, Statement},
};
use crate::{
    error::StoreError,
    schema::feature,
    values::{self, ImageRow, signed},
};

#[async_trait]
impl CodeStore for Store {
    async fn codes(
        &self,
        model: &FeatureModel,
        after: CodeNumber,
        limit: NonZeroU32,
    ) -> Result<Vec<(CodeNumber, Code)>, ImageStoreError> {
        self.read(|mut connection| async move {
            let rows: Vec<(i64, Vec<u8>)> = feature::table
                .filter(feature::model.eq(model.as_str().as_bytes()))
                .filter(feature::id.gt(signed(after.0)))
                .filter(feature::code.ne(&[][..]))
                .order(feature::id)
                .limit(i64::from(limit.get()))
                .select((feature::id, feature::code))
                .load(&mut connection)
                .await?;
            let rows = rows.into_iter();
            rows.map(|(id, code)| Ok((number(id)?, read_code(&code)?)))
                .collect()
        })
        .await
    }

    async fn code_numbers(
        &self,
        model: &FeatureModel,
        after: CodeNumber,
        limit: NonZeroU32,
    ) -> Result<Vec<CodeNumber>, ImageStoreError> {
        self.read(|mut connection| async move {
            let ids: Vec<i64> = feature::table
                .filter(feature::model.eq(model.as_str().as_bytes()))
                .filter(feature::id.gt(signed(after.0)))
                .order(feature::id)
                .limit(i64::from(limit.get()))
                .select(feature::id)
                .load(&mut connection)
                .await?;
            ids.into_iter().map(number).collect()
        })
        .await
    }

    async fn features(
        &self,
        codes: &[CodeNumber],
    ) -> Result<HashMap<CodeNumber, Features>, ImageStoreError> {
        self.read(|mut connection| async move { vectors(&mut connection, codes).await })
            .await
    }

    async fn coded_images(
        &self,
        codes: &[CodeNumber],
        limit: NonZeroU32,
    ) -> Result<Vec<(CodeNumber, UntaggedImage)>, ImageStoreError> {
        self.read(|mut connection| async move { images(&mut connection, codes, limit).await })
            .await
    }
}

/// The images of the originals with some codes.
async fn images(
    connection: &mut Connection,
    codes: &[CodeNumber],
    limit: NonZeroU32,
) -> Result<Vec<(CodeNumber, UntaggedImage)>, StoreError> {
    let mut found = Vec::new();
    for codes in codes.chunks(LISTED) {
        let missing = (limit.get() as usize).saturating_sub(found.len());
        let ids: Vec<String> = codes.iter().map(|code| code.0.to_string()).collect();
        let statement = Statement::new(&format!(
            "SELECT feature.id, image.id, image.registered_at, image.taken_order, \
             original.digest, original.media_type, original.width, original.height, \
             original.byte_size \
             FROM etiqueta_feature AS feature \
             {JOIN_IN_ORDER} etiqueta_original AS original ON original.digest = feature.digest \
             {JOIN_IN_ORDER} etiqueta_image AS image ON image.original_id = original.id \
             WHERE feature.id IN ({}) LIMIT {missing}",
            ids.join(", ")
        ));
        let statement = statement.unique().with_columns::<(BigInt, ImageColumns)>();
        let rows: Vec<(i64, ImageRow)> = load(connection, statement).await?;
        for (id, row) in rows {
            found.push((number(id)?, values::untagged(row)?));
        }
    }
    Ok(found)
}
