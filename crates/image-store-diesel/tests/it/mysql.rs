//! Tests of the store on MySQL and MariaDB alone.

use std::time::Duration;

use domain::{
    ImageFacts, ImageQuery, NewImage,
    ports::{Database, ImageStoreError},
};
use domain_testing::{at, image};
use futures_util::future::join_all;
use image_store_diesel::{MigrationError, Migrator, PoolSettings, StoreUrl, Tls, connect};
use mysql_async::prelude::Queryable;

use crate::{
    contract::run_contract,
    files::{migrations, names},
    servers::{SETTINGS, TestDatabase, TestDatabases, admin, server},
};

run_contract!(TestDatabases::default());

async fn register(store: &dyn Database, content: &[u8]) -> domain::Image {
    let image = image(content, at(0), &[("car", 90.0), ("cab", 80.0)]);
    store
        .claim(&image.digest, &image.facts, at(0), at(100))
        .await
        .unwrap();
    let new = NewImage {
        codes: Vec::new(),
        request: None,
        info: domain::ImageInfo::default(),
        fence: None,
        image,
        said: None,
        taggings: Vec::new(),
    };
    store.record(&new).await.unwrap();
    new.image
}

/// Registers an image and reads it back: the schema is complete.
async fn assert_works(database: &TestDatabase) {
    let store = database.store(SETTINGS);
    store.ready().await.unwrap();
    let image = register(&*store, b"some bytes").await;
    assert_eq!(store.find(&image.id).await.unwrap(), Some(image));
}

#[track_caller]
fn assert_unavailable<T: std::fmt::Debug>(outcome: &Result<T, ImageStoreError>) {
    assert!(
        matches!(outcome, Err(ImageStoreError::Unavailable(_))),
        "{outcome:?}"
    );
}

#[tokio::test]
async fn looking_for_migrations_changes_nothing() {
    let database = TestDatabase::create().await;
    let pending = Migrator::new(&database.url()).pending().await.unwrap();
    assert_eq!(pending, names(&migrations("mysql")));
    let tables: Vec<String> = database.admin().await.query("SHOW TABLES").await.unwrap();
    assert!(tables.is_empty(), "{tables:?}");
    assert_unavailable(&database.store(SETTINGS).ready().await);
}

#[tokio::test]
async fn servers_that_start_at_once_migrate_once() {
    let database = TestDatabase::create().await;
    let migrator = Migrator::new(&database.url());
    let runs = join_all((0..4).map(|_| migrator.run())).await;
    let mut run: Vec<String> = runs.into_iter().flat_map(Result::unwrap).collect();
    run.sort();
    assert_eq!(run, names(&migrations("mysql")));
    assert!(migrator.pending().await.unwrap().is_empty());
    assert!(migrator.run().await.unwrap().is_empty());
    assert_works(&database).await;
}

/// Killed before and after each statement, with and without the record that it ran.
#[tokio::test]
async fn a_migration_that_was_killed_is_carried_on() {
    const NOTES: &str = "CREATE TABLE __diesel_schema_migrations (version VARCHAR(50) PRIMARY KEY \
                         NOT NULL, run_on TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP)";
    let migrations = migrations("mysql");
    for noted in 0..migrations.len() {
        let database = TestDatabase::create().await;
        let mut admin = database.admin().await;
        admin.query_drop(NOTES).await.unwrap();
        for migration in &migrations[..noted] {
            admin.query_drop(&migration.sql).await.unwrap();
            let note = "INSERT INTO __diesel_schema_migrations (version) VALUES (?)";
            admin.exec_drop(note, (&migration.version,)).await.unwrap();
        }
        admin.query_drop(&migrations[noted].sql).await.unwrap();
        let migrator = Migrator::new(&database.url());
        let rest = names(&migrations[noted..]);
        assert_eq!(migrator.pending().await.unwrap(), rest);
        assert_eq!(migrator.run().await.unwrap(), rest);
        assert_works(&database).await;
    }
}

