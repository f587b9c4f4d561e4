//! Connection pools, and the connection of a call.

use std::{
    fmt,
    ops::{Deref, DerefMut},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
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

/// What reads see of writes through other nodes of a cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Consistency {
    /// `Cluster` where several nodes take writes (Galera, Group Replication with several primaries), else `Node`.
    #[default]
    Auto,
    /// What the node has applied, which may be older than an answer that was just given.
    Node,
    /// Everything that was committed on any node before; costs each read a wait for the node.
    Cluster,
}

/// Limits of a store's connections and calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PoolSettings {
    /// The most connections at a time; at least 2 are used. Where reads wait for other nodes, half of them are
    /// for reading.
    pub max_connections: usize,
    /// Time-out for getting a pooled connection, and for opening one.
    pub acquire_timeout: Duration,
    /// How long a statement waits for a lock of another session; on MySQL in whole seconds, at least one.
    pub lock_timeout: Duration,
    /// The deadline of a call, including all its retries.
    pub call_timeout: Duration,
    /// What reads see; SQLite has one node.
    pub consistency: Consistency,
}

impl Default for PoolSettings {
    /// 16 connections, 5 seconds, 10 seconds, 30 seconds, automatic consistency.
    fn default() -> Self {
        Self {
            max_connections: 16,
            acquire_timeout: Duration::from_secs(5),
            lock_timeout: Duration::from_secs(10),
            call_timeout: Duration::from_secs(30),
            consistency: Consistency::Auto,
        }
    }
}

/// The connections of pools.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PoolUsage {
    /// Connections in use.
    pub in_use: usize,
    /// Idle open connections.
    pub idle: usize,
    /// The most connections.
    pub limit: usize,
    /// Calls that wait for a connection.
    pub waiting: usize,
}

type Look = Box<dyn Fn() -> PoolUsage + Send + Sync>;

/// The pools of stores, for measuring. Clones share them.
#[derive(Clone, Default)]
pub struct Pools(Arc<Mutex<Vec<Look>>>);

impl Pools {
    /// The connections of all pools together.
    pub fn usage(&self) -> PoolUsage {
        let mut sum = PoolUsage::default();
        for look in self.looks().iter() {
            let usage = look();
            sum.in_use += usage.in_use;
            sum.idle += usage.idle;
            sum.limit += usage.limit;
            sum.waiting += usage.waiting;
        }
        sum
    }

    /// Adds a pool.
    pub(crate) fn add<C>(&self, pool: &Pool<C>)
    where
        C: AsyncConnection + 'static,
        AsyncDieselConnectionManager<C>: managed::Manager<Type = C, Error = PoolError>,
    {
        let pool = pool.clone();
        self.looks().push(Box::new(move || {
            let status = pool.status();
            PoolUsage {
                in_use: status.size.saturating_sub(status.available),
                idle: status.available,
                limit: status.max_size,
                waiting: status.waiting,
            }
        }));
    }

    fn looks(&self) -> MutexGuard<'_, Vec<Look>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Pools {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Pools").field(&self.usage()).finish()
    }
}

/// Starts building a pool whose connections are opened by `setup`.
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
    // The address must not get out: it contains a secret.
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

/// Finishes what [`builder`] started.
pub(crate) fn build<C>(builder: PoolBuilder<C>) -> Result<Pool<C>, ImageStoreError>
where
    C: AsyncConnection + 'static,
    AsyncDieselConnectionManager<C>: managed::Manager<Type = C, Error = PoolError>,
{
    builder
        .build()
        .map_err(|error| ImageStoreError::Failed(cause(error)))
}

/// A pooled connection, for one attempt of a call.
///
/// It returns to the pool only by [`give_back`](Self::give_back). Dropped before that (because of an error,
/// or because the call was cancelled) it is closed: its last statement may be unanswered, and a transaction
/// may be open.
pub(crate) struct Loan<C>(Arc<Slot<C>>)
where
    C: AsyncConnection + 'static,
    AsyncDieselConnectionManager<C>: managed::Manager<Type = C, Error = PoolError>;

impl<C> Loan<C>
where
    C: AsyncConnection + 'static,
    AsyncDieselConnectionManager<C>: managed::Manager<Type = C, Error = PoolError>,
{
    /// Gets a connection from the pool, or opens one. Any failure means that the database is unavailable.
    pub(crate) async fn from_pool(pool: &Pool<C>) -> Result<Self, ImageStoreError> {
        let object = pool.get().await;
        let object = object.map_err(|error| ImageStoreError::Unavailable(cause(error)))?;
        Ok(Self(Arc::new(Slot(Mutex::new(Some(object))))))
    }

    /// Borrows the connection. There is one lease at a time.
    pub(crate) fn lease(&self) -> Result<Lease<C>, ImageStoreError> {
        let object = self.0.take();
        let is_leased = || ImageStoreError::Failed(cause("a connection is in use twice"));
        Ok(Lease {
            object: Some(object.ok_or_else(is_leased)?),
            slot: Arc::clone(&self.0),
        })
    }

    /// Returns a healthy connection to its pool.
    pub(crate) fn give_back(self) {
        drop(self.0.take());
    }
}

/// Holds the connection while there is no lease on it. A connection left here is closed on drop.
struct Slot<C>(Mutex<Option<Object<C>>>)
where
    C: AsyncConnection + 'static,
    AsyncDieselConnectionManager<C>: managed::Manager<Type = C, Error = PoolError>;

impl<C> Slot<C>
where
    C: AsyncConnection + 'static,
    AsyncDieselConnectionManager<C>: managed::Manager<Type = C, Error = PoolError>,
{
    fn get(&self) -> MutexGuard<'_, Option<Object<C>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self) -> Option<Object<C>> {
        self.get().take()
    }
}

impl<C> Drop for Slot<C>
where
    C: AsyncConnection + 'static,
    AsyncDieselConnectionManager<C>: managed::Manager<Type = C, Error = PoolError>,
{
    fn drop(&mut self) {
        if let Some(object) = self.take() {
            drop(Object::<C>::take(object));
        }
    }
}

/// The borrowed connection, which returns to its [`Loan`] on drop.
///
/// Passed by value: for futures that borrow a connection the compiler cannot prove that they are `Send`.
pub(crate) struct Lease<C>
where
    C: AsyncConnection + 'static,
    AsyncDieselConnectionManager<C>: managed::Manager<Type = C, Error = PoolError>,
{
    object: Option<Object<C>>,
    slot: Arc<Slot<C>>,
}

impl<C> Drop for Lease<C>
where
    C: AsyncConnection + 'static,
    AsyncDieselConnectionManager<C>: managed::Manager<Type = C, Error = PoolError>,
{
    fn drop(&mut self) {
        *self.slot.get() = self.object.take();
    }
}

const HELD: &str = "only dropping takes the connection";

impl<C> Deref for Lease<C>
where
    C: AsyncConnection + 'static,
    AsyncDieselConnectionManager<C>: managed::Manager<Type = C, Error = PoolError>,
{
    type Target = C;

    #[expect(
        clippy::expect_used,
        reason = "a lease has its connection until it is dropped"
    )]
    fn deref(&self) -> &C {
        self.object.as_ref().expect(HELD)
    }
}

impl<C> DerefMut for Lease<C>
where
    C: AsyncConnection + 'static,
    AsyncDieselConnectionManager<C>: managed::Manager<Type = C, Error = PoolError>,
{
    #[expect(
        clippy::expect_used,
        reason = "a lease has its connection until it is dropped"
    )]
    fn deref_mut(&mut self) -> &mut C {
        self.object.as_mut().expect(HELD)
    }
}
