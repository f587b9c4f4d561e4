//! Sessions of browsers.

use async_trait::async_trait;
use diesel::{ExpressionMethods, OptionalExtension, QueryDsl};
use diesel_async::{RunQueryDsl, SimpleAsyncConnection};
use domain::{
    SecretDigest, Session,
    ports::{ImageStoreError, SessionStore},
};

use super::{BEGIN, Connection, Store};
use crate::{
    error::StoreError,
    schema::session,
    values::{DigestBytes, micros, time},
};

#[async_trait]
impl SessionStore for Store {
    async fn add_session(&self, session: &Session, at_most: u32) -> Result<(), ImageStoreError> {
        self.write(|mut connection| async move { add(&mut connection, session, at_most).await })
            .await
    }

    async fn session_of(&self, token: &SecretDigest) -> Result<Option<Session>, ImageStoreError> {
        self.read(|mut connection| async move { find(&mut connection, token).await })
            .await
    }

    async fn remove_session(&self, token: &SecretDigest) -> Result<bool, ImageStoreError> {
        self.write(|mut connection| async move { remove(&mut connection, token).await })
            .await
    }
}

async fn add(connection: &mut Connection, new: &Session, at_most: u32) -> Result<(), StoreError> {
    let created_at = micros(new.created_at);
    connection.batch_execute(BEGIN).await?;
    diesel::delete(session::table)
        .filter(session::expires_at.le(created_at))
        .execute(connection)
        .await?;
    make_room(connection, at_most).await?;
    diesel::insert_into(session::table)
        .values((
            session::token.eq(new.token.as_bytes().as_slice()),
            session::api_key.eq(new.key.as_bytes().as_slice()),
            session::created_at.eq(created_at),
            session::expires_at.eq(micros(new.expires_at)),
        ))
        .execute(connection)
        .await?;
    connection.batch_execute("COMMIT").await?;
    Ok(())
}

/// Removes the oldest, so that there is room for one more. Of those that began at the same instant, all go.
async fn make_room(connection: &mut Connection, at_most: u32) -> Result<(), StoreError> {
    let kept = i64::from(at_most) - 1;
    let newest_to_go: Option<i64> = session::table
        .order(session::created_at.desc())
        .offset(kept)
        .limit(1)
        .select(session::created_at)
        .first(connection)
        .await
        .optional()?;
    if let Some(newest) = newest_to_go {
        diesel::delete(session::table)
            .filter(session::created_at.le(newest))
            .execute(connection)
            .await?;
    }
    Ok(())
}

async fn find(
    connection: &mut Connection,
    token: &SecretDigest,
) -> Result<Option<Session>, StoreError> {
    let row: Option<(DigestBytes, DigestBytes, i64, i64)> = session::table
        .find(token.as_bytes().as_slice())
        .first(connection)
        .await
        .optional()?;
    row.map(|(token, key, created_at, expires_at)| {
        Ok(Session {
            token: SecretDigest::from_bytes(token.get()?),
            key: SecretDigest::from_bytes(key.get()?),
            created_at: time(created_at)?,
            expires_at: time(expires_at)?,
        })
    })
    .transpose()
}

async fn remove(connection: &mut Connection, token: &SecretDigest) -> Result<bool, StoreError> {
    let removed = diesel::delete(session::table.find(token.as_bytes().as_slice()))
        .execute(connection)
        .await?;
    Ok(removed > 0)
}