#[tokio::test]
async fn migration_lock_wait_times_out() {
    let database = TestDatabase::create().await;
    let mut admin = database.admin().await;
    for statement in [
        "CREATE TABLE etiqueta_migration_lease (id INT NOT NULL PRIMARY KEY, \
         holder BINARY(16) NOT NULL, renewals BIGINT NOT NULL)",
        "INSERT INTO etiqueta_migration_lease VALUES (1, UNHEX(REPEAT('ab', 16)), 7)",
    ] {
        admin.query_drop(statement).await.unwrap();
    }
    let migrator = Migrator::new(&database.url()).waiting(Duration::from_secs(1));
    let outcome = migrator.run().await;
    assert!(
        matches!(outcome, Err(MigrationError::Locked)),
        "{outcome:?}"
    );
    let release = "UPDATE etiqueta_migration_lease SET holder = UNHEX(REPEAT('00', 16))";
    admin.query_drop(release).await.unwrap();
    migrator.run().await.unwrap();
}

/// The tables of the program that this one replaces may be in the same database.
#[tokio::test]
async fn tables_of_another_program_are_left_alone() {
    let database = TestDatabase::create().await;
    let mut admin = database.admin().await;
    for statement in [
        "CREATE TABLE pictures (id VARCHAR(36) PRIMARY KEY, path VARCHAR(255), date DATETIME)",
        "CREATE TABLE tags (tag VARCHAR(32), picture_id VARCHAR(36), confidence FLOAT, \
         date DATETIME, PRIMARY KEY (tag, picture_id), \
         FOREIGN KEY (picture_id) REFERENCES pictures (id))",
        "INSERT INTO pictures VALUES ('a', 'Images/a.jpg', '2022-11-23 10:04:35')",
        "INSERT INTO tags VALUES ('car', 'a', 61.4, '2022-11-23 10:04:35')",
    ] {
        admin.query_drop(statement).await.unwrap();
    }
    let mut all = async || -> Vec<String> {
        let mut all = Vec::new();
        for table in ["pictures", "tags"] {
            let definition = format!("SHOW CREATE TABLE {table}");
            let definition: Option<(String, String)> = admin.query_first(definition).await.unwrap();
            let rows = admin.query::<mysql_async::Row, _>(format!("SELECT * FROM {table}"));
            all.push(format!("{definition:?} {:?}", rows.await.unwrap()));
        }
        all
    };
    let before = all().await;
    Migrator::new(&database.url()).run().await.unwrap();
    assert_works(&database).await;
    assert_eq!(all().await, before);
}

#[tokio::test]
async fn all_tables_are_called_etiqueta() {
    let database = TestDatabase::migrated().await;
    let tables: Vec<String> = database.admin().await.query("SHOW TABLES").await.unwrap();
    for table in &tables {
        let is_own = table.starts_with("etiqueta_") || table == "__diesel_schema_migrations";
        assert!(is_own, "{table}");
    }
}

/// A call may be cancelled anywhere; the next one gets the same connection, or another one, but never the
/// response to the previous call.
#[tokio::test]
async fn a_call_that_is_cut_off_spoils_no_connection() {
    let database = TestDatabase::migrated().await;
    let store = database.store(PoolSettings {
        max_connections: 1,
        ..SETTINGS
    });
    let expected = register(&*store, b"some bytes").await;
    for n in 0..60_u64 {
        let cut = image(&n.to_be_bytes(), at(1), &[("car", 1.0), ("new", 2.0)]);
        let calls = async {
            store.claim(&cut.digest, &cut.facts, at(0), at(1)).await?;
            let new = NewImage {
                codes: Vec::new(),
                request: None,
                info: domain::ImageInfo::default(),
                fence: None,
                image: cut.clone(),
                said: None,
                taggings: Vec::new(),
            };
            store.record(&new).await?;
            let limit = 10.try_into().unwrap();
            store.page(&ImageQuery::default(), None, limit).await
        };
        let time = Duration::from_micros(100 * n);
        let _ = tokio::time::timeout(time, calls).await;
        let found = store.find(&expected.id).await.unwrap();
        assert_eq!(found.as_ref(), Some(&expected));
        let halved = store.find(&cut.id).await.unwrap();
        assert!(halved.is_none_or(|found| found == cut));
    }
}

#[tokio::test]
async fn a_connection_that_the_server_closed_is_replaced() {
    let database = TestDatabase::migrated().await;
    let store = database.store(PoolSettings {
        max_connections: 1,
        ..SETTINGS
    });
    let image = register(&*store, b"some bytes").await;
    let mut admin = database.admin().await;
    let own: Vec<u64> = admin
        .exec(
            "SELECT id FROM information_schema.processlist WHERE db = ? AND id <> CONNECTION_ID()",
            (&database.server.database,),
        )
        .await
        .unwrap();
    assert_eq!(own.len(), 1);
    admin.query_drop(format!("KILL {}", own[0])).await.unwrap();
    // It was used just now, and so is not pinged: one call may find it closed.
    let first = store.find(&image.id).await;
    if first.is_err() {
        assert_unavailable(&first);
    }
    assert_eq!(store.find(&image.id).await.unwrap(), Some(image));
}

