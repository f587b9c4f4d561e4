//! Tests of the store on SQLite alone.

use std::{path::PathBuf, sync::Arc, time::Duration};

use diesel::{Connection, RunQueryDsl, SqliteConnection, connection::SimpleConnection, sql_query};
use domain::{
    ImageQuery, LabelFilter, NewImage, TimeWindow,
    ports::{Database, ImageStoreError},
    service::{Catalog, CatalogPorts},
};
use domain_testing::{FakeOriginalStore, TestClock, at, image};
use futures_util::{
    StreamExt,
    future::{join, join_all},
};
use image_store_diesel::{
    MigrationError, Migrator, PoolSettings, Signals, StoreUrl, connect, connect_with,
};
use tempfile::TempDir;
use tokio::sync::watch;

use crate::{
    contract::run_contract,
    files::{migrations, names},
    servers::SETTINGS,
};

/// A folder for database files, removed on drop.
struct Files {
    folder: TempDir,
}

impl Files {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        Self { folder }
    }

    /// A file that does not exist, in a folder that does not exist.
    fn file(&self) -> PathBuf {
        let id = domain::ImageId::new(at(0)).to_string();
        self.folder.path().join(id).join("etiqueta.db")
    }

    async fn store(&self) -> Arc<dyn Database> {
        let url = url(&self.file());
        Migrator::new(&url).run().await.unwrap();
        connect(&url, SETTINGS).unwrap()
    }
}

fn url(path: &std::path::Path) -> StoreUrl {
    format!("sqlite://{}", path.display()).parse().unwrap()
}

run_contract!(Files::new());

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

#[tokio::test]
async fn looking_for_migrations_makes_no_file() {
    let files = Files::new();
    let path = files.file();
    let migrator = Migrator::new(&url(&path));
    assert_eq!(
        migrator.pending().await.unwrap(),
        names(&migrations("sqlite"))
    );
    assert!(!path.exists());
    assert_eq!(migrator.run().await.unwrap(), names(&migrations("sqlite")));
    assert!(migrator.pending().await.unwrap().is_empty());
}

#[tokio::test]
async fn a_store_without_its_schema_is_not_ready() {
    let files = Files::new();
    let store = connect(&url(&files.file()), SETTINGS).unwrap();
    let outcome = store.ready().await;
    assert!(
        matches!(outcome, Err(ImageStoreError::Unavailable(_))),
        "{outcome:?}"
    );
}

#[tokio::test]
async fn programs_that_start_at_once_migrate_once() {
    let files = Files::new();
    let migrator = Migrator::new(&url(&files.file()));
    let runs = join_all((0..4).map(|_| migrator.run())).await;
    let mut run: Vec<String> = runs.into_iter().flat_map(Result::unwrap).collect();
    run.sort();
    assert_eq!(run, names(&migrations("sqlite")));
}

/// Even if an older version did not record the last statement.
#[tokio::test]
async fn a_migration_that_was_cut_off_is_carried_on() {
    let files = Files::new();
    let migrations = migrations("sqlite");
    for noted in 0..migrations.len() {
        let path = files.file();
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        let mut connection = SqliteConnection::establish(path.to_str().unwrap()).unwrap();
        let notes = "CREATE TABLE __diesel_schema_migrations (version VARCHAR(50) PRIMARY KEY NOT \
                     NULL, run_on TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP)";
        connection.batch_execute(notes).unwrap();
        for migration in &migrations[..noted] {
            connection.batch_execute(&migration.sql).unwrap();
            sql_query("INSERT INTO __diesel_schema_migrations (version) VALUES (?)")
                .bind::<diesel::sql_types::Text, _>(&migration.version)
                .execute(&mut connection)
                .unwrap();
        }
        connection.batch_execute(&migrations[noted].sql).unwrap();
        let migrator = Migrator::new(&url(&path));
        assert_eq!(migrator.run().await.unwrap(), names(&migrations[noted..]));
        let store = connect(&url(&path), SETTINGS).unwrap();
        store.ready().await.unwrap();
        register(&*store, b"some bytes").await;
    }
}

#[tokio::test]
async fn migration_lock_wait_times_out() {
    let files = Files::new();
    let path = files.file();
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let mut other = SqliteConnection::establish(path.to_str().unwrap()).unwrap();
    other
        .batch_execute("PRAGMA journal_mode = WAL; BEGIN IMMEDIATE")
        .unwrap();
    let migrator = Migrator::new(&url(&path)).waiting(Duration::from_secs(1));
    let outcome = migrator.run().await;
    assert!(
        matches!(outcome, Err(MigrationError::Locked)),
        "{outcome:?}"
    );
    drop(other);
    migrator.run().await.unwrap();
}

#[tokio::test]
async fn recorded_images_survive_a_restart() {
    let files = Files::new();
    let url = url(&files.file());
    Migrator::new(&url).run().await.unwrap();
    let image = register(&*connect(&url, SETTINGS).unwrap(), b"some bytes").await;
    let next = connect(&url, SETTINGS).unwrap();
    assert_eq!(next.find(&image.id).await.unwrap(), Some(image));
}

