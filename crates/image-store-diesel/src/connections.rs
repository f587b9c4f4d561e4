//! Pools of connections, and how a call holds one.

use std::{
    ops::{Deref, DerefMut},
    time::Duration,
};

use deadpool::{Runtime, managed};
use diesel::ConnectionResult;
use diesel_async::{
    AsyncConnection,
    pooled_connection::{
        AsyncDieselConnectionManager, ManagerConfig, PoolError, RecyclingMethod,
        deadpool::{Object, Pool, PoolBuilder},
    },
};
use domain::ports::{ImageStoreError, cause};
use futures_util::future::BoxFuture;

use crate::fault::Fault;

/// How many connections a store keeps, and how long a call waits for one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PoolSettings {
    /// The most connections at a time; at least 2 are used.
    pub max_connections: usize,
    /// How long a call waits for a connection, and a connection for its server.
    pub acquire_timeout: Duration,
    /// How long a statement waits for somebody else's lock; on MySQL in whole seconds, at least one.
    pub lock_timeout: Duration,
}

impl Default for PoolSettings {
    /// 16 connections, 5 seconds, 10 seconds.
    fn default() -> Self {
        Self {
            max_connections: 16,
            acquire_timeout: Duration::from_secs(5),
            lock_timeout: Duration::from_secs(10),
        }
    }
}

/// Begins a pool of connections that `setup` makes.
pub(crate) fn builder<C>(
    size: usize,
    timeout: Duration,
    setup: impl Fn() -> BoxFuture<'static, ConnectionResult<C>> + Send + Sync + 'static,
) -> PoolBuilder<C>
where
    C: AsyncConnection + 'static,
    AsyncDieselConnectionManager<C>: managed::Manager<Type = C, Error = PoolError>,
{
    let mut config = ManagerConfig::default();
    config.recycling_method = RecyclingMethod::Fast;
    // The address stays inside: it has a secret in it.
    config.custom_setup = Box::new(move |_| setup());
    let manager = AsyncDieselConnectionManager::<C>::new_with_config("", config);
    Pool::builder(manager)
        .max_size(size)
        .runtime(Runtime::Tokio1)
        .timeouts(managed::Timeouts {
            wait: Some(timeout),
            create: Some(timeout),
            recycle: Some(timeout),
        })
}

/// Ends what [`builder`] began.
pub(crate) fn build<C>(builder: PoolBuilder<C>) -> Result<Pool<C>, ImageStoreError>
where
    C: AsyncConnection + 'static,
    AsyncDieselConnectionManager<C>: managed::Manager<Type = C, Error = PoolError>,
{
    builder
        .build()
        .map_err(|error| ImageStoreError::Failed(cause(error)))
}

/// A connection, held for one call.
///
/// It goes back to the pool only by [`Lease::give_back`], which a call does when all went well. Dropped
/// before that (because of an error, or because nobody waits for the call any more) it is closed: what
/// was sent last may still be unanswered, and a transaction still open.
pub(crate) struct Lease<C>(Option<Object<C>>)
where
    C: AsyncConnection + 'static,
    AsyncDieselConnectionManager<C>: managed::Manager;

impl<C> Lease<C>
where
    C: AsyncConnection + 'static,
    AsyncDieselConnectionManager<C>: managed::Manager<Type = C, Error = PoolError>,
{
    pub(crate) async fn from_pool(pool: &Pool<C>) -> Result<Self, Fault> {
        Ok(Self(Some(pool.get().await?)))
    }

    pub(crate) fn give_back(mut self) {
        self.0 = None;
    }
}

impl<C> Drop for Lease<C>
where
    C: AsyncConnection + 'static,
    AsyncDieselConnectionManager<C>: managed::Manager,
{
    fn drop(&mut self) {
        if let Some(object) = self.0.take() {
            drop(Object::<C>::take(object));
        }
    }
}

const HELD: &str = "only giving back and dropping take the connection";

impl<C> Deref for Lease<C>
where
    C: AsyncConnection + 'static,
    AsyncDieselConnectionManager<C>: managed::Manager<Type = C>,
{
    type Target = C;

    #[expect(
        clippy::expect_used,
        reason = "nobody has a lease whose connection was taken"
    )]
    fn deref(&self) -> &C {
        self.0.as_ref().expect(HELD)
    }
}

impl<C> DerefMut for Lease<C>
where
    C: AsyncConnection + 'static,
    AsyncDieselConnectionManager<C>: managed::Manager<Type = C>,
{
    #[expect(
        clippy::expect_used,
        reason = "nobody has a lease whose connection was taken"
    )]
    fn deref_mut(&mut self) -> &mut C {
        self.0.as_mut().expect(HELD)
    }
}