#[tokio::test]
async fn a_call_waits_for_a_connection_only_so_long() {
    let database = TestDatabase::migrated().await;
    let store = database.store(PoolSettings {
        max_connections: 1,
        acquire_timeout: Duration::from_millis(500),
        ..SETTINGS
    });
    let image = register(&*store, b"some bytes").await;
    let mut admin = database.admin().await;
    admin.query_drop("BEGIN").await.unwrap();
    admin
        .query_drop("SELECT * FROM etiqueta_original FOR UPDATE")
        .await
        .unwrap();
    // Other facts have to be written, which waits for the row.
    let facts = ImageFacts {
        byte_size: 11,
        ..image.facts
    };
    let claim = store.claim(&image.digest, &facts, at(0), at(1));
    let (claimed, found) = futures_util::join!(claim, async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        let found = store.find(&image.id).await;
        admin.query_drop("COMMIT").await.unwrap();
        found
    });
    claimed.unwrap();
    assert_unavailable(&found);
}

/// Not even where a server hangs in the middle of one.
#[tokio::test]
async fn uploads_wait_for_no_rollup() {
    let database = TestDatabase::migrated().await;
    let store = database.store(SETTINGS);
    register(&*store, b"some bytes").await;
    let mut other = database.admin().await;
    other.query_drop("BEGIN").await.unwrap();
    for lock in [
        "SELECT * FROM etiqueta_summary_state FOR UPDATE",
        "UPDATE etiqueta_summary_state SET version = version + 1",
    ] {
        other.query_drop(lock).await.unwrap();
    }
    let upload = register(&*store, b"other bytes");
    let done = tokio::time::timeout(Duration::from_secs(5), upload).await;
    assert!(done.is_ok());
    other.query_drop("COMMIT").await.unwrap();
}

#[tokio::test]
async fn a_server_that_is_not_there_is_unavailable() {
    let mut away = server();
    // Port 1 is never listened on.
    away.hosts.first_mut().unwrap().port = 1;
    let store = connect(&StoreUrl::Mysql(away), SETTINGS).unwrap();
    assert_unavailable(&store.ready().await);
}

#[tokio::test]
async fn a_wrong_password_is_unavailable_and_not_shown() {
    let mut refused = server();
    refused.password = "n0tthe0ne".into();
    let store = connect(&StoreUrl::Mysql(refused), SETTINGS).unwrap();
    let outcome = store.ready().await;
    assert_unavailable(&outcome);
    assert!(!format!("{outcome:?}").contains("n0tthe0ne"));
}

/// If TLS is requested, there is no connection without it.
#[tokio::test]
async fn tls_is_never_left_out() {
    let mut database = TestDatabase::migrated().await;
    database.server.tls = Some(Tls {
        ca: None,
        verify: false,
    });
    let store = database.store(SETTINGS);
    let outcome = store.ready().await;
    let mut admin = admin(&server()).await;
    let sessions = "SELECT COUNT(*) FROM information_schema.processlist WHERE db = ?";
    let name = (&database.server.database,);
    let sessions: Option<i64> = admin.exec_first(sessions, name).await.unwrap();
    let offered: Option<(String, String)> = admin
        .query_first("SHOW GLOBAL VARIABLES LIKE 'ssl_cert'")
        .await
        .unwrap();
    let is_offered = offered.is_some_and(|(_, certificate)| !certificate.is_empty());
    database.server.tls = server().tls;
    if is_offered {
        outcome.unwrap();
        assert_eq!(sessions, Some(1));
    } else {
        assert_unavailable(&outcome);
        assert_eq!(sessions, Some(0));
    }
}

/// No test server has a certificate signed by Mozilla's authorities.
#[tokio::test]
async fn a_certificate_of_an_unknown_authority_is_refused() {
    let mut server = server();
    server.tls = Some(Tls::default());
    let store = connect(&StoreUrl::Mysql(server), SETTINGS).unwrap();
    assert_unavailable(&store.ready().await);
}
