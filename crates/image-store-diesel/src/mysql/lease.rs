//! The lease under which migrations run.
//!
//! A row rather than a named lock: those are local to a node of a cluster, and some clusters refuse them. It
//! compares no clocks. Its holder renews it by counting up; who waits takes it over when it was not renewed for
//! a while by the waiter's own clock. A holder that hangs for longer may so run beside another one, which
//! migrations allow for: each may run twice.

use std::time::Duration;

use diesel::{OptionalExtension, QueryableByName, result::Error, sql_query, sql_types};
use diesel_async::RunQueryDsl;
use domain::DatabaseId;
use tokio::{
    task::JoinHandle,
    time::{Instant, MissedTickBehavior, interval, sleep},
};

use super::{Backend, Connection, Diagnostics};
use crate::{error::ErrorClass, migrate::MigrationError};

/// How often a holder renews.
const RENEWAL: Duration = Duration::from_secs(2);

/// After how long without a renewal a lease is void.
const STALE: Duration = Duration::from_secs(15);

/// The pause between two looks at a lease that another one holds.
const PAUSE: Duration = Duration::from_millis(200);

const CREATE: &str = "CREATE TABLE IF NOT EXISTS etiqueta_migration_lease (\
     id INT NOT NULL PRIMARY KEY, \
     holder BINARY(16) NOT NULL, \
     renewals BIGINT NOT NULL\
     ) ENGINE = InnoDB ROW_FORMAT = DYNAMIC DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin";

/// The holder of a lease that is free.
const NO_HOLDER: [u8; 16] = [0; 16];

#[derive(Debug, Clone, PartialEq, Eq, QueryableByName)]
struct Seen {
    #[diesel(sql_type = sql_types::Binary)]
    holder: Vec<u8>,
    #[diesel(sql_type = sql_types::BigInt)]
    renewals: i64,
}

/// A lease that this process holds until it is released, or stops renewing.
pub(super) struct Lease {
    holder: [u8; 16],
    renewing: JoinHandle<()>,
}

impl Lease {
    /// Waits for the lease, and renews it on `renewing` from then on.
    ///
    /// # Errors
    /// [`MigrationError::Locked`] if another process held it for as long as `wait`.
    pub(super) async fn take(
        connection: &mut Connection,
        renewing: Connection,
        diagnostics: &Diagnostics,
        wait: Duration,
    ) -> Result<Self, MigrationError> {
        sql_query(CREATE).execute(connection).await?;
        let holder = *DatabaseId::random().as_bytes();
        let began = Instant::now();
        let mut since: Option<(Seen, Instant)> = None;
        loop {
            let seen = look(connection).await?;
            let is_free = seen
                .as_ref()
                .is_none_or(|seen| seen.holder.as_slice() == NO_HOLDER);
            match (&since, &seen) {
                (Some((known, _)), Some(seen)) if known == seen => {}
                (_, Some(seen)) => since = Some((seen.clone(), Instant::now())),
                (_, None) => {}
            }
            let is_stale = since
                .as_ref()
                .is_some_and(|(_, since)| since.elapsed() >= STALE);
            if (is_free || is_stale) && claim(connection, diagnostics, seen, &holder).await? {
                return Ok(Self {
                    holder,
                    renewing: tokio::spawn(renew(renewing, holder)),
                });
            }
            if began.elapsed() >= wait {
                return Err(MigrationError::Locked);
            }
            sleep(PAUSE).await;
        }
    }

    /// Gives the lease back. One that cannot be given back becomes void by itself.
    pub(super) async fn release(self, connection: &mut Connection) -> Result<(), MigrationError> {
        self.renewing.abort();
        let statement =
            "UPDATE etiqueta_migration_lease SET holder = ? WHERE id = 1 AND holder = ?";
        sql_query(statement)
            .bind::<sql_types::Binary, _>(NO_HOLDER.as_slice())
            .bind::<sql_types::Binary, _>(self.holder.as_slice())
            .execute(connection)
            .await?;
        Ok(())
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.renewing.abort();
    }
}

async fn look(connection: &mut Connection) -> Result<Option<Seen>, Error> {
    let row = sql_query("SELECT holder, renewals FROM etiqueta_migration_lease WHERE id = 1");
    row.get_result(connection).await.optional()
}

/// Takes a lease that is as it was seen. `false` if somebody was faster.
async fn claim(
    connection: &mut Connection,
    diagnostics: &Diagnostics,
    seen: Option<Seen>,
    holder: &[u8; 16],
) -> Result<bool, MigrationError> {
    let statement = match seen {
        None => sql_query(
            "INSERT IGNORE INTO etiqueta_migration_lease (id, holder, renewals) VALUES (1, ?, 0)",
        )
        .into_boxed::<Backend>()
        .bind::<sql_types::Binary, _>(holder.as_slice()),
        Some(seen) => sql_query(
            "UPDATE etiqueta_migration_lease SET holder = ?, renewals = renewals + 1 \
             WHERE id = 1 AND holder = ? AND renewals = ?",
        )
        .into_boxed::<Backend>()
        .bind::<sql_types::Binary, _>(holder.as_slice())
        .bind::<sql_types::Binary, _>(seen.holder)
        .bind::<sql_types::BigInt, _>(seen.renewals),
    };
    match statement.execute(connection).await {
        Ok(found) => Ok(found > 0),
        Err(error) => match diagnostics.classify(connection, &error).await {
            ErrorClass::Contended => Ok(false),
            _ => Err(error.into()),
        },
    }
}

/// Renews until it is aborted. What fails is tried again: the lease only becomes void after several failures.
async fn renew(mut connection: Connection, holder: [u8; 16]) {
    let statement =
        "UPDATE etiqueta_migration_lease SET renewals = renewals + 1 WHERE id = 1 AND holder = ?";
    let mut ticks = interval(RENEWAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let _ = sql_query(statement)
            .bind::<sql_types::Binary, _>(holder.as_slice())
            .execute(&mut connection)
            .await;
    }
}

#[cfg(test)]
mod tests {
    use super::{super::test_database::TestDatabase, *};

    async fn take(database: &TestDatabase, wait: Duration) -> Result<Lease, MigrationError> {
        let (mut one, other) = (database.connection().await, database.connection().await);
        Lease::take(&mut one, other, &Diagnostics::default(), wait).await
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_lease_is_held_until_it_is_released() {
        let database = TestDatabase::create().await;
        let lease = take(&database, Duration::ZERO).await.unwrap();
        let short = Duration::from_millis(500);
        let refused = take(&database, short).await.map(|_| ());
        assert!(
            matches!(refused, Err(MigrationError::Locked)),
            "{refused:?}"
        );
        lease
            .release(&mut database.connection().await)
            .await
            .unwrap();
        take(&database, short).await.unwrap();
        database.remove().await;
    }

    /// As after a kill -9. One that is renewed is waited for.
    #[tokio::test(flavor = "multi_thread")]
    async fn a_lease_that_is_not_renewed_is_taken_over() {
        let database = TestDatabase::create().await;
        let lease = take(&database, Duration::ZERO).await.unwrap();
        let longer = STALE + RENEWAL;
        let refused = take(&database, longer).await.map(|_| ());
        assert!(
            matches!(refused, Err(MigrationError::Locked)),
            "{refused:?}"
        );
        drop(lease);
        let taken = take(&database, longer * 2).await.unwrap();
        taken
            .release(&mut database.connection().await)
            .await
            .unwrap();
        database.remove().await;
    }
}