/// Two programs with the same file wait for each other.
#[tokio::test]
async fn two_programs_write_at_once() {
    let files = Files::new();
    let url = url(&files.file());
    Migrator::new(&url).run().await.unwrap();
    let stores = [(); 2].map(|()| connect(&url, SETTINGS).unwrap());
    let write = async |store: &Arc<dyn Database>, first: u32| {
        for n in 0..25 {
            register(&**store, &(first + n).to_be_bytes()).await;
        }
    };
    join(write(&stores[0], 0), write(&stores[1], 1000)).await;
    let limit = 100.try_into().unwrap();
    let page = stores[0].page(&ImageQuery::default(), None, limit).await;
    assert_eq!(page.unwrap().len(), 50);
}

/// A call may be cancelled anywhere; it is atomic, and delays no other for long.
#[tokio::test]
async fn a_call_that_is_cut_off_spoils_no_connection() {
    let files = Files::new();
    let url = url(&files.file());
    Migrator::new(&url).run().await.unwrap();
    let settings = PoolSettings {
        max_connections: 1,
        ..SETTINGS
    };
    let store = connect(&url, settings).unwrap();
    let expected = register(&*store, b"some bytes").await;
    for n in 0..40_u64 {
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
        let _ = tokio::time::timeout(Duration::from_micros(100 * n), calls).await;
        let found = store.find(&expected.id).await.unwrap();
        assert_eq!(found.as_ref(), Some(&expected));
        register(&*store, &(1000 + n).to_be_bytes()).await;
        let halved = store.find(&cut.id).await.unwrap();
        assert!(halved.is_none_or(|found| found == cut));
    }
}

/// A list needs only one connection, and holds none while it is not polled.
#[tokio::test]
async fn a_list_that_is_not_read_on_holds_no_connection() {
    let files = Files::new();
    let url = url(&files.file());
    Migrator::new(&url).run().await.unwrap();
    // One to write, one to read.
    let settings = PoolSettings {
        max_connections: 2,
        ..SETTINGS
    };
    let store = connect(&url, settings).unwrap();
    let known = register(&*store, b"some bytes").await;
    for n in 0..1500_u32 {
        register(&*store, &n.to_be_bytes()).await;
    }
    let originals = Arc::<FakeOriginalStore>::default();
    let catalog = Catalog::new(CatalogPorts {
        images: store.clone(),
        counter: store.clone(),
        infos: store.clone(),
        statistics: store.clone(),
        ledger: store.clone(),
        originals,
        clock: Arc::<TestClock>::default(),
    });
    let list = catalog.list(TimeWindow::default(), LabelFilter::default(), None);
    let mut pages = list.await.unwrap();
    let mut listed = 0;
    while let Some(page) = pages.next().await {
        listed += page.unwrap().len();
        assert_eq!(store.find(&known.id).await.unwrap().as_ref(), Some(&known));
    }
    assert_eq!(listed, 1501);
}

#[tokio::test]
async fn a_folder_that_cannot_be_made_is_unavailable() {
    let files = Files::new();
    let file = files.folder.path().join("file");
    std::fs::write(&file, b"").unwrap();
    let store = connect(&url(&file.join("etiqueta.db")), SETTINGS).unwrap();
    let outcome = store.ready().await;
    assert!(
        matches!(outcome, Err(ImageStoreError::Unavailable(_))),
        "{outcome:?}"
    );
}

#[tokio::test]
async fn file_that_is_not_a_database_is_unavailable() {
    let files = Files::new();
    let path = files.folder.path().join("notes.txt");
    std::fs::write(
        &path,
        "not a database at all, but long enough to be looked at".repeat(100),
    )
    .unwrap();
    let outcome = Migrator::new(&url(&path)).run().await;
    assert!(
        matches!(outcome, Err(MigrationError::Unavailable(_))),
        "{outcome:?}"
    );
}

#[tokio::test]
async fn no_call_is_made_before_the_schema_is_there() {
    let files = Files::new();
    let url = url(&files.file());
    let (migrated, schema) = watch::channel(false);
    let signals = Signals {
        schema,
        ..Signals::default()
    };
    let store = connect_with(&url, SETTINGS, signals).unwrap();
    let early = store.ready().await.unwrap_err();
    assert!(
        matches!(early, ImageStoreError::Unavailable(_)),
        "{early:?}"
    );
    assert!(store.roll_up(at(0)).await.is_err());
    assert!(!files.file().exists());
    Migrator::new(&url).run().await.unwrap();
    migrated.send_replace(true);
    store.ready().await.unwrap();
    register(&*store, b"some bytes").await;
}

#[tokio::test(start_paused = true)]
async fn notifies_of_recorded_images() {
    let files = Files::new();
    let url = url(&files.file());
    Migrator::new(&url).run().await.unwrap();
    let signals = Signals::default();
    let recorded = Arc::clone(&signals.recorded);
    let store = connect_with(&url, SETTINGS, signals).unwrap();
    let is_notified = async || {
        let wait = Duration::from_secs(1);
        tokio::time::timeout(wait, recorded.notified())
            .await
            .is_ok()
    };
    let refused = NewImage {
        codes: Vec::new(),
        request: None,
        info: domain::ImageInfo::default(),
        fence: None,
        image: image(b"not claimed", at(0), &[]),
        said: None,
        taggings: Vec::new(),
    };
    assert!(store.record(&refused).await.is_err());
    assert!(!is_notified().await);
    register(&*store, b"some bytes").await;
    register(&*store, b"other bytes").await;
    assert!(is_notified().await);
    assert!(!is_notified().await);
}
