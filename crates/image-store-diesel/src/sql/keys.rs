//! API keys.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use diesel::{
    BoolExpressionMethods, ExpressionMethods, NullableExpressionMethods, OptionalExtension,
    QueryDsl,
};
use diesel_async::{RunQueryDsl, SimpleAsyncConnection};
use domain::{
    ApiKey, KeyId, KeyName, SecretDigest,
    ports::{ImageStoreError, KeyStore},
};

use super::{BEGIN, Connection, Store};
use crate::{
    error::StoreError,
    schema::{api_key, session},
    values::{DigestBytes, IdBytes, micros, time},
};

/// The columns of a key, in the order of the table.
type KeyRow = (
    IdBytes,
    DigestBytes,
    String,
    String,
    i64,
    Option<i64>,
    Option<i64>,
);

#[async_trait]
impl KeyStore for Store {
    async fn add_key(&self, key: &ApiKey, at_most: u32) -> Result<bool, ImageStoreError> {
        self.write(|mut connection| async move { add(&mut connection, key, at_most).await })
            .await
    }

    async fn keys(&self) -> Result<Vec<ApiKey>, ImageStoreError> {
        self.read(|mut connection| async move { list(&mut connection).await })
            .await
    }

    async fn key_of(&self, digest: &SecretDigest) -> Result<Option<ApiKey>, ImageStoreError> {
        self.read_here(|mut connection| async move { find(&mut connection, digest).await })
            .await
    }

    async fn remove_key(&self, id: &KeyId) -> Result<bool, ImageStoreError> {
        self.write(|mut connection| async move { remove(&mut connection, id).await })
            .await
    }

    async fn note_key_use(&self, id: &KeyId, at: DateTime<Utc>) -> Result<(), ImageStoreError> {
        self.write(|mut connection| async move { note_use(&mut connection, id, at).await })
            .await
    }
}

async fn add(connection: &mut Connection, key: &ApiKey, at_most: u32) -> Result<bool, StoreError> {
    connection.batch_execute(BEGIN).await?;
    let count: i64 = api_key::table.count().get_result(connection).await?;
    if count >= i64::from(at_most) {
        connection.batch_execute("ROLLBACK").await?;
        return Ok(false);
    }
    diesel::insert_into(api_key::table)
        .values((
            api_key::id.eq(key.id.as_bytes().as_slice()),
            api_key::digest.eq(key.digest.as_bytes().as_slice()),
            api_key::name.eq(key.name.as_str()),
            api_key::scopes.eq(key.scopes.to_string()),
            api_key::created_at.eq(micros(key.created_at)),
            api_key::expires_at.eq(key.expires_at.map(micros)),
            api_key::last_used_at.eq(key.last_used_at.map(micros)),
        ))
        .execute(connection)
        .await?;
    connection.batch_execute("COMMIT").await?;
    Ok(true)
}

async fn list(connection: &mut Connection) -> Result<Vec<ApiKey>, StoreError> {
    let rows: Vec<KeyRow> = api_key::table
        .order((api_key::created_at, api_key::id))
        .load(connection)
        .await?;
    rows.into_iter().map(key).collect()
}

async fn find(
    connection: &mut Connection,
    digest: &SecretDigest,
) -> Result<Option<ApiKey>, StoreError> {
    let row: Option<KeyRow> = api_key::table
        .filter(api_key::digest.eq(digest.as_bytes().as_slice()))
        .first(connection)
        .await
        .optional()?;
    row.map(key).transpose()
}

/// Removes a key with its sessions, the key first: its row is what others that remove it wait for.
async fn remove(connection: &mut Connection, id: &KeyId) -> Result<bool, StoreError> {
    connection.batch_execute(BEGIN).await?;
    let row = locking!(
        api_key::table
            .find(id.as_bytes().as_slice())
            .select(api_key::digest)
    );
    let digest: Option<DigestBytes> = row.get_result(connection).await.optional()?;
    let Some(digest) = digest else {
        connection.batch_execute("ROLLBACK").await?;
        return Ok(false);
    };
    let removed = diesel::delete(api_key::table.find(id.as_bytes().as_slice()))
        .execute(connection)
        .await?;
    diesel::delete(session::table)
        .filter(session::api_key.eq(digest.get()?.as_slice()))
        .execute(connection)
        .await?;
    connection.batch_execute("COMMIT").await?;
    Ok(removed > 0)
}

async fn note_use(
    connection: &mut Connection,
    id: &KeyId,
    at: DateTime<Utc>,
) -> Result<(), StoreError> {
    let at = micros(at);
    let is_older = api_key::last_used_at
        .is_null()
        .or(api_key::last_used_at.assume_not_null().lt(at));
    diesel::update(api_key::table.find(id.as_bytes().as_slice()))
        .filter(is_older)
        .set(api_key::last_used_at.eq(Some(at)))
        .execute(connection)
        .await?;
    Ok(())
}

fn key(row: KeyRow) -> Result<ApiKey, StoreError> {
    let (id, digest, name, scopes, created_at, expires_at, last_used_at) = row;
    Ok(ApiKey {
        id: KeyId::from_bytes(id.get()?),
        name: KeyName::parse(&name).map_err(StoreError::corrupt)?,
        scopes: scopes.parse().map_err(StoreError::corrupt)?,
        digest: SecretDigest::from_bytes(digest.get()?),
        created_at: time(created_at)?,
        expires_at: expires_at.map(time).transpose()?,
        last_used_at: last_used_at.map(time).transpose()?,
    })
}
