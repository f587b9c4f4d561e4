//! A MySQL or MariaDB server, with a database for each test.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use domain::ports::Database;
use image_store_diesel::{Consistency, Migrator, MysqlServer, PoolSettings, StoreUrl, connect};
use mysql_async::{Conn, OptsBuilder, SslOpts, prelude::Queryable};
use secrecy::ExposeSecret;

const VARIABLE: &str = "ETIQUETA_TEST_MYSQL_URL";

pub(crate) const SETTINGS: PoolSettings = PoolSettings {
    max_connections: 8,
    acquire_timeout: Duration::from_secs(30),
    lock_timeout: Duration::from_secs(10),
    call_timeout: Duration::from_mins(1),
    consistency: Consistency::Auto,
};

/// The server named by the environment.
pub(crate) fn server() -> MysqlServer {
    let url = std::env::var(VARIABLE).unwrap_or_else(|_| {
        panic!(
            "{VARIABLE} must be set to mysql://USER:PASSWORD@HOST:PORT/NAME, of a user who may create \
             databases named etiqueta_…; scripts/test starts a server and sets it"
        )
    });
    match url.parse() {
        Ok(StoreUrl::Mysql(server)) => server,
        other => panic!("{VARIABLE}: {other:?}"),
    }
}

/// A separate connection for the test.
pub(crate) async fn admin(server: &MysqlServer) -> Conn {
    let tls = server.tls.as_ref().map(|tls| {
        SslOpts::default()
            .with_root_certs(tls.ca.iter().map(|path| path.clone().into()).collect())
            .with_danger_accept_invalid_certs(!tls.verify)
    });
    let host = server.hosts.first().unwrap();
    let options = OptsBuilder::default()
        .ip_or_hostname(&host.name)
        .tcp_port(host.port)
        .user(Some(&server.user))
        .pass(Some(server.password.expose_secret()))
        .db_name(Some(&server.database))
        .ssl_opts(tls)
        .prefer_socket(false);
    Conn::new(options).await.unwrap()
}

/// A database, dropped with this value.
pub(crate) struct TestDatabase {
    pub(crate) server: MysqlServer,
}

impl TestDatabase {
    pub(crate) async fn create() -> Self {
        let mut server = server();
        let mut admin = admin(&server).await;
        let id = domain::ImageId::new(domain_testing::at(0)).to_string();
        server.database = format!("etiqueta_test_{}", id.replace('-', ""));
        let statement = format!("CREATE DATABASE {}", server.database);
        admin.query_drop(statement).await.unwrap();
        admin.disconnect().await.unwrap();
        Self { server }
    }

    /// One with the schema.
    pub(crate) async fn migrated() -> Self {
        let database = Self::create().await;
        Migrator::new(&database.url()).run().await.unwrap();
        database
    }

    pub(crate) fn url(&self) -> StoreUrl {
        StoreUrl::Mysql(self.server.clone())
    }

    pub(crate) fn store(&self, settings: PoolSettings) -> Arc<dyn Database> {
        connect(&self.url(), settings).unwrap()
    }

    pub(crate) async fn admin(&self) -> Conn {
        admin(&self.server).await
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        let server = self.server.clone();
        // A runtime of its own: the test's is shutting down.
        let dropped = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async {
                let mut admin = admin(&self::server()).await;
                let statement = format!("DROP DATABASE {}", server.database);
                admin.query_drop(statement).await.unwrap();
                admin.disconnect().await.unwrap();
            });
        });
        let is_dropped = dropped.join().is_ok();
        assert!(
            is_dropped || std::thread::panicking(),
            "the database is left"
        );
    }
}

/// Empty stores, each on its own database.
#[derive(Default)]
pub(crate) struct TestDatabases(Mutex<Vec<TestDatabase>>);

impl TestDatabases {
    pub(crate) async fn store(&self) -> Arc<dyn Database> {
        let database = TestDatabase::migrated().await;
        let store = database.store(SETTINGS);
        self.0.lock().unwrap().push(database);
        store
    }
}
